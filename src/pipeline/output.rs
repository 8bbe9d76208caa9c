//! What comes out of the cameras' tails.

use std::sync::Arc;

use super::evidence::Clips;
pub use super::evidence::Still;
use crate::base::CameraId;
use crate::frame::Frame;
use crate::scene::{Detection, Event, Labels, Polygon, Track};

/// One frame with everything learnt from it.
pub struct Observed<'a> {
    /// Which camera.
    pub camera: &'a CameraId,
    /// The frame.
    pub frame: &'a Frame,
    /// What the detector found; `None` when it failed on this frame.
    pub detections: Option<&'a [Detection]>,
    /// The tracks as rules saw them.
    pub tracks: &'a [Track],
    /// The model's class names.
    pub labels: &'a Labels,
    /// What nobody may see of the picture.
    pub masks: &'a Arc<[Polygon]>,
}

/// Takes what the tails give, in order per camera. Called with the camera's tail locked: be quick, or
/// block on purpose (that is how a slow disk becomes counted frame drops instead of lost events).
pub trait Output: Send + Sync {
    /// Events of one frame, in order.
    fn events(&self, events: Vec<Event>, stills: Vec<Still>, arrived: Option<std::time::Instant>);
    /// A frame was observed, after its events. The default does nothing.
    fn observed(&self, observed: &Observed<'_>) {
        let _ = observed;
    }
    /// A frame was decoded; whether it will be analysed is not known yet. Called on the camera's streaming thread, so it
    /// must be quick. The default does nothing.
    fn decoded(&self, camera: &CameraId, frame: &Frame, masks: &Arc<[Polygon]>) {
        let _ = (camera, frame, masks);
    }
    /// Whether stills are wanted.
    fn wants_stills(&self) -> bool {
        false
    }
    /// Who writes clips, if they are wanted.
    fn clips(&self) -> Option<&Arc<Clips>> {
        None
    }
}
