//! The in-order end of a camera: observations in, tracks and rules, events out.
//!
//! Workers finish frames in any order; a tail takes them back in the order of their tickets. Whoever
//! brings the ticket that is due runs everything that has become due, with the tail locked; the others
//! only leave their frame and go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::events::{Minter, Moment, Origin};
use super::evidence::{Recorder, Seen, StillWriter};
use super::lane::Job;
use super::output::{Observed, Output};
use crate::base::MediaTime;
use crate::config::CameraPlan;
use crate::frame::ring::Permit;
use crate::frame::{Account, Frame, FrameDrop, Rotation, Stage, Stages, Stopwatch};
use crate::rule::{Draft, FrameView, RuleSet, Scene};
use crate::scene::{Detection, Event, SkipReason};
use crate::track::{Params, Tracker};

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
    rules: RuleSet,
    scene: Scene,
    rebuild: SceneBuilder,
    minter: Minter,
    last: Option<Moment>,
    recorder: Option<Recorder>,
    stills: Option<StillWriter>,
    /// Of the latest frame.
    rotation: Rotation,
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
    /// Identity of the camera's events.
    pub origin: Origin,
    /// Gives events their clips, if they get any.
    pub recorder: Option<Recorder>,
    /// Gives events their stills, if they get any.
    pub stills: Option<StillWriter>,
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
                rules: parts.rules,
                scene: (parts.scene)(aspect),
                rebuild: parts.scene,
                minter: Minter::new(parts.origin),
                last: None,
                recorder: parts.recorder,
                stills: parts.stills,
                rotation: Rotation::default(),
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
        if let Some(last) = chain.last {
            chain.gap(&last, last.at);
        }
    }

    /// The stream is over: what is open ends. Call it once nothing of the camera is in the lane.
    pub fn end(&self) {
        let chain = &mut self.lock().chain;
        if let Some(last) = chain.last {
            let drafts = chain.rules.end(last.at);
            chain.emit(drafts, &last, None);
        }
    }
}

impl Chain {
    fn take(&mut self, finished: Finished) {
        let Finished { frame, verdict, permit } = finished;
        let moment = Moment::of(&frame);
        self.follow(&frame, &moment);
        match verdict {
            Verdict::Expired => self.account.frame_dropped(FrameDrop::Expired),
            Verdict::Failed => {
                self.tracker.skip(frame.at);
                self.forget(&moment);
                self.account.frame_skipped(SkipReason::Failed);
            }
            Verdict::Detected(detections) => {
                self.observe(&frame, &moment, &detections);
                self.account.frame_detected();
            }
        }
        self.last = Some(moment);
        if let Some(recorder) = &mut self.recorder {
            recorder.observed(&moment.frame_time());
        }
        drop(permit);
    }

    /// Follows the stream: a new run is a gap, a new picture shape a new scene.
    fn follow(&mut self, frame: &Frame, moment: &Moment) {
        if let Some(last) = self.last.filter(|last| last.run != frame.run) {
            self.gap(&last, moment.at);
        }
        self.rotation = frame.picture.rotation();
        let (width, height) = frame.picture.displayed_size();
        let aspect = width as f32 / height.max(1) as f32;
        if (aspect - self.scene.aspect).abs() > 1e-6 {
            self.scene = (self.rebuild)(aspect);
            self.tracker.set_aspect(aspect);
        }
    }

    fn gap(&mut self, last: &Moment, to: MediaTime) {
        tracing::debug!(from = last.at.0, to = to.0, run = %last.run, "gap");
        self.tracker.reset();
        if let Some(stills) = &mut self.stills {
            stills.paths.clear();
        }
        let drafts = self.rules.gap(last.at, to);
        self.emit(drafts, last, None);
        self.forget(last);
    }

    fn forget(&mut self, moment: &Moment) {
        let ended: Vec<_> = self.tracker.ended().collect();
        for id in ended {
            let drafts = self.rules.forget(id, moment.at);
            self.emit(drafts, moment, None);
            if let Some(stills) = &mut self.stills {
                stills.paths.forget(id);
            }
        }
    }

    fn observe(&mut self, frame: &Frame, moment: &Moment, detections: &[Detection]) {
        let stages = Arc::clone(&self.stages);
        let mut watch = Stopwatch::start(&stages);
        let tracks = self.tracker.observe(frame.at, detections).to_vec();
        watch.lap(Stage::Track);
        if let Some(stills) = &mut self.stills {
            stills.paths.observe(frame.at, &tracks);
        }
        let drafts = self.rules.observe(&FrameView { at: frame.at, tracks: &tracks, scene: &self.scene });
        self.emit(drafts, moment, Some(&Seen { frame, detections, tracks: &tracks }));
        self.forget(moment);
        watch.lap(Stage::Rules);
        self.output.observed(&Observed {
            camera: &self.minter.origin().camera,
            frame,
            detections: Some(detections),
            tracks: &tracks,
        });
    }

    fn emit(&mut self, drafts: Vec<(Arc<str>, Draft)>, moment: &Moment, seen: Option<&Seen<'_>>) {
        if drafts.is_empty() {
            return;
        }
        let mut events: Vec<Event> =
            drafts.into_iter().map(|(rule, draft)| self.minter.mint(&rule, draft, moment)).collect();
        let stills = match (&self.stills, seen) {
            (Some(writer), Some(seen)) => writer.take(&mut events, seen),
            _ => Vec::new(),
        };
        if let Some(recorder) = &mut self.recorder {
            let at = moment.frame_time();
            for event in &mut events {
                recorder.attach(event, &at, self.rotation);
            }
        }
        self.output.events(events, stills, seen.map(|seen| seen.frame.arrived));
    }
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
