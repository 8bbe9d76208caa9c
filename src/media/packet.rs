//! Compressed pictures as they are kept for clips: by reference where that is cheap, with what a file needs.
//!
//! A [`Packet`] is one access unit, a [`Format`] what all access units of an unbroken stretch share. Only the
//! bytes before an access unit's first slice are looked at; damage is the decoder's business.

use gstreamer as gst;

use super::Codec;

/// Memory that a packet may keep alive besides its own bytes, before it is copied.
const SLACK_BYTES: usize = 4096;

/// One access unit. Cloning it clones a reference.
#[derive(Debug, Clone)]
pub struct Packet {
    buffer: gst::Buffer,
    /// When it is shown, nanoseconds on a clock that all packets of a ring share.
    pub pts_ns: i64,
    /// Whether decoding can begin here.
    pub entry: bool,
    /// Whether it carries parameter sets.
    pub has_sets: bool,
    held_bytes: usize,
}

impl Packet {
    /// Keeps `buffer`. Where its memory is a small part of something larger (a file block, a receive buffer), the
    /// part is copied, so that the whole is not kept alive.
    #[must_use]
    pub fn new(buffer: &gst::Buffer, pts_ns: i64, head: &Head) -> Self {
        let held = |buffer: &gst::BufferRef| buffer.iter_memories().map(gst::MemoryRef::maxsize).sum::<usize>();
        let limit = 2 * buffer.size() + SLACK_BYTES;
        let copied = (held(buffer) > limit).then(|| buffer.copy_deep().ok()).flatten();
        let buffer = copied.unwrap_or_else(|| buffer.clone());
        let held_bytes = held(&buffer).max(buffer.size());
        Self { buffer, pts_ns, entry: head.entry, has_sets: !head.sets.is_empty(), held_bytes }
    }

    /// Memory that it keeps alive, bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The compressed picture.
    #[must_use]
    pub fn buffer(&self) -> &gst::BufferRef {
        &self.buffer
    }
}

/// What the packets of a stretch share: a file holds one of these.
#[derive(Debug, Clone)]
pub struct Format {
    /// The codec.
    pub codec: &'static Codec,
    /// As the parser describes it.
    pub caps: gst::Caps,
    /// Parameter sets in Annex B form (H.264, H.265); a file begins with them.
    pub sets: Vec<u8>,
}

impl Format {
    /// The format of `caps`; `None` when the codec is not handled.
    #[must_use]
    pub fn of_caps(caps: &gst::CapsRef) -> Option<Self> {
        let codec = Codec::of_structure(caps.structure(0)?)?;
        Some(Self { codec, caps: caps.to_owned(), sets: Vec::new() })
    }

    /// Whether a file of this format may go on with packets of `other`: codec and size are what a container says
    /// once. Rates and profiles may be told anew.
    #[must_use]
    pub fn continues_as(&self, other: &gst::CapsRef) -> bool {
        let side = |caps: &gst::CapsRef, name: &str| caps.structure(0).and_then(|s| s.get::<i32>(name).ok());
        let data = |caps: &gst::CapsRef| caps.structure(0).and_then(|s| s.get::<gst::Buffer>("codec_data").ok());
        let name = |caps: &gst::CapsRef| caps.structure(0).map(|s| s.name().to_string());
        let same_data = match (data(&self.caps), data(other)) {
            (Some(a), Some(b)) => matches!((a.map_readable(), b.map_readable()), (Ok(a), Ok(b)) if *a == *b),
            _ => true,
        };
        let sides = ["width", "height"];
        same_data && name(&self.caps) == name(other) && sides.iter().all(|s| side(&self.caps, s) == side(other, s))
    }
}

/// What an access unit says of itself before its first slice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Whether decoding can begin here.
    pub entry: bool,
    /// Its parameter sets in Annex B form; empty when it carries none.
    pub sets: Vec<u8>,
}

impl Head {
    /// Reads an access unit of `codec`; `flagged` is what the parser thinks of it as a keyframe.
    ///
    /// Entry points are IDR pictures and recovery points of H.264 (ITU-T H.264 7.4.1.2.4, D.2.8), random access
    /// pictures of H.265 (ITU-T H.265 7.4.2.2), intra pictures elsewhere. An intra picture of H.264 by itself is
    /// none: what follows may refer to what came before it.
    #[must_use]
    pub fn read(codec: &Codec, unit: &[u8], flagged: bool) -> Self {
        match codec.caps.first() {
            Some(&"video/x-h264") => Self::read_nals(unit, h264),
            Some(&"video/x-h265") => Self::read_nals(unit, h265),
            _ => Self { entry: flagged, sets: Vec::new() },
        }
    }

