//! Every decoder on tensors made by hand, and on hostile ones.

use proptest::prelude::*;

use super::*;
use crate::frame::{LetterboxMap, TensorSpec};
use crate::infer::nms::Candidate;

const SIDE: usize = 64;

fn map() -> LetterboxMap {
    let spec = TensorSpec {
        width: SIDE,
        height: SIDE,
        order: ChannelOrder::Rgb,
        scale: [1.0; 3],
        bias: [0.0; 3],
        fit: Fit::Stretch,
        pad: 0,
    };
    LetterboxMap::new((SIDE, SIDE), &spec)
}

fn layout(family: &Family, classes: usize) -> Layout {
    let grid = matches!(family.name, "yolox" | "yolox_decoded" | "nanodet");
    Layout {
        width: SIDE,
        height: SIDE,
        classes: Some(classes),
        outputs: Vec::new(),
        levels: if grid { levels(&[8, 16, 32], SIDE, SIDE) } else { Vec::new() },
        bins: 4,
    }
}

/// Shapes of a family's outputs for one picture, integers marked.
fn shapes(family: &Family, classes: usize) -> Vec<(Vec<i64>, bool)> {
    let c = classes as i64;
    match family.name {
        "yolox" | "yolox_decoded" => vec![(vec![1, 84, 5 + c], false)],
        "yolov5" => vec![(vec![1, 252, 5 + c], false)],
        "yolov8" => vec![(vec![1, 4 + c, 84], false)],
        "yolo_e2e" => vec![(vec![1, 30, 6], false)],
        "nanodet" => [64, 16, 4].iter().flat_map(|&n| [(vec![1, n, c], false), (vec![1, n, 16], false)]).collect(),
        "detr" => vec![(vec![1, 30], true), (vec![1, 30, 4], false), (vec![1, 30], false)],
        "detr_logits" => vec![(vec![1, 30, c], false), (vec![1, 30, 4], false)],
        _ => vec![(vec![30, 4], false), (vec![30], false), (vec![30], true)],
    }
}

