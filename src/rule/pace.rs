//! How fast a vehicle goes for rules about traffic as a whole: km/h on a calibrated camera, else box heights a
//! second.

use std::time::Duration;

use super::scene::Scene;
use super::speed::{Course, Gauge, KMH, Window};
use crate::base::MediaTime;
use crate::scene::NormBox;

/// How speeds of traffic are measured.
pub(super) const GAUGE: Gauge = Gauge { window: Duration::from_secs(2), time_error: 0.0 };
/// A vehicle not observed for so long counts no more.
pub(super) const OUT_OF_SIGHT: Duration = Duration::from_secs(2);

/// The unit of a pace, as in the names of measured values.
pub(super) fn unit(calibrated: bool) -> &'static str {
    if calibrated { "kmh" } else { "box_heights_per_second" }
}

/// One vehicle's pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    window: Window,
    now: Option<f64>,
    /// When it was last observed.
    at: MediaTime,
}

impl Pace {
    /// Takes in an observed box.
    pub(super) fn observe(&mut self, at: MediaTime, bbox: &NormBox, scene: &Scene) {
        self.at = at;
        if self.window.push(at, bbox, scene, &GAUGE) {
            let pace = |course: Course| {
                if scene.ground.is_some() { course.value * KMH } else { course.in_box_heights() }
            };
            self.now = self.window.course(&GAUGE).map(pace).or(self.now);
        }
    }

    /// The pace when last known.
    pub(super) fn now(&self) -> Option<f64> {
        self.now
    }

    /// Whether it was observed a moment ago.
    pub(super) fn is_seen(&self, at: MediaTime) -> bool {
        at.since(self.at) <= OUT_OF_SIGHT
    }
}
