//! Beside OpenCV itself, on files that `tests/peers/opencv_letterbox.py` wrote; skipped without them.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

use std::path::PathBuf;

use vantage::frame::{
    ChannelOrder, Colour, Fit, LetterboxMap, Matrix, Plane, PlaneFormat, Planes, Preprocessor, Range, Rotation,
    TensorSpec,
};

const SIZE: (usize, usize) = (638, 358);

#[test]
fn agrees_with_opencv_within_its_rounding() {
    let Some(directory) = std::env::var_os("VANTAGE_OPENCV_DIR").map(PathBuf::from) else {
        eprintln!("skipped: VANTAGE_OPENCV_DIR is not set (see tests/peers/opencv_letterbox.py)");
        return;
    };
    let picture = std::fs::read(directory.join("picture.yuv")).unwrap();
    let expected = std::fs::read(directory.join("tensor.f32")).unwrap();
    let expected = expected.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));

    let (y, chroma) = picture.split_at(SIZE.0 * SIZE.1);
    let (u, v) = chroma.split_at(chroma.len() / 2);
    let planes = [(y, SIZE.0), (u, SIZE.0 / 2), (v, SIZE.0 / 2)].map(|(data, stride)| Plane { data, stride });
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    let planes = Planes::new(SIZE, PlaneFormat::I420, &planes, colour, Rotation::None).unwrap();
    let spec = TensorSpec {
        width: 416,
        height: 416,
        order: ChannelOrder::Bgr,
        scale: [1.0; 3],
        bias: [0.0; 3],
        fit: Fit::LetterboxTopLeft,
        pad: 114,
    };
    let map = LetterboxMap::new(SIZE, &spec);
    let mut out = vec![f32::NAN; spec.len()];
    Preprocessor::new().fill(&planes, &spec, &map, &mut out).unwrap();

    assert_eq!(expected.len(), out.len());
    let apart: Vec<_> = out.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs())).collect();
    let max = apart.iter().copied().fold(0.0, f64::max);
    // The padding agrees exactly; the mean is over the picture alone.
    let mean = apart.iter().sum::<f64>() / (3 * map.width * map.height) as f64;
    println!("beside OpenCV: mean {mean:.4}, max {max:.4} levels");
    assert!(apart.iter().all(|v| v.is_finite()) && max <= 2.0 && mean <= 0.5, "mean {mean}, max {max}");
}
