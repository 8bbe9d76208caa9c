//! Ground truth and tracks of one sequence, put beside each other: what the metrics read.
//!
//! Identities become indices from 0 in order of their ids. What the ground truth says to ignore is gone, and
//! with it the boxes of tracks that fell to it.

use std::collections::BTreeMap;

use super::mot::{Row, Rows};
use crate::base::assignment::Assigner;

/// From this IoU on a box falls to a row to be ignored, as in the MOTChallenge's own preparation.
const IGNORE_IOU: f64 = 0.5;
/// Scores closer than this to a threshold reach it, as in the reference implementations.
const EPSILON: f64 = f64::EPSILON;

/// What is done with rows that are not required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// In each frame boxes are assigned to all rows; what falls to a row that is not required is dropped.
    #[default]
    Ignore,
    /// Rows that are not required are dropped, and nothing of the tracks (MOTChallenge 2015).
    Mot15,
    /// Pedestrians alone are scored; boxes that fall to a distractor class (person on a vehicle, static person,
    /// distractor, reflection) are dropped (MOTChallenge 2016 and 2017).
    Mot16,
    /// As 2016, with vehicles among the distractors (MOTChallenge 2020).
    Mot20,
}

impl Protocol {
    /// Class of pedestrians in the MOTChallenge.
    const PEDESTRIAN: i64 = 1;

    /// Whether a row is scored; `classes` empty means any.
    fn scores(self, row: &Row, classes: &[i64]) -> bool {
        row.required
            && match self {
                Self::Ignore => classes.is_empty() || row.class.is_some_and(|class| classes.contains(&class)),
                Self::Mot15 => true,
                Self::Mot16 | Self::Mot20 => row.class == Some(Self::PEDESTRIAN),
            }
    }

    /// Whether a box that falls to the row is dropped.
    fn absorbs(self, row: &Row, classes: &[i64]) -> bool {
        match self {
            Self::Ignore => !self.scores(row, classes),
            Self::Mot15 => false,
            Self::Mot16 => matches!(row.class, Some(2 | 7 | 8 | 12)),
            Self::Mot20 => matches!(row.class, Some(2 | 6 | 7 | 8 | 12)),
        }
    }
}

/// One frame: who is there, and how much every pair overlaps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// Indices of the objects in it.
    pub objects: Vec<usize>,
    /// Indices of the tracks in it.
    pub tracks: Vec<usize>,
    /// IoU above 0 of (place in `objects`, place in `tracks`), in order.
    pub overlaps: Vec<(usize, usize, f64)>,
}

/// A sequence ready to be scored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sequence {
    /// Frames that hold anything, in order.
    pub frames: Vec<Frame>,
    /// Boxes of each object.
    pub object_boxes: Vec<u64>,
    /// Boxes of each track.
    pub track_boxes: Vec<u64>,
}

impl Sequence {
    /// Puts them together. `classes` are those of the ground truth to score, any when empty; rows of others are
    /// ignored. Frames for which `scored` is false are left out on both sides.
    #[must_use]
    pub fn new(truth: &Rows, tracks: &Rows, protocol: Protocol, classes: &[i64], scored: impl Fn(u32) -> bool) -> Self {
        let mut numbers: Vec<u32> = truth.keys().chain(tracks.keys()).copied().filter(|frame| scored(*frame)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let rows = |rows: &'_ Rows, frame: u32| rows.get(&frame).cloned().unwrap_or_default();
        let mut kept: Vec<(Vec<Row>, Vec<Row>)> = Vec::with_capacity(numbers.len());
        for number in numbers {
            let (mut objects, mut boxes) = (rows(truth, number), rows(tracks, number));
            drop_ignored(&objects, &mut boxes, |row| protocol.absorbs(row, classes));
            objects.retain(|row| protocol.scores(row, classes));
            kept.push((objects, boxes));
        }
        let objects = index(kept.iter().flat_map(|(objects, _)| objects));
        let tracks = index(kept.iter().flat_map(|(_, tracks)| tracks));
        let mut sequence =
            Self { frames: Vec::new(), object_boxes: vec![0; objects.len()], track_boxes: vec![0; tracks.len()] };
        for (truth, boxes) in &kept {
            let frame = Frame {
                objects: truth.iter().filter_map(|row| objects.get(&row.id).copied()).collect(),
                tracks: boxes.iter().filter_map(|row| tracks.get(&row.id).copied()).collect(),
                overlaps: overlaps(truth, boxes),
            };
            count(&mut sequence.object_boxes, &frame.objects);
            count(&mut sequence.track_boxes, &frame.tracks);
            sequence.frames.push(frame);
        }
        sequence
    }
}

impl Frame {
    /// The pairs of most summed score, as places in `objects` and `tracks` with their IoU. `score` rates a
    /// pair, within 0 to `most`; one of 0 or less is not made.
    pub(super) fn best_pairs(
        &self,
        assigner: &mut Assigner,
        most: f64,
        score: impl Fn(usize, usize, f64) -> f64,
    ) -> Vec<(usize, usize, f64)> {
        assigner.begin(self.tracks.len(), most);
        let mut pairs = self.overlaps.iter().peekable();
        for object in 0..self.objects.len() {
            assigner.row();
            while let Some(&&(_, track, iou)) = pairs.peek().filter(|pair| pair.0 == object) {
                let score = score(object, track, iou);
                if score > 0.0 {
                    assigner.pair(track, most - score);
                }
                pairs.next();
            }
        }
        let chosen = assigner.solve();
        let made = |pair: &&(usize, usize, f64)| chosen.get(pair.0).copied().flatten() == Some(pair.1);
        self.overlaps.iter().filter(made).copied().collect()
    }
}

/// Whether an IoU reaches a threshold.
pub(super) fn reaches(iou: f64, threshold: f64) -> bool {
    iou >= threshold - EPSILON
}

fn index<'a>(rows: impl Iterator<Item = &'a Row>) -> BTreeMap<i64, usize> {
    let mut ids: Vec<i64> = rows.map(|row| row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().zip(0..).collect()
}

fn count(boxes: &mut [u64], present: &[usize]) {
    for index in present {
        if let Some(n) = boxes.get_mut(*index) {
            *n += 1;
        }
    }
}

fn overlaps(truth: &[Row], tracks: &[Row]) -> Vec<(usize, usize, f64)> {
    let mut pairs = Vec::new();
    for (i, object) in truth.iter().enumerate() {
        for (j, track) in tracks.iter().enumerate() {
            let iou = object.bbox.iou(&track.bbox);
            if iou > 0.0 {
                pairs.push((i, j, iou));
            }
        }
    }
    pairs
}

/// Takes out of `tracks` what falls to rows that absorb, all rows of the frame competing for the boxes.
fn drop_ignored(truth: &[Row], tracks: &mut Vec<Row>, absorbs: impl Fn(&Row) -> bool) {
    if !truth.iter().any(&absorbs) {
        return;
    }
    let frame = Frame {
        objects: (0..truth.len()).collect(),
        tracks: (0..tracks.len()).collect(),
        overlaps: overlaps(truth, tracks),
    };
    let near = |_, _, iou: f64| if reaches(iou, IGNORE_IOU) { iou } else { 0.0 };
    let pairs = frame.best_pairs(&mut Assigner::default(), 1.0, near);
    let mut keep = vec![true; tracks.len()];
    for (object, track, _) in pairs {
        if let (Some(row), Some(keep)) = (truth.get(object), keep.get_mut(track)) {
            *keep = !absorbs(row);
        }
    }
    let mut keep = keep.into_iter();
    tracks.retain(|_| keep.next().unwrap_or(true));
}
