//! `collision`: two road users hit each other, and one of them stays. Definition and truth table:
//! `docs/rules/collision.md`.
//!
//! An *impact* is contact at speed with a jolt, or a loss of speed beside another that no brakes explain. With a stop of
//! one who was moving, soon after it, it is a candidate; the stop's lasting confirms it. The candidate is told at once,
//! because help should not wait for certainty.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::body::{Body, common_unit};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::encounter::encounter;
use super::params::{Check, Common, ParamError, params, read};
use super::roles::ROAD_USERS;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::trace::Trace;
use super::traffic::Traffic;
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity};

const NAME: &str = "collision";

/// How long after contact its jolt may show: the velocity is an average over the window.
const JOLT_WITHIN: Duration = Duration::from_secs(1);
/// What a road user did for so long before the impact is what it did before it.
const BEFORE: Duration = Duration::from_secs(1);
/// How near another must be when brakes do not explain a loss of speed, metres.
const BESIDE_METRES: f64 = 1.0;
/// Slower than this is standing; faster than twice this is moving again. Metres per second.
const STANDS: f64 = 0.7;
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

/// Two tracks, the smaller id first.
type Key = (TrackId, TrackId);

/// Contact at speed, perhaps an impact, perhaps a collision.
#[derive(Debug)]
struct Impact {
    at: MediaTime,
    closing_speed: f64,
    /// The hardest jolt of either so far, and whether it is proof.
    jolt: f64,
    cue: Option<Cue>,
    sides: [Side; 2],
    told: Option<Told>,
}

/// What proves an impact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cue {
    Contact,
    LossOfSpeed,
}

/// One of the two.
#[derive(Debug, Clone, Copy)]
struct Side {
    sight: Sight,
    /// Speed before the impact, metres per second.
    speed_before: f64,
    /// Since when it stands, once it does.
    stands_since: Option<MediaTime>,
    /// The tracker still knows it.
    alive: bool,
}

/// What was reported.
#[derive(Debug, Clone, Copy)]
struct Told {
    ordinal: u32,
    stopped_since: MediaTime,
    confirmed: bool,
}

struct Collision {
    params: Params,
    common: Common,
    traffic: Traffic,
    impacts: BTreeMap<Key, Impact>,
    /// How many were reported of a track, as the first of a pair.
    told: BTreeMap<TrackId, u32>,
}

