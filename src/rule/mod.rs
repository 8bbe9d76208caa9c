//! Traffic rules: pure functions of (state, observation), on media time, in normalised scene coordinates.
//!
//! A rule sees the tracks of one camera, frame by frame, and writes [`Draft`]s: what happened, where,
//! which thresholds it passed and what was measured. The wiring makes events of them (ids, camera,
//! hashes, stills). Rules read no clock, no file and no random number: the same frames give the same
//! drafts, byte for byte.
//!
//! | what | where |
//! |---|---|
//! | the list of rules, their parameters and JSON Schemas | [`TABLE`], [`find`], [`schema`] |
//! | all rules of one camera, in a fixed order | [`RuleSet`] |
//! | the drawn scene | [`Scene`], [`SceneNames`] |
//! | the definition of each rule with its truth table and drawing | `docs/rules/` |
//!
//! Invariants that every rule keeps:
//! - Distances are in picture heights and angles are those seen on the screen ([`Scene::aspect`]).
//! - Only observed positions count; a prediction of the tracker moves nothing.
//! - A gap ends whatever is open and makes nothing: no crossing, no dwell, no stop.
//! - State is per track, of bounded size, and goes with [`Rule::forget`].

mod area;
mod congestion;
mod draft;
mod gate;
mod held;
mod illegal_parking;
mod interval;
mod line_count;
mod line_crossing;
mod margin;
mod names;
mod occupancy;
mod pace;
mod params;
mod plane;
mod quantiles;
mod queue;
mod queue_length;
mod scene;
mod set;
mod smooth;
mod speed;
mod speeding;
mod stand;
mod stopped_vehicle;
mod table;
mod turning_movement;
mod wire;
mod wrong_way;
mod zone_dwell;

pub use draft::Draft;
pub use margin::{Bound, Margin};
pub use names::nearest;
pub use params::ParamError;
pub use scene::{Lane, Scene, SceneNames};
pub use set::RuleSet;
pub use table::{Compiled, Kind, TABLE, find, schema};

use crate::base::{CaptureTime, MediaTime, TrackId};
use crate::scene::Track;

/// What a rule sees of one frame that the detector ran on.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    /// The frame's media time; later than that of every frame before.
    pub at: MediaTime,
    /// When the picture was taken, for schedules; rules measure with `at` only.
    pub capture: CaptureTime,
    /// The confirmed tracks, in order of id ([`RuleSet`] sees to it).
    pub tracks: &'a [Track],
    /// The drawn scene.
    pub scene: &'a Scene,
}

/// One rule at work on one camera.
pub trait Rule: Send {
    /// Takes in one frame. Call it only for frames that the detector ran on.
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>);
    /// There were no frames between `from` (the last one) and `to`; tracks get new ids after it.
    fn gap(&mut self, from: MediaTime, to: MediaTime, out: &mut Vec<Draft>);
    /// The stream is over.
    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>);
    /// The tracker has ended the track: its id will not come back.
    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>);
    /// How far each track that it follows is from firing, as of the last frame (`vantage why-not`).
    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>);
    /// How many tracks it remembers at present, at most 1024.
    fn held(&self) -> usize;
}
