//! HOTA: Luiten, Ošep, Dendorfer, Torr, Geiger, Leal-Taixé and Leibe, *HOTA: A Higher Order Metric for
//! Evaluating Multi-Object Tracking*, IJCV 129, 2021.
//!
//! At each of 19 localisation thresholds α = 0.05 … 0.95: HOTA(α) = √(DetA · AssA). The pairs of a frame are
//! those of most (global alignment × IoU), where the global alignment of an object and a track is the Jaccard
//! index of their boxes over the whole sequence; a pair counts at the thresholds that its IoU reaches.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::sequence::{Sequence, reaches};
use crate::base::assignment::Assigner;

/// How many thresholds.
pub const LEVELS: usize = 19;

/// The thresholds.
pub fn alphas() -> impl Iterator<Item = f64> {
    (1..=LEVELS).map(|n| n as f64 * 0.05)
}

/// Sums at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    matches: u64,
    misses: u64,
    false_positives: u64,
    /// Σ over matches of the association's Jaccard index, recall and precision, and of the IoU.
    jaccard: f64,
    recall: f64,
    precision: f64,
    iou: f64,
}

/// Sums of one sequence, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hota([Level; LEVELS]);

/// The parts of HOTA, each the mean over all thresholds, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Parts {
    /// Higher-order tracking accuracy.
    pub hota: f64,
    /// Detection accuracy: Jaccard index of boxes.
    pub deta: f64,
    /// Association accuracy.
    pub assa: f64,
    /// Detection recall.
    pub detre: f64,
    /// Detection precision.
    pub detpr: f64,
    /// Association recall.
    pub assre: f64,
    /// Association precision.
    pub asspr: f64,
    /// Localisation accuracy: mean IoU of matches; 1 where there is none.
    pub loca: f64,
}

impl Hota {
    /// Scores a sequence.
    #[must_use]
    pub fn of(sequence: &Sequence) -> Self {
        let alignment = alignment(sequence);
        let mut assigner = Assigner::default();
        let mut together: BTreeMap<(usize, usize), [u64; LEVELS]> = BTreeMap::new();
        let mut hota = Self::default();
        for frame in &sequence.frames {
            let ids = |object: usize, track: usize| {
                Some((frame.objects.get(object).copied()?, frame.tracks.get(track).copied()?))
            };
            let pairs = frame.best_pairs(&mut assigner, 1.0, |object, track, iou| {
                ids(object, track).and_then(|ids| alignment.get(&ids)).copied().unwrap_or(0.0) * iou
            });
            for (n, (level, alpha)) in hota.0.iter_mut().zip(alphas()).enumerate() {
                let mut matches = 0;
                for (object, track, iou) in pairs.iter().filter(|pair| reaches(pair.2, alpha)) {
                    matches += 1;
                    level.iou += iou;
                    if let Some(count) = ids(*object, *track).and_then(|i| together.entry(i).or_default().get_mut(n)) {
                        *count += 1;
                    }
                }
                level.matches += matches;
                level.misses += frame.objects.len() as u64 - matches;
                level.false_positives += frame.tracks.len() as u64 - matches;
            }
        }
        for ((object, track), counts) in &together {
            let of = |boxes: &[u64], index: usize| boxes.get(index).copied().unwrap_or(0) as f64;
            let (objects, tracks) = (of(&sequence.object_boxes, *object), of(&sequence.track_boxes, *track));
            for (level, count) in hota.0.iter_mut().zip(counts.map(|count| count as f64)) {
                level.jaccard += count * count / (objects + tracks - count).max(1.0);
                level.recall += count * count / objects.max(1.0);
                level.precision += count * count / tracks.max(1.0);
            }
        }
        hota
    }

    /// HOTA, DetA and AssA at each threshold of [`alphas`].
    pub fn curve(&self) -> impl Iterator<Item = [f64; 3]> + '_ {
        self.0.iter().map(|level| {
            let parts = level.parts();
            [parts.hota, parts.deta, parts.assa]
        })
    }

    /// The means over all thresholds; none without any box.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        let something = self.0.iter().any(|l| l.matches + l.misses + l.false_positives > 0);
        let mean = |of: fn(&Parts) -> f64| self.0.iter().map(|level| of(&level.parts())).sum::<f64>() / LEVELS as f64;
        something.then(|| Parts {
            hota: mean(|p| p.hota),
            deta: mean(|p| p.deta),
            assa: mean(|p| p.assa),
            detre: mean(|p| p.detre),
            detpr: mean(|p| p.detpr),
            assre: mean(|p| p.assre),
            asspr: mean(|p| p.asspr),
            loca: mean(|p| p.loca),
        })
    }
}

impl Level {
    fn parts(&self) -> Parts {
        let (tp, fn_, fp) = (self.matches as f64, self.misses as f64, self.false_positives as f64);
        let per_match = |sum: f64| sum / tp.max(1.0);
        let deta = tp / (tp + fn_ + fp).max(1.0);
        let assa = per_match(self.jaccard);
        Parts {
            hota: (deta * assa).sqrt(),
            deta,
            assa,
            detre: tp / (tp + fn_).max(1.0),
            detpr: tp / (tp + fp).max(1.0),
            assre: per_match(self.recall),
            asspr: per_match(self.precision),
            loca: if self.matches == 0 { 1.0 } else { self.iou / tp },
        }
    }
}

/// The global alignment of every object and track that ever overlap.
fn alignment(sequence: &Sequence) -> BTreeMap<(usize, usize), f64> {
    let mut shared: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for frame in &sequence.frames {
        let (mut of_object, mut of_track) = (vec![0.0; frame.objects.len()], vec![0.0; frame.tracks.len()]);
        for (object, track, iou) in &frame.overlaps {
            if let (Some(o), Some(t)) = (of_object.get_mut(*object), of_track.get_mut(*track)) {
                *o += iou;
                *t += iou;
            }
        }
        for (object, track, iou) in &frame.overlaps {
            let (Some(o), Some(t)) = (of_object.get(*object), of_track.get(*track)) else { continue };
            if let (Some(object), Some(track)) = (frame.objects.get(*object), frame.tracks.get(*track)) {
                *shared.entry((*object, *track)).or_default() += iou / (o + t - iou);
            }
        }
    }
    for ((object, track), sum) in &mut shared {
        let of = |boxes: &[u64], index: usize| boxes.get(index).copied().unwrap_or(0) as f64;
        *sum /= of(&sequence.object_boxes, *object) + of(&sequence.track_boxes, *track) - *sum;
    }
    shared
}

impl AddAssign for Hota {
    fn add_assign(&mut self, other: Self) {
        for (level, more) in self.0.iter_mut().zip(other.0) {
            level.matches += more.matches;
            level.misses += more.misses;
            level.false_positives += more.false_positives;
            level.jaccard += more.jaccard;
            level.recall += more.recall;
            level.precision += more.precision;
            level.iou += more.iou;
        }
    }
}
