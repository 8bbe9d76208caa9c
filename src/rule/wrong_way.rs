//! `wrong_way`: a vehicle really moves against its lane. Definition and truth table:
//! `docs/rules/wrong_way.md`.
//!
//! The anchor's path within the lane is kept as a few vertices, one whenever the anchor has moved an
//! eighth of `distance`. So a standing vehicle's jitter makes no path, a slow vehicle has as many
//! vertices as a fast one, and the state is bounded. Each frame asks whether any stretch of the path
//! that ends now is long, straight, steady, lasting and observed enough, and heads the wrong way.
//!
//! The anchor of a long vehicle seen from the side lies before its wheels, maybe in the lane next to its own. Where
//! the vehicle may stand in a lane that goes its way, its path proves nothing.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::body::{Flat, Stance, lane_on_ground};
use super::draft::{Draft, EndReason, Sight, Values, number, seconds, values};
use super::held::PerTrack;
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::plane::Vec2;
use super::roles::Role;
use super::scene::{Lane, Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::whole::Edges;
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, NormPoint, Phase, Severity, Track};

const NAME: &str = "wrong_way";

/// Vertices per distance that must be covered.
const VERTICES_PER_DISTANCE: f32 = 8.0;
/// So many times the distance a vehicle must cover that was seen to go a lawful way, or to stand, before: vehicles turn
/// round far more seldom than trackers take one vehicle for another, as where those behind another come into sight.
const LAWFUL_BEFORE: f32 = 2.0;
/// A vehicle that keeps its place for so long stands.
const STANDS_AFTER: Duration = Duration::from_secs(2);
/// Vertices kept: a little more than the path of twice the distance.
const CAPACITY: usize = 20;
/// A step of more than this share of the stretch is a track that jumped to another vehicle.
const LARGEST_STEP: f32 = 0.5;
/// So much of the stretch the box must have gone as a whole; see [`Edges::whole_share`].
const WHOLE_SHARE: f32 = 0.4;
/// Halfway through the time of a stretch, at least so much of its way must be covered and so much be left: what drives
/// goes on, a track that goes over to another vehicle jumps and stays.
const EVEN_SHARE: f32 = 0.2;
/// How far above its anchor a vehicle may really be, in heights of its box.
const DEPTHS: [f32; 3] = [0.0, 0.15, 0.3];
/// How far beside its anchor, in widths of its box.
const ASIDE: [f32; 3] = [-0.25, 0.0, 0.25];
/// Cosine from which on a vehicle goes a lane's way.
const ALIKE: f32 = 0.5;
/// Older path says nothing about now: what moves slower than `distance` in this time drifts.
const MEMORY: Duration = Duration::from_secs(30);

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "reports a vehicle that really moves against the direction of its lane",
    required: &["lane"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

params! {
    /// Parameters of `wrong_way`.
    struct Params with Severity::Alert;
    /// The lane.
    lane: String = String::new(),
    /// A heading that differs more than this from the lane's is wrong, in degrees.
    #[schemars(range(min = 90, max = 170))]
    angle: f64 = 120.0,
    /// Distance covered, start to end in a straight line, in picture heights.
    #[schemars(range(min = 0.01, max = 2.0))]
    distance: f64 = 0.08,
    /// The same in heights of the vehicle's box: near vehicles must move farther on the picture.
    #[schemars(range(min = 0.0, max = 10.0))]
    box_heights: f64 = 0.5,
    /// Frames that show the vehicle on that stretch.
    #[schemars(range(min = 2, max = 1000))]
    observations: u32 = 5,
    /// Time that the stretch took.
    duration: Span = Span::from_millis(800),
    /// Straight-line distance divided by the length of the path: 1 is a straight line.
    #[schemars(range(min = 0.0, max = 1.0))]
    straightness: f64 = 0.7,
    /// A vehicle that is back in the lane within this time has not left it.
    exit_after: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    let common = params.common(VEHICLES);
    // The cosine falls as the angle grows, so the comparison in `WrongWay::stretch` turns round.
    let wrong_below = libm::cos(params.angle.to_radians()) as f32;
    Ok(Compiled { rule: Box::new(WrongWay { params, wrong_below, common, vehicles: PerTrack::new() }), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.lane("lane", &params.lane);
    check.classes(&params.classes, VEHICLES);
    check.at_least("duration", params.duration, Span::from_millis(100));
    check.finish()
}

impl Params {
    /// The straight-line distance that a vehicle of this size must cover, in picture heights.
    fn far(&self, bbox: &NormBox) -> f32 {
        (self.distance as f32).max(self.box_heights as f32 * bbox.height())
    }
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    path: Path,
    /// It was seen to stand, or to go the way of this lane or of one behind it.
    lawful: bool,
    /// The first sight outside the lane, while it may still come back.
    outside_since: Option<MediaTime>,
    state: State,
    sight: Sight,
}

/// A track is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Watched,
    /// Reported, and still in the lane since.
    Reported {
        since: MediaTime,
    },
    Done,
}

/// The way a vehicle took within the lane, without a break.
#[derive(Debug, Default)]
struct Path {
    vertices: VecDeque<Vertex>,
    /// Since when it has been near the last of them.
    since: Option<MediaTime>,
    observations: u32,
    now: Option<Edges>,
}

#[derive(Debug, Clone, Copy)]
struct Vertex {
    /// When the anchor came there, and when it was last near it.
    arrived: MediaTime,
    at: MediaTime,
    edges: Edges,
    /// Observations in the lane up to then.
    observations: u32,
    /// Length of the path up to it, in picture heights.
    length: f32,
}

/// A stretch of path from a vertex to now. What costs more than a few sums is worked out when it is asked for: a vehicle
/// has twenty stretches in every frame, and nearly all head the right way.
#[derive(Debug, Clone, Copy)]
struct Stretch<'a> {
    path: &'a Path,
    from: &'a Vertex,
    to: Edges,
    now: MediaTime,
    /// Straight-line distance in picture heights.
    net: f32,
    straightness: f32,
    /// The longest way between two of its vertices, in picture heights.
    largest_step: f32,
    /// Cosine of the angle between heading and lane.
    cosine: f32,
}

struct WrongWay {
    params: Params,
    /// Headings with a smaller cosine to the lane are wrong.
    wrong_below: f32,
    common: Common,
    vehicles: PerTrack<Vehicle>,
}

impl Rule for WrongWay {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let Some(lane) = frame.scene.lanes.get(&self.params.lane) else { return };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) {
                continue;
            }
            let sight = Sight::new(track, frame.at);
            let vehicle = self.vehicles.touch(track.id, frame.at, || Vehicle {
                path: Path::default(),
                lawful: false,
                outside_since: None,
                state: State::Watched,
                sight,
            });
            vehicle.sight = sight;
            if lane.polygon.contains(track.anchor()) {
                vehicle.outside_since = None;
                if may_go_with_another_lane(track, frame, &self.params.lane) {
                    vehicle.lawful = true;
                    vehicle.path = Path::default();
                    continue;
                }
                let far = self.params.far(&track.bbox);
                vehicle.path.push(frame.at, Edges::of(&track.bbox, frame.scene.aspect), far / VERTICES_PER_DISTANCE);
                if !vehicle.lawful {
                    vehicle.lawful = vehicle.path.is_lawful(frame.at, lane.direction(), far / 2.0);
                }
                continue;
            }
            // Evidence must lie within the lane without a break; the end may wait for a flicker.
            vehicle.path = Path::default();
            let left = *vehicle.outside_since.get_or_insert(frame.at);
            let gone = frame.at.since(left) >= self.params.exit_after.duration();
            if let (true, State::Reported { since }) = (gone, vehicle.state) {
                vehicle.state = State::Done;
                out.push(ending(&self.params, &self.common, sight, frame.at, left.since(since), EndReason::Left));
            }
        }
        self.report(frame, lane, out);
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

    fn margins(&self, _at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let Some(lane) = scene.lanes.get(&self.params.lane) else { return };
        for (id, vehicle) in self.vehicles.iter() {
            let far = self.far(vehicle);
            let stretches = || vehicle.path.stretches(vehicle.sight.at, lane.direction());
            // The shortest stretch that is long enough, else the longest there is.
            let Some(stretch) = stretches().find(|s| s.net >= far).or_else(|| stretches().last()) else { continue };
            let id = Some(id);
            out.push(Margin::at_least(id, "distance_heights", f64::from(stretch.net), f64::from(far)));
            out.push(Margin::at_least(id, "heading_off_degrees", degrees(stretch.cosine), self.params.angle));
            let straight = f64::from(stretch.straightness);
            out.push(Margin::at_least(id, "straightness", straight, self.params.straightness));
            let step = if stretch.net > 0.0 { stretch.largest_step / stretch.net } else { 0.0 };
            out.push(Margin::at_most(id, "largest_step_share", f64::from(step), f64::from(self.largest_step())));
            out.push(Margin::at_least(id, "whole_box_share", f64::from(stretch.whole_share()), f64::from(WHOLE_SHARE)));
            let halfway = f64::from(stretch.halfway());
            out.push(Margin::at_least(id, "halfway_share", halfway, f64::from(EVEN_SHARE)));
            out.push(Margin::at_most(id, "halfway_share", halfway, f64::from(1.0 - EVEN_SHARE)));
            let seen = f64::from(stretch.observations());
            out.push(Margin::at_least(id, "observations", seen, f64::from(self.params.observations)));
            let least = self.params.duration.duration().as_secs_f64();
            out.push(Margin::at_least(id, "seconds", stretch.lasted().as_secs_f64(), least));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}

impl WrongWay {
    fn report(&mut self, frame: &FrameView<'_>, lane: &Lane, out: &mut Vec<Draft>) {
        let direction = lane.direction();
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let Some(vehicle) = self.vehicles.get(track.id) else { continue };
            if vehicle.state != State::Watched || vehicle.sight.at != frame.at {
                continue;
            }
            let Some(stretch) = self.stretch(vehicle, lane, frame.scene) else { continue };
            if !self.common.old_enough(track, frame.at) || !self.common.cooldown.pass(frame.at) {
                continue;
            }
            let (with_lane, against_lane) = self.others(frame, track.id, direction);
            let mut measured = evidence(&stretch, track, frame, direction, with_lane, against_lane);
            measured.insert("lawful_before".to_owned(), vehicle.lawful.into());
            let class = frame.scene.labels.name(track.class);
            let summary = format!(
                "{class} goes against {}: heading off by {:.0}°, {:.2} picture heights in {:.1} s",
                self.params.lane,
                degrees(stretch.cosine),
                stretch.net,
                stretch.lasted().as_secs_f64(),
            );
            let sight = vehicle.sight;
            out.push(draft(&self.params, &self.common, Phase::Start, sight, frame.at, summary, measured));
            if let Some(vehicle) = self.vehicles.get_mut(track.id) {
                vehicle.state = State::Reported { since: frame.at };
            }
        }
    }

    /// The share of a stretch that one step may make. Few observations cannot make small steps.
    fn largest_step(&self) -> f32 {
        LARGEST_STEP.max(1.0 / self.params.observations.saturating_sub(1).max(1) as f32)
    }

    /// The straight-line distance that the vehicle must cover, in picture heights.
    fn far(&self, vehicle: &Vehicle) -> f32 {
        let times = if vehicle.lawful { LAWFUL_BEFORE } else { 1.0 };
        times * self.params.far(&vehicle.sight.bbox)
    }

    /// The shortest stretch that ends now and proves the wrong way.
    fn stretch<'a>(&self, vehicle: &'a Vehicle, lane: &Lane, scene: &Scene) -> Option<Stretch<'a>> {
        let now = vehicle.sight.at;
        let far = self.far(vehicle);
        let largest_step = self.largest_step();
        vehicle.path.stretches(now, lane.direction()).find(|stretch| {
            stretch.net >= far
                && stretch.cosine < self.wrong_below
                && stretch.straightness >= self.params.straightness as f32
                && stretch.largest_step <= largest_step * stretch.net
                && stretch.observations() >= self.params.observations
                && stretch.lasted() >= self.params.duration.duration()
                && stretch.whole_share() >= WHOLE_SHARE
                && (EVEN_SHARE..=1.0 - EVEN_SHARE).contains(&stretch.halfway())
                && stretch.cosine_on_ground(lane, scene).is_none_or(|cosine| cosine < f64::from(self.wrong_below))
        })
    }

    /// How many other vehicles in the lane move with it, and how many against it, in this frame.
    fn others(&self, frame: &FrameView<'_>, id: TrackId, direction: Vec2) -> (usize, usize) {
        let others = self.vehicles.states().filter(|v| v.sight.id != id && v.sight.at == frame.at);
        let headings = others.filter_map(|vehicle| {
            let longest = vehicle.path.stretches(frame.at, direction).last()?;
            (longest.net >= self.params.distance as f32 / 2.0).then_some(longest.cosine)
        });
        let (with, against): (Vec<f32>, Vec<f32>) = headings.partition(|cosine| *cosine > 0.0);
        (with.len(), against.len())
    }

    fn close_all(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        for vehicle in self.vehicles.take_all() {
            self.close(&vehicle, at, reason, out);
        }
    }

    fn close(&self, vehicle: &Vehicle, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        if let State::Reported { since } = vehicle.state {
            let until = vehicle.outside_since.unwrap_or(vehicle.sight.at);
            out.push(ending(&self.params, &self.common, vehicle.sight, at, until.since(since), reason));
        }
    }
}

