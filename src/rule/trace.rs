//! The last seconds of a road user on the plane: its velocity by least squares, and where it was.

use std::collections::VecDeque;
use std::time::Duration;

use super::body::{Body, Flat, Stance};
use super::draft::Sight;
use super::roles::Role;
use super::scene::Scene;
use crate::base::MediaTime;

/// Places within this time of the newest make the velocity.
const WINDOW: Duration = Duration::from_millis(700);
/// They must span this, and be so many.
const MIN_SPAN: Duration = Duration::from_millis(300);
const MIN_PLACES: usize = 4;
/// Places nearer in time than this add nothing.
const SPACING: Duration = Duration::from_millis(60);
const CAPACITY: usize = 14;
/// A velocity is told only of a place that is so fresh.
const FRESH: Duration = Duration::from_millis(250);
/// A heading is told only of somebody who moves, metres per second.
const MOVES: f64 = 1.0;
/// What was passed is remembered so long, in steps.
const PATH_LENGTH: Duration = Duration::from_secs(4);
const PATH_STEP: Duration = Duration::from_millis(100);
const PATH_CAPACITY: usize = 42;
/// Within [`STEADY`] the height of a box, in metres where it stands, changes by no more than this factor. More, and
/// something hides its lower edge or no longer does: the place jumps, the object does not.
const STEADY: Duration = Duration::from_secs(1);
const STEADY_ON_GROUND: f64 = 1.18;
/// In picture heights, which grow as it comes near.
const STEADY_IN_PICTURE: f64 = 1.4;

/// See the module.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) sight: Sight,
    pub(super) role: Role,
    /// When it was first seen by the rule.
    pub(super) since: MediaTime,
    places: VecDeque<(MediaTime, Flat)>,
    heights: VecDeque<(MediaTime, f64)>,
    stance: Option<Stance>,
    heading: Option<Flat>,
    path: VecDeque<Body>,
    now: Option<Body>,
}

impl Trace {
    pub(super) fn new(sight: Sight, role: Role) -> Self {
        Self {
            sight,
            role,
            since: sight.at,
            places: VecDeque::new(),
            heights: VecDeque::new(),
            stance: None,
            heading: None,
            path: VecDeque::new(),
            now: None,
        }
    }

    /// Takes in an observed sight.
    pub(super) fn push(&mut self, sight: Sight, role: Role, scene: &Scene) {
        (self.sight, self.role) = (sight, role);
        if let Some(stance) = Stance::of(&sight.bbox, role, scene) {
            if !self.is_steady(sight.at, &stance) {
                self.places.clear();
            }
            if self.places.back().is_none_or(|(last, _)| sight.at.since(*last) >= SPACING) {
                if self.places.len() >= CAPACITY {
                    self.places.pop_front();
                }
                self.places.push_back((sight.at, stance.place));
            }
            self.stance = Some(stance);
        }
        while self.places.front().is_some_and(|(first, _)| sight.at.since(*first) > WINDOW) {
            self.places.pop_front();
        }
        self.now = self.estimate(sight.at);
        if let Some(body) = self.now {
            let fast = body.speed() >= MOVES && body.speed() >= 3.0 * body.velocity_error * body.unit_metres;
            if fast {
                self.heading = body.velocity.unit();
            }
            if self.path.back().is_none_or(|last| body.at.since(last.at) >= PATH_STEP) {
                if self.path.len() >= PATH_CAPACITY {
                    self.path.pop_front();
                }
                self.path.push_back(body);
            }
        }
        while self.path.front().is_some_and(|first| sight.at.since(first.at) > PATH_LENGTH) {
            self.path.pop_front();
        }
    }

    /// Takes in the height, and says whether the lower edge of the box can be trusted.
    fn is_steady(&mut self, at: MediaTime, stance: &Stance) -> bool {
        if self.heights.back().is_none_or(|(last, _)| at.since(*last) >= SPACING) {
            self.heights.push_back((at, stance.height_metres));
        }
        while self.heights.front().is_some_and(|(first, _)| at.since(*first) > STEADY) {
            self.heights.pop_front();
        }
        let heights = || self.heights.iter().map(|(_, height)| *height).chain([stance.height_metres]);
        let (least, most) = (heights().fold(f64::INFINITY, f64::min), heights().fold(0.0, f64::max));
        let factor = if stance.is_on_ground() { STEADY_ON_GROUND } else { STEADY_IN_PICTURE };
        most <= least * factor
    }

    /// The road user in the frame of its last sight; none while too little is known.
    pub(super) fn now(&self) -> Option<&Body> {
        self.now.as_ref()
    }

    /// Where it was, oldest first, to the newest; at most [`PATH_LENGTH`] ago.
    pub(super) fn path(&self) -> impl DoubleEndedIterator<Item = &Body> {
        self.path.iter()
    }

    /// How abruptly the velocity changes, between the two halves of the window; none while too little is known.
    pub(super) fn jolt(&self) -> Option<Jolt> {
        let unit = self.now?.unit_metres;
        let middle = self.places.len() / 2;
        let (old, new) = (Line::fit(self.places.range(..middle))?, Line::fit(self.places.range(middle..))?);
        let apart = old.mean_seconds_to(&new);
        let error = (old.slope_error.powi(2) + new.slope_error.powi(2)).sqrt();
        let per_second = |change: f64| (change - 2.0 * error) * unit / apart;
        (apart > 0.0).then(|| Jolt {
            change: per_second(new.slope.minus(old.slope).length()),
            braking: per_second(old.slope.length() - new.slope.length()),
        })
    }

