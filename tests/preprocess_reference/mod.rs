//! What preprocessing is meant to compute, written the slow and obvious way in `f64`: each pixel to
//! RGB with its nearest chroma sample, clamped; turned; resized bilinearly with half-pixel centres;
//! padded, scaled and biased. Plus pictures to try it on.
#![allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]
#![allow(dead_code, reason = "each test file uses its own part")]

use vantage::frame::{
    ChannelOrder, Colour, LetterboxMap, Matrix, Plane, PlaneFormat, Planes, Range, Rotation, TensorSpec,
};

pub const FORMATS: [PlaneFormat; 8] = [
    PlaneFormat::I420,
    PlaneFormat::Nv12,
    PlaneFormat::Nv21,
    PlaneFormat::Y42b,
    PlaneFormat::Y444,
    PlaneFormat::Gray8,
    PlaneFormat::I420P10Le,
    PlaneFormat::I422P10Le,
];
pub const ROTATIONS: [Rotation; 4] = [Rotation::None, Rotation::Cw90, Rotation::Cw180, Rotation::Cw270];

/// A small generator (xorshift64*), so that a failure can be repeated.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    /// 0 <= value < 1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a made-up picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Every pixel a random real colour (inside the RGB cube, as far as shared chroma allows).
    RealNoise,
    /// Gradients, edges and a little texture, all real colours.
    Natural,
    /// Every sample random: most YUV triples are no colours at all.
    RawNoise,
}

/// A picture with its samples as codes and as the bytes a decoder would hand over.
pub struct Picture {
    pub size: (usize, usize),
    pub format: PlaneFormat,
    pub colour: Colour,
    pub rotation: Rotation,
    /// Codes of Y, U and V, each plane without gaps; chroma of the format's own size.
    codes: [Vec<u16>; 3],
    chroma_width: usize,
    bytes: Vec<(Vec<u8>, usize)>,
}

fn luma_weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// Black level, luma span, chroma centre and chroma span in codes.
fn levels(range: Range, depth: u32) -> (f64, f64, f64, f64) {
    let step = f64::from(1 << (depth - 8));
    let top = f64::from((1 << depth) - 1);
    match range {
        Range::Limited => (16.0 * step, 219.0 * step, 128.0 * step, 224.0 * step),
        Range::Full => (0.0, top, 128.0 * step, top),
    }
}

impl Picture {
    pub fn new(
        size: (usize, usize),
        format: PlaneFormat,
        colour: Colour,
        rotation: Rotation,
        content: Content,
        seed: u64,
    ) -> Self {
        let (w, h) = size;
        let (shift_x, shift_y) = format.chroma_shift();
        let (cw, ch) = ((w + (1 << shift_x) - 1) >> shift_x, (h + (1 << shift_y) - 1) >> shift_y);
        let (black, luma_span, centre, chroma_span) = levels(colour.range, format.depth());
        let (kr, kb) = luma_weights(colour.matrix);
        let top = f64::from((1_u32 << format.depth()) - 1);
        let mut noise = Noise::new(seed);
        let code = |value: f64| value.round().clamp(0.0, top) as u16;

        let mut codes = [vec![0; w * h], vec![0; cw * ch], vec![0; cw * ch]];
        // Chroma differences B - Y and R - Y of each chroma sample.
        let mut differences = vec![(0.0, 0.0); cw * ch];
        for i in 0..cw * ch {
            let (x, y) = ((i % cw) as f64, (i / cw) as f64);
            let rgb = match content {
                Content::Natural => [
                    0.5 + 0.4 * (x / 37.0 + y / 23.0).sin(),
                    0.5 + 0.4 * (x / 29.0 - y / 31.0).cos(),
                    if (x / 40.0 + y / 70.0).fract() < 0.5 { 0.2 } else { 0.7 },
                ],
                _ => [0.0; 3].map(|_| 0.06 + 0.88 * noise.unit()),
            };
            let luma = kr * rgb[0] + (1.0 - kr - kb) * rgb[1] + kb * rgb[2];
            let (cb, cr) = ((rgb[2] - luma) / (2.0 * (1.0 - kb)), (rgb[0] - luma) / (2.0 * (1.0 - kr)));
            if format == PlaneFormat::Gray8 {
                continue;
            }
            let raw = content == Content::RawNoise;
            codes[1][i] = code(if raw { noise.unit() * top } else { centre + cb * chroma_span });
            codes[2][i] = code(if raw { noise.unit() * top } else { centre + cr * chroma_span });
            differences[i] = (cb * 2.0 * (1.0 - kb), cr * 2.0 * (1.0 - kr));
        }
        for (i, luma) in codes[0].iter_mut().enumerate() {
            let (x, y) = (i % w, i / w);
            if content == Content::RawNoise {
                *luma = code(noise.unit() * top);
                continue;
            }
            // The luma values that make a real colour of this chroma, less a margin for rounding.
            let (blue, red) = differences[(y >> shift_y) * cw + (x >> shift_x)];
            let green = -(kr * red + kb * blue) / (1.0 - kr - kb);
            let low = 0.02 - red.min(green).min(blue).min(0.0);
            let high = 0.98 - red.max(green).max(blue).max(0.0);
            let share = match content {
                Content::Natural => {
                    let (x, y) = (x as f64, y as f64);
                    (0.5 + 0.35 * (x / 11.0).sin() * (y / 17.0).cos() + 0.1 * noise.unit()).clamp(0.0, 1.0)
                }
                _ => noise.unit(),
            };
            *luma = code(black + luma_span * (low + (high - low).max(0.0) * share));
        }
        let bytes = laid_out(format, &codes, w, cw, &mut noise);
        Self { size, format, colour, rotation, codes, chroma_width: cw, bytes }
    }

