//! The witnesses and the judge around one decoder, on its streaming thread.

use gstreamer as gst;

use super::{Decision, DecoderLog, Entry, Gate, Verdict, h264, h265, jpeg};
use crate::base::Result;

/// Watches one decoder: [`Guard::unit`] before it, [`Guard::picture`] after it.
#[derive(Debug)]
pub struct Guard {
    log: DecoderLog,
    inspector: Inspector,
    gate: Gate,
    number: u64,
    /// Marks the number that travels through the decoder: PTS may be missing or repeat.
    mark: gst::Caps,
}

#[derive(Debug)]
enum Inspector {
    H264(Box<h264::Inspector>),
    H265(Box<h265::Inspector>),
    Jpeg(Box<jpeg::Inspector>),
    /// MPEG-4 Part 2: keyframes by the parser's flags, damage by the decoder's log alone.
    Flags,
}

impl Guard {
    /// A guard for one run. GStreamer must be initialised.
    ///
    /// # Errors
    /// `Missing` without gst-libav.
    pub fn new() -> Result<Self> {
        Ok(Self {
            log: DecoderLog::install()?,
            inspector: Inspector::Flags,
            gate: Gate::new(),
            number: 0,
            mark: gst::Caps::new_empty_simple("timestamp/x-vantage-access-unit"),
        })
    }

    /// Access units will look like this from now on. A change within a codec (size, parameter sets) is
    /// the inspector's own business.
    pub fn caps(&mut self, structure: &gst::StructureRef) {
        match (structure.name().as_str(), &self.inspector) {
            ("video/x-h264", Inspector::H264(_))
            | ("video/x-h265", Inspector::H265(_))
            | ("image/jpeg", Inspector::Jpeg(_)) => {}
            ("video/x-h264", _) => self.inspector = Inspector::H264(Box::new(h264::Inspector::new())),
            ("video/x-h265", _) => self.inspector = Inspector::H265(Box::new(h265::Inspector::new())),
            ("image/jpeg", _) => self.inspector = Inspector::Jpeg(Box::new(jpeg::Inspector::new())),
            _ => self.inspector = Inspector::Flags,
        }
    }

    /// An access unit is about to be decoded; returns its number, which its picture brings back.
    pub fn unit(&mut self, buffer: &mut gst::Buffer) -> u64 {
        self.listen();
        self.number += 1;
        let verdict = self.inspect(buffer);
        self.gate.access_unit(self.number, verdict);
        let stamp = gst::ClockTime::from_nseconds(self.number);
        gst::ReferenceTimestampMeta::add(buffer.make_mut(), &self.mark, stamp, gst::ClockTime::NONE);
        self.number
    }

    /// The decoder gave a picture: the number of its access unit, and whether it may be analysed.
    pub fn picture(&mut self, buffer: &gst::BufferRef) -> (Option<u64>, Decision) {
        self.listen();
        let number = buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|meta| *meta.reference() == *self.mark)
            .map(|meta| meta.timestamp().nseconds());
        // The MPEG-4 decoder regroups packed frames and loses the mark: judge by the newest access unit.
        let judged = if matches!(self.inspector, Inspector::Flags) { number.or(Some(self.number)) } else { number };
        (number, self.gate.picture(judged))
    }

    /// What the decoder said since the last call is about the access unit that it got last.
    fn listen(&mut self) {
        if let Some(complaint) = self.log.take() {
            self.gate.complaint(complaint);
        }
    }

    fn inspect(&mut self, buffer: &gst::Buffer) -> Verdict {
        let by_flags = || Verdict {
            entry: if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) { Entry::None } else { Entry::Clean },
            leading: false,
            reference: true,
            damage: None,
        };
        let Ok(bytes) = buffer.map_readable() else { return by_flags() };
        match &mut self.inspector {
            Inspector::H264(inspector) => inspector.access_unit(&bytes),
            Inspector::H265(inspector) => inspector.access_unit(&bytes),
            Inspector::Jpeg(inspector) => inspector.access_unit(&bytes),
            Inspector::Flags => mpeg4_vop(&bytes).unwrap_or_else(by_flags),
        }
    }
}

/// The kind of an MPEG-4 picture: `vop_coding_type`, two bits after the VOP start code (ISO/IEC
/// 14496-2, 6.2.5). Nobody refers to a B-VOP, so damage to one ends with it.
fn mpeg4_vop(unit: &[u8]) -> Option<Verdict> {
    let coding = unit.windows(5).find_map(|w| match w {
        [0, 0, 1, 0xB6, kind] => Some(kind >> 6),
        _ => None,
    })?;
    let entry = if coding == 0 { Entry::Clean } else { Entry::None };
    Some(Verdict { entry, leading: false, reference: coding != 2, damage: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_intra_vop_is_an_entry_and_nobody_refers_to_a_bidirectional_one() {
        for (kind, entry, reference) in
            [(0x00, Entry::Clean, true), (0x40, Entry::None, true), (0x80, Entry::None, false)]
        {
            let verdict = mpeg4_vop(&[0, 0, 1, 0xB0, 1, 0, 0, 1, 0xB6, kind, 9]).unwrap();
            assert_eq!((verdict.entry, verdict.reference), (entry, reference));
        }
        assert_eq!(mpeg4_vop(b"no start code here"), None);
    }
}
