//! `zone_dwell`: tracks that enter a zone, stay in it, leave it. Definition and truth table:
//! `docs/rules/zone_dwell.md`.
//!
//! A *visit* begins with the first frame that shows the anchor inside and ends with the first that
//! shows it outside, unless it is inside again within `exit_after`. What is not observed neither
//! begins nor ends a visit, and a dwell is reported only in a frame that shows the track inside.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, EndReason, Sight, Values, seconds, values};
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, params, read};
use super::plane::Anchor;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity, Track};

const NAME: &str = "zone_dwell";

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports tracks that enter a zone, stay in it for a time, or leave it",
    required: &["zone"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// It begins (an instant).
    Entered,
    /// It has lasted `dwell` (start, updates, end).
    Dwelt,
    /// The track was seen to leave (an instant).
    Left,
}

impl Report {
    /// Each visit has three places in the order of happenings, used or not, so that the identity
    /// of a happening does not depend on what else is reported.
    fn ordinal(self, visit: u32) -> u32 {
        visit.saturating_mul(3).saturating_add(self as u32)
    }
}

params! {
    /// Parameters of `zone_dwell`.
    struct Params with Severity::Warning;
    /// The zone.
    zone: String = String::new(),
    /// How long a visit lasts before it is a dwell.
    dwell: Span = Span::from_secs(10),
    /// What is reported.
    report: Vec<Report> = vec![Report::Dwelt],
    /// How often a dwell that goes on is reported again.
    update_every: Span = Span::from_secs(10),
    /// A track that is back within this time has not left.
    exit_after: Span = Span::from_secs(1),
    /// The point of the box that stands for the object.
    anchor: Anchor = Anchor::Bottom,
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(&[]);
    Ok(Compiled { rule: Box::new(ZoneDwell { params, common, stays: PerTrack::new() }), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.zone("zone", &params.zone);
    check.classes(&params.classes, &[]);
    check.at_least("dwell", params.dwell, Span::from_millis(100));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// A track's visits so far.
#[derive(Debug)]
struct Stay {
    visit: Option<Visit>,
    visits: u32,
    seen_outside: bool,
    sight: Sight,
}

/// A visit that goes on.
#[derive(Debug)]
struct Visit {
    ordinal: u32,
    entered: MediaTime,
    last_inside: MediaTime,
    /// The first sight outside, while the track may still come back.
    outside_since: Option<MediaTime>,
    /// Whether its beginning has been considered for a report.
    considered: bool,
    /// Whether anything of it was reported; the rest then follows, whatever the cooldown.
    reported: bool,
    /// When the dwell was last reported, once it was.
    dwelt_at: Option<MediaTime>,
}

struct ZoneDwell {
    params: Params,
    common: Common,
    stays: PerTrack<Stay>,
}

impl Rule for ZoneDwell {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(zone) = frame.scene.zones.get(&self.params.zone) else { return };
        let mut report = Reporter { params: &self.params, common: &mut self.common, at: frame.at, out };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !report.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let inside = zone.contains(self.params.anchor.of(&track.bbox));
            let sight = Sight::new(track, frame.at);
            let stay =
                self.stays.touch(track.id, frame.at, || Stay { visit: None, visits: 0, seen_outside: false, sight });
            stay.sight = sight;
            if inside {
                stay.inside(track, frame, &mut report);
            } else {
                stay.outside(&mut report);
            }
        }
        while let Some(stay) = self.stays.take_excess() {
            report.close(stay, EndReason::Evicted);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        if let Some(stay) = self.stays.remove(id) {
            let mut report = Reporter { params: &self.params, common: &mut self.common, at, out };
            report.close(stay, EndReason::TrackEnded);
        }
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        for (id, stay) in self.stays.iter() {
            let dwelt = stay.visit.as_ref().map_or(Duration::ZERO, |visit| at.since(visit.entered));
            let least = self.params.dwell.duration().as_secs_f64();
            out.push(Margin::at_least(Some(id), "dwelt_seconds", dwelt.as_secs_f64(), least));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.stays.len()
    }
}

impl ZoneDwell {
    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let mut report = Reporter { params: &self.params, common: &mut self.common, at, out };
        for stay in self.stays.take_all() {
            report.close(stay, reason);
        }
    }
}

impl Stay {
    fn inside(&mut self, track: &Track, frame: &FrameView<'_>, report: &mut Reporter<'_>) {
        let at = frame.at;
        let visit = self.visit.get_or_insert_with(|| {
            let ordinal = self.visits;
            self.visits = self.visits.saturating_add(1);
            Visit {
                ordinal,
                entered: at,
                last_inside: at,
                outside_since: None,
                considered: false,
                reported: false,
                dwelt_at: None,
            }
        });
        visit.last_inside = at;
        visit.outside_since = None;
        if !report.common.old_enough(track, at) {
            return;
        }
        let class = frame.scene.labels.name(track.class);
        let zone = &report.params.zone;
        if !std::mem::replace(&mut visit.considered, true) && report.may(Report::Entered, visit) {
            let summary = format!("{class} entered {zone}");
            let appeared = Value::from(!self.seen_outside);
            report.instant(Report::Entered, visit, self.sight, summary, values([("appeared_inside", appeared)]));
        }
        let lasted = at.since(visit.entered);
        let (phase, how) = match visit.dwelt_at {
            None if lasted >= report.params.dwell.duration() => (Phase::Start, "has been"),
            Some(last) if at.since(last) >= report.params.update_every.duration() => (Phase::Update, "is still"),
            _ => return,
        };
        if phase == Phase::Start && !report.may(Report::Dwelt, visit) {
            return;
        }
        visit.dwelt_at = Some(at);
        let summary = format!("{class} {how} in {zone}, for {:.1} s", lasted.as_secs_f64());
        report.dwell(phase, visit, self.sight, summary, lasted, None);
    }

    fn outside(&mut self, report: &mut Reporter<'_>) {
        self.seen_outside = true;
        let Some(visit) = &mut self.visit else { return };
        let left = *visit.outside_since.get_or_insert(report.at);
        if report.at.since(left) < report.params.exit_after.duration() {
            return;
        }
        let lasted = left.since(visit.entered);
        if visit.dwelt_at.is_some() {
            report.dwell_end(visit, self.sight, lasted, EndReason::Left);
        }
        // A visit too young to be considered is not reported at its end either.
        if visit.considered && report.may(Report::Left, visit) {
            let summary = format!("track left {} after {:.1} s", report.params.zone, lasted.as_secs_f64());
            report.instant(Report::Left, visit, self.sight, summary, values([("dwell_seconds", seconds(lasted))]));
        }
        self.visit = None;
    }
}

/// Writes drafts for one call.
struct Reporter<'a> {
    params: &'a Params,
    common: &'a mut Common,
    at: MediaTime,
    out: &'a mut Vec<Draft>,
}

impl Reporter<'_> {
    /// Whether this is asked for and not held back; then the visit counts as reported.
    fn may(&mut self, what: Report, visit: &mut Visit) -> bool {
        if !self.params.report.contains(&what) {
            return false;
        }
        visit.reported = visit.reported || self.common.cooldown.pass(self.at);
        visit.reported
    }

    /// Ends what is open of a track that is gone. Nobody saw it leave, so it is not reported as left.
    fn close(&mut self, stay: Stay, reason: EndReason) {
        if let Some(visit) = stay.visit.filter(|visit| visit.dwelt_at.is_some()) {
            let lasted = visit.last_inside.since(visit.entered);
            self.dwell_end(&visit, stay.sight, lasted, reason);
        }
    }

    fn dwell_end(&mut self, visit: &Visit, sight: Sight, lasted: Duration, reason: EndReason) {
        let summary = format!("dwell in {} ended after {:.1} s", self.params.zone, lasted.as_secs_f64());
        self.dwell(Phase::End, visit, sight, summary, lasted, Some(reason));
    }

    fn dwell(
        &mut self,
        phase: Phase,
        visit: &Visit,
        sight: Sight,
        summary: String,
        lasted: Duration,
        reason: Option<EndReason>,
    ) {
        let mut measured = values([("dwell_seconds", seconds(lasted))]);
        if let Some(reason) = reason {
            measured.insert("end_reason".to_owned(), reason.as_str().into());
        }
        self.push(phase, Report::Dwelt, visit, sight, summary, measured);
    }

    fn instant(&mut self, what: Report, visit: &Visit, sight: Sight, summary: String, measured: Values) {
        self.push(Phase::Instant, what, visit, sight, summary, measured);
    }

    fn push(&mut self, phase: Phase, what: Report, visit: &Visit, sight: Sight, summary: String, mut measured: Values) {
        let transition = match what {
            Report::Entered => "entered",
            Report::Dwelt => "dwelt",
            Report::Left => "left",
        };
        measured.insert("transition".to_owned(), transition.into());
        self.out.push(Draft {
            kind: NAME,
            phase,
            track: Some(sight.id),
            ordinal: what.ordinal(visit.ordinal),
            class: Some(sight.class),
            bbox: Some(sight.bbox),
            severity: self.common.severity,
            summary,
            thresholds: values([
                ("zone", Value::from(self.params.zone.as_str())),
                ("dwell_seconds", seconds(self.params.dwell.duration())),
                ("exit_after_seconds", seconds(self.params.exit_after.duration())),
            ]),
            measured,
            at: self.at,
        });
    }
}
