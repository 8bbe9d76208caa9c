//! `stopped_vehicle`: a vehicle stands on a running lane, and not in a queue. Definition and truth
//! table: `docs/rules/stopped_vehicle.md`.
//!
//! What a stand is, `stand.rs` says. Of the vehicles that stand, those that wait (in a queue, at a red
//! light) and those that are parked are told from those that have broken down.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::area::Area;
use super::behind::{STARTS_WITHIN, Stopped, direction_at, waits};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::place::Place;
use super::roles::Role;
use super::scene::{Scene, SceneNames};
use super::stand::{MIN_OBSERVATIONS, Over, Stand, Standing};
use super::table::{Compiled, Kind};
use super::wire::{Direction, Passage, Wire};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{Phase, Severity};

const NAME: &str = "stopped_vehicle";

/// A vehicle that has stood for so long counts towards a queue.
const QUEUED_AFTER: Duration = Duration::from_secs(2);
/// Whoever waits behind a vehicle hides it: it is believed to stand there for so long.
const HIDDEN: Duration = Duration::from_secs(30);
/// A vehicle not observed for so long counts no more towards a queue.
const OUT_OF_SIGHT: Duration = Duration::from_secs(5);
/// Whoever crosses the stop line so soon after a vehicle stopped may still have used the amber light.
const AMBER: Duration = Duration::from_secs(3);
/// So many must cross the stop line past a standing vehicle to show that the light is green: one may jump it.
const RELEASED_BY: u32 = 2;
/// How far an anchor must be from the stop line to be clear of it, in picture heights.
const LINE_HYSTERESIS: f32 = 0.01;

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

