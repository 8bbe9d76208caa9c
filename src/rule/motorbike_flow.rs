//! `motorbike_flow`: traffic of a lane in passenger car units, where riders ride so close that they cannot all be told
//! apart; riding against the flow; riding on pavements. Definition and truth table: `docs/rules/motorbike_flow.md`.

use std::time::Duration;

use serde_json::Value;

use super::body::{Flat, lane_on_ground};
use super::counter_flow::CounterFlow;
use super::course::Course;
use super::cover::Grid;
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::flow_count::FlowCount;
use super::held::PerTrack;
use super::interval::{Closed, Intervals};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::pavement::{Pavement, Step};
use super::roles::Role;
use super::scene::{Lane, Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::wire::Wire;
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, NormPoint, Phase, Severity, Track};

const NAME: &str = "motorbike_flow";
const COUNTER_FLOW: &str = "counter_flow_riding";
const PAVEMENT: &str = "pavement_riding";

/// How long a vehicle still counts in the lane after its last sight there.
const HOLD: Duration = Duration::from_secs(1);

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "measures a lane's traffic in passenger car units; reports riding against the flow and on pavements",
    required: &["lane"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `motorbike_flow`.
    struct Params with Severity::Warning;
    /// The lane, or all lanes of one direction drawn as one.
    lane: String = String::new(),
    /// A tripwire across it; its crossings make the flow.
    line: Option<String> = None,
    /// Zones that are pavement.
    pavements: Vec<String> = Vec::new(),
    /// Length of an interval, from the first frame on.
    interval: Span = Span::from_secs(60),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
    /// When so much of the lane is covered, riders hide each other and counts are too low.
    #[schemars(range(min = 0.05, max = 1.0))]
    saturated: f64 = 0.5,
    /// So many riders against the flow are a counter-flow.
    #[schemars(range(min = 1, max = 1000))]
    counter_riders: u32 = 3,
    /// And this share of all riders that move.
    #[schemars(range(min = 0.0, max = 1.0))]
    counter_share: f64 = 0.05,
    /// Within this time.
    counter_window: Span = Span::from_secs(60),
    /// How far a rider must go one way before he counts, in heights of his box.
    #[schemars(range(min = 0.2, max = 20.0))]
    counter_distance: f64 = 2.0,
    /// How long a rider rides on a pavement before it is reported.
    pavement_for: Span = Span::from_secs(2),
    /// At which speed at least, in heights of his box per second.
    #[schemars(range(min = 0.1, max = 20.0))]
    pavement_speed: f64 = 0.7,
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(VEHICLES);
    let rule = MotorbikeFlow {
        common,
        vehicles: PerTrack::new(),
        intervals: Intervals::new(params.interval.duration(), params.max_frame_step.duration()),
        count: FlowCount::default(),
        drawn: None,
        counter: CounterFlow::new(params.counter_window.duration(), params.counter_riders, params.counter_share),
        params,
    };
    Ok(Compiled { rule: Box::new(rule), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.lane("lane", &params.lane);
    if let Some(line) = &params.line {
        check.tripwire("line", line);
    }
    params.pavements.iter().for_each(|zone| check.zone("pavements", zone));
    check.classes(&params.classes, VEHICLES);
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    check.at_least("counter_window", params.counter_window, Span::from_secs(1));
    check.at_least("pavement_for", params.pavement_for, Span::from_millis(500));
    check.at_most("pavement_for", params.pavement_for, Span::from_secs(4));
    check.finish()
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    sight: Sight,
    role: Role,
    /// When it was last seen in the lane.
    in_lane: Option<MediaTime>,
    place: Place,
    course: Course,
    /// Whether its way in the lane was counted.
    way_counted: bool,
    crossed: bool,
    pavement: Pavement,
}

/// Where a course was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Lane,
    Pavement,
    Elsewhere,
}

/// The lane as drawn, measured once per shape of picture.
#[derive(Debug)]
struct Drawn {
    aspect: f32,
    grid: Grid,
    /// Along its direction; none without a calibration.
    kilometres: Option<f64>,
}

struct MotorbikeFlow {
    params: Params,
    common: Common,
    vehicles: PerTrack<Vehicle>,
    intervals: Intervals,
    count: FlowCount,
    /// The lane in this shape of picture.
    drawn: Option<Drawn>,
    counter: CounterFlow,
}

impl Rule for MotorbikeFlow {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let at = frame.at;
        let Some(lane) = frame.scene.lanes.get(&self.params.lane) else { return };
        if self.drawn.as_ref().is_none_or(|drawn| drawn.aspect != frame.scene.aspect) {
            let kilometres = length_metres(lane, frame.scene).map(|metres| metres / 1e3);
            let grid = Grid::new(&lane.polygon, frame.scene);
            self.drawn = Some(Drawn { aspect: frame.scene.aspect, grid, kilometres });
        }
        let watched = self.intervals.step(at);
        for closed in self.intervals.advance(at) {
            self.tell_interval(&closed, out);
        }
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if self.common.takes(track.class, &frame.scene.labels) {
                self.see(track, lane, frame, out);
            }
        }
        self.take_stock(at, watched);
        self.counter_flow(frame, out);
        while let Some(vehicle) = self.vehicles.take_excess() {
            self.close(&vehicle, at, EndReason::Evicted, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.interrupt(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.interrupt(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, at: MediaTime, out: &mut Vec<Draft>) {
        if let Some(vehicle) = self.vehicles.remove(id) {
            self.close(&vehicle, at, EndReason::TrackEnded, out);
        }
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        let (against, share) = self.counter.now(at);
        let riders = f64::from(self.params.counter_riders);
        out.push(Margin::at_least(None, "riders_against_the_flow", f64::from(against), riders));
        out.push(Margin::at_least(None, "share_against_the_flow", share, self.params.counter_share));
        for (id, vehicle) in self.vehicles.iter().filter(|(_, vehicle)| vehicle.place == Place::Pavement) {
            let least = self.params.pavement_for.duration();
            let lasted = vehicle.pavement.lasted(at).as_secs_f64();
            out.push(Margin::at_least(Some(id), "on_pavement_seconds", lasted, least.as_secs_f64()));
            let speed = vehicle.pavement_speed(least).unwrap_or(0.0);
            let name = "pavement_box_heights_per_second";
            out.push(Margin::at_least(Some(id), name, speed, self.params.pavement_speed));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl MotorbikeFlow {
    fn see(&mut self, track: &Track, lane: &Lane, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let (at, sight) = (frame.at, Sight::new(track, frame.at));
        let name = frame.scene.labels.name(track.class);
        let role = Role::of(&name);
        let vehicle = self.vehicles.touch(track.id, at, || Vehicle::new(sight, role));
        let before = std::mem::replace(&mut vehicle.sight, sight);
        vehicle.role = role;
        let line = self.params.line.as_ref().and_then(|line| frame.scene.tripwires.get(line));
        if let Some(wire) = line.and_then(|line| Wire::new(line, frame.scene))
            && wire.passed(before.bbox.anchor(), track.anchor()).is_some()
            && !std::mem::replace(&mut vehicle.crossed, true)
        {
            self.count.cross(&name, role.pcu());
        }
        let zones = &frame.scene.zones;
        let on_pavement =
            self.params.pavements.iter().filter_map(|name| zones.get(name)).any(|zone| zone.contains(track.anchor()));
        let place = match (on_pavement, lane.polygon.contains(track.anchor())) {
            (true, _) => Place::Pavement,
            (false, true) => Place::Lane,
            (false, false) => Place::Elsewhere,
        };
        if place == Place::Lane {
            vehicle.in_lane = Some(at);
        }
        if std::mem::replace(&mut vehicle.place, place) != place {
            vehicle.course.clear();
        }
        vehicle.course.push(at, frame.scene.in_heights(track.anchor()));
        if !role.is_two_wheeler() {
            return;
        }
        let far = self.params.counter_distance * f64::from(track.bbox.height());
        if place == Place::Lane
            && !vehicle.way_counted
            && let Some((way, _)) = vehicle.course.whole().filter(|(way, _)| f64::from(way.length()) >= far)
        {
            vehicle.way_counted = true;
            // Slantwise is neither: the sector of wrong_way, and its mirror.
            let cosine = way.dot(lane.direction()) / way.length();
            if cosine.abs() > 0.5 {
                self.counter.ride(at, cosine < 0.0);
            }
        }
        let least = self.params.pavement_for.duration();
        let rides = vehicle.pavement_speed(least).is_some_and(|speed| speed >= self.params.pavement_speed);
        let may_start = rides && self.common.old_enough(track, at);
        let common = &mut self.common;
        let step = vehicle.pavement.step(at, on_pavement, least, || may_start && common.cooldown.pass(at));
        if let Some(step) = step {
            out.push(pavement_draft(&self.params, &self.common, vehicle, step, at, None));
        }
    }

    /// What is in the lane in this frame.
    fn take_stock(&mut self, at: MediaTime, watched: Duration) {
        let present: Vec<&Vehicle> = self
            .vehicles
            .states()
            .filter(|vehicle| vehicle.in_lane.is_some_and(|seen| at.since(seen) <= HOLD && seen == vehicle.sight.at))
            .collect();
        let boxes: Vec<NormBox> = present.iter().map(|vehicle| vehicle.sight.bbox).collect();
        let covered = self.drawn.as_ref().map(|drawn| drawn.grid.covered(&boxes)).unwrap_or_default();
        let pcu = present.iter().map(|vehicle| vehicle.role.pcu()).sum();
        let two_wheelers = present.iter().filter(|vehicle| vehicle.role.is_two_wheeler()).count();
        self.count.stock(watched, pcu, two_wheelers, covered, covered.share >= self.params.saturated);
    }

    fn counter_flow(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let (at, common) = (frame.at, &mut self.common);
        let Some(phase) = self.counter.step(at, || common.cooldown.pass(at)) else { return };
        let reason = (phase == Phase::End).then_some(EndReason::Cleared);
        out.push(self.counter_draft(phase, at, reason));
        if phase == Phase::End {
            self.counter.ended();
        }
    }

    fn counter_draft(&self, phase: Phase, at: MediaTime, reason: Option<EndReason>) -> Draft {
        let (against, share) = self.counter.now(at);
        let lane = &self.params.lane;
        let mut measured = values([
            ("riders_against", against.into()),
            ("share_against", number(share as f32)),
            ("riders_most", self.counter.most().into()),
            ("lasted_seconds", seconds(self.counter.lasted(at))),
        ]);
        let summary = match reason {
            Some(reason) => {
                measured.insert("end_reason".to_owned(), reason.as_str().into());
                format!("counter-flow riding in {lane} is over, at most {} riders", self.counter.most())
            }
            None => format!("{against} riders go against the flow of {lane}, {:.0} % of all", share * 100.0),
        };
        let thresholds = values([
            ("lane", Value::from(lane.as_str())),
            ("riders", self.params.counter_riders.into()),
            ("share", self.params.counter_share.into()),
            ("window_seconds", seconds(self.params.counter_window.duration())),
            ("distance_box_heights", self.params.counter_distance.into()),
        ]);
        let (kind, ordinal) = (COUNTER_FLOW, self.counter.ordinal());
        let severity = self.common.severity;
        Draft {
            kind,
            phase,
            track: None,
            ordinal,
            class: None,
            bbox: None,
            severity,
            summary,
            thresholds,
            measured,
            at,
        }
    }

    fn tell_interval(&mut self, closed: &Closed, out: &mut Vec<Draft>) {
        let kilometres = self.drawn.as_ref().and_then(|drawn| drawn.kilometres);
        let count = std::mem::take(&mut self.count);
        let observed = closed.observed;
        let mut measured = count.measured(observed, kilometres, self.params.line.is_some());
        closed.tell(&mut measured);
        out.push(Draft {
            kind: NAME,
            phase: Phase::Instant,
            track: None,
            ordinal: closed.ordinal,
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary: format!(
                "{}: {} {}",
                self.params.lane,
                count.in_words(observed, self.params.line.is_some()),
                closed.in_words()
            ),
            thresholds: self.interval_thresholds(),
            measured,
            at: closed.at,
        });
    }

    fn interval_thresholds(&self) -> Values {
        let mut thresholds = values([
            ("lane", Value::from(self.params.lane.as_str())),
            ("interval_seconds", seconds(self.intervals.length())),
            ("max_frame_step_seconds", seconds(self.intervals.max_frame_step())),
            ("saturated_share", self.params.saturated.into()),
        ]);
        if let Some(line) = &self.params.line {
            thresholds.insert("line".to_owned(), line.as_str().into());
        }
        thresholds
    }

    fn interrupt(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
        if self.counter.is_open() {
            out.push(self.counter_draft(Phase::End, at, Some(reason)));
        }
        self.counter.reset();
        if let Some(closed) = self.intervals.interrupt(at, !self.count.is_empty()) {
            self.tell_interval(&closed, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if let Some(step) = vehicle.pavement.closing(vehicle.sight.at) {
            out.push(pavement_draft(&self.params, &self.common, vehicle, step, at, Some(reason)));
        }
    }
}

impl Vehicle {
    fn new(sight: Sight, role: Role) -> Self {
        Self {
            sight,
            role,
            in_lane: None,
            place: Place::Elsewhere,
            course: Course::default(),
            way_counted: false,
            crossed: false,
            pavement: Pavement::default(),
        }
    }

    /// Its speed over the last `length` in heights of its box per second.
    fn pavement_speed(&self, length: Duration) -> Option<f64> {
        let height = f64::from(self.sight.bbox.height());
        let way = f64::from(self.course.last(length)?.length());
        (height > 0.0).then(|| way / height / length.as_secs_f64())
    }
}

/// How long the lane is on the ground, along its direction in its middle.
fn length_metres(lane: &Lane, scene: &Scene) -> Option<f64> {
    let (ground, corners) = (scene.ground.as_ref()?, lane.polygon.corners());
    let count = corners.len() as f32;
    let sum = corners.iter().fold(NormPoint::default(), |sum, p| NormPoint::new(sum.x + p.x, sum.y + p.y));
    let direction = lane_on_ground(lane, NormPoint::new(sum.x / count, sum.y / count), scene)?;
    let along = corners.iter().map(|p| ground.metres(*p).map(|at| Flat::new(at.x, at.y).dot(direction)));
    let along = along.collect::<Option<Vec<f64>>>()?;
    let (first, last) = (along.iter().copied().reduce(f64::min)?, along.iter().copied().reduce(f64::max)?);
    Some(last - first)
}

fn pavement_draft(
    params: &Params,
    common: &Common,
    vehicle: &Vehicle,
    step: Step,
    at: MediaTime,
    reason: Option<EndReason>,
) -> Draft {
    let lasted = step.lasted;
    let mut measured = values([("on_pavement_seconds", seconds(lasted))]);
    let summary = if step.phase == Phase::Start {
        let speed = vehicle.pavement_speed(params.pavement_for.duration()).unwrap_or(0.0);
        measured.insert("box_heights_per_second".to_owned(), number(speed as f32));
        format!("rider on the pavement for {:.1} s", lasted.as_secs_f64())
    } else {
        let reason = reason.unwrap_or(EndReason::Left);
        measured.insert("end_reason".to_owned(), reason.as_str().into());
        format!("riding on the pavement ended after {:.1} s", lasted.as_secs_f64())
    };
    Draft {
        kind: PAVEMENT,
        phase: step.phase,
        track: Some(vehicle.sight.id),
        ordinal: step.ordinal,
        class: Some(vehicle.sight.class),
        bbox: Some(vehicle.sight.bbox),
        severity: common.severity,
        summary,
        thresholds: values([
            ("pavements", params.pavements.clone().into()),
            ("pavement_for_seconds", seconds(params.pavement_for.duration())),
            ("box_heights_per_second", params.pavement_speed.into()),
        ]),
        measured,
        at,
    }
}