/// Whether the vehicle may stand in another lane than its anchor, one that goes its way.
fn may_go_with_another_lane(track: &Track, frame: &FrameView<'_>, own: &str) -> bool {
    let velocity = frame.scene.in_heights(track.velocity);
    let others = frame.scene.lanes.iter().filter(|(name, _)| name.as_str() != own).map(|(_, lane)| lane);
    let mut alike = others.filter(|lane| lane.direction().dot(velocity) > ALIKE * velocity.length()).peekable();
    if alike.peek().is_none() {
        return false;
    }
    let (anchor, width, height) = (track.anchor(), track.bbox.width(), track.bbox.height());
    // A box much higher than its class ends too low: so much of it is a shadow, or another vehicle.
    let role = Role::of(&frame.scene.labels.name(track.class));
    let stance = Stance::of(&track.bbox, role, frame.scene).filter(Stance::is_on_ground);
    let excess = stance.map_or(0.0, |stance| (1.0 - role.size().height / stance.height_metres) as f32);
    alike.any(|lane| {
        let depths = DEPTHS.into_iter().chain([excess]);
        let mut places =
            depths.flat_map(|depth| ASIDE.map(|aside| (anchor.x + aside * width, anchor.y - depth * height)));
        places.any(|(x, y)| lane.polygon.contains(NormPoint::new(x, y)))
    })
}

