//! Bits in and out, and numbers as adaptive Rice codes.
//!
//! A number is mapped to 0, 1, 2, … (0, -1, 1, -2, …), its upper part written in unary and its lower `k` bits as
//! they are. `k` follows the mean of the latest numbers in the same context, as in JPEG-LS (ITU-T T.87, A.5):
//! the smallest for which `count << k >= sum`. Numbers that fall about as a Laplace distribution, which
//! the errors of a good prediction do, then take few more bits than their entropy.

/// A unary part this long announces the whole number in 64 bits.
const ESCAPE: u32 = 24;
/// The mean forgets half of what it knows after so many numbers.
const MEMORY: u32 = 12;

/// Something that numbers go through: into the file, or out of it. Both directions run the same code, so
/// that what reads cannot drift from what writes.
pub(super) trait Coder {
    /// The lowest `count` (0 to 64) bits of `value`; reading overwrites it. None when there are no more bits.
    fn bits(&mut self, value: &mut u64, count: u32) -> Option<()>;

    /// A number in a context.
    fn number(&mut self, context: &mut Context, value: &mut i64) -> Option<()> {
        let mut mapped = (value.wrapping_shl(1) ^ (*value >> 63)) as u64;
        let k = context.k();
        let mut upper = (mapped >> k).min(u64::from(ESCAPE));
        self.unary(&mut upper)?;
        if upper >= u64::from(ESCAPE) {
            self.bits(&mut mapped, 64)?;
        } else {
            let mut lower = mapped & ((1 << k) - 1);
            self.bits(&mut lower, k)?;
            mapped = upper << k | lower;
        }
        context.learn(mapped);
        *value = (mapped >> 1) as i64 ^ -((mapped & 1) as i64);
        Some(())
    }

    /// `value` zeros and a one; [`ESCAPE`] zeros stand alone.
    fn unary(&mut self, value: &mut u64) -> Option<()> {
        let wanted = *value;
        *value = 0;
        while *value < u64::from(ESCAPE) {
            let mut bit = u64::from(*value == wanted);
            self.bits(&mut bit, 1)?;
            if bit == 1 {
                break;
            }
            *value += 1;
        }
        Some(())
    }

    /// A truth value.
    fn flag(&mut self, value: &mut bool) -> Option<()> {
        let mut bit = u64::from(*value);
        self.bits(&mut bit, 1)?;
        *value = bit == 1;
        Some(())
    }
}

/// What the latest numbers of one sort were like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    sum: u64,
    count: u32,
}

impl Context {
    /// A context that expects numbers of about `2^bits`.
    pub(super) fn expecting(bits: u32) -> Self {
        Self { sum: 2 << bits, count: 2 }
    }

    /// The same expectation, held less firmly: for a new member of the same sort.
    pub(super) fn heir(&self) -> Self {
        Self { sum: (2 * self.sum).div_ceil(u64::from(self.count)), count: 2 }
    }

    fn k(&self) -> u32 {
        (0..40).find(|k| u64::from(self.count) << k >= self.sum).unwrap_or(40)
    }

    fn learn(&mut self, mapped: u64) {
        // A number out of all proportion, such as the first one, says little of the next.
        self.sum += mapped.min(16 * (self.sum + 1)).min(1 << 48);
        self.count += 1;
        if self.count >= MEMORY {
            self.sum /= 2;
            self.count /= 2;
        }
    }
}

/// Writes bits, the first one highest in its byte.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Whole bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes, the last one filled with zeros; begins anew.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push((self.held << (8 - self.count)) as u8);
        }
        (self.held, self.count) = (0, 0);
        std::mem::take(&mut self.bytes)
    }

    fn push(&mut self, value: u64, count: u32) {
        self.held = self.held << count | value & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.held >> self.count) as u8);
        }
    }
}

impl Coder for BitWriter {
    fn bits(&mut self, value: &mut u64, count: u32) -> Option<()> {
        if count > 32 {
            self.push(*value >> 32, count - 32);
        }
        self.push(*value, count.min(32));
        Some(())
    }
}

/// Reads what [`BitWriter`] wrote.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, count: 0 }
    }

    fn pull(&mut self, count: u32) -> Option<u64> {
        while self.count < count {
            let (first, rest) = self.bytes.split_first()?;
            self.held = self.held << 8 | u64::from(*first);
            self.count += 8;
            self.bytes = rest;
        }
        self.count -= count;
        Some(self.held >> self.count & ((1 << count) - 1))
    }
}

impl Coder for BitReader<'_> {
    fn bits(&mut self, value: &mut u64, count: u32) -> Option<()> {
        let upper = if count > 32 { self.pull(count - 32)? } else { 0 };
        *value = upper << 32 | self.pull(count.min(32))?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_small_ones_are_short() {
        let mut numbers: Vec<i64> = (0..2000).map(|n| (n * 7919) % 13 - 6).collect();
        numbers.extend([0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1, 1 << 40, -(1 << 33)]);
        numbers.extend((0..100).map(|n| n - 50));
        let mut writer = BitWriter::default();
        let mut context = Context::expecting(4);
        let mut after_small = 0;
        for (n, number) in numbers.iter().enumerate() {
            writer.number(&mut context, &mut number.clone()).unwrap();
            if n == 1999 {
                after_small = writer.len();
            }
        }
        assert!(after_small < 2000 * 5 / 8, "13 values take 3.7 bits at least: {after_small} bytes");
        let bytes = writer.take();
        let mut reader = BitReader::new(&bytes);
        let mut context = Context::expecting(4);
        for number in &numbers {
            let mut read = 0;
            reader.number(&mut context, &mut read).unwrap();
            assert_eq!(read, *number);
        }
        let mut cut = BitReader::new(&bytes[..bytes.len() - 2]);
        let mut context = Context::expecting(4);
        assert!(numbers.iter().any(|_| cut.number(&mut context, &mut 0).is_none()));
    }
}