    /// A decoded I420 picture: its Y, U and V samples, rows without gaps.
    pub fn decoded(size: (usize, usize), colour: Colour, planes: [Vec<u8>; 3]) -> Self {
        let chroma_width = size.0.div_ceil(2);
        let codes = planes.each_ref().map(|plane| plane.iter().map(|sample| u16::from(*sample)).collect());
        let bytes = planes.into_iter().zip([size.0, chroma_width, chroma_width]).collect();
        Self { size, format: PlaneFormat::I420, colour, rotation: Rotation::None, codes, chroma_width, bytes }
    }

    /// The picture as the program sees it.
    pub fn planes(&self) -> Planes<'_> {
        let list: Vec<_> = self.bytes.iter().map(|(data, stride)| Plane { data, stride: *stride }).collect();
        Planes::new(self.size, self.format, &list, self.colour, self.rotation).unwrap()
    }

    /// The colour of the displayed pixel (x, y), red, green, blue in levels, not clamped.
    fn rgb(&self, x: usize, y: usize) -> [f64; 3] {
        let (w, h) = self.size;
        let (x, y) = match self.rotation {
            Rotation::None => (x, y),
            Rotation::Cw90 => (y, h - 1 - x),
            Rotation::Cw180 => (w - 1 - x, h - 1 - y),
            Rotation::Cw270 => (w - 1 - y, x),
        };
        let (black, luma_span, centre, chroma_span) = levels(self.colour.range, self.format.depth());
        let luma = (f64::from(self.codes[0][y * w + x]) - black) / luma_span;
        let (shift_x, shift_y) = self.format.chroma_shift();
        let [cb, cr] = [1, 2].map(|plane| {
            if self.format == PlaneFormat::Gray8 {
                return 0.0;
            }
            let code = self.codes[plane][(y >> shift_y) * self.chroma_width + (x >> shift_x)];
            (f64::from(code) - centre) / chroma_span
        });
        let (kr, kb) = luma_weights(self.colour.matrix);
        let (red, blue) = (luma + 2.0 * (1.0 - kr) * cr, luma + 2.0 * (1.0 - kb) * cb);
        let green = (luma - kr * red - kb * blue) / (1.0 - kr - kb);
        [255.0 * red, 255.0 * green, 255.0 * blue]
    }

    /// The displayed pixel resized to `size`: red, green, blue with each source pixel clamped first;
    /// and by how many levels, at most, clamping last may differ.
    pub fn resized(&self, (x, y): (usize, usize), size: (usize, usize)) -> ([f64; 3], [f64; 3]) {
        let (w, h) = self.rotation.turned(self.size);
        let ((x0, x1, wx), (y0, y1, wy)) = (tap(x, size.0, w), tap(y, size.1, h));
        let corners = [
            (x0, y0, (1.0 - wx) * (1.0 - wy)),
            (x1, y0, wx * (1.0 - wy)),
            (x0, y1, (1.0 - wx) * wy),
            (x1, y1, wx * wy),
        ];
        let (mut clamped, mut overshoot) = ([0.0; 3], [0.0; 3]);
        for (x, y, weight) in corners {
            for (c, value) in self.rgb(x, y).into_iter().enumerate() {
                let inside = value.clamp(0.0, 255.0);
                clamped[c] += weight * inside;
                overshoot[c] += weight * (value - inside).abs();
            }
        }
        (clamped, overshoot)
    }
}

