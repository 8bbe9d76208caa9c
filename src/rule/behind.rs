//! Who waits behind whom: a vehicle that stands close behind another, in the same lane and direction, is queued.
//!
//! All lengths are in the picture, in extents of the boxes themselves, so that no calibration is needed: a box reaches
//! along the lane and across it by its width and height as the lane runs in the picture.

use std::time::Duration;

use super::plane::Vec2;
use super::scene::{Lane, Scene};
use crate::base::MediaTime;
use crate::scene::{NormBox, NormPoint};

/// The gap behind the one in front, in reaches of the vehicle's own box along the lane.
const LARGEST_GAP: f32 = 1.0;
/// How far aside of each other they are, in the mean of their reaches across the lane.
const FARTHEST_ASIDE: f32 = 0.6;
/// So long after the one in front has gone a vehicle may still stand: drivers take a few seconds to start, the more of
/// them the longer.
pub(super) const STARTS_WITHIN: Duration = Duration::from_secs(8);

/// A vehicle that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopped {
    pub(super) bbox: NormBox,
    pub(super) since: MediaTime,
}

/// Whether `own` stands close behind one of the others, who stood there first. Lanes go `direction`, a unit vector in
/// picture heights.
pub(super) fn waits(own: &Stopped, others: impl Iterator<Item = Stopped>, direction: Vec2, scene: &Scene) -> bool {
    let mut earlier = others.filter(|other| other.since < own.since);
    earlier.any(|other| is_close_ahead(&own.bbox, &other.bbox, direction, scene.aspect))
}

/// The direction of the lane that contains the point.
pub(super) fn direction_at(point: NormPoint, scene: &Scene) -> Option<Vec2> {
    scene.lanes.values().find(|lane| lane.polygon.contains(point)).map(Lane::direction)
}

fn is_close_ahead(own: &NormBox, other: &NormBox, direction: Vec2, aspect: f32) -> bool {
    let centre = |b: &NormBox| {
        let c = b.centre();
        Vec2 { x: c.x * aspect, y: c.y }
    };
    let along = |b: &NormBox| direction.x.abs() * b.width() * aspect + direction.y.abs() * b.height();
    let across = |b: &NormBox| direction.y.abs() * b.width() * aspect + direction.x.abs() * b.height();
    let between = centre(other) - centre(own);
    let ahead = direction.dot(between);
    let gap = ahead - f32::midpoint(along(own), along(other));
    ahead > 0.0
        && gap <= LARGEST_GAP * along(own)
        && direction.cross(between).abs() <= FARTHEST_ASIDE * f32::midpoint(across(own), across(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, y: f32) -> NormBox {
        NormBox { x1: x - 0.05, y1: y - 0.05, x2: x + 0.05, y2: y + 0.05 }
    }

    #[test]
    fn close_behind_in_the_same_lane_is_queued() {
        let east = Vec2 { x: 1.0, y: 0.0 };
        let ahead = |x: f32, y: f32| is_close_ahead(&at(0.5, 0.5), &at(x, y), east, 1.0);
        assert!(ahead(0.65, 0.5), "half a length between");
        assert!(!ahead(0.35, 0.5), "it is behind");
        assert!(!ahead(0.75, 0.5), "a length and a half between");
        assert!(ahead(0.65, 0.55) && !ahead(0.65, 0.58), "aside");
        // Down the picture: what is across is the width.
        let down = Vec2 { x: 0.0, y: 1.0 };
        assert!(is_close_ahead(&at(0.5, 0.5), &at(0.5, 0.62), down, 2.0));
        assert!(!is_close_ahead(&at(0.5, 0.5), &at(0.58, 0.62), down, 2.0), "in the next lane");
    }
}
