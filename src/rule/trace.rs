//! The last seconds of a road user on the plane: its velocity by least squares, and where it was.

use std::collections::VecDeque;
use std::time::Duration;

use super::body::{Body, Flat, Stance};
use super::draft::Sight;
use super::fit::Line;
use super::quantiles::median;
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
const CAPACITY: usize = 18;
/// A velocity is told only of a place that is so fresh.
const FRESH: Duration = Duration::from_millis(250);
/// A heading is told only of somebody who moves, metres per second.
const MOVES: f64 = 1.0;
/// What was passed is remembered so long, in steps.
const PATH_LENGTH: Duration = Duration::from_secs(4);
const PATH_STEP: Duration = Duration::from_millis(100);
const PATH_CAPACITY: usize = 42;
/// Within [`STEADY`] the height of a box, in metres where it stands, changes by no more than this factor. More, and
/// something hides its lower edge or no longer does: the place jumps, the object does not. A single box that errs is no
/// change, and no place either.
const STEADY: Duration = Duration::from_secs(1);
const STEADY_ON_GROUND: f64 = 1.21;
/// In picture heights, which grow as it comes near.
const STEADY_IN_PICTURE: f64 = 1.4;

/// Where a box stood, and how high it was there in metres.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: MediaTime,
    place: Flat,
    height_metres: f64,
    /// The middle one of this height and the two before: it knows nothing of a single error.
    middle_of_three: f64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) sight: Sight,
    pub(super) role: Role,
    /// When it was first seen by the rule.
    pub(super) since: MediaTime,
    /// The last [`STEADY`], oldest first.
    seen: VecDeque<Seen>,
    /// When the box last changed its height.
    unsteady_at: MediaTime,
    /// The places of those within [`WINDOW`] whose lower edge can be trusted.
    places: Vec<(MediaTime, Flat)>,
    /// The line through them.
    line: Option<Line>,
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
            seen: VecDeque::new(),
            unsteady_at: MediaTime(i64::MIN),
            places: Vec::new(),
            line: None,
            stance: None,
            heading: None,
            path: VecDeque::new(),
            now: None,
        }
    }

    /// Takes in an observed sight.
    pub(super) fn push(&mut self, sight: Sight, role: Role, scene: &Scene) {
        (self.sight, self.role) = (sight, role);
        let stance = Stance::of(&sight.bbox, role, scene);
        let is_news = stance.is_some_and(|stance| self.remember(sight.at, &stance));
        self.stance = stance.or(self.stance);
        self.trust(sight.at, is_news);
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

    /// Whether it was taken.
    fn remember(&mut self, at: MediaTime, stance: &Stance) -> bool {
        if self.seen.back().is_some_and(|last| at.since(last.at) < SPACING) {
            return false;
        }
        if self.seen.len() >= CAPACITY {
            self.seen.pop_front();
        }
        let height = stance.height_metres;
        let mut last = self.seen.iter().rev().map(|seen| seen.height_metres);
        let middle_of_three = last.next().zip(last.next()).map_or(height, |(b, a)| a.max(b).min(a.min(b).max(height)));
        self.seen.push_back(Seen { at, place: stance.place, height_metres: height, middle_of_three });
        true
    }

    /// Takes the places whose lower edge can be trusted, and draws the line through them. Without news, and while nothing
    /// is too old, all is as it was.
    fn trust(&mut self, at: MediaTime, is_news: bool) {
        let before = self.seen.len();
        while self.seen.front().is_some_and(|first| at.since(first.at) > STEADY) {
            self.seen.pop_front();
        }
        let is_over = self.places.first().is_some_and(|(first, _)| at.since(*first) > WINDOW);
        if is_news || is_over || self.seen.len() < before {
            self.take_places(at);
            self.line = Line::fit(self.places.iter());
        }
    }

    fn take_places(&mut self, at: MediaTime) {
        self.places.clear();
        let (Some(stance), Some(middle)) =
            (&self.stance, median::<CAPACITY>(self.seen.iter().map(|seen| seen.height_metres)))
        else {
            return;
        };
        let factor = if stance.is_on_ground() { STEADY_ON_GROUND } else { STEADY_IN_PICTURE };
        let (mut least, mut most) = (middle, middle);
        for seen in self.seen.iter().skip(2) {
            (least, most) = (least.min(seen.middle_of_three), most.max(seen.middle_of_three));
        }
        if most > least * factor {
            self.unsteady_at = at;
            return;
        }
        let errs = |height: f64| height.max(middle) > height.min(middle) * factor.sqrt();
        let fresh = self.seen.iter().filter(|seen| seen.at > self.unsteady_at && at.since(seen.at) <= WINDOW);
        self.places.extend(fresh.filter(|seen| !errs(seen.height_metres)).map(|seen| (seen.at, seen.place)));
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
        let (old, new) = (Line::fit(self.places[..middle].iter())?, Line::fit(self.places[middle..].iter())?);
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
        let (first, last) = (self.places.first()?, self.places.last()?);
        let known = self.places.len() >= MIN_PLACES && last.0.since(first.0) >= MIN_SPAN && at.since(last.0) <= FRESH;
        let stance = self.stance.as_ref().filter(|_| known)?;
        let line = self.line.as_ref()?;
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
            assert!(trace.seen.len() <= CAPACITY && trace.path.len() <= PATH_CAPACITY);
            let off = body.velocity.minus(Flat::new(1.2, 0.2)).length();
            covered += u32::from(off <= 2.5 * body.velocity_error);
            // The anchor is the near edge, half a car's width and the footprint's slant before the middle.
            assert!((0.9..1.5).contains(&(body.footprint.centre.y - 5.0 - 0.2 * t)), "{body:?}");
        }
        assert!(covered >= 180, "{covered}");
    }

    /// The same, its box so many times as high; what hides its lower part moves the lower edge up.
    fn box_of(t: f64, x: f64, y: f64, height: f64, hidden: f64) -> Sight {
        let seen = sight(t, x, y);
        let y2 = seen.bbox.y2 - (0.08 * hidden) as f32;
        Sight { bbox: NormBox { y1: seen.bbox.y2 - (0.08 * height) as f32, y2, ..seen.bbox }, ..seen }
    }

    #[test]
    fn a_height_that_errs_now_and_then_takes_no_velocity_away() {
        let scene = scene();
        let mut trace = Trace::new(sight(0.0, 5.0, 5.0), Role::Car);
        for n in 0..40u32 {
            let t = f64::from(n) / 10.0;
            // Every fifth box ends far below the wheels.
            let hidden = if n % 5 == 4 { -0.3 } else { 0.0 };
            trace.push(box_of(t, 5.0 + 3.0 * t, 5.0, 1.0, hidden), Role::Car, &scene);
            let Some(body) = trace.now() else {
                assert!(n < 5, "{n}");
                continue;
            };
            assert!(body.velocity.minus(Flat::new(3.0, 0.0)).length() < 0.05, "{n}: {body:?}");
        }
    }

    #[test]
    fn whoever_is_being_hidden_has_no_velocity_and_has_one_again_once_the_box_is_steady() {
        let scene = scene();
        let mut trace = Trace::new(sight(0.0, 5.0, 5.0), Role::Car);
        let mut known = Vec::new();
        for n in 0..60u32 {
            let t = f64::from(n) / 10.0;
            // From second 2 to second 3 its lower 45 % go behind something.
            let hidden = 0.45 * (t - 2.0).clamp(0.0, 1.0);
            trace.push(box_of(t, 5.0 + 3.0 * t, 5.0, 1.0, hidden), Role::Car, &scene);
            if let Some(body) = trace.now() {
                let off = body.velocity.minus(Flat::new(3.0, 0.0)).length();
                assert!(off < 0.6, "{t}: {body:?}");
                known.push(n);
            }
        }
        assert!(known.iter().any(|n| *n < 20) && !known.iter().any(|n| (26..=33).contains(n)), "{known:?}");
        assert!((45..60).all(|n| known.contains(&n)), "{known:?}");
    }

    #[test]
    fn less_than_half_of_somebody_stands_nowhere() {
        let scene = scene();
        let mut trace = Trace::new(sight(0.0, 5.0, 5.0), Role::Car);
        for n in 0..30 {
            trace.push(box_of(f64::from(n) / 10.0, 5.0, 5.0, 1.0, 0.6), Role::Car, &scene);
        }
        assert!(trace.now().is_none());
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