impl Stretch<'_> {
    fn way(&self) -> Vec2 {
        self.to.anchor() - self.from.edges.anchor()
    }

    /// The share of it that the box went as a whole.
    fn whole_share(&self) -> f32 {
        self.to.whole_share(&self.from.edges)
    }

    /// The share of it covered halfway through its time.
    fn halfway(&self) -> f32 {
        let middle = self.from.at + self.lasted() / 2;
        self.path.covered(middle, self.from.edges.anchor(), self.way())
    }

    fn observations(&self) -> u32 {
        self.path.observations - self.from.observations + 1
    }

    fn lasted(&self) -> Duration {
        self.now.since(self.from.at)
    }

    /// Cosine of the angle between heading and lane on the ground; none without a calibration. Whoever moves aside on a
    /// lane that the camera looks along may seem to go back in the picture.
    fn cosine_on_ground(&self, lane: &Lane, scene: &Scene) -> Option<f64> {
        let ground = scene.ground.as_ref()?;
        let ends = [self.from.edges.anchor(), self.to.anchor()];
        let [from, to] = ends.map(|end| NormPoint::new(end.x / scene.aspect, end.y));
        let (a, b) = (ground.metres(from)?, ground.metres(to)?);
        let way = Flat::new(b.x - a.x, b.y - a.y).unit()?;
        Some(way.dot(lane_on_ground(lane, to, scene)?))
    }
}

