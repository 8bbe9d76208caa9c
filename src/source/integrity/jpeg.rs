//! JPEG: does the entropy coded data decode to exactly the picture's blocks?
//!
//! Huffman codes fall into step again after a flipped bit, so decoders show a shifted or discoloured
//! rest of the picture and say nothing. But then the number of blocks or bits rarely comes out even,
//! or a DC level leaves its range. Baseline and extended sequential pictures in one scan are
//! checked (ITU-T T.81, Annex F.2.2); of other kinds only the frame around the data.
//! Pixels are not computed: this costs a small part of decoding.

use super::bits::looks_flipped;
use super::levels::{Levels, Watch};
use super::{Entry, Verdict};

/// Bits that the first table lookup resolves.
const FAST_BITS: u32 = 9;

#[derive(Debug, Clone)]
struct Huffman {
    /// By the next `FAST_BITS` bits: code length and symbol; length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// By code length 1..=16: first code not of this length (left-aligned to 16 bits), symbol offset.
    limits: [(u32, i32); 17],
    symbols: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Component {
    id: u8,
    blocks: u32,
    quantizer: usize,
    dc: usize,
    ac: usize,
    level: i32,
}

/// Follows one Motion JPEG stream, a picture at a time.
#[derive(Debug, Default)]
pub struct Inspector {
    header: Vec<u8>,
    doubted: Vec<u8>,
    dc_tables: [Option<Huffman>; 4],
    ac_tables: [Option<Huffman>; 4],
    dc_steps: [i32; 4],
    levels: Levels,
    watch: Watch,
}

#[derive(Debug, Default)]
struct Frame {
    components: Vec<Component>,
    mcus: u32,
    mcus_across: u32,
    restart_interval: u32,
    sequential: bool,
}

impl Inspector {
    /// A new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next picture. Never panics, whatever the bytes.
    pub fn access_unit(&mut self, picture: &[u8]) -> Verdict {
        let damage = self.check(picture).err();
        Verdict { entry: Entry::Clean, leading: false, reference: false, damage }
    }

    fn check(&mut self, picture: &[u8]) -> Result<(), &'static str> {
        let cut = "the picture is cut short";
        let mut frame = Frame::default();
        let mut at = 2;
        if picture.get(..2) != Some(&[0xff, 0xd8]) {
            return Err("no start of image");
        }
        loop {
            let marker = match picture.get(at..at + 2).ok_or(cut)? {
                [0xff, 0xff] => {
                    at += 1;
                    continue;
                }
                [0xff, marker] => *marker,
                _ => return Err("no marker where one has to be"),
            };
            let length = match picture.get(at + 2..at + 4).ok_or(cut)? {
                [high, low] => usize::from(*high) << 8 | usize::from(*low),
                _ => return Err(cut),
            };
            let body = picture.get(at + 4..at + 2 + length).ok_or(cut)?;
            at += 2 + length;
            match marker {
                0xdb => self.quantizers(body).ok_or("a bad quantization table")?,
                0xc4 => self.huffman(body).ok_or("a bad Huffman table")?,
                0xc0..=0xcf if marker != 0xc8 && marker != 0xcc => {
                    frame.sequential = marker <= 0xc1;
                    start_of_frame(body, &mut frame).ok_or("a bad frame header")?;
                }
                0xdd => {
                    let interval = body.first_chunk::<2>().ok_or(cut)?;
                    frame.restart_interval = u32::from(u16::from_be_bytes(*interval));
                }
                0xda => {
                    start_of_scan(body, &mut frame).ok_or("a bad scan header")?;
                    let (header, data) = picture.split_at_checked(at).ok_or(cut)?;
                    self.header(header)?;
                    return self.scan(&mut frame, data);
                }
                0xe0..=0xef | 0xfe => {}
                _ => return Err("an unexpected marker"),
            }
        }
    }

