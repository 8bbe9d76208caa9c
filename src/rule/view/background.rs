//! The scene without its traffic, at two speeds, and what has come to stand still in it.
//!
//! Two running means of each cell's luma: a slow one, the background, and a fast one, what has been there for some
//! seconds. Where the fast one differs from the slow one and the picture agrees with the fast one, something new stands
//! still (the dual-background idea of F. Porikli, "Detection of temporarily static regions by processing video at
//! different frame rates", AVSS 2007). Luma is taken relative to the picture's median, so that a cloud moves nothing.

use std::collections::VecDeque;
use std::ops::Range;

use crate::scene::NormBox;
use crate::scene::glance::{Glance, GridSize};

/// Time constants of the two means, seconds.
const SLOW_S: f32 = 90.0;
const FAST_S: f32 = 1.5;
/// Over this time the background is a plain mean, seconds.
const LEARN_S: f32 = 4.0;
/// When more of the picture than this differs from the background, the light or the view has changed, not the scene.
const MAX_CHANGED: f32 = 0.5;
/// How fast the background then gives in, per second.
const GIVE_IN_PER_S: f32 = 0.7;
/// A cell that does not show the thing for a moment (somebody walks past) loses its time at this rate.
const FORGET_RATE: f32 = 0.5;

/// One cell.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    slow: f32,
    fast: f32,
    now: f32,
    /// How long something new has stood here, seconds.
    stood_s: f32,
    /// Whether a known vehicle stood here, and whatever is left is taken for it until the background shows again.
    claimed: bool,
}

/// A part of the picture in which something new stands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rule) struct Region {
    pub(in crate::rule) columns: Range<usize>,
    pub(in crate::rule) rows: Range<usize>,
    /// Its cells, as indices into the grid.
    pub(in crate::rule) cells: Vec<usize>,
}

/// What a glance did to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rule) enum Look {
    /// It was taken in.
    Usual,
    /// Light or view have changed as a whole: nothing can be told.
    Changed,
    /// The background is not known yet.
    Learning,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::rule) struct Background {
    size: GridSize,
    cells: Vec<Cell>,
    learnt_s: f32,
}

impl Background {
    /// The grid that the regions are in.
    pub(in crate::rule) fn size(&self) -> GridSize {
        self.size
    }

    /// Takes in a glance, `dt_s` seconds after the one before. `contrast` is the difference that counts, levels.
    pub(in crate::rule) fn observe(&mut self, glance: &Glance, dt_s: f32, contrast: f32) -> Look {
        let middle = median(&glance.luma);
        if self.size != glance.fine {
            let cell = |l: &u8| {
                let now = f32::from(*l) - middle;
                Cell { slow: now, fast: now, now, ..Cell::default() }
            };
            *self = Self { size: glance.fine, cells: glance.luma.iter().map(cell).collect(), learnt_s: 0.0 };
            return Look::Learning;
        }
        let fast = (dt_s / FAST_S).min(1.0);
        for (cell, luma) in self.cells.iter_mut().zip(&glance.luma) {
            cell.now = f32::from(*luma) - middle;
            cell.fast += (cell.now - cell.fast) * fast;
        }
        if self.learnt_s < LEARN_S {
            self.learnt_s += dt_s;
            let weight = (dt_s / self.learnt_s.max(dt_s)).min(1.0);
            self.cells.iter_mut().for_each(|cell| cell.slow += (cell.now - cell.slow) * weight);
            return Look::Learning;
        }
        let changed = self.cells.iter().filter(|cell| (cell.now - cell.slow).abs() >= contrast).count();
        if changed as f32 > MAX_CHANGED * self.cells.len() as f32 {
            let weight = (dt_s * GIVE_IN_PER_S).min(1.0);
            for cell in &mut self.cells {
                cell.slow += (cell.now - cell.slow) * weight;
                (cell.stood_s, cell.claimed) = (0.0, false);
            }
            return Look::Changed;
        }
        let slow = (dt_s / SLOW_S).min(1.0);
        for cell in &mut self.cells {
            let differs = (cell.fast - cell.slow).abs() >= contrast;
            if differs && (cell.now - cell.fast).abs() < contrast / 2.0 {
                cell.stood_s += dt_s;
            } else {
                cell.stood_s = (cell.stood_s - dt_s * FORGET_RATE).max(0.0);
                if !differs {
                    // Nothing stands here: the background may follow, and nobody's claim goes on.
                    cell.slow += (cell.now - cell.slow) * slow;
                    cell.claimed = false;
                }
            }
        }
        Look::Usual
    }

