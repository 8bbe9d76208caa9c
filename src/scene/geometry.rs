//! Points, boxes, segments and polygons in normalised scene coordinates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point; `[x, y]` in files.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
#[schemars(with = "[f32; 2]")]
pub struct NormPoint {
    /// From the left edge, 0 to 1 within the picture.
    pub x: f32,
    /// From the top edge, 0 to 1 within the picture.
    pub y: f32,
}

impl NormPoint {
    /// A point.
    #[must_use]
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

impl From<[f32; 2]> for NormPoint {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<NormPoint> for [f32; 2] {
    fn from(p: NormPoint) -> Self {
        [p.x, p.y]
    }
}

/// An axis-parallel box, `x1 <= x2`, `y1 <= y2`; may reach outside the picture. `[x1, y1, x2, y2]` in files.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
#[schemars(with = "[f32; 4]")]
pub struct NormBox {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl From<[f32; 4]> for NormBox {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

impl From<NormBox> for [f32; 4] {
    fn from(b: NormBox) -> Self {
        [b.x1, b.y1, b.x2, b.y2]
    }
}

impl NormBox {
    /// Width, never negative.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }
    /// Height, never negative.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }
    /// Area.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }
    /// Centre.
    #[must_use]
    pub fn centre(&self) -> NormPoint {
        NormPoint::new((self.x1 + self.x2) / 2.0, (self.y1 + self.y2) / 2.0)
    }
    /// The anchor, the point that stands for the object on the ground: bottom centre.
    #[must_use]
    pub fn anchor(&self) -> NormPoint {
        NormPoint::new((self.x1 + self.x2) / 2.0, self.y2)
    }
    /// The area that it has in common with another box.
    fn common_area(&self, other: &Self) -> f32 {
        let w = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let h = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        w * h
    }
    /// Intersection over union; 0 when either is empty.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let common = self.common_area(other);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
    /// Share of its area that lies inside another box; 0 when it is empty.
    #[must_use]
    pub fn share_inside(&self, other: &Self) -> f32 {
        if self.area() > 0.0 { self.common_area(other) / self.area() } else { 0.0 }
    }
    /// The part inside the picture.
    #[must_use]
    pub fn clamped(&self) -> Self {
        Self {
            x1: self.x1.clamp(0.0, 1.0),
            y1: self.y1.clamp(0.0, 1.0),
            x2: self.x2.clamp(0.0, 1.0),
            y2: self.y2.clamp(0.0, 1.0),
        }
    }
}

/// A directed segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Where it begins.
    pub from: NormPoint,
    /// Where it ends.
    pub to: NormPoint,
}

impl Segment {
    /// Twice the signed area of (from, to, p): positive when `p` lies to the right of the direction
    /// from → to as seen on the screen (y grows downwards), negative to the left, 0 on the line.
    #[must_use]
    pub fn side(&self, p: NormPoint) -> f32 {
        (self.to.x - self.from.x) * (p.y - self.from.y) - (self.to.y - self.from.y) * (p.x - self.from.x)
    }
    /// Length.
    #[must_use]
    pub fn length(&self) -> f32 {
        let (x, y) = (self.to.x - self.from.x, self.to.y - self.from.y);
        (x * x + y * y).sqrt()
    }
    /// Whether the two closed segments share a point.
    #[must_use]
    pub fn crosses(&self, other: &Self) -> bool {
        let d1 = self.side(other.from);
        let d2 = self.side(other.to);
        let d3 = other.side(self.from);
        let d4 = other.side(self.to);
        if ((d1 > 0.0) != (d2 > 0.0)) && ((d3 > 0.0) != (d4 > 0.0)) && d1 != 0.0 && d2 != 0.0 && d3 != 0.0 && d4 != 0.0
        {
            return true;
        }
        (d1 == 0.0 && self.spans(other.from))
            || (d2 == 0.0 && self.spans(other.to))
            || (d3 == 0.0 && other.spans(self.from))
            || (d4 == 0.0 && other.spans(self.to))
    }
    fn spans(&self, p: NormPoint) -> bool {
        p.x >= self.from.x.min(self.to.x)
            && p.x <= self.from.x.max(self.to.x)
            && p.y >= self.from.y.min(self.to.y)
            && p.y <= self.from.y.max(self.to.y)
    }
}

/// A simple polygon with at least three corners; `config` refuses any other.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<NormPoint>);

impl Polygon {
    /// A polygon from its corners in order, or what is wrong with them.
    pub fn new(corners: Vec<NormPoint>) -> Result<Self, String> {
        if corners.len() < 3 {
            return Err(format!("a polygon needs at least 3 corners, this one has {}", corners.len()));
        }
        let polygon = Self(corners);
        if let Some((a, b)) = polygon.crossing_edges() {
            return Err(format!(
                "the polygon crosses itself: the edge after corner {} meets the edge after corner {}",
                a + 1,
                b + 1
            ));
        }
        if polygon.area() < 1e-6 {
            return Err("the polygon has no area: its corners lie on one line".to_owned());
        }
        Ok(polygon)
    }

    /// Corners in order.
    #[must_use]
    pub fn corners(&self) -> &[NormPoint] {
        &self.0
    }

    /// Whether `p` lies inside, by the even-odd rule.
    #[must_use]
    pub fn contains(&self, p: NormPoint) -> bool {
        let mut inside = false;
        for edge in self.edges() {
            let (a, b) = (edge.from, edge.to);
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
        }
        inside
    }

    /// Area by the shoelace formula, as a share of the picture.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.edges().map(|e| e.from.x * e.to.y - e.to.x * e.from.y).sum::<f32>().abs() / 2.0
    }

    fn edges(&self) -> impl Iterator<Item = Segment> + '_ {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).map(|(from, to)| Segment { from: *from, to: *to })
    }

    fn crossing_edges(&self) -> Option<(usize, usize)> {
        let edges: Vec<Segment> = self.edges().collect();
        let n = edges.len();
        for (i, a) in edges.iter().enumerate() {
            for (j, b) in edges.iter().enumerate().skip(i + 1) {
                let neighbours = j == i + 1 || (i == 0 && j == n - 1);
                if !neighbours && a.crosses(b) {
                    return Some((i, j));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(x: f32, y: f32) -> NormPoint {
        NormPoint::new(x, y)
    }

    #[test]
    fn side_is_positive_to_the_right_of_the_direction_on_screen() {
        let up = Segment { from: p(0.5, 1.0), to: p(0.5, 0.0) };
        assert!(up.side(p(0.9, 0.5)) > 0.0);
        assert!(up.side(p(0.1, 0.5)) < 0.0);
    }

    #[test]
    fn polygons_are_checked() {
        assert!(Polygon::new(vec![p(0., 0.), p(1., 0.)]).unwrap_err().contains("3 corners"));
        assert!(Polygon::new(vec![p(0., 0.), p(1., 1.), p(1., 0.), p(0., 1.)]).unwrap_err().contains("crosses itself"));
        assert!(Polygon::new(vec![p(0., 0.), p(0.5, 0.5), p(1., 1.)]).unwrap_err().contains("no area"));
        let square = Polygon::new(vec![p(0., 0.), p(1., 0.), p(1., 1.), p(0., 1.)]).unwrap();
        assert!(square.contains(p(0.5, 0.5)) && !square.contains(p(1.5, 0.5)));
        assert!((square.area() - 1.0).abs() < 1e-6);
    }
}
