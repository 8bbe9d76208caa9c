//! What the pipeline knows of a picture, as plain values: geometry, detections, tracks, observations, events.
//!
//! Coordinates are normalised to the picture **as displayed** (rotation applied): x to the right,
//! y down, (0, 0) the top-left corner, (1, 1) the bottom-right one.

pub mod event;
pub mod geometry;
pub mod glance;
pub mod grid;
pub mod ground;
pub mod labels;
pub mod moment;
pub mod observation;
pub mod outbox;
pub mod schedule;
pub mod signal;
pub mod still;

pub use event::{Clip, Event, Phase, Severity};
pub use geometry::{NormBox, NormPoint, Polygon, Segment};
pub use glance::Glance;
pub use ground::{ControlPoint, Ground, GroundError, GroundPoint};
pub use labels::{ClassId, Labels};
pub use moment::Moment;
pub use observation::{Detection, Observation, SkipReason, Track};
pub use outbox::{Outbox, Position, Rejected, StoredEvent};
pub use signal::{Aspect, SignalState};
pub use still::{InlineStill, LeftOut, StillFile};
