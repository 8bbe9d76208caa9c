//! CLEAR MOT: Bernardin and Stiefelhagen, *Evaluating Multiple Object Tracking Performance*, EURASIP JIVP 2008.
//!
//! In each frame the pairs of the frame before stay where they still overlap; the rest is assigned for most
//! overlap. A switch is a match with another track than the object's last one, however long ago. Mostly tracked
//! and mostly lost: Li, Huang and Nevatia, CVPR 2009; a fragmentation is a loss between two matches of an object.

use std::ops::AddAssign;

use super::sequence::{Sequence, reaches};
use crate::base::assignment::Assigner;

/// What keeps a pair of the frame before: more than any sum of overlaps.
const KEEP: f64 = 1000.0;
/// Tracked for this share of its boxes or more, an object is mostly tracked …
const MOSTLY_TRACKED: f64 = 0.8;
/// … and below this share mostly lost.
const MOSTLY_LOST: f64 = 0.2;

/// Counts of one sequence, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clear {
    /// Required boxes of the ground truth.
    pub boxes: u64,
    /// Boxes with a track.
    pub matches: u64,
    /// Boxes without one.
    pub misses: u64,
    /// Boxes of tracks without an object.
    pub false_positives: u64,
    /// Identity switches.
    pub switches: u64,
    /// Times that an object was lost and found again.
    pub fragmentations: u64,
    /// Objects by the share of their boxes that were tracked: 80 % or more.
    pub mostly_tracked: u64,
    /// 20 % or more.
    pub partly_tracked: u64,
    /// Less.
    pub mostly_lost: u64,
    /// Sum of the IoU of all matches.
    pub iou_sum: f64,
}

/// What is remembered of an object from frame to frame.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The last track it was matched with.
    last: Option<usize>,
    /// The track in the last frame that had both objects and tracks.
    before: Option<usize>,
    /// Whether it was lost since its last match.
    lost: bool,
    matches: u64,
}

impl Clear {
    /// Scores a sequence; a match needs an IoU of `threshold`.
    #[must_use]
    pub fn of(sequence: &Sequence, threshold: f64) -> Self {
        let mut assigner = Assigner::default();
        let mut seen = vec![Seen::default(); sequence.object_boxes.len()];
        let mut clear = Self::default();
        for frame in &sequence.frames {
            let id = |objects: &[usize], place: usize| objects.get(place).copied().unwrap_or(usize::MAX);
            let pairs = frame.best_pairs(&mut assigner, 2.0 * KEEP, |object, track, iou| {
                let before = seen.get(id(&frame.objects, object)).and_then(|seen| seen.before);
                match before {
                    _ if !reaches(iou, threshold) => 0.0,
                    Some(track_before) if track_before == id(&frame.tracks, track) => KEEP + iou,
                    _ => iou,
                }
            });
            clear.boxes += frame.objects.len() as u64;
            clear.matches += pairs.len() as u64;
            clear.misses += frame.objects.len().saturating_sub(pairs.len()) as u64;
            clear.false_positives += frame.tracks.len().saturating_sub(pairs.len()) as u64;
            if !frame.objects.is_empty() && !frame.tracks.is_empty() {
                seen.iter_mut().for_each(|seen| seen.before = None);
            }
            let mut matched = vec![None; frame.objects.len()];
            for (object, track, iou) in pairs {
                clear.iou_sum += iou;
                if let Some(slot) = matched.get_mut(object) {
                    *slot = Some(id(&frame.tracks, track));
                }
            }
            for (object, track) in frame.objects.iter().zip(matched) {
                let Some(seen) = seen.get_mut(*object) else { continue };
                let Some(track) = track else {
                    seen.lost = seen.last.is_some();
                    continue;
                };
                clear.switches += u64::from(seen.last.is_some_and(|last| last != track));
                clear.fragmentations += u64::from(seen.lost);
                *seen = Seen { last: Some(track), before: Some(track), lost: false, matches: seen.matches + 1 };
            }
        }
        for (seen, boxes) in seen.iter().zip(&sequence.object_boxes) {
            match seen.matches as f64 / *boxes as f64 {
                share if share >= MOSTLY_TRACKED => clear.mostly_tracked += 1,
                share if share < MOSTLY_LOST => clear.mostly_lost += 1,
                _ => clear.partly_tracked += 1,
            }
        }
        clear
    }

    /// MOTA, at most 1 and often below 0: 1 − (misses + false positives + switches) / boxes. None without boxes.
    #[must_use]
    pub fn mota(&self) -> Option<f64> {
        let wrong = (self.misses + self.false_positives + self.switches) as f64;
        (self.boxes > 0).then(|| 1.0 - wrong / self.boxes as f64)
    }

    /// MOTP as the mean IoU of matches, higher is better. (py-motmetrics gives the mean distance, 1 minus this.)
    #[must_use]
    pub fn motp(&self) -> Option<f64> {
        super::ratio(self.iou_sum, self.matches as f64)
    }

    /// Share of boxes that were matched.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        super::ratio(self.matches as f64, self.boxes as f64)
    }

    /// Share of the tracks' boxes that were matched.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        super::ratio(self.matches as f64, (self.matches + self.false_positives) as f64)
    }
}

impl AddAssign for Clear {
    fn add_assign(&mut self, other: Self) {
        self.boxes += other.boxes;
        self.matches += other.matches;
        self.misses += other.misses;
        self.false_positives += other.false_positives;
        self.switches += other.switches;
        self.fragmentations += other.fragmentations;
        self.mostly_tracked += other.mostly_tracked;
        self.partly_tracked += other.partly_tracked;
        self.mostly_lost += other.mostly_lost;
        self.iou_sum += other.iou_sum;
    }
}
