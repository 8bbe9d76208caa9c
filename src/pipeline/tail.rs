//! The in-order end of a camera: observations in, tracks and rules, events out.
//!
//! Workers finish frames in any order; a tail takes them back in the order of their tickets. Whoever
//! brings the ticket that is due runs everything that has become due, with the tail locked; the others
//! only leave their frame and go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::conditions::{ConditionsCell, Glances};
use super::events::Origin;
use super::evidence::{Recorder as ClipRecorder, Seen, StillWriter};
use super::judge::Judge;
use super::lane::Job;
use super::output::{Observed, Output};
use crate::base::{MediaTime, TrackId};
use crate::config::CameraPlan;
use crate::frame::ring::Permit;
use crate::frame::{Account, Frame, FrameDrop, Rotation, Stage, Stages, Stopwatch};
use crate::rule::{RuleSet, Scene};
use crate::scene::{Detection, Event, Moment, Polygon, SkipReason, Track};
use crate::source::packets::FrameTime;
use crate::source::signals::SignalFeed;
use crate::track::{Params, Tracker};
use crate::tracklog::{FrameStep, Recorder as TrackRecorder, Step};

/// What a worker brings.
pub struct Finished {
    /// The frame.
    pub frame: Frame,
    /// What became of it.
    pub verdict: Verdict,
    /// Returned once the frame went through the rules.
    pub permit: Permit<Job>,
}

/// What became of a frame in its lane.
pub enum Verdict {
    /// The detector ran.
    Detected(Vec<Detection>),
    /// The detector failed on it; the reason was logged.
    Failed,
    /// It had waited too long.
    Expired,
}

/// See the module.
pub struct Tail(Mutex<State>);

struct State {
    pending: BTreeMap<u64, Finished>,
    due: u64,
    chain: Chain,
}

/// Tracker, rules and what they need.
struct Chain {
    account: Arc<Account>,
    stages: Arc<Stages>,
    output: Arc<dyn Output>,
    tracker: Tracker,
    judge: Judge,
    glances: Glances,
    conditions: Arc<ConditionsCell>,
    tracks: Option<TrackRecorder>,
    clips: Option<ClipRecorder>,
    stills: Option<StillWriter>,
    masks: Arc<[Polygon]>,
    /// When the latest frame was, among the camera's packets, and how it is turned.
    latest: Option<(FrameTime, Rotation)>,
}

/// Makes scene and rules for a picture shape.
pub type SceneBuilder = Box<dyn Fn(f32) -> Scene + Send>;

/// What a tail is made of.
pub struct TailParts {
    /// The camera's counters.
    pub account: Arc<Account>,
    /// CPU time by stage.
    pub stages: Arc<Stages>,
    /// Where events go.
    pub output: Arc<dyn Output>,
    /// The tracker's settings.
    pub tracking: Params,
    /// The camera's rules.
    pub rules: RuleSet,
    /// Makes the scene for a picture shape.
    pub scene: SceneBuilder,
    /// What traffic signals show, if anybody tells.
    pub signals: Option<SignalFeed>,
    /// Identity of the camera's events.
    pub origin: Origin,
    /// Told which rules rest, and why.
    pub conditions: Arc<ConditionsCell>,
    /// Takes down what the rules are given; none when tracks are not stored.
    pub tracks: Option<TrackRecorder>,
    /// Gives events their clips, if they get any.
    pub clips: Option<ClipRecorder>,
    /// Gives events their stills, if they get any.
    pub stills: Option<StillWriter>,
    /// What nobody may see of the pictures.
    pub masks: Arc<[Polygon]>,
}