/// What to do about vehicles that nobody saw arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AlreadyStanding {
    /// They are parked: say nothing.
    Suppress,
    /// Report them too: somebody may have broken down before the camera looked.
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
    /// Zones in which a standing vehicle is parked, and never reported.
    parking: Vec<String> = Vec::new(),
    /// Whether a vehicle that stood there when it was first seen is reported.
    already_standing: AlreadyStanding = AlreadyStanding::Report,
    /// The stop line of the lane's traffic light, drawn so that the traffic crosses it forward.
    signal_line: Option<String> = None,
    /// The light is never red for longer.
    max_red: Span = Span::from_secs(120),
    /// How often a stop that goes on is reported again.
    update_every: Span = Span::from_secs(30),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let (common, area) = (params.common(VEHICLES), Area::new(params.lane.as_ref(), params.zone.as_ref()));
    Ok(Compiled { rule: Box::new(StoppedVehicle { area, params, common, vehicles: PerTrack::new() }), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    Area::check(&mut check, params.lane.as_ref(), params.zone.as_ref());
    params.parking.iter().for_each(|zone| check.zone("parking", zone));
    if let Some(line) = &params.signal_line {
        check.tripwire("signal_line", line);
    }
    check.classes(&params.classes, VEHICLES);
    check.at_least("stopped_for", params.stopped_for, Span::from_secs(2));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.at_least("max_red", params.max_red, params.stopped_for);
    check.finish()
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    standing: Standing,
    in_area: bool,
    parked: bool,
    /// How it comes to the stop line, if there is one.
    passage: Option<Passage>,
    /// How many crossed the stop line past it since it stands.
    passed_by: u32,
    /// When that showed that the light is green.
    released_at: Option<MediaTime>,
    /// When it was last seen to wait behind another since it stands.
    waited_at: Option<MediaTime>,
    /// When the stop was last reported, once it was.
    reported_at: Option<MediaTime>,
    /// Stops reported before.
    stops: u32,
    sight: Sight,
}

struct StoppedVehicle {
    area: Area,
    params: Params,
    common: Common,
    vehicles: PerTrack<Vehicle>,
}

impl Rule for StoppedVehicle {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        if self.area.polygon(frame.scene).is_none() {
            return;
        }
        let wire = self.params.signal_line.as_ref().and_then(|line| Wire::of(frame.scene, line));
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let (sight, place) = (Sight::new(track, frame.at), frame.scene.in_heights(track.anchor()));
            let (height, allowed) = (track.bbox.height(), self.params.max_move as f32 * track.bbox.height());
            let mut fresh = false;
            let vehicle = self.vehicles.touch(track.id, frame.at, || {
                fresh = true;
                let passage = wire.is_some().then(|| Passage::new(track.anchor()));
                Vehicle::new(Standing::new(frame.at, place, allowed), passage, sight)
            });
            vehicle.sight = sight;
            let over = vehicle.standing.observe(frame.at, place, allowed, height);
            if let Some(over) = &over {
                if vehicle.reported_at.take().is_some() {
                    out.push(ending(&self.params, &self.area, &self.common, vehicle, frame.at, over, EndReason::Moved));
                    vehicle.stops = vehicle.stops.saturating_add(1);
                }
                (vehicle.passed_by, vehicle.released_at, vehicle.waited_at) = (0, None, None);
            }
            if fresh || over.is_some() {
                vehicle.locate(&self.area, &self.params, frame.scene);
            }
            if let (Some(wire), Some(passage)) = (&wire, &mut vehicle.passage) {
                let crossed = passage.advance(track.anchor(), wire, LINE_HYSTERESIS);
                if crossed.is_some_and(|crossed| crossed.direction == Direction::Forward) {
                    self.release(track.id, frame.at);
                }
            }
        }
        if self.params.in_queue == InQueue::Suppress {
            self.look_ahead(frame);
        }
        self.report(frame, wire.as_ref(), out);
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

    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let wire = self.params.signal_line.as_ref().and_then(|line| Wire::of(scene, line));
        let queued = self.vehicles.states().filter(|vehicle| vehicle.is_queued(at)).count();
        for (id, vehicle) in self.vehicles.iter() {
            let id = Some(id);
            let since = self.clock(vehicle, wire.as_ref());
            let stopped = at.since(since).as_secs_f64();
            let least = self.params.stopped_for.duration().as_secs_f64();
            out.push(Margin::at_least(id, "in_area", f64::from(u8::from(vehicle.in_area)), 1.0));
            out.push(Margin::at_most(id, "parked", f64::from(u8::from(vehicle.parked)), 0.0));
            out.push(Margin::at_least(id, "stopped_seconds", stopped, least));
            let seen = f64::from(vehicle.standing.stand().observations);
            out.push(Margin::at_least(id, "observations", seen, f64::from(MIN_OBSERVATIONS)));
            if self.params.in_queue == InQueue::Suppress {
                let others = queued - usize::from(vehicle.is_queued(at));
                let most = f64::from(self.params.queue_min) - 1.0;
                out.push(Margin::at_most(id, "others_standing", others as f64, most));
                if let Some(waited_at) = vehicle.waited_at {
                    let since = at.since(waited_at).as_secs_f64();
                    out.push(Margin::at_least(id, "waited_seconds_ago", since, STARTS_WITHIN.as_secs_f64()));
                }
            }
        }
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl StoppedVehicle {
    /// Somebody has crossed the stop line: whoever still stands before it was not held back by the light.
    fn release(&mut self, crosser: TrackId, at: MediaTime) {
        for vehicle in self.vehicles.states_mut().filter(|vehicle| vehicle.sight.id != crosser) {
            if vehicle.released_at.is_none() && at.since(vehicle.standing.stand().since) >= AMBER {
                vehicle.passed_by += 1;
                vehicle.released_at = (vehicle.passed_by >= RELEASED_BY).then_some(at);
            }
        }
    }

    /// From when on a stand counts: not while the light may hold the vehicle back.
    fn clock(&self, vehicle: &Vehicle, wire: Option<&Wire<'_>>) -> MediaTime {
        let since = vehicle.standing.stand().since;
        let before_line = |wire: &Wire<'_>| wire.offset(vehicle.sight.bbox.anchor()) < 0.0;
        if !wire.is_some_and(before_line) {
            return since;
        }
        // Without a release the light is green again at the latest after `max_red`.
        let green = since + self.params.max_red.duration().saturating_sub(self.params.stopped_for.duration());
        vehicle.released_at.map_or(green, |released| released.min(green))
    }

    /// Notes who waits behind another; before a stop is due, so that it is known when the one in front leaves.
    fn look_ahead(&mut self, frame: &FrameView<'_>) {
        let due = self.params.stopped_for.duration().saturating_sub(STARTS_WITHIN).max(QUEUED_AFTER);
        let others: Vec<Stopped> = self.vehicles.states().filter_map(|vehicle| vehicle.stopped(frame.at)).collect();
        for vehicle in self.vehicles.states_mut().filter(|vehicle| vehicle.sight.at == frame.at) {
            let stand = vehicle.standing.stand();
            if !vehicle.in_area || vehicle.reported_at.is_some() || frame.at.since(stand.since) < due {
                continue;
            }
            let direction = match self.area.lane().and_then(|lane| frame.scene.lanes.get(lane)) {
                Some(lane) => Some(lane.direction()),
                None => direction_at(vehicle.sight.bbox.anchor(), frame.scene),
            };
            let own = Stopped { bbox: vehicle.sight.bbox, since: stand.since };
            if direction.is_some_and(|direction| waits(&own, others.iter().copied(), direction, frame.scene)) {
                vehicle.waited_at = Some(frame.at);
            }
        }
    }

    /// Starts and updates, once every vehicle of the frame is up to date: a queue is a matter of all.
    fn report(&mut self, frame: &FrameView<'_>, wire: Option<&Wire<'_>>, out: &mut Vec<Draft>) {
        let queued = self.vehicles.states().filter(|vehicle| vehicle.is_queued(frame.at)).count();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let Some(vehicle) = self.vehicles.get(track.id) else { continue };
            // Looked at only where it is seen to stand now.
            if vehicle.standing.is_away() || vehicle.sight.at != frame.at {
                continue;
            }
            let stand = *vehicle.standing.stand();
            let counted = frame.at.since(self.clock(vehicle, wire));
            let phase = match vehicle.reported_at {
                Some(last) if frame.at.since(last) >= self.params.update_every.duration() => Phase::Update,
                None if vehicle.in_area
                    && !vehicle.parked
                    && stand.observations >= MIN_OBSERVATIONS
                    && counted >= self.params.stopped_for.duration() =>
                {
                    Phase::Start
                }
                _ => continue,
            };
            let others = queued - usize::from(vehicle.is_queued(frame.at));
            if phase == Phase::Start {
                let in_queue = u32::try_from(others).is_ok_and(|others| others >= self.params.queue_min);
                let waits = vehicle.waited_at.is_some_and(|at| frame.at.since(at) < STARTS_WITHIN);
                let silent = waits
                    || (in_queue && self.params.in_queue == InQueue::Suppress)
                    || (!vehicle.standing.has_arrived() && self.params.already_standing == AlreadyStanding::Suppress);
                if silent || !self.common.old_enough(track, frame.at) || !self.common.cooldown.pass(frame.at) {
                    continue;
                }
            }
            let Some(vehicle) = self.vehicles.get_mut(track.id) else { continue };
            vehicle.reported_at = Some(frame.at);
            let class = frame.scene.labels.name(track.class);
            let still = if phase == Phase::Start { "has stood" } else { "still stands" };
            let lasted = frame.at.since(stand.since);
            let summary = format!("{class} {still} in {} for {:.1} s", self.area.name(), lasted.as_secs_f64());
            let mut measured = measured(vehicle, &stand, lasted);
            measured.insert("others_standing".to_owned(), others.into());
            measured.insert("seen_arriving".to_owned(), vehicle.standing.has_arrived().into());
            if wire.is_some() {
                measured.insert("passed_by".to_owned(), vehicle.passed_by.into());
            }
            out.push(draft(&self.params, &self.area, &self.common, vehicle, phase, frame.at, summary, measured));
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if vehicle.reported_at.is_some() {
            let over = Over { stand: *vehicle.standing.stand(), at: vehicle.sight.at };
            out.push(ending(&self.params, &self.area, &self.common, vehicle, at, &over, reason));
        }
    }
}

impl Vehicle {
    fn new(standing: Standing, passage: Option<Passage>, sight: Sight) -> Self {
        Self {
            standing,
            in_area: false,
            parked: false,
            passage,
            passed_by: 0,
            released_at: None,
            waited_at: None,
            reported_at: None,
            stops: 0,
            sight,
        }
    }

    /// A new stand has begun: where is it?
    fn locate(&mut self, area: &Area, params: &Params, scene: &Scene) {
        let (stand, role) = (self.standing.stand(), Role::of(&scene.labels.name(self.sight.class)));
        let place = Place::of(stand, &self.sight.bbox, role, area.lane(), scene);
        self.in_area = match area.lane() {
            Some(lane) => place.is_in_lane(lane, scene),
            None => area.polygon(scene).is_some_and(|zone| place.is_in(zone)),
        };
        let mut parking = params.parking.iter().filter_map(|zone| scene.zones.get(zone));
        self.parked = parking.any(|zone| stand.is_in(zone, scene));
    }

    /// As somebody to wait behind: no parked vehicle is.
    fn stopped(&self, at: MediaTime) -> Option<Stopped> {
        let since = self.standing.stand().since;
        let stands = !self.parked
            && at.since(since) >= QUEUED_AFTER
            && at.since(self.sight.at) <= HIDDEN
            && !self.standing.is_away();
        stands.then_some(Stopped { bbox: self.sight.bbox, since })
    }

    fn is_queued(&self, at: MediaTime) -> bool {
        self.in_area
            && !self.parked
            && at.since(self.standing.stand().since) >= QUEUED_AFTER
            && at.since(self.sight.at) <= OUT_OF_SIGHT
            && !self.standing.is_away()
    }
}

fn measured(vehicle: &Vehicle, stand: &Stand, lasted: Duration) -> Values {
    let height = vehicle.sight.bbox.height();
    let strayed = if height > 0.0 { stand.strayed / height } else { 0.0 };
    values([
        ("stopped_seconds", seconds(lasted)),
        ("moved_box_heights", number(strayed)),
        ("observations", stand.observations.into()),
    ])
}

fn ending(
    params: &Params,
    area: &Area,
    common: &Common,
    vehicle: &Vehicle,
    at: MediaTime,
    over: &Over,
    reason: EndReason,
) -> Draft {
    let lasted = over.at.since(over.stand.since);
    let summary = format!("stop in {} ended after {:.1} s", area.name(), lasted.as_secs_f64());
    let mut measured = measured(vehicle, &over.stand, lasted);
    measured.insert("end_reason".to_owned(), reason.as_str().into());
    draft(params, area, common, vehicle, Phase::End, at, summary, measured)
}

#[allow(clippy::too_many_arguments)] // a draft is made of so many things
fn draft(
    params: &Params,
    area: &Area,
    common: &Common,
    vehicle: &Vehicle,
    phase: Phase,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    let mut thresholds = values([
        (area.what(), Value::from(area.name())),
        ("stopped_for_seconds", seconds(params.stopped_for.duration())),
        ("max_move_box_heights", params.max_move.into()),
        ("queue_min", params.queue_min.into()),
    ]);
    if let Some(line) = &params.signal_line {
        thresholds.insert("signal_line".to_owned(), line.as_str().into());
        thresholds.insert("max_red_seconds".to_owned(), seconds(params.max_red.duration()));
    }
    Draft {
        kind: NAME,
        phase,
        track: Some(vehicle.sight.id),
        ordinal: vehicle.stops,
        class: Some(vehicle.sight.class),
        bbox: Some(vehicle.sight.bbox),
        severity: common.severity,
        summary,
        thresholds,
        measured,
        at,
    }
}
