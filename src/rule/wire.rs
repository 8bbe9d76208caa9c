//! A tripwire on the screen, and how far each track has come in crossing it.
//!
//! A track is *clear* on a side when its anchor is at least `hysteresis` from the line. It crosses
//! when it is clear on one side, later clear on the other, and its path between the two passes the
//! drawn segment once more in that direction than against it: jitter on the line cancels out, and
//! going round an end of the line is no crossing.

use super::plane::Vec2;
use super::scene::Scene;
use crate::scene::{NormPoint, Segment};

/// Which way a tripwire was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// From the left of the arrow to its right.
    Forward,
    /// From the right of the arrow to its left.
    Backward,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// Which side of the arrow, seen along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// How far a track has come in crossing one line.
#[derive(Debug)]
pub(super) struct Passage {
    /// The side it was last clear on.
    clear: Option<Side>,
    /// The anchor when last observed.
    last: NormPoint,
    /// Passes of the segment since last clear: +1 towards the right, −1 towards the left.
    balance: i32,
    /// Where the segment was passed last.
    point: NormPoint,
}

/// A crossing that has just been completed.
pub(super) struct Crossed {
    pub(super) direction: Direction,
    /// Where the segment was passed.
    pub(super) point: NormPoint,
    /// Distance from the line now, in picture heights.
    pub(super) clear: f32,
}

impl Passage {
    /// A track first seen at `anchor`.
    pub(super) fn new(anchor: NormPoint) -> Self {
        Self { clear: None, last: anchor, balance: 0, point: anchor }
    }

    /// The anchor when last observed.
    pub(super) fn last(&self) -> NormPoint {
        self.last
    }

    /// Passes of the segment since last clear, more forward than backward.
    pub(super) fn balance(&self) -> i32 {
        self.balance
    }

    /// Takes in an observed anchor; `hysteresis` is in picture heights.
    pub(super) fn advance(&mut self, anchor: NormPoint, wire: &Wire<'_>, hysteresis: f32) -> Option<Crossed> {
        if let Some((towards, point)) = wire.passed(self.last, anchor) {
            self.balance += if towards == Side::Right { 1 } else { -1 };
            self.point = point;
        }
        self.last = anchor;
        let offset = wire.offset(anchor);
        // Exactly on the line is on no side, even without hysteresis.
        if offset == 0.0 || !offset.is_finite() || offset.abs() < hysteresis {
            return None;
        }
        let side = if offset > 0.0 { Side::Right } else { Side::Left };
        let before = self.clear.replace(side);
        let balance = std::mem::take(&mut self.balance);
        let direction = match (before?, side) {
            (Side::Left, Side::Right) if balance > 0 => Direction::Forward,
            (Side::Right, Side::Left) if balance < 0 => Direction::Backward,
            _ => return None,
        };
        Some(Crossed { direction, point: self.point, clear: offset.abs() })
    }
}

/// A tripwire on the screen, in picture heights.
pub(super) struct Wire<'a> {
    scene: &'a Scene,
    from: Vec2,
    along: Vec2,
    length: f32,
}

impl<'a> Wire<'a> {
    /// None for a line without length, which nothing can cross.
    pub(super) fn new(line: &Segment, scene: &'a Scene) -> Option<Self> {
        let from = scene.in_heights(line.from);
        let along = scene.in_heights(line.to) - from;
        let length = along.length();
        (length > 0.0).then_some(Self { scene, from, along, length })
    }

    /// The tripwire of that name.
    pub(super) fn of(scene: &'a Scene, name: &str) -> Option<Self> {
        scene.tripwires.get(name).and_then(|line| Self::new(line, scene))
    }

    /// Signed distance from the line through the tripwire, positive to the right of the arrow, as [`Segment::side`].
    pub(super) fn offset(&self, p: NormPoint) -> f32 {
        self.along.cross(self.scene.in_heights(p) - self.from) / self.length
    }

    /// Towards which side, and where, the step from `a` to `b` passes the segment itself. A point on
    /// the line belongs to its right, so that a path made of steps passes once wherever its corners lie.
    pub(super) fn passed(&self, a: NormPoint, b: NormPoint) -> Option<(Side, NormPoint)> {
        let (at_a, at_b) = (self.offset(a), self.offset(b));
        if (at_a >= 0.0) == (at_b >= 0.0) {
            return None;
        }
        let share = at_a / (at_a - at_b);
        let point = NormPoint::new(a.x + share * (b.x - a.x), a.y + share * (b.y - a.y));
        let along = self.along.dot(self.scene.in_heights(point) - self.from) / (self.length * self.length);
        let side = if at_b >= 0.0 { Side::Right } else { Side::Left };
        (0.0..=1.0).contains(&along).then_some((side, point))
    }
}
