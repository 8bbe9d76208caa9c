//! Paths, areas and arrows on a snapshot: a coloured line with dark edges, readable on any picture.

use super::{DARK, Snapshot};
use crate::scene::NormPoint;

/// Something to draw besides boxes.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Where something went, oldest point first; the latest is marked.
    Path {
        /// Points in the picture as displayed.
        points: Vec<NormPoint>,
        /// Red, green, blue.
        colour: [u8; 3],
    },
    /// An outline.
    Area {
        /// Corners in order.
        corners: Vec<NormPoint>,
        /// Text at the first corner; ASCII, drawn in capitals.
        label: Option<String>,
        /// Red, green, blue.
        colour: [u8; 3],
    },
    /// A directed line.
    Arrow {
        /// Where it begins.
        from: NormPoint,
        /// Where it points to.
        to: NormPoint,
        /// Text at its beginning; ASCII, drawn in capitals.
        label: Option<String>,
        /// Red, green, blue.
        colour: [u8; 3],
    },
}

/// A point in pixels of the snapshot.
type Pixel = (f32, f32);

impl Snapshot {
    /// Draws a shape; what lies outside of the picture is cut.
    pub fn draw_shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Path { points, colour } => {
                let points: Vec<Pixel> = points.iter().filter_map(|point| self.pixel(*point)).collect();
                self.lines(&points, *colour);
                if let Some((x, y)) = points.last() {
                    let reach = 2 * self.step();
                    let (x, y) = (x.round() as isize, y.round() as isize);
                    self.rect((x - reach - 1, y - reach - 1, x + reach + 2, y + reach + 2), DARK);
                    self.rect((x - reach, y - reach, x + reach + 1, y + reach + 1), *colour);
                }
            }
            Shape::Area { corners, label, colour } => {
                let mut points: Vec<Pixel> = corners.iter().filter_map(|corner| self.pixel(*corner)).collect();
                points.extend(points.first().copied());
                self.lines(&points, *colour);
                self.name(label.as_deref(), points.first(), *colour);
            }
            Shape::Arrow { from, to, label, colour } => {
                let (Some(from), Some(to)) = (self.pixel(*from), self.pixel(*to)) else { return };
                self.lines(&[from, to], *colour);
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let length = dx.hypot(dy);
                if length > 0.0 {
                    let head = (8.0 * self.step() as f32).min(length / 2.0);
                    let (dx, dy) = (dx / length * head, dy / length * head);
                    let side = |turn: f32| (to.0 - dx + turn * dy / 2.0, to.1 - dy - turn * dx / 2.0);
                    self.lines(&[side(1.0), to, side(-1.0)], *colour);
                }
                self.name(label.as_deref(), Some(&from), *colour);
            }
        }
    }

    fn name(&mut self, label: Option<&str>, at: Option<&Pixel>, colour: [u8; 3]) {
        if let (Some(label), Some((x, y))) = (label, at) {
            self.label(label, x.round() as isize, y.round() as isize, colour);
        }
    }

    /// In pixels; not finite is nowhere, far outside is cut.
    fn pixel(&self, point: NormPoint) -> Option<Pixel> {
        (point.x.is_finite() && point.y.is_finite())
            .then(|| (point.x.clamp(-1.0, 2.0) * self.width as f32, point.y.clamp(-1.0, 2.0) * self.height as f32))
    }

    /// Lines from point to point: dark ones first, the coloured ones on top of all of them.
    fn lines(&mut self, points: &[Pixel], colour: [u8; 3]) {
        let thick = 1 + self.step();
        for (more, colour) in [(2, DARK), (0, colour)] {
            for pair in points.windows(2) {
                if let [from, to] = pair {
                    self.line(*from, *to, thick + more, colour);
                }
            }
        }
    }

    fn line(&mut self, from: Pixel, to: Pixel, thick: isize, colour: [u8; 3]) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = dx.abs().max(dy.abs()).ceil().max(1.0);
        for n in 0..=steps as usize {
            let part = n as f32 / steps;
            let (x, y) = ((from.0 + dx * part).round() as isize, (from.1 + dy * part).round() as isize);
            let (left, top) = (x - thick / 2, y - thick / 2);
            self.rect((left, top, left + thick, top + thick), colour);
        }
    }
}
