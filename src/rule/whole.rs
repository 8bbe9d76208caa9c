//! Whether a box went somewhere as a whole, or only some of its edges moved.
//!
//! A vehicle that comes out from behind another, or leaves the picture, has a box that grows on one side while the
//! vehicle stands or goes elsewhere; the anchor moves all the same. What really moves takes opposite edges along, or
//! grows in width as it grows in height because it comes nearer.

use super::plane::Vec2;
use crate::scene::NormBox;

/// The edges of a box, all in picture heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edges {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Edges {
    /// Of a box in a picture of this width divided by height.
    pub(super) fn of(bbox: &NormBox, aspect: f32) -> Self {
        Self { left: bbox.x1 * aspect, top: bbox.y1, right: bbox.x2 * aspect, bottom: bbox.y2 }
    }

    /// The middle of the lower edge.
    pub(super) fn anchor(&self) -> Vec2 {
        Vec2 { x: f32::midpoint(self.left, self.right), y: self.bottom }
    }

    /// The share of the anchor's way since `then` that the box went as a whole: 1 for a rigid move, 0 when a single
    /// edge moved. 0 without a way.
    pub(super) fn whole_share(&self, then: &Self) -> f32 {
        let way = self.anchor() - then.anchor();
        let square = way.dot(way);
        if square <= 0.0 {
            return 0.0;
        }
        // Sideways: the edge that moved less.
        let (left, right) = (self.left - then.left, self.right - then.right);
        let sideways = (left * way.x.signum()).min(right * way.x.signum()).clamp(0.0, way.x.abs());
        // Up and down: what the upper edge moved, and the growth that the width confirms.
        let width = (then.right - then.left).max(f32::EPSILON);
        let growth = (right - left) / width * (then.bottom - then.top);
        let upright = ((self.top - then.top + growth) * way.y.signum()).clamp(0.0, way.y.abs());
        (sideways * way.x.abs() + upright * way.y.abs()) / square
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(from: [f32; 4], to: [f32; 4]) -> f32 {
        let edges = |[x1, y1, x2, y2]: [f32; 4]| Edges::of(&NormBox { x1, y1, x2, y2 }, 2.0);
        (edges(to).whole_share(&edges(from)) * 100.0).round() / 100.0
    }

    #[test]
    fn what_moves_takes_opposite_edges_along() {
        let car = [0.4, 0.4, 0.5, 0.5];
        assert_eq!(share(car, [0.5, 0.4, 0.6, 0.5]), 1.0, "sideways");
        assert_eq!(share(car, [0.4, 0.6, 0.5, 0.7]), 1.0, "down");
        assert_eq!(share(car, [0.45, 0.45, 0.55, 0.55]), 1.0, "slantwise");
        assert_eq!(share(car, [0.395, 0.45, 0.505, 0.56]), 1.0, "down, and nearer");
        assert_eq!(share(car, [0.35, 0.4, 0.55, 0.6]), 1.0, "nearer under a camera as high as its roof");
        assert_eq!(share(car, [0.4375, 0.2, 0.4625, 0.3]), 1.0, "up and away");
    }

    #[test]
    fn a_single_edge_makes_no_way() {
        let car = [0.4, 0.4, 0.5, 0.5];
        assert_eq!(share(car, [0.4, 0.4, 0.5, 0.6]), 0.0, "its lower edge comes out");
        assert_eq!(share(car, [0.4, 0.4, 0.5, 0.45]), 0.0, "its lower edge is covered");
        assert_eq!(share(car, [0.3, 0.4, 0.5, 0.5]), 0.0, "its left side comes out");
        assert_eq!(share(car, [0.45, 0.4, 0.5, 0.5]), 0.0, "its left side is covered");
        assert_eq!(share(car, [0.4, 0.3, 0.5, 0.6]), 0.0, "top and bottom go apart");
        assert_eq!(share(car, car), 0.0, "no way");
    }
}
