//! NanoDet (RangiLyu, repository `nanodet`), with the box distribution of Li et al., "Generalized
//! Focal Loss", 2020: per stride one class output `[batch, cells, classes]`, already squashed, and one
//! distance output `[batch, cells, 4 · bins]`.
//!
//! Each side's distance from the cell centre ((x + ½)·s, (y + ½)·s) is the expectation over the bins
//! 0, 1, 2, … of the softmax of its logits, times the stride. Strides and bins come from the shapes.

use super::{Family, Layout, Level, Recipe, Row, Sink, Tensor, best, float_of_rank, refuse};
use crate::base::Result;
use crate::frame::{ChannelOrder, Fit};
use crate::infer::graph::{Dim, Graph, Port};

/// Mean and deviation of the training pictures per channel, blue first, in pixel values.
const MEAN: [f32; 3] = [103.53, 116.28, 123.675];
const DEVIATION: [f32; 3] = [57.375, 57.12, 58.395];

pub const FAMILY: Family = Family {
    name: "nanodet",
    outputs: "per stride: cls [B, cells, C] and dis [B, cells, 4·bins]",
    recipe: Some(Recipe {
        order: ChannelOrder::Bgr,
        fit: Fit::Stretch,
        pad: 0,
        scale: [1.0 / DEVIATION[0], 1.0 / DEVIATION[1], 1.0 / DEVIATION[2]],
        bias: [-MEAN[0] / DEVIATION[0], -MEAN[1] / DEVIATION[1], -MEAN[2] / DEVIATION[2]],
    }),
    suppress: true,
    single: false,
    fit,
    sure: |graph, _| graph.outputs.iter().all(|port| port.name.contains("cls_pred") || port.name.contains("dis_pred")),
    decode,
};

/// Layout: class and distance outputs alternate, finest stride first.
fn fit(graph: &Graph, (width, height): (usize, usize)) -> Result<Layout> {
    let mut layout = Layout { width, height, ..Layout::default() };
    let mut pairs = Vec::new();
    for (index, port) in graph.outputs.iter().enumerate().filter(|(_, port)| port.name.contains("cls")) {
        let (cells, classes) = cells_and_width(port)?;
        let level = [4, 8, 16, 32, 64, 128]
            .into_iter()
            .map(|stride| Level::new(stride, width, height))
            .find(|level| level.cells() == cells)
            .ok_or_else(|| refuse(format!("{port} is no grid of a {width}x{height} input")))?;
        let distances = graph.outputs.iter().enumerate().find_map(|(other, port)| {
            let (n, width) = cells_and_width(port).ok()?;
            ((port.name.contains("dis") || port.name.contains("reg")) && n == cells).then_some((other, width))
        });
        let Some((distances, bins)) = distances.filter(|(_, width)| width % 4 == 0 && *width >= 8) else {
            return Err(refuse(format!("no distance output [batch, {cells}, 4 x bins] belongs to {port}")));
        };
        if layout.classes.is_some_and(|n| n != classes) || (layout.bins != 0 && layout.bins != bins / 4) {
            return Err(refuse("class or distance outputs differ between strides".to_owned()));
        }
        layout.classes = Some(classes);
        layout.bins = bins / 4;
        pairs.push((level, [index, distances]));
    }
    if pairs.is_empty() || pairs.len() * 2 != graph.outputs.len() {
        return Err(refuse("pairs of class (cls) and distance (dis) outputs expected, one per stride".to_owned()));
    }
    pairs.sort_by_key(|(level, _)| level.stride);
    (layout.levels, layout.outputs) =
        (pairs.iter().map(|pair| pair.0).collect(), pairs.iter().flat_map(|pair| pair.1).collect());
    Ok(layout)
}

fn cells_and_width(port: &Port) -> Result<(usize, usize)> {
    float_of_rank(port, 3)?;
    match port.shape.as_slice() {
        [_, Dim::Fixed(cells), Dim::Fixed(width)] => Ok((*cells, *width)),
        _ => Err(refuse(format!("[batch, cells, n] with fixed sizes expected, the graph has {port}"))),
    }
}

fn decode(layout: &Layout, outputs: &[Tensor<'_>], row: Row, sink: &mut Sink<'_>) -> Result<()> {
    let classes = layout.classes.unwrap_or_default();
    for (level, pair) in layout.levels.iter().zip(outputs.chunks_exact(2)) {
        let [scores, distances] = pair else { continue };
        let records = scores.records(row, classes)?.zip(distances.records(row, 4 * layout.bins)?);
        let stride = level.stride as f32;
        for (cell, (scores, distances)) in records.take(level.cells()).enumerate() {
            let (class, score) = best(scores);
            if !sink.passes(score) {
                continue;
            }
            let cx = ((cell % level.columns) as f32 + 0.5) * stride;
            let cy = ((cell / level.columns) as f32 + 0.5) * stride;
            let mut sides = [f32::NAN; 4];
            for (side, logits) in sides.iter_mut().zip(distances.chunks_exact(layout.bins)) {
                *side = expectation(logits) * stride;
            }
            sink.push(class, score, [cx - sides[0], cy - sides[1], cx + sides[2], cy + sides[3]]);
        }
    }
    Ok(())
}

/// Expectation of 0, 1, 2, … under the softmax of the logits.
fn expectation(logits: &[f32]) -> f32 {
    let top = best(logits).1;
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::expectation;

    #[test]
    fn the_expectation_lies_where_the_logits_peak() {
        assert!((expectation(&[0.0, 0.0, 50.0, 0.0]) - 2.0).abs() < 1e-6);
        assert!((expectation(&[1.0; 8]) - 3.5).abs() < 1e-6);
    }
}
