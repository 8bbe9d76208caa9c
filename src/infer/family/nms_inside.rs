//! Graphs that suppress inside: `boxes` (x1, y1, x2, y2), `scores` and `labels` of a varying number of
//! boxes, as torchvision exports them (`nms_inside`, input pixels), and the SSD models of the ONNX
//! model collection with `bboxes` relative to the input (`ssd`).
//!
//! The layout says nothing about how pictures are prepared, so these need a `model.yaml`. Many count
//! classes from 1, with 0 as background: then the first label is a placeholder.

use super::detr::corner_boxes;
use super::{Family, Layout, Row, Sink, Tensor, named, refuse};
use crate::base::Result;
use crate::infer::graph::Graph;

pub const PIXELS: Family = Family {
    name: "nms_inside",
    outputs: "boxes [n, 4] in input pixels, scores [n], labels [n]; n varies, no suppression needed",
    recipe: None,
    suppress: false,
    single: true,
    fit: |graph, size| fit(graph, size, "boxes"),
    sure: |_, _| true,
    decode: |_, outputs, row, sink| decode(outputs, [1.0, 1.0], row, sink),
};

pub const SSD: Family = Family {
    name: "ssd",
    outputs: "bboxes [1, n, 4] from 0 to 1, scores [1, n], labels [1, n]; no suppression needed",
    recipe: None,
    suppress: false,
    single: true,
    fit: |graph, size| fit(graph, size, "bboxes"),
    sure: |_, _| true,
    decode: |layout, outputs, row, sink| decode(outputs, [layout.width as f32, layout.height as f32], row, sink),
};

fn fit(graph: &Graph, (width, height): (usize, usize), boxes_name: &str) -> Result<Layout> {
    if graph.inputs.len() != 1 || graph.outputs.len() != 3 {
        return Err(refuse(format!(
            "one input and three outputs expected, the graph has {} and {}",
            graph.inputs.len(),
            graph.outputs.len()
        )));
    }
    let outputs = vec![named(graph, &[boxes_name])?, named(graph, &["scores"])?, named(graph, &["labels", "classes"])?];
    let boxes = outputs.first().and_then(|&index| graph.outputs.get(index));
    if boxes.is_none_or(|port| port.shape.last().is_none_or(|dim| dim.fixed() != Some(4))) {
        return Err(refuse(format!("{boxes_name} of shape [.., 4] expected")));
    }
    if let Some(port) = graph.outputs.iter().find(|port| !port.element.readable()) {
        return Err(refuse(format!("floats and integers expected, the graph has {port}")));
    }
    Ok(Layout { width, height, outputs, ..Layout::default() })
}

fn decode(outputs: &[Tensor<'_>], scale: [f32; 2], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [boxes, scores, labels] = outputs else { return Ok(()) };
    corner_boxes(boxes, scores, labels, scale, row, sink)
}
