//! `camera_unfit`: the view itself has failed, and for how long. Definition, figures and drawing:
//! `docs/rules/camera_unfit.md`.
//!
//! Each glance is *diagnosed*: the gravest fault that its measures show, or none. A fault that is diagnosed for its own
//! hold time starts a happening; a view without it for `clear_after` ends it. While a happening is open the camera's
//! other rules are suspended ([`Rule::view`], `gate`). Loss of the signal comes as a gap and ends with the next frame.

use std::time::Duration;

use serde_json::Value;

use super::draft::{Draft, Values, number, seconds, values};
use super::params::{Check, ParamError, read};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::view::{
    Comparison, Fault, FaultParams as Params, Impression, Learner, Plate, Reference, Shift, Step, Stillness, align,
};
use super::{FrameView, Margin, Rule, View};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::glance::Glance;
use crate::scene::{NormBox, Phase};

const NAME: &str = "camera_unfit";

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a view that is lost, frozen, dark, glaring, blurred, covered, moved or damaged; other rules rest",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    let mut check = Check::new(names, errors);
    if params.faults.is_empty() {
        check.fail("faults", "is empty: the rule would look for nothing".to_owned(), None);
    }
    check.at_least("learn_for", params.learn_for, Span::from_secs(1));
    check.at_least("clear_after", params.clear_after, Span::from_millis(200));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    for fault in Fault::ALL {
        let hold = Span::from_millis(u64::try_from(params.hold(fault).as_millis()).unwrap_or(u64::MAX));
        let least = if fault == Fault::Frozen { 1000 } else { 200 };
        check.at_least(&format!("{}_after", fault.as_str()), hold, Span::from_millis(least));
    }
    check.finish()?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(CameraUnfit::new(params)), params: values })
}

/// A fault's condition is still taken as met this long after it was last seen: damage flickers.
const GRACE: Duration = Duration::from_secs(1);
/// An open fault goes on while its measure is within this factor of its threshold (hysteresis).
const SLACK: f64 = 0.85;
/// How often the view is searched for a shift while marks are missing.
const SEARCH_EVERY: Duration = Duration::from_secs(1);
/// Share of marks in place below which a shift is searched for.
const SEARCH_BELOW: f32 = 0.85;
/// Share of marks in place from which the reference may follow what it sees.
const FOLLOW_FROM: f32 = 0.6;
/// A view that began to be learnt anew within this time is one that moves.
const UNSTEADY_FOR: Duration = Duration::from_secs(2);

/// What was measured at the last glance.
#[derive(Debug, Clone, Copy, Default)]
struct Measures {
    impression: Impression,
    /// Damage beyond what belongs to the scene.
    damaged: f32,
    comparison: Option<Comparison>,
    shift: Option<Shift>,
    still: Duration,
    unsteady: bool,
}

/// A condition on its way to a happening.
#[derive(Debug, Clone, Copy)]
struct Suspicion {
    since: MediaTime,
    last: MediaTime,
}

#[derive(Debug)]
struct Open {
    fault: Fault,
    ordinal: u32,
    since: MediaTime,
    last_seen: MediaTime,
    reported: MediaTime,
}

struct CameraUnfit {
    params: Params,
    learner: Learner,
    reference: Option<Reference>,
    still: Stillness,
    suspicions: [Option<Suspicion>; Fault::ALL.len()],
    open: Option<Open>,
    measures: Measures,
    searched: Option<MediaTime>,
    restarted: Option<MediaTime>,
    happenings: u32,
}

impl CameraUnfit {
    fn new(params: Params) -> Self {
        Self {
            params,
            learner: Learner::default(),
            reference: None,
            still: Stillness::default(),
            suspicions: [None; Fault::ALL.len()],
            open: None,
            measures: Measures::default(),
            searched: None,
            restarted: None,
            happenings: 0,
        }
    }

