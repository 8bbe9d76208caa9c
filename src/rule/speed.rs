//! Speed over a window of observed anchors, with its uncertainty.
//!
//! The speed is the slope of a weighted straight line through (time, place), by least squares on the frames' own
//! times: no difference of two frames, so one shaking box matters little, and a missing frame nothing. On a
//! calibrated camera places are metres on the ground, else picture heights on the screen.
//!
//! **Weights.** Detectors err by about the same share of a box everywhere on the picture, and a share of a picture
//! height is many more metres far away than near by. So a sample weighs 1/s², where s is how many metres along the
//! heading one picture height is at the anchor (the gradient of the ground mapping).
//!
//! **Error.** The standard error is the root of the sum of squares of
//! - *jitter*: √(q / S) × f, with S = Σ w (t − t̄)² and q the weighted mean square of the residuals, drawn towards
//!   [`JITTER`] box heights as if [`JITTER_WEIGHT`] more samples said so (a Bayesian estimate of a variance with
//!   an inverse-χ² prior). f² = (1 + ρ) / (1 − ρ) makes up for residuals that follow each other with
//!   autocorrelation ρ, as those of a filtered box do (Priestley, *Spectral Analysis and Time Series*, 5.3.2);
//! - *contact*: the anchor stands for the place where the object touches the ground, and misses it by
//!   [`CONTACT`] of its height: on the ground by [`CONTACT`] × H × d/a, with H its height in metres, d the metres along
//!   the heading in one picture height downwards, a those sideways. What stays the same changes no speed; how fast
//!   d/a changes along the window does. (The same as a point of the vehicle that is so far above the ground.)
//! - *turn*: while a vehicle turns, the anchor wanders along its outline, at most half the width of the box ahead of
//!   or behind its middle: half the box's width on the ground × the rate of turn (from the headings of the
//!   window's halves) / √3, as if every place in between were equally likely;
//! - *time*: a frame's time is off by `time_error`: v × `time_error` / √Σ (t − t̄)²;
//! - *calibration*: v × [`Ground::length_error`] along the heading.
//!
//! The bounds are those of Student's t for the jitter and of the normal distribution for the rest: 95 % between
//! them, so 97.5 % above the lower one.
//!
//! **What it cannot see.** A window is a straight line: on a bend it measures the chord, while braking the mean.
//! An offset that stays the same (a vehicle's near edge instead of its middle) changes nothing on a straight way.
//! When something nearer hides the wheels, the anchor jumps up: [`is_hidden`] tells.

use std::collections::VecDeque;
use std::time::Duration;

use super::plane::Vec2;
use super::scene::Scene;
use crate::base::MediaTime;
use crate::scene::{Ground, GroundPoint, NormBox};

/// Samples nearer in time than this share of the window add nothing.
const SPACING: f64 = 1.0 / 20.0;
const CAPACITY: usize = 24;
/// Fewer samples make no speed.
const MIN_SAMPLES: usize = 4;
/// A window that is filled less than this makes no speed.
const MIN_FILL: f64 = 0.4;
/// Standard deviation of an anchor before anything is known of the detector, in box heights.
const JITTER: f64 = 0.03;
/// How many samples that knowledge is worth.
const JITTER_WEIGHT: f64 = 4.0;
/// Standard error of the anchor as the place of contact with the ground, in the object's heights: 0.25 m of a motorcycle
/// with its rider. So chosen, like [`JITTER`], that the intervals hold with the bundled detector, whose boxes end a
/// little above or below the wheels and move there slowly (`tests/e2e/speeds.rs`).
const CONTACT: f64 = 0.15;
/// A box nearer to the picture's edge, in picture heights and in its own, is cut off: its anchor is not the object's.
const EDGE: (f32, f32) = (0.004, 0.03);
/// So much of a box's width must be covered at its lower edge to hide where it touches the ground.
const HIDDEN: f32 = 0.2;
/// 95 % of a normal distribution are within so many standard deviations.
const NORMAL_95: f64 = 1.96;

/// Kilometres an hour in a metre a second.
pub(super) const KMH: f64 = 3.6;

/// How a track's speed is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauge {
    /// Length of the window.
    pub(super) window: Duration,
    /// Standard error of one frame's time against the others, seconds.
    pub(super) time_error: f64,
}

