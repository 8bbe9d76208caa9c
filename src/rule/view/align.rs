//! How far one plate is shifted against another: global correlation from coarse to fine.

use super::{Plate, correlation};
use crate::scene::glance::GridSize;

/// The plate is halved until its longer side has at most so many cells; there every shift is tried.
const COARSEST: usize = 40;
/// The two pictures must still share so much of each axis.
const MIN_OVERLAP: f32 = 0.55;
/// Luma less the mean of the (2 R + 1)² cells around it is what is compared: edges, not light.
const HIGH_PASS: usize = 2;

/// A shift of the whole view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::rule) struct Shift {
    /// To the right, share of the picture's width.
    pub(in crate::rule) x: f32,
    /// Downwards, share of its height.
    pub(in crate::rule) y: f32,
    /// Correlation of the edges at this shift, -1 to 1.
    pub(in crate::rule) correlation: f32,
    /// The same without any shift.
    pub(in crate::rule) unshifted: f32,
}

impl Shift {
    /// Whether the shift explains the picture clearly better than no shift does.
    pub(in crate::rule) fn is_clear(&self) -> bool {
        self.correlation >= 0.4 && self.correlation >= self.unshifted + 0.15
    }

    /// Its length in shares of the picture.
    pub(in crate::rule) fn length(&self) -> f32 {
        libm::hypotf(self.x, self.y)
    }
}

/// How the view of `now` lies against that of `then`; `None` for plates of different size or too small.
pub(in crate::rule) fn align(then: &Plate, now: &Plate) -> Option<Shift> {
    if then.size != now.size || then.size.width < 8 || then.size.height < 8 {
        return None;
    }
    let mut levels = vec![(edges(then), edges(now))];
    let (mut a, mut b) = (then.clone(), now.clone());
    while a.size.width.max(a.size.height) > COARSEST {
        (a, b) = (halved(&a), halved(&b));
        levels.push((edges(&a), edges(&b)));
    }
    let (coarsest_then, coarsest_now) = levels.pop()?;
    let reach = |cells: usize| (cells as f32 * (1.0 - MIN_OVERLAP)) as i32;
    let size = coarsest_then.size;
    let mut best = search(&coarsest_then, &coarsest_now, (0, 0), (reach(size.width), reach(size.height)));
    let mut finest = (coarsest_then, coarsest_now);
    while let Some((a, b)) = levels.pop() {
        best = search(&a, &b, (best.0 * 2, best.1 * 2), (2, 2));
        finest = (a, b);
    }
    Some(Shift {
        x: best.0 as f32 / then.size.width as f32,
        y: best.1 as f32 / then.size.height as f32,
        correlation: shifted_correlation(&finest.0, &finest.1, best),
        unshifted: shifted_correlation(&finest.0, &finest.1, (0, 0)),
    })
}

/// The best shift within `reach` of `around`; the smallest of equally good ones.
fn search(then: &Plate, now: &Plate, around: (i32, i32), reach: (i32, i32)) -> (i32, i32) {
    let candidates = (-reach.1..=reach.1).flat_map(|dy| (-reach.0..=reach.0).map(move |dx| (dx, dy)));
    let mut best = (f32::MIN, (0, 0));
    for (dx, dy) in candidates {
        let shift = (around.0 + dx, around.1 + dy);
        let score = shifted_correlation(then, now, shift);
        if score > best.0 {
            best = (score, shift);
        }
    }
    best.1
}

/// Correlation over the part that both show, when `now` is `then` moved right and down by (dx, dy) cells.
fn shifted_correlation(then: &Plate, now: &Plate, (dx, dy): (i32, i32)) -> f32 {
    let (width, height) = (then.size.width, then.size.height);
    let (left, up) = (dx.unsigned_abs() as usize, dy.unsigned_abs() as usize);
    if left >= width || up >= height {
        return -1.0;
    }
    let (columns, rows) = (width - left, height - up);
    let row = |plate: &'_ Plate, x: usize, y: usize| -> std::ops::Range<usize> {
        let from = y * plate.size.width + x;
        from..from + columns
    };
    let (then_x, now_x) = if dx >= 0 { (0, left) } else { (left, 0) };
    let (then_y, now_y) = if dy >= 0 { (0, up) } else { (up, 0) };
    let pairs = (0..rows).flat_map(|y| {
        let a = then.luma.get(row(then, then_x, then_y + y)).unwrap_or_default();
        let b = now.luma.get(row(now, now_x, now_y + y)).unwrap_or_default();
        a.iter().zip(b)
    });
    correlation(pairs)
}