/// Fills `tensor` from the picture, laid in as `map` says.
pub fn fill(picture: &Picture, spec: &TensorSpec, map: &LetterboxMap, tensor: &mut [f32]) {
    let plane = spec.width * spec.height;
    assert_eq!(tensor.len(), 3 * plane);
    for y in 0..spec.height {
        for x in 0..spec.width {
            let rgb = laid_in(picture, spec, map, (x, y)).0;
            for c in 0..3 {
                let value = rgb[source_channel(spec, c)] * f64::from(spec.scale[c]) + f64::from(spec.bias[c]);
                tensor[c * plane + y * spec.width + x] = value as f32;
            }
        }
    }
}

/// The input's pixel (x, y) in levels, as [`Picture::resized`] or padding.
fn laid_in(picture: &Picture, spec: &TensorSpec, map: &LetterboxMap, (x, y): (usize, usize)) -> ([f64; 3], [f64; 3]) {
    if (map.left..map.left + map.width).contains(&x) && (map.top..map.top + map.height).contains(&y) {
        picture.resized((x - map.left, y - map.top), (map.width, map.height))
    } else {
        ([f64::from(spec.pad); 3], [0.0; 3])
    }
}

/// Which of red, green, blue is the tensor's channel `c`.
fn source_channel(spec: &TensorSpec, c: usize) -> usize {
    if spec.order == ChannelOrder::Rgb { c } else { 2 - c }
}

/// OpenCV's `INTER_LINEAR`: the two pixels and the share of the second.
fn tap(dst: usize, dst_size: usize, src_size: usize) -> (usize, usize, f64) {
    let scale = src_size as f64 / dst_size as f64;
    let position = (dst as f64 + 0.5) * scale - 0.5;
    let at = |n: f64| n.clamp(0.0, src_size as f64 - 1.0) as usize;
    (at(position.floor()), at(position.floor() + 1.0), position - position.floor())
}

fn laid_out(
    format: PlaneFormat,
    codes: &[Vec<u16>; 3],
    width: usize,
    chroma_width: usize,
    noise: &mut Noise,
) -> Vec<(Vec<u8>, usize)> {
    let [y, u, v] = codes;
    let mixed = |a: &[u16], b: &[u16]| a.iter().zip(b).flat_map(|(a, b)| [*a, *b]).collect::<Vec<_>>();
    let rows: Vec<(Vec<u16>, usize)> = match format {
        PlaneFormat::Gray8 => vec![(y.clone(), width)],
        PlaneFormat::Nv12 => vec![(y.clone(), width), (mixed(u, v), 2 * chroma_width)],
        PlaneFormat::Nv21 => vec![(y.clone(), width), (mixed(v, u), 2 * chroma_width)],
        _ => vec![(y.clone(), width), (u.clone(), chroma_width), (v.clone(), chroma_width)],
    };
    let layout = |(samples, row): (Vec<u16>, usize)| {
        // Strides longer than the rows, their rest garbage; the last row ends the data.
        let gap = (noise.unit() * 9.0) as usize;
        let mut data = Vec::new();
        let mut stride = 0;
        for (n, samples) in samples.chunks(row).enumerate() {
            if n > 0 {
                data.extend(std::iter::repeat_n(0xA5, gap));
            }
            let begin = data.len();
            for sample in samples {
                match format.depth() {
                    8 => data.push(*sample as u8),
                    _ => data.extend(sample.to_le_bytes()),
                }
            }
            stride = data.len() - begin + gap;
        }
        (data, stride)
    };
    rows.into_iter().map(layout).collect()
}

/// How a tensor differs from the reference, in levels (before scale and bias).
#[derive(Debug, Default, Clone, Copy)]
pub struct Difference {
    pub max: f64,
    pub mean: f64,
    /// Highest excess over what late clamping explains.
    pub max_unexplained: f64,
}

/// Compares every value of `tensor` with the reference.
pub fn compare(picture: &Picture, spec: &TensorSpec, map: &LetterboxMap, tensor: &[f32]) -> Difference {
    let mut difference = Difference::default();
    for y in 0..spec.height {
        for x in 0..spec.width {
            let (rgb, slack) = laid_in(picture, spec, map, (x, y));
            for c in 0..3 {
                let source = source_channel(spec, c);
                let value = f64::from(tensor[(c * spec.height + y) * spec.width + x]);
                let level = (value - f64::from(spec.bias[c])) / f64::from(spec.scale[c]);
                let off = (level - rgb[source]).abs();
                // A NaN, an element never written, must not pass.
                assert!(off.is_finite(), "channel {c} at ({x}, {y}) is {value}");
                difference.max = difference.max.max(off);
                difference.max_unexplained = difference.max_unexplained.max(off - slack[source]);
                difference.mean += off / spec.len() as f64;
            }
        }
    }
    difference
}