impl Path {
    fn push(&mut self, at: MediaTime, edges: Edges, step: f32) {
        self.observations = self.observations.saturating_add(1);
        self.now = Some(edges);
        let vertex = Vertex { arrived: at, at, edges, observations: self.observations, length: 0.0 };
        match self.vertices.back_mut() {
            None => {
                self.since = Some(at);
                self.vertices.push_back(vertex);
            }
            Some(last) => {
                let moved = (edges.anchor() - last.edges.anchor()).length();
                if moved < step {
                    // Still at that vertex: what comes later is measured from its leaving.
                    (last.at, last.observations) = (at, self.observations);
                } else {
                    let length = last.length + moved;
                    self.since = Some(at);
                    self.vertices.push_back(Vertex { length, ..vertex });
                }
            }
        }
        while self.vertices.len() > CAPACITY || self.vertices.front().is_some_and(|first| at.since(first.at) > MEMORY) {
            self.vertices.pop_front();
        }
    }

    /// Whether it stands, or has gone the lane's way for this distance, in picture heights.
    fn is_lawful(&self, now: MediaTime, direction: Vec2, far: f32) -> bool {
        self.since.is_some_and(|since| now.since(since) >= STANDS_AFTER)
            || self.stretches(now, direction).any(|stretch| stretch.net >= far && stretch.cosine > ALIKE)
    }

