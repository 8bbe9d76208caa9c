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

mod abandoned_object;
mod area;
mod behind;
mod body;
mod by_place;
mod camera_unfit;
mod carriageway;
mod collision;
mod congestion;
mod counter_flow;
mod course;
mod cover;
mod crowd;
mod draft;
mod encounter;
mod fit;
mod flow_count;
mod gate;
mod held;
mod illegal_parking;
mod impact;
mod interval;
mod level;
mod line_count;
mod line_crossing;
mod margin;
mod motorbike_flow;
mod names;
mod near_miss;
mod occupancy;
mod pace;
mod params;
mod pavement;
mod pedestrian_on_road;
mod place;
mod plane;
mod quantiles;
mod queue;
mod queue_length;
mod reach;
mod red_light;
mod rest;
mod roles;
mod scene;
mod set;
mod smooth;
mod speed;
mod speeding;
mod stand;
mod stopped_vehicle;
mod table;
mod together;
mod trace;
mod traffic;
mod turning_gate;
mod turning_movement;
mod view;
mod whole;
mod wire;
mod wrong_way;
mod zone_dwell;

pub use draft::Draft;
pub use gate::{CameraConditions, Conditions, Preset};
pub use margin::{Bound, Margin};
pub use names::nearest;
pub use params::{ParamError, VEHICLES};
pub use rest::Rest;
pub use scene::{Lane, Scene, SceneNames};
pub use set::RuleSet;
pub use table::{Compiled, Kind, TABLE, find, schema};

use crate::base::{CaptureTime, MediaTime, TrackId};
use crate::scene::glance::Glance;
use crate::scene::{SignalState, Track};

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
    /// What the traffic signals showed then; empty without a feed.
    pub signals: &'a [SignalState],
    /// A small copy of the picture, a few times a second; none in between, or when nobody wants it.
    pub glance: Option<&'a Glance>,
}

/// What a rule that judges the view makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The other rules can work with it.
    Fit,
    /// They cannot, and this is why.
    Unfit(&'static str),
}

impl View {
    fn unfit(self) -> Option<&'static str> {
        match self {
            Self::Unfit(why) => Some(why),
            Self::Fit => None,
        }
    }
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
    /// Until when it starts nothing because it has just started something.
    fn cooling_until(&self) -> Option<MediaTime> {
        None
    }
    /// The rule is not asked from `at` (its last frame) on until it sees a frame again. To most rules that is a gap,
    /// and what ends, ends for the reason `why`.
    fn pause(&mut self, at: MediaTime, why: &'static str, out: &mut Vec<Draft>) {
        let before = out.len();
        self.gap(at, at, out);
        out.iter_mut().skip(before).for_each(|draft| draft.ended_because(why));
    }
    /// What it makes of the view; only rules that judge it say anything, always.
    fn view(&self) -> Option<View> {
        None
    }
    /// Whether it looks at [`FrameView::glance`].
    fn wants_glances(&self) -> bool {
        false
    }
}
