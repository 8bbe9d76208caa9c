//! `near_miss`: two road users nearly collide. Definition and truth table: `docs/rules/near_miss.md`.
//!
//! Each frame measures every pair of bodies: the time to collision at constant velocity, with the braking that would
//! still avoid it, and the post-encroachment time, how long after the one the other drives over the same ground. A
//! happening begins when a pair has been in conflict in several frames, and ends when it no longer is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::body::Body;
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::encounter::{Crossed, Encounter, crossed, encounter, memory};
use super::params::{Check, Common, ParamError, params, read};
use super::roles::ROAD_USERS;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::traffic::Traffic;
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity};

const NAME: &str = "near_miss";

/// A pair that is in conflict no longer for so long has got past each other.
const SETTLE: Duration = Duration::from_millis(1500);
/// How much harder whoever follows must brake before it is a conflict.
const FOLLOWING_BRAKING: f64 = 2.0;
/// Pairs in conflict at once; beyond it the one seen longest ago goes first.
const MAX_PAIRS: usize = 256;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports two road users that nearly collide, by time to collision or post-encroachment time",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `near_miss`.
    struct Params with Severity::Warning;
    /// The zone where at least one of the two is; anywhere when not given.
    zone: Option<String> = None,
    /// A shorter time to collision is a conflict.
    ttc: Span = Span::from_millis(1500),
    /// Braking that would be needed to avoid contact, in metres per second squared; below it the approach is a usual one.
    #[schemars(range(min = 0.0, max = 20.0))]
    braking: f64 = 3.35,
    /// A shorter post-encroachment time is a conflict.
    pet: Span = Span::from_millis(500),
    /// The two must come nearer at this speed, in metres per second.
    #[schemars(range(min = 0.5, max = 30.0))]
    closing_speed: f64 = 2.0,
    /// Frames that show the conflict.
    #[schemars(range(min = 1, max = 100))]
    observations: u32 = 4,
    /// A shorter time to collision or post-encroachment time than this makes it an alert.
    severe: Span = Span::from_millis(300),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(ROAD_USERS);
    let rule = NearMiss { params, common, traffic: Traffic::new(), pairs: BTreeMap::new(), misses: BTreeMap::new() };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    if let Some(zone) = &params.zone {
        check.zone("zone", zone);
    }
    check.classes(&params.classes, ROAD_USERS);
    check.at_most("ttc", params.ttc, Span::from_secs(10));
    check.at_most("pet", params.pet, Span::from_secs(3));
    check.finish()
}

impl Params {
    /// Whoever draws up behind another brakes harder as a matter of course.
    fn least_braking(&self, met: &Encounter) -> f64 {
        if met.is_following { FOLLOWING_BRAKING * self.braking } else { self.braking }
    }
}

/// Two tracks, the smaller id first.
type Key = (TrackId, TrackId);

/// A pair in conflict.
#[derive(Debug)]
struct Pair {
    since: MediaTime,
    last: MediaTime,
    hits: u32,
    /// The shortest times so far, with what was measured then.
    ttc: Option<Encounter>,
    pet: Option<Crossed>,
    /// Its number among those of the first track, once it was reported.
    told: Option<u32>,
    /// How the two looked last.
    sights: (Sight, Sight),
}

struct NearMiss {
    params: Params,
    common: Common,
    traffic: Traffic,
    pairs: BTreeMap<Key, Pair>,
    /// How many were reported of a track, as the first of a pair.
    misses: BTreeMap<TrackId, u32>,
}

