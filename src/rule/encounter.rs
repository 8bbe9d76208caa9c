//! How near two road users come to a collision: the surrogate measures of safety.
//!
//! - Time to collision: J. C. Hayward, *Near-miss determination through use of a scale of danger*, Highway Research
//!   Record 384, 1972: until contact, if both keep their velocity.
//! - Deceleration rate to avoid a crash: P. J. Cooper and N. Ferguson, *Traffic studies at T-junctions*, Traffic
//!   Engineering and Control 17, 1976: closing speed squared by twice the gap, so closing speed by twice that time.
//! - Post-encroachment time: B. L. Allen, B. T. Shin and P. J. Cooper, *Analysis of traffic conflicts and collisions*,
//!   Transportation Research Record 667, 1978: from the one's leaving the common ground to the other's arrival.

use std::time::Duration;

use super::body::{Approach, Body, common_unit};
use super::trace::Trace;
use crate::base::MediaTime;

/// Two road users on their way to contact, in metres and seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encounter {
    pub(super) ttc_seconds: f64,
    /// Whether they meet though their edges are uncertain.
    pub(super) is_sure: bool,
    pub(super) approach_speed: f64,
    pub(super) approach_error: f64,
    /// One follows the other, or one of them stands.
    pub(super) is_following: bool,
    pub(super) bodies: (Body, Body),
}

/// How much faster whoever follows must come nearer before it is more than drawing up.
const FOLLOWING_CLOSING: f64 = 2.5;

impl Encounter {
    /// The least closing speed that is out of the usual, where `crossing` is that of two who do not follow each other:
    /// whoever draws up behind another, or to somebody who stands, comes near him as a matter of course.
    pub(super) fn least_closing(&self, crossing: f64) -> f64 {
        if self.is_following { FOLLOWING_CLOSING * crossing } else { crossing }
    }

    /// The closing speed that is sure by two standard errors.
    pub(super) fn sure_closing(&self) -> f64 {
        self.approach_speed - 2.0 * self.approach_error
    }

    /// The least steady braking that avoids contact, m/s²; bounded at contact.
    pub(super) fn braking(&self) -> f64 {
        const SHORTEST: f64 = 0.05;
        self.approach_speed / (2.0 * self.ttc_seconds.max(SHORTEST))
    }
}

/// Whether the one draws up behind the other, or to somebody who stands: drivers brake hard and late then.
fn is_following(a: &Body, b: &Body) -> bool {
    const STANDS: f64 = 1.0;
    const SAME_WAY_COSINE: f64 = 0.866;
    // Who may stand, by two standard errors, is taken to.
    let may_stand = |body: &Body| body.sure_speed() < STANDS;
    if may_stand(a) || may_stand(b) {
        return true;
    }
    let headings = a.velocity.unit().zip(b.velocity.unit());
    headings.is_some_and(|(a, b)| a.dot(b) > SAME_WAY_COSINE)
}

/// The encounter of two road users seen in the same frame; none when they miss each other.
pub(super) fn encounter(a: &Trace, b: &Trace) -> Option<Encounter> {
    let (a, b) = (a.now()?, b.now()?);
    let approach = Approach::of(a, b)?;
    Some(Encounter {
        ttc_seconds: approach.ttc_seconds?,
        is_sure: approach.is_sure,
        approach_speed: approach.closing_speed,
        approach_error: approach.closing_error,
        is_following: is_following(a, b),
        bodies: (*a, *b),
    })
}

/// One road user arrives where another has just left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crossed {
    pub(super) pet_seconds: f64,
    /// Between their headings, 0 to 180.
    pub(super) degrees: f64,
    /// Speed of the slower at the common ground.
    pub(super) slower_metres_per_second: f64,
    /// In the order of the arguments: the one now, the other when it was last there.
    pub(super) bodies: (Body, Body),
}

/// Paths that meet at less or more than these angles are one lane's, or two opposite ones'; degrees.
const CROSSING: std::ops::RangeInclusive<f64> = 30.0..=150.0;

/// Between two steps of a path.
const STEP: Duration = Duration::from_millis(150);

/// How far back [`crossed`] looks.
pub(super) fn memory(within: Duration) -> Duration {
    within + STEP
}

/// The shortest post-encroachment time of two road users in this frame, of those below `within`.
pub(super) fn crossed(a: &Trace, b: &Trace, within: Duration) -> Option<Crossed> {
    // Who arrives now needs a past of the other; both must have been there at the time.
    let arrives = |late: &Trace, early: &Trace| left_for(late, early, within);
    let first = arrives(a, b);
    let second = arrives(b, a).map(|crossed| Crossed { bodies: (crossed.bodies.1, crossed.bodies.0), ..crossed });
    [first, second].into_iter().flatten().min_by(|a, b| a.pet_seconds.total_cmp(&b.pet_seconds))
}

/// `late` is now on ground that `early` has left.
fn left_for(late: &Trace, early: &Trace, within: Duration) -> Option<Crossed> {
    let (now, other_now) = (late.now()?, early.now()?);
    // On the same ground at once is contact, which the time to collision tells.
    if now.footprint.overlaps(&other_now.footprint, 0.0) {
        return None;
    }
    let mut left: MediaTime = other_now.at;
    let oldest = (now.at - memory(within)).max(late.since);
    for then in early.path().rev() {
        if then.at < oldest {
            return None;
        }
        if then.at < now.at && now.footprint.overlaps(&then.footprint, 0.0) {
            // It left between this step and the next; the middle is off by half a step at most.
            let pet = now.at.since(then.at).as_secs_f64().midpoint(now.at.since(left).as_secs_f64());
            let metres = common_unit(now, then)?;
            let cosine = now.velocity.unit()?.dot(then.velocity.unit()?).clamp(-1.0, 1.0);
            let degrees = libm::acos(cosine).to_degrees();
            let sure = |body: &Body| (body.velocity.length() - 2.0 * body.velocity_error).max(0.0) * metres;
            let short = pet <= within.as_secs_f64() && CROSSING.contains(&degrees);
            return short.then_some(Crossed {
                pet_seconds: pet,
                degrees,
                slower_metres_per_second: sure(now).min(sure(then)),
                bodies: (*now, *then),
            });
        }
        left = then.at;
    }
    None
}