    fn look(&mut self, glance: &Glance, at: MediaTime) -> Option<Fault> {
        let plate = Plate::of(glance);
        if self.reference.as_ref().is_some_and(|reference| reference.plate.size != plate.size) {
            // Another picture shape is another view.
            self.reference = None;
            self.learner.reset();
        }
        let impression = Impression::of(glance, &plate, self.params.black_level as f32);
        let usual = self.reference.as_ref().map_or(0.0, |reference| reference.damaged);
        let comparison = self.reference.as_ref().and_then(|reference| reference.compare(&plate, glance));
        self.measures = Measures {
            impression,
            damaged: (impression.damaged - usual).max(0.0),
            comparison,
            shift: self.search(&plate, comparison, at),
            still: self.still.observe(glance, &plate, at),
            unsteady: false,
        };
        if self.reference.is_none() {
            self.learn(&plate, glance, at);
        }
        let diagnosis = self.diagnose();
        let doubtful = diagnosis.is_some() || self.open.is_some() || self.suspicions.iter().any(Option::is_some);
        if let Some(reference) = &mut self.reference {
            let in_place = comparison.is_none_or(|comparison| comparison.matching >= FOLLOW_FROM);
            if doubtful || !in_place {
                reference.skip_to(at);
            } else {
                reference.follow(&plate, glance, at);
            }
        }
        diagnosis
    }

    /// Learns from glances that nothing is visibly wrong with.
    fn learn(&mut self, plate: &Plate, glance: &Glance, at: MediaTime) {
        let Impression { dark, bright, damaged, blank } = self.measures.impression;
        let params = &self.params;
        if f64::from(dark) >= params.black_share || f64::from(bright) >= params.overexposed_share || blank {
            return;
        }
        match self.learner.observe(plate, glance, damaged, at, params.learn_for.duration()) {
            Step::Learnt(reference) => self.reference = Some(reference),
            Step::Restarted => self.restarted = Some(at),
            Step::Learning => {}
        }
        self.measures.unsteady = self.restarted.is_some_and(|restarted| at.since(restarted) <= UNSTEADY_FOR);
    }

    /// Where the view has gone, looked for now and then while marks are missing.
    fn search(&mut self, plate: &Plate, comparison: Option<Comparison>, at: MediaTime) -> Option<Shift> {
        let missing =
            comparison.is_some_and(|c| c.matching < SEARCH_BELOW && f64::from(c.flat) < self.params.covered_share);
        let reference = self.reference.as_ref().filter(|_| missing)?;
        if self.searched.is_some_and(|searched| at.since(searched) < SEARCH_EVERY) {
            return self.measures.shift;
        }
        self.searched = Some(at);
        align(&reference.plate, plate).filter(Shift::is_clear)
    }

    /// The gravest fault that the measures show.
    fn diagnose(&self) -> Option<Fault> {
        let shown = |fault: &Fault| self.params.faults.contains(fault) && self.shows(*fault);
        Fault::ALL.into_iter().find(shown)
    }

    fn shows(&self, fault: Fault) -> bool {
        let (params, m) = (&self.params, &self.measures);
        let is_open = self.open.as_ref().is_some_and(|open| open.fault == fault);
        let at_least = |value: f32, bar: f64| f64::from(value) >= if is_open { bar * SLACK } else { bar };
        let at_most = |value: f32, bar: f64| f64::from(value) <= if is_open { bar / SLACK } else { bar };
        match fault {
            Fault::SignalLost => false,
            Fault::Corrupt => at_least(m.damaged, params.corrupt_share),
            Fault::Black => at_least(m.impression.dark, params.black_share),
            Fault::Overexposed => at_least(m.impression.bright, params.overexposed_share),
            Fault::Covered => {
                m.impression.blank || m.comparison.is_some_and(|c| at_least(c.flat, params.covered_share))
            }
            Fault::Moved => {
                let elsewhere = m.comparison.is_some_and(|c| at_most(c.matching, params.moved_matching));
                m.unsteady || elsewhere || m.shift.is_some_and(|shift| at_least(shift.length(), params.moved_shift))
            }
            Fault::Blurred => {
                let sharpness = m.comparison.and_then(|c| c.sharpness);
                sharpness.is_some_and(|sharpness| at_most(sharpness, params.blurred_sharpness))
            }
            Fault::Frozen => m.still >= params.frozen_after.duration(),
        }
    }

