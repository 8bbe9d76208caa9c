//! Access units as fragmented MP4 (ISO/IEC 14496-12 §8.8), piece by piece as they come, for players that are fed over a
//! socket. No bit of a picture is touched.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::element::make;
use super::packet::{Format, Packet, delimiter_length};
use crate::base::{Error, ErrorKind, Result};

/// Length of a fragment, milliseconds: about a picture.
const FRAGMENT_MS: u32 = 20;
/// Bytes that may wait on either side.
const QUEUE_BYTES: u64 = 4 << 20;

/// A piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What a player needs first.
    Init {
        /// Media type with the codec (RFC 6381), such as `video/mp4; codecs="avc1.64001f"`.
        mime: String,
        /// `ftyp` and `moov`.
        bytes: Vec<u8>,
    },
    /// The next pictures: `moof` and `mdat`.
    Segment {
        /// When its first picture is shown, nanoseconds since the first packet.
        start_ns: i64,
        /// How long it lasts.
        duration_ns: i64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// Makes pieces of packets. Dropped, it ends.
pub struct Fragments {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    filter: gst::Element,
    sink: gst_app::AppSink,
    format: Format,
    zero_ns: Option<i64>,
    last_dts_ns: i64,
    /// The header, until the first fragment begins.
    header: Option<Vec<u8>>,
    /// The fragment that has begun.
    begun: Vec<u8>,
    begun_at: Option<(i64, i64)>,
}

impl Fragments {
    /// Begins a file of `format`.
    ///
    /// # Errors
    /// `Unsupported` for a codec that no browser plays from MP4; `Missing` without a GStreamer plugin; `Internal`.
    pub fn start(format: &Format) -> Result<Self> {
        if !format.codec.annex_b {
            let what = format!("browsers do not play {} as it comes", format.codec.name);
            return Err(Error::new(ErrorKind::Unsupported, what).help("watch its pictures instead"));
        }
        let broken = |what: String| Error::new(ErrorKind::Internal, format!("passthrough video: {what}"));
        let source = gst_app::AppSrc::builder()
            .caps(&format.codec.standard_caps(format.caps.clone()))
            .format(gst::Format::Time)
            .is_live(true)
            .max_bytes(QUEUE_BYTES)
            .build();
        let (parser, filter, muxer) = (make(format.codec.parser)?, make("capsfilter")?, make("mp4mux")?);
        let stream = if format.codec.caps.contains(&"video/x-h264") { "avc" } else { "hvc1" };
        let name = format.codec.caps.first().copied().unwrap_or_default();
        let caps = gst::Caps::builder(name).field("stream-format", stream).field("alignment", "au").build();
        filter.set_property("caps", caps);
        muxer.set_property("fragment-duration", FRAGMENT_MS);
        muxer.set_property("streamable", true);
        let sink = gst_app::AppSink::builder().sync(false).async_(false).max_buffers(4096).build();
        let pipeline = gst::Pipeline::new();
        let chain = [source.upcast_ref(), &parser, &filter, &muxer, sink.upcast_ref()];
        pipeline
            .add_many(chain)
            .and_then(|()| gst::Element::link_many(chain))
            .map_err(|error| broken(format!("cannot build the graph: {error}")))?;
        pipeline.set_state(gst::State::Playing).map_err(|error| broken(error.to_string()))?;
        Ok(Self {
            pipeline,
            source,
            filter,
            sink,
            format: format.clone(),
            zero_ns: None,
            last_dts_ns: -1,
            header: Some(Vec::new()),
            begun: Vec::new(),
            begun_at: None,
        })
    }

    /// Takes the next access unit in decoding order; the first must be an entry point.
    ///
    /// # Errors
    /// `Corrupt` when the stream cannot be put into a file.
    pub fn push(&mut self, packet: &Packet) -> Result<()> {
        let first = self.zero_ns.is_none();
        let zero = *self.zero_ns.get_or_insert(packet.pts_ns);
        let shown = (packet.pts_ns - zero).max(0);
        // Nobody may wait for later pictures here, so decoding times only rise; players go by presentation times.
        let decoded = shown.max(self.last_dts_ns + 1);
        self.last_dts_ns = decoded;
        let mut buffer = if first && !packet.has_sets && !self.format.sets.is_empty() {
            self.with_sets(packet)?
        } else {
            part(packet, ..)?
        };
        let time = |ns: i64| gst::ClockTime::from_nseconds(ns.unsigned_abs());
        let header = buffer.make_mut();
        header.set_pts(time(shown));
        header.set_dts(time(decoded));
        if !packet.entry {
            header.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        self.source
            .push_buffer(buffer)
            .map(drop)
            .map_err(|error| Error::new(ErrorKind::Corrupt, format!("the stream cannot be passed through: {error}")))
    }

    fn with_sets(&self, packet: &Packet) -> Result<gst::Buffer> {
        let delimiter = packet.buffer().map_readable().map_or(0, |bytes| delimiter_length(self.format.codec, &bytes));
        let mut whole = part(packet, ..delimiter)?;
        whole.append(gst::Buffer::from_slice(self.format.sets.clone()));
        whole.append(part(packet, delimiter..)?);
        Ok(whole)
    }

    /// The pieces that are done, waiting for the first at most `patience`.
    ///
    /// # Errors
    /// `Corrupt` when the muxer gave up.
    pub fn pull(&mut self, patience: std::time::Duration) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut wait = gst::ClockTime::try_from(patience).unwrap_or(gst::ClockTime::ZERO);
        while let Some(sample) = self.sink.try_pull_sample(wait) {
            wait = gst::ClockTime::ZERO;
            if let Some(buffer) = sample.buffer() {
                self.sort(buffer, &mut pieces);
            }
        }
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        if let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
            return Err(Error::new(ErrorKind::Corrupt, format!("passthrough video: {}", error.error())));
        }
        Ok(pieces)
    }

    /// Puts a buffer of the muxer where it belongs: boxes before the first `moof` are the header; a fragment is whole
    /// with its `mdat`.
    fn sort(&mut self, buffer: &gst::BufferRef, pieces: &mut Vec<Piece>) {
        let Ok(bytes) = buffer.map_readable() else { return };
        if bytes.get(4..8) == Some(b"moof") {
            if let Some(header) = self.header.take().filter(|header| !header.is_empty()) {
                pieces.push(Piece::Init { mime: self.mime(), bytes: header });
            }
            self.finish(pieces);
        }
        match &mut self.header {
            Some(header) => header.extend_from_slice(&bytes),
            None => {
                if let Some(pts) = buffer.pts() {
                    let start = i64::try_from(pts.nseconds()).unwrap_or(0);
                    let length = i64::try_from(buffer.duration().unwrap_or_default().nseconds()).unwrap_or(0);
                    let (from, to) = self.begun_at.unwrap_or((start, start));
                    self.begun_at = Some((from.min(start), to.max(start + length)));
                }
                self.begun.extend_from_slice(&bytes);
                if is_whole(&self.begun) {
                    self.finish(pieces);
                }
            }
        }
    }

    fn finish(&mut self, pieces: &mut Vec<Piece>) {
        if !is_whole(&self.begun) {
            self.begun.clear();
            return;
        }
        let (start_ns, end_ns) = self.begun_at.take().unwrap_or_default();
        let bytes = std::mem::take(&mut self.begun);
        pieces.push(Piece::Segment { start_ns, duration_ns: end_ns - start_ns, bytes });
    }

    fn mime(&self) -> String {
        let caps = self.filter.static_pad("src").and_then(|pad| pad.current_caps());
        let data = caps.as_ref().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        let codec = data.and_then(|data| data.map_readable().ok().and_then(|bytes| codec_string(&bytes, &self.format)));
        match codec {
            Some(codec) => format!("video/mp4; codecs=\"{codec}\""),
            None => "video/mp4".to_owned(),
        }
    }
}

