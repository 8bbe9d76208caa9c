//! An impact of two road users: contact at speed with a jolt, or a loss of speed beside another that no brakes explain;
//! and what becomes of the two afterwards. Definition: `docs/rules/collision.md`.
//!
//! In the moment itself little can be measured: boxes cover each other, a fall changes how somebody looks, and trackers
//! take whoever was hit for somebody new. So contact is what was about to be and was not refuted, and whoever begins
//! where another was lost is taken for him.

use std::time::Duration;

use super::body::{Body, Flat, common_unit};
use super::draft::Sight;
use super::encounter::{Encounter, encounter};
use super::plane::Vec2;
use super::roles::Role;
use super::scene::Scene;
use super::trace::Trace;
use super::traffic::Traffic;
use crate::base::{MediaTime, TrackId};

/// Who is so shortly before contact, and not measured apart from the other afterwards, has touched him.
pub(super) const IMMINENT: Duration = Duration::from_millis(300);
/// How near another must be when brakes do not explain a loss of speed, metres.
pub(super) const BESIDE_METRES: f64 = 1.0;
/// So near they touch: each of two edges may be off by a quarter of a metre.
const TOUCH_METRES: f64 = 0.5;
/// How long after contact its jolt may show: the velocity is an average over the window.
const JOLT_WITHIN: Duration = Duration::from_secs(1);
/// What a road user did for so long before the impact is what it did before it.
const BEFORE: Duration = Duration::from_secs(1);
/// Seconds over which a jolt is measured.
const HALF_A_WINDOW: f64 = 0.35;
/// Slower than this is standing; faster than twice this is moving again. Metres per second.
const STANDS: f64 = 0.7;
/// A track of the same sort that begins after the impact, and so soon after one was last seen, so near, is taken for the
/// same. Metres between the middles.
const HEIR_WITHIN: Duration = Duration::from_secs(1);
const HEIR_METRES: f64 = 4.0;
/// So long after its first sight a track may turn out to be somebody's.
pub(super) const FRESH: Duration = Duration::from_secs(2);
/// Whoever drives on after a touch keeps his velocity, but for this share of it.
const GOES_ON: f64 = 0.4;
/// Who fell has a box so much lower, and one that stays so long within so many of its heights before lies there.
const FALLEN: f32 = 0.6;
const LIES_FOR: Duration = Duration::from_millis(500);
const LIES_WITHIN: f32 = 0.25;

/// From what on it is an impact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Closing speed before contact, metres per second.
    pub(super) speed: f64,
    /// Change of velocity, metres per second squared.
    pub(super) jolt: f64,
    /// Loss of speed beyond what brakes can do, metres per second squared.
    pub(super) braking: f64,
}

impl Limits {
    fn loses_speed(&self, trace: &Trace) -> bool {
        trace.jolt().is_some_and(|jolt| jolt.braking >= self.braking)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Impact {
    pub(super) at: MediaTime,
    pub(super) closing_speed: f64,
    /// What proves it, once something does.
    pub(super) cue: Option<Cue>,
    pub(super) sides: [Side; 2],
    touch: Touch,
    limits: Limits,
}

/// What proves an impact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    Contact,
    LossOfSpeed,
}

/// How near the two came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// Beside each other, not at speed.
    Beside,
    /// About to touch at speed, and not measured apart since.
    Imminent,
    /// About to touch at speed, and measured apart when they should have.
    Apart,
    /// Measured as touching at speed.
    Contact,
}

/// One of the two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    /// Its last sight, of the track that it is now.
    pub(super) sight: Sight,
    /// Speed before the impact that is sure, metres per second.
    pub(super) speed_before: f64,
    /// The hardest change of its velocity since, metres per second squared.
    pub(super) jolt: f64,
    /// Since when it stands, once it does.
    pub(super) stands_since: Option<MediaTime>,
    /// The tracker still knows it.
    pub(super) alive: bool,
    role: Role,
    at_impact: Body,
    /// When last measured.
    body: Body,
    /// How high its box was at the impact, picture heights.
    height: f32,
    /// Since when, and where, a box that has become too low to be measured lies.
    lies: Option<(MediaTime, Vec2)>,
    /// It drives on under another number.
    went_on: bool,
}