impl Rule for Collision {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for evicted in self.traffic.observe(frame, &self.common) {
            self.lose(evicted, frame.at, EndReason::Evicted, out);
        }
        self.detect(frame);
        let keys: Vec<Key> = self.impacts.keys().copied().collect();
        for key in keys {
            self.follow(key, frame, out);
        }
        while self.impacts.len() > MAX_IMPACTS {
            let oldest = self.impacts.iter().min_by_key(|(key, impact)| (impact.at, **key)).map(|(key, _)| *key);
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
        for (key, impact) in &self.impacts {
            let stopped = impact.stopped_since().map_or(Duration::ZERO, |since| at.since(since));
            let least = self.params.confirm_after.duration().as_secs_f64();
            out.push(Margin::at_least(Some(key.0), "stopped_seconds", stopped.as_secs_f64(), least));
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
    /// Finds new contacts and the jolts that make impacts of them.
    fn detect(&mut self, frame: &FrameView<'_>) {
        let zone = self.params.zone.as_ref().and_then(|zone| frame.scene.zones.get(zone));
        if self.params.zone.is_some() && zone.is_none() {
            return;
        }
        // Beside each other, or once in contact: of all others nothing is asked.
        let pairs = self.traffic.pairs(frame.at, Duration::ZERO, |(a, a_reach), (b, b_reach)| {
            a_reach.may_be_beside(b_reach, BESIDE_METRES) || self.impacts.contains_key(&(a.sight.id, b.sight.id))
        });
        for (a, b) in pairs {
            if zone.is_some_and(|z| !z.contains(a.sight.bbox.anchor()) && !z.contains(b.sight.bbox.anchor())) {
                continue;
            }
            let key = (a.sight.id, b.sight.id);
            let jolts = || [a, b].into_iter().filter_map(Trace::jolt);
            if let Some(impact) = self.impacts.get_mut(&key) {
                if impact.cue.is_none() && frame.at.since(impact.at) <= JOLT_WITHIN {
                    impact.jolt = jolts().map(|jolt| jolt.change).fold(impact.jolt, f64::max);
                    impact.cue = (impact.jolt >= self.params.jolt).then_some(Cue::Contact);
                }
                continue;
            }
            let Some(mut impact) = impact(a, b, frame.at, &self.params) else { continue };
            impact.jolt = jolts().map(|jolt| jolt.change).fold(0.0, f64::max);
            let braking = jolts().map(|jolt| jolt.braking).fold(0.0, f64::max);
            impact.cue = match impact.cue {
                Some(Cue::Contact) => (impact.jolt >= self.params.jolt).then_some(Cue::Contact),
                _ if braking >= self.params.braking_limit => Some(Cue::LossOfSpeed),
                _ => continue,
            };
            self.impacts.insert(key, impact);
        }
    }

    /// Follows who stands since, and tells what is to be told.
    fn follow(&mut self, key: Key, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let at = frame.at;
        let Some(impact) = self.impacts.get_mut(&key) else { return };
        for side in &mut impact.sides {
            let Some(trace) = self.traffic.get(side.sight.id).filter(|trace| trace.sight.at == at) else { continue };
            side.sight = trace.sight;
            let Some(speed) = trace.now().map(Body::speed) else { continue };
            let was_moving = side.speed_before >= self.params.impact_speed;
            if speed >= 2.0 * STANDS {
                side.stands_since = None;
            } else if speed <= STANDS && was_moving {
                side.stands_since.get_or_insert(at);
            }
        }
        let stopped = impact.stopped_since();
        match (impact.told, stopped) {
            (None, stopped) => {
                let in_time = |since: MediaTime| since.since(impact.at) <= self.params.stop_within.duration();
                let begun = stopped.filter(|since| in_time(*since));
                let given_up = at.since(impact.at) > self.params.stop_within.duration() + STOPPED;
                let no_impact = impact.cue.is_none() && at.since(impact.at) > JOLT_WITHIN;
                if no_impact || (begun.is_none() && given_up) {
                    self.impacts.remove(&key);
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
        let Some(impact) = self.impacts.get_mut(&key) else { return };
        let old_enough = |id: TrackId| {
            frame.tracks.iter().find(|track| track.id == id).is_none_or(|t| self.common.old_enough(t, frame.at))
        };
        if !old_enough(key.0) || !old_enough(key.1) || !self.common.cooldown.pass(frame.at) {
            return;
        }
        let ordinal = self.told.entry(key.0).or_default();
        impact.told = Some(Told { ordinal: *ordinal, stopped_since: since, confirmed: false });
        *ordinal = ordinal.saturating_add(1);
        let [first, second] = impact.sides.map(|side| frame.scene.labels.name(side.sight.class));
        let stopped = frame.at.since(since).as_secs_f64();
        let summary = format!("{first} and {second} may have collided: one stands since, for {stopped:.1} s");
        let mut measured = impact.measured(frame.at);
        measured.insert("other_class".to_owned(), second.into_owned().into());
        measured.insert("plane".to_owned(), if frame.scene.ground.is_some() { "ground" } else { "picture" }.into());
        out.push(draft(&self.params, &self.common, Phase::Start, impact, frame.at, summary, measured));
    }

    fn confirm(&mut self, key: Key, since: MediaTime, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(impact) = self.impacts.get_mut(&key) else { return };
        if let Some(told) = &mut impact.told {
            (told.confirmed, told.stopped_since) = (true, since);
        }
        let summary = format!("collision confirmed: one stands for {:.1} s", at.since(since).as_secs_f64());
        out.push(draft(&self.params, &self.common, Phase::Update, impact, at, summary, impact.measured(at)));
    }

    /// One of the two is known no more; whoever stays is followed on.
    fn lose(&mut self, id: TrackId, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let keys: Vec<Key> = self.impacts.keys().filter(|(a, b)| *a == id || *b == id).copied().collect();
        for key in keys {
            let Some(impact) = self.impacts.get_mut(&key) else { continue };
            for side in impact.sides.iter_mut().filter(|side| side.sight.id == id) {
                (side.alive, side.stands_since) = (false, None);
            }
            let nobody_stays = impact.sides.iter().all(|side| !side.alive);
            if nobody_stays || (impact.told.is_some() && impact.stopped_since().is_none()) {
                self.close(key, at, reason, out);
            }
        }
        self.tidy(id);
    }

    /// The number of a track's collisions is kept while there may be another.
    fn tidy(&mut self, id: TrackId) {
        if self.traffic.get(id).is_none() && !self.impacts.keys().any(|(first, _)| *first == id) {
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
        let Some(impact) = self.impacts.remove(&key) else { return };
        self.tidy(key.0);
        let Some(told) = impact.told else { return };
        let mut measured = impact.measured(at);
        measured.insert("end_reason".to_owned(), reason.as_str().into());
        let what = if told.confirmed { "collision" } else { "possible collision" };
        let summary = format!("{what} is over: {}", reason.as_str());
        out.push(draft(&self.params, &self.common, Phase::End, &impact, at, summary, measured));
    }
}

/// The two in contact at speed, or beside each other; none when they are apart.
fn impact(a: &Trace, b: &Trace, at: MediaTime, params: &Params) -> Option<Impact> {
    let (body, other) = (a.now()?, b.now()?);
    let metres = common_unit(body, other)?;
    if !body.footprint.overlaps(&other.footprint, BESIDE_METRES / metres) {
        return None;
    }
    let met = encounter(a, b);
    let contact = met.filter(|met| met.ttc_seconds <= 0.0 && met.sure_closing() >= params.impact_speed);
    let closing_speed = met.map_or(0.0, |met| met.approach_speed.max(0.0));
    let side = |trace: &Trace| Side {
        sight: trace.sight,
        speed_before: trace.path().filter(|b| at.since(b.at) <= BEFORE).map(Body::speed).fold(0.0, f64::max),
        stands_since: None,
        alive: true,
    };
    let cue = contact.map(|_| Cue::Contact);
    Some(Impact { at, closing_speed, jolt: 0.0, cue, sides: [side(a), side(b)], told: None })
}

impl Impact {
    /// Since when one of them stands who was moving.
    fn stopped_since(&self) -> Option<MediaTime> {
        self.sides.iter().filter_map(|side| side.stands_since).min()
    }

    fn measured(&self, at: MediaTime) -> Values {
        let [first, second] = &self.sides;
        let cue = match self.cue {
            Some(Cue::LossOfSpeed) => "loss_of_speed",
            _ => "contact",
        };
        let since = self.stopped_since().or(self.told.map(|told| told.stopped_since));
        values([
            ("confirmed", self.told.is_some_and(|told| told.confirmed).into()),
            ("cue", cue.into()),
            ("seconds_since_impact", seconds(at.since(self.at))),
            ("stopped_seconds", seconds(since.map_or(Duration::ZERO, |since| at.since(since)))),
            ("closing_metres_per_second", number(self.closing_speed as f32)),
            ("jolt_metres_per_second_squared", number(self.jolt as f32)),
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
    impact: &Impact,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    let [first, _] = &impact.sides;
    let is_confirmed = impact.told.is_some_and(|told| told.confirmed);
    Draft {
        kind: NAME,
        phase,
        track: Some(first.sight.id),
        ordinal: impact.told.map_or(0, |told| told.ordinal),
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
