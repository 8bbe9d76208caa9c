//! The grid that tracks lie on: what rules see of a track is rounded, so that it can be stored exactly.
//!
//! Tracks carry the noise of a detector in the last bits of every number, and noise cannot be compressed.
//! Rules therefore see each number on a grid far finer than any detector's error. A stored track is then
//! the very track that the rules saw, and rules give the same events from it, byte for byte.

use super::{NormBox, NormPoint, Track};

/// Places: 1/16384 of the picture's width or height, an eighth of a pixel at 1920.
pub const PLACE_STEPS: f32 = 16_384.0;
/// Velocities: 1/1024 of the picture's width or height per second.
pub const VELOCITY_STEPS: f32 = 1_024.0;
/// Scores: 1/64.
pub const SCORE_STEPS: f32 = 64.0;

/// Beyond this many steps an `f32` does not hold every whole number.
const MOST: f32 = 16_777_216.0;

/// A number in whole steps; what is no number counts as 0, what is too far away as the farthest step.
#[must_use]
pub fn to_steps(value: f32, steps_per_unit: f32) -> i32 {
    // A conversion of a float saturates, and takes a NaN for 0.
    (value * steps_per_unit).round().clamp(-MOST, MOST) as i32
}

/// The number of so many steps, exactly.
#[must_use]
pub fn of_steps(steps: i32, steps_per_unit: f32) -> f32 {
    steps as f32 / steps_per_unit
}

impl Track {
    /// The track with its box, velocity and score on the grid. Rounding twice changes nothing more.
    #[must_use]
    pub fn on_grid(self) -> Self {
        let snap = |value: f32, per_unit: f32| of_steps(to_steps(value, per_unit), per_unit);
        let NormBox { x1, y1, x2, y2 } = self.bbox;
        Self {
            score: snap(self.score, SCORE_STEPS),
            bbox: [x1, y1, x2, y2].map(|place| snap(place, PLACE_STEPS)).into(),
            velocity: NormPoint::new(snap(self.velocity.x, VELOCITY_STEPS), snap(self.velocity.y, VELOCITY_STEPS)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_exactly_and_absurd_numbers_stay_numbers() {
        for steps in [0, 1, -1, 12_345, -32_768, 16_777_216, -16_777_216] {
            for per_unit in [PLACE_STEPS, VELOCITY_STEPS, SCORE_STEPS] {
                assert_eq!(to_steps(of_steps(steps, per_unit), per_unit), steps);
            }
        }
        assert_eq!(to_steps(f32::NAN, PLACE_STEPS), 0);
        assert_eq!(to_steps(f32::NEG_INFINITY, PLACE_STEPS), -16_777_216);
        assert!(of_steps(to_steps(-0.0, PLACE_STEPS), PLACE_STEPS).is_sign_positive());
    }
}
