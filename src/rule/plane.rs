//! Vectors on the screen in picture heights, where lengths and angles are true.

use std::ops::Sub;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scene::{NormBox, NormPoint};

/// A point or a difference of two, in picture heights; x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Vec2 {
    pub(super) x: f32,
    pub(super) y: f32,
}

impl Vec2 {
    pub(super) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }
    /// z of the cross product: positive when `other` points to the right of `self` on the screen.
    pub(super) fn cross(self, other: Self) -> f32 {
        self.x * other.y - self.y * other.x
    }
    /// `sqrt` is correctly rounded everywhere (IEEE 754), `hypot` is not: replays must agree.
    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }
}

impl Sub for Vec2 {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self { x: self.x - rhs.x, y: self.y - rhs.y }
    }
}

/// The point of a box that stands for the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Anchor {
    /// Bottom centre: where it touches the ground.
    Bottom,
    /// Centre of the box.
    Centre,
}

impl Anchor {
    pub(super) fn of(self, bbox: &NormBox) -> NormPoint {
        match self {
            Self::Bottom => bbox.anchor(),
            Self::Centre => bbox.centre(),
        }
    }
}