/// A speed with its bounds; on a calibrated camera in metres a second, else in picture heights a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Speed {
    pub(super) value: f64,
    /// It is above this with 97.5 % confidence.
    pub(super) lower: f64,
    /// It is below this with 97.5 % confidence.
    pub(super) upper: f64,
    /// Mean height of the boxes, picture heights.
    pub(super) box_height: f64,
    /// What the window spans.
    pub(super) lasted: Duration,
    pub(super) observations: usize,
    /// Shares of the standard error by cause, in the unit of the speed.
    pub(super) errors: Errors,
}

/// Standard errors of a speed by cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Errors {
    pub(super) jitter: f64,
    pub(super) contact: f64,
    pub(super) turn: f64,
    pub(super) time: f64,
    pub(super) calibration: f64,
}

impl Speed {
    /// Relative width of the interval: the smaller, the better it is known.
    pub(super) fn doubt(&self) -> f64 {
        (self.upper - self.lower) / self.value.max(1e-6)
    }
}

/// The anchors of one track within the window, thinned.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: MediaTime,
    place: GroundPoint,
    /// Derivatives of the place by picture heights: `[[dX/dx, dX/dy], [dY/dx, dY/dy]]`.
    slope: [[f64; 2]; 2],
    /// Picture heights.
    box_height: f64,
    /// Picture heights.
    box_width: f64,
}

impl Sample {
    /// None beyond the horizon.
    fn new(at: MediaTime, bbox: &NormBox, scene: &Scene) -> Option<Self> {
        let (anchor, box_height) = (bbox.anchor(), f64::from(bbox.height()));
        let box_width = f64::from(bbox.width() * scene.aspect);
        let Some(ground) = &scene.ground else {
            let Vec2 { x, y } = scene.in_heights(anchor);
            let place = GroundPoint::new(f64::from(x), f64::from(y));
            return Some(Self { at, place, slope: [[1.0, 0.0], [0.0, 1.0]], box_height, box_width });
        };
        let aspect = f64::from(scene.aspect);
        let slope = ground.jacobian(anchor)?.map(|[by_x, by_y]| [by_x / aspect, by_y]);
        Some(Self { at, place: ground.metres(anchor)?, slope, box_height, box_width })
    }

    /// How far along `heading` it is.
    fn along(&self, heading: GroundPoint) -> f64 {
        heading.x * self.place.x + heading.y * self.place.y
    }

    /// How far one picture height downwards reaches along `heading`.
    fn downwards(&self, heading: GroundPoint) -> f64 {
        let [[_, xy], [_, yy]] = self.slope;
        heading.x * xy + heading.y * yy
    }

    /// How far one picture height sideways reaches.
    fn across(&self) -> f64 {
        let [[x, _], [y, _]] = self.slope;
        (x * x + y * y).sqrt()
    }

    /// How far one picture height reaches along `heading`.
    fn reach(&self, heading: GroundPoint) -> f64 {
        let [[xx, xy], [yx, yy]] = self.slope;
        let (by_x, by_y) = (heading.x * xx + heading.y * yx, heading.x * xy + heading.y * yy);
        (by_x * by_x + by_y * by_y).sqrt()
    }
}

/// The times of the samples about their mean, and what each weighs: all that a straight line needs.
struct Line {
    weights: f64,
    spread: f64,
    /// Weight, and seconds from the mean time.
    samples: [(f64, f64); CAPACITY],
}

impl Line {
    fn of(samples: &VecDeque<Sample>, weight: impl Fn(&Sample) -> f64) -> Self {
        let last = samples.back().map_or(MediaTime(0), |last| last.at);
        let mut weighed = [(0.0, 0.0); CAPACITY];
        for (weighed, sample) in weighed.iter_mut().zip(samples) {
            *weighed = (weight(sample), sample.at.seconds_since(last));
        }
        let weights: f64 = weighed.iter().map(|(weight, _)| weight).sum();
        let mean = weighed.iter().map(|(weight, time)| weight * time).sum::<f64>() / weights;
        weighed.iter_mut().for_each(|(_, time)| *time -= mean);
        let spread = weighed.iter().map(|(weight, time)| weight * time * time).sum();
        Self { weights, spread, samples: weighed }
    }

    /// Slope by time and mean of a quantity of the samples.
    fn fit(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut products, mut sum) = (0.0, 0.0);
        for ((weight, time), value) in self.samples.iter().zip(values) {
            products += weight * time * value;
            sum += weight * value;
        }
        (products / self.spread, sum / self.weights)
    }
}

