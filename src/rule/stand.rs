//! When a vehicle stands, and since when.
//!
//! A vehicle *stands* while its smoothed anchor stays within what is allowed of the stand's place: the mean of the anchors
//! of its first [`MEAN`]; in its first [`SETTLES`] of where it began as well, so that who still rolls does not stand. Being farther off must last [`SETTLE`] to end a stand, so that a
//! passer-by who hides the wheels for a moment does not. A creeping vehicle keeps leaving its mark and starts anew.

use std::time::Duration;

use super::plane::Vec2;
use super::scene::Scene;
use super::smooth::Recent;
use crate::base::MediaTime;
use crate::scene::{NormPoint, Polygon};

/// How long a vehicle must be away from where it stood before the stand is over.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// The mean that a stand's place is, is over so long: one sight errs, and a vehicle that comes to a stop rolls on a little.
pub(super) const MEAN: Duration = Duration::from_secs(5);
/// A stand that has lasted for so long goes on within [`SETTLED`] times what is allowed of it: a vehicle that starts soon
/// leaves that, too, and the box of one that stays wanders about more in rain and by night than in one moment.
const SETTLES: Duration = Duration::from_secs(3);
const SETTLED: f32 = 1.75;
/// A stand that was reported goes on within so many times what is allowed of others: the box of a vehicle that stays shifts when
/// others hide a part of it, and nobody wants a second alarm for that.
const HELD: f32 = 2.5;
/// A stand is believed only with so many observations, however long they span.
pub(super) const MIN_OBSERVATIONS: u32 = 5;

/// Where and since when a vehicle stands; a moving one makes a new stand all the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) place: Vec2,
    /// Where it began.
    begun: Vec2,
    /// In picture heights.
    allowed: f32,
    held: bool,
    pub(super) since: MediaTime,
    pub(super) observations: u32,
    /// Farthest smoothed anchor from `place` so far, in picture heights, within what is allowed.
    pub(super) strayed: f32,
}

impl Stand {
    fn new(place: Vec2, allowed: f32, since: MediaTime) -> Self {
        Self { place, begun: place, allowed, held: false, since, observations: 1, strayed: 0.0 }
    }

    /// How far it may stray now, in picture heights.
    fn allows(&self, at: MediaTime) -> f32 {
        let times = match (self.held, at.since(self.since) >= SETTLES) {
            (true, _) => HELD,
            (false, true) => SETTLED,
            (false, false) => 1.0,
        };
        times * self.allowed
    }

    /// Takes a sight that stands for the time `passed` into the mean.
    fn move_to(&mut self, place: Vec2, passed: Duration, at: MediaTime) {
        let age = at.since(self.since);
        if age.is_zero() || age > MEAN {
            return;
        }
        let (share, off) = ((passed.as_secs_f32() / age.as_secs_f32()).min(1.0), place - self.place);
        self.place = Vec2 { x: self.place.x + share * off.x, y: self.place.y + share * off.y };
    }

    /// Whether it is within the area.
    pub(super) fn is_in(&self, area: &Polygon, scene: &Scene) -> bool {
        area.contains(NormPoint::new(self.place.x / scene.aspect, self.place.y))
    }
}

/// A vehicle's stands, one after the other.
#[derive(Debug)]
pub(super) struct Standing {
    recent: Recent,
    stand: Stand,
    seen_at: MediaTime,
    /// How far from the stand's place it was last seen, in picture heights.
    off_place: f32,
    /// The first sight away from the stand, while it may still be a flicker.
    away_since: Option<MediaTime>,
    /// Where it was first seen.
    origin: Vec2,
    arrived: bool,
}

/// A stand that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over {
    pub(super) stand: Stand,
    /// When the vehicle left.
    pub(super) at: MediaTime,
}

impl Standing {
    /// A vehicle first seen at `place`; lengths are in picture heights.
    pub(super) fn new(at: MediaTime, place: Vec2, allowed: f32) -> Self {
        let stand = Stand::new(place, allowed, at);
        Self {
            recent: Recent::default(),
            stand,
            seen_at: at,
            off_place: 0.0,
            away_since: None,
            origin: place,
            arrived: false,
        }
    }

    /// Takes in an observed anchor; gives the stand that is over now. `allowed` is how far a stand that begins
    /// now may stray, `far` the way that makes an arrival.
    pub(super) fn observe(&mut self, at: MediaTime, place: Vec2, allowed: f32, far: f32) -> Option<Over> {
        let (since, place) = self.recent.push(at, place);
        self.arrived |= (place - self.origin).length() > far;
        let passed = at.since(std::mem::replace(&mut self.seen_at, at));
        let strayed = (place - self.stand.place).length();
        self.off_place = strayed;
        let rolls = at.since(self.stand.since) < SETTLES && (place - self.stand.begun).length() > self.stand.allowed;
        if strayed <= self.stand.allows(at) && !rolls {
            self.away_since = None;
            self.stand.observations = self.stand.observations.saturating_add(1);
            self.stand.strayed = self.stand.strayed.max(strayed);
            self.stand.move_to(place, passed, at);
            return None;
        }
        // A stand as short as a flicker is none: whoever moves makes a new one at once.
        let left = *self.away_since.get_or_insert(at);
        let short = at.since(self.stand.since) < SETTLE * 2;
        if !short && at.since(left) < SETTLE {
            return None;
        }
        (self.away_since, self.off_place) = (None, 0.0);
        let stand = std::mem::replace(&mut self.stand, Stand::new(place, allowed, since));
        Some(Over { stand, at: left })
    }

    /// The stand was reported: from now on it takes more to end it.
    pub(super) fn hold(&mut self) {
        self.stand.held = true;
    }

    pub(super) fn stand(&self) -> &Stand {
        &self.stand
    }

    /// Whether it was last seen where a stand that begins now might be: one that goes on for longer may be leaving.
    pub(super) fn is_in_place(&self) -> bool {
        self.off_place <= self.stand.allowed
    }

    /// Whether it was last seen away from where it stands.
    pub(super) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// Whether it was ever seen to move: otherwise it stood there already.
    pub(super) fn has_arrived(&self) -> bool {
        self.arrived
    }
}