impl Tail {
    /// A tail that waits for ticket 0.
    #[must_use]
    pub fn new(parts: TailParts) -> Self {
        let aspect = 16.0 / 9.0;
        Self(Mutex::new(State {
            pending: BTreeMap::new(),
            due: 0,
            chain: Chain {
                account: parts.account,
                stages: parts.stages,
                output: parts.output,
                tracker: Tracker::new(parts.tracking, aspect),
                glances: Glances::new(parts.rules.wants_glances()),
                judge: Judge::new(parts.rules, parts.scene, parts.origin, parts.signals),
                conditions: parts.conditions,
                tracks: parts.tracks,
                clips: parts.clips,
                stills: parts.stills,
                masks: parts.masks,
                latest: None,
            },
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a finished frame; runs everything that is due.
    pub fn finish(&self, ticket: u64, finished: Finished) {
        let mut state = self.lock();
        let State { pending, due, chain } = &mut *state;
        pending.insert(ticket, finished);
        while let Some(next) = pending.remove(due) {
            *due += 1;
            chain.take(next);
        }
    }

    /// No frame comes until the next run: what is open ends. Call it once nothing of the camera is in the lane.
    ///
    /// The events are those that the next run's first frame would bring about, only now instead of then.
    pub fn interrupt(&self) {
        let chain = &mut self.lock().chain;
        if let Some(at) = chain.judge.last().map(|last| last.at) {
            chain.gap(at);
        }
    }

    /// The stream is over: what is open ends. Call it once nothing of the camera is in the lane.
    pub fn end(&self) {
        let chain = &mut self.lock().chain;
        let events = chain.judge.end();
        chain.emit(events, None);
        chain.record(|| Step::End);
    }
}

impl Chain {
    fn take(&mut self, finished: Finished) {
        let Finished { frame, verdict, permit } = finished;
        let aspect = self.follow(&frame);
        match verdict {
            Verdict::Expired => {
                self.take_down(&frame, aspect, None, Vec::new());
                self.account.frame_dropped(FrameDrop::Expired);
            }
            Verdict::Failed => {
                self.tracker.skip(frame.at);
                let ended = self.forget();
                self.take_down(&frame, aspect, None, ended);
                self.account.frame_skipped(SkipReason::Failed);
            }
            Verdict::Detected(detections) => {
                self.observe(&frame, aspect, &detections);
                self.account.frame_detected();
            }
        }
        if let Some(clips) = &mut self.clips {
            clips.observed(&FrameTime::of(&frame));
        }
        drop(permit);
    }

    /// Follows the stream: a new run is a gap, a new picture shape a new scene. Gives the shape.
    fn follow(&mut self, frame: &Frame) -> f32 {
        if self.judge.last().is_some_and(|last| last.run != frame.run) {
            self.gap(frame.at);
        }
        self.latest = Some((FrameTime::of(frame), frame.picture.rotation()));
        let (width, height) = frame.picture.displayed_size();
        let aspect = width as f32 / height.max(1) as f32;
        if self.judge.frame(moment(frame), aspect) {
            self.tracker.set_aspect(aspect);
        }
        aspect
    }

    fn gap(&mut self, to: MediaTime) {
        tracing::debug!(to = to.0, "gap");
        self.tracker.reset();
        if let Some(stills) = &mut self.stills {
            stills.paths.clear();
        }
        let ended: Vec<TrackId> = self.tracker.ended().collect();
        let events = self.judge.gap(to, &ended);
        self.emit(events, None);
        self.record(|| Step::Gap { to, ended });
    }

    fn forget(&mut self) -> Vec<TrackId> {
        let ended: Vec<TrackId> = self.tracker.ended().collect();
        let events = self.judge.forget(&ended);
        self.emit(events, None);
        if let Some(stills) = &mut self.stills {
            ended.iter().for_each(|id| stills.paths.forget(*id));
        }
        ended
    }

    fn observe(&mut self, frame: &Frame, aspect: f32, detections: &[Detection]) {
        let stages = Arc::clone(&self.stages);
        let mut watch = Stopwatch::start(&stages);
        let tracks: Vec<Track> = if self.judge.rules().blind().is_some() {
            // What the detector makes of an unfit view is nobody's track, and none goes on from before it.
            self.tracker.reset();
            Vec::new()
        } else {
            self.tracker.observe(frame.at, detections).iter().cloned().map(Track::on_grid).collect()
        };
        watch.lap(Stage::Track);
        if let Some(stills) = &mut self.stills {
            stills.paths.observe(frame.at, &tracks);
        }
        let glance = self.glances.of(frame);
        let events = self.judge.observe(&tracks, glance.as_ref());
        self.emit(events, Some(&Seen { frame, detections, tracks: &tracks }));
        let ended = self.forget();
        self.conditions.update(self.judge.rules());
        watch.lap(Stage::Rules);
        self.output.observed(&Observed {
            camera: &self.judge.origin().camera,
            frame,
            detections: Some(detections),
            tracks: &tracks,
            labels: &self.judge.origin().labels,
            masks: &self.masks,
        });
        self.take_down(frame, aspect, Some(tracks), ended);
    }

    /// Stores what the rules were given of a frame.
    fn take_down(&mut self, frame: &Frame, aspect: f32, tracks: Option<Vec<Track>>, ended: Vec<TrackId>) {
        self.record(|| Step::Frame(FrameStep { moment: moment(frame), aspect, tracks, ended }));
    }

    fn record(&mut self, step: impl FnOnce() -> Step) {
        if let Some(tracks) = &mut self.tracks {
            tracks.record(step());
        }
    }

    fn emit(&mut self, mut events: Vec<Event>, seen: Option<&Seen<'_>>) {
        if events.is_empty() {
            return;
        }
        let stills = match (&self.stills, seen) {
            (Some(writer), Some(seen)) => writer.take(&mut events, seen),
            _ => Vec::new(),
        };
        if let (Some(clips), Some((at, rotation))) = (&mut self.clips, self.latest) {
            for event in &mut events {
                clips.attach(event, &at, rotation);
            }
        }
        self.output.events(events, stills, seen.map(|seen| seen.frame.arrived));
    }
}

fn moment(frame: &Frame) -> Moment {
    Moment { run: frame.run, frame: frame.seq, capture: frame.capture, at: frame.at }
}

/// The tracker's settings of a camera.
#[must_use]
pub fn tracking(plan: &CameraPlan, labels: &crate::scene::Labels) -> Params {
    Params {
        high_score: plan.track.high_score,
        low_score: plan.track.low_score,
        lost_seconds: plan.track.lost_for.as_secs_f64(),
        class_groups: crate::track::ClassGroups::of(labels),
        ..Params::default()
    }
}