/// Whether the bytes are whole boxes, the last of which is the pictures.
fn is_whole(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut last = [0; 4];
    while let Some(head) = bytes.get(at..at + 8) {
        let (size, kind) = head.split_at(4);
        let size = size.iter().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        if size < 8 {
            return false;
        }
        last.copy_from_slice(kind);
        at += size;
    }
    at == bytes.len() && &last == b"mdat"
}

/// The codec parameter (RFC 6381; for H.265 ISO/IEC 14496-15 annex E) out of a decoder configuration record.
fn codec_string(record: &[u8], format: &Format) -> Option<String> {
    if format.codec.caps.contains(&"video/x-h264") {
        let [profile, constraints, level] = record.get(1..4)?.try_into().ok()?;
        return Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"));
    }
    let general = *record.get(1)?;
    let compatibility = u32::from_be_bytes(record.get(2..6)?.try_into().ok()?).reverse_bits();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let constraints = record.get(6..12)?;
    let length = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut text = format!("hvc1.{}.{compatibility:x}.{tier}{}", general & 0x1f, record.get(12)?);
    for byte in constraints.get(..length)? {
        text.push_str(&format!(".{byte:x}"));
    }
    Some(text)
}

fn part(packet: &Packet, range: impl std::ops::RangeBounds<usize>) -> Result<gst::Buffer> {
    packet
        .buffer()
        .copy_region(gst::BufferCopyFlags::MEMORY, range)
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

impl Drop for Fragments {
    fn drop(&mut self) {
        // Nothing to be done about a failure here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::CODECS;

    #[test]
    fn codec_strings() {
        let format = |caps: &str| {
            let codec = CODECS.iter().find(|codec| codec.caps.contains(&caps)).unwrap();
            Format { codec, caps: gst::Caps::builder(caps).build(), sets: Vec::new() }
        };
        gst::init().unwrap();
        let avc = codec_string(&[1, 0x64, 0, 0x1f, 0xff], &format("video/x-h264"));
        assert_eq!(avc.as_deref(), Some("avc1.64001f"));
        let hevc = codec_string(&[1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93], &format("video/x-h265"));
        assert_eq!(hevc.as_deref(), Some("hvc1.1.6.L93.b0"));
        assert_eq!(codec_string(&[1], &format("video/x-h264")), None);
    }

    #[test]
    fn a_fragment_is_whole_with_its_pictures() {
        let whole = [&[0, 0, 0, 8][..], b"moof", &[0, 0, 0, 9], b"mdat", &[7]].concat();
        assert!(is_whole(&whole));
        assert!(!is_whole(&whole[..whole.len() - 1]) && !is_whole(&whole[..8]) && !is_whole(&[]));
        assert!(!is_whole(&[0, 0, 0, 2, b'm', b'd', b'a', b't']));
    }
}
