//! YOLOv5 (Ultralytics, repository `yolov5`) and YOLOv7 (Wang et al., 2022) exports:
//! `[batch, anchors, 5 + classes]` with `cx, cy, w, h` in input pixels, objectness and class scores,
//! all already squashed; three anchors per cell of strides 8, 16, 32 (and 64).

use super::{Family, Layout, Recipe, Row, Sink, Tensor, best, cells, detects, only_output, refuse};
use crate::base::Result;
use crate::infer::graph::{Dim, Graph};

pub const FAMILY: Family = Family {
    name: "yolov5",
    outputs: "[B, 3·cells, 5+C]: cx, cy, w, h in input pixels; objectness; classes",
    recipe: Some(Recipe::ULTRALYTICS),
    suppress: true,
    single: false,
    fit,
    // Three anchors per cell is what sets it apart from a YOLOX grid.
    sure: |graph, layout| {
        let rows = graph.outputs.first().and_then(|output| output.shape.get(1)).and_then(Dim::fixed);
        [&[8, 16, 32][..], &[8, 16, 32, 64]]
            .iter()
            .any(|strides| rows == Some(3 * cells(strides, layout.width, layout.height)))
    },
    decode,
};

fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    detects(graph)?;
    let output = only_output(graph, 3)?;
    let classes = match output.shape.as_slice() {
        [_, rows, record] => {
            record.fixed().filter(|&n| n > 5 && rows.fixed().is_none_or(|rows| rows > n)).map(|n| n - 5)
        }
        _ => None,
    };
    match classes {
        Some(classes) => Ok(Layout { width, height, classes: Some(classes), outputs: vec![0], ..Layout::default() }),
        None => Err(refuse(format!("[batch, anchors, 5 + classes] expected, the graph has {output}"))),
    }
}

/// Rows of centre, size, objectness and classes in input pixels.
pub fn decode(layout: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [output] = outputs else { return Ok(()) };
    for record in output.records(row, 5 + layout.classes.unwrap_or_default())? {
        let &[cx, cy, w, h, objectness, ref scores @ ..] = record else { continue };
        if !sink.passes(objectness) {
            continue;
        }
        let (class, score) = best(scores);
        let score = objectness * score;
        if sink.passes(score) {
            sink.push_centred(class, score, [cx, cy, w, h]);
        }
    }
    Ok(())
}