    /// The newest place, and the velocity by least squares over the window with the standard error that the residuals tell.
    fn estimate(&self, at: MediaTime) -> Option<Body> {
        let (first, last) = (self.places.front()?, self.places.back()?);
        let known = self.places.len() >= MIN_PLACES && last.0.since(first.0) >= MIN_SPAN && at.since(last.0) <= FRESH;
        let stance = self.stance.as_ref().filter(|_| known)?;
        let line = Line::fit(self.places.iter())?;
        // The newest place, not the line's end: that runs on when the road user no longer does.
        let footprint = stance.footprint(last.1, self.role, self.heading);
        let unit_metres = stance.unit_metres();
        Some(Body { at, footprint, velocity: line.slope, velocity_error: line.slope_error, unit_metres })
    }
}

/// How abruptly a velocity changes, metres per second squared, sure by two standard errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jolt {
    /// Of the velocity, in any direction.
    pub(super) change: f64,
    /// Of the speed: positive when it falls.
    pub(super) braking: f64,
}

/// Places over time by least squares.
struct Line {
    origin: MediaTime,
    mean_time: f64,
    slope: Flat,
    /// Standard error of the slope, one axis.
    slope_error: f64,
}

impl Line {
    /// None for fewer than three places or places at one time.
    fn fit<'a>(places: impl Iterator<Item = &'a (MediaTime, Flat)> + Clone) -> Option<Self> {
        let origin = places.clone().next()?.0;
        let time = |at: MediaTime| at.seconds_since(origin);
        let count = places.clone().count() as f64;
        let mean_time = places.clone().map(|(at, _)| time(*at)).sum::<f64>() / count;
        let mean = places.clone().fold(Flat::default(), |sum, (_, place)| sum.plus(*place)).times(1.0 / count);
        let spread: f64 = places.clone().map(|(at, _)| (time(*at) - mean_time).powi(2)).sum();
        let slope = places.clone().fold(Flat::default(), |sum, (at, place)| {
            sum.plus(place.minus(mean).times((time(*at) - mean_time) / spread))
        });
        let squares = places.map(|(at, place)| {
            let off = place.minus(mean.plus(slope.times(time(*at) - mean_time)));
            off.dot(off)
        });
        // Two axes, two parameters each.
        let slope_error = (squares.sum::<f64>() / (2.0 * count - 4.0) / spread).sqrt();
        (count >= 3.0 && spread > 0.0).then_some(Self { origin, mean_time, slope, slope_error })
    }

    fn mean_seconds_to(&self, later: &Self) -> f64 {
        later.origin.seconds_since(self.origin) + later.mean_time - self.mean_time
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::TrackId;
    use crate::scene::{ClassId, Ground, Labels, NormBox, NormPoint};

    /// The picture is 40 m wide and 20 m deep, seen from above.
    fn scene() -> Scene {
        let matrix = [[40.0, 0.0, 0.0], [0.0, -20.0, 20.0], [0.0, 0.0, 1.0]];
        Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(),
            labels: Labels::new(["car"]),
            aspect: 2.0,
        }
    }

    fn sight(t: f64, x: f64, y: f64) -> Sight {
        let (x, y) = (x as f32 / 40.0, 1.0 - y as f32 / 20.0);
        let bbox = NormBox { x1: x - 0.03, y1: y - 0.08, x2: x + 0.03, y2: y };
        Sight { id: TrackId(1), class: ClassId(0), bbox, at: MediaTime::from_seconds(t) }
    }

    #[test]
    fn velocity_is_that_of_the_ground_with_an_error_that_covers_it() {
        let scene = scene();
        let mut trace = Trace::new(sight(0.0, 5.0, 5.0), Role::Car);
        let mut covered = 0;
        for n in 0..200u32 {
            let t = f64::from(n) / 10.0;
            let noise = if n % 2 == 0 { 0.05 } else { -0.05 } * f64::from(n % 3);
            trace.push(sight(t, 5.0 + 1.2 * t + noise, 5.0 + 0.2 * t), Role::Car, &scene);
            let Some(body) = trace.now() else {
                assert!(n < 3);
                continue;
            };
            assert!(trace.places.len() <= CAPACITY && trace.path.len() <= PATH_CAPACITY);
            let off = body.velocity.minus(Flat::new(1.2, 0.2)).length();
            covered += u32::from(off <= 2.5 * body.velocity_error);
            // The anchor is the near edge, half a car's width and the footprint's slant before the middle.
            assert!((0.9..1.5).contains(&(body.footprint.centre.y - 5.0 - 0.2 * t)), "{body:?}");
        }
        assert!(covered >= 180, "{covered}");
    }

    #[test]
    fn little_seen_is_not_known() {
        let scene = scene();
        let mut trace = Trace::new(sight(0.0, 5.0, 5.0), Role::Car);
        for n in 0..3 {
            trace.push(sight(f64::from(n), 5.0, 5.0), Role::Car, &scene);
        }
        assert!(trace.now().is_none(), "one a second");
        let cut = NormBox { x1: 0.0, y1: 0.5, x2: 0.1, y2: 0.6 };
        for n in 0..30 {
            let sight = Sight { bbox: cut, ..sight(3.0 + f64::from(n) / 10.0, 5.0, 5.0) };
            trace.push(sight, Role::Car, &scene);
        }
        assert!(trace.now().is_none(), "cut by the picture's edge");
    }
}
