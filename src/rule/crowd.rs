//! `crowd`: many people in a zone, by number or by density. Definition and truth table: `docs/rules/crowd.md`.
//!
//! A person counts while seen inside within the last [`HOLD`]: a missed detection takes nobody away. The crowd begins
//! when there are enough for `crowded_for`, and ends when there are clearly fewer for `clear_after` (hysteresis).

use std::time::Duration;

use serde_json::Value;

use super::draft::{Draft, EndReason, Values, number, seconds, values};
use super::held::PerTrack;
use super::level::{Level, Turn};
use super::params::{Check, Common, ParamError, params, read};
use super::roles::{PEOPLE, Role};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::together::{Company, Together, may_ride};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Ground, NormBox, Phase, Polygon, Severity, Track};

const NAME: &str = "crowd";

/// How long a person still counts after the last sight inside.
const HOLD: Duration = Duration::from_secs(1);
/// How long there may be too few before the time starts anew.
const DIP: Duration = Duration::from_secs(1);

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports many people in a zone, by number or by density on the ground",
    required: &["zone"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `crowd`.
    struct Params with Severity::Warning;
    /// The zone.
    zone: String = String::new(),
    /// So many people make a crowd.
    #[schemars(range(min = 2, max = 1000))]
    people: u32 = 15,
    /// So many people per square metre make a crowd instead; only with a calibration.
    #[schemars(range(min = 0.01, max = 10.0))]
    density: Option<f64> = None,
    /// How long there are so many before it is reported.
    crowded_for: Span = Span::from_secs(10),
    /// Below this share of the threshold the crowd is going.
    #[schemars(range(min = 0.1, max = 1.0))]
    exit_share: f64 = 0.7,
    /// How long there must be so few before it is over.
    clear_after: Span = Span::from_secs(10),
    /// Whether people on or in vehicles count.
    riders: bool = false,
    /// How often a crowd that goes on is reported again.
    update_every: Span = Span::from_secs(30),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(PEOPLE);
    let level = Level::new(params.crowded_for.duration(), DIP, params.clear_after.duration());
    let rule =
        Crowd { params, common, people: PerTrack::new(), together: Together::default(), level, open: None, crowds: 0 };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.zone("zone", &params.zone);
    check.people(&params.classes);
    if params.density.is_some() {
        check.in_metres("density");
    }
    check.at_least("crowded_for", params.crowded_for, Span::from_secs(1));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.finish()
}

/// A crowd that was reported and goes on.
#[derive(Debug)]
struct Open {
    since: MediaTime,
    told_at: MediaTime,
    most: usize,
    last: Count,
}

/// People in the zone in one frame.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    people: usize,
    /// Per square metre; none without a calibration.
    density: Option<f64>,
    bbox: NormBox,
}

struct Crowd {
    params: Params,
    common: Common,
    /// When each person was last seen inside.
    people: PerTrack<MediaTime>,
    together: Together,
    level: Level,
    open: Option<Open>,
    crowds: u32,
}

impl Rule for Crowd {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(zone) = frame.scene.zones.get(&self.params.zone) else { return };
        self.see(frame, zone);
        let at = frame.at;
        let people = self.people.states().filter(|inside| at.since(**inside) <= HOLD).count();
        let area = frame.scene.ground.as_ref().and_then(|ground| square_metres(ground, zone));
        let density = area.map(|area| people as f64 / area);
        let count = Count { people, density, bbox: bounds(zone) };
        let load = self.load(&count);
        let turn = self.level.step(at, load >= 1.0, load < self.params.exit_share);
        match turn {
            Turn::Begins(since) => self.start(since, count, at, out),
            Turn::Ends(until) => self.finish(at, until, EndReason::Cleared, out),
            Turn::Nothing => {}
        }
        // The cooldown may have held it back; it is asked again as long as the crowd lasts.
        if let (None, Some(since), Turn::Nothing) = (&self.open, self.level.high_since(), turn) {
            self.start(since, count, at, out);
        }
        self.update(count, at, out);
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.reset(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.reset(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.together.forget(id);
        self.people.remove(id);
    }

    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let people = self.people.states().filter(|inside| at.since(**inside) <= HOLD).count();
        match self.params.density {
            None => out.push(Margin::at_least(None, "people", people as f64, f64::from(self.params.people))),
            Some(least) => {
                let zone = scene.zones.get(&self.params.zone);
                let area = zone.zip(scene.ground.as_ref()).and_then(|(zone, ground)| square_metres(ground, zone));
                let density = area.map_or(0.0, |area| people as f64 / area);
                out.push(Margin::at_least(None, "people_per_square_metre", density, least));
            }
        }
        let least = self.params.crowded_for.duration().as_secs_f64();
        out.push(Margin::at_least(None, "crowded_seconds", self.level.lasted(at).as_secs_f64(), least));
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.people.len()
    }
}

