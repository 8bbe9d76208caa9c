//! Planes to tensor: the fused pass beside the usual chain of crates, on one core.
//!
//! The chain does what the fused pass does in separate steps: `yuv` (full-size RGB), then
//! `fast_image_resize` (bilinear over the two nearest pixels, no antialiasing, as the models were
//! trained with), then a loop to planar `f32` with padding. Both keep their buffers between runs.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use vantage::frame::{
    ChannelOrder, Colour, Fit, LetterboxMap, Matrix, Plane, PlaneFormat, Planes, Preprocessor, Range, Rotation,
    TensorSpec,
};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix, yuv420_to_rgb};

const COLOUR: Colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };

/// YOLOX: 416x416, BGR, raw levels, grey padding at the right and the bottom.
fn spec() -> TensorSpec {
    TensorSpec {
        width: 416,
        height: 416,
        order: ChannelOrder::Bgr,
        scale: [1.0; 3],
        bias: [0.0; 3],
        fit: Fit::LetterboxTopLeft,
        pad: 114,
    }
}

/// Smooth content with some texture; its values do not change the running time.
fn samples(width: usize, height: usize, low: usize, span: usize) -> Vec<u8> {
    let value = |i: usize| (low + (i % width / 3 + i / width / 2 + i * 2_654_435_761 % 17) % span) as u8;
    (0..width * height).map(value).collect()
}

/// The usual chain.
struct Chain {
    rgb: Vec<u8>,
    resized: Image<'static>,
    resizer: Resizer,
    options: ResizeOptions,
}

impl Chain {
    fn new(size: (usize, usize), map: &LetterboxMap) -> Self {
        Self {
            rgb: vec![0; 3 * size.0 * size.1],
            resized: Image::new(map.width as u32, map.height as u32, PixelType::U8x3),
            resizer: Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear)),
        }
    }

    fn fill(&mut self, planes: [&[u8]; 3], (w, h): (usize, usize), map: &LetterboxMap, out: &mut [f32]) {
        let (width, height) = (w as u32, h as u32);
        let [y_plane, u_plane, v_plane] = planes;
        let chroma = width.div_ceil(2);
        let picture = YuvPlanarImage {
            y_plane,
            y_stride: width,
            u_plane,
            u_stride: chroma,
            v_plane,
            v_stride: chroma,
            width,
            height,
        };
        yuv420_to_rgb(&picture, &mut self.rgb, 3 * width, YuvRange::Limited, YuvStandardMatrix::Bt709).unwrap();
        let rgb = ImageRef::new(width, height, &self.rgb, PixelType::U8x3).unwrap();
        self.resizer.resize(&rgb, &mut self.resized, &self.options).unwrap();

        let (plane0, rest) = out.split_at_mut(416 * 416);
        let (plane1, plane2) = rest.split_at_mut(416 * 416);
        for plane in [&mut *plane0, &mut *plane1, &mut *plane2] {
            plane[map.height * 416..].fill(114.0);
        }
        let rows = plane0.chunks_exact_mut(416).zip(plane1.chunks_exact_mut(416)).zip(plane2.chunks_exact_mut(416));
        for (row, ((blue, green), red)) in self.resized.buffer().chunks_exact(3 * map.width).zip(rows) {
            for (((pixel, blue), green), red) in row.chunks_exact(3).zip(blue).zip(green).zip(red) {
                (*blue, *green, *red) = (f32::from(pixel[2]), f32::from(pixel[1]), f32::from(pixel[0]));
            }
        }
    }
}

fn preprocess(criterion: &mut Criterion) {
    let spec = spec();
    let mut out = vec![0.0_f32; spec.len()];
    let mut group = criterion.benchmark_group("i420_to_416");
    for size in [(1920, 1080), (1280, 720), (768, 432)] {
        let name = format!("{}p", size.1);
        let y = samples(size.0, size.1, 16, 220);
        let u = samples(size.0 / 2, size.1 / 2, 112, 32);
        let v = samples(size.0 / 2, size.1 / 2, 108, 40);
        let map = LetterboxMap::new(size, &spec);
        let plane = |data, stride| Plane { data, stride };
        let list = [plane(&y[..], size.0), plane(&u[..], size.0 / 2), plane(&v[..], size.0 / 2)];
        let planes = Planes::new(size, PlaneFormat::I420, &list, COLOUR, Rotation::None).unwrap();

        let mut fused = Preprocessor::new();
        group.bench_function(BenchmarkId::new("fused", &name), |bencher| {
            bencher.iter(|| fused.fill(black_box(&planes), &spec, &map, black_box(&mut out)).unwrap());
        });
        let mut portable = Preprocessor::portable();
        group.bench_function(BenchmarkId::new("fused_portable", &name), |bencher| {
            bencher.iter(|| portable.fill(black_box(&planes), &spec, &map, black_box(&mut out)).unwrap());
        });
        let mut chain = Chain::new(size, &map);
        group.bench_function(BenchmarkId::new("yuv_then_fast_image_resize", &name), |bencher| {
            bencher.iter(|| chain.fill(black_box([&y, &u, &v]), size, &map, black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, preprocess);
criterion_main!(benches);
