//! The transform tree of a coding unit (7.3.8.8 to 7.3.8.14).

use super::super::residual::{Block, residual};
use super::{DC, Fault, Parser, Unit, ctx};

impl Parser<'_> {
    /// 7.3.8.8. `places`: the quarter of the coding unit that this lies in, and its place in its parent;
    /// `chroma`: the parent's chroma coded block flags (Cb, Cr).
    pub(super) fn transform_tree(
        &mut self,
        unit: Unit,
        log2: u32,
        depth: u32,
        places: (usize, usize),
        deepest: u32,
        chroma: (bool, bool),
    ) -> Result<(), Fault> {
        let sps = self.sps;
        let forced = depth == 0 && (unit.split_intra || unit.split_inter);
        let asks = log2 <= sps.max_tb_log2 && log2 > sps.min_tb_log2 && depth < deepest && !forced;
        let splits = if asks {
            self.bin(ctx::SPLIT_TRANSFORM + (5 - log2.min(5)) as usize)
        } else {
            log2 > sps.max_tb_log2 || forced && log2 > sps.min_tb_log2
        };
        let at = ctx::CBF_CHROMA + (depth & 3) as usize;
        let flags = if !sps.chroma || log2 <= 2 && depth == 0 {
            (false, false)
        } else if log2 > 2 {
            (chroma.0 && self.bin(at), chroma.1 && self.bin(at))
        } else {
            chroma
        };
        if splits {
            for part in 0..4 {
                let quarter = if depth == 0 { part } else { places.0 };
                self.transform_tree(unit, log2 - 1, depth + 1, (quarter, part), deepest, flags)?;
            }
            return Ok(());
        }
        self.transform_unit(unit, log2, depth, places, flags)
    }

    /// 7.3.8.10, with `cbf_luma` before it.
    fn transform_unit(
        &mut self,
        unit: Unit,
        log2: u32,
        depth: u32,
        (quarter, place): (usize, usize),
        (cb, cr): (bool, bool),
    ) -> Result<(), Fault> {
        let luma =
            if unit.intra || depth != 0 || cb || cr { self.bin(ctx::CBF_LUMA + usize::from(depth == 0)) } else { true };
        if (luma || cb || cr) && self.pps.qp_delta_depth.is_some() && !self.qp_delta_coded {
            self.qp_delta()?;
        }
        let mode = unit.modes[quarter & 3];
        if luma {
            self.block(unit, log2, false, if log2 < 4 { mode } else { DC })?;
        }
        let chroma_log2 = if log2 > 2 { log2 - 1 } else { 2 };
        if log2 > 2 || place == 3 {
            for coded in [cb, cr] {
                if coded {
                    self.block(unit, chroma_log2, true, if log2 < 4 { unit.chroma_mode } else { DC })?;
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, unit: Unit, log2: u32, chroma: bool, mode: u8) -> Result<(), Fault> {
        // 7.4.9.11
        let scan = match mode {
            6..=14 if unit.intra => 2,
            22..=30 if unit.intra => 1,
            _ => 0,
        };
        let block = Block {
            log2,
            chroma,
            scan,
            lossless: unit.lossless,
            may_skip_transform: self.pps.transform_skip,
            hides_signs: self.pps.sign_hiding,
        };
        residual(&mut self.cabac, &mut self.contexts, block)
    }

    /// 7.3.8.14
    fn qp_delta(&mut self) -> Result<(), Fault> {
        self.qp_delta_coded = true;
        let mut value = 0;
        while value < 5 && self.bin(ctx::QP_DELTA + usize::from(value > 0)) {
            value += 1;
        }
        if value == 5 {
            value += self.cabac.exp_golomb(0).ok_or("a quantizer out of range")?;
        }
        if value > 0 {
            self.cabac.bypass();
        }
        if value > 26 + 3 * (self.sps.luma_depth - 8) { Err("a quantizer out of range") } else { Ok(()) }
    }
}
