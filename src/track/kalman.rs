//! Where a box is expected after Δt seconds: a constant-velocity Kalman filter.
//!
//! The filter of SORT and ByteTrack with its time step made real. Noise scales with the box's height, as
//! there, but per second: position diffuses, and velocity takes a random walk (white acceleration), so
//! the process noise over Δt is q_v·[Δt³/3, Δt²/2; Δt²/2, Δt] + q_p·[Δt, 0; 0, 0] (Bar-Shalom, Li and
//! Kirubarajan, *Estimation with Applications to Tracking and Navigation*, 2001, §6.2.2). Two steps
//! of Δt/2 give one step of Δt (while the height, which scales the noise, keeps).
//!
//! Centre x, centre y, width and height do not share noise, so the 8×8 filter falls apart into four
//! filters of position and velocity, with the same result and no matrix algebra.
//!
//! Space: picture **heights** on both axes, so that a pixel is as wide as it is tall. Boxes enter and
//! leave in normalised coordinates with the picture's aspect ratio.

use crate::scene::{NormBox, NormPoint};

/// Standard deviation of a detection's centre and size, in box heights (ByteTrack: 0.05).
const MEASUREMENT: f32 = 0.06;
/// Diffusion of position, in box heights per √second (ByteTrack's 1/20 per frame is 0.27 at 30 fps).
const POSITION: f32 = 0.14;
/// Diffusion of velocity, in box heights per second per √second (ByteTrack's 1/160 per frame is 1.0 at 30 fps).
const VELOCITY: f32 = 0.5;
/// Standard deviation of the unknown first velocity, in longer box sides per second (ByteTrack's 10/160 per frame
/// is 1.9 at 30 fps).
const FIRST_VELOCITY: f32 = 2.8;
/// No box is taken to be smaller than this, in picture heights (1/4 pixel at 1080 lines).
const MIN_SIZE: f32 = 2.5e-4;

/// Position and velocity on one axis, with their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    at: f32,
    speed: f32,
    /// Var(at), Cov(at, speed), Var(speed).
    covariance: [f32; 3],
}

impl Axis {
    fn new(at: f32, size: f32, length: f32) -> Self {
        let position = 2.0 * MEASUREMENT * size;
        let speed = FIRST_VELOCITY * length;
        Self { at, speed: 0.0, covariance: [position * position, 0.0, speed * speed] }
    }

    fn predict(&mut self, dt: f32, size: f32) {
        let q_position = (POSITION * size).powi(2);
        let q_speed = (VELOCITY * size).powi(2);
        let [pp, ps, ss] = self.covariance;
        self.at += self.speed * dt;
        self.covariance = [
            pp + 2.0 * dt * ps + dt * dt * ss + q_position * dt + q_speed * dt * dt * dt / 3.0,
            ps + dt * ss + q_speed * dt * dt / 2.0,
            ss + q_speed * dt,
        ];
    }

    fn surprise(&self, measured: f32, size: f32) -> f32 {
        let [pp, _, _] = self.covariance;
        let noise = (MEASUREMENT * size).powi(2);
        (measured - self.at).powi(2) / (pp + noise)
    }

    fn update(&mut self, measured: f32, size: f32) {
        let [pp, ps, ss] = self.covariance;
        let noise = (MEASUREMENT * size).powi(2);
        let innovation_variance = pp + noise;
        let (gain_at, gain_speed) = (pp / innovation_variance, ps / innovation_variance);
        let innovation = measured - self.at;
        self.at += gain_at * innovation;
        self.speed += gain_speed * innovation;
        // (1 − K)·pp written as K·noise: it cannot turn negative by rounding.
        self.covariance = [gain_at * noise, ps * noise / innovation_variance, (ss - gain_speed * ps).max(0.0)];
    }
}

/// The filtered box of one object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxFilter {
    x: Axis,
    y: Axis,
    width: Axis,
    height: Axis,
}

/// Centre x, centre y, width, height, in picture heights.
fn measure(bbox: &NormBox, aspect: f32) -> [f32; 4] {
    let centre = bbox.centre();
    [centre.x * aspect, centre.y, (bbox.width() * aspect).max(MIN_SIZE), bbox.height().max(MIN_SIZE)]
}

impl BoxFilter {
    /// A filter from a first detection; `aspect` is the picture's width over its height.
    #[must_use]
    pub fn new(bbox: &NormBox, aspect: f32) -> Self {
        let [x, y, width, height] = measure(bbox, aspect);
        // A car seen from the side covers its own length in the time a rider needs for theirs.
        let length = width.max(height);
        Self {
            x: Axis::new(x, height, length),
            y: Axis::new(y, height, length),
            width: Axis::new(width, height, length),
            height: Axis::new(height, height, length),
        }
    }

