//! The view that a camera had when all was well: learnt from the first pictures, kept up to date slowly.
//!
//! Traffic passes; what stands still stays. The median over some seconds is the empty scene, and the blocks that
//! correlate with it again and again are its *anchors*: kerbs, poles, markings, houses.

use std::time::Duration;

use super::{BLOCK, Plate, correlation, moments};
use crate::base::MediaTime;
use crate::scene::glance::Glance;

/// Glances that the median is taken of.
const SAMPLES: usize = 15;
/// A block with less contrast (standard deviation, levels) holds no mark to find again.
const MIN_DEVIATION: f32 = 4.0;
/// A block that correlates this well shows what it showed.
const MATCH: f32 = 0.5;
/// A block that correlates this well in most glances can be relied on.
const STEADY: f32 = 0.7;
/// Of the glances, so many must have shown a block as it is for it to be an anchor.
const STEADY_SHARE: f32 = 0.7;
/// Below this share of its former contrast a block that matches no more shows nothing.
const FLAT: f32 = 0.35;
/// Fewer anchors than this share of all blocks cannot tell a moved camera from a passing car.
const MIN_ANCHORS: f32 = 0.12;
/// While learning, a view that shows so little of what it showed at first is moving.
const UNSTEADY: f32 = 0.35;
/// How fast the reference follows light and seasons.
const FOLLOW: Duration = Duration::from_secs(120);

/// How a glance compares with the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::rule) struct Comparison {
    /// Share of the anchors that show what they showed.
    pub(in crate::rule) matching: f32,
    /// Share of the anchors that show nothing any more.
    pub(in crate::rule) flat: f32,
    /// Fine contrast of the matching anchors over their coarse contrast, as a multiple of what it was: their median.
    /// Light and haze change both alike; a lens out of focus loses the fine one. `None` when too few match.
    pub(in crate::rule) sharpness: Option<f32>,
}

#[derive(Debug)]
struct Block {
    at: (usize, usize),
    deviation: f32,
    /// Mean roughness within cells, levels.
    spread: f32,
    /// How often it was found as it is, 0 to 1; follows slowly.
    steadiness: f32,
}

impl Block {
    fn is_anchor(&self) -> bool {
        self.deviation >= MIN_DEVIATION && self.steadiness >= STEADY_SHARE
    }
}

/// The learnt view.
#[derive(Debug)]
pub(in crate::rule) struct Reference {
    pub(in crate::rule) plate: Plate,
    blocks: Vec<Block>,
    /// Share of damage-coloured cells that belongs to the scene.
    pub(in crate::rule) damaged: f32,
    followed: MediaTime,
}

impl Reference {
    fn new(samples: &[Sample], at: MediaTime) -> Option<Self> {
        let first = samples.first()?;
        let mut plate = first.plate.clone();
        let mut values = Vec::with_capacity(samples.len());
        for (cell, luma) in plate.luma.iter_mut().enumerate() {
            values.clear();
            values.extend(samples.iter().filter_map(|s| s.plate.luma.get(cell).copied()));
            *luma = median(&mut values).unwrap_or(*luma);
        }
        let block = |at: (usize, usize)| {
            let steady = samples.iter().filter(|s| match_of(&plate, &s.plate, at) >= STEADY).count();
            let mut spreads: Vec<f32> = samples.iter().map(|s| spread_of(&s.spread, &plate, at)).collect();
            Block {
                at,
                deviation: deviation_of(&plate, at),
                spread: median(&mut spreads).unwrap_or(0.0),
                steadiness: steady as f32 / samples.len() as f32,
            }
        };
        let blocks = plate.blocks().into_iter().map(block).collect();
        let mut damaged: Vec<f32> = samples.iter().map(|s| s.damaged).collect();
        let damaged = median(&mut damaged).unwrap_or(0.0);
        Some(Self { plate, blocks, damaged, followed: at })
    }

    /// The view of a still, whose every block with contrast is an anchor.
    pub(in crate::rule) fn of_still(plate: Plate, glance: &Glance) -> Self {
        let block = |at: (usize, usize)| Block {
            at,
            deviation: deviation_of(&plate, at),
            spread: spread_of(&glance.spread, &plate, at),
            steadiness: 1.0,
        };
        let blocks = plate.blocks().into_iter().map(block).collect();
        Self { plate, blocks, damaged: 0.0, followed: MediaTime::default() }
    }

    /// How many blocks can be relied on, and of how many.
    pub(in crate::rule) fn anchors(&self) -> (usize, usize) {
        (self.blocks.iter().filter(|b| b.is_anchor()).count(), self.blocks.len())
    }

