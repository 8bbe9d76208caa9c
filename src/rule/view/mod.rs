//! What a glance tells of the view itself: darkness, glare, blur, cover, shift, damage, stillness.
//!
//! Luma is compared in *blocks* of [`BLOCK`] x [`BLOCK`] coarse cells by normalised cross-correlation, which neither
//! gain nor offset changes: dusk, headlights and an exposure step leave it high, another view does not.
//! The figures behind the thresholds stand in `docs/rules/camera_unfit.md`.

mod align;
mod background;
mod fault;
mod reference;
mod still;

pub(super) use align::{Shift, align};
pub(super) use background::{Background, Look, Region};
pub(super) use fault::{Fault, Params as FaultParams};
pub(super) use reference::{Comparison, Learner, Reference, Step};
pub(super) use still::Stillness;

use crate::scene::glance::{Glance, GridSize};

/// Side of a block, coarse cells: a sixteenth of the picture's longer side.
const BLOCK: usize = 10;

/// Luma on the coarse grid, levels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plate {
    pub(super) size: GridSize,
    pub(super) luma: Vec<f32>,
}

impl Plate {
    pub(super) fn of(glance: &Glance) -> Self {
        Self { size: glance.coarse, luma: glance.coarse_luma() }
    }

    /// The top left cells of all whole blocks, row by row.
    fn blocks(&self) -> Vec<(usize, usize)> {
        let columns = self.size.width / BLOCK;
        (0..self.size.height / BLOCK).flat_map(|row| (0..columns).map(move |c| (c * BLOCK, row * BLOCK))).collect()
    }

    /// The rows of one block.
    fn block(&self, (x, y): (usize, usize)) -> impl Iterator<Item = &[f32]> + Clone {
        (y..y + BLOCK).map(move |row| {
            let from = row * self.size.width + x;
            self.luma.get(from..from + BLOCK).unwrap_or_default()
        })
    }
}

/// What the cells say by themselves, without any comparison. Shares of the picture, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Impression {
    /// Cells at or below the black level.
    pub(super) dark: f32,
    /// Cells so bright that they show nothing.
    pub(super) bright: f32,
    /// Cells of the flat green or mid-grey that decoders and encoders leave where data is missing.
    pub(super) damaged: f32,
    /// Whether there is no contrast at all, coarse or fine.
    pub(super) blank: bool,
}

/// Luma from which a cell is glare.
const BRIGHT: f32 = 240.0;
/// A picture whose coarse luma varies less than this (standard deviation, levels) and whose cells are smoother than
/// [`BLANK_SPREAD`] on average shows nothing: cloth, paint, a wall of fog.
const BLANK_DEVIATION: f32 = 6.0;
const BLANK_SPREAD: f32 = 1.0;

impl Impression {
    pub(super) fn of(glance: &Glance, plate: &Plate, black_level: f32) -> Self {
        let cells = plate.luma.len().max(1) as f32;
        let share = |wanted: &dyn Fn(f32) -> bool| plate.luma.iter().filter(|l| wanted(**l)).count() as f32 / cells;
        let (_, deviation) = moments(plate.luma.iter().copied());
        let spread = glance.spread.iter().map(|s| u32::from(*s)).sum::<u32>() as f32 / cells;
        let colours = glance.u.iter().zip(&glance.v).zip(glance.spread.iter().zip(&plate.luma));
        let damaged = colours.filter(|((u, v), (spread, luma))| is_damage(**luma, **u, **v, **spread)).count();
        Self {
            dark: share(&|l| l <= black_level),
            bright: share(&|l| l >= BRIGHT),
            damaged: damaged as f32 / cells,
            blank: deviation < BLANK_DEVIATION && spread < BLANK_SPREAD,
        }
    }
}

/// Samples that were never coded. Zero in all three planes shows as a green that no lit surface has; it is also found
/// after somebody has encoded it again. Half of full scale in all three is the grey that stands for a missing reference.
fn is_damage(luma: f32, u: u8, v: u8, spread: u8) -> bool {
    let green = u <= 104 && v <= 92 && spread <= 24;
    let grey = (127.0..=132.0).contains(&luma) && (127..=129).contains(&u) && (127..=129).contains(&v) && spread <= 1;
    green || grey
}

/// Mean and standard deviation.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|v| (v - mean) * (v - mean)).sum::<f32>() / count;
    (mean, variance.sqrt())
}

/// Normalised cross-correlation of two equal stretches of luma, -1 to 1; 0 where one of them has no contrast.
fn correlation<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)> + Clone) -> f32 {
    let count = pairs.clone().count().max(1) as f32;
    let (a, b) = pairs.clone().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_a, mean_b) = (a / count, b / count);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    let scale = (aa * bb).sqrt();
    if scale > 1e-3 { ab / scale } else { 0.0 }
}