    /// A header that differs by a bit or two from the last one is believed when it comes again.
    fn header(&mut self, header: &[u8]) -> Result<(), &'static str> {
        if looks_flipped(&self.header, header) && self.doubted != header {
            self.doubted = header.to_vec();
            return Err("the header is damaged");
        }
        if self.header != header {
            self.header = header.to_vec();
        }
        Ok(())
    }

    fn quantizers(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let wide = head >> 4 != 0;
            let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            let step = if wide { i32::from(u16::from_be_bytes(*table.first_chunk()?)) } else { i32::from(table[0]) };
            *self.dc_steps.get_mut(usize::from(head & 15))? = step;
            if step == 0 {
                return None;
            }
            body = rest;
        }
        Some(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let tables = if head >> 4 == 0 { &mut self.dc_tables } else { &mut self.ac_tables };
            *tables.get_mut(usize::from(head & 15))? = Some(Huffman::new(counts, symbols)?);
            body = rest;
        }
        Some(())
    }

    fn scan(&mut self, frame: &mut Frame, data: &[u8]) -> Result<(), &'static str> {
        let known = frame.components.iter().all(|component| {
            matches!(self.dc_tables.get(component.dc), Some(Some(_)))
                && matches!(self.ac_tables.get(component.ac), Some(Some(_)))
        });
        // Progressive, several scans, abbreviated format: not followed here.
        if !frame.sequential || !known {
            return Ok(());
        }
        self.levels.across = frame.mcus_across as usize;
        self.levels.components.resize(frame.components.len(), Vec::new());
        self.levels.components.iter_mut().for_each(Vec::clear);
        let mut bits = Scan { data, window: 0, filled: 0, ended: false };
        for mcu in 0..frame.mcus {
            if frame.restart_interval != 0 && mcu != 0 && mcu % frame.restart_interval == 0 {
                let index = (mcu / frame.restart_interval - 1) & 7;
                bits.restart(index as u8).ok_or("a restart marker is out of place")?;
                frame.components.iter_mut().for_each(|component| component.level = 0);
            }
            for (component, levels) in frame.components.iter_mut().zip(&mut self.levels.components) {
                let (Some(Some(dc)), Some(Some(ac))) =
                    (self.dc_tables.get(component.dc), self.ac_tables.get(component.ac))
                else {
                    return Ok(());
                };
                let step = self.dc_steps.get(component.quantizer).copied().unwrap_or(1);
                for _ in 0..component.blocks {
                    component.level += bits.block(dc, ac).ok_or("a block cannot be decoded")?;
                    // 8 × (mean − 128), and half a step of rounding at both ends (A.3.3, A.3.4).
                    if component.level.saturating_mul(step).abs() > 1024 + step {
                        return Err("a block's level is out of range");
                    }
                }
                levels.push((component.level * step / 8) as i16);
            }
        }
        bits.end().ok_or("the data does not end with the picture")?;
        if self.watch.plausible(&mut self.levels) { Ok(()) } else { Err("part of the picture is off by one level") }
    }
}

/// B.2.2
fn start_of_frame(body: &[u8], frame: &mut Frame) -> Option<()> {
    let &[_, h1, h0, w1, w0, count, ref rest @ ..] = body else { return None };
    let (height, width) = (u32::from(h1) << 8 | u32::from(h0), u32::from(w1) << 8 | u32::from(w0));
    frame.components.clear();
    let (mut widest, mut tallest) = (1, 1);
    for spec in rest.chunks_exact(3).take(usize::from(count)) {
        let (across, down) = (u32::from(spec[1] >> 4), u32::from(spec[1] & 15));
        if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return None;
        }
        (widest, tallest) = (across.max(widest), down.max(tallest));
        let (id, quantizer) = (spec[0], usize::from(spec[2]));
        frame.components.push(Component { id, blocks: across * down, quantizer, ..Component::default() });
    }
    if let [only] = frame.components.as_mut_slice() {
        // A scan of one component is not interleaved: one block an MCU (A.2.2).
        (only.blocks, widest, tallest) = (1, 1, 1);
    }
    frame.mcus_across = width.div_ceil(8 * widest);
    frame.mcus = width.div_ceil(8 * widest) * height.div_ceil(8 * tallest);
    (frame.components.len() == usize::from(count) && frame.mcus > 0).then_some(())
}

