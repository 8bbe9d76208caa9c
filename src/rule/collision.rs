//! `collision`: two road users hit each other, and one of them stays. Definition and truth table:
//! `docs/rules/collision.md`.
//!
//! An *impact* is contact at speed with a jolt, or a loss of speed beside another that no brakes explain. With a stop of
//! one who was moving, soon after it, it is a candidate; the stop's lasting confirms it. The candidate is told at once,
//! because help should not wait for certainty.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::draft::{Draft, EndReason, Values, number, seconds, values};
use super::impact::{BESIDE_METRES, Cue, FRESH, IMMINENT, Impact, Limits, Side};
use super::params::{Check, Common, ParamError, params, read};
use super::roles::ROAD_USERS;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::trace::Trace;
use super::traffic::Traffic;
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Polygon, Severity};

const NAME: &str = "collision";

/// A stop of so long is one.
const STOPPED: Duration = Duration::from_secs(1);
/// Impacts watched at once; beyond it the oldest goes first.
const MAX_IMPACTS: usize = 128;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports two road users that hit each other and of whom one stays, first as a candidate, then confirmed",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `collision`.
    struct Params with Severity::Alert;
    /// The zone where at least one of the two is; anywhere when not given.
    zone: Option<String> = None,
    /// The two come nearer at this speed before contact, in metres per second.
    #[schemars(range(min = 0.5, max = 30.0))]
    impact_speed: f64 = 2.0,
    /// Change of velocity that makes contact an impact, in metres per second squared.
    #[schemars(range(min = 1.0, max = 100.0))]
    jolt: f64 = 6.0,
    /// Loss of speed beyond what brakes can do, in metres per second squared; an impact even without contact.
    #[schemars(range(min = 5.0, max = 100.0))]
    braking_limit: f64 = 11.0,
    /// A stop that begins later after the impact has another cause.
    stop_within: Span = Span::from_secs(3),
    /// How long the stop lasts before the candidate is confirmed.
    confirm_after: Span = Span::from_secs(5),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(ROAD_USERS);
    let rule = Collision { params, common, traffic: Traffic::new(), impacts: BTreeMap::new(), told: BTreeMap::new() };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    if let Some(zone) = &params.zone {
        check.zone("zone", zone);
    }
    check.classes(&params.classes, ROAD_USERS);
    check.at_least("stop_within", params.stop_within, Span::from_secs(1));
    check.at_most("stop_within", params.stop_within, Span::from_secs(60));
    check.at_least("confirm_after", params.confirm_after, Span::from_secs(1));
    check.finish()
}

impl Params {
    fn limits(&self) -> Limits {
        Limits { speed: self.impact_speed, jolt: self.jolt, braking: self.braking_limit }
    }
}

/// Two tracks as they were before the impact, the smaller id first.
type Key = (TrackId, TrackId);

/// An impact that is watched.
#[derive(Debug)]
struct Watched {
    impact: Impact,
    told: Option<Told>,
}

/// What was reported.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The first of the two, as it was then, and the number of its collisions before.
    track: TrackId,
    ordinal: u32,
    stopped_since: MediaTime,
    confirmed: bool,
}

struct Collision {
    params: Params,
    common: Common,
    traffic: Traffic,
    impacts: BTreeMap<Key, Watched>,
    /// How many were reported of a track, as the first of a pair.
    told: BTreeMap<TrackId, u32>,
}

