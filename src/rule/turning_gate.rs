//! Gates of a junction: tripwires with a direction, and the turn from one to another.

use std::fmt;

use super::scene::Scene;
use super::wire::Direction;
use crate::scene::{GroundPoint, NormPoint};

/// A tripwire that is crossed one way, written `NAME` (forward) or `NAME:backward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    line: String,
    direction: Direction,
}

impl Gate {
    pub(super) fn parse(text: &str) -> Self {
        let (line, direction) = match text.rsplit_once(':') {
            Some((line, "backward")) => (line, Direction::Backward),
            Some((line, "forward")) => (line, Direction::Forward),
            _ => (text, Direction::Forward),
        };
        Self { line: line.to_owned(), direction }
    }

    /// The name of the tripwire.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// How far beyond the gate a place is, from its signed distance to the tripwire.
    pub(super) fn past(&self, offset: f64) -> f64 {
        match self.direction {
            Direction::Forward => offset,
            Direction::Backward => -offset,
        }
    }

    /// The direction in which it is crossed, on the ground, of any length.
    fn heading(&self, scene: &Scene) -> Option<GroundPoint> {
        let ground = scene.ground.as_ref()?;
        let line = scene.tripwires.get(&self.line)?;
        let (from, to) = (ground.metres(line.from)?, ground.metres(line.to)?);
        let (along_x, along_y) = (to.x - from.x, to.y - from.y);
        // At a right angle to the line, to that side which is on its right in the picture.
        let middle = NormPoint::new((line.from.x + line.to.x) / 2.0, (line.from.y + line.to.y) / 2.0);
        let centre = ground.metres(middle)?;
        let beyond = GroundPoint::new(centre.x - along_y * 0.01, centre.y + along_x * 0.01);
        let is_right = line.side(ground.picture(beyond)?) > 0.0;
        let sign = if is_right == (self.direction == Direction::Forward) { 1.0 } else { -1.0 };
        Some(GroundPoint::new(-along_y * sign, along_x * sign))
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)?;
        if self.direction == Direction::Backward { f.write_str(":backward") } else { Ok(()) }
    }
}

/// Which way a movement turns, seen from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names)] // it is called a U-turn
pub(super) enum Turn {
    Straight,
    Left,
    Right,
    UTurn,
}

impl Turn {
    /// The turn from crossing one gate to crossing another: within 45° straight on, above 135° a U-turn. Only a
    /// calibrated camera knows angles on the road; without one nothing but the way back through the same line is told.
    pub(super) fn between(entry: &Gate, exit: &Gate, scene: &Scene) -> Option<Self> {
        if entry.line == exit.line {
            return Some(Self::UTurn);
        }
        let (a, b) = (entry.heading(scene)?, exit.heading(scene)?);
        let (cross, dot) = (a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y);
        if cross.abs() < dot.abs() {
            return Some(if dot > 0.0 { Self::Straight } else { Self::UTurn });
        }
        // Ground axes may be left- or right-handed: what is left on the picture of the ground decides.
        Some(if (cross > 0.0) == scene.ground.as_ref()?.is_right_handed()? { Self::Left } else { Self::Right })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::Left => "left",
            Self::Right => "right",
            Self::UTurn => "u_turn",
        }
    }
}