    /// All stretches that end now, the shortest first.
    fn stretches(&self, now: MediaTime, direction: Vec2) -> impl Iterator<Item = Stretch<'_>> {
        let last = self.now.zip(self.vertices.back());
        let last_step = last.map_or(0.0, |(to, last)| (to.anchor() - last.edges.anchor()).length());
        let length_now = last.map_or(0.0, |(_, last)| last.length + last_step);
        let (mut largest_step, mut next_length) = (last_step, last.map_or(0.0, |(_, last)| last.length));
        let ends = self.now.into_iter().flat_map(|to| self.vertices.iter().rev().map(move |from| (from, to)));
        ends.filter_map(move |(from, to)| {
            let way = to.anchor() - from.edges.anchor();
            let (net, length) = (way.length(), length_now - from.length);
            largest_step = largest_step.max(next_length - from.length);
            let longest = largest_step;
            next_length = from.length;
            (net > 0.0 && length > 0.0).then(|| Stretch {
                path: self,
                from,
                to,
                now,
                net,
                straightness: (net / length).min(1.0),
                largest_step: longest,
                cosine: way.dot(direction) / net,
            })
        })
    }

    /// The share of a way from `start` that was covered at a time; even between two vertices.
    fn covered(&self, at: MediaTime, start: Vec2, way: Vec2) -> f32 {
        let left = self.vertices.iter().rev().find(|vertex| vertex.arrived <= at);
        let Some(left) = left else { return 0.0 };
        let mut later = self.vertices.iter().filter(|vertex| vertex.arrived > at);
        let place = match later.next() {
            Some(next) if at > left.at => {
                let share = at.seconds_since(left.at) / next.arrived.seconds_since(left.at);
                let (from, to) = (left.edges.anchor(), next.edges.anchor());
                Vec2 { x: from.x + share as f32 * (to.x - from.x), y: from.y + share as f32 * (to.y - from.y) }
            }
            _ => left.edges.anchor(),
        };
        (place - start).dot(way) / way.dot(way)
    }
}

