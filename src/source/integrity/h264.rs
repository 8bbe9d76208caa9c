//! H.264: does every access unit follow on the one before?
//!
//! libav sees damage inside slices (see [`super::log`]) but often stays silent when whole access
//! units are missing. They show in `frame_num` (ITU-T H.264 7.4.3). Only parameter sets, slice
//! headers and recovery point SEI are parsed. Known simplification: a picture after a memory
//! management operation 5 (which restarts `frame_num` and which cameras do not use) counts as gap.

use super::bits::{Bits, looks_flipped, nal_units, unescape};
use super::{Entry, Verdict};

/// Parameter sets and headers lie within this many bytes.
const SET_LIMIT: usize = 4096;
const HEADER_LIMIT: usize = 48;

#[derive(Debug, Clone)]
struct Sps {
    separate_planes: bool,
    frame_num_bits: u32,
    poc_lsb_bits: Option<u32>,
    gaps_allowed: bool,
    frames_only: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Stored<T> {
    bytes: Vec<u8>,
    /// A version that differs in a bit or two; believed when it comes a second time.
    doubted: Vec<u8>,
    value: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SliceHeader {
    first_mb: u32,
    intra: bool,
    frame_num: u32,
    field: Option<bool>,
    poc_lsb: Option<u32>,
}

/// Follows one H.264 stream in byte-stream format, an access unit at a time.
#[derive(Debug, Default)]
pub struct Inspector {
    sps: Vec<(u32, Stored<Sps>)>,
    /// The SPS of each PPS.
    pps: Vec<(u32, Stored<u32>)>,
    /// `frame_num` of the last reference picture, and whether it was the last picture.
    last_reference: Option<(u32, bool)>,
    last_field: Option<bool>,
    /// POC of the last entry point that leading pictures may precede, and the width of its field.
    entry_poc: Option<(u32, u32)>,
    rbsp: Vec<u8>,
}

impl Inspector {
    /// A new stream: nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next access unit, in decoding order. Never panics, whatever the bytes.
    pub fn access_unit(&mut self, au: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut recovery = None;
        let mut first: Option<(SliceHeader, u8, u8, Sps)> = None;
        let mut intra = true;
        let mut last_mb = None;
        for unit in nal_units(au) {
            let Some((&header, payload)) = unit.split_first() else { continue };
            let (forbidden, ref_idc, kind) = (header >> 7, header >> 5 & 3, header & 31);
            if forbidden != 0 {
                verdict.damage("a NAL unit's forbidden bit is set");
                continue;
            }
            match kind {
                7 | 8 if !self.parameter_set(kind, payload) => {
                    verdict.damage("a parameter set is damaged");
                }
                6 => recovery = recovery.or(self.recovery_point(payload)),
                1 | 5 => match self.slice_header(kind, payload) {
                    Err(reason) => {
                        verdict.damage(reason);
                        verdict.reference |= ref_idc != 0;
                    }
                    Ok((slice, sps)) => {
                        intra &= slice.intra;
                        if kind == 5 && !slice.intra {
                            verdict.damage("an inter slice in an IDR picture");
                        }
                        if last_mb.is_some_and(|last| slice.first_mb <= last) && slice.field == self.last_field {
                            verdict.damage("slices out of order");
                        }
                        if let Some((head, ..)) = &first
                            && head.frame_num != slice.frame_num
                        {
                            verdict.damage("slices of two pictures");
                        }
                        if slice.field.is_some() {
                            self.last_field = slice.field;
                        }
                        last_mb = Some(slice.first_mb);
                        verdict.reference |= ref_idc != 0;
                        first.get_or_insert((slice, ref_idc, kind, sps));
                    }
                },
                _ => {}
            }
        }
        if let Some((slice, ref_idc, kind, sps)) = first {
            if slice.first_mb != 0 {
                verdict.damage("the picture's first slice is missing");
            }
            self.follow(&slice, ref_idc, kind, &sps, &mut verdict);
            verdict.entry = match (kind, recovery) {
                (5, _) => Entry::Clean,
                (_, Some(0)) if intra => Entry::Clean,
                (_, Some(pictures)) => Entry::Gradual(pictures),
                _ => Entry::None,
            };
            if verdict.entry == Entry::Clean {
                let open = kind != 5;
                self.entry_poc = slice.poc_lsb.zip(sps.poc_lsb_bits).filter(|_| open);
            } else if let (Some((entry, bits)), Some(poc)) = (self.entry_poc, slice.poc_lsb) {
                // Before the entry point in output order, modulo the field's range (8.2.1.1).
                verdict.leading = entry.wrapping_sub(poc) & mask(bits) < (1 << (bits - 1)) && entry != poc;
                if verdict.reference && !verdict.leading {
                    self.entry_poc = None;
                }
            }
        }
        verdict
    }

    /// `frame_num` continuity (7.4.3).
    fn follow(&mut self, slice: &SliceHeader, ref_idc: u8, kind: u8, sps: &Sps, verdict: &mut Verdict) {
        let number = slice.frame_num;
        if kind == 5 {
            if number != 0 {
                verdict.damage("an IDR picture's frame_num is not 0");
            }
        } else if let Some((last, was_last)) = self.last_reference {
            let next = last.wrapping_add(1) & mask(sps.frame_num_bits);
            let second_field = slice.field.is_some() && number == last;
            if number != next && number != last && !sps.gaps_allowed {
                verdict.damage("frame_num jumps: pictures are missing");
            } else if number == last && was_last && ref_idc != 0 && !second_field {
                verdict.damage("frame_num repeats");
            }
        }
        if ref_idc != 0 {
            self.last_reference = Some((number, true));
        } else if let Some((_, was_last)) = &mut self.last_reference {
            *was_last = false;
        }
    }

    /// Takes in an SPS or PPS; false when it is damaged.
    fn parameter_set(&mut self, kind: u8, payload: &[u8]) -> bool {
        let mut rbsp = std::mem::take(&mut self.rbsp);
        unescape(payload, SET_LIMIT, &mut rbsp);
        let good = if kind == 7 {
            parse_sps(&rbsp).is_some_and(|(id, sps)| store(&mut self.sps, id, payload, sps))
        } else {
            parse_pps(&rbsp).is_some_and(|(id, sps)| store(&mut self.pps, id, payload, sps))
        };
        self.rbsp = rbsp;
        good
    }

    fn slice_header(&mut self, kind: u8, payload: &[u8]) -> Result<(SliceHeader, Sps), &'static str> {
        unescape(payload, HEADER_LIMIT, &mut self.rbsp);
        let mut bits = Bits::new(&self.rbsp);
        let cut = "a slice header is cut short";
        let first_mb = bits.ue().ok_or(cut)?;
        let slice_type = bits.ue().ok_or(cut)?;
        let pps_id = bits.ue().ok_or(cut)?;
        if slice_type > 9 {
            return Err("a slice type that does not exist");
        }
        let sps =
            find(&self.pps, pps_id).and_then(|id| find(&self.sps, *id)).ok_or("parameter sets are missing")?.clone();
        let rest = || {
            if sps.separate_planes {
                bits.u(2)?;
            }
            let frame_num = bits.u(sps.frame_num_bits)?;
            let field = if !sps.frames_only && bits.flag()? { Some(bits.flag()?) } else { None };
            if kind == 5 {
                bits.ue()?;
            }
            let poc_lsb = match sps.poc_lsb_bits {
                Some(width) => Some(bits.u(width)?),
                None => None,
            };
            let intra = matches!(slice_type % 5, 2 | 4);
            Some(SliceHeader { first_mb, intra, frame_num, field, poc_lsb })
        };
        Ok((({ rest })().ok_or(cut)?, sps))
    }

    /// `recovery_frame_cnt` of a recovery point SEI message (D.2.8), if there is one.
    fn recovery_point(&mut self, payload: &[u8]) -> Option<u32> {
        unescape(payload, SET_LIMIT, &mut self.rbsp);
        let mut rest = self.rbsp.as_slice();
        while rest.len() > 2 {
            let kind = sei_number(&mut rest)?;
            let size = sei_number(&mut rest)? as usize;
            let message = rest.get(..size)?;
            if kind == 6 {
                return Bits::new(message).ue();
            }
            rest = rest.get(size..)?;
        }
        None
    }
}

/// A number coded as `ff…ff nn` (H.264 7.3.2.3.1, H.265 7.3.5).
pub(super) fn sei_number(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    loop {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number = number.checked_add(u32::from(byte))?;
        if byte != 255 {
            return Some(number);
        }
    }
}

fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

/// The parameter set with this id.
pub(super) fn find<T>(sets: &[(u32, Stored<T>)], id: u32) -> Option<&T> {
    sets.iter().find(|(kept, _)| *kept == id).map(|(_, set)| &set.value)
}

/// Keeps a parameter set; false when it looks like the kept one after a fault (then that one stays).
pub(super) fn store<T>(sets: &mut Vec<(u32, Stored<T>)>, id: u32, bytes: &[u8], value: T) -> bool {
    let Some((_, kept)) = sets.iter_mut().find(|(kept, _)| *kept == id) else {
        sets.push((id, Stored { bytes: bytes.to_vec(), doubted: Vec::new(), value }));
        return true;
    };
    if looks_flipped(&kept.bytes, bytes) && kept.doubted != bytes {
        kept.doubted = bytes.to_vec();
        return false;
    }
    if kept.bytes != bytes {
        *kept = Stored { bytes: bytes.to_vec(), doubted: Vec::new(), value };
    }
    true
}

/// 7.3.2.1.1, as far as `frame_mbs_only_flag`.
fn parse_sps(rbsp: &[u8]) -> Option<(u32, Sps)> {
    let mut bits = Bits::new(rbsp);
    let profile = bits.u(8)?;
    bits.u(16)?;
    let id = bits.ue().filter(|id| *id < 32)?;
    let mut separate_planes = false;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        let chroma = bits.ue().filter(|format| *format <= 3)?;
        if chroma == 3 {
            separate_planes = bits.flag()?;
        }
        bits.ue().filter(|depth| *depth <= 6)?;
        bits.ue().filter(|depth| *depth <= 6)?;
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let frame_num_bits = 4 + bits.ue().filter(|more| *more <= 12)?;
    let poc_lsb_bits = match bits.ue()? {
        0 => Some(4 + bits.ue().filter(|more| *more <= 12)?),
        1 => {
            bits.flag()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue().filter(|cycle| *cycle <= 255)? {
                bits.se()?;
            }
            None
        }
        2 => None,
        _ => return None,
    };
    bits.ue().filter(|references| *references <= 16)?;
    let gaps_allowed = bits.flag()?;
    bits.ue()?;
    bits.ue()?;
    let frames_only = bits.flag()?;
    Some((id, Sps { separate_planes, frame_num_bits, poc_lsb_bits, gaps_allowed, frames_only }))
}

fn skip_scaling_list(bits: &mut Bits, size: u32) -> Option<()> {
    let mut next = 8;
    for _ in 0..size {
        next = (next + bits.se()?).rem_euclid(256);
        if next == 0 {
            break;
        }
    }
    Some(())
}

/// 7.3.2.2: the PPS's id and its SPS's.
fn parse_pps(rbsp: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(rbsp);
    Some((bits.ue().filter(|id| *id < 256)?, bits.ue().filter(|id| *id < 32)?))
}
