//! All rules of one camera, in the order of the pipeline file, each behind its gate.

use std::borrow::Cow;
use std::sync::Arc;

use super::gate::{CameraConditions, CameraGate, Conditions, Gate, used_up};
use super::{Draft, FrameView, Margin, Rest, Rule, Scene, View};
use crate::base::{CaptureTime, MediaTime, TrackId};
use crate::scene::Track;

/// Under this id stand the records of the gate itself; no rule can have it.
const CAMERA: &str = "camera.conditions";

/// The rules of one camera. Drafts come in the order of the rules, within a rule in the order of
/// track ids: the order of tracks in a frame never shows.
///
/// Rules that judge the view see each frame first; while one of them finds it unfit, the others rest.
pub struct RuleSet {
    camera_id: Arc<str>,
    camera: CameraGate,
    rules: Vec<(Arc<str>, Gate)>,
    /// Why all rules but those that judge the view rest.
    blind: Option<&'static str>,
    last: Option<MediaTime>,
    drafts: Vec<Draft>,
}

type Drafts = Vec<(Arc<str>, Draft)>;

impl RuleSet {
    /// A set of rules with their ids from the pipeline file, without any condition.
    #[must_use]
    pub fn new(rules: Vec<(Arc<str>, Box<dyn Rule>)>) -> Self {
        let rules = rules.into_iter().map(|(id, rule)| (id, rule, Conditions::default())).collect();
        Self::with_conditions(rules, CameraConditions::default())
    }

    /// A set of rules with their ids and conditions from the pipeline file.
    #[must_use]
    pub fn with_conditions(rules: Vec<(Arc<str>, Box<dyn Rule>, Conditions)>, camera: CameraConditions) -> Self {
        let gated = |(id, rule, conditions)| (id, Gate::new(rule, conditions));
        Self {
            camera_id: Arc::from(CAMERA),
            camera: CameraGate::new(camera),
            rules: rules.into_iter().map(gated).collect(),
            blind: None,
            last: None,
            drafts: Vec::new(),
        }
    }

    /// Takes in one frame that the detector ran on; gives each draft with the id of its rule.
    pub fn observe(&mut self, frame: &FrameView<'_>) -> Drafts {
        let tracks = in_order(frame.tracks);
        let frame = FrameView { tracks: &tracks, ..*frame };
        let mut all = Vec::new();
        let maintained = self.camera.is_maintained(frame.at, &frame.capture, &mut self.drafts);
        let maintained = maintained.then_some("maintenance");
        if let Some(glance) = frame.glance.filter(|_| !self.camera.presets.is_empty()) {
            self.camera.presets.look(glance, frame.at, &mut self.drafts);
        }
        self.tell_camera(&mut all);
        self.blind = maintained;
        for judges in [true, false] {
            self.observe_some(&frame, judges, &mut all);
            self.blind = maintained.or_else(|| self.judgement()).or_else(|| self.astray());
        }
        if let Some(summary) = self.camera.budget.as_mut().and_then(|budget| budget.summary(frame.at)) {
            all.push((Arc::clone(&self.camera_id), summary));
        }
        self.last = Some(frame.at);
        all
    }

    /// The rules that judge the view, or the others.
    fn observe_some(&mut self, frame: &FrameView<'_>, judges: bool, all: &mut Drafts) {
        let Self { rules, drafts, camera, blind, last, .. } = self;
        let CameraGate { presets, budget, .. } = camera;
        for (id, gate) in rules.iter_mut().filter(|(_, gate)| gate.rule.view().is_some() == judges) {
            if gate.enter(frame.at, *last, &frame.capture, *blind, presets.standing(), drafts) {
                gate.rule.observe(frame, drafts);
            }
            gate.pass(frame.at, drafts, budget.as_mut().filter(|_| !judges));
            all.extend(drafts.drain(..).map(|draft| (Arc::clone(id), draft)));
        }
    }

