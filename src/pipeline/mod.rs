//! The wiring: how a checked plan becomes running cameras, and how they stop.
//!
//! ```text
//! source ─ inlet ─┐
//! source ─ inlet ─┤ ring ─ lane workers (tensor, model, boxes) ─ tail per camera (tracks, rules) ─ EventOut
//! source ─ inlet ─┘
//! ```
//!
//! A [`lane`] is one model with its ring and its workers; a [`camera`] owns a source, an inlet of its
//! lane's ring, and a [`tail`], where observations are put back in order. [`engine`] holds lanes and
//! cameras and applies a changed plan. Live and recorded footage share all of it: the differences are
//! the values of one [`mode::Mode`]. What comes out goes to an [`output::Output`]: the store when live, a
//! sorted list in a [`replay`]; clips and stills of events are [`evidence`]'s.

pub mod annotate;
pub mod camera;
pub mod compare;
pub mod conditions;
pub mod decode_check;
pub mod engine;
pub mod events;
pub mod evidence;
pub mod incidents;
pub mod judge;
pub mod lane;
pub mod latency;
pub mod live;
pub mod mode;
pub mod output;
pub mod pictures;
pub mod registry;
pub mod replay;
pub mod rerun;
pub mod tail;

pub use engine::{CameraReport, Engine, EngineParts};
pub use mode::Mode;
pub use output::{Observed, Output};