impl Rule for Collision {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for evicted in self.traffic.observe(frame, &self.common) {
            self.lose(evicted, frame.at, EndReason::Evicted, out);
        }
        self.see(frame.at);
        self.detect(frame);
        let began_of_late = |(_, trace): &(TrackId, &Trace)| frame.at.since(trace.since) <= FRESH;
        let fresh: Vec<TrackId> = self.traffic.present(frame.at).filter(began_of_late).map(|(id, _)| id).collect();
        let keys: Vec<Key> = self.impacts.keys().copied().collect();
        for key in keys {
            self.follow(key, &fresh, frame, out);
        }
        while self.impacts.len() > MAX_IMPACTS {
            let oldest =
                self.impacts.iter().min_by_key(|(key, watched)| (watched.impact.at, **key)).map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            self.close(oldest, frame.at, EndReason::Evicted, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.reset(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.reset(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        self.traffic.forget(id);
        self.lose(id, at, EndReason::TrackEnded, out);
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        for (id, trace) in self.traffic.present(at) {
            let id = Some(id);
            if let Some(jolt) = trace.jolt() {
                let (change, braking) = (jolt.change.max(0.0), jolt.braking.max(0.0));
                out.push(Margin::at_least(id, "jolt_metres_per_second_squared", change, self.params.jolt));
                let limit = self.params.braking_limit;
                out.push(Margin::at_least(id, "loss_of_speed_metres_per_second_squared", braking, limit));
            }
        }
        for Watched { impact, .. } in self.impacts.values() {
            let stopped = impact.stopped_since().map_or(Duration::ZERO, |since| at.since(since));
            let least = self.params.confirm_after.duration().as_secs_f64();
            let [first, _] = &impact.sides;
            out.push(Margin::at_least(Some(first.sight.id), "stopped_seconds", stopped.as_secs_f64(), least));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.traffic.len()
    }
}

impl Collision {
    /// Looks at the pairs that are watched already.
    fn see(&mut self, at: MediaTime) {
        for ((a, b), watched) in &mut self.impacts {
            let seen = |id: &TrackId| self.traffic.get(*id).filter(|trace| trace.sight.at == at);
            if let (Some(a), Some(b)) = (seen(a), seen(b)) {
                watched.impact.see(a, b, at);
            }
        }
    }

    /// Finds new impacts.
    fn detect(&mut self, frame: &FrameView<'_>) {
        let zone = self.params.zone.as_ref().and_then(|zone| frame.scene.zones.get(zone));
        if self.params.zone.is_some() && zone.is_none() {
            return;
        }
        // Beside each other, or about to touch: of all others nothing is asked.
        let soon = IMMINENT.as_secs_f64();
        let pairs = self.traffic.pairs(frame.at, Duration::ZERO, |(_, a), (_, b)| {
            a.may_be_beside(b, BESIDE_METRES) || a.may_touch(b, soon)
        });
        for (a, b) in pairs {
            let key = (a.sight.id, b.sight.id);
            let is_outside = |z: &Polygon| !z.contains(a.sight.bbox.anchor()) && !z.contains(b.sight.bbox.anchor());
            if zone.is_some_and(is_outside) || self.impacts.contains_key(&key) {
                continue;
            }
            if let Some(impact) = Impact::of(a, b, frame.at, self.params.limits()) {
                self.impacts.insert(key, Watched { impact, told: None });
            }
        }
    }

    /// Follows who stands since, and tells what is to be told.
    fn follow(&mut self, key: Key, fresh: &[TrackId], frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let at = frame.at;
        let Some(Watched { impact, told }) = self.impacts.get_mut(&key) else { return };
        impact.follow(&self.traffic, fresh, at, frame.scene);
        match (*told, impact.stopped_since()) {
            (None, stopped) => {
                let in_time = |since: MediaTime| since.since(impact.at) <= self.params.stop_within.duration();
                let begun = stopped.filter(|since| in_time(*since));
                let given_up = at.since(impact.at) > self.params.stop_within.duration() + STOPPED;
                if impact.is_refuted(at) || (begun.is_none() && given_up) {
                    self.drop_impact(key);
                } else if let Some(since) = begun
                    && at.since(since) >= STOPPED
                    && impact.cue.is_some()
                {
                    self.start(key, since, frame, out);
                }
            }
            (Some(_), None) => self.close(key, at, EndReason::Moved, out),
            (Some(told), Some(since)) => {
                if !told.confirmed && at.since(since) >= self.params.confirm_after.duration() {
                    self.confirm(key, since, at, out);
                }
            }
        }
    }

    fn start(&mut self, key: Key, since: MediaTime, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(watched) = self.impacts.get_mut(&key) else { return };
        let sides = watched.impact.sides;
        let old_enough = |side: &Side| {
            let track = frame.tracks.iter().find(|track| track.id == side.sight.id);
            track.is_none_or(|track| self.common.old_enough(track, frame.at))
        };
        if !sides.iter().all(old_enough) || !self.common.cooldown.pass(frame.at) {
            return;
        }
        let track = sides[0].sight.id;
        let ordinal = self.told.entry(track).or_default();
        watched.told = Some(Told { track, ordinal: *ordinal, stopped_since: since, confirmed: false });
        *ordinal = ordinal.saturating_add(1);
        let [first, second] = sides.map(|side| frame.scene.labels.name(side.sight.class));
        let stopped = frame.at.since(since).as_secs_f64();
        let summary = format!("{first} and {second} may have collided: one stands since, for {stopped:.1} s");
        let mut measured = watched.measured(frame.at);
        measured.insert("other_class".to_owned(), second.into_owned().into());
        measured.insert("plane".to_owned(), if frame.scene.ground.is_some() { "ground" } else { "picture" }.into());
        out.push(draft(&self.params, &self.common, Phase::Start, watched, frame.at, summary, measured));
    }

    fn confirm(&mut self, key: Key, since: MediaTime, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(watched) = self.impacts.get_mut(&key) else { return };
        if let Some(told) = &mut watched.told {
            (told.confirmed, told.stopped_since) = (true, since);
        }
        let summary = format!("collision confirmed: one stands for {:.1} s", at.since(since).as_secs_f64());
        out.push(draft(&self.params, &self.common, Phase::Update, watched, at, summary, watched.measured(at)));
    }

    /// One of the two is known no more; whoever stays is followed on.
    fn lose(&mut self, id: TrackId, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let has = |watched: &Watched| watched.impact.sides.iter().any(|side| side.sight.id == id);
        let keys: Vec<Key> = self.impacts.iter().filter(|(_, watched)| has(watched)).map(|(key, _)| *key).collect();
        for key in keys {
            let Some(Watched { impact, told }) = self.impacts.get_mut(&key) else { continue };
            for side in impact.sides.iter_mut().filter(|side| side.sight.id == id) {
                (side.alive, side.stands_since) = (false, None);
            }
            let nobody_stays = impact.sides.iter().all(|side| !side.alive);
            if nobody_stays || (told.is_some() && impact.stopped_since().is_none()) {
                self.close(key, at, reason, out);
            }
        }
        self.tidy(id);
    }

    /// The number of a track's collisions is kept while there may be another.
    fn tidy(&mut self, id: TrackId) {
        let is_first = |watched: &Watched| {
            let [first, _] = &watched.impact.sides;
            first.sight.id == id || watched.told.is_some_and(|told| told.track == id)
        };
        if self.traffic.get(id).is_none() && !self.impacts.values().any(is_first) {
            self.told.remove(&id);
        }
    }

    fn reset(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let keys: Vec<Key> = self.impacts.keys().copied().collect();
        for key in keys {
            self.close(key, at, reason, out);
        }
        self.traffic.clear();
        self.told.clear();
    }

    fn close(&mut self, key: Key, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(watched) = self.drop_impact(key) else { return };
        if let Some(told) = watched.told {
            let mut measured = watched.measured(at);
            measured.insert("end_reason".to_owned(), reason.as_str().into());
            let what = if told.confirmed { "collision" } else { "possible collision" };
            let summary = format!("{what} is over: {}", reason.as_str());
            out.push(draft(&self.params, &self.common, Phase::End, &watched, at, summary, measured));
        }
    }

    fn drop_impact(&mut self, key: Key) -> Option<Watched> {
        let watched = self.impacts.remove(&key)?;
        let [first, _] = &watched.impact.sides;
        self.tidy(first.sight.id);
        if let Some(told) = watched.told {
            self.tidy(told.track);
        }
        Some(watched)
    }
}

impl Watched {
    fn measured(&self, at: MediaTime) -> Values {
        let Self { impact, told } = self;
        let [first, second] = &impact.sides;
        let cue = match impact.cue {
            Some(Cue::LossOfSpeed) => "loss_of_speed",
            _ => "contact",
        };
        let since = impact.stopped_since().or(told.map(|told| told.stopped_since));
        values([
            ("confirmed", told.is_some_and(|told| told.confirmed).into()),
            ("cue", cue.into()),
            ("seconds_since_impact", seconds(at.since(impact.at))),
            ("stopped_seconds", seconds(since.map_or(Duration::ZERO, |since| at.since(since)))),
            ("closing_metres_per_second", number(impact.closing_speed as f32)),
            ("jolt_metres_per_second_squared", number(first.jolt.max(second.jolt) as f32)),
            ("speed_before_metres_per_second", number(first.speed_before as f32)),
            ("other_speed_before_metres_per_second", number(second.speed_before as f32)),
            ("stands", first.stands_since.is_some().into()),
            ("other_stands", second.stands_since.is_some().into()),
            ("other_track", second.sight.id.0.into()),
            ("other_bbox", serde_json::to_value(second.sight.bbox).unwrap_or_default()),
        ])
    }
}

fn draft(
    params: &Params,
    common: &Common,
    phase: Phase,
    watched: &Watched,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    let [first, _] = &watched.impact.sides;
    let (track, ordinal, is_confirmed) =
        watched.told.map_or((first.sight.id, 0, false), |told| (told.track, told.ordinal, told.confirmed));
    Draft {
        kind: NAME,
        phase,
        track: Some(track),
        ordinal,
        class: Some(first.sight.class),
        bbox: Some(first.sight.bbox),
        // A candidate is worth a look, no more.
        severity: if is_confirmed { common.severity } else { common.severity.min(Severity::Warning) },
        summary,
        thresholds: values([
            ("impact_speed_metres_per_second", params.impact_speed.into()),
            ("jolt_metres_per_second_squared", params.jolt.into()),
            ("braking_limit_metres_per_second_squared", params.braking_limit.into()),
            ("stop_within_seconds", seconds(params.stop_within.duration())),
            ("confirm_after_seconds", seconds(params.confirm_after.duration())),
        ]),
        measured,
        at,
    }
}
