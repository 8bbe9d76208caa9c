//! Identity metrics: Ristani, Solera, Zou, Cucchiara and Tomasi, *Performance Measures and a Data Set for
//! Multi-Target, Multi-Camera Tracking*, ECCV 2016 workshops.
//!
//! One assignment of tracks to objects for the whole sequence, the one with the fewest boxes missed or false.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::sequence::{Sequence, reaches};
use crate::base::assignment::Assigner;

/// Counts of one sequence, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Boxes whose object has its own track on them.
    pub true_positives: u64,
    /// Boxes of tracks that are not on their own object.
    pub false_positives: u64,
    /// Boxes of objects without their own track.
    pub false_negatives: u64,
}

impl Identity {
    /// Scores a sequence; a match needs an IoU of `threshold`.
    #[must_use]
    pub fn of(sequence: &Sequence, threshold: f64) -> Self {
        let mut together: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for frame in &sequence.frames {
            for (object, track, _) in frame.overlaps.iter().filter(|pair| reaches(pair.2, threshold)) {
                if let (Some(object), Some(track)) = (frame.objects.get(*object), frame.tracks.get(*track)) {
                    *together.entry((*object, *track)).or_default() += 1;
                }
            }
        }
        // Fewest misses and false boxes is most boxes together: both are what that leaves over.
        let most = together.values().max().copied().unwrap_or(0) as f64;
        let mut assigner = Assigner::default();
        assigner.begin(sequence.track_boxes.len(), most);
        let mut pairs = together.iter().peekable();
        for object in 0..sequence.object_boxes.len() {
            assigner.row();
            while let Some((&(_, track), &frames)) = pairs.peek().copied().filter(|pair| pair.0.0 == object) {
                assigner.pair(track, most - frames as f64);
                pairs.next();
            }
        }
        let chosen = assigner.solve().iter().enumerate();
        let true_positives =
            chosen.filter_map(|(object, track)| together.get(&(object, (*track)?))).copied().sum::<u64>();
        let all = |boxes: &[u64]| boxes.iter().sum::<u64>();
        Self {
            true_positives,
            false_positives: all(&sequence.track_boxes) - true_positives,
            false_negatives: all(&sequence.object_boxes) - true_positives,
        }
    }

    /// IDF1 = 2 IDTP / (2 IDTP + IDFP + IDFN); none without any box.
    #[must_use]
    pub fn idf1(&self) -> Option<f64> {
        let twice = 2 * self.true_positives;
        super::ratio(twice as f64, (twice + self.false_positives + self.false_negatives) as f64)
    }

    /// Identity precision.
    #[must_use]
    pub fn idp(&self) -> Option<f64> {
        super::ratio(self.true_positives as f64, (self.true_positives + self.false_positives) as f64)
    }

    /// Identity recall.
    #[must_use]
    pub fn idr(&self) -> Option<f64> {
        super::ratio(self.true_positives as f64, (self.true_positives + self.false_negatives) as f64)
    }
}

impl AddAssign for Identity {
    fn add_assign(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}
