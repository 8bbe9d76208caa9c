//! What was drawn on the camera picture: tripwires, zones, lanes, and the model's class names.

use std::collections::{BTreeMap, BTreeSet};

use super::plane::Vec2;
use crate::scene::{Ground, Labels, NormPoint, Polygon, Segment};

/// A carriageway lane: where it is and which way its traffic goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Its outline, in normalised scene coordinates.
    pub polygon: Polygon,
    /// Its direction as a unit vector on the screen: equal lengths in x and y look equally long.
    pub direction: NormPoint,
}

impl Lane {
    /// A lane with the direction of `arrow`, on a picture `aspect` times as wide as high.
    /// None when the arrow has no length.
    #[must_use]
    pub fn new(polygon: Polygon, arrow: &Segment, aspect: f32) -> Option<Self> {
        let along = in_heights(arrow.to, aspect) - in_heights(arrow.from, aspect);
        let length = along.length();
        (length > 0.0 && length.is_finite())
            .then(|| Self { polygon, direction: NormPoint::new(along.x / length, along.y / length) })
    }

    pub(super) fn direction(&self) -> Vec2 {
        Vec2 { x: self.direction.x, y: self.direction.y }
    }
}

/// The drawn scene of one camera. Immutable; a changed drawing is a new scene with new rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Directed lines by name.
    pub tripwires: BTreeMap<String, Segment>,
    /// Areas by name.
    pub zones: BTreeMap<String, Polygon>,
    /// Lanes by name.
    pub lanes: BTreeMap<String, Lane>,
    /// The ground plane; none when the camera is not calibrated.
    pub ground: Option<Ground>,
    /// Class names of the camera's model.
    pub labels: Labels,
    /// Displayed width divided by displayed height. It makes distances (in picture heights) and
    /// angles those that are seen on the screen.
    pub aspect: f32,
}

impl Scene {
    /// The distance of two points as seen on the screen, in picture heights.
    #[must_use]
    pub fn distance(&self, a: NormPoint, b: NormPoint) -> f32 {
        (self.in_heights(b) - self.in_heights(a)).length()
    }

    pub(super) fn in_heights(&self, p: NormPoint) -> Vec2 {
        in_heights(p, self.aspect)
    }
}

fn in_heights(p: NormPoint, aspect: f32) -> Vec2 {
    Vec2 { x: p.x * aspect, y: p.y }
}

/// The names that parameters may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SceneNames {
    /// Tripwires.
    pub tripwires: BTreeSet<String>,
    /// Zones.
    pub zones: BTreeSet<String>,
    /// Lanes.
    pub lanes: BTreeSet<String>,
    /// Whether the camera has a ground-plane calibration.
    pub calibrated: bool,
    /// Whether the camera has a feed of traffic signals.
    pub signals: bool,
    /// The model's class names; none while the model is not known (a check without the model file).
    pub labels: Option<Labels>,
}

impl From<&Scene> for SceneNames {
    fn from(scene: &Scene) -> Self {
        Self {
            tripwires: scene.tripwires.keys().cloned().collect(),
            zones: scene.zones.keys().cloned().collect(),
            lanes: scene.lanes.keys().cloned().collect(),
            calibrated: scene.ground.is_some(),
            // A drawing does not tell; whoever checks a pipeline knows.
            signals: true,
            labels: Some(scene.labels.clone()),
        }
    }
}