/// B.2.3
fn start_of_scan(body: &[u8], frame: &mut Frame) -> Option<()> {
    let (&count, rest) = body.split_first()?;
    frame.sequential &= usize::from(count) == frame.components.len();
    for spec in rest.chunks_exact(2).take(usize::from(count)) {
        let component = frame.components.iter_mut().find(|component| component.id == spec[0])?;
        (component.dc, component.ac) = (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
    }
    Some(())
}

impl Huffman {
    /// Annex C; `None` when the counts make no prefix code.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut fast = vec![(0, 0); 1 << FAST_BITS];
        let mut limits = [(0, 0); 17];
        let (mut code, mut first) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let offset = i32::try_from(first).ok()? - i32::try_from(code).ok()?;
            for symbol in symbols.get(first..first + usize::from(count))? {
                if length <= FAST_BITS {
                    let from = (code << (FAST_BITS - length)) as usize;
                    fast.get_mut(from..from + (1 << (FAST_BITS - length)))?.fill((length as u8, *symbol));
                }
                code += 1;
            }
            first += usize::from(count);
            if code > 1 << length {
                return None;
            }
            limits[length as usize] = (code << (16 - length), offset);
            code <<= 1;
        }
        Some(Self { fast, limits, symbols: symbols.to_vec() })
    }
}

/// The entropy coded data: bits without stuffed zero bytes, up to a marker.
struct Scan<'a> {
    data: &'a [u8],
    window: u64,
    filled: u32,
    ended: bool,
}

impl Scan<'_> {
    fn fill(&mut self) {
        while self.filled <= 48 && !self.ended {
            match self.data {
                // Fill bytes may precede a marker (B.1.1.2).
                [0xff, 0xff, ..] => {
                    self.data = self.data.get(1..).unwrap_or_default();
                    continue;
                }
                [0xff, 0x00, rest @ ..] => (self.window, self.data) = (self.window << 8 | 0xff, rest),
                [0xff, ..] | [] => {
                    self.ended = true;
                    return;
                }
                [byte, rest @ ..] => (self.window, self.data) = (self.window << 8 | u64::from(*byte), rest),
            }
            self.filled += 8;
        }
    }

    /// The next 16 bits, with ones beyond the end.
    fn peek16(&self) -> u32 {
        let bits = if self.filled >= 16 {
            self.window >> (self.filled - 16)
        } else {
            let missing = 16 - self.filled;
            self.window << missing | ((1 << missing) - 1)
        };
        (bits & 0xffff) as u32
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        self.filled = self.filled.checked_sub(count)?;
        Some((self.window >> self.filled & ((1 << count) - 1)) as u32)
    }

    fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        let next = self.peek16();
        let (length, symbol) = table.fast.get((next >> (16 - FAST_BITS)) as usize).copied()?;
        if length != 0 {
            self.take(u32::from(length))?;
            return Some(symbol);
        }
        for length in FAST_BITS + 1..=16 {
            let (limit, offset) = table.limits.get(length as usize).copied()?;
            if next < limit {
                self.take(length)?;
                let at = i32::try_from(next >> (16 - length)).ok()? + offset;
                return table.symbols.get(usize::try_from(at).ok()?).copied();
            }
        }
        None
    }

    /// One block (F.2.2.1, F.2.2.2): the DC difference.
    fn block(&mut self, dc: &Huffman, ac: &Huffman) -> Option<i32> {
        self.fill();
        let size = u32::from(self.symbol(dc)?);
        if size > 11 {
            return None;
        }
        let raw = self.take(size)? as i32;
        let difference = if size > 0 && raw < 1 << (size - 1) { raw - (1 << size) + 1 } else { raw };
        let mut index = 1;
        while index < 64 {
            self.fill();
            let symbol = self.symbol(ac)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (0, 0) => break,
                (15, 0) => index += 16,
                (_, 0) | (_, 11..) => return None,
                _ => {
                    index += run + 1;
                    self.take(size)?;
                }
            }
            if index > 64 {
                return None;
            }
        }
        Some(difference)
    }

    /// Only padding is left before the next marker.
    fn drained(&mut self) -> bool {
        self.fill();
        self.ended && self.filled < 8
    }

    fn restart(&mut self, index: u8) -> Option<()> {
        if !self.drained() || self.data.get(..2)? != [0xff, 0xd0 + index] {
            return None;
        }
        (self.data, self.ended, self.filled, self.window) = (self.data.get(2..)?, false, 0, 0);
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        (self.drained() && self.data.get(..2)? == [0xff, 0xd9]).then_some(())
    }
}