impl Rule for NearMiss {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for evicted in self.traffic.observe(frame, &self.common) {
            self.drop_track(evicted, frame.at, EndReason::Evicted, out);
        }
        self.measure(frame);
        self.report(frame, out);
        let over: Vec<Key> =
            self.pairs.iter().filter(|(_, pair)| frame.at.since(pair.last) > SETTLE).map(|(key, _)| *key).collect();
        for key in over {
            self.close(key, frame.at, EndReason::Cleared, out);
        }
        while self.pairs.len() > MAX_PAIRS {
            let oldest = self.pairs.iter().min_by_key(|(key, pair)| (pair.last, **key)).map(|(key, _)| *key);
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
        self.drop_track(id, at, EndReason::TrackEnded, out);
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let (ttc, pet) = (self.params.ttc.duration().as_secs_f64(), self.params.pet.duration().as_secs_f64());
        for (a, trace) in self.traffic.present(at) {
            let others = || self.traffic.present(at).filter(|(b, _)| *b != a);
            let encounters = others().filter_map(|(_, other)| encounter(trace, other));
            // The one that came nearest to a conflict.
            let nearest = encounters.min_by(|a, b| a.ttc_seconds.total_cmp(&b.ttc_seconds));
            let id = Some(a);
            if let Some(nearest) = nearest {
                out.push(Margin::at_most(id, "ttc_seconds", nearest.ttc_seconds, ttc));
                let (closing, least) = (nearest.sure_closing(), nearest.least_closing(self.params.closing_speed));
                out.push(Margin::at_least(id, "closing_metres_per_second", closing, least));
                let braking = nearest.braking();
                let least = self.params.least_braking(&nearest);
                out.push(Margin::at_least(id, "braking_metres_per_second_squared", braking, least));
            }
            let crossings = others().filter_map(|(_, other)| crossed(trace, other, self.params.pet.duration()));
            if let Some(shortest) = crossings.map(|crossed| crossed.pet_seconds).min_by(f64::total_cmp) {
                out.push(Margin::at_most(id, "pet_seconds", shortest, pet));
            }
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.traffic.len()
    }
}

impl NearMiss {
    /// Measures every pair of this frame and remembers those in conflict.
    fn measure(&mut self, frame: &FrameView<'_>) {
        let ttc = self.params.ttc.duration().as_secs_f64();
        let zone = self.params.zone.as_ref().and_then(|zone| frame.scene.zones.get(zone));
        if self.params.zone.is_some() && zone.is_none() {
            return;
        }
        let pet = self.params.pet.duration();
        let pairs =
            self.traffic.pairs(frame.at, memory(pet), |(_, a), (_, b)| a.may_touch(b, ttc) || a.may_have_crossed(b));
        for (a, b) in pairs {
            let ids = (a.sight.id, b.sight.id);
            if zone.is_some_and(|z| !z.contains(a.sight.bbox.anchor()) && !z.contains(b.sight.bbox.anchor())) {
                continue;
            }
            let conflict = encounter(a, b).filter(|met| {
                met.ttc_seconds <= ttc
                    && met.is_sure
                    && met.sure_closing() >= met.least_closing(self.params.closing_speed)
                    && met.braking() >= self.params.least_braking(met)
            });
            let crossed =
                crossed(a, b, pet).filter(|crossed| crossed.slower_metres_per_second >= self.params.closing_speed);
            if conflict.is_none() && crossed.is_none() {
                continue;
            }
            let sights = (a.sight, b.sight);
            let pair = self.pairs.entry(ids).or_insert(Pair {
                since: frame.at,
                last: frame.at,
                hits: 0,
                ttc: None,
                pet: None,
                told: None,
                sights,
            });
            (pair.last, pair.hits, pair.sights) = (frame.at, pair.hits.saturating_add(1), sights);
            pair.ttc =
                [pair.ttc, conflict].into_iter().flatten().min_by(|a, b| a.ttc_seconds.total_cmp(&b.ttc_seconds));
            pair.pet = [pair.pet, crossed].into_iter().flatten().min_by(|a, b| a.pet_seconds.total_cmp(&b.pet_seconds));
        }
    }

    fn report(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for (key, pair) in &mut self.pairs {
            let is_enough = pair.hits >= self.params.observations || pair.pet.is_some();
            let proved = pair.told.is_none() && pair.last == frame.at && is_enough;
            let old_enough = |id: TrackId| {
                frame.tracks.iter().find(|track| track.id == id).is_some_and(|t| self.common.old_enough(t, frame.at))
            };
            if !proved || !old_enough(key.0) || !old_enough(key.1) || !self.common.cooldown.pass(frame.at) {
                continue;
            }
            let ordinal = self.misses.entry(key.0).or_default();
            pair.told = Some(*ordinal);
            *ordinal = ordinal.saturating_add(1);
            let labels = &frame.scene.labels;
            let (first, second) = (labels.name(pair.sights.0.class), labels.name(pair.sights.1.class));
            let mut measured = pair.measured();
            measured.insert("other_class".to_owned(), second.clone().into_owned().into());
            measured.insert("plane".to_owned(), if frame.scene.ground.is_some() { "ground" } else { "picture" }.into());
            let summary = format!("{first} and {second} nearly collide: {}", pair.in_words());
            out.push(draft(&self.params, &self.common, Phase::Start, pair, frame.at, summary, measured));
        }
    }

