//! The fused pass against its definition: every format, fit, rotation, range, and odd sizes.
#![allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]

mod preprocess_reference;

use preprocess_reference::{Content, FORMATS, Picture, ROTATIONS, compare};
use proptest::prelude::*;
use vantage::frame::{
    ChannelOrder, Colour, Fit, LetterboxMap, Matrix, PlaneFormat, Preprocessor, Range, Rotation, TensorSpec,
};

const SD: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };

/// What fixed point (Q7 samples, Q14 weights) may cost on real colours, in levels.
const MAX_ERROR: f64 = 0.1;
const MEAN_ERROR: f64 = 0.02;

fn spec(width: usize, height: usize, order: ChannelOrder, fit: Fit) -> TensorSpec {
    TensorSpec { width, height, order, scale: [1.0; 3], bias: [0.0; 3], fit, pad: 114 }
}

fn filled(preprocessor: &mut Preprocessor, picture: &Picture, spec: &TensorSpec) -> (Vec<f32>, LetterboxMap) {
    let map = LetterboxMap::new(picture.planes().displayed_size(), spec);
    let mut out = vec![f32::NAN; spec.len()];
    preprocessor.fill(&picture.planes(), spec, &map, &mut out).unwrap();
    (out, map)
}

#[test]
fn real_colours_come_out_as_the_definition_says() {
    let mut preprocessor = Preprocessor::new();
    let sizes = [(638, 358), (639, 357), (1280, 720), (1920, 1080), (352, 288), (97, 211), (3, 5), (1, 1), (2, 1)];
    let (mut worst, mut worst_mean) = (0.0_f64, 0.0_f64);
    for (n, size) in sizes.into_iter().enumerate() {
        for format in FORMATS {
            for content in [Content::RealNoise, Content::Natural] {
                let colour = [SD, Colour { matrix: Matrix::Bt709, range: Range::Full }][n % 2];
                let picture = Picture::new(size, format, colour, ROTATIONS[n % 4], content, n as u64);
                let spec = spec(160, 128, ChannelOrder::Bgr, Fit::LetterboxTopLeft);
                let (out, map) = filled(&mut preprocessor, &picture, &spec);
                let difference = compare(&picture, &spec, &map, &out);
                assert!(
                    difference.max <= MAX_ERROR && difference.mean <= MEAN_ERROR,
                    "{size:?} {format:?} {content:?}: {difference:?}"
                );
                worst = worst.max(difference.max);
                worst_mean = worst_mean.max(difference.mean);
            }
        }
    }
    println!("real colours: largest error {worst:.4}, largest mean {worst_mean:.4} of a level");
}

#[test]
fn scale_bias_and_channel_order_reach_the_right_planes() {
    let picture = Picture::new((130, 70), PlaneFormat::I420, SD, Rotation::None, Content::Natural, 3);
    for order in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
        let spec = TensorSpec {
            scale: [1.0 / 255.0, -0.017, 0.02],
            bias: [-0.5, 1.5, -2.1],
            ..spec(64, 64, order, Fit::LetterboxCentre)
        };
        let (out, map) = filled(&mut Preprocessor::new(), &picture, &spec);
        let difference = compare(&picture, &spec, &map, &out);
        assert!(difference.max <= MAX_ERROR, "{order:?} {difference:?}");
    }
}

#[test]
fn samples_that_are_no_colours_differ_by_no_more_than_their_overshoot() {
    for format in FORMATS {
        let picture = Picture::new((631, 355), format, SD, Rotation::None, Content::RawNoise, 11);
        let spec = spec(208, 208, ChannelOrder::Rgb, Fit::LetterboxTopLeft);
        let (out, map) = filled(&mut Preprocessor::new(), &picture, &spec);
        let difference = compare(&picture, &spec, &map, &out);
        println!("raw noise, {format:?}: max {:.1}, mean {:.2} levels", difference.max, difference.mean);
        assert!(difference.max_unexplained <= MAX_ERROR, "{format:?} {difference:?}");
        assert!(difference.mean <= 15.0, "{format:?} {difference:?}");
    }
}

#[test]
fn values_stay_within_the_levels() {
    let picture = Picture::new((320, 200), PlaneFormat::Y444, SD, Rotation::None, Content::RawNoise, 5);
    let spec = spec(160, 100, ChannelOrder::Rgb, Fit::Stretch);
    let (out, _) = filled(&mut Preprocessor::new(), &picture, &spec);
    assert!(out.iter().all(|v| (0.0..=255.0).contains(v)));
    assert!(out.contains(&0.0) && out.contains(&255.0));
}

