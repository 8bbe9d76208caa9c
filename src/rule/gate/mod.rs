//! What stands between a camera and its rules: pauses and budgets, which no rule knows of.
//!
//! A rule is *paused* while its schedule is closed, the camera is maintained, or the view is unfit. A pause is a gap to
//! the rule: what is open ends, with the pause's reason, and nothing is carried over it. A *budget* holds back the
//! happenings beyond so many an hour, from their start to their end, counts them, and says so when there is room again.

mod budget;
mod pause;
mod preset;

pub(super) use budget::Budget;
pub(super) use pause::CameraGate;
pub use pause::{CameraConditions, Conditions};
pub use preset::Preset;

use super::{Draft, Rest, Rule};
use crate::base::{CaptureTime, MediaTime, TimeSource, Timestamp, TrackId};
use crate::scene::Phase;
use crate::scene::schedule::Schedule;

/// Happenings of one track that a rule numbers between two pauses; see [`Gate::restated`].
const ORDINALS_PER_EPOCH: u32 = 1 << 20;

/// One rule behind its conditions.
pub(super) struct Gate {
    pub(super) rule: Box<dyn Rule>,
    conditions: Conditions,
    budget: Option<Budget>,
    paused: Option<&'static str>,
    /// Pauses so far.
    epoch: u32,
    clock_unknown: bool,
}

impl Gate {
    pub(super) fn new(rule: Box<dyn Rule>, conditions: Conditions) -> Self {
        let budget = conditions.budget.map(Budget::new);
        Self { rule, conditions, budget, paused: None, epoch: 0, clock_unknown: false }
    }

    /// Why it rests, if it does.
    pub(super) fn paused(&self) -> Option<&'static str> {
        self.paused
    }

    /// Happenings that its own budget has held back since the start.
    pub(super) fn held_back(&self) -> u64 {
        self.budget.as_ref().map_or(0, Budget::total)
    }

    /// Decides whether the rule sees the coming frame. `camera` is why the whole camera rests, if it does; `standing` is
    /// the preset that it stands at.
    pub(super) fn enter(
        &mut self,
        at: MediaTime,
        last: Option<MediaTime>,
        capture: &CaptureTime,
        camera: Option<&'static str>,
        standing: Option<&str>,
        out: &mut Vec<Draft>,
    ) -> bool {
        self.clock_unknown = self.conditions.schedule.is_some() && capture.source == TimeSource::Epoch;
        let closed = self.conditions.schedule.as_ref().is_some_and(|schedule| {
            // Without a clock nobody knows the hour, and a rule that rests by mistake misses what it is there for.
            capture.source != TimeSource::Epoch && !schedule.is_active(capture.utc)
        });
        let elsewhere = self.conditions.preset.as_deref().is_some_and(|preset| standing != Some(preset));
        let paused = camera.or(elsewhere.then_some("preset")).or(closed.then_some("schedule"));
        if let (Some(why), None) = (paused, self.paused) {
            self.rule.pause(last.unwrap_or(at), why, out);
        }
        if paused.is_none() && self.paused.is_some() {
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.paused = paused;
        paused.is_none()
    }

    /// Takes the rule's drafts of one call through the gate.
    pub(super) fn pass(&mut self, at: MediaTime, drafts: &mut Vec<Draft>, camera: Option<&mut Budget>) {
        let mut camera = camera;
        drafts.retain_mut(|draft| {
            self.restate(draft);
            let own = self.budget.as_mut().is_none_or(|budget| budget.admits(draft));
            // What the rule's own budget holds back does not use up the camera's.
            own && camera.as_mut().is_none_or(|budget| budget.admits_alarm(draft))
        });
        if let Some(summary) = self.budget.as_mut().and_then(|budget| budget.summary(at)) {
            drafts.push(summary);
        }
    }

    /// The stream is over: what was held back and not told yet.
    pub(super) fn finish(&mut self, at: MediaTime, drafts: &mut Vec<Draft>) {
        drafts.extend(self.budget.as_mut().and_then(|budget| budget.rest(at)));
    }

    /// Tracks live through a pause of one rule while the rule forgets them and numbers their happenings anew; moving
    /// the numbers keeps the happenings apart. Records without a track number themselves through pauses.
    fn restate(&self, draft: &mut Draft) {
        if draft.track.is_some() {
            draft.ordinal = draft.ordinal.wrapping_add(self.epoch.wrapping_mul(ORDINALS_PER_EPOCH));
        }
        if self.clock_unknown && matches!(draft.phase, Phase::Start | Phase::Instant) {
            draft.measured.insert("schedule".to_owned(), "the clock is unknown: taken as active".into());
        }
    }

    /// Why it starts nothing after the frame at `at`, apart from what the whole camera rests for.
    pub(super) fn rests(&self, at: MediaTime, capture: &CaptureTime, standing: Option<&str>, out: &mut Vec<Rest>) {
        if let Some(preset) = self.conditions.preset.as_deref().filter(|preset| standing != Some(preset)) {
            out.push(Rest::new("preset", Some(preset.to_owned()), None));
        }
        let known = capture.source != TimeSource::Epoch;
        let closed = |schedule: &&Schedule| known && !schedule.is_active(capture.utc);
        if let Some(schedule) = self.conditions.schedule.as_ref().filter(closed) {
            out.push(Rest::new("schedule", Some(schedule.to_string()), schedule.next_change(capture.utc)));
        }
        if let Some(until) = self.rule.cooling_until().filter(|until| *until > at) {
            out.push(Rest::new("cooldown", None, Some(filmed(until, at, capture))));
        }
        out.extend(self.budget.as_ref().and_then(|budget| used_up("budget", budget, at, capture)));
    }

    pub(super) fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        self.rule.forget(id, at, out);
    }
}

/// A budget that is used up, if it is.
pub(super) fn used_up(why: &'static str, budget: &Budget, at: MediaTime, capture: &CaptureTime) -> Option<Rest> {
    let until = budget.used_up_until(at)?;
    Some(Rest::new(why, Some(format!("{} an hour", budget.per_hour())), Some(filmed(until, at, capture))))
}

/// A later media time as a capture time, by that of the frame at `at`.
fn filmed(later: MediaTime, at: MediaTime, capture: &CaptureTime) -> Timestamp {
    capture.utc + later.since(at)
}
