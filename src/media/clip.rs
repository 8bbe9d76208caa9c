//! Writes access units into a file that any player opens, without touching a bit of the pictures.
//!
//! H.264, H.265 and MPEG-4 Part 2 go into MP4 with the index in front; motion JPEG, which players do not expect
//! there, into Matroska. The file is complete once [`ClipFile::finish`] has returned; making it durable and giving
//! it its name is the caller's business.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::element::make;
use super::packet::{Format, Packet, delimiter_length};
use super::{Codec, DecodeTimes};
use crate::base::{Error, ErrorKind, Result};

/// Bytes that may wait for the disk; pushing blocks beyond.
const QUEUE_BYTES: u64 = 4 << 20;
/// A disk with less free than this is full.
const FULL_BYTES: u64 = 1 << 20;
/// How long the last bytes may take to reach the file.
const FINISHING: gst::ClockTime = gst::ClockTime::from_seconds(30);
/// How long a refused packet's reason may take to arrive.
const REASON: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// What a file says of itself, in its own metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClipTags {
    /// What it shows.
    pub title: String,
    /// More of it, as JSON.
    pub comment: String,
    /// Clockwise turn that makes the picture upright: 0, 90, 180 or 270 degrees.
    pub rotate_degrees: u16,
}

/// An open file. Dropped before [`ClipFile::finish`], it is left unfinished.
pub struct ClipFile {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    /// MP4's second file while the index is not written yet.
    scratch: PathBuf,
    path: PathBuf,
    format: Format,
    times: DecodeTimes<Packet>,
    /// Decoding time of the first packet, nanoseconds on the run's clock.
    zero_ns: Option<i64>,
}

/// The file name's extension of clips in `codec`.
#[must_use]
pub fn extension(codec: &Codec) -> &'static str {
    if goes_into_matroska(codec) { "mkv" } else { "mp4" }
}

fn goes_into_matroska(codec: &Codec) -> bool {
    codec.caps.contains(&"image/jpeg")
}