impl Impact {
    /// Of two in contact at speed or about to be, or one of whom loses his speed beside the other.
    pub(super) fn of(a: &Trace, b: &Trace, at: MediaTime, limits: Limits) -> Option<Self> {
        let (body, other) = (a.now()?, b.now()?);
        let met = encounter(a, b);
        let is_fast = |met: &Encounter| met.is_sure && met.sure_closing() >= met.least_closing(limits.speed);
        let touch = match met.filter(is_fast) {
            Some(met) if met.ttc_seconds <= 0.0 => Touch::Contact,
            Some(met) if met.ttc_seconds <= IMMINENT.as_secs_f64() => Touch::Imminent,
            _ if within(body, other, BESIDE_METRES) && (limits.loses_speed(a) || limits.loses_speed(b)) => {
                Touch::Beside
            }
            _ => return None,
        };
        let closing_speed = met.map_or(0.0, |met| met.approach_speed.max(0.0));
        let sides = [Side::new(a, body, at), Side::new(b, other, at)];
        let mut impact = Self { at, closing_speed, cue: None, sides, touch, limits };
        impact.feel(a, b);
        (touch != Touch::Beside || impact.cue.is_some()).then_some(impact)
    }

    /// Takes in the two as seen in one frame.
    pub(super) fn see(&mut self, a: &Trace, b: &Trace, at: MediaTime) {
        if let (Some(a), Some(b), Touch::Imminent | Touch::Apart) = (a.now(), b.now(), self.touch) {
            self.touch = if within(a, b, TOUCH_METRES) {
                Touch::Contact
            } else if at.since(self.at) > IMMINENT {
                Touch::Apart
            } else {
                Touch::Imminent
            };
        }
        if at.since(self.at) <= JOLT_WITHIN {
            self.feel(a, b);
        }
    }

    /// Takes in how abruptly the two change their velocities.
    fn feel(&mut self, a: &Trace, b: &Trace) {
        let are_beside = a.now().zip(b.now()).is_some_and(|(a, b)| within(a, b, BESIDE_METRES));
        for (side, jolt) in self.sides.iter_mut().zip([a.jolt(), b.jolt()]) {
            let Some(jolt) = jolt else { continue };
            side.jolt = side.jolt.max(jolt.change);
            // Who loses speed so fast for half a window had so much of it.
            let had_it = side.speed_before >= self.limits.braking * HALF_A_WINDOW;
            if self.touch != Touch::Contact && jolt.braking >= self.limits.braking && had_it && are_beside {
                self.cue = Some(Cue::LossOfSpeed);
            }
        }
        self.prove();
    }

    /// Follows both through the frame at `at`. `fresh` are the tracks that began of late.
    pub(super) fn follow(&mut self, traffic: &Traffic, fresh: &[TrackId], at: MediaTime, scene: &Scene) {
        let ids = self.sides.map(|side| side.sight.id);
        let seen = |id: TrackId| traffic.get(id).filter(|trace| trace.sight.at == at);
        let others = || fresh.iter().filter(|id| !ids.contains(id)).filter_map(|id| seen(*id));
        for side in &mut self.sides {
            side.went_on |= others().any(|other| side.goes_on_as(other));
            let Some(trace) = seen(side.sight.id).or_else(|| side.heir(others())) else { continue };
            let is_heir = trace.sight.id != side.sight.id;
            (side.sight, side.alive) = (trace.sight, true);
            match trace.now() {
                Some(body) => side.take(body, is_heir, &self.limits),
                None if self.touch != Touch::Beside => side.lie(scene, &self.limits),
                None => {}
            }
        }
        self.prove();
    }

    fn prove(&mut self) {
        if self.touch != Touch::Beside && self.sides.iter().any(|side| side.jolt >= self.limits.jolt) {
            self.cue.get_or_insert(Cue::Contact);
        }
    }

    /// Nothing has proved it, and nothing will.
    pub(super) fn is_refuted(&self, at: MediaTime) -> bool {
        let is_lost = self.sides.iter().any(|side| side.body.at < at);
        let within = if is_lost { JOLT_WITHIN + HEIR_WITHIN } else { JOLT_WITHIN };
        let is_proved = match self.cue {
            Some(Cue::LossOfSpeed) => true,
            Some(Cue::Contact) => self.touch != Touch::Apart,
            None => false,
        };
        !is_proved && at.since(self.at) > within
    }

    /// Since when one of them stands who was moving, and felt the impact: whoever draws up where another was hit has not.
    /// When the one who felt it is lost, the other's stop is all that is left.
    pub(super) fn stopped_since(&self) -> Option<MediaTime> {
        let [a, b] = &self.sides;
        let counts = |side: &Side, other: &Side| !side.went_on && (side.jolt >= self.limits.jolt || !other.alive);
        let since = |side: &Side, other: &Side| side.stands_since.filter(|_| counts(side, other));
        [since(a, b), since(b, a)].into_iter().flatten().min()
    }
}

