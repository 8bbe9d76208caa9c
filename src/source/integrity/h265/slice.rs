//! `slice_segment_data` of H.265 (7.3.8): parsed, not decoded, to see whether it ends where it must.
//!
//! A flipped bit throws the arithmetic decoder out of step for good, so damaged data practically never
//! ends with a stop bit right after the last block of the picture. That makes the end a checksum.

mod transform;

use super::cabac::{Cabac, Context, initial};
use super::sets::{Pps, SliceHeader, Sps};

/// What is wrong.
pub type Fault = &'static str;

const SHORT: Fault = "the slice data is too short";

/// Where each syntax element's contexts begin.
pub mod ctx {
    pub const SAO_MERGE: usize = 0;
    pub const SAO_TYPE: usize = 1;
    pub const SPLIT: usize = 2;
    pub const LOSSLESS: usize = 5;
    pub const SKIP: usize = 6;
    pub const QP_DELTA: usize = 9;
    pub const INTRA: usize = 11;
    pub const PART: usize = 12;
    pub const PREV_INTRA: usize = 16;
    pub const CHROMA_MODE: usize = 17;
    pub const MERGE: usize = 18;
    pub const MERGE_INDEX: usize = 19;
    pub const INTER_DIRECTION: usize = 20;
    pub const REF: usize = 25;
    pub const MVD0: usize = 27;
    pub const MVD1: usize = 28;
    pub const MVP: usize = 29;
    pub const ROOT: usize = 30;
    pub const SPLIT_TRANSFORM: usize = 31;
    pub const CBF_LUMA: usize = 34;
    pub const CBF_CHROMA: usize = 36;
    pub const TRANSFORM_SKIP: usize = 40;
    pub const LAST_X: usize = 42;
    pub const LAST_Y: usize = 60;
    pub const CODED_GROUP: usize = 78;
    pub const SIG: usize = 82;
    pub const GREATER1: usize = 124;
    pub const GREATER2: usize = 148;
    pub const COUNT: usize = 154;
}

/// Tables 9-5 to 9-37, by initialization type, in the order of [`ctx`].
#[rustfmt::skip]
static INITIAL: [[u8; ctx::COUNT]; 3] = [
    [153, 200, 139,141,157, 154, 154,154,154, 154,154, 154, 184,154,154,154, 184, 63, 154, 154,
     154,154,154,154,154, 154,154, 154, 154, 154, 154, 153,138,138, 111,141, 94,138,182,154, 139,139,
     110,110,124,125,140,153,125,127,140,109,111,143,127,111,79,108,123,63,
     110,110,124,125,140,153,125,127,140,109,111,143,127,111,79,108,123,63,
     91,171,134,141,
     111,111,125,110,110,94,124,108,124,107,125,141,179,153,125,107,125,141,179,153,125,
     107,125,141,179,153,125,140,139,182,182,152,136,152,136,153,136,139,111,136,139,111,
     140,92,137,138,140,152,138,139,153,74,149,92,139,107,122,152,140,179,166,182,140,227,122,197,
     138,153,136,167,152,152],
    [153, 185, 107,139,126, 154, 197,185,201, 154,154, 149, 154,139,154,154, 154, 152, 110, 122,
     95,79,63,31,31, 153,153, 140, 198, 168, 79, 124,138,94, 153,111, 149,107,167,154, 139,139,
     125,110,94,110,95,79,125,111,110,78,110,111,111,95,94,108,123,108,
     125,110,94,110,95,79,125,111,110,78,110,111,111,95,94,108,123,108,
     121,140,61,154,
     155,154,139,153,139,123,123,63,153,166,183,140,136,153,154,166,183,140,136,153,154,
     166,183,140,136,153,154,170,153,123,123,107,121,107,121,167,151,183,140,151,183,140,
     154,196,196,167,154,152,167,182,182,134,149,136,153,121,136,137,169,194,166,167,154,167,137,182,
     107,167,91,122,107,167],
    [153, 160, 107,139,126, 154, 197,185,201, 154,154, 134, 154,139,154,154, 183, 152, 154, 137,
     95,79,63,31,31, 153,153, 169, 198, 168, 79, 224,167,122, 153,111, 149,92,167,154, 139,139,
     125,110,124,110,95,94,125,111,111,79,125,126,111,111,79,108,123,93,
     125,110,124,110,95,94,125,111,111,79,125,126,111,111,79,108,123,93,
     121,140,61,154,
     170,154,139,153,139,123,123,63,124,166,183,140,136,153,154,166,183,140,136,153,154,
     166,183,140,136,153,154,170,153,138,138,122,121,122,121,167,151,183,140,151,183,140,
     154,196,167,167,154,152,167,182,182,134,149,136,153,121,136,122,169,208,166,167,154,152,167,182,
     107,167,91,107,107,167],
];