    fn read_nals(unit: &[u8], kind: impl Fn(&[u8]) -> Nal) -> Self {
        let mut head = Self::default();
        let mut from = start_code(unit, 0);
        while let Some(start) = from {
            let next = start_code(unit, start + 3);
            let nal = unit.get(start + 3..next.unwrap_or(unit.len())).unwrap_or_default();
            match kind(nal) {
                Nal::Set => {
                    // A start code may have a fourth byte, which then stands at the end of the NAL unit before it.
                    let length = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    head.sets.extend_from_slice(&[0, 0, 0, 1]);
                    head.sets.extend_from_slice(nal.get(..length).unwrap_or_default());
                }
                Nal::Recovery => head.entry = true,
                Nal::Slice { entry } => {
                    head.entry |= entry;
                    return head;
                }
                Nal::Other => {}
            }
            from = next;
        }
        head
    }
}

enum Nal {
    Set,
    Recovery,
    Slice { entry: bool },
    Other,
}

fn h264(nal: &[u8]) -> Nal {
    match nal.first().map(|header| header & 31) {
        Some(7 | 8) => Nal::Set,
        // The first message of an SEI: type 6 is a recovery point.
        Some(6) if nal.get(1) == Some(&6) => Nal::Recovery,
        Some(kind @ 1..=5) => Nal::Slice { entry: kind == 5 },
        _ => Nal::Other,
    }
}

fn h265(nal: &[u8]) -> Nal {
    match nal.first().map(|header| header >> 1 & 63) {
        Some(32..=34) => Nal::Set,
        Some(kind @ 0..=31) => Nal::Slice { entry: (16..=21).contains(&kind) },
        _ => Nal::Other,
    }
}

/// Length of the access unit delimiter that `unit` begins with, 0 without one: parameter sets go behind it.
#[must_use]
pub(super) fn delimiter_length(codec: &Codec, unit: &[u8]) -> usize {
    let Some(start) = start_code(unit, 0) else { return 0 };
    let header = unit.get(start + 3).copied().unwrap_or_default();
    let delimits = match codec.caps.first() {
        Some(&"video/x-h264") => header & 31 == 9,
        Some(&"video/x-h265") => header >> 1 & 63 == 35,
        _ => false,
    };
    if delimits { start_code(unit, start + 3).unwrap_or(unit.len()) } else { 0 }
}

/// Where the next `00 00 01` begins, from `at` on.
fn start_code(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.windows(3).position(|window| window == [0, 0, 1]).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::CODECS;

    fn codec(caps: &str) -> &'static Codec {
        CODECS.iter().find(|codec| codec.caps.contains(&caps)).unwrap()
    }

    #[test]
    fn entries_are_where_decoding_can_begin() {
        let h264 = |unit: &[u8]| Head::read(codec("video/x-h264"), unit, true).entry;
        assert!(h264(&[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 9]), "IDR");
        assert!(!h264(&[0, 0, 1, 0x41, 9]), "an intra picture by flag only");
        assert!(h264(&[0, 0, 1, 6, 6, 1, 0x84, 0x80, 0, 0, 1, 0x41, 9]), "recovery point");
        assert!(!h264(&[0, 0, 1, 0x41, 9, 0, 0, 1, 0x65]), "only what precedes the first slice counts");
        let h265 = |unit: &[u8]| Head::read(codec("video/x-h265"), unit, true).entry;
        assert!(h265(&[0, 0, 1, 19 << 1, 1]) && h265(&[0, 0, 1, 21 << 1, 1]), "IDR and CRA");
        assert!(!h265(&[0, 0, 1, 1 << 1, 1]));
        assert!(Head::read(codec("image/jpeg"), &[0xFF, 0xD8], true).entry);
        assert!(!Head::read(codec("video/mpeg"), &[0, 0, 1, 0xB6, 0x40], false).entry);
    }

    #[test]
    fn parameter_sets_are_taken_whole_and_without_padding() {
        let unit = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9];
        let head = Head::read(codec("video/x-h264"), &unit, true);
        assert_eq!(head.sets, [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
        assert_eq!(Head::read(codec("video/x-h264"), &[], true), Head::default());
    }

    #[test]
    fn a_small_part_of_a_large_block_is_copied() {
        gst::init().unwrap();
        let head = Head { entry: true, sets: Vec::new() };
        let whole = gst::Buffer::from_slice(vec![7_u8; 200_000]);
        let part = whole.copy_region(gst::BufferCopyFlags::MEMORY, 10..110).unwrap();
        assert!(Packet::new(&part, 0, &head).held_bytes() < 1000);
        assert_eq!(Packet::new(&whole, 0, &head).held_bytes(), 200_000);
        let packet = Packet::new(&part, 0, &head);
        assert_eq!(*packet.buffer().map_readable().unwrap(), [7_u8; 100]);
    }
}
