//! `illegal_parking`: a vehicle stands where stopping is forbidden, for longer than is allowed.
//! Definition and truth table: `docs/rules/illegal_parking.md`.
//!
//! What a stand is, `stand.rs` says. A stand belongs to the place rather than to the track (`by_place.rs`): when the
//! tracker loses a standing vehicle and finds it again under another id, the stand goes on.

use std::time::Duration;

use serde_json::Value;

use super::behind::{STARTS_WITHIN, Stopped, direction_at, waits};
use super::by_place::{Arrival, ByPlace, Happening, Occupant, STANDS_AFTER};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::place::Place;
use super::roles::{PEOPLE, Role};
use super::scene::{Scene, SceneNames};
use super::stand::{MEAN, MIN_OBSERVATIONS, Over, Standing};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, Phase, Severity};

const NAME: &str = "illegal_parking";

/// Whoever waits behind a vehicle hides it: it is believed to stand there for so long.
const HIDDEN: Duration = Duration::from_secs(30);
/// Nobody waits longer than this behind a vehicle that does not move: they are parked in a row.
const WAITS_AT_MOST: Duration = Duration::from_secs(120);
/// Somebody within so many box widths beside a vehicle gets on or off.
const BESIDE: f32 = 0.5;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a vehicle that stands in a no-stopping zone for longer than is allowed",
    required: &["zone"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `illegal_parking`.
    struct Params with Severity::Warning;
    /// The zone in which stopping is forbidden.
    zone: String = String::new(),
    /// How long a vehicle stands before it is reported.
    parked_for: Span = Span::from_secs(60),
    /// So much longer when somebody was seen beside it: getting on and off is allowed.
    allow_boarding: Span = Span::ZERO,
    /// How far a standing vehicle's anchor may stray, in heights of its box.
    #[schemars(range(min = 0.01, max = 2.0))]
    max_move: f64 = 0.2,
    /// A vehicle that was lost and is found at the same place within this time has stood there all the time.
    found_again: Span = Span::from_secs(30),
    /// How often parking that goes on is reported again.
    update_every: Span = Span::from_secs(300),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(VEHICLES);
    let vehicles = ByPlace::new(params.found_again.duration());
    let rule = IllegalParking { params, common, vehicles };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.zone("zone", &params.zone);
    check.classes(&params.classes, VEHICLES);
    check.at_least("parked_for", params.parked_for, Span::from_secs(2));
    check.at_most("found_again", params.found_again, Span::from_secs(600));
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.finish()
}

