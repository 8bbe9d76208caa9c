//! The tracker's settings, with units. The defaults are meant to be left alone.

use super::ClassGroups;

/// Settings of a [`super::Tracker`]. Scores and IoU lie in 0 to 1, times are seconds of media time.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// From this score on a detection takes part in the first association.
    pub high_score: f32,
    /// From this score on a detection may continue a track that found nothing better (second association).
    pub low_score: f32,
    /// From this score on an unmatched detection begins a track.
    pub new_track_score: f32,
    /// First association: least IoU × score × class affinity of a track and a high detection.
    pub match_similarity: f32,
    /// Second association: least IoU of a track and a low detection.
    pub low_match_iou: f32,
    /// Least IoU × score × class affinity that confirms a tentative track.
    pub tentative_similarity: f32,
    /// Third association: least likelihood × size overlap of a track or tentative track and a high detection
    /// that it does not overlap enough, as happens at low frame rates.
    pub motion_similarity: f32,
    /// How long a confirmed track is remembered without a detection.
    pub lost_seconds: f64,
    /// How long after its last detection a track is still shown to rules, as a prediction.
    pub coast_seconds: f64,
    /// A track that has stayed in one place for this long counts as parked.
    pub parked_after_seconds: f64,
    /// How long a parked track is remembered without a detection (an occlusion, a missed detection).
    pub parked_seconds: f64,
    /// Least IoU with its place at which a parked track, once forgotten as a moving one, is found again.
    pub parked_iou: f32,
    /// A tracked and a lost track overlapping by more than this IoU are one object; the younger goes.
    pub duplicate_iou: f32,
    /// An unmatched detection that overlaps a track seen in this frame by more than this IoU, of the
    /// same sort of class, is a second box of the same object and begins nothing.
    pub twin_iou: f32,
    /// Which classes may be one object.
    pub class_groups: ClassGroups,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            high_score: 0.25,
            low_score: 0.1,
            new_track_score: 0.35,
            match_similarity: 0.2,
            low_match_iou: 0.5,
            tentative_similarity: 0.3,
            motion_similarity: 0.6,
            lost_seconds: 1.0,
            coast_seconds: 0.2,
            parked_after_seconds: 3.0,
            parked_seconds: 10.0,
            parked_iou: 0.5,
            duplicate_iou: 0.85,
            twin_iou: 0.7,
            class_groups: ClassGroups::default(),
        }
    }
}
