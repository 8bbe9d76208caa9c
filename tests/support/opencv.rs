//! Pictures prepared as reference implementations prepare them, with OpenCV's `resize(INTER_LINEAR)`:
//! bilinear around pixel centres, no averaging when shrinking, results rounded to bytes.
#![allow(dead_code)] // each test uses its own part

use std::path::Path;

use vantage::frame::{ChannelOrder, Fit, LetterboxMap, TensorSpec};

/// A picture: 8-bit RGB, row-major.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

impl Picture {
    pub fn read(path: &Path) -> Self {
        let picture = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8();
        Self { width: picture.width() as usize, height: picture.height() as usize, rgb: picture.into_raw() }
    }

    /// One colour everywhere.
    pub fn plain(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// Fills the pixels from (x, y), w across and h down.
    pub fn fill(&mut self, (x, y, w, h): (usize, usize, usize, usize), colour: [u8; 3]) {
        for row in y..(y + h).min(self.height) {
            for column in x..(x + w).min(self.width) {
                let at = 3 * (row * self.width + column);
                self.rgb[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// `resize(INTER_LINEAR)` for bytes, in OpenCV's own fixed-point steps: weights of 11 bits, rows
    /// first, four bits dropped in between. Quantised models notice a difference of one.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return Self { width, height, rgb: self.rgb.clone() };
        }
        let weight = |v: f32| (v * 2048.0).round_ties_even() as i32;
        let taps = |to: usize, from: usize| -> Vec<(usize, usize, i32, i32)> {
            let scale = from as f64 / to as f64;
            (0..to)
                .map(|i| {
                    let at = ((i as f64 + 0.5) * scale - 0.5) as f32;
                    let low = at.floor();
                    let f = at - low;
                    let index = |i: f32| (i.max(0.0) as usize).min(from - 1);
                    (index(low), index(low + 1.0), weight(1.0 - f), weight(f))
                })
                .collect()
        };
        let (across, down) = (taps(width, self.width), taps(height, self.height));
        let mut rgb = Vec::with_capacity(3 * width * height);
        for &(y0, y1, b0, b1) in &down {
            for &(x0, x1, a0, a1) in &across {
                for c in 0..3 {
                    let at = |x: usize, y: usize| i32::from(self.rgb[3 * (y * self.width + x) + c]);
                    let row = |y: usize| (at(x0, y) * a0 + at(x1, y) * a1) >> 4;
                    rgb.push(((((b0 * row(y0)) >> 16) + ((b1 * row(y1)) >> 16) + 2) >> 2).clamp(0, 255) as u8);
                }
            }
        }
        Self { width, height, rgb }
    }

    /// Where the reference put the picture: like [`LetterboxMap::new`], but with content sizes rounded
    /// also for the top-left fit, which YOLOX's own code truncates.
    fn reference_map(&self, spec: &TensorSpec) -> LetterboxMap {
        let mut map = LetterboxMap::new((self.width, self.height), spec);
        if spec.fit == Fit::LetterboxTopLeft {
            let r = (spec.width as f64 / self.width as f64).min(spec.height as f64 / self.height as f64);
            map.width = ((self.width as f64 * r).round() as usize).min(spec.width);
            map.height = ((self.height as f64 * r).round() as usize).min(spec.height);
        }
        map
    }

    /// Writes the picture into one row of a model's input.
    pub fn write_into(&self, spec: &TensorSpec, input: &mut [f32]) -> LetterboxMap {
        let map = self.reference_map(spec);
        let small = self.resized(map.width, map.height);
        let plane = spec.width * spec.height;
        assert_eq!(input.len(), 3 * plane);
        for c in 0..3 {
            let source = match spec.order {
                ChannelOrder::Rgb => c,
                ChannelOrder::Bgr => 2 - c,
            };
            let value = |pixel: u8| f32::from(pixel) * spec.scale[c] + spec.bias[c];
            input[c * plane..(c + 1) * plane].fill(value(spec.pad));
            for y in 0..map.height {
                for x in 0..map.width {
                    let pixel = small.rgb[3 * (y * map.width + x) + source];
                    input[c * plane + (y + map.top) * spec.width + x + map.left] = value(pixel);
                }
            }
        }
        map
    }
}
