//! How much of an area on the picture is covered by boxes.

use std::time::Duration;

use crate::base::MediaTime;
use crate::scene::{NormBox, NormPoint, Polygon};

/// The area's bounding box is sampled at so many places along either side.
const SIDE: u16 = 16;
/// It is looked at no more often.
const EVERY: Duration = Duration::from_millis(200);

/// The share of an area that is covered, sampled on a grid.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    /// Places within the area; made at first use.
    places: Vec<NormPoint>,
    last: Option<(MediaTime, f64)>,
}

impl Occupancy {
    /// The share of `area` within `boxes`, 0 to 1. Always call it with the same area.
    pub(super) fn of(&mut self, at: MediaTime, area: &Polygon, boxes: &[NormBox]) -> f64 {
        if let Some((_, share)) = self.last.filter(|(last, _)| at.since(*last) < EVERY) {
            return share;
        }
        if self.places.is_empty() {
            self.places = grid(area);
        }
        let covered =
            |p: &&NormPoint| boxes.iter().any(|b| (b.x1..=b.x2).contains(&p.x) && (b.y1..=b.y2).contains(&p.y));
        let share = self.places.iter().filter(covered).count() as f64 / self.places.len().max(1) as f64;
        self.last = Some((at, share));
        share
    }
}

fn grid(area: &Polygon) -> Vec<NormPoint> {
    let range = |of: fn(&NormPoint) -> f32| {
        let values = || area.corners().iter().map(of);
        (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
    };
    let ((left, right), (top, bottom)) = (range(|p| p.x), range(|p| p.y));
    let at = |n: u16, (low, high): (f32, f32)| low + (f32::from(n) + 0.5) / f32::from(SIDE) * (high - low);
    let all = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    let places = all.map(|(x, y)| NormPoint::new(at(x, (left, right)), at(y, (top, bottom))));
    places.filter(|p| area.contains(*p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_covered_is_half() {
        let corners = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)].map(|(x, y)| NormPoint::new(x, y));
        let area = Polygon::new(corners.to_vec()).unwrap();
        let cover = |x1, x2| NormBox { x1, y1: 0.0, x2, y2: 1.0 };
        let share = |boxes: &[NormBox]| Occupancy::default().of(MediaTime(0), &area, boxes);
        assert!(share(&[]) == 0.0 && share(&[cover(0.0, 0.1)]) == 0.0);
        assert!((share(&[cover(0.0, 0.5)]) - 0.5).abs() < 0.01);
        assert!((share(&[cover(0.0, 0.5), cover(0.3, 0.5)]) - 0.5).abs() < 0.01, "twice covered is covered once");
        assert!((share(&[cover(0.0, 1.0)]) - 1.0).abs() < 0.01);
    }
}