    fn drop_track(&mut self, id: TrackId, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let pairs: Vec<Key> = self.pairs.keys().filter(|(a, b)| *a == id || *b == id).copied().collect();
        for key in pairs {
            self.close(key, at, reason, out);
        }
        self.misses.remove(&id);
    }

    fn reset(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let pairs: Vec<Key> = self.pairs.keys().copied().collect();
        for key in pairs {
            self.close(key, at, reason, out);
        }
        self.traffic.clear();
        self.misses.clear();
    }

    fn close(&mut self, key: Key, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(pair) = self.pairs.remove(&key).filter(|pair| pair.told.is_some()) else { return };
        let mut measured = pair.measured();
        measured.insert("end_reason".to_owned(), reason.as_str().into());
        let summary = format!("near miss is over: {}", pair.in_words());
        out.push(draft(&self.params, &self.common, Phase::End, &pair, at, summary, measured));
    }
}

impl Pair {
    fn measured(&self) -> Values {
        let mut measured = values([
            ("other_track", self.sights.1.id.0.into()),
            ("other_bbox", serde_json::to_value(self.sights.1.bbox).unwrap_or_default()),
            ("observations", self.hits.into()),
            ("conflict_seconds", seconds(self.last.since(self.since))),
        ]);
        if let Some(met) = &self.ttc {
            measured.insert("ttc_seconds".to_owned(), number(met.ttc_seconds as f32));
            measured.insert("braking_metres_per_second_squared".to_owned(), number(met.braking() as f32));
            measured.insert("closing_metres_per_second".to_owned(), number(met.approach_speed as f32));
            measured.insert("closing_error_metres_per_second".to_owned(), number(met.approach_error as f32));
            let (a, b) = &met.bodies;
            measured.extend(place_and_speed(a, "position", "speed_metres_per_second"));
            measured.extend(place_and_speed(b, "other_position", "other_speed_metres_per_second"));
        }
        if let Some(crossed) = &self.pet {
            measured.insert("pet_seconds".to_owned(), number(crossed.pet_seconds as f32));
            measured.insert("crossing_degrees".to_owned(), number(crossed.degrees as f32));
            if self.ttc.is_none() {
                let (a, b) = &crossed.bodies;
                measured.extend(place_and_speed(a, "position", "speed_metres_per_second"));
                measured.extend(place_and_speed(b, "other_position", "other_speed_metres_per_second"));
            }
        }
        measured
    }

    fn in_words(&self) -> String {
        let ttc = self.ttc.map(|met| format!("time to collision {:.1} s", met.ttc_seconds));
        let pet = self.pet.map(|crossed| format!("post-encroachment time {:.1} s", crossed.pet_seconds));
        [ttc, pet].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The shortest of both times, seconds.
    fn shortest(&self) -> f64 {
        let ttc = self.ttc.map_or(f64::INFINITY, |met| met.ttc_seconds);
        ttc.min(self.pet.map_or(f64::INFINITY, |crossed| crossed.pet_seconds))
    }
}

fn place_and_speed(body: &Body, place: &str, speed: &str) -> [(String, Value); 2] {
    let at = body.footprint.centre;
    [
        (place.to_owned(), vec![number(at.x as f32), number(at.y as f32)].into()),
        (speed.to_owned(), number(body.speed() as f32)),
    ]
}

fn draft(
    params: &Params,
    common: &Common,
    phase: Phase,
    pair: &Pair,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    let is_severe = pair.shortest() <= params.severe.duration().as_secs_f64();
    Draft {
        kind: NAME,
        phase,
        track: Some(pair.sights.0.id),
        ordinal: pair.told.unwrap_or_default(),
        class: Some(pair.sights.0.class),
        bbox: Some(pair.sights.0.bbox),
        severity: if is_severe { Severity::Alert } else { common.severity },
        summary,
        thresholds: values([
            ("ttc_seconds", seconds(params.ttc.duration())),
            ("braking_metres_per_second_squared", params.braking.into()),
            ("pet_seconds", seconds(params.pet.duration())),
            ("closing_metres_per_second", params.closing_speed.into()),
            ("observations", params.observations.into()),
            ("severe_seconds", seconds(params.severe.duration())),
        ]),
        measured,
        at,
    }
}