/// How fast, before any question of error.
pub(super) struct Course {
    /// In metres a second on a calibrated camera, else in picture heights a second.
    pub(super) value: f64,
    /// Mean height of the boxes, picture heights.
    box_height: f64,
    heading: GroundPoint,
    line: Line,
    /// Mean place along the heading.
    mean: f64,
    lasted: Duration,
}

impl Course {
    /// In box heights a second: what can be said without a calibration.
    pub(super) fn in_box_heights(&self) -> f64 {
        if self.box_height > 0.0 { self.value / self.box_height } else { 0.0 }
    }
}

impl Window {
    /// Takes in an observed box; true when it added something. Boxes that the picture cuts off never do.
    pub(super) fn push(&mut self, at: MediaTime, bbox: &NormBox, scene: &Scene, gauge: &Gauge) -> bool {
        let edge = EDGE.0 + EDGE.1 * bbox.height();
        let whole = bbox.x1 > edge && bbox.x2 < 1.0 - edge && bbox.y2 < 1.0 - edge;
        let near = |last: &Sample| at.since(last.at) < gauge.window.mul_f64(SPACING * 0.9);
        if !whole || self.samples.back().is_some_and(near) {
            return false;
        }
        let Some(sample) = Sample::new(at, bbox, scene) else { return false };
        while self.samples.len() >= CAPACITY || self.samples.front().is_some_and(|s| at.since(s.at) > gauge.window) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        true
    }

    /// How fast over the window; none while there is too little of it.
    pub(super) fn course(&self, gauge: &Gauge) -> Option<Course> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let lasted = last.at.since(first.at);
        if self.samples.len() < MIN_SAMPLES || lasted < gauge.window.mul_f64(MIN_FILL) {
            return None;
        }
        let heading = self.heading()?;
        let line = Line::of(&self.samples, |sample| sample.reach(heading).powi(-2));
        let (value, mean) = line.fit(self.samples.iter().map(|sample| sample.along(heading)));
        let (_, box_height) = line.fit(self.samples.iter().map(|sample| sample.box_height));
        value.is_finite().then_some(Course { value, box_height, heading, line, mean, lasted })
    }

    /// The same with its uncertainty.
    pub(super) fn speed(&self, scene: &Scene, gauge: &Gauge) -> Option<Speed> {
        let Course { value: speed, box_height, heading, line, mean, lasted } = self.course(gauge)?;
        // The object's own height does not change: only geometry, not shaking boxes, decides how its foot may drift.
        let (_, height_m) = line.fit(self.samples.iter().map(|sample| sample.box_height * sample.across()));
        let (drift, _) = line.fit(self.samples.iter().map(|sample| sample.downwards(heading) / sample.across()));
        let mut residuals = [0.0; CAPACITY];
        for ((residual, sample), (_, time)) in residuals.iter_mut().zip(&self.samples).zip(&line.samples) {
            *residual = sample.along(heading) - mean - speed * time;
        }
        let residuals = residuals.get(..self.samples.len())?;
        let middle = self.samples.get(self.samples.len() / 2)?;
        let freedom = JITTER_WEIGHT + self.samples.len() as f64 - 2.0;
        let squares: f64 = line.samples.iter().zip(residuals).map(|((weight, _), off)| weight * off * off).sum();
        let variance = (squares + JITTER_WEIGHT * (JITTER * box_height).powi(2)) / freedom;
        let errors = Errors {
            jitter: (variance * following(residuals) / line.spread).sqrt(),
            contact: CONTACT * height_m * drift.abs(),
            turn: self.turning(middle).min(speed) / 3.0_f64.sqrt(),
            time: speed * gauge.time_error / (line.spread * self.samples.len() as f64 / line.weights).sqrt(),
            calibration: speed * calibration(scene.ground.as_ref(), line_ends(heading, middle.place, speed, lasted)),
        };
        // Student's t as a normal quantile, by Cornish and Fisher's expansion.
        let student = NORMAL_95 + 2.37 / freedom + 2.8 / (freedom * freedom);
        let rest = errors.contact.powi(2) + errors.turn.powi(2) + errors.time.powi(2) + errors.calibration.powi(2);
        let half = ((student * errors.jitter).powi(2) + NORMAL_95.powi(2) * rest).sqrt();
        half.is_finite().then(|| Speed {
            value: speed,
            lower: (speed - half).max(0.0),
            upper: speed + half,
            box_height,
            lasted,
            observations: self.samples.len(),
            errors,
        })
    }

    /// The direction of travel, of length 1; any when it stands.
    fn heading(&self) -> Option<GroundPoint> {
        // Weights without a heading: the mean over all.
        let weight = |s: &Sample| s.slope.as_flattened().iter().map(|by| by * by).sum::<f64>().recip();
        let line = Line::of(&self.samples, weight);
        let (x, _) = line.fit(self.samples.iter().map(|s| s.place.x));
        let (y, _) = line.fit(self.samples.iter().map(|s| s.place.y));
        let length = (x * x + y * y).sqrt();
        if !length.is_finite() {
            return None;
        }
        Some(if length > 0.0 { GroundPoint::new(x / length, y / length) } else { GroundPoint::new(1.0, 0.0) })
    }

    /// Half the box's width on the ground times the rate of turn: how fast the anchor may move along the outline.
    fn turning(&self, middle: &Sample) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let way = |a: &Sample, b: &Sample| (b.place.x - a.place.x, b.place.y - a.place.y);
        let ((ax, ay), (bx, by)) = (way(first, middle), way(middle, last));
        let (cross, dot) = (ax * by - ay * bx, ax * bx + ay * by);
        let seconds = last.at.since(first.at).as_secs_f64() / 2.0;
        middle.box_width * middle.across() / 2.0 * libm::atan2(cross, dot).abs() / seconds
    }
}