/// What is remembered of one vehicle, whatever its tracks were.
#[derive(Debug)]
struct Vehicle {
    standing: Standing,
    in_zone: bool,
    /// Somebody was seen beside it since it stands.
    boarding: bool,
    /// When it was last seen to wait behind another since it stands.
    waited_at: Option<MediaTime>,
    reported: Option<Reported>,
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

struct IllegalParking {
    params: Params,
    common: Common,
    vehicles: ByPlace<Vehicle>,
}

impl Rule for IllegalParking {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(zone) = frame.scene.zones.get(&self.params.zone) else { return };
        for gone in self.vehicles.give_up(frame.at) {
            self.close(&gone, frame.at, EndReason::TrackEnded, out);
        }
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let (sight, place) = (Sight::new(track, frame.at), frame.scene.in_heights(track.anchor()));
            let (height, allowed) = (track.bbox.height(), self.params.max_move as f32 * track.bbox.height());
            let fresh = || Vehicle::new(Standing::new(frame.at, place, allowed), sight);
            let (vehicle, arrival) = self.vehicles.touch(track, frame, fresh);
            if arrival == Arrival::FoundAgain {
                vehicle.tracks = vehicle.tracks.saturating_add(1);
            }
            vehicle.sight = sight;
            if let Some(over) = vehicle.standing.observe(frame.at, place, allowed, height) {
                if let Some(reported) = vehicle.reported.take() {
                    out.push(ending(
                        &self.params,
                        &self.common,
                        vehicle,
                        reported.happening,
                        &over,
                        frame.at,
                        EndReason::Moved,
                    ));
                }
                (vehicle.boarding, vehicle.waited_at, vehicle.tracks) = (false, None, 1);
            }
            // Where it stands is settled by then; later it may be leaving.
            if frame.at.since(vehicle.standing.stand().since) <= MEAN {
                let role = Role::of(&frame.scene.labels.name(track.class));
                let place = Place::of(vehicle.standing.stand(), &sight.bbox, role, None, frame.scene);
                vehicle.in_zone = place.is_in(zone);
            }
        }
        self.look_ahead(frame);
        if self.params.allow_boarding > Span::ZERO {
            self.look_for_people(frame);
        }
        self.report(frame, out);
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

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        for (track, vehicle) in self.vehicles.iter() {
            let (id, stand) = (Some(track), vehicle.standing.stand());
            let stood = at.since(stand.since).as_secs_f64();
            out.push(Margin::at_least(id, "in_zone", f64::from(u8::from(vehicle.in_zone)), 1.0));
            out.push(Margin::at_least(id, "parked_seconds", stood, self.allowed(vehicle).as_secs_f64()));
            let seen = f64::from(stand.observations);
            out.push(Margin::at_least(id, "observations", seen, f64::from(MIN_OBSERVATIONS)));
            let second_box = self.vehicles.is_second_box(track, vehicle.sight.bbox);
            out.push(Margin::at_most(id, "second_box", f64::from(u8::from(second_box)), 0.0));
            out.push(Margin::at_most(id, "waiting", f64::from(u8::from(vehicle.waits(at))), 0.0));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl IllegalParking {
    /// How long the vehicle may stand.
    fn allowed(&self, vehicle: &Vehicle) -> Duration {
        let boarding = if vehicle.boarding { self.params.allow_boarding } else { Span::ZERO };
        self.params.parked_for.duration() + boarding.duration()
    }

    /// Notes who waits behind another.
    fn look_ahead(&mut self, frame: &FrameView<'_>) {
        let others: Vec<Stopped> = self.vehicles.tracked().filter_map(|vehicle| vehicle.stopped(frame.at)).collect();
        for vehicle in self.vehicles.tracked_mut().filter(|vehicle| vehicle.sight.at == frame.at) {
            if vehicle.reported.is_some() || !vehicle.stands(frame.at) {
                continue;
            }
            let own = Stopped { bbox: vehicle.sight.bbox, since: vehicle.standing.stand().since };
            let direction = direction_at(vehicle.sight.bbox.anchor(), frame.scene);
            if direction.is_some_and(|direction| waits(&own, others.iter().copied(), direction, frame.scene)) {
                vehicle.waited_at = Some(frame.at);
            }
        }
    }

    /// Marks the vehicles that somebody stands beside.
    fn look_for_people(&mut self, frame: &FrameView<'_>) {
        let is_person = |name: &str| PEOPLE.iter().any(|person| person.eq_ignore_ascii_case(name));
        let people = frame.tracks.iter().filter(|track| track.observed);
        for person in people.filter(|track| is_person(&frame.scene.labels.name(track.class))) {
            let foot = person.anchor();
            for vehicle in self.vehicles.tracked_mut().filter(|vehicle| vehicle.in_zone) {
                let bbox = vehicle.sight.bbox;
                let (aside, below) = (BESIDE * bbox.width(), BESIDE * bbox.height());
                vehicle.boarding |= (bbox.x1 - aside..=bbox.x2 + aside).contains(&foot.x)
                    && (bbox.y1..=bbox.y2 + below).contains(&foot.y);
            }
        }
    }

    fn report(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let Some(vehicle) = self.vehicles.get(track.id) else { continue };
            if vehicle.standing.is_away() || vehicle.sight.at != frame.at {
                continue;
            }
            let stand = *vehicle.standing.stand();
            let lasted = frame.at.since(stand.since);
            let phase = match vehicle.reported {
                Some(last) if frame.at.since(last.at) >= self.params.update_every.duration() => Phase::Update,
                None if vehicle.in_zone
                    && !vehicle.waits(frame.at)
                    && vehicle.standing.is_in_place()
                    && stand.observations >= MIN_OBSERVATIONS
                    && lasted >= self.allowed(vehicle)
                    && frame.at.since(track.first_seen) >= STANDS_AFTER
                    && !self.vehicles.is_second_box(track.id, track.bbox)
                    && self.common.old_enough(track, frame.at)
                    && self.common.cooldown.pass(frame.at) =>
                {
                    Phase::Start
                }
                _ => continue,
            };
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
            let summary = format!("{class} parked in {} for {:.0} s", self.params.zone, lasted.as_secs_f64());
            let measured = measured(vehicle, &Over { stand, at: frame.at });
            out.push(draft(&self.params, &self.common, vehicle, happening, phase, frame.at, summary, measured));
        }
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if let Some(reported) = vehicle.reported {
            let over = Over { stand: *vehicle.standing.stand(), at: vehicle.sight.at };
            out.push(ending(&self.params, &self.common, vehicle, reported.happening, &over, at, reason));
        }
    }
}

impl Occupant for Vehicle {
    fn bbox(&self) -> NormBox {
        self.sight.bbox
    }

