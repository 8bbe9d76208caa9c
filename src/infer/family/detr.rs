//! Transformer detectors: DETR (Carion et al., 2020), RT-DETR (Zhao et al., 2023), D-FINE, DEIM, RF-DETR.
//! One row per query; no suppression.
//!
//! `detr`: exports with the postprocessor inside: `labels`, `boxes` (x1, y1, x2, y2), `scores`, and a
//! second input `orig_target_sizes` (width, height) that boxes are scaled to. It is fed the input size,
//! so boxes come in input pixels like everybody else's. Some exports squeeze the batch dimension away.
//!
//! `detr_logits`: class logits `[batch, queries, classes]`, squashed by a sigmoid, and boxes
//! `[batch, queries, 4]` (cx, cy, w, h relative to the input).

use super::{Family, Layout, Recipe, Row, Sink, Tensor, differs, float_of_rank, named, refuse};
use crate::base::Result;
use crate::frame::{ChannelOrder, Fit};
use crate::infer::graph::{Element, Graph};

/// Name of the second input.
pub const SIZE_INPUT: &str = "orig_target_sizes";

pub const POSTPROCESSED: Family = Family {
    name: "detr",
    outputs: "labels [B, n], boxes [B, n, 4] scaled to orig_target_sizes, scores [B, n]; no suppression needed",
    recipe: Some(Recipe {
        order: ChannelOrder::Rgb,
        fit: Fit::Stretch,
        pad: 0,
        scale: [1.0 / 255.0; 3],
        bias: [0.0; 3],
    }),
    suppress: false,
    single: false,
    fit,
    // Nothing else has that second input.
    sure: |_, _| true,
    decode,
};

/// ImageNet mean and deviation, red first, of pixels scaled to 0..1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

pub const LOGITS: Family = Family {
    name: "detr_logits",
    outputs: "logits [B, n, C] and boxes [B, n, 4] as cx, cy, w, h from 0 to 1; no suppression needed",
    recipe: Some(Recipe {
        order: ChannelOrder::Rgb,
        fit: Fit::Stretch,
        pad: 0,
        scale: [1.0 / (255.0 * DEVIATION[0]), 1.0 / (255.0 * DEVIATION[1]), 1.0 / (255.0 * DEVIATION[2])],
        bias: [-MEAN[0] / DEVIATION[0], -MEAN[1] / DEVIATION[1], -MEAN[2] / DEVIATION[2]],
    }),
    suppress: false,
    single: false,
    fit: fit_logits,
    // RF-DETR's own pair of names; `pred_logits` may also be a softmax (DETR), or want other colours.
    sure: |graph, _| graph.outputs.iter().all(|port| port.name == "dets" || port.name == "labels"),
    decode: decode_logits,
};

fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    let sizes = graph.inputs.iter().find(|port| port.name == SIZE_INPUT);
    if sizes.is_none_or(|port| port.element != Element::I64 || port.shape.last().is_none_or(|dim| differs(dim, 2))) {
        return Err(refuse(format!("a second input {SIZE_INPUT} int64 [batch, 2] is expected")));
    }
    if graph.outputs.len() != 3 {
        return Err(refuse(format!("three outputs expected, the graph has {}", graph.outputs.len())));
    }
    let outputs = vec![named(graph, &["labels"])?, named(graph, &["boxes"])?, named(graph, &["scores"])?];
    Ok(Layout { width, height, outputs, ..Layout::default() })
}

fn decode(_: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [labels, boxes, scores] = outputs else { return Ok(()) };
    corner_boxes(boxes, scores, labels, [1.0, 1.0], row, sink)
}

/// Rows of corners with separate scores and classes; corners are multiplied by `scale` (x, y).
pub fn corner_boxes(
    boxes: &Tensor<'_>,
    scores: &Tensor<'_>,
    classes: &Tensor<'_>,
    scale: [f32; 2],
    row: Row,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let classes = classes.class_ids(row)?;
    for (place, (corners, &score)) in boxes.records(row, 4)?.zip(scores.floats(row)?).enumerate() {
        if let &[x1, y1, x2, y2] = corners
            && sink.passes(score)
        {
            sink.push(classes.get(place), score, [x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]]);
        }
    }
    Ok(())
}

fn fit_logits(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    if graph.outputs.len() != 2 {
        return Err(refuse(format!("two outputs expected, the graph has {}", graph.outputs.len())));
    }
    let boxes = named(graph, &["pred_boxes", "dets"])?;
    let logits = named(graph, &["pred_logits", "logits", "labels"])?;
    let port = |index: usize| graph.outputs.get(index).ok_or_else(|| refuse("an output is missing".to_owned()));
    let (boxes_port, logits_port) = (float_of_rank(port(boxes)?, 3)?, float_of_rank(port(logits)?, 3)?);
    if boxes_port.shape.last().is_none_or(|dim| differs(dim, 4)) {
        return Err(refuse(format!("boxes [batch, n, 4] expected, the graph has {boxes_port}")));
    }
    let Some(classes) = logits_port.shape.last().and_then(super::Dim::fixed) else {
        return Err(refuse(format!("logits [batch, n, classes] expected, the graph has {logits_port}")));
    };
    Ok(Layout { width, height, classes: Some(classes), outputs: vec![logits, boxes], ..Layout::default() })
}

fn decode_logits(layout: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [logits, boxes] = outputs else { return Ok(()) };
    let (width, height) = (layout.width as f32, layout.height as f32);
    // The inverse of the sigmoid: no exponential for the many that stay below.
    let threshold = sink.threshold().clamp(1e-6, 1.0 - 1e-6);
    let least = (threshold / (1.0 - threshold)).ln();
    let records = logits.records(row, layout.classes.unwrap_or_default())?.zip(boxes.records(row, 4)?);
    for (logits, centred) in records {
        for (class, &logit) in logits.iter().enumerate() {
            if let (false, &[cx, cy, w, h]) = (logit < least, centred) {
                let score = 1.0 / (1.0 + (-logit).exp());
                sink.push_centred(class, score, [cx * width, cy * height, w * width, h * height]);
            }
        }
    }
    Ok(())
}