/// What residuals that follow each other do to the variance of a slope.
fn following(residuals: &[f64]) -> f64 {
    let squares: f64 = residuals.iter().map(|r| r * r).sum();
    let products: f64 = residuals.iter().zip(residuals.iter().skip(1)).map(|(a, b)| a * b).sum();
    // A straight line through few samples takes some of it away: about 2/n (Marriott and Pope 1954).
    let bias = 2.0 / residuals.len() as f64;
    let follows = if squares > 0.0 { (products / squares + bias).clamp(0.0, 0.8) } else { 0.0 };
    (1.0 + follows) / (1.0 - follows)
}

/// Whether one of the other boxes, nearer to the camera, covers part of where `bbox` touches the ground.
pub(super) fn is_hidden<'b>(bbox: &NormBox, others: impl Iterator<Item = &'b NormBox>) -> bool {
    let covers = |other: &NormBox| {
        let overlap = bbox.x2.min(other.x2) - bbox.x1.max(other.x1);
        other.y2 > bbox.y2 && other.y1 < bbox.y2 && overlap > HIDDEN * bbox.width()
    };
    others.into_iter().any(covers)
}

/// The way over the window, at least a metre of it, about its middle.
fn line_ends(heading: GroundPoint, middle: GroundPoint, speed: f64, lasted: Duration) -> [GroundPoint; 2] {
    let half = (speed * lasted.as_secs_f64()).max(1.0) / 2.0;
    [-half, half].map(|by| GroundPoint::new(middle.x + by * heading.x, middle.y + by * heading.y))
}