#[test]
fn damaged_ten_bit_samples_count_as_the_highest_code() {
    let data = [0xFF_u8; 2 * 40 * 4];
    let planes = [40, 20, 20].map(|width| vantage::frame::Plane { data: &data[..2 * width * 4], stride: 2 * width });
    let planes = vantage::frame::Planes::new((40, 4), PlaneFormat::I422P10Le, &planes, SD, Rotation::None).unwrap();
    let spec = spec(40, 4, ChannelOrder::Rgb, Fit::Stretch);
    let map = LetterboxMap::new((40, 4), &spec);
    let mut out = vec![f32::NAN; spec.len()];
    Preprocessor::new().fill(&planes, &spec, &map, &mut out).unwrap();
    // Code 1023 three times is a bright magenta: red and blue clamp, green does not.
    assert!(out[..160].iter().chain(&out[320..]).all(|v| *v == 255.0), "{:?}", &out[..3]);
    assert!(out[160..320].iter().all(|v| (100.0..150.0).contains(v)), "{:?}", &out[160..163]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let picture = Picture::new((64, 48), PlaneFormat::I420, SD, Rotation::Cw90, Content::Natural, 1);
    let spec = spec(32, 32, ChannelOrder::Rgb, Fit::LetterboxTopLeft);
    let mut preprocessor = Preprocessor::new();
    let mut out = vec![0.0; spec.len()];
    let map = LetterboxMap::new((48, 64), &spec);
    preprocessor.fill(&picture.planes(), &spec, &map, &mut out).unwrap();
    assert!(preprocessor.fill(&picture.planes(), &spec, &map, &mut out[1..]).is_err());
    let not_turned = LetterboxMap::new((64, 48), &spec);
    assert!(preprocessor.fill(&picture.planes(), &spec, &not_turned, &mut out).is_err());
    let outside = LetterboxMap { left: 20, ..map };
    assert!(preprocessor.fill(&picture.planes(), &spec, &outside, &mut out).is_err());
    assert!(preprocessor.rgb(&picture.planes(), (0, 4)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_size_format_fit_and_rotation_agrees_with_the_definition(
        size in (1_usize..200, 1_usize..200),
        input in (1_usize..90, 1_usize..90),
        format in prop::sample::select(&FORMATS[..]),
        rotation in prop::sample::select(&ROTATIONS[..]),
        matrix in prop::sample::select(&[Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020][..]),
        range in prop::sample::select(&[Range::Limited, Range::Full][..]),
        order in prop::sample::select(&[ChannelOrder::Rgb, ChannelOrder::Bgr][..]),
        fit in prop::sample::select(&[Fit::LetterboxTopLeft, Fit::LetterboxCentre, Fit::Stretch][..]),
        content in prop::sample::select(&[Content::RealNoise, Content::Natural, Content::RawNoise][..]),
        seed in any::<u64>(),
    ) {
        let picture = Picture::new(size, format, Colour { matrix, range }, rotation, content, seed);
        let spec = spec(input.0, input.1, order, fit);
        let (out, map) = filled(&mut Preprocessor::new(), &picture, &spec);
        let difference = compare(&picture, &spec, &map, &out);
        prop_assert!(difference.max_unexplained <= MAX_ERROR, "{:?}", difference);
        if content != Content::RawNoise {
            prop_assert!(difference.max <= MAX_ERROR, "{:?}", difference);
        }
        // The vector kernels and the plain ones are the same function.
        let (plain, _) = filled(&mut Preprocessor::portable(), &picture, &spec);
        let apart = out.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(apart <= 1e-3, "{apart} between kernels");
    }

    #[test]
    fn one_preprocessor_serves_many_sizes(sizes in prop::collection::vec((1_usize..120, 1_usize..120), 20..40)) {
        let mut shared = Preprocessor::new();
        let spec = spec(48, 40, ChannelOrder::Rgb, Fit::LetterboxCentre);
        for (n, size) in sizes.into_iter().enumerate() {
            let format = FORMATS[n % FORMATS.len()];
            let picture = Picture::new(size, format, SD, ROTATIONS[n % 4], Content::RawNoise, n as u64);
            let (out, _) = filled(&mut shared, &picture, &spec);
            let (fresh, _) = filled(&mut Preprocessor::new(), &picture, &spec);
            prop_assert_eq!(out, fresh);
        }
    }
}