    /// Whether it has stood in the zone for more than a moment.
    fn stands(&self, at: MediaTime) -> bool {
        let stand = self.standing.stand();
        let lasted = self.sight.at.since(stand.since) >= STANDS_AFTER && stand.observations >= MIN_OBSERVATIONS;
        self.in_zone && lasted && !self.standing.is_away() && at.since(self.sight.at) <= HIDDEN
    }

    fn is_reported(&self) -> bool {
        self.reported.is_some()
    }
}

impl Vehicle {
    fn new(standing: Standing, sight: Sight) -> Self {
        Self { standing, in_zone: false, boarding: false, waited_at: None, reported: None, tracks: 1, sight }
    }

    /// As somebody to wait behind, wherever it stands.
    fn stopped(&self, at: MediaTime) -> Option<Stopped> {
        let since = self.standing.stand().since;
        let lasted = self.sight.at.since(since) >= STANDS_AFTER && at.since(self.sight.at) <= HIDDEN;
        (lasted && !self.standing.is_away()).then_some(Stopped { bbox: self.sight.bbox, since })
    }

    /// Whether it is in a queue behind another, or may still be about to start from it.
    fn waits(&self, at: MediaTime) -> bool {
        let lately = self.waited_at.is_some_and(|waited_at| at.since(waited_at) < STARTS_WITHIN);
        lately && at.since(self.standing.stand().since) < WAITS_AT_MOST
    }
}

fn measured(vehicle: &Vehicle, over: &Over) -> Values {
    let height = vehicle.sight.bbox.height();
    let strayed = if height > 0.0 { over.stand.strayed / height } else { 0.0 };
    values([
        ("parked_seconds", seconds(over.at.since(over.stand.since))),
        ("moved_box_heights", number(strayed)),
        ("observations", over.stand.observations.into()),
        ("tracks", vehicle.tracks.into()),
        ("boarding_seen", vehicle.boarding.into()),
        ("seen_arriving", vehicle.standing.has_arrived().into()),
    ])
}

fn ending(
    params: &Params,
    common: &Common,
    vehicle: &Vehicle,
    happening: Happening,
    over: &Over,
    at: MediaTime,
    reason: EndReason,
) -> Draft {
    let lasted = over.at.since(over.stand.since);
    let summary = format!("parking in {} ended after {:.0} s", params.zone, lasted.as_secs_f64());
    let mut measured = measured(vehicle, over);
    measured.insert("end_reason".to_owned(), reason.as_str().into());
    draft(params, common, vehicle, happening, Phase::End, at, summary, measured)
}

#[allow(clippy::too_many_arguments)] // a draft is made of so many things
fn draft(
    params: &Params,
    common: &Common,
    vehicle: &Vehicle,
    happening: Happening,
    phase: Phase,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    Draft {
        kind: NAME,
        phase,
        track: Some(happening.track),
        ordinal: happening.ordinal,
        class: Some(vehicle.sight.class),
        bbox: Some(vehicle.sight.bbox),
        severity: common.severity,
        summary,
        thresholds: values([
            ("zone", Value::from(params.zone.as_str())),
            ("parked_for_seconds", seconds(params.parked_for.duration())),
            ("allow_boarding_seconds", seconds(params.allow_boarding.duration())),
            ("max_move_box_heights", params.max_move.into()),
            ("found_again_seconds", seconds(params.found_again.duration())),
        ]),
        measured,
        at,
    }
}