    /// Notes the diagnosis; the fault that has now been diagnosed for its hold time, and since when.
    fn suspect(&mut self, diagnosis: Option<Fault>, at: MediaTime) -> Option<(Fault, MediaTime)> {
        let mut ripe = None;
        for (fault, slot) in Fault::ALL.into_iter().zip(&mut self.suspicions) {
            if diagnosis == Some(fault) {
                let since = slot.map_or(at, |s| s.since);
                *slot = Some(Suspicion { since, last: at });
                if fault == Fault::Frozen {
                    // The stretch itself is the hold.
                    let began =
                        MediaTime(at.0.saturating_sub(i64::try_from(self.measures.still.as_nanos()).unwrap_or(0)));
                    ripe = Some((fault, began));
                } else if at.since(since) >= self.params.hold(fault) {
                    ripe = Some((fault, since));
                }
            } else if slot.is_some_and(|s| at.since(s.last) > GRACE) {
                *slot = None;
            }
        }
        ripe
    }

    fn advance(&mut self, diagnosis: Option<Fault>, at: MediaTime, out: &mut Vec<Draft>) {
        let ripe = self.suspect(diagnosis, at);
        if let Some(open) = &mut self.open {
            if diagnosis == Some(open.fault) {
                open.last_seen = at;
                if at.since(open.reported) >= self.params.update_every.duration() {
                    open.reported = at;
                    self.report(Phase::Update, at, "goes on", out);
                }
            } else if ripe.is_some() || at.since(open.last_seen) >= self.params.clear_after.duration() {
                self.close(at, "cleared", out);
            }
        }
        if let (Some((fault, since)), None) = (ripe, &self.open) {
            self.start(fault, since, at, out);
        }
    }

    fn start(&mut self, fault: Fault, since: MediaTime, at: MediaTime, out: &mut Vec<Draft>) {
        self.open = Some(Open { fault, ordinal: self.happenings, since, last_seen: at, reported: at });
        self.happenings = self.happenings.saturating_add(1);
        self.report(Phase::Start, at, "unfit", out);
    }

    fn close(&mut self, at: MediaTime, reason: &'static str, out: &mut Vec<Draft>) {
        self.report(Phase::End, at, reason, out);
        self.open = None;
    }

    fn report(&self, phase: Phase, at: MediaTime, reason: &'static str, out: &mut Vec<Draft>) {
        let Some(open) = &self.open else { return };
        let name = open.fault.as_str();
        let lasted = at.since(open.since);
        let summary = match phase {
            Phase::End => format!("camera is no longer {name}, after {:.1} s", lasted.as_secs_f64()),
            _ => format!("camera view is unfit: {name} for {:.1} s; its other rules rest", lasted.as_secs_f64()),
        };
        let mut measured = self.measured(open.fault);
        measured.insert("fault".to_owned(), name.into());
        measured.insert("lasted_seconds".to_owned(), seconds(lasted));
        if phase == Phase::End {
            measured.insert("end_reason".to_owned(), reason.into());
        }
        out.push(Draft {
            kind: NAME,
            phase,
            track: None,
            ordinal: open.ordinal,
            class: None,
            bbox: (open.fault != Fault::SignalLost).then_some(WHOLE),
            severity: self.params.severity,
            summary,
            thresholds: self.thresholds(open.fault),
            measured,
            at,
        });
    }

    fn measured(&self, fault: Fault) -> Values {
        let m = &self.measures;
        let compared = |of: fn(&Comparison) -> f32| m.comparison.map_or(Value::Null, |c| number(of(&c)));
        match fault {
            Fault::SignalLost => Values::new(),
            Fault::Corrupt => values([("damaged_share", number(m.damaged))]),
            Fault::Black => values([("black_share", number(m.impression.dark))]),
            Fault::Overexposed => values([("bright_share", number(m.impression.bright))]),
            Fault::Covered => values([("flat_share", compared(|c| c.flat)), ("blank", m.impression.blank.into())]),
            Fault::Moved => {
                let shift = |of: fn(&Shift) -> f32| m.shift.map_or(Value::Null, |s| number(of(&s)));
                values([
                    ("matching_share", compared(|c| c.matching)),
                    ("shift_x_share", shift(|s| s.x)),
                    ("shift_y_share", shift(|s| s.y)),
                    ("keeps_moving", m.unsteady.into()),
                ])
            }
            Fault::Blurred => {
                let sharpness = m.comparison.and_then(|c| c.sharpness);
                values([("sharpness", sharpness.map_or(Value::Null, number))])
            }
            Fault::Frozen => values([("still_seconds", seconds(m.still))]),
        }
    }

