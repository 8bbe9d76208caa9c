//! A straight line through places over time, by least squares: a velocity, and how far it may be off.

use super::body::Flat;
use crate::base::MediaTime;

/// A detector's errors persist: of the variance of a lower edge six tenths fade over half a second (`test-media/noise.py`
/// measures it). Over 0.7 s a slope errs 1.6 times as much by that as independent errors of the same residuals would; over
/// 2 s it would be 2.2 times, so that a longer line's error is told too small.
const PERSISTENCE: f64 = 1.6;

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    origin: MediaTime,
    mean_time: f64,
    /// The velocity, per second.
    pub(super) slope: Flat,
    /// Its standard error, one axis.
    pub(super) slope_error: f64,
}

impl Line {
    /// None for fewer than three places or places at one time.
    pub(super) fn fit<'a>(places: impl Iterator<Item = &'a (MediaTime, Flat)> + Clone) -> Option<Self> {
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
        let slope_error = PERSISTENCE * (squares.sum::<f64>() / (2.0 * count - 4.0) / spread).sqrt();
        (count >= 3.0 && spread > 0.0).then_some(Self { origin, mean_time, slope, slope_error })
    }

    /// From the middle of its times to that of a later one's.
    pub(super) fn mean_seconds_to(&self, later: &Self) -> f64 {
        later.origin.seconds_since(self.origin) + later.mean_time - self.mean_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_way_has_its_velocity_and_no_error() {
        let places: Vec<_> =
            (0..6u8).map(|n| (MediaTime::from_seconds(f64::from(n) / 5.0), f64::from(n) / 5.0)).collect();
        let places: Vec<_> = places.into_iter().map(|(at, t)| (at, Flat::new(1.0 + 3.0 * t, 2.0 - t))).collect();
        let line = Line::fit(places.iter()).unwrap();
        assert!(line.slope.minus(Flat::new(3.0, -1.0)).length() < 1e-9 && line.slope_error < 1e-6);
        assert!(Line::fit(places[..2].iter()).is_none(), "two places make any line");
    }
}
