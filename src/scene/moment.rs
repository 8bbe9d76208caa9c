//! Where on a camera's timeline a frame stands.

use crate::base::{CaptureTime, FrameSeq, MediaTime, RunId};

/// One frame's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The run.
    pub run: RunId,
    /// The frame.
    pub frame: FrameSeq,
    /// The frame's capture time.
    pub capture: CaptureTime,
    /// The frame's media time.
    pub at: MediaTime,
}