/// Half as many cells each way.
fn halved(plate: &Plate) -> Plate {
    let size = GridSize { width: plate.size.width / 2, height: plate.size.height / 2 };
    let at = |x: usize, y: usize| plate.luma.get(y * plate.size.width + x).copied().unwrap_or(0.0);
    let cell = |x: usize, y: usize| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0;
    let luma = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (2 * x, 2 * y)));
    Plate { size, luma: luma.map(|(x, y)| cell(x, y)).collect() }
}

/// What stands out against its surroundings, clipped so that one headlight does not outweigh a street.
fn edges(plate: &Plate) -> Plate {
    let (width, height) = (plate.size.width, plate.size.height);
    // Sums over everything above and left of a corner (integral image): a box mean is four look-ups.
    let mut sums = vec![0.0f64; (width + 1) * (height + 1)];
    for y in 0..height {
        let mut row = 0.0f64;
        for x in 0..width {
            row += f64::from(plate.luma.get(y * width + x).copied().unwrap_or(0.0));
            let above = sums.get(y * (width + 1) + x + 1).copied().unwrap_or(0.0);
            if let Some(sum) = sums.get_mut((y + 1) * (width + 1) + x + 1) {
                *sum = above + row;
            }
        }
    }
    let sum = |x: usize, y: usize| sums.get(y * (width + 1) + x).copied().unwrap_or(0.0);
    let mean = |x: usize, y: usize| {
        let (x1, x2) = (x.saturating_sub(HIGH_PASS), (x + HIGH_PASS + 1).min(width));
        let (y1, y2) = (y.saturating_sub(HIGH_PASS), (y + HIGH_PASS + 1).min(height));
        ((sum(x2, y2) - sum(x1, y2) - sum(x2, y1) + sum(x1, y1)) / ((x2 - x1) * (y2 - y1)) as f64) as f32
    };
    let luma = plate.luma.iter().enumerate().map(|(i, l)| (l - mean(i % width, i / width)).clamp(-24.0, 24.0));
    Plate { size: plate.size, luma: luma.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic patches of light of many sizes, seen through a window that begins at (x, y).
    fn scene(x: i32, y: i32) -> Plate {
        let size = GridSize { width: 160, height: 90 };
        let patch = |x: i32, y: i32, scale: i32| {
            let (a, b) = (x.div_euclid(scale), y.div_euclid(scale));
            let mixed = (a.wrapping_mul(73_856_093) ^ b.wrapping_mul(19_349_663)) as u32;
            (mixed.wrapping_mul(2_654_435_761) >> 25) as f32
        };
        let luma = (0..size.cells() as i32).map(|i| {
            let (px, py) = (x + i % 160 + 1000, y + i / 160 + 1000);
            (patch(px, py, 3) + patch(px, py, 9) + patch(px, py, 27)) / 1.5
        });
        Plate { size, luma: luma.collect() }
    }

    #[test]
    fn shifts_are_found_to_the_cell() {
        let then = scene(0, 0);
        for (dx, dy) in [(0, 0), (2, 0), (-3, 5), (24, -12), (-50, 20)] {
            // The window moves left, so what it shows moves right.
            let shift = align(&then, &scene(-dx, -dy)).unwrap();
            let found = (shift.x * 160.0, shift.y * 90.0);
            assert!((found.0 - dx as f32).abs() < 0.01 && (found.1 - dy as f32).abs() < 0.01, "{dx} {dy}: {shift:?}");
            assert_eq!(shift.is_clear(), (dx, dy) != (0, 0));
        }
    }

    #[test]
    fn light_is_no_shift_and_another_view_has_none() {
        let then = scene(0, 0);
        let mut dusk = scene(0, 0);
        dusk.luma.iter_mut().for_each(|l| *l = *l * 0.3 + 40.0);
        assert_eq!(align(&then, &dusk).unwrap().length(), 0.0);
        assert!(!align(&then, &scene(500, 300)).unwrap().is_clear());
    }
}
