//! Reads a clip's video access units in decoding order, with times from its start.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::codec;
use crate::base::{Error, ErrorKind, Result};
use crate::media::element::{make, require};
use crate::media::{CODECS, Codec, container};

/// How long a file may take to give its first picture.
const OPENING: gst::ClockTime = gst::ClockTime::from_seconds(5);
/// How long it may take for the next one.
const READING: gst::ClockTime = gst::ClockTime::from_seconds(10);
/// How long a video may come after the first stream that is none; they come together, from one call.
const ALL_PADS: gst::ClockTime = gst::ClockTime::from_mseconds(500);
/// How often to look for messages while waiting.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// One picture's bytes. Times are nanoseconds since the start of the clip.
pub(super) struct Unit {
    pub buffer: gst::Buffer,
    pub pts_ns: i64,
    pub dts_ns: Option<i64>,
    pub duration_ns: Option<i64>,
}

/// An open clip. Dropped, it closes the file.
pub(super) struct Clip {
    pipeline: gst::Pipeline,
    sink: AppSink,
    name: String,
    pub codec: &'static Codec,
    pub caps: gst::Caps,
    /// From the caps, for streams without times of their own.
    frame_ns: Option<i64>,
    last_pts_ns: Option<i64>,
}

/// What the demultiplexer has shown so far.
#[derive(Default)]
struct Offer {
    video: Option<&'static Codec>,
    others: HashSet<String>,
    failure: Option<Error>,
}

type Shared = Arc<Mutex<Offer>>;