/// Relative standard error of the way by the calibration; 0 without one.
fn calibration(ground: Option<&Ground>, [from, to]: [GroundPoint; 2]) -> f64 {
    let error = |ground: &Ground| ground.length_error(ground.picture(from)?, ground.picture(to)?);
    // An end beyond the horizon is as uncertain as can be.
    ground.map_or(0.0, |ground| error(ground).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Labels, NormPoint};

    fn gauge() -> Gauge {
        Gauge { window: Duration::from_secs(2), time_error: 0.002 }
    }

    /// A camera 20 m high: a metre is 0.54 picture heights at one metre's distance.
    fn scene(error_m: f64) -> Scene {
        let matrix = [[20.0, 0.0, -10.0], [0.0, -6.0, 12.0], [0.0, 1.0, -0.2]];
        Scene {
            tripwires: [].into(),
            zones: [].into(),
            lanes: [].into(),
            ground: Some(Ground::from_matrix(matrix, error_m, NormPoint::new(0.5, 1.0)).unwrap()),
            labels: Labels::new(["car"]),
            aspect: 1.0,
        }
    }

    /// Roughly normal numbers, seeded.
    fn normal(seed: &mut u64) -> f64 {
        let share = |_| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 40) as f64 / f64::from(1_u32 << 24)
        };
        (0..12).map(share).sum::<f64>() - 6.0
    }

    /// A vehicle 1.5 m high that comes towards the camera from `from` metres, with so much jitter in box heights.
    fn approach(scene: &Scene, mps: f64, from: f64, jitter: f64, fps: f64, seed: &mut u64) -> Option<Speed> {
        let (mut window, mut speed) = (Window::default(), None);
        for frame in 0..(2.0 * fps) as u32 {
            let t = f64::from(frame) / fps;
            let ground = scene.ground.as_ref().unwrap();
            let anchor = ground.picture(GroundPoint::new(0.0, from - mps * t)).unwrap();
            // A metre across is as many picture heights as a metre upwards.
            let height = 1.5 * (f64::from(anchor.y) - 0.2) / 20.0;
            let (dx, dy) = (jitter * height * normal(seed), jitter * height * normal(seed));
            let (x, y) = (anchor.x + dx as f32, anchor.y + dy as f32);
            let half = height as f32 / 2.0;
            let bbox = NormBox { x1: x - half, y1: y - 2.0 * half, x2: x + half, y2: y };
            if window.push(MediaTime::from_seconds(t), &bbox, scene, &gauge()) {
                speed = window.speed(scene, &gauge());
            }
        }
        speed
    }

    #[test]
    fn the_interval_holds_what_it_promises() {
        let scene = scene(0.01);
        let mut seed = 7;
        let (mut held, mut above, mut wide) = (0, 0, 0.0);
        for n in 0..400 {
            let truth = 3.0 + f64::from(n % 20);
            let speed = approach(&scene, truth, 60.0, 0.03, 25.0, &mut seed).unwrap();
            held += u32::from((speed.lower..=speed.upper).contains(&truth));
            above += u32::from(speed.lower > truth);
            wide += (speed.upper - speed.lower) / truth / 400.0;
        }
        assert!(held >= 372, "{held} of 400 within, {above} above, mean width {wide}");
        assert!(above <= 16 && wide < 0.5, "{held} {above} {wide}");
    }

    #[test]
    fn frame_rate_and_missing_frames_change_little() {
        let scene = scene(0.01);
        for fps in [5.0, 10.0, 25.0, 60.0] {
            let speed = approach(&scene, 10.0, 40.0, 0.0, fps, &mut 1).unwrap();
            assert!((speed.value - 10.0).abs() < 0.02, "{fps} fps: {speed:?}");
        }
    }

    #[test]
    fn every_cause_of_error_shows() {
        let still = approach(&scene(0.01), 10.0, 40.0, 0.0, 25.0, &mut 1).unwrap();
        let shaken = approach(&scene(0.01), 10.0, 40.0, 0.05, 25.0, &mut 1).unwrap();
        assert!(shaken.errors.jitter > 1.5 * still.errors.jitter, "{:?} {:?}", shaken.errors, still.errors);
        let rough = approach(&scene(0.5), 10.0, 40.0, 0.0, 25.0, &mut 1).unwrap();
        assert!(rough.errors.calibration > 20.0 * still.errors.calibration);
        // 0.225 m above the ground under a camera 20 m high: 1.125 % of the speed.
        assert!((still.errors.contact / 10.0 - 0.01125).abs() < 0.0005, "{:?}", still.errors);
        assert!(still.errors.time > 0.0);
    }

    #[test]
    fn boxes_at_the_edge_and_short_tracks_say_nothing() {
        let (scene, gauge) = (scene(0.01), gauge());
        let mut window = Window::default();
        let at = |n: i64| MediaTime(n * 100_000_000);
        let cut = NormBox { x1: 0.0, y1: 0.4, x2: 0.1, y2: 0.6 };
        assert!(!window.push(at(0), &cut, &scene, &gauge));
        let whole = NormBox { x1: 0.4, y1: 0.4, x2: 0.5, y2: 0.6 };
        assert!(window.push(at(0), &whole, &scene, &gauge) && window.push(at(1), &whole, &scene, &gauge));
        assert_eq!(window.speed(&scene, &gauge), None);
        for n in 2..1000 {
            window.push(at(n), &whole, &scene, &gauge);
            assert!(window.samples.len() <= CAPACITY);
        }
        let standing = window.speed(&scene, &gauge).unwrap();
        assert!(standing.value.abs() < 1e-9 && standing.lower == 0.0, "{standing:?}");
    }
}
