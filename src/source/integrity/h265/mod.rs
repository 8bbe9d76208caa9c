//! H.265: is every access unit whole, and does it parse to its very end?
//!
//! libav's H.265 decoder hardly ever notices damaged slice data: it shows the garbage and says nothing.
//! So slice data is parsed here (entropy decoding alone, no pixels), for the Main profiles without
//! tiles; of other streams only headers are checked. See `slice` for why the end is a checksum.

mod cabac;
mod residual;
mod sets;
mod slice;

use super::bits::{nal_units, unescape};
use super::h264::{Stored, find, store};
use super::{Entry, Verdict};
use sets::{Pps, SliceHeader, Sps, parse_pps, parse_slice, parse_sps, slice_pps};

/// Parameter sets lie within this many bytes.
const SET_LIMIT: usize = 8192;

/// Follows one H.265 stream in byte-stream format, an access unit at a time.
#[derive(Debug, Default)]
pub struct Inspector {
    sps: Vec<(u32, Stored<Sps>)>,
    pps: Vec<(u32, Stored<Pps>)>,
    picture: slice::Picture,
    last_slice: Option<SliceHeader>,
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
        let mut rbsp = std::mem::take(&mut self.rbsp);
        let mut sps_used = None;
        self.last_slice = None;
        for unit in nal_units(au) {
            let Some((&[first, second], payload)) = unit.split_first_chunk::<2>() else { continue };
            let (kind, layer, temporal) = (first >> 1 & 63, (first & 1) << 5 | second >> 3, second & 7);
            if first >> 7 != 0 || temporal == 0 {
                verdict.damage("a NAL unit header is damaged");
                continue;
            }
            if layer != 0 {
                continue;
            }
            match kind {
                33 | 34 => {
                    unescape(payload, SET_LIMIT, &mut rbsp);
                    let good = if kind == 33 {
                        parse_sps(&rbsp).is_some_and(|(id, sps)| store(&mut self.sps, id, payload, sps))
                    } else {
                        parse_pps(&rbsp).is_some_and(|(id, pps)| store(&mut self.pps, id, payload, pps))
                    };
                    if !good {
                        verdict.damage("a parameter set is damaged");
                    }
                }
                0..=9 | 16..=21 => {
                    unescape(payload, usize::MAX, &mut rbsp);
                    match self.slice(kind, &rbsp) {
                        Ok(id) => sps_used = Some(id),
                        Err(reason) => verdict.damage(reason),
                    }
                    let layers = sps_used.and_then(|id| find(&self.sps, id)).map_or(7, |sps| sps.temporal_layers);
                    // Types 0, 2, … 14 are not referred to within their layer (Table 7-1).
                    verdict.reference |= kind > 14 || kind & 1 == 1 || u32::from(temporal) < layers;
                    verdict.leading |= matches!(kind, 8 | 9);
                    if kind >= 16 {
                        verdict.entry = Entry::Clean;
                    }
                }
                _ => {}
            }
        }
        self.rbsp = rbsp;
        if let Some(sps) = sps_used.and_then(|id| find(&self.sps, id))
            && sps.checkable
            && verdict.damage.is_none()
            && !self.picture.complete(sps)
        {
            verdict.damage("the picture's last slices are missing");
        }
        verdict
    }

    /// Checks one slice segment; the id of its SPS.
    fn slice(&mut self, kind: u8, rbsp: &[u8]) -> Result<u32, &'static str> {
        let (pps_id, first) = slice_pps(kind, rbsp).ok_or("a slice header is cut short")?;
        let missing = "parameter sets are missing";
        let pps = find(&self.pps, pps_id).ok_or(missing)?;
        let sps = find(&self.sps, pps.sps).ok_or(missing)?;
        let (head, at) =
            parse_slice(kind, rbsp, sps, pps, self.last_slice.as_ref()).ok_or("a slice header is damaged")?;
        if first {
            self.picture.begin(sps);
        } else if self.last_slice.is_none() {
            return Err("the picture's first slice is missing");
        }
        if (16..=21).contains(&kind) && head.slice_type != 2 {
            return Err("an inter slice in a random access picture");
        }
        if sps.checkable {
            if pps.tiles {
                self.picture.skip(sps);
            } else {
                self.picture.slice(sps, pps, &head, rbsp, at)?;
            }
        }
        self.last_slice = Some(head);
        Ok(pps.sps)
    }
}
