//! What a camera's rules were given, one step after the other.

use crate::base::{MediaTime, TrackId};
use crate::scene::{Moment, Track};

/// One step. Rules that are given the same steps give the same events.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A frame, whether the detector ran on it or not.
    Frame(FrameStep),
    /// There were no frames since the last one up to `to`; these tracks ended with it.
    Gap {
        /// Media time of the next frame, or of the last one when nobody knew of a next one.
        to: MediaTime,
        /// Tracks that ended.
        ended: Vec<TrackId>,
    },
    /// The stream is over.
    End,
}

/// A frame as rules saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameStep {
    /// When, and which.
    pub moment: Moment,
    /// Displayed width over displayed height.
    pub aspect: f32,
    /// The confirmed tracks in order of id, on the grid ([`Track::on_grid`]); none when the detector did not
    /// run, or failed.
    pub tracks: Option<Vec<Track>>,
    /// Tracks that ended with this frame, in the order in which they ended.
    pub ended: Vec<TrackId>,
}