impl Side {
    fn new(trace: &Trace, body: &Body, at: MediaTime) -> Self {
        let before = trace.path().filter(|then| at.since(then.at) <= BEFORE).map(Body::sure_speed);
        Self {
            sight: trace.sight,
            speed_before: before.fold(0.0, f64::max),
            jolt: 0.0,
            stands_since: None,
            alive: true,
            role: trace.role,
            at_impact: *body,
            body: *body,
            height: trace.sight.bbox.height(),
            lies: None,
            went_on: false,
        }
    }

    /// Takes in where it is now. The velocity of an heir changed from the one track to the other.
    fn take(&mut self, body: &Body, is_heir: bool, limits: &Limits) {
        if is_heir {
            self.jolt = self.jolt.max(self.change_to(body));
        }
        self.body = *body;
        if body.speed() >= 2.0 * STANDS {
            self.stands_since = None;
        } else if body.speed() <= STANDS && self.speed_before >= limits.speed {
            self.stands_since.get_or_insert(body.at);
        }
    }

    /// It is seen, and where it is cannot be measured: a machine that lies is lower than half of one that stands. When its
    /// box is so low, and stays in its place, so does it.
    fn lie(&mut self, scene: &Scene, limits: &Limits) {
        if self.role > Role::Motorcycle || self.sight.bbox.height() > FALLEN * self.height {
            return;
        }
        let (at, place) = (self.sight.at, scene.in_heights(self.sight.bbox.anchor()));
        let stays = |from: Vec2| (place - from).length() <= LIES_WITHIN * self.height;
        let (since, _) = *self.lies.insert(self.lies.filter(|(_, from)| stays(*from)).unwrap_or((at, place)));
        if at.since(since) < LIES_FOR {
            return;
        }
        // As a velocity, that is known in the middle of its time.
        let still = Body { at: since + LIES_FOR / 2, velocity: Flat::default(), velocity_error: 0.0, ..self.body };
        self.jolt = self.jolt.max(self.change_to(&still));
        if self.speed_before >= limits.speed {
            self.stands_since.get_or_insert(since);
        }
    }

    /// The track that it may be now, of those that are not in this impact.
    fn heir<'t>(&self, others: impl Iterator<Item = &'t Trace>) -> Option<&'t Trace> {
        let away = |heir: &Trace| {
            let body = heir.now()?;
            let metres = common_unit(body, &self.body)?;
            Some(body.footprint.centre.minus(self.body.footprint.centre).length() * metres)
        };
        let begins_in_it = |heir: &Trace| {
            heir.since >= self.at_impact.at && heir.since.seconds_since(self.sight.at) <= HEIR_WITHIN.as_secs_f64()
        };
        let near = others.filter(|heir| begins_in_it(heir) && self.is_alike(heir));
        let near = near.filter_map(|heir| Some((away(heir).filter(|away| *away <= HEIR_METRES)?, heir)));
        near.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, heir)| heir)
    }

    /// Whether another track, new since about the impact, drives on as this one did: then it is the same, and what stands
    /// is not.
    fn goes_on_as(&self, other: &Trace) -> bool {
        let then = &self.at_impact;
        let goes_on = |now: &Body| {
            let due = then.footprint.centre.plus(then.velocity.times(now.at.seconds_since(then.at)));
            let off = now.footprint.centre.minus(due).length() * now.unit_metres;
            let change = now.velocity.minus(then.velocity).length() * now.unit_metres;
            off <= HEIR_METRES && change <= GOES_ON * then.speed()
        };
        let is_new = other.since.seconds_since(then.at).abs() <= HEIR_WITHIN.as_secs_f64();
        is_new && self.is_alike(other) && other.now().is_some_and(goes_on)
    }

    /// Whether a detector may name one and the same so: a fallen rider is a person to it, a car in part a van.
    fn is_alike(&self, other: &Trace) -> bool {
        (other.role <= Role::Motorcycle) == (self.role <= Role::Motorcycle)
    }

    /// How abruptly the velocity changed until that body, metres per second squared, sure by two standard errors.
    fn change_to(&self, body: &Body) -> f64 {
        let error = (self.body.velocity_error.powi(2) + body.velocity_error.powi(2)).sqrt();
        let change = body.velocity.minus(self.body.velocity).length() - 2.0 * error;
        // Either velocity is a mean: nothing shorter than half a window can be told.
        change * body.unit_metres / body.at.seconds_since(self.body.at).max(HALF_A_WINDOW)
    }
}

/// Whether two are within so many metres of each other.
fn within(a: &Body, b: &Body, metres: f64) -> bool {
    common_unit(a, b).is_some_and(|unit| a.footprint.overlaps(&b.footprint, metres / unit))
}
