//! Drawing on a small RGB picture: lines, outlines, arrows, shades, text. Coordinates are normalised, as everywhere;
//! what lies outside the picture is cut off.

use super::still::{Snapshot, font};
use crate::scene::{NormBox, NormPoint};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Width at which lines and letters grow by a step, pixels.
const PIXELS_PER_STEP: usize = 960;
/// Behind letters.
const DARK: Colour = [16, 16, 16];

/// A picture to draw on.
#[derive(Debug, Clone)]
pub struct Canvas {
    rgb: Vec<u8>,
    width: usize,
    height: usize,
}

impl From<&Snapshot> for Canvas {
    /// A copy of the snapshot, its sides cut to even numbers of pixels, as video wants them.
    fn from(snapshot: &Snapshot) -> Self {
        let (width, height) = (snapshot.width() & !1, snapshot.height() & !1);
        let rows = snapshot.rgb().chunks_exact(3 * snapshot.width().max(1)).take(height);
        let rgb = rows.flat_map(|row| row.get(..3 * width).unwrap_or_default()).copied().collect();
        Self { rgb, width, height }
    }
}

impl Canvas {
    /// A black picture.
    #[must_use]
    pub fn black(width: usize, height: usize) -> Self {
        Self { rgb: vec![0; 3 * width * height], width, height }
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Red, green, blue of each pixel, rows without gaps.
    #[must_use]
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The picture as JPEG, `quality` 1 to 100.
    ///
    /// # Errors
    /// As [`Snapshot::encode`].
    pub fn jpeg(self, quality: u8) -> crate::base::Result<Vec<u8>> {
        Snapshot::from_rgb(self.rgb, self.width, self.height).encode(&[], quality)
    }

    /// One step of size: lines are so thick, pixels.
    fn step(&self) -> i32 {
        self.width.div_ceil(PIXELS_PER_STEP).max(1) as i32
    }

    /// Pixel of a point; far outside it is held near, so that a line to it stays drawable.
    fn pixel(&self, p: NormPoint) -> (i32, i32) {
        let at = |share: f32, size: usize| (share.clamp(-2.0, 3.0) * size as f32).round() as i32;
        (at(p.x, self.width), at(p.y, self.height))
    }

    fn dot(&mut self, x: i32, y: i32, colour: Colour) {
        let inside = x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height;
        if inside && let Some(pixel) = self.rgb.get_mut(3 * (y as usize * self.width + x as usize)..) {
            for (value, new) in pixel.iter_mut().zip(colour) {
                *value = new;
            }
        }
    }

    /// A straight line, `thick` steps thick (Bresenham 1965).
    pub fn line(&mut self, from: NormPoint, to: NormPoint, thick: i32, colour: Colour) {
        let ((mut x, mut y), (x2, y2)) = (self.pixel(from), self.pixel(to));
        let (dx, dy) = ((x2 - x).abs(), -(y2 - y).abs());
        let (sx, sy) = ((x2 - x).signum(), (y2 - y).signum());
        let mut error = dx + dy;
        let reach = thick.max(1) * self.step();
        let first = -(reach - 1) / 2;
        loop {
            for oy in first..first + reach {
                for ox in first..first + reach {
                    self.dot(x + ox, y + oy, colour);
                }
            }
            if (x, y) == (x2, y2) {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += sx;
            }
            if twice <= dx {
                error += dx;
                y += sy;
            }
        }
    }

    /// Lines from point to point.
    pub fn polyline(&mut self, points: &[NormPoint], thick: i32, colour: Colour) {
        for pair in points.windows(2) {
            if let [from, to] = pair {
                self.line(*from, *to, thick, colour);
            }
        }
    }

    /// A closed outline.
    pub fn outline(&mut self, corners: &[NormPoint], thick: i32, colour: Colour) {
        self.polyline(corners, thick, colour);
        if let (Some(first), Some(last)) = (corners.first(), corners.last()) {
            self.line(*last, *first, thick, colour);
        }
    }

    /// A line with a head at its end.
    pub fn arrow(&mut self, from: NormPoint, to: NormPoint, thick: i32, colour: Colour) {
        self.line(from, to, thick, colour);
        let aspect = self.width as f32 / self.height.max(1) as f32;
        let (dx, dy) = ((to.x - from.x) * aspect, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt();
        if length <= 0.0 {
            return;
        }
        let head = (0.25 * length).min(0.04) / length;
        for side in [-0.6, 0.6] {
            let end = NormPoint::new(to.x - head * (dx + side * dy) / aspect, to.y - head * (dy - side * dx));
            self.line(to, end, thick, colour);
        }
    }

    /// A box.
    pub fn frame(&mut self, b: NormBox, thick: i32, colour: Colour) {
        let corner = NormPoint::new;
        let corners = [corner(b.x1, b.y1), corner(b.x2, b.y1), corner(b.x2, b.y2), corner(b.x1, b.y2)];
        self.outline(&corners, thick, colour);
    }

    /// Colours the inside of a polygon, `share` of 255 opaque (even-odd rule, by rows).
    pub fn shade(&mut self, corners: &[NormPoint], colour: Colour, share: u8) {
        let edges: Vec<((i32, i32), (i32, i32))> =
            corners.iter().zip(corners.iter().cycle().skip(1)).map(|(a, b)| (self.pixel(*a), self.pixel(*b))).collect();
        for (y, row) in self.rgb.chunks_exact_mut(3 * self.width.max(1)).enumerate() {
            let y = y as i32;
            let crossing = |((x1, y1), (x2, y2)): &((i32, i32), (i32, i32))| {
                ((*y1 > y) != (*y2 > y)).then(|| {
                    let along = (f64::from(y) + 0.5 - f64::from(*y1)) / f64::from(y2 - y1);
                    (f64::from(*x1) + along * f64::from(x2 - x1)).round() as i32
                })
            };
            let mut at: Vec<i32> = edges.iter().filter_map(crossing).collect();
            at.sort_unstable();
            for pair in at.chunks_exact(2) {
                let [from, to] = pair else { continue };
                let (from, to) = ((*from).clamp(0, self.width as i32), (*to).clamp(0, self.width as i32));
                for pixel in row.get_mut(3 * from as usize..3 * to as usize).unwrap_or_default().chunks_exact_mut(3) {
                    for (value, new) in pixel.iter_mut().zip(colour) {
                        let mixed = u32::from(*value) * (255 - u32::from(share)) + u32::from(new) * u32::from(share);
                        *value = (mixed / 255) as u8;
                    }
                }
            }
        }
    }

    /// Text on a dark ground with its lower left corner at `place`, moved to stay in the picture.
    pub fn text(&mut self, place: NormPoint, text: &str, colour: Colour) {
        let (x, bottom) = self.pixel(place);
        self.text_at(x, bottom - self.line_height(), text, colour);
    }

    /// Text in the picture's line `n` from the top, or from the bottom for a negative one (-1 is the last).
    pub fn caption(&mut self, n: i32, text: &str, colour: Colour) {
        let height = self.line_height();
        let y = if n < 0 { self.height as i32 + n * height } else { n * height };
        self.text_at(0, y, text, colour);
    }

    fn line_height(&self) -> i32 {
        (font::HEIGHT as i32 + 3) * self.step()
    }

    fn text_at(&mut self, x: i32, y: i32, text: &str, colour: Colour) {
        let step = self.step();
        let advance = (font::WIDTH as i32 + 1) * step;
        let room = (self.width as i32 / advance).max(1) as usize;
        let text: String = text.chars().take(room).collect();
        let (width, height) = (text.chars().count() as i32 * advance + step, self.line_height());
        let x = x.min(self.width as i32 - width).max(0);
        let y = y.clamp(0, (self.height as i32 - height).max(0));
        for row in y..y + height {
            for column in x..x + width {
                self.dot(column, row, DARK);
            }
        }
        for (n, c) in text.chars().enumerate() {
            let left = x + step + n as i32 * advance;
            for (row, bits) in font::glyph(c).into_iter().enumerate() {
                for column in (0..font::WIDTH).filter(|column| bits >> (font::WIDTH - 1 - column) & 1 == 1) {
                    for oy in 0..step {
                        for ox in 0..step {
                            let (dx, dy) = (column as i32 * step + ox, (row as i32 + 1) * step + oy);
                            self.dot(left + dx, y + dy + step / 2, colour);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(canvas: &Canvas, colour: Colour) -> usize {
        canvas.rgb.chunks_exact(3).filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn shapes_lie_where_they_are_meant() {
        let mut canvas = Canvas::black(200, 100);
        let p = NormPoint::new;
        canvas.line(p(0.0, 0.5), p(1.0, 0.5), 1, [255, 0, 0]);
        assert_eq!(count(&canvas, [255, 0, 0]), 200);
        canvas.shade(&[p(0.25, 0.0), p(0.75, 0.0), p(0.75, 0.4), p(0.25, 0.4)], [0, 255, 0], 255);
        assert_eq!(count(&canvas, [0, 255, 0]), 100 * 40);
        let mut canvas = Canvas::black(200, 100);
        canvas.arrow(p(0.2, 0.5), p(0.8, 0.5), 1, [0, 0, 255]);
        let blue = count(&canvas, [0, 0, 255]);
        assert!(blue > 121 + 4, "a line and a head: {blue}");
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::black(64, 48);
        let p = NormPoint::new;
        canvas.line(p(-9.0, -9.0), p(9.0, 9.0), 3, [9, 9, 9]);
        canvas.shade(&[p(-5.0, -5.0), p(5.0, -5.0), p(5.0, 5.0), p(-5.0, 5.0)], [1, 2, 3], 255);
        assert_eq!(count(&canvas, [1, 2, 3]), 64 * 48);
        canvas.text(p(2.0, -1.0), &"x".repeat(500), [255, 255, 255]);
        canvas.frame(NormBox { x1: f32::NAN, y1: -1.0, x2: 2.0, y2: f32::INFINITY }, 1, [7, 7, 7]);
    }
}
