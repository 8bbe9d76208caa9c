//! Tracks against ground truth: HOTA, identity and CLEAR MOT metrics over MOTChallenge files.
//!
//! All of them agree with TrackEval and py-motmetrics on the same input (`tests/eval_tracks.rs`). Several
//! sequences are combined by adding their counts, as the MOTChallenge does, not by averaging their scores.

pub mod boxes;
pub mod clear;
pub mod hota;
pub mod identity;
pub mod mot;
pub mod sequence;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use boxes::PixelBox;
pub use clear::Clear;
pub use hota::Hota;
pub use identity::Identity;
pub use sequence::{Protocol, Sequence};

/// The usual IoU of a match for CLEAR and identity metrics; HOTA has its own 19.
pub const USUAL_IOU: f64 = 0.5;

/// What is counted, before it becomes scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrackCounts {
    hota: Hota,
    clear: Clear,
    identity: Identity,
    frames: u64,
    tracks: u64,
}

impl TrackCounts {
    /// Scores a sequence.
    #[must_use]
    pub fn of(sequence: &Sequence, iou: f64) -> Self {
        Self {
            hota: Hota::of(sequence),
            clear: Clear::of(sequence, iou),
            identity: Identity::of(sequence, iou),
            frames: sequence.frames.len() as u64,
            tracks: sequence.track_boxes.len() as u64,
        }
    }
}

impl std::ops::AddAssign for TrackCounts {
    fn add_assign(&mut self, other: Self) {
        self.hota += other.hota;
        self.clear += other.clear;
        self.identity += other.identity;
        self.frames += other.frames;
        self.tracks += other.tracks;
    }
}

/// The scores of a sequence, or of several together. Shares from 0 to 1 (MOTA may lie below 0); none where
/// there is nothing to score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackScores {
    /// Which sequence or camera.
    pub name: String,
    /// Frames with any box.
    pub frames: u64,
    /// Objects of the ground truth.
    pub objects: u64,
    /// Identities of the tracker.
    pub tracks: u64,
    /// Boxes of the ground truth.
    pub boxes: u64,
    /// HOTA and its parts.
    #[serde(flatten)]
    pub hota: Option<hota::Parts>,
    /// IDF1.
    pub idf1: Option<f64>,
    /// Identity precision.
    pub idp: Option<f64>,
    /// Identity recall.
    pub idr: Option<f64>,
    /// MOTA.
    pub mota: Option<f64>,
    /// Mean IoU of matches.
    pub motp: Option<f64>,
    /// Share of boxes found.
    pub recall: Option<f64>,
    /// Share of tracks' boxes that are on an object.
    pub precision: Option<f64>,
    /// Boxes not found.
    pub misses: u64,
    /// Tracks' boxes on nothing.
    pub false_positives: u64,
    /// Identity switches.
    pub switches: u64,
    /// Losses between two matches of an object.
    pub fragmentations: u64,
    /// Objects tracked for 80 % of their boxes or more.
    pub mostly_tracked: u64,
    /// 20 % or more.
    pub partly_tracked: u64,
    /// Less.
    pub mostly_lost: u64,
    /// HOTA, DetA and AssA at the thresholds 0.05, 0.10 … 0.95.
    pub curve: Vec<[f64; 3]>,
}

impl TrackScores {
    /// Scores from counts.
    #[must_use]
    pub fn new(name: impl Into<String>, counts: &TrackCounts) -> Self {
        let TrackCounts { hota, clear, identity, frames, tracks } = counts;
        Self {
            name: name.into(),
            frames: *frames,
            objects: clear.mostly_tracked + clear.partly_tracked + clear.mostly_lost,
            tracks: *tracks,
            boxes: clear.boxes,
            hota: hota.parts(),
            idf1: identity.idf1(),
            idp: identity.idp(),
            idr: identity.idr(),
            mota: clear.mota(),
            motp: clear.motp(),
            recall: clear.recall(),
            precision: clear.precision(),
            misses: clear.misses,
            false_positives: clear.false_positives,
            switches: clear.switches,
            fragmentations: clear.fragmentations,
            mostly_tracked: clear.mostly_tracked,
            partly_tracked: clear.partly_tracked,
            mostly_lost: clear.mostly_lost,
            curve: hota.curve().collect(),
        }
    }
}

/// Sequences by themselves and together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackReport {
    /// Each sequence.
    pub sequences: Vec<TrackScores>,
    /// All of them, their counts added.
    pub combined: TrackScores,
}

impl TrackReport {
    /// A report of named counts.
    #[must_use]
    pub fn new(counts: &[(String, TrackCounts)]) -> Self {
        let mut all = TrackCounts::default();
        counts.iter().for_each(|(_, counts)| all += *counts);
        Self {
            sequences: counts.iter().map(|(name, counts)| TrackScores::new(name, counts)).collect(),
            combined: TrackScores::new("all", &all),
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
