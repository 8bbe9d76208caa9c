//! Evidence pictures: size, orientation, colours, boxes and labels survive the JPEG.
#![allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]

mod preprocess_reference;

use image::RgbImage;
use preprocess_reference::{Content, FORMATS, Picture, ROTATIONS};
use vantage::frame::still::{Overlay, Snapshot, jpeg};
use vantage::frame::{Colour, Matrix, Plane, PlaneFormat, Planes, Range, Rotation};
use vantage::scene::NormBox;

const SD: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };

fn decoded(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).unwrap().to_rgb8()
}

fn near(pixel: image::Rgb<u8>, want: [u8; 3], within: u8) -> bool {
    pixel.0.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= within)
}

/// An I420 picture of one colour per quadrant, given as codes.
fn quadrants(size: (usize, usize), codes: [[u8; 3]; 4]) -> [Vec<u8>; 3] {
    let plane = |c: usize, w: usize, h: usize| {
        (0..w * h).map(|i| codes[usize::from(i % w >= w / 2) + 2 * usize::from(i / w >= h / 2)][c]).collect()
    };
    let (w, h) = size;
    [plane(0, w, h), plane(1, w / 2, h / 2), plane(2, w / 2, h / 2)]
}

fn i420(data: &[Vec<u8>; 3], size: (usize, usize), colour: Colour, rotation: Rotation) -> Planes<'_> {
    let strides = [size.0, size.0 / 2, size.0 / 2];
    let planes: Vec<_> = data.iter().zip(strides).map(|(data, stride)| Plane { data, stride }).collect();
    Planes::new(size, PlaneFormat::I420, &planes, colour, rotation).unwrap()
}

/// The codes of pure red, by hand from the recommendations.
fn red_codes(colour: Colour) -> [u8; 3] {
    match (colour.matrix, colour.range) {
        (Matrix::Bt601, Range::Limited) => [81, 90, 240],
        (Matrix::Bt601, Range::Full) => [76, 85, 255],
        (Matrix::Bt709, Range::Limited) => [63, 102, 240],
        (Matrix::Bt709, Range::Full) => [54, 99, 255],
        (Matrix::Bt2020, Range::Limited) => [74, 97, 240],
        (Matrix::Bt2020, Range::Full) => [67, 92, 255],
    }
}

#[test]
fn red_stays_red_in_every_matrix_and_range() {
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        for range in [Range::Limited, Range::Full] {
            let colour = Colour { matrix, range };
            let data = quadrants((64, 48), [red_codes(colour); 4]);
            let picture = decoded(&jpeg(&i420(&data, (64, 48), colour, Rotation::None), 64, &[], 90).unwrap());
            for pixel in picture.pixels() {
                assert!(near(*pixel, [255, 0, 0], 12), "{colour:?}: {pixel:?}");
            }
        }
    }
}

#[test]
fn the_picture_is_shrunk_and_turned_as_displayed() {
    // Only the stored top left quadrant is red.
    let grey = [126, 128, 128];
    let data = quadrants((640, 360), [red_codes(SD), grey, grey, grey]);
    // Where the red quadrant's centre is displayed, in shares of the picture.
    let cases = [
        (Rotation::None, (320, 180), (0.25, 0.25)),
        (Rotation::Cw90, (320, 569), (0.75, 0.25)),
        (Rotation::Cw180, (320, 180), (0.75, 0.75)),
        (Rotation::Cw270, (320, 569), (0.25, 0.75)),
    ];
    for (rotation, size, red_at) in cases {
        let picture = decoded(&jpeg(&i420(&data, (640, 360), SD, rotation), 320, &[], 85).unwrap());
        assert_eq!(picture.dimensions(), size, "{rotation:?}");
        for at in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
            let pixel = *picture.get_pixel((at.0 * size.0 as f64) as u32, (at.1 * size.1 as f64) as u32);
            assert_eq!(near(pixel, [255, 0, 0], 12), at == red_at, "{rotation:?} {at:?} {pixel:?}");
        }
    }
}

#[test]
fn a_snapshot_is_the_definition_rounded_and_never_enlarged() {
    for (n, format) in FORMATS.into_iter().enumerate() {
        let picture = Picture::new((229, 131), format, SD, ROTATIONS[n % 4], Content::RealNoise, n as u64);
        for max_width in [60, 100, 5000] {
            let snapshot = Snapshot::take(&picture.planes(), max_width).unwrap();
            let full = picture.planes().displayed_size();
            assert_eq!(snapshot.width(), full.0.min(max_width));
            let size = (snapshot.width(), snapshot.height());
            for (i, rgb) in snapshot.rgb().chunks_exact(3).enumerate() {
                let (want, _) = picture.resized((i % size.0, i / size.0), size);
                for (got, want) in rgb.iter().zip(want) {
                    assert!((f64::from(*got) - want).abs() <= 0.55, "{format:?} at {i}: {rgb:?}, want {want:?}");
                }
            }
        }
    }
}

#[test]
fn boxes_and_labels_are_drawn_where_they_belong() {
    let grey = [[126, 128, 128]; 4];
    let data = quadrants((640, 360), grey);
    let planes = i420(&data, (640, 360), SD, Rotation::None);
    let colour = [40, 230, 60];
    let bbox = NormBox { x1: 0.25, y1: 0.5, x2: 0.75, y2: 0.9 };
    let overlay = |label: Option<&str>| Overlay { bbox, label: label.map(str::to_owned), colour };
    let bare = decoded(&jpeg(&planes, 640, &[overlay(None)], 95).unwrap());
    for (x, y) in [(161, 250), (479, 250), (320, 181), (320, 323)] {
        assert!(near(*bare.get_pixel(x, y), colour, 40), "side at ({x}, {y}) is {:?}", bare.get_pixel(x, y));
    }
    for (x, y) in [(320, 250), (150, 250), (490, 250), (320, 170), (320, 335)] {
        assert!(near(*bare.get_pixel(x, y), [128; 3], 10), "({x}, {y}) is {:?}", bare.get_pixel(x, y));
    }
    let labelled = &decoded(&jpeg(&planes, 640, &[overlay(Some("Truck 0.87"))], 95).unwrap());
    // Above the box's top left corner: dark ground with letters of the box's colour on it.
    let pixels: Vec<_> = (161..215).flat_map(|x| (171..178).map(move |y| *labelled.get_pixel(x, y))).collect();
    let lit = pixels.iter().filter(|p| p.0[1] > 120 && p.0[0] < 120).count();
    let dark = pixels.iter().filter(|p| p.0.iter().all(|v| *v < 70)).count();
    assert!(lit > 60 && dark > 60, "{lit} lit, {dark} dark");
}

#[test]
fn overlays_beyond_the_picture_are_cut_not_fatal() {
    let data = quadrants((64, 48), [[126, 128, 128]; 4]);
    let planes = i420(&data, (64, 48), SD, Rotation::None);
    let boxes = [
        [-5.0, -5.0, 9.0, 9.0],
        [0.9, 0.9, 0.1, 0.1],
        [f32::NAN, 0.0, 1.0, 1.0],
        [f32::MAX, f32::MIN, f32::INFINITY, 0.0],
        [0.5, 0.0, 0.5, 0.0],
    ];
    let overlays: Vec<_> = boxes
        .map(|b| Overlay {
            bbox: b.into(), label: Some("a label much wider than it — ü".to_owned()), colour: [255; 3]
        })
        .into();
    assert_eq!(decoded(&jpeg(&planes, 64, &overlays, 0).unwrap()).dimensions(), (64, 48));
    assert!(Snapshot::take(&planes, 0).is_err());
}
