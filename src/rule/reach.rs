//! Which pairs of road users can matter to each other at all: a bound that costs little, asked before what costs much is
//! measured.
//!
//! Each body is a disc about its footprint that moves on as it does now, and has a disc about all the ground that it
//! covered of late. What touches, touched or will touch as rectangles does so as discs; so nobody is left out whom the
//! exact measures would find (the property tests of `near_miss` and `collision` compare with all pairs).

use std::time::Duration;

use super::body::{Body, Flat, Footprint};
use super::trace::Trace;

/// The exact measures round; nobody is left out for that. In units of the plane.
const SLACK: f64 = 1e-6;

/// See the module. In units of the plane, as all of a body is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    centre: Flat,
    velocity: Flat,
    speed: f64,
    radius: f64,
    /// The radius, about the centre, of all that it covered of late.
    past: f64,
    /// How many units [`Self::may_be_beside`] adds for a metre.
    per_metre: f64,
}

impl Reach {
    /// None of somebody of whom too little is known to measure anything. `memory` is how far back others may look.
    pub(super) fn of(trace: &Trace, memory: Duration) -> Option<Self> {
        let body: &Body = trace.now()?;
        let centre = body.footprint.centre;
        let covered = |then: &Body| radius(&then.footprint) + then.footprint.centre.minus(centre).length();
        let recent = trace.path().rev().take_while(|then| body.at.since(then.at) <= memory);
        Some(Self {
            centre,
            velocity: body.velocity,
            speed: body.velocity.length(),
            radius: radius(&body.footprint),
            past: recent.map(covered).fold(0.0, f64::max),
            per_metre: 1.0 / body.unit_metres,
        })
    }

    /// Whether the two may touch within so many seconds, both as fast as now.
    pub(super) fn may_touch(&self, other: &Self, seconds: f64) -> bool {
        let (between, near) = (other.centre.minus(self.centre), self.radius + other.radius + SLACK);
        // Straight towards each other they come no nearer than this.
        if is_beyond(between, near + (self.speed + other.speed) * seconds) {
            return false;
        }
        let velocity = other.velocity.minus(self.velocity);
        let square = velocity.dot(velocity);
        let nearest_at = if square > 0.0 { (-between.dot(velocity) / square).clamp(0.0, seconds) } else { 0.0 };
        !is_beyond(between.plus(velocity.times(nearest_at)), near)
    }

    /// Whether the one may be where the other was of late.
    pub(super) fn may_have_crossed(&self, other: &Self) -> bool {
        let reach = (self.radius + other.past).max(other.radius + self.past);
        !is_beyond(other.centre.minus(self.centre), reach + SLACK)
    }

    /// Whether the two may be within so many metres of each other along every side of both.
    pub(super) fn may_be_beside(&self, other: &Self, metres: f64) -> bool {
        // Along two axes at right angles the distance is within the sum, so in all within √2 of it.
        let sum = self.radius + other.radius + metres * self.per_metre.max(other.per_metre);
        !is_beyond(other.centre.minus(self.centre), std::f64::consts::SQRT_2 * sum + SLACK)
    }
}

/// Whether a difference is longer than that; without a root.
fn is_beyond(difference: Flat, length: f64) -> bool {
    difference.dot(difference) > length * length
}