impl ClipFile {
    /// Begins a file of `format` at `path`.
    ///
    /// # Errors
    /// `Missing` without a GStreamer plugin, `Internal` when the graph cannot be built.
    pub fn create(path: &Path, format: &Format, tags: &ClipTags) -> Result<Self> {
        let broken = |what: String| Error::new(ErrorKind::Internal, format!("{}: {what}", path.display()));
        let source = gst_app::AppSrc::builder()
            .caps(&format.codec.standard_caps(format.caps.clone()))
            .format(gst::Format::Time)
            .block(true)
            .max_bytes(QUEUE_BYTES)
            .build();
        let parser = make(format.codec.parser)?;
        let filter = make("capsfilter")?;
        let muxer = make(if goes_into_matroska(format.codec) { "matroskamux" } else { "mp4mux" })?;
        let sink = make("filesink")?;
        let scratch = path.with_extension("scratch");
        if muxer.find_property("faststart-file").is_some() {
            muxer.set_property("faststart", true);
            muxer.set_property("faststart-file", scratch.to_str().ok_or_else(|| broken("no UTF-8 path".to_owned()))?);
        }
        if format.codec.annex_b {
            let stream = if format.codec.caps.contains(&"video/x-h264") { "avc" } else { "hvc1" };
            let caps = gst::Caps::builder(format.codec.caps[0]).field("stream-format", stream);
            filter.set_property("caps", caps.field("alignment", "au").build());
        }
        sink.set_property("location", path);
        sink.set_property("async", false);
        sink.set_property("sync", false);
        describe(&muxer, tags);
        let pipeline = gst::Pipeline::new();
        let chain = [source.upcast_ref(), &parser, &filter, &muxer, &sink];
        pipeline
            .add_many(chain)
            .and_then(|()| gst::Element::link_many(chain))
            .map_err(|error| broken(format!("cannot build the graph: {error}")))?;
        let file = Self {
            pipeline,
            source,
            scratch,
            path: path.to_owned(),
            format: format.clone(),
            times: DecodeTimes::default(),
            zero_ns: None,
        };
        if file.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(file.failure(REASON).unwrap_or_else(|| broken("cannot be created".to_owned())));
        }
        Ok(file)
    }

    /// Takes the next access unit in decoding order; the first must be an entry point. Blocks while the disk is
    /// behind.
    ///
    /// # Errors
    /// `DiskFull`, `Permission` or `Io` from the disk; `Corrupt` when the stream cannot be put into a file.
    pub fn push(&mut self, packet: Packet) -> Result<()> {
        match self.times.push(packet.pts_ns, packet) {
            Some(timed) => self.write(timed),
            None => Ok(()),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<()> {
        let left: Vec<_> = std::mem::take(&mut self.times).finish().collect();
        for timed in left {
            self.write(timed)?;
        }
        // Fails only after an error, which the bus has.
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().ok_or_else(|| Error::new(ErrorKind::Internal, "a pipeline without a bus"))?;
        let ended = bus.timed_pop_filtered(FINISHING, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match ended.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(self.explain(error)),
            _ => Err(Error::new(ErrorKind::Io, format!("{}: the disk does not take it", self.path.display()))),
        }
    }

    fn write(&mut self, timed: super::decode_times::Timed<Packet>) -> Result<()> {
        let first = self.zero_ns.is_none();
        let zero = *self.zero_ns.get_or_insert(timed.dts_ns);
        let packet = timed.item;
        let mut buffer = match &self.format.sets {
            sets if first && !packet.has_sets && !sets.is_empty() => self.with_sets(&packet, sets)?,
            _ => part(&packet, ..)?,
        };
        let time = |ns: i64| gst::ClockTime::from_nseconds(u64::try_from(ns - zero).unwrap_or(0));
        let header = buffer.make_mut();
        header.set_pts(time(timed.pts_ns));
        header.set_dts(time(timed.dts_ns));
        header.set_duration(gst::ClockTime::from_nseconds(timed.duration_ns.unsigned_abs()));
        if !packet.entry {
            header.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        if self.source.push_buffer(buffer).is_ok() {
            return self.failure(gst::ClockTime::ZERO).map_or(Ok(()), Err);
        }
        Err(self.failure(REASON).unwrap_or_else(|| {
            Error::new(ErrorKind::Io, format!("{}: the file takes no more packets", self.path.display()))
        }))
    }

    /// The packet with the parameter sets, which came with an earlier one.
    fn with_sets(&self, packet: &Packet, sets: &[u8]) -> Result<gst::Buffer> {
        let delimiter = match packet.buffer().map_readable() {
            Ok(bytes) => delimiter_length(self.format.codec, &bytes),
            Err(_) => 0,
        };
        let mut whole = part(packet, ..delimiter)?;
        whole.append(gst::Buffer::from_slice(sets.to_vec()));
        whole.append(part(packet, delimiter..)?);
        Ok(whole)
    }

    /// The first fault on the bus.
    fn failure(&self, wait: gst::ClockTime) -> Option<Error> {
        let message = self.pipeline.bus()?.timed_pop_filtered(wait, &[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(self.explain(error)),
            _ => None,
        }
    }

    fn explain(&self, message: &gst::message::Error) -> Error {
        let error = message.error();
        let name = self.path.display();
        let resource = error.kind::<gst::ResourceError>();
        // The muxer only says that it could not write.
        let is_full = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BYTES)
        };
        let kind = match resource {
            Some(gst::ResourceError::NoSpaceLeft) => ErrorKind::DiskFull,
            Some(_) if is_full() => ErrorKind::DiskFull,
            Some(gst::ResourceError::NotAuthorized) => ErrorKind::Permission,
            Some(_) => ErrorKind::Io,
            None => ErrorKind::Corrupt,
        };
        Error::new(kind, format!("{name}: {error}"))
    }
}

/// Some bytes of a packet, by reference and without times.
fn part(packet: &Packet, range: impl std::ops::RangeBounds<usize>) -> Result<gst::Buffer> {
    packet
        .buffer()
        .copy_region(gst::BufferCopyFlags::MEMORY, range)
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

impl Drop for ClipFile {
    fn drop(&mut self) {
        // Nothing to be done about a failure here.
        let _ = self.pipeline.set_state(gst::State::Null);
        if let Err(error) = std::fs::remove_file(&self.scratch)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(path = %self.scratch.display(), %error, "a clip's scratch file stays");
        }
    }
}

fn describe(muxer: &gst::Element, tags: &ClipTags) {
    let Some(setter) = muxer.dynamic_cast_ref::<gst::TagSetter>() else { return };
    let mode = gst::TagMergeMode::Replace;
    setter.add_tag::<gst::tags::Title>(&tags.title.as_str(), mode);
    setter.add_tag::<gst::tags::Comment>(&tags.comment.as_str(), mode);
    let turn = match tags.rotate_degrees {
        90 => "rotate-90",
        180 => "rotate-180",
        270 => "rotate-270",
        _ => return,
    };
    setter.add_tag::<gst::tags::ImageOrientation>(&turn, mode);
}
