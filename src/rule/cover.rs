//! How much of an area the traffic covers, whether or not its vehicles can be told apart.
//!
//! Area occupancy: C. Mallikarjuna and K. R. Rao, *Area occupancy characteristics of heterogeneous traffic*,
//! Transportmetrica 2(3), 2006. Measured on a grid of points; only the lower half of a box lies on the road, what is
//! above it stands up and hides the road behind.

use super::scene::Scene;
use crate::scene::{NormBox, NormPoint, Polygon};

/// Points along each side of the box around the area.
const ACROSS: u16 = 24;

/// Points of an area, each with the ground that it stands for.
#[derive(Debug)]
pub(super) struct Grid {
    rows: Vec<Row>,
    /// What all points stand for.
    total: f64,
    /// Whether that is square metres.
    on_ground: bool,
}

/// Points at one height of the picture: x, and the ground that each stands for.
#[derive(Debug)]
struct Row {
    y: f32,
    points: Vec<(f32, f64)>,
}

/// What is covered of an area in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Covered {
    /// Share of the area, 0 to 1: of the ground where that is known, else of the picture.
    pub(super) share: f64,
    /// Square metres; none without a calibration.
    pub(super) square_metres: Option<f64>,
}

impl Grid {
    pub(super) fn new(area: &Polygon, scene: &Scene) -> Self {
        let ground = scene.ground.as_ref().filter(|ground| ground.shows(area));
        let (mut low, mut high) = (NormPoint::new(1.0, 1.0), NormPoint::new(0.0, 0.0));
        for corner in area.corners() {
            (low.x, low.y) = (low.x.min(corner.x), low.y.min(corner.y));
            (high.x, high.y) = (high.x.max(corner.x), high.y.max(corner.y));
        }
        let step = |low: f32, high: f32, n: u16| low + (high - low) * (f32::from(n) + 0.5) / f32::from(ACROSS);
        let cell = f64::from((high.x - low.x) * (high.y - low.y)) / f64::from(ACROSS).powi(2);
        let weight = |p: NormPoint| match ground {
            Some(ground) => ground.jacobian(p).map(|[[a, b], [c, d]]| (a * d - b * c).abs() * cell),
            None => Some(cell),
        };
        let row = |n: u16| {
            let y = step(low.y, high.y, n);
            let points = (0..ACROSS).map(|column| NormPoint::new(step(low.x, high.x, column), y));
            let points = points.filter(|p| area.contains(*p)).filter_map(|p| Some((p.x, weight(p)?)));
            Row { y, points: points.collect() }
        };
        let rows: Vec<Row> = (0..ACROSS).map(row).collect();
        let total = rows.iter().flat_map(|row| &row.points).map(|(_, weight)| weight).sum();
        Self { rows, total, on_ground: ground.is_some() }
    }

    /// What the boxes cover together.
    pub(super) fn covered(&self, boxes: &[NormBox]) -> Covered {
        let (mut covered, mut spans) = (0.0, Vec::new());
        for row in &self.rows {
            let meets = |b: &&NormBox| row.y <= b.y2 && row.y >= f32::midpoint(b.y1, b.y2);
            spans.clear();
            spans.extend(boxes.iter().filter(meets).map(|b| b.x1..=b.x2));
            if !spans.is_empty() {
                let within = row.points.iter().filter(|(x, _)| spans.iter().any(|span| span.contains(x)));
                covered += within.map(|(_, weight)| weight).sum::<f64>();
            }
        }
        let share = if self.total > 0.0 { covered / self.total } else { 0.0 };
        Covered { share, square_metres: self.on_ground.then_some(covered) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::scene::{Ground, Labels};

    fn scene(ground: Option<Ground>) -> Scene {
        Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground,
            labels: Labels::new(["car"]),
            aspect: 1.0,
        }
    }

    fn lower_left() -> Polygon {
        let corners = [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)];
        Polygon::new(corners.map(|(x, y)| NormPoint::new(x, y)).to_vec()).unwrap()
    }

    fn box_at(x1: f32, y1: f32, x2: f32, y2: f32) -> NormBox {
        NormBox { x1, y1, x2, y2 }
    }

    #[test]
    fn the_lower_half_of_boxes_covers_once() {
        let grid = Grid::new(&lower_left(), &scene(None));
        let share = |boxes: &[NormBox]| grid.covered(boxes).share;
        assert_eq!(share(&[]), 0.0);
        // Its lower half is the area's upper half.
        let half = box_at(0.0, 0.25, 0.5, 0.75);
        assert!((share(&[half]) - 0.5).abs() < 0.03, "{}", share(&[half]));
        assert_eq!(share(&[half, half]), share(&[half]));
        assert_eq!(share(&[box_at(0.5, 0.0, 1.0, 1.0)]), 0.0);
        assert_eq!(grid.covered(&[half]).square_metres, None);
    }

    #[test]
    fn on_the_ground_it_is_square_metres() {
        let matrix = [[40.0, 0.0, 0.0], [0.0, -20.0, 20.0], [0.0, 0.0, 1.0]];
        let ground = Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok();
        let grid = Grid::new(&lower_left(), &scene(ground));
        // 20 m by 10 m, the left half of it covered.
        let covered = grid.covered(&[box_at(0.0, 0.0, 0.25, 1.0)]);
        assert!((covered.square_metres.unwrap() - 100.0).abs() < 5.0, "{covered:?}");
    }
}