/// Of the circle about a footprint.
fn radius(footprint: &Footprint) -> f64 {
    Flat::new(footprint.half_length, footprint.half_width).length()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::super::Scene;
    use super::super::body::common_unit;
    use super::super::draft::Sight;
    use super::super::encounter::{crossed, encounter, memory};
    use super::super::roles::Role;
    use super::*;
    use crate::base::{MediaTime, TrackId};
    use crate::scene::{ClassId, Ground, Labels, NormBox, NormPoint};

    const ROLES: [Role; 4] = [Role::Person, Role::Motorcycle, Role::Car, Role::Bus];

    /// 60 m by 40 m, seen from above, or without a calibration.
    fn scene(calibrated: bool) -> Scene {
        let matrix = [[60.0, 0.0, 0.0], [0.0, -40.0, 40.0], [0.0, 0.0, 1.0]];
        let ground = Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok();
        Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground: ground.filter(|_| calibrated),
            labels: Labels::new(["car"]),
            aspect: 1.5,
        }
    }

    /// A role, a place, a velocity and a turn, in the picture and its share a second, and the height of the box.
    type Ride = (usize, [f32; 2], [f32; 2], f32, f32);

    fn ride() -> impl Strategy<Value = Ride> {
        let place = [0.2f32..0.8, 0.2f32..0.8];
        (0..ROLES.len(), place, [-0.4f32..0.4, -0.4f32..0.4], -1.5f32..1.5, 0.04f32..0.12)
    }

    fn drive((role, [x, y], [vx, vy], turn, height): Ride, id: u64, frames: u16, scene: &Scene) -> Trace {
        let role = ROLES[role];
        let (mut x, mut y, mut vx, mut vy) = (x, y, vx, vy);
        let sight = |x: f32, y: f32, at: MediaTime| Sight {
            id: TrackId(id),
            class: ClassId(0),
            bbox: NormBox { x1: x - height / 2.0, y1: y - height, x2: x + height / 2.0, y2: y },
            at,
        };
        let mut trace = Trace::new(sight(x, y, MediaTime(0)), role);
        for n in 0..frames {
            (vx, vy) = (vx - turn * vy / 10.0, vy + turn * vx / 10.0);
            (x, y) = (x + vx / 10.0, y + vy / 10.0);
            trace.push(sight(x, y, MediaTime(i64::from(n) * 100_000_000)), role, scene);
        }
        trace
    }

    /// What the bound says and what is so: touches in time, crosses, is beside. Nobody is left out.
    fn judge(a: &Trace, b: &Trace, seconds: f64, within: Duration, metres: f64) -> Option<([bool; 3], [bool; 3])> {
        let (one, other) = (Reach::of(a, memory(within))?, Reach::of(b, memory(within))?);
        let (body, other_body) = (a.now()?, b.now()?);
        let may = [one.may_touch(&other, seconds), one.may_have_crossed(&other), one.may_be_beside(&other, metres)];
        let beside = |unit: f64| body.footprint.overlaps(&other_body.footprint, metres / unit);
        let is = [
            encounter(a, b).is_some_and(|met| met.ttc_seconds <= seconds),
            crossed(a, b, within).is_some(),
            common_unit(body, other_body).is_some_and(beside),
        ];
        Some((may, is))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn nobody_is_left_out_whom_the_exact_measures_find(
            rides in prop::collection::vec(ride(), 2..14),
            calibrated: bool,
            frames in 5u16..40,
            (seconds, within, metres) in (0.2f64..6.0, 0.2f64..2.5, 0.0f64..3.0),
        ) {
            let scene = scene(calibrated);
            let traces: Vec<Trace> =
                rides.into_iter().enumerate().map(|(id, ride)| drive(ride, id as u64, frames, &scene)).collect();
            for (n, a) in traces.iter().enumerate() {
                for b in traces.iter().skip(n + 1) {
                    let within = Duration::from_secs_f64(within);
                    let Some((may, is)) = judge(a, b, seconds, within, metres) else { continue };
                    for (measure, (may, is)) in may.into_iter().zip(is).enumerate() {
                        prop_assert!(may || !is, "measure {measure}: {:?} {:?}", a.now(), b.now());
                    }
                }
            }
        }
    }

    #[test]
    fn it_leaves_out_most_of_a_usual_junction_and_the_exact_measures_find_somebody() {
        let scene = scene(true);
        let rides = prop::collection::vec(ride(), 60).new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let slower = |(role, place, [vx, vy], turn, height): Ride| (role, place, [0.4 * vx, 0.4 * vy], turn, height);
        let drive = |(id, ride): (usize, Ride)| drive(slower(ride), id as u64, 12, &scene);
        let traces: Vec<Trace> = rides.into_iter().enumerate().map(drive).collect();
        let (mut pairs, mut may, mut is) = (0, [0; 3], [0; 3]);
        for (n, a) in traces.iter().enumerate() {
            for b in traces.iter().skip(n + 1) {
                let Some(judged) = judge(a, b, 1.5, Duration::from_millis(500), 1.0) else { continue };
                pairs += 1;
                may.iter_mut().zip(judged.0).for_each(|(n, may)| *n += usize::from(may));
                is.iter_mut().zip(judged.1).for_each(|(n, is)| *n += usize::from(is));
            }
        }
        assert!(
            pairs > 500 && may.iter().all(|n| 2 * n < pairs) && is.iter().all(|n| *n > 0),
            "{pairs} {may:?} {is:?}"
        );
    }
}
