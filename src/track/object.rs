//! One object's life: tentative → tracked ⇄ lost.

use super::class::ClassVote;
use super::kalman::BoxFilter;
use super::params::Params;
use crate::base::{MediaTime, TrackId};
use crate::scene::{Detection, NormBox, Track};

/// IoU with the place it has kept, below which an object is no longer wholly there.
const SAME_PLACE_IOU: f32 = 0.7;
/// Share of its box inside that place, from which on it is still there, partly hidden.
const HIDDEN_SHARE: f32 = 0.85;
/// An object that has kept its place for this many seconds stands still.
const STILL_SECONDS: f64 = 0.5;
/// For this many seconds after its last detection an object may be found by motion alone: beyond, the
/// filter's uncertainty would take in the neighbours.
const MOTION_SECONDS: f64 = 0.5;

/// 99 % of chi-squared with 2 degrees of freedom.
const SURPRISE_GATE: f32 = 9.21;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Seen once; nobody outside knows it.
    Tentative,
    /// Matched in the latest observation.
    Tracked,
    /// Confirmed, but not matched in the latest observation.
    Lost,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Given at confirmation.
    pub id: Option<TrackId>,
    pub stage: Stage,
    /// The filtered box at the tracker's time, normalised.
    pub bbox: NormBox,
    pub vote: ClassVote,
    pub first_seen: MediaTime,
    pub last_seen: MediaTime,
    filter: BoxFilter,
    score: f32,
    /// Where it has been since `still_since`.
    place: NormBox,
    still_since: MediaTime,
}

impl Object {
    pub fn new(at: MediaTime, detection: &Detection, aspect: f32) -> Self {
        let filter = BoxFilter::new(&detection.bbox, aspect);
        Self {
            id: None,
            stage: Stage::Tentative,
            bbox: filter.bbox(aspect),
            vote: ClassVote::new(detection.class, detection.score),
            first_seen: at,
            last_seen: at,
            filter,
            score: detection.score,
            place: detection.bbox,
            still_since: at,
        }
    }

    /// Moves the expected box on by `dt` seconds. A parked object that is unseen is expected where it was.
    pub fn predict(&mut self, dt: f32, aspect: f32, params: &Params) {
        if self.stage == Stage::Lost {
            if self.is_parked(params) {
                return;
            }
            self.filter.hold_size();
        }
        self.filter.predict(dt);
        self.bbox = self.filter.bbox(aspect);
    }

    /// Notes that an observation had no detection of it.
    pub fn lose(&mut self, aspect: f32, params: &Params) {
        if self.stage == Stage::Tracked && self.is_parked(params) {
            // What hides it took parts of its box first.
            if self.bbox.iou(&self.place) < SAME_PLACE_IOU {
                self.filter = BoxFilter::new(&self.place, aspect);
            }
            self.filter.hold_still();
            self.bbox = self.filter.bbox(aspect);
        }
        self.stage = Stage::Lost;
    }

    /// Takes in its detection of this observation.
    pub fn update(&mut self, at: MediaTime, detection: &Detection, aspect: f32) {
        self.filter.update(&detection.bbox, aspect);
        self.bbox = self.filter.bbox(aspect);
        self.vote.add(detection.class, detection.score);
        self.score = detection.score;
        self.last_seen = at;
        self.stage = Stage::Tracked;
        if self.place.iou(&self.bbox) < SAME_PLACE_IOU && self.bbox.share_inside(&self.place) < HIDDEN_SHARE {
            self.place = self.bbox;
            self.still_since = at;
        }
    }

    /// How well a detection fits its motion and size where boxes need not overlap, 0 (cannot be) to 1.
    pub fn motion_similarity(&self, now: MediaTime, detection: &Detection, aspect: f32) -> f32 {
        if now.seconds_since(self.last_seen) > MOTION_SECONDS {
            return 0.0;
        }
        let likely = 1.0 - self.filter.surprise(&detection.bbox, aspect) / SURPRISE_GATE;
        if likely <= 0.0 {
            return 0.0;
        }
        let common = self.bbox.width().min(detection.bbox.width()) * self.bbox.height().min(detection.bbox.height());
        let united = self.bbox.area() + detection.bbox.area() - common;
        if united > 0.0 { likely * common / united } else { 0.0 }
    }

    /// Whether it stood still when last seen.
    pub fn is_still(&self) -> bool {
        self.last_seen.seconds_since(self.still_since) >= STILL_SECONDS
    }

    /// Whether it had kept its place for long when last seen.
    pub fn is_parked(&self, params: &Params) -> bool {
        self.last_seen.seconds_since(self.still_since) >= params.parked_after_seconds
    }

    /// Whether it is remembered only because it was parked.
    pub fn is_parked_memory(&self, now: MediaTime, params: &Params) -> bool {
        now.seconds_since(self.last_seen) > params.lost_seconds
    }

    /// Whether its time without a detection is over.
    pub fn is_expired(&self, now: MediaTime, params: &Params) -> bool {
        let memory =
            if self.is_parked(params) { params.parked_seconds.max(params.lost_seconds) } else { params.lost_seconds };
        now.seconds_since(self.last_seen) > memory
    }

    /// How long it has been seen for, in seconds.
    pub fn seen_for(&self) -> f64 {
        self.last_seen.seconds_since(self.first_seen)
    }

    pub fn rescale_x(&mut self, factor: f32) {
        self.filter.rescale_x(factor);
    }

    /// What rules see of it, if it is confirmed and seen lately.
    pub fn visible(&self, now: MediaTime, aspect: f32, params: &Params) -> Option<Track> {
        let id = self.id?;
        let observed = self.stage == Stage::Tracked;
        (observed || now.seconds_since(self.last_seen) <= params.coast_seconds).then(|| Track {
            id,
            class: self.vote.leader(),
            score: self.score,
            bbox: self.bbox,
            velocity: self.filter.velocity(aspect),
            observed,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        })
    }
}
