//! Detections in, identities out: ByteTrack on real time.
//!
//! One [`Tracker`] per camera. It is pure: no clock, no randomness, no hash order, so a replay of the
//! same detections gives the same tracks. Motion is predicted over seconds of media time, never over
//! frame counts, so a camera that stutters or is analysed at 5 fps is tracked with the same settings.
//!
//! - [`kalman`]: where a box is expected after Δt
//! - [`class`]: which classes may be one object, and the vote over a track's life
//! - `object`: one object's life, tentative → tracked ⇄ lost
//! - [`params`], [`tracker`]: the settings and the algorithm
//!
//! `docs/tracking.md` has the parameters, the scores against a peer and the limits.

pub mod class;
pub mod kalman;
mod object;
pub mod params;
#[cfg(test)]
mod tests;
pub mod tracker;

pub use class::ClassGroups;
pub use params::Params;
pub use tracker::{MAX_DETECTIONS, MAX_TRACKS, Tracker};
