//! What the pipeline learnt from one frame, and the tracks it makes of it.

use serde::{Deserialize, Serialize};

use super::{ClassId, NormBox, NormPoint};
use crate::base::{MediaTime, TrackId};

/// One object in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Class of the model.
    pub class: ClassId,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Where, clamped to the picture.
    pub bbox: NormBox,
}

/// Why a frame was not inferred. *Not inferred* is not *nothing seen*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The sampler passes it over (`analyse_fps`, `--every`).
    Sampled,
    /// The detector failed on it.
    Failed,
}

/// What analytics learns of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The detector ran; these are its boxes, possibly none.
    Detected(Vec<Detection>),
    /// The detector did not run.
    Skipped(SkipReason),
}

/// One confirmed object as rules see it in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Identity within the camera.
    pub id: TrackId,
    /// Class by vote over the track's life.
    pub class: ClassId,
    /// Score of the latest matched detection.
    pub score: f32,
    /// Filtered box.
    pub bbox: NormBox,
    /// Velocity of the box centre, in picture widths and heights per second.
    pub velocity: NormPoint,
    /// Whether a detection was matched in this frame; otherwise the box is a prediction.
    pub observed: bool,
    /// When the track was first seen.
    pub first_seen: MediaTime,
    /// When a detection was last matched.
    pub last_seen: MediaTime,
}

impl Track {
    /// The ground point: bottom centre of the box.
    #[must_use]
    pub fn anchor(&self) -> NormPoint {
        self.bbox.anchor()
    }
}
