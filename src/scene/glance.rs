//! A glance: a small copy of an analysed picture, for whatever judges the view itself.
//!
//! Taken a few times a second, never per frame. Two grids over the picture as displayed: a fine one of luma, and a
//! coarse one (half as many cells each way) with what the eye is told by: mean colour and roughness.
//! Invariant: every vector has as many entries as its grid has cells; both grids have at least one cell.

use super::NormBox;

/// Cells on the longer side of the fine grid, at most.
pub const FINE_CELLS: usize = 320;

/// Width and height of a grid in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GridSize {
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
}

impl GridSize {
    /// The fine grid of a picture of `width` x `height` pixels: cells as square as can be, an even number of rows and
    /// columns, never more than pixels. A picture below 2 x 2 pixels has one cell each way.
    #[must_use]
    pub fn fine((width, height): (usize, usize)) -> Self {
        let longer = width.max(height).max(1);
        let cells = |side: usize| {
            let cells = if longer <= FINE_CELLS { side } else { (side * FINE_CELLS + longer / 2) / longer };
            if cells < 2 { 1 } else { cells / 2 * 2 }
        };
        Self { width: cells(width), height: cells(height) }
    }

    /// The coarse grid that belongs to this fine one.
    #[must_use]
    pub fn halved(self) -> Self {
        Self { width: self.width.div_ceil(2), height: self.height.div_ceil(2) }
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(self) -> usize {
        self.width * self.height
    }

    /// The cells that `bbox` touches: columns and rows, ends excluded; empty for a box outside the picture.
    #[must_use]
    pub fn cells_of(self, bbox: &NormBox) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let span = |from: f32, to: f32, cells: usize| {
            let at = |share: f32| share.clamp(0.0, 1.0) * cells as f32;
            let (from, to) = (at(from).floor() as usize, at(to).ceil() as usize);
            from.min(cells)..to.min(cells)
        };
        (span(bbox.x1, bbox.x2, self.width), span(bbox.y1, bbox.y2, self.height))
    }
}

/// See the module. Luma and chroma are 8-bit levels, whatever the depth: luma from 0 (black) to 255 (white) whatever
/// the stream's range, chroma as coded (128 is grey).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Cells of `luma`, row by row.
    pub fine: GridSize,
    /// Mean luma per fine cell.
    pub luma: Vec<u8>,
    /// Cells of `u`, `v` and `spread`, row by row: [`GridSize::halved`] of `fine`.
    pub coarse: GridSize,
    /// Mean blue difference per coarse cell.
    pub u: Vec<u8>,
    /// Mean red difference per coarse cell.
    pub v: Vec<u8>,
    /// Brightest less darkest luma sample within each coarse cell: roughness, 0 where the picture is perfectly flat.
    pub spread: Vec<u8>,
    /// Fingerprint of the luma samples themselves: equal for identical pictures, different for pictures that differ in
    /// noise only. Not a cryptographic hash.
    pub fingerprint: u64,
}

impl Glance {
    /// Mean luma per coarse cell, of the four fine cells in it; levels.
    #[must_use]
    pub fn coarse_luma(&self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.coarse.cells());
        for row in 0..self.coarse.height {
            let rows = (row * 2)..(row * 2 + 2).min(self.fine.height);
            for column in 0..self.coarse.width {
                let columns = (column * 2)..(column * 2 + 2).min(self.fine.width);
                let (mut sum, mut count) = (0u32, 0u32);
                for y in rows.clone() {
                    let cells = self.luma.get(y * self.fine.width + columns.start..y * self.fine.width + columns.end);
                    for value in cells.unwrap_or_default() {
                        sum += u32::from(*value);
                        count += 1;
                    }
                }
                out.push(sum as f32 / count.max(1) as f32);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_keep_the_shape_and_never_exceed_the_pixels() {
        for (size, expected) in [
            ((1920, 1080), (320, 180)),
            ((640, 360), (320, 180)),
            ((1080, 1920), (180, 320)),
            ((352, 288), (320, 262)),
            ((64, 48), (64, 48)),
            ((5, 3), (4, 2)),
            ((1, 1), (1, 1)),
            ((4000, 2), (320, 1)),
        ] {
            let grid = GridSize::fine(size);
            assert_eq!((grid.width, grid.height), expected, "{size:?}");
            let coarse = grid.halved();
            assert!(coarse.width * 2 >= grid.width && coarse.cells() > 0);
        }
    }

    #[test]
    fn a_box_covers_the_cells_that_it_touches() {
        let grid = GridSize { width: 10, height: 4 };
        let of = |x1, y1, x2, y2| grid.cells_of(&NormBox { x1, y1, x2, y2 });
        assert_eq!(of(0.0, 0.0, 1.0, 1.0), (0..10, 0..4));
        assert_eq!(of(0.11, 0.3, 0.29, 0.5), (1..3, 1..2));
        assert!(of(1.2, 0.0, 1.5, 1.0).0.is_empty());
    }

    #[test]
    fn coarse_luma_is_the_mean_of_four() {
        let fine = GridSize { width: 4, height: 2 };
        let glance = Glance {
            fine,
            luma: vec![0, 4, 100, 100, 8, 12, 100, 104],
            coarse: fine.halved(),
            u: vec![128; 2],
            v: vec![128; 2],
            spread: vec![0; 2],
            fingerprint: 0,
        };
        assert_eq!(glance.coarse_luma(), [6.0, 101.0]);
    }
}