fn run(family: &Family, layout: &Layout, tensors: &[Tensor<'_>]) -> Result<(Vec<Candidate>, DecodeStats)> {
    let mut candidates = Vec::new();
    let mut sink = Sink::new(0.25, layout.classes.unwrap_or(3), &map(), &mut candidates);
    (family.decode)(layout, tensors, Row { index: 0, of: 1 }, &mut sink)?;
    let stats = sink.finish();
    Ok((candidates, stats))
}

fn one(name: &str, classes: usize, tensors: &[Tensor<'_>]) -> (Candidate, DecodeStats) {
    let family = find(name).unwrap();
    let (candidates, stats) = run(family, &layout(family, classes), tensors).unwrap();
    assert_eq!(candidates.len(), 1, "{name}: {candidates:?}");
    (candidates[0], stats)
}

fn assert_box(candidate: &Candidate, class: u16, score: f32, corners: [f32; 4]) {
    let off = candidate.corners.iter().zip(&corners).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(candidate.class == class && (candidate.score - score).abs() < 1e-3 && off < 1e-2, "{candidate:?}");
}

fn floats<'a>(shape: &'a [i64], data: &'a [f32]) -> Tensor<'a> {
    Tensor { shape, data: Data::F32(data) }
}

#[test]
fn yolox_rows_are_relative_to_their_cell() {
    let mut data = vec![0.0; 84 * 7];
    // Stride 16 begins at row 64; its fourth cell across, second down is row 64 + 4 + 3.
    data[71 * 7..72 * 7].copy_from_slice(&[0.5, 0.25, 0.0, 2f32.ln(), 0.9, 0.1, 0.8]);
    let (found, _) = one("yolox", 2, &[floats(&[1, 84, 7], &data)]);
    assert_box(&found, 1, 0.72, [3.5 * 16.0 - 8.0, 1.25 * 16.0 - 16.0, 3.5 * 16.0 + 8.0, 1.25 * 16.0 + 16.0]);
}

#[test]
fn yolov5_rows_are_pixels() {
    let mut data = vec![0.0; 252 * 7];
    data[7 * 100..7 * 101].copy_from_slice(&[30.0, 20.0, 10.0, 8.0, 0.5, 0.9, 0.2]);
    for (name, rows) in [("yolov5", 252), ("yolox_decoded", 84)] {
        let data = if rows == 84 { &data[7 * 90..7 * 174] } else { &data };
        let (found, _) = one(name, 2, &[floats(&[1, rows, 7], data)]);
        assert_box(&found, 0, 0.45, [25.0, 16.0, 35.0, 24.0]);
    }
}

#[test]
fn yolov8_columns_are_pixels() {
    let mut data = vec![0.0; 7 * 84];
    for (k, v) in [30.0, 20.0, 10.0, 8.0, 0.3, 0.7, 0.6].into_iter().enumerate() {
        data[k * 84 + 50] = v;
    }
    let (found, _) = one("yolov8", 3, &[floats(&[1, 7, 84], &data)]);
    assert_box(&found, 1, 0.7, [25.0, 16.0, 35.0, 24.0]);
}

#[test]
fn end_to_end_rows_are_corners() {
    let mut data = vec![0.0; 30 * 6];
    data[6..12].copy_from_slice(&[25.0, 16.0, 35.0, 24.0, 0.7, 2.0]);
    // A class between two is none.
    data[12..18].copy_from_slice(&[25.0, 16.0, 35.0, 24.0, 0.7, 1.5]);
    let (found, stats) = one("yolo_e2e", 3, &[floats(&[1, 30, 6], &data)]);
    assert_box(&found, 2, 0.7, [25.0, 16.0, 35.0, 24.0]);
    assert_eq!(stats.absurd, 1);
}

#[test]
fn nanodet_distances_are_expectations() {
    let family = find("nanodet").unwrap();
    let (mut scores, mut distances) = (vec![0.0; 16 * 2], vec![0.0; 16 * 16]);
    // Stride 16, second cell across, third down; all weight on bin 1: 16 pixels to each side.
    scores[9 * 2 + 1] = 0.6;
    (0..4).for_each(|side| distances[9 * 16 + side * 4 + 1] = 60.0);
    let (fine, coarse) = (vec![0.0; 64 * 16], vec![0.0; 4 * 16]);
    let tensors = [
        floats(&[1, 64, 2], &fine[..128]),
        floats(&[1, 64, 16], &fine),
        floats(&[1, 16, 2], &scores),
        floats(&[1, 16, 16], &distances),
        floats(&[1, 4, 2], &coarse[..8]),
        floats(&[1, 4, 16], &coarse),
    ];
    let (found, _) = run(family, &layout(family, 2), &tensors).unwrap();
    assert_box(&found[0], 1, 0.6, [24.0 - 16.0, 40.0 - 16.0, 24.0 + 16.0, 40.0 + 16.0]);
}

#[test]
fn transformers_give_pixels_or_shares_of_the_input() {
    let (mut labels, mut boxes, mut scores) = (vec![0i64; 30], vec![0.0; 120], vec![0.0; 30]);
    (labels[3], scores[3]) = (2, 0.8);
    boxes[12..16].copy_from_slice(&[25.0, 16.0, 35.0, 24.0]);
    let ids = Tensor { shape: &[30], data: Data::I64(&labels) };
    // Squeezed to rank 1 and 2, as some exports do at batch 1.
    let (found, _) = one("detr", 3, &[ids, floats(&[30, 4], &boxes), floats(&[30], &scores)]);
    assert_box(&found, 2, 0.8, [25.0, 16.0, 35.0, 24.0]);
    let (found, _) = one("nms_inside", 3, &[floats(&[30, 4], &boxes), floats(&[30], &scores), ids]);
    assert_box(&found, 2, 0.8, [25.0, 16.0, 35.0, 24.0]);
    boxes.iter_mut().for_each(|v| *v /= 64.0);
    let (found, _) = one("ssd", 3, &[floats(&[1, 30, 4], &boxes), floats(&[1, 30], &scores), ids]);
    assert_box(&found, 2, 0.8, [25.0, 16.0, 35.0, 24.0]);

    let mut logits = vec![-9.0; 90];
    logits[3 * 3 + 1] = 0.0;
    let mut centred = vec![0.0; 120];
    centred[12..16].copy_from_slice(&[0.5, 0.25, 0.25, 0.125]);
    let (found, _) = one("detr_logits", 3, &[floats(&[1, 30, 3], &logits), floats(&[1, 30, 4], &centred)]);
    assert_box(&found, 1, 0.5, [24.0, 12.0, 40.0, 20.0]);
}

#[test]
fn impossible_boxes_are_dropped_and_counted() {
    let rows = [
        [f32::NAN, 16.0, 35.0, 24.0, 0.7, 0.0],
        [25.0, 16.0, f32::INFINITY, 24.0, 0.7, 0.0],
        [25.0, 16.0, 35.0, 24.0, f32::NAN, 0.0],
        [35.0, 16.0, 25.0, 24.0, 0.7, 0.0],
        [-300.0, 16.0, 25.0, 24.0, 0.7, 0.0],
        [70.0, 16.0, 80.0, 24.0, 0.7, 0.0],
        [25.0, 16.0, 35.0, 24.0, 0.7, 3.0],
        [25.0, 16.0, 35.0, 24.0, 7.0, 0.0],
        [25.0, 16.0, 35.0, 24.0, 0.7, 0.0],
    ];
    let (found, stats) = one("yolo_e2e", 3, &[floats(&[1, 9, 6], rows.as_flattened())]);
    assert_box(&found, 0, 0.7, [25.0, 16.0, 35.0, 24.0]);
    assert_eq!(stats, DecodeStats { not_finite: 3, absurd: 5 });
}

#[test]
fn an_output_of_another_shape_is_an_error() {
    for family in TABLE {
        let wrong = shapes(family, 3).len();
        let data = [0.9f32; 35];
        let tensors = vec![floats(&[1, 5, 7], &data); wrong];
        let mut layout = layout(family, 3);
        layout.classes = Some(9);
        assert!(run(family, &layout, &tensors).is_err(), "{}", family.name);
    }
}

fn hostile() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
        Just(f32::MIN),
        -1e9f32..1e9,
        -100f32..100.0,
        0f32..1.0,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_tensors_give_finite_boxes(values in proptest::collection::vec(hostile(), 64), ids in proptest::collection::vec(any::<i64>(), 30), shift in 0usize..64) {
        for family in TABLE {
            let shapes = shapes(family, 3);
            let buffers: Vec<Vec<f32>> = shapes.iter().map(|(shape, _)| {
                let len = shape.iter().product::<i64>() as usize;
                (0..len).map(|i| values[(i * 7 + shift) % 64]).collect()
            }).collect();
            let tensors: Vec<Tensor<'_>> = shapes.iter().zip(&buffers).map(|((shape, integers), data)| {
                let data = if *integers { Data::I64(&ids) } else { Data::F32(data) };
                Tensor { shape, data }
            }).collect();
            let (found, _) = run(family, &layout(family, 3), &tensors).unwrap();
            for candidate in &found {
                prop_assert!(candidate.corners.iter().all(|v| v.is_finite()));
                prop_assert!(candidate.class < 3 && (0.25..=1.0).contains(&candidate.score), "{candidate:?}");
                let scene = map().to_scene(candidate.corners[0], candidate.corners[1], candidate.corners[2], candidate.corners[3]);
                prop_assert!(scene.width() >= 0.0 && scene.x2 <= 1.0);
            }
        }
    }
}