    /// A known object covers these cells: what stands there is it. With `stands`, what remains is it too.
    pub(in crate::rule) fn cover(&mut self, bbox: &NormBox, stands: bool, dt_s: f32) {
        let (columns, rows) = self.size.cells_of(bbox);
        let width = self.size.width;
        for row in rows {
            for cell in self.cells.iter_mut().skip(row * width + columns.start).take(columns.len()) {
                cell.stood_s = (cell.stood_s - dt_s).max(0.0);
                cell.claimed = cell.claimed || stands;
            }
        }
    }

    /// Connected regions of cells in which something has stood for `seconds`, each of at least `least` cells.
    pub(in crate::rule) fn regions(&self, seconds: f32, least: usize) -> Vec<Region> {
        let (width, height) = (self.size.width, self.size.height);
        let mut open: Vec<bool> = self.cells.iter().map(|c| c.stood_s >= seconds && !c.claimed).collect();
        let mut found = Vec::new();
        for begin in 0..open.len() {
            if !open.get_mut(begin).is_some_and(std::mem::take) {
                continue;
            }
            let mut region = Region { columns: width..0, rows: height..0, cells: Vec::new() };
            let mut queue = VecDeque::from([begin]);
            while let Some(cell) = queue.pop_front() {
                let (x, y) = (cell % width, cell / width);
                region.columns = region.columns.start.min(x)..region.columns.end.max(x + 1);
                region.rows = region.rows.start.min(y)..region.rows.end.max(y + 1);
                region.cells.push(cell);
                // A step of two bridges the thin lines that noise leaves.
                for near_y in y.saturating_sub(2)..(y + 3).min(height) {
                    for near_x in x.saturating_sub(2)..(x + 3).min(width) {
                        let near = near_y * width + near_x;
                        if open.get_mut(near).is_some_and(std::mem::take) {
                            queue.push_back(near);
                        }
                    }
                }
            }
            if region.cells.len() >= least {
                found.push(region);
            }
        }
        found
    }

    /// Contrast across the region's outline in the picture as it is, over that in the background: above 1 something was
    /// added, below 1 something that belonged to the background has gone.
    pub(in crate::rule) fn outline_contrast(&self, region: &Region) -> f32 {
        let width = self.size.width;
        let mut inside = vec![false; self.cells.len()];
        for cell in &region.cells {
            if let Some(slot) = inside.get_mut(*cell) {
                *slot = true;
            }
        }
        let (mut now, mut before) = (0.0f32, 0.0f32);
        for cell in &region.cells {
            let (x, y) = (cell % width, cell / width);
            // Two cells away, for the cell at the edge is half of each.
            let around = [
                (x >= 2).then(|| cell - 2),
                (x + 2 < width).then_some(cell + 2),
                (y >= 2).then(|| cell - 2 * width),
                (y + 2 < self.size.height).then_some(cell + 2 * width),
            ];
            for other in around.into_iter().flatten().filter(|other| !inside.get(*other).is_some_and(|i| *i)) {
                if let (Some(a), Some(b)) = (self.cells.get(*cell), self.cells.get(other)) {
                    now += (a.fast - b.fast).abs();
                    before += (a.slow - b.slow).abs();
                }
            }
        }
        now / before.max(1e-3)
    }

    /// Share of these cells in which the new thing can still be seen, as it stands there.
    pub(in crate::rule) fn still_shown(&self, cells: &[usize], contrast: f32) -> f32 {
        let shown = |cell: &&usize| self.cells.get(**cell).is_some_and(|c| (c.fast - c.slow).abs() >= contrast * 0.6);
        cells.iter().filter(shown).count() as f32 / cells.len().max(1) as f32
    }

    /// What stands in these cells belongs to the scene from now on.
    pub(in crate::rule) fn absorb(&mut self, cells: &[usize]) {
        for index in cells {
            if let Some(cell) = self.cells.get_mut(*index) {
                (cell.slow, cell.stood_s, cell.claimed) = (cell.fast, 0.0, false);
            }
        }
    }

    /// Pictures were missing or unfit: nobody knows what stood through that time.
    pub(in crate::rule) fn interrupt(&mut self) {
        self.cells.iter_mut().for_each(|cell| cell.stood_s = 0.0);
    }
}

/// Of levels 0 to 255, by counting.
fn median(luma: &[u8]) -> f32 {
    let mut counts = [0usize; 256];
    for level in luma {
        if let Some(count) = counts.get_mut(usize::from(*level)) {
            *count += 1;
        }
    }
    let mut below = 0;
    let middle = counts.iter().position(|count| {
        below += count;
        below * 2 >= luma.len()
    });
    middle.unwrap_or(0) as f32
}
