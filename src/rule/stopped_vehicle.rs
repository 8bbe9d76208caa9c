//! `stopped_vehicle`: a vehicle stands on a running lane, and not in a queue. Definition and truth
//! table: `docs/rules/stopped_vehicle.md`.
//!
//! A vehicle *stands* while its smoothed anchor stays within `max_move` box heights of where the
//! stand began. Being farther off must last [`SETTLE`] to end a stand, so that a passer-by who hides
//! the wheels for a moment does not. A creeping vehicle keeps leaving its mark and starts anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::plane::Vec2;
use super::scene::{Scene, SceneNames};
use super::smooth::Recent;
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormPoint, Phase, Polygon, Severity};

const NAME: &str = "stopped_vehicle";

/// How long a vehicle must be away from where it stood before the stand is over.
const SETTLE: Duration = Duration::from_secs(1);
/// A vehicle that has stood for so long counts towards a queue.
const QUEUED_AFTER: Duration = Duration::from_secs(2);
/// A vehicle not observed for so long counts no more towards a queue.
const OUT_OF_SIGHT: Duration = Duration::from_secs(5);
/// A stand is believed only with so many observations, however long they span.
const MIN_OBSERVATIONS: u32 = 5;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a vehicle that stands on a lane or zone for a time and is not part of a queue",
    required: &[],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What to do about vehicles that stand in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum InQueue {
    /// Keep silent until the queue has gone.
    Suppress,
    /// Report them too.
    Report,
}

params! {
    /// Parameters of `stopped_vehicle`.
    struct Params with Severity::Alert;
    /// The lane; either this or `zone`.
    lane: Option<String> = None,
    /// The zone; either this or `lane`.
    zone: Option<String> = None,
    /// How long a vehicle stands before it is reported.
    stopped_for: Span = Span::from_secs(8),
    /// How far a standing vehicle's anchor may stray, in heights of its box.
    #[schemars(range(min = 0.01, max = 2.0))]
    max_move: f64 = 0.2,
    /// So many other vehicles standing in the same lane or zone make a queue.
    #[schemars(range(min = 1, max = 1000))]
    queue_min: u32 = 3,
    /// Whether a vehicle in a queue is reported.
    in_queue: InQueue = InQueue::Suppress,
    /// How often a stop that goes on is reported again.
    update_every: Span = Span::from_secs(30),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(VEHICLES);
    Ok(Compiled { rule: Box::new(StoppedVehicle { params, common, vehicles: PerTrack::new() }), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    match (&params.lane, &params.zone) {
        (Some(_), Some(_)) => check.fail("zone", "give either `lane` or `zone`, not both".to_owned(), None),
        (None, None) if !check.has_failed("zone") => {
            check.fail("lane", "is missing: give `lane` or `zone`".to_owned(), None);
        }
        _ => {}
    }
    if let Some(lane) = &params.lane {
        check.lane("lane", lane);
    }
    if let Some(zone) = &params.zone {
        check.zone("zone", zone);
    }
    check.classes(&params.classes, VEHICLES);
    check.at_least("stopped_for", params.stopped_for, Span::from_secs(2));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.finish()
}

impl Params {
    fn area<'s>(&self, scene: &'s Scene) -> Option<&'s Polygon> {
        match (&self.lane, &self.zone) {
            (Some(lane), _) => scene.lanes.get(lane).map(|lane| &lane.polygon),
            (None, Some(zone)) => scene.zones.get(zone),
            (None, None) => None,
        }
    }

    fn area_name(&self) -> &str {
        self.lane.as_deref().or(self.zone.as_deref()).unwrap_or_default()
    }
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    recent: Recent,
    stand: Stand,
    /// The first sight away from the stand, while it may still be a flicker.
    away_since: Option<MediaTime>,
    /// When the stop was last reported, once it was.
    reported_at: Option<MediaTime>,
    /// Stops reported before.
    stops: u32,
    sight: Sight,
}

/// Where and since when a vehicle stands; a moving one makes a new stand all the time.
#[derive(Debug)]
struct Stand {
    place: Vec2,
    /// In picture heights.
    allowed: f32,
    since: MediaTime,
    observations: u32,
    /// Farthest smoothed anchor from `place` so far, in picture heights, within what is allowed.
    strayed: f32,
    in_area: bool,
}

struct StoppedVehicle {
    params: Params,
    common: Common,
    vehicles: PerTrack<Vehicle>,
}