    /// Compares; `None` when the scene has too few marks to tell, or another shape.
    pub(in crate::rule) fn compare(&self, plate: &Plate, glance: &Glance) -> Option<Comparison> {
        let (anchors, all) = self.anchors();
        if plate.size != self.plate.size || anchors == 0 || (anchors as f32) < MIN_ANCHORS * all as f32 {
            return None;
        }
        let (mut matching, mut flat) = (0usize, 0usize);
        let mut sharpness = Vec::new();
        for block in self.blocks.iter().filter(|b| b.is_anchor()) {
            let contrast = deviation_of(plate, block.at) / block.deviation;
            if match_of(&self.plate, plate, block.at) >= MATCH {
                matching += 1;
                let fine = spread_of(&glance.spread, plate, block.at) / block.spread.max(1.0);
                sharpness.push(fine / contrast.max(0.05));
            } else if contrast < FLAT {
                flat += 1;
            }
        }
        let enough = matching * 2 >= anchors;
        Some(Comparison {
            matching: matching as f32 / anchors as f32,
            flat: flat as f32 / anchors as f32,
            sharpness: median(&mut sharpness).filter(|_| enough),
        })
    }

    /// Takes over what has changed for good; call it only while nothing is wrong with the view.
    pub(in crate::rule) fn follow(&mut self, plate: &Plate, glance: &Glance, at: MediaTime) {
        let weight = (at.since(self.followed).as_secs_f32() / FOLLOW.as_secs_f32()).min(0.05);
        self.followed = at;
        for block in &mut self.blocks {
            let steady = if match_of(&self.plate, plate, block.at) >= STEADY { 1.0 } else { 0.0 };
            block.steadiness += (steady - block.steadiness) * weight;
            block.spread += (spread_of(&glance.spread, plate, block.at) - block.spread) * weight;
        }
        for (known, now) in self.plate.luma.iter_mut().zip(&plate.luma) {
            *known += (now - *known) * weight;
        }
        for block in &mut self.blocks {
            block.deviation = deviation_of(&self.plate, block.at);
        }
    }

    /// Frames were missing or the view was unfit until `at`: that time is no time to learn from.
    pub(in crate::rule) fn skip_to(&mut self, at: MediaTime) {
        self.followed = at;
    }
}

#[derive(Debug)]
struct Sample {
    plate: Plate,
    spread: Vec<u8>,
    damaged: f32,
    at: MediaTime,
}

/// What a glance did to the learning.
#[derive(Debug)]
pub(in crate::rule) enum Step {
    /// More are needed.
    Learning,
    /// The view is not the one that the learning began with: it began again.
    Restarted,
    /// The view is known.
    Learnt(Reference),
}

/// Gathers glances for a reference.
#[derive(Debug, Default)]
pub(in crate::rule) struct Learner {
    samples: Vec<Sample>,
}

impl Learner {
    /// Takes in a glance of a view that nothing is visibly wrong with.
    pub(in crate::rule) fn observe(
        &mut self,
        plate: &Plate,
        glance: &Glance,
        damaged: f32,
        at: MediaTime,
        learn_for: Duration,
    ) -> Step {
        let mut step = Step::Learning;
        if self.samples.first().is_some_and(|first| !is_same_view(&first.plate, plate)) {
            self.samples.clear();
            step = Step::Restarted;
        }
        let due = self.samples.last().is_none_or(|last| at.since(last.at) >= learn_for / SAMPLES as u32);
        if due {
            self.samples.push(Sample { plate: plate.clone(), spread: glance.spread.clone(), damaged, at });
        }
        let began = self.samples.first().map_or(at, |first| first.at);
        // A camera of one picture a second gives few, and they are enough.
        if at.since(began) >= learn_for && self.samples.len() >= 3 {
            let samples = std::mem::take(&mut self.samples);
            if let Some(reference) = Reference::new(&samples, at) {
                return Step::Learnt(reference);
            }
        }
        step
    }

    /// Begins again.
    pub(in crate::rule) fn reset(&mut self) {
        self.samples.clear();
    }
}

/// Whether the blocks with contrast still show what they showed; true where there are too few to tell.
fn is_same_view(first: &Plate, now: &Plate) -> bool {
    if first.size != now.size {
        return false;
    }
    let blocks = first.blocks();
    let textured: Vec<_> = blocks.iter().filter(|at| deviation_of(first, **at) >= MIN_DEVIATION).collect();
    let matching = textured.iter().filter(|at| match_of(first, now, ***at) >= MATCH).count();
    (textured.len() as f32) < MIN_ANCHORS * blocks.len() as f32 || matching as f32 >= UNSTEADY * textured.len() as f32
}

fn match_of(a: &Plate, b: &Plate, at: (usize, usize)) -> f32 {
    correlation(a.block(at).zip(b.block(at)).flat_map(|(x, y)| x.iter().zip(y)))
}

fn deviation_of(plate: &Plate, at: (usize, usize)) -> f32 {
    moments(plate.block(at).flatten().copied()).1
}

fn spread_of(spread: &[u8], plate: &Plate, (x, y): (usize, usize)) -> f32 {
    let rows = (y..y + BLOCK).map(|row| row * plate.size.width + x);
    let cells = rows.flat_map(|from| spread.get(from..from + BLOCK).unwrap_or_default());
    moments(cells.map(|s| f32::from(*s))).0
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    let (_, median, _) = (!values.is_empty()).then(|| values.select_nth_unstable_by(middle, f32::total_cmp))?;
    Some(*median)
}
