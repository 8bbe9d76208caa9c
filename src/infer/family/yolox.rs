//! YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021): one row per cell of strides 8, 16
//! and 32, `[batch, cells, 5 + classes]`, of any input size.
//!
//! Raw rows hold what the head computed: for the cell (gx, gy) of stride s,
//! `cx = (o0 + gx)·s`, `cy = (o1 + gy)·s`, `w = exp(o2)·s`, `h = exp(o3)·s`, `score = o4 · max(o5…)`,
//! scores already squashed. Exports with `decode_in_inference` hold pixels instead: `yolox_decoded`.

use super::{Family, Layout, Recipe, Row, Sink, Tensor, best, differs, levels, only_output, refuse, yolov5};
use crate::base::Result;
use crate::infer::graph::Graph;

const STRIDES: [usize; 3] = [8, 16, 32];

/// The grid as the head gives it.
pub const RAW: Family = Family {
    name: "yolox",
    outputs: "[B, cells, 5+C]: x, y, log w, log h relative to the cell; objectness; classes",
    recipe: Some(Recipe::YOLOX),
    suppress: true,
    single: false,
    fit,
    // Both forms have one shape; only a graph that ends in its convolutions is surely raw.
    sure: |graph, _| graph.outputs.iter().all(|output| output.raw),
    decode,
};

/// The grid already turned into pixels inside the graph.
pub const DECODED: Family = Family {
    name: "yolox_decoded",
    outputs: "[B, cells, 5+C]: cx, cy, w, h in input pixels; objectness; classes",
    recipe: Some(Recipe::YOLOX),
    suppress: true,
    single: false,
    fit,
    sure: |_, _| false,
    decode: yolov5::decode,
};

fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    let output = only_output(graph, 3)?;
    let levels = levels(&STRIDES, width, height);
    let cells: usize = levels.iter().map(|level| level.cells()).sum();
    let classes = match output.shape.as_slice() {
        [_, rows, record] if !differs(rows, cells) => record.fixed().and_then(|n| n.checked_sub(5)).filter(|&n| n > 0),
        _ => None,
    };
    match classes {
        Some(classes) => {
            Ok(Layout { width, height, classes: Some(classes), outputs: vec![0], levels, ..Layout::default() })
        }
        None => {
            Err(refuse(format!("[batch, {cells}, 5 + classes] expected at {width}x{height}, the graph has {output}")))
        }
    }
}

fn decode(layout: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [output] = outputs else { return Ok(()) };
    let width = 5 + layout.classes.unwrap_or_default();
    let mut records = output.records(row, width)?;
    for level in &layout.levels {
        let stride = level.stride as f32;
        for (cell, record) in records.by_ref().take(level.cells()).enumerate() {
            let [ox, oy, ow, oh, objectness, scores @ ..] = record else { continue };
            // The product cannot exceed the objectness, so most rows end here.
            if !sink.passes(*objectness) {
                continue;
            }
            let (class, score) = best(scores);
            let score = objectness * score;
            if sink.passes(score) {
                let (gx, gy) = ((cell % level.columns) as f32, (cell / level.columns) as f32);
                let centred = [(ox + gx) * stride, (oy + gy) * stride, ow.exp() * stride, oh.exp() * stride];
                sink.push_centred(class, score, centred);
            }
        }
    }
    Ok(())
}
