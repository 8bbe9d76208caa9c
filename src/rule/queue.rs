//! From slow vehicles before a stop line to the queue that they make.

use super::scene::Scene;
use super::wire::Wire;
use crate::base::TrackId;
use crate::scene::{Ground, GroundPoint, NormBox, NormPoint};

/// Whoever stands beyond the stop line by no more than this belongs to it still: metres, or picture heights.
const OVER_THE_LINE: (f64, f64) = (3.0, 0.05);

/// A slow vehicle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) id: TrackId,
    /// Where it stands before the stop line.
    pub(super) extent: Extent,
    /// What one unit of the largest gap is there: 1 m, or the height of its box.
    pub(super) size: f64,
    pub(super) bbox: NormBox,
}

/// Distances before the stop line: metres, or picture heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extent {
    pub(super) front: f64,
    /// As `front` where lengths on the ground are unknown.
    pub(super) rear: f64,
}

/// The queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Queue {
    /// From the stop line to the rear of the last vehicle: metres, or picture heights.
    pub(super) length: f64,
    pub(super) vehicles: u32,
    /// All of them in the picture.
    pub(super) bbox: Option<NormBox>,
}

impl Queue {
    /// The vehicles from the stop line on, up to the first gap that is longer than `max_gap` units.
    pub(super) fn of(mut members: Vec<Member>, max_gap: f64) -> Self {
        members.sort_by(|a, b| a.extent.front.total_cmp(&b.extent.front).then(a.id.cmp(&b.id)));
        let mut queue = Self::default();
        for Member { extent, size, bbox, .. } in members {
            if extent.front - queue.length > max_gap * size {
                break;
            }
            queue.length = queue.length.max(extent.rear);
            queue.vehicles += 1;
            queue.bbox = Some(queue.bbox.map_or(bbox, |all| NormBox {
                x1: all.x1.min(bbox.x1),
                y1: all.y1.min(bbox.y1),
                x2: all.x2.max(bbox.x2),
                y2: all.y2.max(bbox.y2),
            }));
        }
        queue
    }
}

/// The line that a queue is measured from.
pub(super) struct StopLine<'s> {
    wire: Wire<'s>,
    ground: Option<(&'s Ground, GroundPoint, GroundPoint)>,
}

impl<'s> StopLine<'s> {
    pub(super) fn new(scene: &'s Scene, name: &str) -> Option<Self> {
        let wire = Wire::of(scene, name)?;
        let Some(ground) = &scene.ground else { return Some(Self { wire, ground: None }) };
        let line = scene.tripwires.get(name)?;
        Some(Self { wire, ground: Some((ground, ground.metres(line.from)?, ground.metres(line.to)?)) })
    }

    /// Where a vehicle with this anchor and of this length, metres, stands before the line; none beyond it, or beyond
    /// the horizon.
    pub(super) fn extent(&self, anchor: NormPoint, length: f64) -> Option<Extent> {
        let offset = f64::from(self.wire.offset(anchor));
        let beyond = offset > 0.0;
        let (distance, allowed) = match &self.ground {
            Some((ground, from, to)) => (to_segment(ground.metres(anchor)?, *from, *to), OVER_THE_LINE.0),
            None => (offset.abs(), OVER_THE_LINE.1),
        };
        if beyond && distance > allowed {
            return None;
        }
        let distance = if beyond { 0.0 } else { distance };
        // The anchor is the end that is nearer to the camera: the front of who comes towards it.
        let (ahead, behind) = match self.facing(anchor, beyond) {
            Some(facing) => (length * (1.0 - facing) / 2.0, length * (1.0 + facing) / 2.0),
            None => (0.0, 0.0),
        };
        Some(Extent { front: (distance - ahead).max(0.0), rear: distance + behind })
    }

    /// Cosine of the angle on the ground between the way to the line and the way to the camera: 1 for vehicles that
    /// come towards the camera, -1 for those that go away, 0 for those seen from the side.
    fn facing(&self, anchor: NormPoint, beyond: bool) -> Option<f64> {
        let (ground, from, to) = self.ground.as_ref()?;
        let place = ground.metres(anchor)?;
        let [[_, down_x], [_, down_y]] = ground.jacobian(anchor)?;
        let (across_x, across_y) = (from.y - to.y, to.x - from.x);
        let towards = (from.x - place.x) * across_x + (from.y - place.y) * across_y;
        let sign = if (towards > 0.0) == beyond { -1.0 } else { 1.0 };
        let lengths = ((down_x * down_x + down_y * down_y) * (across_x * across_x + across_y * across_y)).sqrt();
        (lengths > 0.0).then(|| sign * (down_x * across_x + down_y * across_y) / lengths)
    }

