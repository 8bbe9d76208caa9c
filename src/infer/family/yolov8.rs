//! Ultralytics YOLOv8, v9, v11 and relatives (repository `ultralytics`): `[batch, 4 + classes, anchors]`,
//! one column per cell: `cx, cy, w, h` in input pixels, then class scores, already squashed; no objectness.

use super::{Family, Layout, Recipe, Row, Sink, Tensor, cells, detects, only_output, refuse};
use crate::base::Result;
use crate::infer::graph::{Dim, Graph};
use crate::infer::metadata;

pub const FAMILY: Family = Family {
    name: "yolov8",
    outputs: "[B, 4+C, cells]: cx, cy, w, h in input pixels; classes",
    recipe: Some(Recipe::ULTRALYTICS),
    suppress: true,
    single: false,
    fit,
    sure,
    decode,
};

fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    detects(graph)?;
    let output = only_output(graph, 3)?;
    let classes = match output.shape.as_slice() {
        [_, record, columns] => {
            record.fixed().filter(|&n| n > 4 && columns.fixed().is_none_or(|columns| columns > n)).map(|n| n - 4)
        }
        _ => None,
    };
    match classes {
        Some(classes) => Ok(Layout { width, height, classes: Some(classes), outputs: vec![0], ..Layout::default() }),
        None => Err(refuse(format!("[batch, 4 + classes, anchors] expected, the graph has {output}"))),
    }
}

/// Pose and segmentation exports have more rows than 4 + classes, so a graph without metadata is
/// surely a detector only with COCO's number of classes.
fn sure(graph: &Graph, layout: &Layout) -> bool {
    let columns = graph.outputs.first().and_then(|output| output.shape.get(2)).and_then(Dim::fixed);
    let grid = columns.is_none_or(|columns| {
        [&[8, 16, 32][..], &[8, 16, 32, 64], &[4, 8, 16, 32]]
            .iter()
            .any(|strides| columns == cells(strides, layout.width, layout.height))
    });
    let classes = match (graph.meta("task"), metadata::names(graph)) {
        (Some("detect"), Some(names)) => layout.classes == Some(names.len()),
        (None, None) => layout.classes == Some(80) && columns.is_some(),
        _ => false,
    };
    grid && classes
}

fn decode(layout: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let [output] = outputs else { return Ok(()) };
    let rows = 4 + layout.classes.unwrap_or_default();
    let data = output.floats(row)?;
    let columns = data.len() / rows;
    if columns == 0 || output.last_two() != Some((rows, columns)) {
        return Err(refuse(format!(
            "the model gave an output of shape {:?}, [batch, {rows}, anchors] was expected",
            output.shape
        )));
    }
    let (boxes, scores) = data.split_at(4 * columns);
    // Memory runs along the anchors: one pass per class over consecutive numbers, in blocks that stay
    // in the first-level cache.
    const BLOCK: usize = 256;
    let mut best = [(0usize, 0f32); BLOCK];
    let mut start = 0;
    while start < columns {
        let len = BLOCK.min(columns - start);
        best.fill((usize::MAX, 0.0));
        let mut any = false;
        for (class, scores) in scores.chunks_exact(columns).enumerate() {
            let Some(scores) = scores.get(start..start + len) else { break };
            // A quick look first: in most blocks no anchor passes for most classes.
            if !scores.iter().fold(false, |any, &score| any | sink.passes(score)) {
                continue;
            }
            any = true;
            for (best, &score) in best.iter_mut().zip(scores) {
                if sink.passes(score) && (best.0 == usize::MAX || score > best.1 || best.1.is_nan()) {
                    *best = (class, score);
                }
            }
        }
        if any {
            for (offset, &(class, score)) in best.iter().take(len).enumerate() {
                if class != usize::MAX {
                    let at = |k: usize| boxes.get(k * columns + start + offset).copied().unwrap_or(f32::NAN);
                    sink.push_centred(class, score, [at(0), at(1), at(2), at(3)]);
                }
            }
        }
        start += len;
    }
    Ok(())
}