    /// What is wrong with the view, by the first rule that finds it unfit and does not rest itself.
    fn judgement(&self) -> Option<&'static str> {
        let awake = self.rules.iter().filter(|(_, gate)| gate.paused().is_none());
        awake.filter_map(|(_, gate)| gate.rule.view()).find_map(View::unfit)
    }

    /// Whether a camera that can be turned stands at none of its presets.
    fn astray(&self) -> Option<&'static str> {
        let presets = &self.camera.presets;
        (!presets.is_empty() && presets.standing().is_none()).then_some("preset")
    }

    /// There were no frames between `from` and `to`: whatever is open ends. Tracks get new ids.
    pub fn gap(&mut self, from: MediaTime, to: MediaTime) -> Drafts {
        let mut all = self.each(from, |gate, out| {
            if gate.paused().is_none() {
                gate.rule.gap(from, to, out);
            }
        });
        self.camera.presets.leave(from, &mut self.drafts);
        self.tell_camera(&mut all);
        all
    }

    /// The stream is over: whatever is open ends.
    pub fn end(&mut self, at: MediaTime) -> Drafts {
        let mut all = self.each(at, |gate, out| gate.rule.end(at, out));
        for (id, gate) in &mut self.rules {
            gate.finish(at, &mut self.drafts);
            all.extend(self.drafts.drain(..).map(|draft| (Arc::clone(id), draft)));
        }
        self.camera.end(at, &mut self.drafts);
        self.drafts.extend(self.camera.budget.as_mut().and_then(|budget| budget.rest(at)));
        self.tell_camera(&mut all);
        all
    }

    /// The tracker has ended the track: what is open for it ends, its state goes.
    pub fn forget(&mut self, id: TrackId, at: MediaTime) -> Drafts {
        self.each(at, |gate, out| gate.forget(id, at, out))
    }

    /// How far each track that a rule follows is from firing it, as of the last frame: by rule, in order.
    #[must_use]
    pub fn margins(&self, at: MediaTime, scene: &Scene) -> Vec<(Arc<str>, Vec<Margin>)> {
        let of = |rule: &dyn Rule| {
            let mut margins = Vec::new();
            rule.margins(at, scene, &mut margins);
            margins
        };
        self.rules.iter().map(|(id, gate)| (Arc::clone(id), of(gate.rule.as_ref()))).collect()
    }

    /// Why each rule starts nothing after its latest frame, which was at `at` and filmed at `capture`: by rule, in order.
    #[must_use]
    pub fn rests(&self, at: MediaTime, capture: &CaptureTime) -> Vec<(Arc<str>, Vec<Rest>)> {
        let presets = &self.camera.presets;
        let of_camera = |why: &'static str| match why {
            "maintenance" => Rest::new(why, None, self.camera.maintained_until(capture.utc)),
            _ => Rest::new(why, None, None),
        };
        let of = |gate: &Gate| {
            let judges = gate.rule.view().is_some();
            // Who judges the view works on, whatever it is like.
            let blind = self.blind.filter(|why| !judges || *why == "maintenance");
            let mut rests: Vec<Rest> = blind.map(of_camera).into_iter().collect();
            gate.rests(at, capture, presets.standing(), &mut rests);
            let budget = self.camera.budget.as_ref().filter(|_| !judges);
            rests.extend(budget.and_then(|budget| used_up("camera_budget", budget, at, capture)));
            rests
        };
        self.rules.iter().map(|(id, gate)| (Arc::clone(id), of(gate))).collect()
    }

    /// How many track states the rules hold together.
    #[must_use]
    pub fn held(&self) -> usize {
        self.rules.iter().map(|(_, gate)| gate.rule.held()).sum()
    }

    /// Why all rules but those that judge the view rest since the last frame: `maintenance`, the view's fault, or `preset`
    /// when the camera stands at none.
    /// Tracks of such pictures are worth nothing.
    #[must_use]
    pub fn blind(&self) -> Option<&'static str> {
        self.blind
    }

    /// Whether a rule looks at glances.
    #[must_use]
    pub fn wants_glances(&self) -> bool {
        !self.camera.presets.is_empty() || self.rules.iter().any(|(_, gate)| gate.rule.wants_glances())
    }

    /// Each rule with why it rests at present (if it does) and how many happenings its budget has held back.
    pub fn states(&self) -> impl Iterator<Item = (&Arc<str>, Option<&'static str>, u64)> {
        self.rules.iter().map(|(id, gate)| (id, gate.paused(), gate.held_back()))
    }

    /// How many alarms the camera's budget has held back.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.camera.budget.as_ref().map_or(0, super::gate::Budget::total)
    }

    fn tell_camera(&mut self, all: &mut Drafts) {
        all.extend(self.drafts.drain(..).map(|draft| (Arc::clone(&self.camera_id), draft)));
    }

    fn each(&mut self, at: MediaTime, mut call: impl FnMut(&mut Gate, &mut Vec<Draft>)) -> Drafts {
        let Self { rules, drafts, camera, .. } = self;
        let mut all = Vec::new();
        for (id, gate) in rules {
            call(gate, drafts);
            let judges = gate.rule.view().is_some();
            gate.pass(at, drafts, camera.budget.as_mut().filter(|_| !judges));
            all.extend(drafts.drain(..).map(|draft| (Arc::clone(id), draft)));
        }
        all
    }
}

/// The tracks in order of id, without a copy in the usual case that they are.
fn in_order(tracks: &[Track]) -> Cow<'_, [Track]> {
    if tracks.is_sorted_by_key(|track| track.id) {
        return Cow::Borrowed(tracks);
    }
    let mut tracks = tracks.to_vec();
    tracks.sort_by_key(|track| track.id);
    Cow::Owned(tracks)
}
