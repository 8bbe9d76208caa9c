//! `stopped_vehicle`: a vehicle stands on a running lane, and not in a queue. Definition and truth
//! table: `docs/rules/stopped_vehicle.md`.
//!
//! What a stand is, `stand.rs` says; it belongs to the place rather than to the track (`by_place.rs`). Of the vehicles
//! that stand, those that wait (in a queue, at a red light) and those that are parked are told from those that have
//! broken down.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::area::Area;
use super::behind::{STARTS_WITHIN, Stopped, direction_at, waits};
use super::by_place::{Arrival, ByPlace, Happening, Occupant, STANDS_AFTER};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::place::{Place, is_cut};
use super::roles::Role;
use super::scene::{Scene, SceneNames};
use super::stand::{MEAN, MIN_OBSERVATIONS, Over, Stand, Standing};
use super::table::{Compiled, Kind};
use super::wire::{Direction, Passage, Wire};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, NormPoint, Phase, Severity};

const NAME: &str = "stopped_vehicle";

/// How often it is looked where a vehicle stands, while the place of its stand is not settled.
const LOCATED_EVERY: Duration = Duration::from_secs(1);
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
/// What moves by so many heights of its box is a vehicle, however little of it is in the picture.
const MOVES: f32 = 0.3;
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
    /// A vehicle that was lost and is found at the same place within this time has stood there all the time.
    found_again: Span = Span::from_secs(30),
    /// How often a stop that goes on is reported again.
    update_every: Span = Span::from_secs(30),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let (common, area) = (params.common(VEHICLES), Area::new(params.lane.as_ref(), params.zone.as_ref()));
    let vehicles = ByPlace::new(params.found_again.duration());
    Ok(Compiled { rule: Box::new(StoppedVehicle { area, params, common, vehicles }), params: values })
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
    check.at_most("found_again", params.found_again, Span::from_secs(600));
    check.finish()
}

/// What is remembered of one vehicle, whatever its tracks were.
#[derive(Debug)]
struct Vehicle {
    standing: Standing,
    in_area: bool,
    parked: bool,
    /// When the two were looked at.
    located_at: MediaTime,
    /// How it comes to the stop line, if there is one.
    passage: Option<Passage>,
    /// How many crossed the stop line past it since it stands.
    passed_by: u32,
    /// When that showed that the light is green.
    released_at: Option<MediaTime>,
    /// When it was last seen to wait behind another since it stands.
    waited_at: Option<MediaTime>,
    reported: Option<Reported>,
    /// The middle of its box when it was first seen, and whether it has moved from there.
    origin: NormPoint,
    moved: bool,
    /// Observations since it stands in which the picture's edge cuts its box.
    cut: u32,
    /// Tracks that it had since it stands.
    tracks: u32,
    sight: Sight,
}

/// The happening that is open.
#[derive(Debug, Clone, Copy)]
struct Reported {
    happening: Happening,
    /// When it was last reported.
    at: MediaTime,
}

struct StoppedVehicle {
    area: Area,
    params: Params,
    common: Common,
    vehicles: ByPlace<Vehicle>,
}