    /// See [`Member::size`].
    pub(super) fn size(&self, bbox: &NormBox) -> f64 {
        if self.ground.is_some() { 1.0 } else { f64::from(bbox.height()) }
    }
}

fn to_segment(p: GroundPoint, from: GroundPoint, to: GroundPoint) -> f64 {
    let (x, y) = (to.x - from.x, to.y - from.y);
    let length = x * x + y * y;
    let share = if length > 0.0 { ((p.x - from.x) * x + (p.y - from.y) * y) / length } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    p.distance(GroundPoint::new(from.x + share * x, from.y + share * y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Labels, Segment};

    fn at(id: u64, distance: f64) -> Member {
        let extent = Extent { front: distance, rear: distance };
        Member { id: TrackId(id), extent, size: 1.0, bbox: NormBox { x1: 0.1, y1: 0.1, x2: 0.2, y2: 0.2 } }
    }

    #[test]
    fn a_gap_ends_the_queue() {
        let of = |distances: &[f64]| {
            let members = distances.iter().enumerate().map(|(n, distance)| at(n as u64, *distance)).collect();
            let queue = Queue::of(members, 20.0);
            (queue.length, queue.vehicles)
        };
        assert_eq!(of(&[]), (0.0, 0));
        assert_eq!(of(&[30.0, 2.0, 12.0]), (30.0, 3));
        assert_eq!(of(&[2.0, 12.0, 33.0, 40.0]), (12.0, 2), "21 m between the second and the third");
        assert_eq!(of(&[21.0]), (0.0, 0), "nobody is near the line");
    }

    #[test]
    fn the_anchor_is_the_end_that_the_camera_sees() {
        // 1 m is 0.01 of the picture; north is up. The line is crossed forward from left to right of from → to.
        let ground = Ground::from_matrix(
            [[100.0, 0.0, 0.0], [0.0, -100.0, 100.0], [0.0, 0.0, 1.0]],
            0.1,
            NormPoint::new(0.5, 0.9),
        );
        let scene = |from: (f32, f32), to: (f32, f32)| {
            let line = Segment { from: NormPoint::new(from.0, from.1), to: NormPoint::new(to.0, to.1) };
            Scene {
                tripwires: [("stop".to_owned(), line)].into(),
                zones: std::collections::BTreeMap::new(),
                lanes: std::collections::BTreeMap::new(),
                ground: ground.clone().ok(),
                labels: Labels::new(["car"]),
                aspect: 1.0,
            }
        };
        let extent = |scene: &Scene, x: f32, y: f32| {
            let extent = StopLine::new(scene, "stop").unwrap().extent(NormPoint::new(x, y), 10.0).unwrap();
            (extent.front.round(), extent.rear.round())
        };
        let (left, right) = ((0.2, 0.5), (0.8, 0.5));
        // Which of the two is forward for traffic that comes down the picture follows from where it is before the line.
        let (down, up) = match StopLine::new(&scene(left, right), "stop").unwrap().extent(NormPoint::new(0.5, 0.2), 1.0)
        {
            Some(_) => (scene(left, right), scene(right, left)),
            None => (scene(right, left), scene(left, right)),
        };
        assert_eq!(extent(&down, 0.5, 0.3), (20.0, 30.0), "it comes: the anchor is its front");
        assert_eq!(extent(&up, 0.5, 0.7), (10.0, 20.0), "it goes away: the anchor is its rear");
        assert_eq!(extent(&down, 0.5, 0.51), (0.0, 10.0), "its front is 1 m over the line");
        let side = [scene((0.5, 0.2), (0.5, 0.8)), scene((0.5, 0.8), (0.5, 0.2))];
        let side = side
            .iter()
            .find(|scene| StopLine::new(scene, "stop").unwrap().extent(NormPoint::new(0.2, 0.5), 1.0).is_some());
        assert_eq!(extent(side.unwrap(), 0.3, 0.5), (15.0, 25.0), "from the side: its middle");
    }

    #[test]
    fn the_way_to_a_segment_ends_at_its_ends() {
        let (from, to) = (GroundPoint::new(0.0, 0.0), GroundPoint::new(4.0, 0.0));
        assert!((to_segment(GroundPoint::new(2.0, 3.0), from, to) - 3.0).abs() < 1e-12);
        assert!((to_segment(GroundPoint::new(7.0, 4.0), from, to) - 5.0).abs() < 1e-12);
    }
}
