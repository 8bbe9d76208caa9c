//! Pictures into an MP4 file: H.264, 8-bit 4:2:0, which every player shows.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSrc, AppStreamType};

use super::element::{exists, make, require};
use crate::base::{Error, ErrorKind, Result};

/// Encoders, the best first.
const ENCODERS: [&str; 2] = ["x264enc", "openh264enc"];
/// Duration of a picture that has none before it.
const USUAL_NS: u64 = 40_000_000;
/// Pictures that may wait for the encoder.
const QUEUE: u64 = 4;
/// How long the last pictures may take, and the file's index.
const CLOSING: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// A video being written. Dropped before [`Self::finish`], it leaves a file that cannot be played.
pub struct Mp4Writer {
    pipeline: gst::Pipeline,
    source: AppSrc,
    path: PathBuf,
    size: (usize, usize),
    last_ns: Option<i64>,
}

impl Mp4Writer {
    /// Begins a file of pictures of `size` (width, height; even numbers of pixels).
    ///
    /// # Errors
    /// `Missing` without an H.264 encoder; `Usage` for odd sizes; whatever keeps the file from being made.
    pub fn create(path: &Path, size: (usize, usize)) -> Result<Self> {
        std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
        if size.0 % 2 + size.1 % 2 > 0 || size.0 == 0 || size.1 == 0 {
            return Err(Error::new(ErrorKind::Internal, format!("a video of {}x{} pixels", size.0, size.1)));
        }
        gst::init().map_err(|e| Error::new(ErrorKind::Missing, "GStreamer does not start").source(e))?;
        let encoder = ENCODERS.into_iter().find(|name| exists(name)).unwrap_or(ENCODERS[0]);
        require(encoder)?;
        let failed = |e: gst::glib::BoolError| Error::new(ErrorKind::Internal, format!("{}: {e}", path.display()));
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", size.0 as i32)
            .field("height", size.1 as i32)
            // The times are the pictures' own. Without a rate the parser drops durations, and with the last one's the
            // last picture is cut off.
            .field("framerate", gst::Fraction::new(25, 1))
            .build();
        let source = AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .stream_type(AppStreamType::Stream)
            .block(true)
            .max_buffers(QUEUE)
            .build();
        let convert = make("videoconvert")?;
        let filter = make("capsfilter")?;
        filter.set_property("caps", gst::Caps::builder("video/x-raw").field("format", "I420").build());
        let encode = make(encoder)?;
        if encoder == "x264enc" {
            encode.set_property_from_str("pass", "qual");
            encode.set_property_from_str("speed-preset", "veryfast");
            encode.set_property("quantizer", 23_u32);
            encode.set_property("key-int-max", 100_u32);
        }
        let (parse, mux, sink) = (make("h264parse")?, make("mp4mux")?, make("filesink")?);
        sink.set_property("location", path);
        let chain = [source.upcast_ref(), &convert, &filter, &encode, &parse, &mux, &sink];
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(chain).map_err(failed)?;
        gst::Element::link_many(chain).map_err(failed)?;
        let writer = Self { pipeline, source, path: path.to_owned(), size, last_ns: None };
        let started = writer.pipeline.set_state(gst::State::Playing);
        started.map_err(|e| writer.message().unwrap_or_else(|| writer.failed(&e.to_string())))?;
        Ok(writer)
    }

    /// Adds a picture, `at_ns` after the first one: rows of red, green, blue without gaps. Waits while the encoder is
    /// behind. A picture that is not later than the one before is passed over.
    ///
    /// # Errors
    /// The encoder or the disk failed.
    pub fn add(&mut self, at_ns: i64, rgb: Vec<u8>) -> Result<()> {
        if rgb.len() != 3 * self.size.0 * self.size.1 {
            return Err(self.failed("a picture of another size"));
        }
        let Ok(pts) = u64::try_from(at_ns) else { return Ok(()) };
        if self.last_ns.is_some_and(|last| at_ns <= last) {
            return Ok(());
        }
        // The last picture, too, needs a duration, or players leave it out.
        let duration_ns = self.last_ns.map_or(USUAL_NS, |last| (at_ns - last).unsigned_abs());
        self.last_ns = Some(at_ns);
        // GStreamer wants rows of RGB in multiples of four bytes.
        let (row, stride) = (3 * self.size.0, (3 * self.size.0).next_multiple_of(4));
        let data = if row == stride {
            rgb
        } else {
            let padded = |row: &[u8]| row.iter().copied().chain(std::iter::repeat_n(0, stride - row.len())).collect();
            rgb.chunks_exact(row).flat_map::<Vec<u8>, _>(padded).collect()
        };
        let mut buffer = gst::Buffer::from_mut_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts));
            buffer.set_duration(gst::ClockTime::from_nseconds(duration_ns));
        }
        self.source
            .push_buffer(buffer)
            .map(|_| ())
            .map_err(|e| self.message().unwrap_or_else(|| self.failed(&e.to_string())))
    }

    /// Writes what is left, and the index.
    ///
    /// # Errors
    /// The encoder or the disk failed.
    pub fn finish(self) -> Result<()> {
        // A pipeline that has failed does not take it; the bus says why.
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().ok_or_else(|| self.failed("a pipeline without a bus"))?;
        match bus.timed_pop_filtered(CLOSING, &[gst::MessageType::Eos, gst::MessageType::Error]) {
            Some(message) => match message.view() {
                gst::MessageView::Error(fault) => Err(self.failed(&fault.error().to_string())),
                _ => Ok(()),
            },
            None => Err(self.failed("the encoder does not come to an end")),
        }
    }

    fn message(&self) -> Option<Error> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(fault) => Some(self.failed(&fault.error().to_string())),
            _ => None,
        }
    }

    fn failed(&self, why: &str) -> Error {
        Error::new(ErrorKind::Io, format!("{}: {why}", self.path.display()))
    }
}

impl Drop for Mp4Writer {
    fn drop(&mut self) {
        // Nothing to be done about a failure here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