    /// Moves on by `dt` seconds (0 or more).
    pub fn predict(&mut self, dt: f32) {
        let size = self.size();
        for axis in [&mut self.x, &mut self.y, &mut self.width, &mut self.height] {
            axis.predict(dt, size);
        }
        self.width.at = self.width.at.max(MIN_SIZE);
        self.height.at = self.height.at.max(MIN_SIZE);
    }

    /// Takes in a detection.
    pub fn update(&mut self, bbox: &NormBox, aspect: f32) {
        let size = self.size();
        let [x, y, width, height] = measure(bbox, aspect);
        self.x.update(x, size);
        self.y.update(y, size);
        self.width.update(width, size);
        self.height.update(height, size);
        self.width.at = self.width.at.max(MIN_SIZE);
        self.height.at = self.height.at.max(MIN_SIZE);
    }

    /// Stops growth or shrinking: an unseen box keeps its size (as ByteTrack does for height).
    pub fn hold_size(&mut self) {
        self.width.speed = 0.0;
        self.height.speed = 0.0;
    }

    /// Stops it where it is.
    pub fn hold_still(&mut self) {
        self.hold_size();
        self.x.speed = 0.0;
        self.y.speed = 0.0;
    }

    /// The box now, in normalised coordinates; may reach outside the picture.
    #[must_use]
    pub fn bbox(&self, aspect: f32) -> NormBox {
        let half_width = self.width.at / 2.0;
        let half_height = self.height.at / 2.0;
        NormBox {
            x1: (self.x.at - half_width) / aspect,
            y1: self.y.at - half_height,
            x2: (self.x.at + half_width) / aspect,
            y2: self.y.at + half_height,
        }
    }

    /// How surprising a box's centre would be: its squared Mahalanobis distance from the expected one, with the
    /// uncertainty of both (chi-squared with 2 degrees of freedom where the filter's model holds).
    #[must_use]
    pub fn surprise(&self, bbox: &NormBox, aspect: f32) -> f32 {
        let size = self.size();
        let [x, y, _, _] = measure(bbox, aspect);
        self.x.surprise(x, size) + self.y.surprise(y, size)
    }

    /// Velocity of the centre, in picture widths and heights per second.
    #[must_use]
    pub fn velocity(&self, aspect: f32) -> NormPoint {
        NormPoint::new(self.x.speed / aspect, self.y.speed)
    }

    /// Carries the state over to a picture of another aspect ratio: normalised values stay what they were.
    pub fn rescale_x(&mut self, factor: f32) {
        for axis in [&mut self.x, &mut self.width] {
            axis.at *= factor;
            axis.speed *= factor;
            axis.covariance = axis.covariance.map(|c| c * factor * factor);
        }
    }

    fn size(&self) -> f32 {
        self.height.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASPECT: f32 = 2.0;

    fn square(x: f32) -> NormBox {
        NormBox { x1: x - 0.025, y1: 0.45, x2: x + 0.025, y2: 0.55 }
    }

    fn moving() -> BoxFilter {
        let mut filter = BoxFilter::new(&square(0.1), ASPECT);
        for step in 1..30 {
            filter.predict(0.04);
            filter.update(&square(0.1 + 0.01 * step as f32), ASPECT);
        }
        filter.hold_size();
        filter
    }

    #[test]
    fn one_long_step_is_many_short_ones() {
        let (mut once, mut often) = (moving(), moving());
        once.predict(0.4);
        (0..40).for_each(|_| often.predict(0.01));
        let far = square(0.6);
        assert!((once.bbox(ASPECT).x1 - often.bbox(ASPECT).x1).abs() < 1e-4);
        let (a, b) = (once.surprise(&far, ASPECT), often.surprise(&far, ASPECT));
        assert!((a - b).abs() < 1e-3 * a, "{a} {b}");
    }

    #[test]
    fn speed_is_learnt_and_noise_does_not_depend_on_the_axis() {
        let filter = moving();
        assert!((filter.velocity(ASPECT).x - 0.25).abs() < 0.01, "{:?}", filter.velocity(ASPECT));
        // The same number of pixels aside and below is as surprising.
        let mut filter = BoxFilter::new(&square(0.5), ASPECT);
        filter.predict(0.04);
        let aside = filter.surprise(&square(0.5 + 0.01), ASPECT);
        let below = NormBox { y1: 0.47, y2: 0.57, ..square(0.5) };
        assert!((aside - filter.surprise(&below, ASPECT)).abs() < 1e-3 * aside);
    }

    #[test]
    fn surprise_grows_with_distance_and_shrinks_with_time() {
        let mut filter = moving();
        let here = filter.bbox(ASPECT);
        let off = |by: f32| NormBox { x1: here.x1 + by, x2: here.x2 + by, ..here };
        assert!(filter.surprise(&off(0.02), ASPECT) < filter.surprise(&off(0.03), ASPECT));
        let now = filter.surprise(&off(0.02), ASPECT);
        filter.hold_still();
        filter.predict(0.5);
        assert!(filter.surprise(&off(0.02), ASPECT) < now);
    }
}
