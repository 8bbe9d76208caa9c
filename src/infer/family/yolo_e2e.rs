//! End-to-end YOLO: YOLOv10 (Wang et al., "YOLOv10: Real-Time End-to-End Object Detection", 2024),
//! YOLO26, and Ultralytics exports with suppression inside: `[batch, n, 6]` of
//! `x1, y1, x2, y2, score, class` in input pixels, at most `n` per picture, no suppression needed.

use super::{Family, Layout, Recipe, Row, Sink, Tensor, detects, only_output, refuse, tensor};
use crate::base::Result;
use crate::infer::graph::{Dim, Graph};
use crate::infer::metadata;

pub const FAMILY: Family = Family {
    name: "yolo_e2e",
    outputs: "[B, 300, 6]: x1, y1, x2, y2 in input pixels, score, class; no suppression needed",
    recipe: Some(Recipe::ULTRALYTICS),
    suppress: false,
    single: false,
    fit,
    sure: |graph, _| {
        // An RT-DETR export has [B, 300, 4 + classes], which with two classes is the same shape.
        let rows = graph.outputs.first().and_then(|output| output.shape.get(1)).and_then(Dim::fixed);
        let names = metadata::names(graph).map(|names| names.len());
        graph.meta("task") == Some("detect")
            && rows == Some(300)
            && (graph.meta("end2end") == Some("True") || names.is_some_and(|n| n != 2))
    },
    decode,
};

fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    detects(graph)?;
    let output = only_output(graph, 3)?;
    match output.shape.as_slice() {
        [_, rows, record] if record.fixed() == Some(6) && rows.fixed().is_none_or(|n| n <= 1000) => {}
        _ => return Err(refuse(format!("[batch, n, 6] with n up to 1000 expected, the graph has {output}"))),
    }
    let classes = metadata::names(graph).map(|names| names.len());
    Ok(Layout { width, height, classes, outputs: vec![0], ..Layout::default() })
}

fn decode(_: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [output] = outputs else { return Ok(()) };
    for record in output.records(row, 6)? {
        if let &[x1, y1, x2, y2, score, class] = record
            && sink.passes(score)
        {
            sink.push(tensor::from_float(class), score, [x1, y1, x2, y2]);
        }
    }
    Ok(())
}
