//! Evidence pictures: the frame as displayed, boxes and labels on it, as JPEG.
//!
//! In two steps, so that the decoder's buffer is given back early: [`Snapshot::take`] makes a small
//! RGB copy, on the hot path; [`Snapshot::encode`] draws and compresses, anywhere.

mod blur;
mod draw;
pub(super) mod font;
mod mask;

pub use self::draw::Shape;

use std::cell::RefCell;

use jpeg_encoder::{ColorType, Encoder};

use super::planes::Planes;
use super::preprocess::Preprocessor;
use crate::base::{Error, ErrorKind, Result};
use crate::scene::NormBox;

/// Width at which lines and letters grow by a step, pixels.
const PIXELS_PER_STEP: usize = 640;
/// Around boxes and behind labels.
const DARK: [u8; 3] = [16, 16, 16];

thread_local! {
    /// Who takes pictures takes many of the same size.
    static SCALER: RefCell<Preprocessor> = RefCell::new(Preprocessor::new());
}

/// A box to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// Where, in the picture as displayed.
    pub bbox: NormBox,
    /// Text at its top left corner; ASCII, drawn in capitals.
    pub label: Option<String>,
    /// Red, green, blue of the lines and the text.
    pub colour: [u8; 3],
}

/// A small copy of a picture as displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    rgb: Vec<u8>,
    width: usize,
    height: usize,
}

impl Snapshot {
    /// Copies the picture, turned upright and shrunk (never enlarged) to at most `max_width` pixels
    /// of displayed width.
    ///
    /// # Errors
    /// `Internal` when `max_width` is 0.
    pub fn take(planes: &Planes, max_width: usize) -> Result<Self> {
        let (full_width, full_height) = planes.displayed_size();
        let width = full_width.min(max_width);
        let height = ((full_height * width + full_width / 2) / full_width).max(1);
        let rgb = SCALER.with_borrow_mut(|scaler| scaler.rgb(planes, (width, height)))?;
        Ok(Self { rgb, width, height })
    }

    /// A picture of so many pixels: red, green, blue, rows without gaps.
    pub(super) fn from_rgb(rgb: Vec<u8>, width: usize, height: usize) -> Self {
        Self { rgb, width, height }
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green, blue, 3 bytes per pixel, rows without gaps.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Draws `overlays` and compresses; `quality` 1..=100.
    ///
    /// # Errors
    /// `Internal` when the encoder refuses the picture.
    pub fn encode(mut self, overlays: &[Overlay], quality: u8) -> Result<Vec<u8>> {
        for overlay in overlays {
            self.draw(overlay);
        }
        let mut jpeg = Vec::with_capacity(self.rgb.len() / 8);
        let failed =
            |why: String| Error::new(ErrorKind::Internal, format!("still {}x{}: {why}", self.width, self.height));
        let (Ok(width), Ok(height)) = (u16::try_from(self.width), u16::try_from(self.height)) else {
            return Err(failed("too large for JPEG".to_owned()));
        };
        Encoder::new(&mut jpeg, quality.clamp(1, 100))
            .encode(&self.rgb, width, height, ColorType::Rgb)
            .map_err(|error| failed(error.to_string()).source(error))?;
        Ok(jpeg)
    }

    fn draw(&mut self, overlay: &Overlay) {
        let b = overlay.bbox;
        if ![b.x1, b.y1, b.x2, b.y2].into_iter().all(f32::is_finite) {
            return;
        }
        let step = self.step();
        let at = |share: f32, size: usize| (share.clamp(-1.0, 2.0) * size as f32).round() as isize;
        let (x1, y1) = (at(b.x1, self.width), at(b.y1, self.height));
        let (x2, y2) = (at(b.x2, self.width), at(b.y2, self.height));
        // The coloured line lies inside the box's edge, dark lines on both of its sides.
        let line = 1 + step;
        self.frame((x1 - 1, y1 - 1, x2 + 1, y2 + 1), line + 2, DARK);
        self.frame((x1, y1, x2, y2), line, overlay.colour);
        if let Some(label) = &overlay.label {
            self.label(label, x1 - 1, y1 - 1, overlay.colour);
        }
    }

    /// 1 up to `PIXELS_PER_STEP` pixels of width, 2 up to twice that...
    fn step(&self) -> isize {
        self.width.div_ceil(PIXELS_PER_STEP).max(1) as isize
    }

    /// The four sides of (left, top, right, bottom), `line` pixels thick, inwards.
    fn frame(&mut self, (x1, y1, x2, y2): (isize, isize, isize, isize), line: isize, colour: [u8; 3]) {
        self.rect((x1, y1, x2, (y1 + line).min(y2)), colour);
        self.rect((x1, (y2 - line).max(y1), x2, y2), colour);
        self.rect((x1, y1, (x1 + line).min(x2), y2), colour);
        self.rect(((x2 - line).max(x1), y1, x2, y2), colour);
    }

    /// A filled rectangle, cut at the picture's edges.
    fn rect(&mut self, (x1, y1, x2, y2): (isize, isize, isize, isize), colour: [u8; 3]) {
        let cut = |v: isize, size: usize| v.clamp(0, size as isize) as usize;
        let (x1, x2) = (cut(x1, self.width), cut(x2, self.width));
        let (y1, y2) = (cut(y1, self.height), cut(y2, self.height));
        if x1 >= x2 || y1 >= y2 {
            return;
        }
        for row in self.rgb.chunks_exact_mut(3 * self.width).take(y2).skip(y1) {
            for pixel in row[3 * x1..3 * x2].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Text on a dark ground, its lower left corner at (x, bottom); moved to stay in the picture.
    fn label(&mut self, text: &str, x: isize, bottom: isize, colour: [u8; 3]) {
        let step = self.step();
        let advance = (font::WIDTH as isize + 1) * step;
        let (width, height) = (text.chars().count() as isize * advance + step, (font::HEIGHT as isize + 2) * step);
        let x = x.min(self.width as isize - width).max(0);
        let y = (bottom - height).clamp(0, (self.height as isize - height).max(0));
        self.rect((x, y, x + width, y + height), DARK);
        for (n, c) in text.chars().enumerate() {
            let left = x + step + n as isize * advance;
            for (row, bits) in font::glyph(c).into_iter().enumerate() {
                let top = y + step + row as isize * step;
                for column in (0..font::WIDTH).filter(|column| bits >> (font::WIDTH - 1 - column) & 1 == 1) {
                    let left = left + column as isize * step;
                    self.rect((left, top, left + step, top + step), colour);
                }
            }
        }
    }
}

/// Both steps at once: a JPEG of the picture as displayed, at most `max_width` pixels wide, with
/// `overlays` drawn on it.
///
/// # Errors
/// As [`Snapshot::take`] and [`Snapshot::encode`].
pub fn jpeg(planes: &Planes, max_width: usize, overlays: &[Overlay], quality: u8) -> Result<Vec<u8>> {
    Snapshot::take(planes, max_width)?.encode(overlays, quality)
}
