//! The arithmetic decoding engine of H.265 (ITU-T H.265 9.3.4.3), with the position of the last bit
//! read, which tells whether the data ended where it had to.

/// Table 9-52: range of the least probable symbol, by state and quarter of the range.
const LPS_RANGE: [[u8; 4]; 64] = [
    [128, 176, 208, 240],
    [128, 167, 197, 227],
    [128, 158, 187, 216],
    [123, 150, 178, 205],
    [116, 142, 169, 195],
    [111, 135, 160, 185],
    [105, 128, 152, 175],
    [100, 122, 144, 166],
    [95, 116, 137, 158],
    [90, 110, 130, 150],
    [85, 104, 123, 142],
    [81, 99, 117, 135],
    [77, 94, 111, 128],
    [73, 89, 105, 122],
    [69, 85, 100, 116],
    [66, 80, 95, 110],
    [62, 76, 90, 104],
    [59, 72, 86, 99],
    [56, 69, 81, 94],
    [53, 65, 77, 89],
    [51, 62, 73, 85],
    [48, 59, 69, 80],
    [46, 56, 66, 76],
    [43, 53, 63, 72],
    [41, 50, 59, 69],
    [39, 48, 56, 65],
    [37, 45, 54, 62],
    [35, 43, 51, 59],
    [33, 41, 48, 56],
    [32, 39, 46, 53],
    [30, 37, 43, 50],
    [29, 35, 41, 48],
    [27, 33, 39, 45],
    [26, 31, 37, 43],
    [24, 30, 35, 41],
    [23, 28, 33, 39],
    [22, 27, 32, 37],
    [21, 26, 30, 35],
    [20, 24, 29, 33],
    [19, 23, 27, 31],
    [18, 22, 26, 30],
    [17, 21, 25, 28],
    [16, 20, 23, 27],
    [15, 19, 22, 25],
    [14, 18, 21, 24],
    [14, 17, 20, 23],
    [13, 16, 19, 22],
    [12, 15, 18, 21],
    [12, 14, 17, 20],
    [11, 14, 16, 19],
    [11, 13, 15, 18],
    [10, 12, 15, 17],
    [10, 12, 14, 16],
    [9, 11, 13, 15],
    [9, 11, 12, 14],
    [8, 10, 12, 14],
    [8, 9, 11, 13],
    [7, 9, 11, 12],
    [7, 9, 10, 12],
    [7, 8, 10, 11],
    [6, 8, 9, 11],
    [6, 7, 9, 10],
    [6, 7, 8, 9],
    [2, 2, 2, 2],
];

/// Table 9-53: next state after the least probable symbol.
const LPS_NEXT: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37,
    38, 38, 63,
];

/// A context: state << 1 | most probable symbol.
pub type Context = u8;

/// 9.3.2.2: a context at the start of a slice with quantizer `qp`.
pub fn initial(value: u8, qp: i32) -> Context {
    let (slope, offset) = (i32::from(value >> 4) * 5 - 45, (i32::from(value & 15) << 3) - 16);
    let state = (((slope * qp.clamp(0, 51)) >> 4) + offset).clamp(1, 126);
    (if state > 63 { (state - 64) << 1 | 1 } else { (63 - state) << 1 }) as u8
}

/// Decodes bins from the RBSP of a slice segment. Beyond the end it reads zeros; [`Cabac::overrun`]
/// tells.
#[derive(Debug)]
pub struct Cabac<'a> {
    data: &'a [u8],
    read: usize,
    range: u32,
    /// The offset register with 7 more bits, and how many shifts (−8..0) until the next byte.
    value: u32,
    needed: i32,
}

impl<'a> Cabac<'a> {
    /// Starts at a byte of `data` (9.3.2.5).
    pub fn new(data: &'a [u8], at: usize) -> Self {
        let mut this = Self { data, read: at, range: 510, value: 0, needed: -8 };
        this.value = this.byte() << 8 | this.byte();
        this
    }

    /// The same data from another byte.
    pub fn restart(&self, at: usize) -> Self {
        Self::new(self.data, at)
    }

    fn byte(&mut self) -> u32 {
        let byte = self.data.get(self.read).copied().unwrap_or(0);
        self.read += 1;
        u32::from(byte)
    }

    /// Whether more was read than there is.
    pub fn overrun(&self) -> bool {
        self.position() > self.data.len() * 8
    }

    /// Bits of `data` read so far.
    fn position(&self) -> usize {
        (self.read * 8).saturating_add_signed(self.needed as isize + 1)
    }

    /// After a terminating bin: the byte where what follows begins.
    pub fn next_byte(&self) -> usize {
        self.position().div_ceil(8)
    }

    /// After the last terminating bin: whether the last bit read is the stop bit and only zeros (and
    /// `cabac_zero_words`) follow (7.3.2.10, 9.3.4.3.5).
    pub fn ended_well(&self) -> bool {
        let Some(last) = self.position().checked_sub(1) else { return false };
        let stop = self.data.get(last >> 3).map(|byte| byte << (last & 7));
        stop == Some(0x80) && self.data.iter().skip((last >> 3) + 1).all(|byte| *byte == 0)
    }

    fn shift(&mut self, count: u32) {
        self.value <<= count;
        self.needed += count as i32;
        if self.needed >= 0 {
            self.value |= self.byte() << self.needed;
            self.needed -= 8;
        }
    }

    /// 9.3.4.3.2
    pub fn bin(&mut self, context: &mut Context) -> bool {
        let state = usize::from(*context >> 1);
        let mut symbol = *context & 1;
        let lps = u32::from(LPS_RANGE[state & 63][(self.range >> 6 & 3) as usize]);
        self.range -= lps;
        let scaled = self.range << 7;
        if self.value < scaled {
            if state < 62 {
                *context += 2;
            }
            if self.range < 256 {
                self.range <<= 1;
                self.shift(1);
            }
        } else {
            self.value -= scaled;
            symbol ^= 1;
            let mps = if state == 0 { symbol } else { symbol ^ 1 };
            *context = LPS_NEXT[state & 63] << 1 | mps;
            let count = lps.leading_zeros() - 23;
            self.range = lps << count;
            self.shift(count);
        }
        symbol == 1
    }

    /// 9.3.4.3.4
    pub fn bypass(&mut self) -> bool {
        self.shift(1);
        let scaled = self.range << 7;
        let one = self.value >= scaled;
        if one {
            self.value -= scaled;
        }
        one
    }

    /// `count` bypass bins as a number.
    pub fn bits(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | u32::from(self.bypass()))
    }

    /// 9.3.4.3.5
    pub fn terminate(&mut self) -> bool {
        self.range -= 2;
        let one = self.value >= self.range << 7;
        if !one && self.range < 256 {
            self.range <<= 1;
            self.shift(1);
        }
        one
    }

    /// k-th order Exp-Golomb (9.3.3.5); `None` when longer than any value can be.
    pub fn exp_golomb(&mut self, mut k: u32) -> Option<u32> {
        let mut value = 0u32;
        while self.bypass() {
            value += 1 << k;
            k += 1;
            if k > 28 {
                return None;
            }
        }
        Some(value + self.bits(k))
    }
}