impl Rule for StoppedVehicle {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        if self.area.polygon(frame.scene).is_none() {
            return;
        }
        for gone in self.vehicles.give_up(frame.at) {
            self.close(&gone, frame.at, EndReason::TrackEnded, out);
        }
        let wire = self.params.signal_line.as_ref().and_then(|line| Wire::of(frame.scene, line));
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let (sight, place) = (Sight::new(track, frame.at), frame.scene.in_heights(track.anchor()));
            let (height, allowed) = (track.bbox.height(), self.params.max_move as f32 * track.bbox.height());
            let (vehicle, arrival) = self.vehicles.touch(track, frame, || {
                let passage = wire.is_some().then(|| Passage::new(track.anchor()));
                Vehicle::new(Standing::new(frame.at, place, allowed), passage, sight)
            });
            if arrival == Arrival::FoundAgain {
                vehicle.tracks = vehicle.tracks.saturating_add(1);
            }
            vehicle.sight = sight;
            let over = vehicle.standing.observe(frame.at, place, allowed, height);
            if let Some(over) = &over {
                if let Some(Reported { happening, .. }) = vehicle.reported.take() {
                    let moved = EndReason::Moved;
                    out.push(ending(&self.params, &self.area, &self.common, vehicle, happening, frame.at, over, moved));
                }
                (vehicle.passed_by, vehicle.released_at, vehicle.waited_at) = (0, None, None);
                (vehicle.cut, vehicle.tracks) = (0, 1);
            }
            vehicle.cut = vehicle.cut.saturating_add(u32::from(is_cut(&sight.bbox)));
            vehicle.moved |= frame.scene.distance(vehicle.origin, sight.bbox.centre()) > MOVES * height;
            if arrival == Arrival::New || over.is_some() || vehicle.is_due_to_be_located(frame.at) {
                vehicle.locate(&self.area, &self.params, frame);
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
        for vehicle in self.vehicles.take_excess() {
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
        if let Some((gone, reason)) = self.vehicles.forget(id, at) {
            self.close(&gone, at, reason, out);
        }
    }

    fn margins(&self, at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let wire = self.params.signal_line.as_ref().and_then(|line| Wire::of(scene, line));
        let queued = self.vehicles.tracked().filter(|vehicle| vehicle.is_queued(at)).count();
        for (track, vehicle) in self.vehicles.iter() {
            let id = Some(track);
            let since = self.clock(vehicle, wire.as_ref());
            let stopped = at.since(since).as_secs_f64();
            let least = self.params.stopped_for.duration().as_secs_f64();
            out.push(Margin::at_least(id, "in_area", f64::from(u8::from(vehicle.in_area)), 1.0));
            out.push(Margin::at_most(id, "parked", f64::from(u8::from(vehicle.parked)), 0.0));
            out.push(Margin::at_least(id, "seen_whole_or_moving", f64::from(u8::from(vehicle.is_known())), 1.0));
            out.push(Margin::at_least(id, "stopped_seconds", stopped, least));
            let seen = f64::from(vehicle.standing.stand().observations);
            out.push(Margin::at_least(id, "observations", seen, f64::from(MIN_OBSERVATIONS)));
            let second_box = self.vehicles.is_second_box(track, vehicle.sight.bbox);
            out.push(Margin::at_most(id, "second_box", f64::from(u8::from(second_box)), 0.0));
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

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl StoppedVehicle {
    /// Somebody has crossed the stop line: whoever still stands before it was not held back by the light.
    fn release(&mut self, crosser: TrackId, at: MediaTime) {
        for vehicle in self.vehicles.tracked_mut().filter(|vehicle| vehicle.sight.id != crosser) {
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
        let others: Vec<Stopped> = self.vehicles.tracked().filter_map(|vehicle| vehicle.stopped(frame.at)).collect();
        for vehicle in self.vehicles.tracked_mut().filter(|vehicle| vehicle.sight.at == frame.at) {
            let stand = vehicle.standing.stand();
            if !vehicle.in_area || vehicle.reported.is_some() || frame.at.since(stand.since) < due {
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
        let queued = self.vehicles.tracked().filter(|vehicle| vehicle.is_queued(frame.at)).count();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let Some(vehicle) = self.vehicles.get(track.id) else { continue };
            // Looked at only where it is seen to stand now.
            if vehicle.standing.is_away() || vehicle.sight.at != frame.at {
                continue;
            }
            let stand = *vehicle.standing.stand();
            let counted = frame.at.since(self.clock(vehicle, wire));
            let phase = match vehicle.reported {
                Some(last) if frame.at.since(last.at) >= self.params.update_every.duration() => Phase::Update,
                None if vehicle.in_area
                    && !vehicle.parked
                    && vehicle.is_known()
                    && vehicle.standing.is_in_place()
                    && stand.observations >= MIN_OBSERVATIONS
                    && counted >= self.params.stopped_for.duration()
                    && frame.at.since(track.first_seen) >= STANDS_AFTER =>
                {
                    Phase::Start
                }
                _ => continue,
            };
            let others = queued - usize::from(vehicle.is_queued(frame.at));
            if phase == Phase::Start {
                let in_queue = u32::try_from(others).is_ok_and(|others| others >= self.params.queue_min);
                let waits = vehicle.waited_at.is_some_and(|at| frame.at.since(at) < STARTS_WITHIN);
                let second_box = self.vehicles.is_second_box(track.id, track.bbox);
                let silent = waits
                    || second_box
                    || (in_queue && self.params.in_queue == InQueue::Suppress)
                    || (!vehicle.standing.has_arrived() && self.params.already_standing == AlreadyStanding::Suppress);
                if silent || !self.common.old_enough(track, frame.at) || !self.common.cooldown.pass(frame.at) {
                    continue;
                }
            }
            let happening = match vehicle.reported {
                Some(reported) => reported.happening,
                None => self.vehicles.begin(track.id),
            };
            let Some(vehicle) = self.vehicles.get_mut(track.id) else { continue };
            vehicle.reported = Some(Reported { happening, at: frame.at });
            if phase == Phase::Start {
                vehicle.standing.hold();
            }
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
            let at = frame.at;
            out.push(draft(&self.params, &self.area, &self.common, vehicle, happening, phase, at, summary, measured));
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if let Some(Reported { happening, .. }) = vehicle.reported {
            let over = Over { stand: *vehicle.standing.stand(), at: vehicle.sight.at };
            out.push(ending(&self.params, &self.area, &self.common, vehicle, happening, at, &over, reason));
        }
    }
}

impl Occupant for Vehicle {
    fn bbox(&self) -> NormBox {
        self.sight.bbox
    }

    /// Whether it has stood in the area for more than a moment.
    fn stands(&self, at: MediaTime) -> bool {
        let stand = self.standing.stand();
        let lasted = self.sight.at.since(stand.since) >= STANDS_AFTER && stand.observations >= MIN_OBSERVATIONS;
        self.in_area && lasted && !self.standing.is_away() && at.since(self.sight.at) <= HIDDEN
    }

    fn is_reported(&self) -> bool {
        self.reported.is_some()
    }
}

impl Vehicle {
    fn new(standing: Standing, passage: Option<Passage>, sight: Sight) -> Self {
        Self {
            standing,
            in_area: false,
            parked: false,
            located_at: sight.at,
            passage,
            passed_by: 0,
            released_at: None,
            waited_at: None,
            reported: None,
            origin: sight.bbox.centre(),
            moved: false,
            cut: 0,
            tracks: 1,
            sight,
        }
    }

    fn is_due_to_be_located(&self, at: MediaTime) -> bool {
        let settled = self.located_at.since(self.standing.stand().since) >= MEAN;
        !settled && at.since(self.located_at) >= LOCATED_EVERY
    }

    /// Where does it stand?
    fn locate(&mut self, area: &Area, params: &Params, frame: &FrameView<'_>) {
        let scene = frame.scene;
        self.located_at = frame.at;
        let (stand, role) = (self.standing.stand(), Role::of(&scene.labels.name(self.sight.class)));
        let place = Place::of(stand, &self.sight.bbox, role, area.lane(), scene);
        self.in_area = match area.lane() {
            Some(lane) => place.is_in_lane(lane, scene),
            None => area.polygon(scene).is_some_and(|zone| place.is_in(zone)),
        };
        let mut parking = params.parking.iter().filter_map(|zone| scene.zones.get(zone));
        self.parked = parking.any(|zone| stand.is_in(zone, scene));
    }

    /// Whether it was seen to be a vehicle: as a whole, or moving. What only ever reached into the picture from its edge may
    /// be a railing, a lamp's reflection or the camera's own housing.
    fn is_known(&self) -> bool {
        self.moved || self.cut.saturating_mul(2) < self.standing.stand().observations
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
        ("tracks", vehicle.tracks.into()),
    ])
}

#[allow(clippy::too_many_arguments)] // an end is made of so many things
fn ending(
    params: &Params,
    area: &Area,
    common: &Common,
    vehicle: &Vehicle,
    happening: Happening,
    at: MediaTime,
    over: &Over,
    reason: EndReason,
) -> Draft {
    let lasted = over.at.since(over.stand.since);
    let summary = format!("stop in {} ended after {:.1} s", area.name(), lasted.as_secs_f64());
    let mut measured = measured(vehicle, &over.stand, lasted);
    measured.insert("end_reason".to_owned(), reason.as_str().into());
    draft(params, area, common, vehicle, happening, Phase::End, at, summary, measured)
}

#[allow(clippy::too_many_arguments)] // a draft is made of so many things
fn draft(
    params: &Params,
    area: &Area,
    common: &Common,
    vehicle: &Vehicle,
    happening: Happening,
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
        ("found_again_seconds", seconds(params.found_again.duration())),
    ]);
    if let Some(line) = &params.signal_line {
        thresholds.insert("signal_line".to_owned(), line.as_str().into());
        thresholds.insert("max_red_seconds".to_owned(), seconds(params.max_red.duration()));
    }
    Draft {
        kind: NAME,
        phase,
        track: Some(happening.track),
        ordinal: happening.ordinal,
        class: Some(vehicle.sight.class),
        bbox: Some(vehicle.sight.bbox),
        severity: common.severity,
        summary,
        thresholds,
        measured,
        at,
    }
}
