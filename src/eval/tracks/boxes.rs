//! Boxes in pixels of a picture, in double precision: metrics are compared to the third decimal.

/// An axis-parallel box, pixels. Width and height are above 0 in checked data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBox {
    /// Left edge, from the picture's left edge.
    pub left: f64,
    /// Top edge, from the picture's top edge.
    pub top: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

impl PixelBox {
    /// From two corners, left top and right bottom.
    #[must_use]
    pub fn from_corners([x0, y0, x1, y1]: [f64; 4]) -> Self {
        Self { left: x0, top: y0, width: x1 - x0, height: y1 - y0 }
    }

    /// Intersection over union; 0 where they do not meet.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        let shared = |from: f64, length: f64, other_from: f64, other_length: f64| {
            ((from + length).min(other_from + other_length) - from.max(other_from)).max(0.0)
        };
        let inter = shared(self.left, self.width, other.left, other.width)
            * shared(self.top, self.height, other.top, other.height);
        let union = self.width * self.height + other.width * other.height - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }

    /// Whether the point (x, y) lies in it.
    #[must_use]
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        (self.left..=self.left + self.width).contains(&x) && (self.top..=self.top + self.height).contains(&y)
    }
}
