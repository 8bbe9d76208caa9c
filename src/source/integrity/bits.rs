//! Reading H.264/H.265 byte streams: NAL units, emulation prevention, Exp-Golomb codes.
//!
//! Nothing here panics or allocates more than a NAL unit's size on any input: a read past the end
//! yields `None`, and the caller calls that damage.

/// The NAL units of an Annex B access unit (H.264 Annex B, H.265 Annex B), header included, without
/// start codes and trailing zero bytes.
pub fn nal_units(au: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(au).map(|at| au.get(at + 3..).unwrap_or_default());
    std::iter::from_fn(move || {
        loop {
            let from = rest.take()?;
            let end = start_code(from);
            rest = end.map(|at| from.get(at + 3..).unwrap_or_default());
            let unit = from.get(..end.unwrap_or(from.len())).unwrap_or_default();
            let length = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return unit.get(..length);
            }
        }
    })
}

/// Where the next `00 00 01` begins.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&third) = bytes.get(at + 2) {
        match third {
            0 => at += 1,
            1 if bytes.get(at..at + 2) == Some(&[0, 0]) => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// Writes the RBSP of a NAL unit's payload to `rbsp`: at most `limit` bytes, with the emulation
/// prevention bytes taken out (H.264 7.4.1, H.265 7.4.2).
pub fn unescape(payload: &[u8], limit: usize, rbsp: &mut Vec<u8>) {
    rbsp.clear();
    let mut zeros = 0;
    for &byte in payload {
        if rbsp.len() >= limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
}

/// Reads bits, most significant first.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// Starts at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// u(1)
    pub fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at >> 3)?;
        let bit = byte >> (7 - (self.at & 7)) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// u(n), n ≤ 32
    pub fn u(&mut self, n: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..n {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Leaves out `n` bits.
    pub fn skip(&mut self, n: usize) -> Option<()> {
        self.at = self.at.checked_add(n)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// ue(v), up to 2³² − 2 (H.264 9.1)
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.u(zeros)?)
    }

    /// se(v) (H.264 9.1.1)
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        i32::try_from(if code & 1 == 1 { (code + 1) / 2 } else { -(code / 2) }).ok()
    }
}

/// Whether `new` looks like `old` after a transmission fault rather than like another parameter set
/// by intent: same length, one or two bits differ.
pub fn looks_flipped(old: &[u8], new: &[u8]) -> bool {
    old.len() == new.len() && (1..=2).contains(&old.iter().zip(new).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_on_three_and_four_byte_start_codes() {
        let au = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2, 0, 0, 0, 0, 1, 6];
        let units: Vec<_> = nal_units(&au).collect();
        assert_eq!(units, [&[9, 0xf0][..], &[0x65, 1, 2], &[6]]);
        assert_eq!(nal_units(&[0, 0, 2, 1, 0]).count(), 0);
    }

    #[test]
    fn removes_emulation_prevention() {
        let mut rbsp = Vec::new();
        unescape(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3], 64, &mut rbsp);
        assert_eq!(rbsp, [1, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn reads_exponential_golomb() {
        // 1, 010, 011, 00100, then 00101 = se -2
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!((bits.ue(), bits.ue(), bits.ue(), bits.ue()), (Some(0), Some(1), Some(2), Some(3)));
        assert_eq!(bits.se(), Some(-2));
        assert_eq!(Bits::new(&[0]).ue(), None);
    }

    #[test]
    fn tells_a_flip_from_a_change() {
        assert!(looks_flipped(&[1, 2, 3], &[1, 2, 7]));
        assert!(!looks_flipped(&[1, 2, 3], &[1, 2, 3]));
        assert!(!looks_flipped(&[1, 2, 3], &[9, 200, 3]));
        assert!(!looks_flipped(&[1, 2, 3], &[1, 2]));
    }
}
