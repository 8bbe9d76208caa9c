//! Making a part of a snapshot unrecognisable: a mosaic of so few cells that no face and no plate survives it.

use super::Snapshot;
use crate::scene::NormBox;

/// Cells along the shorter side of the part.
const CELLS: usize = 4;
/// The smallest cell, pixels.
const LEAST_CELL: usize = 6;

impl Snapshot {
    /// Replaces the part by a mosaic of mean colours. It cannot be undone: of `n` x `n` pixels one colour stays.
    pub fn blur(&mut self, part: &NormBox) {
        if ![part.x1, part.y1, part.x2, part.y2].into_iter().all(f32::is_finite) {
            return;
        }
        let edge = |share: f32, size: usize, up: bool| {
            let at = share.clamp(0.0, 1.0) * size as f32;
            if up { (at.ceil() as usize).min(size) } else { at.floor() as usize }
        };
        let (left, right) = (edge(part.x1, self.width, false), edge(part.x2, self.width, true));
        let (top, bottom) = (edge(part.y1, self.height, false), edge(part.y2, self.height, true));
        if left >= right || top >= bottom {
            return;
        }
        let cell = ((right - left).min(bottom - top) / CELLS).max(LEAST_CELL);
        for y in (top..bottom).step_by(cell) {
            for x in (left..right).step_by(cell) {
                self.even_out((x, (x + cell).min(right)), (y, (y + cell).min(bottom)));
            }
        }
    }

    /// Gives all pixels of a cell their mean colour.
    fn even_out(&mut self, (left, right): (usize, usize), (top, bottom): (usize, usize)) {
        let stride = 3 * self.width;
        let mut sums = [0_u64; 3];
        let rows = |top: usize, bottom: usize| (top * stride + 3 * left, bottom.saturating_sub(top));
        let (start, count) = rows(top, bottom);
        let length = 3 * (right - left);
        for row in self.rgb.get(start..).unwrap_or_default().chunks(stride).take(count) {
            for pixel in row.get(..length).unwrap_or_default().chunks_exact(3) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += u64::from(*value);
                }
            }
        }
        let pixels = ((right - left) * count).max(1) as u64;
        let mean = sums.map(|sum| u8::try_from(sum / pixels).unwrap_or(u8::MAX));
        for row in self.rgb.get_mut(start..).unwrap_or_default().chunks_mut(stride).take(count) {
            for pixel in row.get_mut(..length).unwrap_or_default().chunks_exact_mut(3) {
                pixel.copy_from_slice(&mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_detail_goes_and_the_rest_stays() {
        let (width, height) = (120, 80);
        let rgb: Vec<u8> =
            (0..width * height).flat_map(|at| [if (at % width + at / width) % 2 == 0 { 0 } else { 250 }; 3]).collect();
        let mut snapshot = Snapshot { rgb: rgb.clone(), width, height };
        snapshot.blur(&NormBox { x1: 0.25, y1: 0.25, x2: 0.75, y2: 0.75 });
        for (at, (new, old)) in snapshot.rgb.chunks(3).zip(rgb.chunks(3)).enumerate() {
            let (x, y) = (at % width, at / width);
            if (30..90).contains(&x) && (20..60).contains(&y) {
                assert!((100..150).contains(&new[0]), "({x}, {y}) is {new:?}");
            } else {
                assert_eq!(new, old, "({x}, {y})");
            }
        }
    }

    #[test]
    fn odd_parts_are_cut_and_never_fatal() {
        let mut snapshot = Snapshot { rgb: vec![9; 3 * 7 * 5], width: 7, height: 5 };
        for part in [[-3.0, -3.0, 9.0, 9.0], [0.9, 0.9, 0.1, 0.1], [f32::NAN, 0.0, 1.0, 1.0], [0.99, 0.99, 1.0, 1.0]] {
            snapshot.blur(&part.into());
        }
        assert_eq!(snapshot.rgb, vec![9; 3 * 7 * 5]);
    }
}
