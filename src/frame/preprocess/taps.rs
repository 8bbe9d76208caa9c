//! Which source samples each destination row and column is made of, computed once per size.
//!
//! Bilinear with half-pixel centres, as OpenCV's `INTER_LINEAR` defines it:
//! `src = (dst + 0.5) * src_size / dst_size - 0.5`, edges repeated, no antialiasing.

use crate::frame::planes::halved;

/// Columns computed together.
pub(super) const LANES: usize = 8;

/// Fixed-point one of the column weights.
const ONE_Q14: i16 = 1 << 14;

/// Samples that the projection may read beyond the last one it uses: the right half of a pair.
pub(super) const ROW_SLACK: usize = 1;

/// Two neighbouring source positions and the share of the second one, 0 <= share < 1.
struct Tap {
    first: usize,
    second: usize,
    share: f64,
}

impl Tap {
    fn new(dst: usize, dst_size: usize, src_size: usize) -> Self {
        let last = src_size - 1;
        let position = ((dst as f64 + 0.5) * src_size as f64 / dst_size as f64 - 0.5).clamp(0.0, last as f64);
        let first = (position as usize).min(last);
        Self { first, second: (first + 1).min(last), share: position - first as f64 }
    }
}

/// The two source rows of a destination row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowTap {
    pub above: usize,
    pub below: usize,
    /// Share of `below`, Q15; 0 when both are the same row.
    pub weight_q15: i16,
}

impl RowTap {
    /// The chroma rows under these luma rows, chroma replicated `2^shift` times.
    pub fn chroma(self, shift: u32) -> Self {
        let (above, below) = (self.above >> shift, self.below >> shift);
        Self { above, below, weight_q15: if above == below { 0 } else { self.weight_q15 } }
    }
}

/// The taps of eight destination columns, laid out for vector loads.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct ColumnTaps {
    /// Index of the left luma sample; the right one follows it.
    pub luma_at: [u32; LANES],
    /// Q14 weights of the left and right luma sample, each pair summing to one.
    pub luma_weights: [[i16; 2]; LANES],
    /// Index of the left chroma sample (a U, V pair); the right one follows it.
    pub chroma_at: [u32; LANES],
    /// Q14 weights of the left and right chroma sample; (one, 0) when one sample lies under both lumas.
    pub chroma_weights: [[i16; 2]; LANES],
}

/// All columns of a destination row.
///
/// Invariant: every `luma_at < luma_samples` and every `chroma_at < chroma_samples`.
#[derive(Debug)]
pub(super) struct Columns {
    groups: Vec<ColumnTaps>,
    luma_samples: usize,
    chroma_samples: usize,
}

impl Columns {
    fn new(src_width: usize, dst_width: usize, chroma_shift_x: u32) -> Self {
        let column = |dst: usize| {
            // The last group is filled up with repetitions of the last column.
            let tap = Tap::new(dst.min(dst_width - 1), dst_width, src_width);
            let right = (tap.share * f64::from(ONE_Q14)).round() as i16;
            let luma = [ONE_Q14 - right, right];
            let chroma_at = tap.first >> chroma_shift_x;
            let shared = chroma_at == tap.second >> chroma_shift_x;
            (tap.first as u32, luma, chroma_at as u32, if shared { [ONE_Q14, 0] } else { luma })
        };
        let groups = (0..dst_width.div_ceil(LANES))
            .map(|group| {
                let columns: [_; LANES] = std::array::from_fn(|lane| column(group * LANES + lane));
                ColumnTaps {
                    luma_at: columns.map(|c| c.0),
                    luma_weights: columns.map(|c| c.1),
                    chroma_at: columns.map(|c| c.2),
                    chroma_weights: columns.map(|c| c.3),
                }
            })
            .collect();
        Self { groups, luma_samples: src_width, chroma_samples: halved(src_width, chroma_shift_x) }
    }

    /// The taps, eight columns at a time.
    pub fn groups(&self) -> &[ColumnTaps] {
        &self.groups
    }

    /// Length a row of luma samples must have to be read by any of these taps.
    pub fn luma_len(&self) -> usize {
        self.luma_samples + ROW_SLACK
    }

    /// Length a row of interleaved U, V samples must have to be read by any of these taps.
    pub fn chroma_len(&self) -> usize {
        2 * (self.chroma_samples + ROW_SLACK)
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanKey {
    /// Stored picture size.
    pub source: (usize, usize),
    /// Size it is brought to, before any rotation.
    pub content: (usize, usize),
    /// How often chroma is halved horizontally.
    pub chroma_shift_x: u32,
}

/// The taps of both axes.
#[derive(Debug)]
pub(super) struct Plan {
    pub key: PlanKey,
    pub columns: Columns,
    pub rows: Vec<RowTap>,
}

impl Plan {
    pub fn new(key: PlanKey) -> Self {
        let row = |dst| {
            let tap = Tap::new(dst, key.content.1, key.source.1);
            RowTap {
                above: tap.first,
                below: tap.second,
                weight_q15: (tap.share * 32_768.0).round().min(32_767.0) as i16,
            }
        };
        Self {
            key,
            columns: Columns::new(key.source.0, key.content.0, key.chroma_shift_x),
            rows: (0..key.content.1).map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_are_half_a_pixel_in_and_edges_repeat() {
        let taps: Vec<_> = (0..4).map(|dst| Tap::new(dst, 4, 2)).map(|t| (t.first, t.second, t.share)).collect();
        assert_eq!(taps, [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 1, 0.0)]);
    }

    #[test]
    fn every_index_lies_inside_its_row() {
        for (src, dst) in [(1, 1), (1, 9), (2, 7), (639, 416), (1920, 416), (5, 416), (416, 416)] {
            for shift in [0, 1] {
                let columns = Columns::new(src, dst, shift);
                assert_eq!(columns.groups().len(), dst.div_ceil(LANES));
                for group in columns.groups() {
                    assert!(group.luma_at.iter().all(|&at| (at as usize) < src));
                    assert!(group.chroma_at.iter().all(|&at| (at as usize) < halved(src, shift)));
                }
            }
        }
    }
}
