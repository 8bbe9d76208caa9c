//! How a picture is laid into a model's input, and how the model's boxes come back.

use crate::scene::NormBox;

/// Order of the colour planes in the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How a picture of another shape is fitted into the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Aspect ratio kept, picture in the top-left corner, the rest padded (YOLOX).
    LetterboxTopLeft,
    /// Aspect ratio kept, picture centred, the rest padded (YOLOv5, v8, v11).
    LetterboxCentre,
    /// Each axis scaled on its own, no padding (NanoDet, DETR).
    Stretch,
}

/// What one row (one picture) of a model's input tensor looks like: `f32`, planar `[3, height, width]`,
/// `value = pixel * scale[c] + bias[c]` with `pixel` in 0..=255 and `c` counted in the tensor's own order.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Colour order.
    pub order: ChannelOrder,
    /// Factor per channel.
    pub scale: [f32; 3],
    /// Offset per channel.
    pub bias: [f32; 3],
    /// How pictures are fitted in.
    pub fit: Fit,
    /// Pixel value of the padding, before scale and bias.
    pub pad: u8,
}

impl TensorSpec {
    /// Elements of one row.
    #[must_use]
    pub fn len(&self) -> usize {
        3 * self.width * self.height
    }
    /// Whether the input has no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a displayed picture of a given size lies in a model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LetterboxMap {
    /// Displayed picture size in pixels.
    pub picture: (usize, usize),
    /// Left edge of the content in the input, pixels.
    pub left: usize,
    /// Top edge of the content in the input, pixels.
    pub top: usize,
    /// Content width in the input, pixels.
    pub width: usize,
    /// Content height in the input, pixels.
    pub height: usize,
    /// Input pixels per picture pixel, per axis, as boxes are mapped back.
    pub ratio: (f32, f32),
}

impl LetterboxMap {
    /// Fits a displayed picture of `picture` (width, height) pixels into `spec`.
    ///
    /// Content sizes follow the models' own preprocessing: YOLOX truncates (`int(w * r)`),
    /// Ultralytics rounds and centres, with `round(pad - 0.1)` before the picture.
    #[must_use]
    pub fn new(picture: (usize, usize), spec: &TensorSpec) -> Self {
        let (w, h) = (picture.0.max(1) as f64, picture.1.max(1) as f64);
        let (tw, th) = (spec.width as f64, spec.height as f64);
        let r = (tw / w).min(th / h);
        match spec.fit {
            Fit::Stretch => Self {
                picture,
                left: 0,
                top: 0,
                width: spec.width,
                height: spec.height,
                ratio: ((tw / w) as f32, (th / h) as f32),
            },
            Fit::LetterboxTopLeft => Self {
                picture,
                left: 0,
                top: 0,
                width: ((w * r) as usize).clamp(1, spec.width),
                height: ((h * r) as usize).clamp(1, spec.height),
                ratio: (r as f32, r as f32),
            },
            Fit::LetterboxCentre => {
                let width = ((w * r).round() as usize).clamp(1, spec.width);
                let height = ((h * r).round() as usize).clamp(1, spec.height);
                let before = |free: usize| (free as f64 / 2.0 - 0.1).round().max(0.0) as usize;
                Self {
                    picture,
                    left: before(spec.width - width),
                    top: before(spec.height - height),
                    width,
                    height,
                    ratio: (r as f32, r as f32),
                }
            }
        }
    }

    /// A box in input pixels as a normalised box of the displayed picture, clamped to it.
    #[must_use]
    pub fn to_scene(&self, x1: f32, y1: f32, x2: f32, y2: f32) -> NormBox {
        let (w, h) = (self.picture.0 as f32, self.picture.1 as f32);
        let x = |v: f32| (v - self.left as f32) / self.ratio.0 / w;
        let y = |v: f32| (v - self.top as f32) / self.ratio.1 / h;
        NormBox { x1: x(x1), y1: y(y1), x2: x(x2), y2: y(y2) }.clamped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(fit: Fit) -> TensorSpec {
        TensorSpec { width: 416, height: 416, order: ChannelOrder::Bgr, scale: [1.0; 3], bias: [0.0; 3], fit, pad: 114 }
    }

    #[test]
    fn content_size_follows_the_model_family() {
        let top_left = LetterboxMap::new((1280, 720), &spec(Fit::LetterboxTopLeft));
        assert_eq!((top_left.left, top_left.top, top_left.width, top_left.height), (0, 0, 416, 234));
        let centred = LetterboxMap::new((1280, 720), &spec(Fit::LetterboxCentre));
        assert_eq!((centred.left, centred.top, centred.width, centred.height), (0, 91, 416, 234));
    }

    #[test]
    fn boxes_come_back_where_they_were() {
        for fit in [Fit::LetterboxTopLeft, Fit::LetterboxCentre, Fit::Stretch] {
            let map = LetterboxMap::new((1280, 720), &spec(fit));
            let (l, t) = (map.left as f32, map.top as f32);
            let b = map.to_scene(l, t, l + 640.0 * map.ratio.0, t + 360.0 * map.ratio.1);
            assert!(
                (b.x2 - 0.5).abs() < 1e-5 && (b.y2 - 0.5).abs() < 1e-5 && b.x1 == 0.0 && b.y1 == 0.0,
                "{fit:?} {b:?}"
            );
        }
    }
}
