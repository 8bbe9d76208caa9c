//! Takes a [`Glance`] of a picture: box averages of its planes, turned upright.
//!
//! Reads all columns of at most `ROWS_PER_CELL` rows of each cell, so that the cost of a large picture stays near
//! that of a small one; pictures are compared with pictures of the same size, whose samples are the same ones.

use super::colour::Range;
use super::planes::{PlaneFormat, Planes};
use super::preprocess::turn;
use crate::scene::glance::{Glance, GridSize};

/// Rows of luma that stand for one fine cell, at most.
const ROWS_PER_CELL: usize = 3;
/// Multiplier of the FNV-1a hash, 64 bits (draft-eastlake-fnv, section 5), over 8 bytes at a time.
const PRIME: u64 = 0x0000_0100_0000_01b3;
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The glance of a picture.
#[must_use]
pub fn take(planes: &Planes) -> Glance {
    let stored = (planes.width(), planes.height());
    let fine = GridSize::fine(stored);
    let coarse = fine.halved();
    let luma = Luma::read(planes, fine);
    let (u, v) = chroma(planes, coarse);
    let rotation = planes.rotation();
    let upright = |source: Vec<u8>, grid: GridSize| {
        let turned = rotation.turned((grid.width, grid.height));
        let mut out = vec![0; grid.cells()];
        turn(&source, (grid.width, grid.height), rotation, &mut out, turned.0);
        out
    };
    let turned = |grid: GridSize| {
        let (width, height) = rotation.turned((grid.width, grid.height));
        GridSize { width, height }
    };
    Glance {
        fine: turned(fine),
        luma: upright(luma.means, fine),
        coarse: turned(coarse),
        u: upright(u, coarse),
        v: upright(v, coarse),
        spread: upright(luma.spread, coarse),
        fingerprint: luma.fingerprint,
    }
}

/// Where cell `index` of `cells` begins among `samples`.
fn edge(index: usize, cells: usize, samples: usize) -> usize {
    index * samples / cells
}

/// The rows of a cell that are read: its first, last and what lies between in even steps.
fn sampled(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (from..to).step_by((to - from).div_ceil(ROWS_PER_CELL).max(1))
}

struct Luma {
    means: Vec<u8>,
    spread: Vec<u8>,
    fingerprint: u64,
}

impl Luma {
    fn read(planes: &Planes, fine: GridSize) -> Self {
        let (width, height) = (planes.width(), planes.height());
        let coarse = fine.halved();
        let full_scale = full_scale(planes.colour().range);
        let edges: Vec<usize> = (0..=fine.width).map(|x| edge(x, fine.width, width)).collect();
        let mut out = Self { means: Vec::with_capacity(fine.cells()), spread: Vec::new(), fingerprint: OFFSET };
        let mut darkest = vec![u8::MAX; coarse.cells()];
        let mut brightest = vec![0u8; coarse.cells()];
        let mut sums = vec![0u32; fine.width];
        let mut scratch = Vec::new();
        for cell_row in 0..fine.height {
            sums.fill(0);
            let mut rows = 0u32;
            let begins = (cell_row / 2) * coarse.width;
            for row in sampled(edge(cell_row, fine.height, height), edge(cell_row + 1, fine.height, height)) {
                let samples = eight_bits(planes.row(0, row), planes.format(), &mut scratch);
                out.fingerprint = mixed(out.fingerprint, samples);
                rows += 1;
                for (column, (sum, ends)) in sums.iter_mut().zip(edges.windows(2)).enumerate() {
                    let [from, to] = ends else { continue };
                    let cell = samples.get(*from..*to).unwrap_or_default();
                    let (mut total, mut low, mut high) = (0u32, u8::MAX, 0u8);
                    for value in cell {
                        total += u32::from(*value);
                        low = low.min(*value);
                        high = high.max(*value);
                    }
                    *sum += total;
                    if let (Some(dark), Some(bright)) =
                        (darkest.get_mut(begins + column / 2), brightest.get_mut(begins + column / 2))
                    {
                        *dark = low.min(*dark);
                        *bright = high.max(*bright);
                    }
                }
            }
            out.means.extend(sums.iter().zip(edges.windows(2)).map(|(sum, ends)| {
                let columns = ends.last().zip(ends.first()).map_or(1, |(to, from)| to - from);
                let count = (columns as u32 * rows).max(1);
                full_scale[(((sum + count / 2) / count) & 255) as usize]
            }));
        }
        out.spread = brightest.iter().zip(&darkest).map(|(high, low)| high.saturating_sub(*low)).collect();
        out
    }
}

/// From codes to levels, 0 black to 255 white.
fn full_scale(range: Range) -> [u8; 256] {
    std::array::from_fn(|code| match range {
        Range::Full => code as u8,
        // BT.601-7, 2.5.3: black is 16, white 235.
        Range::Limited => ((code.saturating_sub(16) * 255 + 109) / 219).min(255) as u8,
    })
}

/// The row's samples at 8 bits.
fn eight_bits<'a>(row: &'a [u8], format: PlaneFormat, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if format.depth() <= 8 {
        return row;
    }
    let shift = format.depth() - 8;
    scratch.clear();
    scratch.extend(row.as_chunks::<2>().0.iter().map(|pair| (u16::from_le_bytes(*pair) >> shift).min(255) as u8));
    scratch
}

