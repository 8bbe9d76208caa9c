//! Whether the picture has stopped although pictures keep coming.
//!
//! A sensor is never silent: two pictures of the quietest scene differ in their noise. A frozen source repeats one
//! picture, and a decoder then gives the very same samples, but for the moment when an encoder in between codes the
//! repeated picture anew (a keyframe), which changes every cell a little and no cell much.

use std::time::Duration;

use super::Plate;
use crate::base::MediaTime;
use crate::scene::glance::Glance;

/// A picture coded anew differs by less than this from what it was: mean over the cells, levels.
const RECODED_MEAN: f32 = 1.0;
/// And by less than this in each cell.
const RECODED_MOST: f32 = 10.0;
/// Of all steps from glance to glance, so many show not one changed sample.
const IDENTICAL_SHARE: f32 = 0.7;
/// Fewer steps prove nothing.
const MIN_IDENTICAL: u32 = 3;

/// Follows how long the picture has been the same.
#[derive(Debug, Default)]
pub(in crate::rule) struct Stillness {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    since: MediaTime,
    fingerprint: u64,
    /// What the stretch began with, so that slow change does not add up unseen.
    first: Plate,
    identical: u32,
    recoded: u32,
}

impl Stillness {
    /// Takes in a glance; how long the picture has stood still, zero while it lives.
    pub(in crate::rule) fn observe(&mut self, glance: &Glance, plate: &Plate, at: MediaTime) -> Duration {
        if let Some(last) = &mut self.last {
            let same = last.fingerprint == glance.fingerprint;
            if same || is_recoded(&last.first, plate) {
                last.fingerprint = glance.fingerprint;
                *(if same { &mut last.identical } else { &mut last.recoded }) += 1;
                let steps = (last.identical + last.recoded) as f32;
                let still = last.identical >= MIN_IDENTICAL && last.identical as f32 >= IDENTICAL_SHARE * steps;
                if still {
                    return at.since(last.since);
                }
                if last.recoded <= last.identical.max(MIN_IDENTICAL) {
                    return Duration::ZERO;
                }
            }
        }
        // The scene lives, or is merely quiet: the stretch begins again.
        self.last =
            Some(Last { since: at, fingerprint: glance.fingerprint, first: plate.clone(), identical: 0, recoded: 0 });
        Duration::ZERO
    }

    /// Pictures were missing.
    pub(in crate::rule) fn reset(&mut self) {
        self.last = None;
    }
}

fn is_recoded(first: &Plate, now: &Plate) -> bool {
    if first.size != now.size {
        return false;
    }
    let differences = || first.luma.iter().zip(&now.luma).map(|(a, b)| (a - b).abs());
    let mean = differences().sum::<f32>() / now.luma.len().max(1) as f32;
    mean < RECODED_MEAN && differences().all(|d| d < RECODED_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::glance::GridSize;

    fn glance(level: u8, fingerprint: u64) -> Glance {
        recoded(level, 0, fingerprint)
    }

    /// With every other cell brighter by `lift`.
    fn recoded(level: u8, lift: u8, fingerprint: u64) -> Glance {
        let fine = GridSize { width: 8, height: 8 };
        let coarse = fine.halved();
        Glance {
            fine,
            luma: (0..64).map(|cell| level + cell % 2 * lift).collect(),
            coarse,
            u: vec![128; 16],
            v: vec![128; 16],
            spread: vec![5; 16],
            fingerprint,
        }
    }

    /// Seconds of stillness after each glance, five a second.
    fn run(glances: impl IntoIterator<Item = Glance>) -> Vec<f64> {
        let mut still = Stillness::default();
        let step = |(n, glance): (usize, Glance)| {
            let at = MediaTime(n as i64 * 200_000_000);
            still.observe(&glance, &Plate::of(&glance), at).as_secs_f64()
        };
        glances.into_iter().enumerate().map(step).collect()
    }

    #[test]
    fn equal_pictures_are_still_and_a_keyframe_does_not_wake_them() {
        let lasted = run((0..50u64).map(|n| recoded(100, u8::from(n / 20 == 1), n / 20 + 1)));
        assert!((lasted[49] - 9.8).abs() < 1e-9, "{lasted:?}");
    }

    #[test]
    fn noise_alone_keeps_a_quiet_scene_alive() {
        assert!(run((0..100).map(|n| glance(100, n))).iter().all(|s| *s == 0.0));
        // Every third picture is a repeat: a camera of 4 pictures a second behind a stream of 6.
        assert!(run((0..100).map(|n| glance(100, n / 3 * 2 + u64::from(n % 3 == 0)))).iter().all(|s| *s < 2.0));
    }

    #[test]
    fn a_scene_that_moves_on_ends_it() {
        let lasted = run((0..20).map(|n| if n < 10 { glance(100, 1) } else { glance(140, 2 + n as u64) }));
        assert!(lasted[9] > 1.7 && lasted[10..].iter().all(|s| *s == 0.0), "{lasted:?}");
    }
}
