//! The way that one track took, as a few vertices.

use crate::scene::{NormBox, NormPoint};

use super::in_heights;

/// Vertices of a path; what goes on longer has told enough.
const MOST: usize = 512;
/// A vertex is set whenever the anchor has moved so far, picture heights.
const STEP: f32 = 0.02;
/// And so much of the box's height: a near vehicle's box shakes more.
const STEP_OF_BOX: f32 = 0.15;

/// Where the track was, in picture heights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vertex {
    pub at: [f32; 2],
    /// Half of the width of the box, picture heights.
    pub half_width: f32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Path {
    vertices: Vec<Vertex>,
}

impl Path {
    pub(super) fn push(&mut self, bbox: NormBox, aspect: f32) {
        // A box cut off at the picture's edge has its anchor where the picture ends, not where the vehicle stands.
        let cut = bbox.x1 < 0.003 || bbox.x2 > 0.997 || bbox.y2 > 0.997;
        if cut || self.vertices.len() >= MOST {
            return;
        }
        let anchor: NormPoint = bbox.anchor();
        let vertex = Vertex { at: in_heights(anchor, aspect), half_width: bbox.width() * aspect / 2.0 };
        let step = STEP.max(STEP_OF_BOX * bbox.height());
        match self.vertices.last() {
            Some(last) if distance(last.at, vertex.at) < step => {}
            _ => self.vertices.push(vertex),
        }
    }

    /// Each leg with its heading, radians: the direction over two legs where there are two, for one is noisy.
    pub(super) fn legs(&self) -> impl Iterator<Item = (Vertex, Vertex, f32)> + '_ {
        self.vertices.windows(2).enumerate().filter_map(|(n, pair)| {
            let [from, to] = pair else { return None };
            let before = self.vertices.get(n.saturating_sub(1)).unwrap_or(from);
            let after = self.vertices.get(n + 2).unwrap_or(to);
            Some((*from, *to, (after.at[1] - before.at[1]).atan2(after.at[0] - before.at[0])))
        })
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