impl Crowd {
    fn see(&mut self, frame: &FrameView<'_>, zone: &Polygon) {
        let takes = |track: &Track| self.common.takes(track.class, &frame.scene.labels);
        if !self.params.riders {
            let role = |track: &Track| Role::of(&frame.scene.labels.name(track.class));
            self.together.observe(frame.at, frame.tracks, frame.scene, |a, b| match (takes(a), takes(b)) {
                (true, false) => may_ride(&a.bbox, &b.bbox, role(b)),
                (false, true) => may_ride(&b.bbox, &a.bbox, role(a)),
                _ => false,
            });
        }
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let counts = takes(track)
                && self.common.old_enough(track, frame.at)
                && zone.contains(track.anchor())
                && self.together.of(track.id) != Company::Together;
            if counts {
                *self.people.touch(track.id, frame.at, || frame.at) = frame.at;
            } else {
                self.people.remove(track.id);
            }
        }
        while self.people.take_excess().is_some() {}
    }

    /// The count as a share of the threshold.
    fn load(&self, count: &Count) -> f64 {
        match self.params.density {
            Some(least) => count.density.unwrap_or(0.0) / least,
            None => count.people as f64 / f64::from(self.params.people),
        }
    }

    fn start(&mut self, since: MediaTime, count: Count, at: MediaTime, out: &mut Vec<Draft>) {
        if !self.common.cooldown.pass(at) {
            return;
        }
        self.open = Some(Open { since, told_at: at, most: count.people, last: count });
        let lasted = at.since(since);
        let summary = format!("{} people in {} for {:.0} s", count.people, self.params.zone, lasted.as_secs_f64());
        let draft = self.draft(Phase::Start, &count, at, summary, measured(&count, count.people, lasted));
        out.push(draft);
    }

    fn update(&mut self, count: Count, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(open) = &mut self.open else { return };
        (open.most, open.last) = (open.most.max(count.people), count);
        if at.since(open.told_at) < self.params.update_every.duration() {
            return;
        }
        open.told_at = at;
        let (lasted, most) = (at.since(open.since), open.most);
        let summary =
            format!("still {} people in {}, for {:.0} s", count.people, self.params.zone, lasted.as_secs_f64());
        let draft = self.draft(Phase::Update, &count, at, summary, measured(&count, most, lasted));
        out.push(draft);
    }

    fn finish(&mut self, at: MediaTime, until: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(open) = self.open.take() else { return };
        let lasted = until.since(open.since);
        let summary = format!("crowd in {} ended after {:.0} s", self.params.zone, lasted.as_secs_f64());
        let mut measured = measured(&open.last, open.most, lasted);
        measured.insert("end_reason".to_owned(), reason.as_str().into());
        let draft = self.draft(Phase::End, &open.last, at, summary, measured);
        out.push(draft);
        self.crowds = self.crowds.saturating_add(1);
    }

    fn reset(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        self.finish(at, at, reason, out);
        self.level.reset();
        self.people = PerTrack::new();
        self.together.clear();
    }

    fn draft(&self, phase: Phase, count: &Count, at: MediaTime, summary: String, measured: Values) -> Draft {
        let mut thresholds = values([
            ("zone", Value::from(self.params.zone.as_str())),
            ("crowded_for_seconds", seconds(self.params.crowded_for.duration())),
            ("exit_share", self.params.exit_share.into()),
            ("clear_after_seconds", seconds(self.params.clear_after.duration())),
        ]);
        match self.params.density {
            Some(density) => thresholds.insert("people_per_square_metre".to_owned(), density.into()),
            None => thresholds.insert("people".to_owned(), self.params.people.into()),
        };
        Draft {
            kind: NAME,
            phase,
            track: None,
            ordinal: self.crowds,
            class: None,
            bbox: Some(count.bbox),
            severity: self.common.severity,
            summary,
            thresholds,
            measured,
            at,
        }
    }
}

fn measured(count: &Count, most: usize, lasted: Duration) -> Values {
    let mut measured =
        values([("people", count.people.into()), ("people_most", most.into()), ("crowded_seconds", seconds(lasted))]);
    if let Some(density) = count.density {
        measured.insert("people_per_square_metre".to_owned(), number(density as f32));
    }
    measured
}

/// The zone's area on the ground; none where it reaches the horizon. Straight edges stay straight on a plane.
fn square_metres(ground: &Ground, zone: &Polygon) -> Option<f64> {
    let corners = zone.corners().iter().map(|corner| ground.metres(*corner)).collect::<Option<Vec<_>>>()?;
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    Some(twice.abs() / 2.0).filter(|area| *area > 0.0)
}

/// The smallest box around a zone.
fn bounds(zone: &Polygon) -> NormBox {
    let mut around = NormBox { x1: 1.0, y1: 1.0, x2: 0.0, y2: 0.0 };
    for corner in zone.corners() {
        (around.x1, around.y1) = (around.x1.min(corner.x), around.y1.min(corner.y));
        (around.x2, around.y2) = (around.x2.max(corner.x), around.y2.max(corner.y));
    }
    around
}