fn degrees(cosine: f32) -> f64 {
    (libm::acos(f64::from(cosine.clamp(-1.0, 1.0))).to_degrees() * 10.0).round() / 10.0
}

/// What speaks for it. The path always does; the tracker's own velocity and the other traffic are
/// independent of it, and are named as cues when they agree.
fn evidence(
    stretch: &Stretch,
    track: &Track,
    frame: &FrameView<'_>,
    direction: Vec2,
    with_lane: usize,
    against_lane: usize,
) -> Values {
    let velocity = frame.scene.in_heights(NormPoint::new(track.velocity.x, track.velocity.y));
    let mut cues = vec!["path"];
    if velocity.dot(direction) < 0.0 {
        cues.push("velocity");
    }
    if with_lane > against_lane {
        cues.push("traffic");
    }
    let height = track.bbox.height();
    values([
        ("heading_difference_degrees", degrees(stretch.cosine).into()),
        ("distance_heights", number(stretch.net)),
        ("distance_box_heights", if height > 0.0 { number(stretch.net / height) } else { Value::Null }),
        ("straightness", number(stretch.straightness)),
        ("whole_box_share", number(stretch.whole_share())),
        ("halfway_share", number(stretch.halfway())),
        ("observations", stretch.observations().into()),
        ("duration_seconds", seconds(stretch.lasted())),
        ("others_with_lane", with_lane.into()),
        ("others_against_lane", against_lane.into()),
        ("cues", cues.into()),
    ])
}

fn ending(params: &Params, common: &Common, sight: Sight, at: MediaTime, lasted: Duration, why: EndReason) -> Draft {
    let summary = format!("wrong way in {} ended after {:.1} s", params.lane, lasted.as_secs_f64());
    let measured = values([("wrong_way_seconds", seconds(lasted)), ("end_reason", why.as_str().into())]);
    draft(params, common, Phase::End, sight, at, summary, measured)
}

fn draft(
    params: &Params,
    common: &Common,
    phase: Phase,
    sight: Sight,
    at: MediaTime,
    summary: String,
    measured: Values,
) -> Draft {
    Draft {
        kind: NAME,
        phase,
        track: Some(sight.id),
        ordinal: 0,
        class: Some(sight.class),
        bbox: Some(sight.bbox),
        severity: common.severity,
        summary,
        thresholds: values([
            ("lane", Value::from(params.lane.as_str())),
            ("angle_degrees", params.angle.into()),
            ("distance_heights", params.distance.into()),
            ("box_heights", params.box_heights.into()),
            ("observations", params.observations.into()),
            ("duration_seconds", seconds(params.duration.duration())),
            ("straightness", params.straightness.into()),
            ("whole_box_share", number(WHOLE_SHARE)),
        ]),
        measured,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_bounded_in_number_and_age() {
        let mut path = Path::default();
        let at = |x: f32| Edges::of(&NormBox { x1: x, y1: 0.0, x2: x + 0.1, y2: 0.1 }, 1.0);
        for n in 0..10_000u16 {
            path.push(MediaTime(i64::from(n) * 40_000_000), at(f32::from(n)), 0.5);
            assert!(path.vertices.len() <= CAPACITY);
        }
        path.push(MediaTime(10_000 * 40_000_000) + MEMORY * 2, at(0.0), 0.5);
        assert_eq!(path.vertices.len(), 1);
        assert!(size_of::<Vehicle>() + CAPACITY * size_of::<Vertex>() <= 1024);
    }
}