type Contexts = [Context; ctx::COUNT];

/// What later blocks ask about a 4×4 luma block.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// Address of its slice, plus one; 0 before it is parsed.
    slice: u32,
    depth: u8,
    skipped: bool,
    /// Intra prediction mode; DC where there is none.
    mode: u8,
}

/// The picture being parsed, slice segment by slice segment. Reused between pictures.
#[derive(Debug, Default)]
pub struct Picture {
    cells: Vec<Cell>,
    across: usize,
    /// The coding tree block expected next, in raster order.
    next: u32,
    saved: Option<(u32, Contexts)>,
    row_saved: Option<(u32, Contexts)>,
}

const DC: u8 = 1;

impl Picture {
    /// A new picture begins.
    pub fn begin(&mut self, sps: &Sps) {
        self.across = sps.width.div_ceil(4) as usize;
        self.cells.clear();
        self.cells.resize(self.across * sps.height.div_ceil(4) as usize, Cell::default());
        (self.next, self.saved, self.row_saved) = (0, None, None);
    }

    /// Whether slices have covered the picture.
    pub fn complete(&self, sps: &Sps) -> bool {
        self.next == sps.ctbs_across() * sps.ctbs_down()
    }

    /// Takes the picture for covered: its slices are not parsed.
    pub fn skip(&mut self, sps: &Sps) {
        self.next = sps.ctbs_across() * sps.ctbs_down();
    }

    /// Parses the data of one slice segment, which begins at byte `at` of `rbsp`.
    pub fn slice(&mut self, sps: &Sps, pps: &Pps, head: &SliceHeader, rbsp: &[u8], at: usize) -> Result<(), Fault> {
        if head.segment_address != self.next {
            return Err("slices of the picture are missing");
        }
        let kind = match (head.slice_type, head.cabac_init) {
            (2, _) => 0,
            (1, false) | (0, true) => 1,
            _ => 2,
        };
        let fresh = INITIAL[kind].map(|value| initial(value, head.qp));
        let contexts = match self.saved {
            Some((slice, contexts)) if head.dependent && slice == head.slice_address => contexts,
            _ => fresh,
        };
        let mut parser = Parser {
            sps,
            pps,
            head,
            cabac: Cabac::new(rbsp, at),
            contexts,
            cells: &mut self.cells,
            across: self.across,
            qp_delta_coded: false,
        };
        let (columns, total) = (sps.ctbs_across(), sps.ctbs_across() * sps.ctbs_down());
        let mut address = self.next;
        loop {
            if pps.wavefront && address.is_multiple_of(columns) {
                // 9.3.1: contexts come from the row above, if its second block is of this slice.
                parser.contexts = match self.row_saved {
                    Some((slice, contexts)) if slice == head.slice_address && address > 0 => contexts,
                    _ => fresh,
                };
                self.row_saved = None;
            }
            parser.tree_unit(address % columns, address / columns, address)?;
            if pps.wavefront && address % columns == 1 {
                self.row_saved = Some((head.slice_address, parser.contexts));
            }
            address += 1;
            let end = parser.cabac.terminate();
            if parser.cabac.overrun() {
                return Err(SHORT);
            }
            if end {
                self.next = address;
                self.saved = Some((head.slice_address, parser.contexts));
                return if parser.cabac.ended_well() { Ok(()) } else { Err("the slice data ends too early") };
            }
            if address >= total {
                return Err("the slice data goes on after the picture's end");
            }
            if pps.wavefront && address.is_multiple_of(columns) {
                if !parser.cabac.terminate() {
                    return Err("a row of blocks does not end where it must");
                }
                parser.cabac = Cabac::new(rbsp, parser.cabac.next_byte());
            }
        }
    }
}