    fn thresholds(&self, fault: Fault) -> Values {
        let params = &self.params;
        let mut thresholds = values([
            ("hold_seconds", seconds(params.hold(fault))),
            ("clear_after_seconds", seconds(params.clear_after.duration())),
        ]);
        let more: &[(&str, f64)] = match fault {
            Fault::Corrupt => &[("corrupt_share", params.corrupt_share)],
            Fault::Black => &[("black_share", params.black_share), ("black_level", params.black_level)],
            Fault::Overexposed => &[("overexposed_share", params.overexposed_share)],
            Fault::Covered => &[("covered_share", params.covered_share)],
            Fault::Moved => &[("moved_matching", params.moved_matching), ("moved_shift", params.moved_shift)],
            Fault::Blurred => &[("blurred_sharpness", params.blurred_sharpness)],
            Fault::SignalLost | Fault::Frozen => &[],
        };
        thresholds.extend(more.iter().map(|(name, value)| ((*name).to_owned(), number(*value as f32))));
        thresholds
    }
}

const WHOLE: NormBox = NormBox { x1: 0.0, y1: 0.0, x2: 1.0, y2: 1.0 };

impl Rule for CameraUnfit {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        if self.open.as_ref().is_some_and(|open| open.fault == Fault::SignalLost) {
            self.close(frame.at, "pictures_again", out);
        }
        if let Some(glance) = frame.glance {
            let diagnosis = self.look(glance, frame.at);
            self.advance(diagnosis, frame.at, out);
        }
    }

    fn gap(&mut self, from: MediaTime, to: MediaTime, out: &mut Vec<Draft>) {
        if self.open.as_ref().is_some_and(|open| open.fault == Fault::SignalLost) {
            return;
        }
        if self.open.is_some() {
            self.close(from, "gap", out);
        }
        self.still.reset();
        self.suspicions = [None; Fault::ALL.len()];
        if let Some(reference) = &mut self.reference {
            reference.skip_to(to);
        }
        // A gap without a known end is a loss that the source has waited for already.
        let long = to <= from || to.since(from) >= self.params.signal_lost_after.duration();
        if long && self.params.faults.contains(&Fault::SignalLost) {
            self.start(Fault::SignalLost, from, from, out);
        }
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        if self.open.is_some() {
            self.close(at, "stream_ended", out);
        }
    }

    fn forget(&mut self, _id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {}

    fn pause(&mut self, at: MediaTime, why: &'static str, out: &mut Vec<Draft>) {
        if self.open.is_some() {
            self.close(at, why, out);
        }
        self.still.reset();
        self.suspicions = [None; Fault::ALL.len()];
    }

    fn view(&self) -> Option<View> {
        let unfit = self.open.as_ref().filter(|open| open.fault != Fault::SignalLost);
        Some(unfit.map_or(View::Fit, |open| View::Unfit(open.fault.as_str())))
    }

    fn wants_glances(&self) -> bool {
        true
    }

    fn margins(&self, _at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let (params, m) = (&self.params, &self.measures);
        let mut at_least = |quantity, value: f32, threshold: f64| {
            out.push(Margin::at_least(None, quantity, value.into(), threshold));
        };
        at_least("damaged_share", m.damaged, params.corrupt_share);
        at_least("black_share", m.impression.dark, params.black_share);
        at_least("bright_share", m.impression.bright, params.overexposed_share);
        at_least("still_seconds", m.still.as_secs_f32(), params.frozen_after.duration().as_secs_f64());
        if let Some(comparison) = m.comparison {
            at_least("flat_share", comparison.flat, params.covered_share);
            let mut at_most = |quantity, value: f32, threshold: f64| {
                out.push(Margin::at_most(None, quantity, value.into(), threshold));
            };
            at_most("matching_share", comparison.matching, params.moved_matching);
            if let Some(sharpness) = comparison.sharpness {
                at_most("sharpness", sharpness, params.blurred_sharpness);
            }
        }
    }

    fn held(&self) -> usize {
        0
    }
}