impl Clip {
    /// Opens a file and finds its first video stream.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let container = container::sniff(path)?;
        require("appsink")?;
        let build = |error: glib::BoolError| Error::new(ErrorKind::Internal, format!("{name}: {error}")).source(error);
        let pipeline = gst::Pipeline::new();
        let source = make("filesrc")?;
        source.set_property("location", path);
        let sink = AppSink::builder().sync(false).max_buffers(8).build();
        pipeline.add_many([&source, sink.upcast_ref()]).map_err(build)?;
        let offer = Shared::default();
        if let Some(codec) = container.bare_codec() {
            let source =
                source.static_pad("src").ok_or_else(|| Error::new(ErrorKind::Internal, "filesrc without a pad"))?;
            video(&pipeline, &sink, &source, codec)?;
            offer.lock().unwrap_or_else(PoisonError::into_inner).video = Some(codec);
        } else if let Some(demuxer) = container.demuxer() {
            // Not parsebin: stopped while it is still building itself, it can deadlock (seen with 1.22).
            let demuxer = make(demuxer)?;
            pipeline.add(&demuxer).map_err(build)?;
            source.link(&demuxer).map_err(build)?;
            demuxer.connect_pad_added({
                let (offer, pipeline, sink) = (Arc::clone(&offer), pipeline.downgrade(), sink.downgrade());
                move |_, pad| {
                    if let (Some(pipeline), Some(sink)) = (pipeline.upgrade(), sink.upgrade()) {
                        take(&pipeline, &sink, pad, &mut offer.lock().unwrap_or_else(PoisonError::into_inner));
                    }
                }
            });
        }
        // From here on a drop closes the pipeline.
        let mut clip = Self {
            pipeline,
            sink,
            name,
            codec: &CODECS[0],
            caps: gst::Caps::new_empty(),
            frame_ns: None,
            last_pts_ns: None,
        };
        clip.start(&offer)?;
        Ok(clip)
    }

    fn start(&mut self, offer: &Shared) -> Result<()> {
        // A failure comes as a message, with its reason.
        let _ = self.pipeline.set_state(gst::State::Playing);
        let (mut waited, mut without_video) = (gst::ClockTime::ZERO, gst::ClockTime::ZERO);
        let sample = loop {
            if let Some(error) = self.message() {
                return Err(error);
            }
            {
                let mut offer = offer.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(error) = offer.failure.take() {
                    return Err(error.context(&self.name));
                }
                if offer.video.is_none() && !offer.others.is_empty() {
                    if without_video >= ALL_PADS {
                        return Err(self.no_video(&offer));
                    }
                    without_video += TICK;
                }
            }
            if let Some(sample) = self.sink.try_pull_preroll(TICK) {
                break sample;
            }
            if waited >= OPENING || self.sink.is_eos() {
                return Err(self.corrupt("no picture in it"));
            }
            waited += TICK;
        };
        // The sample came through the pad, so the pad's codec is known by now.
        self.codec = offer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .video
            .ok_or_else(|| self.corrupt("a picture without a stream"))?;
        let caps = sample.caps().map(ToOwned::to_owned).ok_or_else(|| self.corrupt("a stream without a format"))?;
        self.caps = self.codec.standard_caps(caps);
        let framerate = self.caps.structure(0).and_then(|structure| structure.get::<gst::Fraction>("framerate").ok());
        self.frame_ns = framerate
            .filter(|rate| rate.numer() > 0)
            .map(|rate| 1_000_000_000 * i64::from(rate.denom()) / i64::from(rate.numer()));
        if sample.buffer().is_some_and(|buffer| buffer.dts_or_pts().is_none()) && self.frame_ns.is_none() {
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: a stream without times", self.name))
                .help("put it into a container, such as MP4 or Matroska"));
        }
        Ok(())
    }

    /// The next picture, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Unit>> {
        let Some(sample) = self.sink.try_pull_sample(READING) else {
            return match self.message() {
                Some(error) => Err(error),
                None if self.sink.is_eos() => Ok(None),
                None => Err(self.corrupt("reading has stalled")),
            };
        };
        let Some(buffer) = sample.buffer_owned() else { return Ok(None) };
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let running = |time: Option<gst::ClockTime>| {
            let running = segment?.to_running_time_full(time?)?;
            i64::try_from(running.abs().nseconds()).ok().map(|ns| if running.is_negative() { -ns } else { ns })
        };
        let dts_ns = running(buffer.dts());
        let guess = || match self.last_pts_ns {
            Some(last) => last + self.frame_ns.unwrap_or(0),
            None => 0,
        };
        let pts_ns = running(buffer.pts()).or(dts_ns).unwrap_or_else(guess);
        self.last_pts_ns = Some(pts_ns);
        let duration_ns = buffer.duration().and_then(|time| i64::try_from(time.nseconds()).ok()).or(self.frame_ns);
        Ok(Some(Unit { buffer, pts_ns, dts_ns, duration_ns }))
    }

    /// The first fault on the bus.
    fn message(&self) -> Option<Error> {
        let bus = self.pipeline.bus()?;
        let mut missing = None;
        while let Some(message) = bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Element]) {
            match message.view() {
                gst::MessageView::Error(fault) => {
                    return Some(missing.unwrap_or_else(|| self.corrupt(&fault.error().to_string())));
                }
                gst::MessageView::Element(element) => {
                    let structure = element.structure().filter(|structure| structure.name() == "missing-plugin");
                    if let Some(what) = structure.and_then(|structure| structure.get::<String>("name").ok()) {
                        missing = Some(
                            Error::new(ErrorKind::Missing, format!("{}: no GStreamer plugin for {what}", self.name))
                                .help("install the GStreamer plugin packages good, bad and libav"),
                        );
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn corrupt(&self, why: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{}: {why}", self.name))
    }

    fn no_video(&self, offer: &Offer) -> Error {
        let mut others: Vec<&str> = offer.others.iter().map(String::as_str).collect();
        others.sort_unstable();
        let what = format!("{}: no video that can be served among: {}", self.name, others.join(", "));
        Error::new(ErrorKind::Unsupported, what).help(format!("served are {}", Codec::names()))
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        // Nothing to be done about a failure here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Links a new pad: the first video to the sink, anything else to nowhere.
fn take(pipeline: &gst::Pipeline, sink: &AppSink, pad: &gst::Pad, offer: &mut Offer) {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let codec = caps.structure(0).and_then(Codec::of_structure).filter(|_| offer.video.is_none());
    let linked = match codec {
        Some(codec) => video(pipeline, sink, pad, codec),
        None => {
            offer.others.insert(caps.structure(0).map_or_else(String::new, |structure| structure.name().to_string()));
            nowhere(pipeline, pad)
        }
    };
    match linked {
        Ok(()) => offer.video = offer.video.or(codec),
        Err(error) => offer.failure = Some(error),
    }
}

fn video(pipeline: &gst::Pipeline, sink: &AppSink, pad: &gst::Pad, codec: &Codec) -> Result<()> {
    let failed = |error: glib::BoolError| Error::new(ErrorKind::Internal, error.to_string());
    let parser = make(codec.parser)?;
    let filter = make("capsfilter")?;
    filter.set_property("caps", codec::pictures(codec));
    pipeline.add_many([&parser, &filter]).map_err(failed)?;
    gst::Element::link_many([&parser, &filter, sink.upcast_ref()]).map_err(failed)?;
    link(pad, &parser)?;
    filter.sync_state_with_parent().and_then(|()| parser.sync_state_with_parent()).map_err(failed)
}

fn nowhere(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<()> {
    let failed = |error: glib::BoolError| Error::new(ErrorKind::Internal, error.to_string());
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    pipeline.add(&sink).map_err(failed)?;
    link(pad, &sink)?;
    sink.sync_state_with_parent().map_err(failed)
}

fn link(pad: &gst::Pad, element: &gst::Element) -> Result<()> {
    let failed = |why: String| Error::new(ErrorKind::Unsupported, why);
    let sink = element.static_pad("sink").ok_or_else(|| failed("an element without a sink pad".to_owned()))?;
    pad.link(&sink).map(|_| ()).map_err(|error| failed(format!("cannot link {}: {error}", element.name())))
}