struct Parser<'a> {
    sps: &'a Sps,
    pps: &'a Pps,
    head: &'a SliceHeader,
    cabac: Cabac<'a>,
    contexts: Contexts,
    cells: &'a mut [Cell],
    across: usize,
    qp_delta_coded: bool,
}

/// A coding unit, as far as its transform tree asks.
#[derive(Clone, Copy)]
struct Unit {
    intra: bool,
    split_intra: bool,
    split_inter: bool,
    lossless: bool,
    modes: [u8; 4],
    chroma_mode: u8,
}

impl Parser<'_> {
    fn bin(&mut self, context: usize) -> bool {
        self.cabac.bin(&mut self.contexts[context])
    }

    /// The cell at luma position (x, y) if it may be used from here (6.4.1).
    fn cell(&self, x: Option<u32>, y: Option<u32>) -> Option<Cell> {
        let cell = *self.cells.get((y? / 4) as usize * self.across + (x? / 4) as usize)?;
        (cell.slice == self.head.slice_address + 1).then_some(cell)
    }

    fn mark(&mut self, x: u32, y: u32, size: u32, cell: Cell) {
        let right = (x + size).min(self.sps.width).div_ceil(4) as usize;
        for row in y / 4..(y + size).min(self.sps.height).div_ceil(4) {
            let start = row as usize * self.across;
            if let Some(cells) = self.cells.get_mut(start + (x / 4) as usize..start + right) {
                cells.fill(cell);
            }
        }
    }

    fn tree_unit(&mut self, column: u32, row: u32, address: u32) -> Result<(), Fault> {
        if self.head.sao_luma || self.head.sao_chroma {
            self.sao(column, row, address);
        }
        self.quadtree(column << self.sps.ctb_log2, row << self.sps.ctb_log2, self.sps.ctb_log2, 0)
    }

    /// 7.3.8.3
    fn sao(&mut self, column: u32, row: u32, address: u32) {
        let slice = self.head.slice_address;
        if column > 0 && address > slice && self.bin(ctx::SAO_MERGE) {
            return;
        }
        if row > 0 && address >= slice + self.sps.ctbs_across() && self.bin(ctx::SAO_MERGE) {
            return;
        }
        let mut kind = 0;
        for component in 0..if self.sps.chroma { 3 } else { 1 } {
            let enabled = if component == 0 { self.head.sao_luma } else { self.head.sao_chroma };
            if !enabled {
                continue;
            }
            if component < 2 {
                kind = if !self.bin(ctx::SAO_TYPE) { 0 } else { 1 + self.cabac.bits(1) };
            }
            if kind == 0 {
                continue;
            }
            let depth = if component == 0 { self.sps.luma_depth } else { self.sps.chroma_depth };
            let most = (1 << (depth.min(10) - 5)) - 1;
            let mut nonzero = 0;
            for _ in 0..4 {
                let mut offset = 0;
                while offset < most && self.cabac.bypass() {
                    offset += 1;
                }
                nonzero += u32::from(offset != 0);
            }
            if kind == 1 {
                self.cabac.bits(nonzero + 5);
            } else if component < 2 {
                self.cabac.bits(2);
            }
        }
    }

    /// 7.3.8.4
    fn quadtree(&mut self, x: u32, y: u32, log2: u32, depth: u8) -> Result<(), Fault> {
        let (size, sps) = (1 << log2, self.sps);
        let splits = if x + size <= sps.width && y + size <= sps.height && log2 > sps.min_cb_log2 {
            let left = self.cell(x.checked_sub(1), Some(y)).is_some_and(|cell| cell.depth > depth);
            let above = self.cell(Some(x), y.checked_sub(1)).is_some_and(|cell| cell.depth > depth);
            self.bin(ctx::SPLIT + usize::from(left) + usize::from(above))
        } else {
            log2 > sps.min_cb_log2
        };
        if self.pps.qp_delta_depth.is_some_and(|deepest| log2 + deepest >= sps.ctb_log2) {
            self.qp_delta_coded = false;
        }
        if !splits {
            return self.coding_unit(x, y, log2, depth);
        }
        let half = size / 2;
        for (x, y) in [(x, y), (x + half, y), (x, y + half), (x + half, y + half)] {
            if x < sps.width && y < sps.height {
                self.quadtree(x, y, log2 - 1, depth + 1)?;
            }
        }
        Ok(())
    }

    /// 7.3.8.5
    fn coding_unit(&mut self, x: u32, y: u32, log2: u32, depth: u8) -> Result<(), Fault> {
        if self.cabac.overrun() {
            return Err(SHORT);
        }
        let (size, sps) = (1u32 << log2, self.sps);
        let lossless = self.pps.transquant_bypass && self.bin(ctx::LOSSLESS);
        let mut cell = Cell { slice: self.head.slice_address + 1, depth, skipped: false, mode: DC };
        let inter_slice = self.head.slice_type != 2;
        if inter_slice {
            let left = self.cell(x.checked_sub(1), Some(y)).is_some_and(|cell| cell.skipped);
            let above = self.cell(Some(x), y.checked_sub(1)).is_some_and(|cell| cell.skipped);
            cell.skipped = self.bin(ctx::SKIP + usize::from(left) + usize::from(above));
        }
        if cell.skipped {
            self.merge_index();
            self.mark(x, y, size, cell);
            return Ok(());
        }
        let intra = !inter_slice || self.bin(ctx::INTRA);
        let smallest = log2 == sps.min_cb_log2;
        let mut parts = Parts::Whole;
        if !intra || smallest {
            parts = self.part_mode(intra, log2, smallest);
        }
        let mut unit = Unit {
            intra,
            split_intra: intra && parts == Parts::Quarters,
            split_inter: !intra && parts != Parts::Whole && sps.inter_depth == 0,
            lossless,
            modes: [DC; 4],
            chroma_mode: DC,
        };
        let mut coded = true;
        if intra {
            if let Some(pcm) = sps.pcm
                && parts == Parts::Whole
                && (pcm.min_log2..=pcm.max_log2).contains(&log2)
                && self.cabac.terminate()
            {
                let samples = (size * size) as usize;
                let chroma = if sps.chroma { samples / 2 * pcm.chroma_bits as usize } else { 0 };
                let bytes = (samples * pcm.luma_bits as usize + chroma).div_ceil(8);
                self.cabac = self.cabac.restart(self.cabac.next_byte() + bytes);
                self.mark(x, y, size, cell);
                return Ok(());
            }
            self.intra_modes(x, y, size, cell, &mut unit);
        } else {
            self.mark(x, y, size, cell);
            let merged = self.prediction(parts, size, depth)?;
            coded = merged && parts == Parts::Whole || self.bin(ctx::ROOT);
        }
        if coded {
            let deepest = if intra { sps.intra_depth + u32::from(unit.split_intra) } else { sps.inter_depth };
            self.transform_tree(unit, log2, 0, (0, 0), deepest, (true, true))?;
        }
        Ok(())
    }

    fn part_mode(&mut self, intra: bool, log2: u32, smallest: bool) -> Parts {
        if self.bin(ctx::PART) {
            return Parts::Whole;
        }
        if intra {
            return Parts::Quarters;
        }
        if smallest {
            if self.bin(ctx::PART + 1) {
                return Parts::Rows(1, 1);
            }
            if log2 == 3 || self.bin(ctx::PART + 2) {
                return Parts::Columns(1, 1);
            }
            return Parts::Quarters;
        }
        let rows = self.bin(ctx::PART + 1);
        let share = if !self.sps.amp || self.bin(ctx::PART + 3) {
            (1, 1)
        } else if self.cabac.bypass() {
            (3, 1)
        } else {
            (1, 3)
        };
        if rows { Parts::Rows(share.0, share.1) } else { Parts::Columns(share.0, share.1) }
    }

    fn merge_index(&mut self) {
        if self.head.merge_candidates > 1 && self.bin(ctx::MERGE_INDEX) {
            let mut index = 1;
            while index < self.head.merge_candidates - 1 && self.cabac.bypass() {
                index += 1;
            }
        }
    }

    /// The prediction units of an inter coding unit; whether the first is merged.
    fn prediction(&mut self, parts: Parts, size: u32, depth: u8) -> Result<bool, Fault> {
        let (count, width, height) = match parts {
            Parts::Whole => (1, size, size),
            Parts::Quarters => (4, size / 2, size / 2),
            Parts::Rows(first, second) => (2, size, size * first / (first + second)),
            Parts::Columns(first, second) => (2, size * first / (first + second), size),
        };
        let mut merged = false;
        for part in 0..count {
            // The second of two unequal parts differs, but no part of these is 8×4 or 4×8.
            let small = width + height == 12;
            if self.bin(ctx::MERGE) {
                self.merge_index();
                merged |= part == 0;
                continue;
            }
            let (mut first, mut second) = (true, false);
            if self.head.slice_type == 0 {
                if !small && self.bin(ctx::INTER_DIRECTION + usize::from(depth.min(3))) {
                    second = true;
                } else {
                    second = self.bin(ctx::INTER_DIRECTION + 4);
                    first = !second;
                }
            }
            for (list, used) in [first, second].into_iter().enumerate() {
                if used {
                    self.ref_index(self.head.references[list]);
                    if !(list == 1 && first && self.head.mvd_l1_zero) {
                        self.motion_difference()?;
                    }
                    self.bin(ctx::MVP);
                }
            }
        }
        Ok(merged)
    }

    fn ref_index(&mut self, count: u32) {
        let mut index = 0;
        while index + 1 < count {
            let more = if index < 2 { self.bin(ctx::REF + index as usize) } else { self.cabac.bypass() };
            if !more {
                break;
            }
            index += 1;
        }
    }

    /// 7.3.8.9
    fn motion_difference(&mut self) -> Result<(), Fault> {
        let nonzero = [self.bin(ctx::MVD0), self.bin(ctx::MVD0)];
        let more = [nonzero[0] && self.bin(ctx::MVD1), nonzero[1] && self.bin(ctx::MVD1)];
        for (nonzero, more) in nonzero.into_iter().zip(more) {
            if more {
                self.cabac.exp_golomb(1).filter(|rest| *rest < 1 << 15).ok_or("a motion vector out of range")?;
            }
            if nonzero {
                self.cabac.bypass();
            }
        }
        Ok(())
    }

    /// Intra prediction modes (8.4.2, 8.4.3): the scan of small blocks depends on them.
    fn intra_modes(&mut self, x: u32, y: u32, size: u32, cell: Cell, unit: &mut Unit) {
        let count = if unit.split_intra { 4 } else { 1 };
        let part = if unit.split_intra { size / 2 } else { size };
        let mut likely = [false; 4];
        for flag in likely.iter_mut().take(count) {
            *flag = self.bin(ctx::PREV_INTRA);
        }
        for (at, likely) in likely.into_iter().enumerate().take(count) {
            let (x, y) = (x + part * (at as u32 & 1), y + part * (at as u32 >> 1));
            let left = self.cell(x.checked_sub(1), Some(y)).map_or(DC, |cell| cell.mode);
            let in_row = y & ((1 << self.sps.ctb_log2) - 1) != 0;
            let above = self.cell(Some(x), y.checked_sub(1)).filter(|_| in_row).map_or(DC, |cell| cell.mode);
            let mut candidates = match (left, above) {
                (a, b) if a == b && a < 2 => [0, 1, 26],
                (a, b) if a == b => [a, 2 + (a + 29) % 32, 2 + (a - 2 + 1) % 32],
                (a, b) if a != 0 && b != 0 => [a, b, 0],
                (a, b) if a != 1 && b != 1 => [a, b, 1],
                (a, b) => [a, b, 26],
            };
            let mode = if likely {
                let index = if !self.cabac.bypass() { 0 } else { 1 + usize::from(self.cabac.bypass()) };
                candidates[index]
            } else {
                let mut mode = self.cabac.bits(5) as u8;
                candidates.sort_unstable();
                for candidate in candidates {
                    mode += u8::from(mode >= candidate);
                }
                mode
            };
            unit.modes[at] = mode;
            self.mark(x, y, part, Cell { mode, ..cell });
        }
        if count == 1 {
            unit.modes = [unit.modes[0]; 4];
        }
        if self.sps.chroma {
            let luma = unit.modes[0];
            unit.chroma_mode = if self.bin(ctx::CHROMA_MODE) {
                let mode = [0, 26, 10, 1][self.cabac.bits(2) as usize & 3];
                if mode == luma { 34 } else { mode }
            } else {
                luma
            };
        }
    }
}

/// How a coding unit is partitioned; shares of the first and second part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    Whole,
    Quarters,
    Rows(u32, u32),
    Columns(u32, u32),
}
