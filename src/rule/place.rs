//! Where on the road a vehicle stands: not only where its box ends.
//!
//! The anchor of a long vehicle is its end nearest the camera; seen from the roadside, it lies beside the vehicle. On a
//! calibrated camera the usual size of the class tells where the middle of what it covers is.

use super::body::{Stance, lane_on_ground};
use super::roles::Role;
use super::scene::Scene;
use super::stand::Stand;
use crate::scene::{GroundPoint, NormBox, NormPoint, Polygon};

/// A box that ends so near the picture's edge, in its heights, is cut by it or may be: its jitter is as large.
const CUT_WITHIN: f32 = 0.05;

/// Where a vehicle stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    anchor: NormPoint,
    /// The middle of its footprint; none where that cannot be told.
    middle: Option<NormPoint>,
}

impl Place {
    /// Of a stand, by the box that the vehicle has now. `lane` is the one that it is supposed to stand along; otherwise
    /// the one that it is in, if any.
    pub(super) fn of(stand: &Stand, bbox: &NormBox, role: Role, lane: Option<&str>, scene: &Scene) -> Self {
        let anchor = NormPoint::new(stand.place.x / scene.aspect, stand.place.y);
        let foot = bbox.anchor();
        let middle = middle(bbox, role, lane, scene)
            .map(|middle| NormPoint::new(anchor.x + middle.x - foot.x, anchor.y + middle.y - foot.y));
        Self { anchor, middle }
    }

    /// Whether either of the points is in the zone.
    pub(super) fn is_in(&self, zone: &Polygon) -> bool {
        zone.contains(self.anchor) || self.middle.is_some_and(|middle| zone.contains(middle))
    }

    /// The same for a lane, but a vehicle whose middle is in another lane stands there.
    pub(super) fn is_in_lane(&self, name: &str, scene: &Scene) -> bool {
        let Some(lane) = scene.lanes.get(name) else { return false };
        let elsewhere = |middle: NormPoint| {
            !lane.polygon.contains(middle) && scene.lanes.values().any(|other| other.polygon.contains(middle))
        };
        self.is_in(&lane.polygon) && !self.middle.is_some_and(elsewhere)
    }
}

/// Whether the picture's edge cuts the box, or may: where such a thing ends, and what it is, nobody can tell.
pub(super) fn is_cut(bbox: &NormBox) -> bool {
    let edge = CUT_WITHIN * bbox.height();
    bbox.x1 < edge || bbox.x2 > 1.0 - edge || bbox.y2 > 1.0 - edge
}

/// The middle of the room on the road that a vehicle of this box takes; none without a calibration, for a box at the
/// picture's edge, and where [`Stance`] cannot tell.
fn middle(bbox: &NormBox, role: Role, lane: Option<&str>, scene: &Scene) -> Option<NormPoint> {
    let ground = scene.ground.as_ref()?;
    if is_cut(bbox) {
        return None;
    }
    let stance = Stance::of(bbox, role, scene)?;
    let along = lane.and_then(|name| lane_on_ground(scene.lanes.get(name)?, bbox.anchor(), scene));
    let centre = stance.footprint(stance.place, role, along).centre;
    ground.picture(GroundPoint::new(centre.x, centre.y))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::MediaTime;
    use crate::rule::Lane;
    use crate::rule::stand::Standing;
    use crate::scene::{Ground, Labels, Segment};

    fn rectangle(x1: f32, y1: f32, x2: f32, y2: f32) -> Polygon {
        let corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)];
        Polygon::new(corners.map(|(x, y)| NormPoint::new(x, y)).to_vec()).unwrap()
    }

    /// 1 m is 0.01 of the picture; the camera is below. `up` goes up the picture, `across` beyond it to the right.
    fn scene() -> Scene {
        let matrix = [[100.0, 0.0, 0.0], [0.0, -100.0, 100.0], [0.0, 0.0, 1.0]];
        let lane = |area, from: (f32, f32), to: (f32, f32)| {
            let direction = Segment { from: NormPoint::new(from.0, from.1), to: NormPoint::new(to.0, to.1) };
            Lane::new(area, &direction, 1.0).unwrap()
        };
        let up = lane(rectangle(0.4, 0.3, 0.6, 0.48), (0.5, 0.48), (0.5, 0.3));
        let across = lane(rectangle(0.0, 0.495, 1.0, 0.6), (0.1, 0.55), (0.9, 0.55));
        Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: [("up".to_owned(), up), ("across".to_owned(), across)].into(),
            ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(),
            labels: Labels::new(["truck"]),
            aspect: 1.0,
        }
    }

    #[test]
    fn a_vehicle_stands_where_its_middle_is() {
        let scene = scene();
        // A lorry, 7.5 m by 2.4 m, whose lower edge is at y = 0.5, 2 m before the lane `up` begins.
        let bbox = NormBox { x1: 0.48, y1: 0.46, x2: 0.52, y2: 0.5 };
        let standing = Standing::new(MediaTime(0), scene.in_heights(bbox.anchor()), 0.01);
        let place = |lane: Option<&str>, scene: &Scene| Place::of(standing.stand(), &bbox, Role::Truck, lane, scene);
        let along = place(Some("up"), &scene);
        assert!((along.middle.unwrap().y - 0.4625).abs() < 1e-4, "{along:?}");
        assert!(along.is_in_lane("up", &scene));
        assert!(!along.is_in_lane("across", &scene), "its lower edge is, its middle is in the other");
        // As one of the lane that its lower edge is in, it stands across the picture.
        let across = place(Some("across"), &scene);
        assert!((across.middle.unwrap().y - 0.488).abs() < 1e-4, "{across:?}");
        assert!(across.is_in_lane("across", &scene));
        assert!(across.is_in(&rectangle(0.4, 0.4, 0.6, 0.49)), "a zone behind its lower edge");
        // At the picture's edge nobody knows where a box would end.
        let low = NormBox { y1: 0.959, y2: 0.999, ..bbox };
        let standing_low = Standing::new(MediaTime(0), scene.in_heights(low.anchor()), 0.01);
        assert!(Place::of(standing_low.stand(), &low, Role::Truck, Some("up"), &scene).middle.is_none());
        let blind = Scene { ground: None, ..scene };
        assert!(place(Some("up"), &blind).middle.is_none() && !place(Some("up"), &blind).is_in_lane("up", &blind));
    }
}
