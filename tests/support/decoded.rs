//! The pictures of a clip as a decoder gives them, by a graph of the test's own.
#![allow(dead_code)] // each test uses its own part

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

/// 8-bit 4:2:0 samples, rows without gaps: Y, U, V.
pub struct I420 {
    pub size: (usize, usize),
    pub planes: [Vec<u8>; 3],
}

/// Calls `each` with every picture of the clip, numbered from 0 in display order; how many there were.
/// `each` reads the samples only when it asks for them. Panics with GStreamer's words when it cannot.
pub fn pictures(clip: &Path, mut each: impl FnMut(u64, &dyn Fn() -> I420)) -> u64 {
    gst::init().unwrap();
    let launch = "filesrc name=file ! decodebin ! appsink name=pictures sync=false max-buffers=4";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", clip);
    let sink = pipeline.by_name("pictures").unwrap().downcast::<AppSink>().unwrap();
    sink.set_caps(Some(&gst::Caps::builder("video/x-raw").field("format", "I420").build()));
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut number = 0;
    while let Ok(sample) = sink.pull_sample() {
        each(number, &|| i420(&sample));
        number += 1;
    }
    let ended = sink.is_eos();
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    let _ = pipeline.set_state(gst::State::Null);
    assert!(ended && error.is_none(), "{}: {error:?}", clip.display());
    number
}

fn i420(sample: &gst::Sample) -> I420 {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
    let planes = std::array::from_fn(|index| {
        let (width, height) = (frame.comp_width(index as u32) as usize, frame.comp_height(index as u32) as usize);
        let rows = frame.plane_data(index as u32).unwrap().chunks(frame.plane_stride()[index] as usize);
        rows.take(height).flat_map(|row| &row[..width]).copied().collect()
    });
    I420 { size: (info.width() as usize, info.height() as usize), planes }
}