impl Rule for StoppedVehicle {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(area) = self.params.area(frame.scene) else { return };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let sight = Sight::new(track, frame.at);
            let position = frame.scene.in_heights(track.anchor());
            let stand = |place: Vec2, since: MediaTime| Stand {
                place,
                allowed: self.params.max_move as f32 * track.bbox.height(),
                since,
                observations: 1,
                strayed: 0.0,
                in_area: area.contains(NormPoint::new(place.x / frame.scene.aspect, place.y)),
            };
            let vehicle = self.vehicles.touch(track.id, frame.at, || Vehicle {
                recent: Recent::default(),
                stand: stand(position, frame.at),
                away_since: None,
                reported_at: None,
                stops: 0,
                sight,
            });
            vehicle.sight = sight;
            let (since, place) = vehicle.recent.push(frame.at, position);
            if vehicle.has_left(place, frame.at) {
                let ended = vehicle.away_since.unwrap_or(frame.at);
                if vehicle.reported_at.take().is_some() {
                    let lasted = ended.since(vehicle.stand.since);
                    out.push(ending(&self.params, &self.common, vehicle, frame.at, lasted, EndReason::Moved));
                    vehicle.stops = vehicle.stops.saturating_add(1);
                }
                vehicle.stand = stand(place, since);
                vehicle.away_since = None;
            }
        }
        self.report(frame, out);
        while let Some(vehicle) = self.vehicles.take_excess() {
            self.close(&vehicle, frame.at, EndReason::Evicted, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.close_all(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        if let Some(vehicle) = self.vehicles.remove(id) {
            self.close(&vehicle, at, EndReason::TrackEnded, out);
        }
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let queued = self.vehicles.states().filter(|vehicle| vehicle.is_queued(at)).count();
        for (id, vehicle) in self.vehicles.iter() {
            let id = Some(id);
            let stopped = at.since(vehicle.stand.since).as_secs_f64();
            let least = self.params.stopped_for.duration().as_secs_f64();
            out.push(Margin::at_least(id, "in_area", f64::from(u8::from(vehicle.stand.in_area)), 1.0));
            out.push(Margin::at_least(id, "stopped_seconds", stopped, least));
            let seen = f64::from(vehicle.stand.observations);
            out.push(Margin::at_least(id, "observations", seen, f64::from(MIN_OBSERVATIONS)));
            if self.params.in_queue == InQueue::Suppress {
                let others = queued - usize::from(vehicle.is_queued(at));
                let most = f64::from(self.params.queue_min) - 1.0;
                out.push(Margin::at_most(id, "others_standing", others as f64, most));
            }
        }
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl StoppedVehicle {
    /// Starts and updates, once every vehicle of the frame is up to date: a queue is a matter of all.
    fn report(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let queued = self.vehicles.states().filter(|vehicle| vehicle.is_queued(frame.at)).count();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let Some(vehicle) = self.vehicles.get_mut(track.id) else { continue };
            let lasted = frame.at.since(vehicle.stand.since);
            // Looked at only where it is seen to stand now.
            if vehicle.away_since.is_some() || vehicle.sight.at != frame.at {
                continue;
            }
            let phase = match vehicle.reported_at {
                Some(last) if frame.at.since(last) >= self.params.update_every.duration() => Phase::Update,
                None if vehicle.stand.in_area
                    && vehicle.stand.observations >= MIN_OBSERVATIONS
                    && lasted >= self.params.stopped_for.duration() =>
                {
                    Phase::Start
                }
                _ => continue,
            };
            let others = queued - usize::from(vehicle.is_queued(frame.at));
            if phase == Phase::Start {
                let in_queue = u32::try_from(others).is_ok_and(|others| others >= self.params.queue_min);
                let silent = in_queue && self.params.in_queue == InQueue::Suppress;
                if silent || !self.common.old_enough(track, frame.at) || !self.common.cooldown.pass(frame.at) {
                    continue;
                }
            }
            vehicle.reported_at = Some(frame.at);
            let class = frame.scene.labels.name(track.class);
            let still = if phase == Phase::Start { "has stood" } else { "still stands" };
            let summary = format!("{class} {still} in {} for {:.1} s", self.params.area_name(), lasted.as_secs_f64());
            let mut measured = measured(vehicle, lasted);
            measured.insert("others_standing".to_owned(), others.into());
            out.push(draft(&self.params, &self.common, vehicle, phase, frame.at, summary, measured));
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if vehicle.reported_at.is_some() {
            let lasted = vehicle.sight.at.since(vehicle.stand.since);
            out.push(ending(&self.params, &self.common, vehicle, at, lasted, reason));
        }
    }
}

impl Vehicle {
    /// Takes in the smoothed place; true when the stand is over.
    fn has_left(&mut self, place: Vec2, at: MediaTime) -> bool {
        let strayed = (place - self.stand.place).length();
        if strayed <= self.stand.allowed {
            self.away_since = None;
            self.stand.observations = self.stand.observations.saturating_add(1);
            self.stand.strayed = self.stand.strayed.max(strayed);
            return false;
        }
        // A stand as short as a flicker is none: whoever moves makes a new one at once.
        let away = at.since(*self.away_since.get_or_insert(at));
        away >= SETTLE || at.since(self.stand.since) < SETTLE * 2
    }

    fn is_queued(&self, at: MediaTime) -> bool {
        self.stand.in_area
            && at.since(self.stand.since) >= QUEUED_AFTER
            && at.since(self.sight.at) <= OUT_OF_SIGHT
            && self.away_since.is_none()
    }
}

fn measured(vehicle: &Vehicle, lasted: Duration) -> Values {
    let height = vehicle.sight.bbox.height();
    let strayed = if height > 0.0 { vehicle.stand.strayed / height } else { 0.0 };
    values([
        ("stopped_seconds", seconds(lasted)),
        ("moved_box_heights", number(strayed)),
        ("observations", vehicle.stand.observations.into()),
    ])
}

fn ending(
    params: &Params,
    common: &Common,
    vehicle: &Vehicle,
    at: MediaTime,
    lasted: Duration,
    reason: EndReason,
) -> Draft {
    let summary = format!("stop in {} ended after {:.1} s", params.area_name(), lasted.as_secs_f64());
    let mut measured = measured(vehicle, lasted);
    measured.insert("end_reason".to_owned(), reason.as_str().into());
    draft(params, common, vehicle, Phase::End, at, summary, measured)
}

fn draft(
    params: &Params,
    common: &Common,
    vehicle: &Vehicle,
    phase: Phase,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    Draft {
        kind: NAME,
        phase,
        track: Some(vehicle.sight.id),
        ordinal: vehicle.stops,
        class: Some(vehicle.sight.class),
        bbox: Some(vehicle.sight.bbox),
        severity: common.severity,
        summary,
        thresholds: values([
            (if params.lane.is_some() { "lane" } else { "zone" }, Value::from(params.area_name())),
            ("stopped_for_seconds", seconds(params.stopped_for.duration())),
            ("max_move_box_heights", params.max_move.into()),
            ("queue_min", params.queue_min.into()),
        ]),
        measured,
        at,
    }
}