fn mixed(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash =
        words.iter().fold(hash, |hash, word| (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME));
    rest.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Mean U and V per coarse cell, one row of samples for each row of cells; grey where the picture has no colour.
fn chroma(planes: &Planes, coarse: GridSize) -> (Vec<u8>, Vec<u8>) {
    let format = planes.format();
    let (mut u, mut v) = (Vec::with_capacity(coarse.cells()), Vec::with_capacity(coarse.cells()));
    if format.plane_count() == 1 {
        return (vec![128; coarse.cells()], vec![128; coarse.cells()]);
    }
    let (_, shift) = format.chroma_shift();
    let rows = planes.height().div_ceil(1 << shift);
    let mut scratch = Vec::new();
    for cell_row in 0..coarse.height {
        // The middle row of the cell: colour changes slowly, and coded colour is half as fine already.
        let row = (edge(cell_row, coarse.height, rows) + edge(cell_row + 1, coarse.height, rows)) / 2;
        let row = row.min(rows - 1);
        match format {
            PlaneFormat::Nv12 | PlaneFormat::Nv21 => {
                let pairs = planes.row(1, row);
                let first = means(pairs, 2, 0, coarse.width);
                let second = means(pairs, 2, 1, coarse.width);
                let (blue, red) = if format == PlaneFormat::Nv12 { (first, second) } else { (second, first) };
                u.extend(blue);
                v.extend(red);
            }
            _ => {
                u.extend(means(eight_bits(planes.row(1, row), format, &mut scratch), 1, 0, coarse.width));
                v.extend(means(eight_bits(planes.row(2, row), format, &mut scratch), 1, 0, coarse.width));
            }
        }
    }
    (u, v)
}

/// Means of `cells` equal stretches of every `step`-th sample from `first` on.
fn means(samples: &[u8], step: usize, first: usize, cells: usize) -> Vec<u8> {
    let count = samples.len() / step;
    let of_cell = |cell: usize| {
        let (from, to) = (edge(cell, cells, count), edge(cell + 1, cells, count).max(edge(cell, cells, count) + 1));
        let stretch = samples.iter().skip(from * step + first).step_by(step).take(to - from);
        let (sum, n) = stretch.fold((0u32, 0u32), |(sum, n), value| (sum + u32::from(*value), n + 1));
        ((sum + n / 2) / n.max(1)) as u8
    };
    (0..cells).map(of_cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::colour::{Colour, Matrix};
    use crate::frame::planes::{Plane, Rotation};

    const FULL: Colour = Colour { matrix: Matrix::Bt601, range: Range::Full };

    fn grey(width: usize, height: usize, luma: &[u8], rotation: Rotation) -> Glance {
        let plane = Plane { data: luma, stride: width };
        take(&Planes::new((width, height), PlaneFormat::Gray8, &[plane], FULL, rotation).unwrap())
    }

    #[test]
    fn cells_hold_means_and_the_roughness_within_them() {
        let luma: Vec<u8> = (0..640 * 320).map(|i| if i % 640 < 320 { 10 } else { 10 + (i % 2) as u8 * 100 }).collect();
        let glance = grey(640, 320, &luma, Rotation::None);
        assert_eq!((glance.fine.width, glance.fine.height), (320, 160));
        assert_eq!((glance.luma[0], glance.luma[319]), (10, 60));
        assert_eq!((glance.spread[0], glance.spread[159]), (0, 100));
        assert!(glance.u.iter().chain(&glance.v).all(|c| *c == 128));
    }

    #[test]
    fn one_sample_of_noise_changes_the_fingerprint_only() {
        let still = vec![77; 64 * 64];
        let mut noisy = still.clone();
        noisy[64 * 33 + 17] = 78;
        let (a, b) = (grey(64, 64, &still, Rotation::None), grey(64, 64, &noisy, Rotation::None));
        assert_ne!(a.fingerprint, b.fingerprint);
        assert_eq!(a.fingerprint, grey(64, 64, &still, Rotation::None).fingerprint);
    }

    #[test]
    fn the_glance_is_that_of_the_displayed_picture() {
        // Stored: left half dark. Turned clockwise, the dark half is on top.
        let luma: Vec<u8> = (0..400 * 200).map(|i| if i % 400 < 200 { 0 } else { 200 }).collect();
        let glance = grey(400, 200, &luma, Rotation::Cw90);
        assert_eq!((glance.fine.width, glance.fine.height), (160, 320));
        assert_eq!((glance.luma[0], glance.luma[160 * 319]), (0, 200));
        assert_eq!((glance.coarse.width, glance.coarse.height), (80, 160));
    }

    #[test]
    fn depth_range_and_chroma_order_are_those_of_the_stream() {
        let limited = Colour { range: Range::Limited, ..FULL };
        let luma = vec![235u8; 16 * 8];
        let pairs: Vec<u8> = [40, 200].repeat(8 * 4);
        for (format, expected) in [(PlaneFormat::Nv12, (40, 200)), (PlaneFormat::Nv21, (200, 40))] {
            let planes = [Plane { data: &luma, stride: 16 }, Plane { data: &pairs, stride: 16 }];
            let glance = take(&Planes::new((16, 8), format, &planes, limited, Rotation::None).unwrap());
            assert_eq!((glance.luma[0], glance.u[0], glance.v[0]), (255, expected.0, expected.1), "{format:?}");
        }
        let ten: Vec<u8> = 940u16.to_le_bytes().repeat(16 * 8);
        let half: Vec<u8> = 512u16.to_le_bytes().repeat(8 * 4);
        let chroma = Plane { data: &half, stride: 16 };
        let planes = [Plane { data: &ten, stride: 32 }, chroma, chroma];
        let glance = take(&Planes::new((16, 8), PlaneFormat::I420P10Le, &planes, limited, Rotation::None).unwrap());
        assert_eq!((glance.luma[0], glance.u[0], glance.v[0]), (255, 128, 128));
    }
}
