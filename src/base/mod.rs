//! What everything else stands on: errors, ids, time, spans, secrets, the stop token, exact assignment. No I/O but
//! the clock.

pub mod assignment;
pub mod cpu;
pub mod error;
pub mod ids;
pub mod memory;
pub mod secret;
pub mod span;
pub mod stop;
pub mod time;

pub use error::{Error, ErrorKind, Result, with_causes};
pub use ids::{CameraId, EventId, FrameSeq, RunId, TrackId};
pub use secret::{Secret, redact_url};
pub use span::Span;
pub use stop::Stop;
pub use time::{CaptureTime, Clock, MediaTime, TimeSource, Timestamp};
