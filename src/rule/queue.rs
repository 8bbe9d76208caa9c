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
    /// Distance before the stop line: metres, or picture heights.
    pub(super) distance: f64,
    /// What one unit of the largest gap is there: 1 m, or the height of its box.
    pub(super) size: f64,
    pub(super) bbox: NormBox,
}

/// The queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Queue {
    /// From the stop line to the last vehicle: metres, or picture heights.
    pub(super) length: f64,
    pub(super) vehicles: u32,
    /// All of them in the picture.
    pub(super) bbox: Option<NormBox>,
}

impl Queue {
    /// The vehicles from the stop line on, up to the first gap that is longer than `max_gap` units.
    pub(super) fn of(mut members: Vec<Member>, max_gap: f64) -> Self {
        members.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        let mut queue = Self::default();
        for Member { distance, size, bbox, .. } in members {
            if distance - queue.length > max_gap * size {
                break;
            }
            queue.length = queue.length.max(distance);
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

    /// How far a place is before the line; none beyond it, or beyond the horizon.
    pub(super) fn distance_before(&self, p: NormPoint) -> Option<f64> {
        let offset = f64::from(self.wire.offset(p));
        let beyond = offset > 0.0;
        let (distance, allowed) = match &self.ground {
            Some((ground, from, to)) => (to_segment(ground.metres(p)?, *from, *to), OVER_THE_LINE.0),
            None => (offset.abs(), OVER_THE_LINE.1),
        };
        match beyond {
            false => Some(distance),
            true => (distance <= allowed).then_some(0.0),
        }
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

    fn at(id: u64, distance: f64) -> Member {
        Member { id: TrackId(id), distance, size: 1.0, bbox: NormBox { x1: 0.1, y1: 0.1, x2: 0.2, y2: 0.2 } }
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
    fn the_way_to_a_segment_ends_at_its_ends() {
        let (from, to) = (GroundPoint::new(0.0, 0.0), GroundPoint::new(4.0, 0.0));
        assert!((to_segment(GroundPoint::new(2.0, 3.0), from, to) - 3.0).abs() < 1e-12);
        assert!((to_segment(GroundPoint::new(7.0, 4.0), from, to) - 5.0).abs() < 1e-12);
    }
}
