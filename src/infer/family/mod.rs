//! The output layouts that the program can decode, one file and one row of [`TABLE`] each.
//!
//! A family is told by name (`--family`, `model.yaml`) or recognised from the graph, and then only
//! when the evidence leaves no second reading: boxes decoded by the wrong family look plausible.

pub mod detr;
mod nanodet;
mod nms_inside;
mod sink;
mod tensor;
mod yolo_e2e;
mod yolov5;
mod yolov8;
mod yolox;

pub use sink::{DecodeStats, Sink};
pub use tensor::{Data, Row, Tensor};

use super::graph::{Dim, Element, Graph, Port};
use crate::base::{Error, ErrorKind, Result};
use crate::frame::{ChannelOrder, Fit};

/// How pictures are prepared for a family, unless `model.yaml` says otherwise. Fields as in
/// [`crate::frame::TensorSpec`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    pub order: ChannelOrder,
    pub fit: Fit,
    pub pad: u8,
    pub scale: [f32; 3],
    pub bias: [f32; 3],
}

impl Recipe {
    /// Ultralytics: RGB 0 to 1, centred on grey.
    const ULTRALYTICS: Self =
        Self { order: ChannelOrder::Rgb, fit: Fit::LetterboxCentre, pad: 114, scale: [1.0 / 255.0; 3], bias: [0.0; 3] };
    /// YOLOX: BGR as it is, top-left on grey.
    const YOLOX: Self =
        Self { order: ChannelOrder::Bgr, fit: Fit::LetterboxTopLeft, pad: 114, scale: [1.0; 3], bias: [0.0; 3] };
}

/// One stride of a grid of cells, row-major within the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Input pixels per cell.
    pub stride: usize,
    /// Cells across.
    pub columns: usize,
    /// Cells down.
    pub rows: usize,
}

impl Level {
    fn new(stride: usize, width: usize, height: usize) -> Self {
        Self { stride, columns: width.div_ceil(stride), rows: height.div_ceil(stride) }
    }

    fn cells(self) -> usize {
        self.columns * self.rows
    }
}

fn levels(strides: &[usize], width: usize, height: usize) -> Vec<Level> {
    strides.iter().map(|&stride| Level::new(stride, width, height)).collect()
}

fn cells(strides: &[usize], width: usize, height: usize) -> usize {
    strides.iter().map(|&stride| Level::new(stride, width, height).cells()).sum()
}

/// A graph as a family reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Input width in pixels.
    pub width: usize,
    /// Input height in pixels.
    pub height: usize,
    /// Number of classes, when the shapes show it.
    pub classes: Option<usize>,
    /// Positions of the graph's outputs in the order that the decoder takes them.
    pub outputs: Vec<usize>,
    /// Grid levels, for families with a grid.
    pub levels: Vec<Level>,
    /// Distance bins per box side (NanoDet).
    pub bins: usize,
}

/// One output layout.
pub struct Family {
    /// Name in `model.yaml` and on the command line.
    pub name: &'static str,
    /// The outputs in words.
    pub outputs: &'static str,
    /// How pictures are prepared; `None` when the layout says nothing about it.
    pub recipe: Option<Recipe>,
    /// Whether boxes need suppression after decoding.
    pub suppress: bool,
    /// Whether the boxes of several pictures could not be told apart, so that pictures run one by one.
    pub single: bool,
    /// Reads a graph with this input size (width, height), or says why it cannot be this family.
    pub fit: fn(&Graph, (usize, usize)) -> Result<Layout>,
    /// Whether a graph that fits can be nothing else.
    pub sure: fn(&Graph, &Layout) -> bool,
    /// Reads one picture's boxes; tensors come in the layout's order.
    pub decode: fn(&Layout, &[Tensor<'_>], Row, &mut Sink<'_>) -> Result<()>,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every family.
pub static TABLE: &[Family] = &[
    yolox::RAW,
    yolox::DECODED,
    yolov5::FAMILY,
    yolov8::FAMILY,
    yolo_e2e::FAMILY,
    nanodet::FAMILY,
    detr::POSTPROCESSED,
    detr::LOGITS,
    nms_inside::PIXELS,
    nms_inside::SSD,
];

/// Names of all families, for messages.
#[must_use]
pub fn names() -> String {
    TABLE.iter().map(|family| family.name).collect::<Vec<_>>().join(", ")
}

/// The family of a name.
///
/// # Errors
/// `Config` when there is none.
pub fn find(name: &str) -> Result<&'static Family> {
    TABLE.iter().find(|family| family.name == name).ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("there is no model family {name:?}")).help(format!("one of: {}", names()))
    })
}

/// The family and layout of a graph, when its evidence leaves one reading.
///
/// # Errors
/// `Unsupported`, with the families it might be.
pub fn recognise(graph: &Graph, size: (usize, usize)) -> Result<(&'static Family, Layout)> {
    let fitting: Vec<(&'static Family, Layout)> =
        TABLE.iter().filter_map(|family| (family.fit)(graph, size).ok().map(|layout| (family, layout))).collect();
    let mut sure: Vec<_> = fitting.iter().filter(|(family, layout)| (family.sure)(graph, layout)).cloned().collect();
    if let (Some(only), true) = (sure.pop(), sure.is_empty()) {
        return Ok(only);
    }
    let candidates: Vec<&str> = fitting.iter().map(|(family, _)| family.name).collect();
    Err(if candidates.is_empty() {
        let outputs: Vec<String> = graph.outputs.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::Unsupported, format!("no model family has these outputs: {}", outputs.join("; ")))
            .help(format!("families: {}; see models/README.md", names()))
    } else {
        Error::new(
            ErrorKind::Unsupported,
            format!("the graph does not show which family it is; it might be {}", candidates.join(" or ")),
        )
        .help("say which with --family NAME, or in a model.yaml beside the file; add --labels FILE for class names")
    })
}

/// The only output, of the given rank and a float type.
fn only_output(graph: &Graph, rank: usize) -> Result<&Port> {
    let [output] = graph.outputs.as_slice() else {
        return Err(refuse(format!("one output expected, the graph has {}", graph.outputs.len())));
    };
    float_of_rank(output, rank)
}

fn float_of_rank(port: &Port, rank: usize) -> Result<&Port> {
    if port.shape.len() != rank {
        return Err(refuse(format!("output of rank {rank} expected, the graph has {port}")));
    }
    if !matches!(port.element, Element::F32 | Element::F16) {
        return Err(refuse(format!("float output expected, the graph has {port}")));
    }
    Ok(port)
}

/// Position of the output with one of these names.
fn named(graph: &Graph, names: &[&str]) -> Result<usize> {
    graph
        .outputs
        .iter()
        .position(|port| names.contains(&port.name.as_str()))
        .ok_or_else(|| refuse(format!("no output is named {}", names.join(" or "))))
}

fn refuse(why: String) -> Error {
    Error::new(ErrorKind::Unsupported, why)
}

fn differs(dim: &Dim, wanted: usize) -> bool {
    dim.fixed().is_some_and(|n| n != wanted)
}

/// Refuses the Ultralytics exports that share a layout with detection but hold more than boxes.
fn detects(graph: &Graph) -> Result<()> {
    match graph.meta("task") {
        None | Some("detect") => Ok(()),
        Some(task) => Err(refuse(format!("the model's task is {task:?}, only \"detect\" gives boxes"))),
    }
}

/// Index and value of the largest number; NaN only when all are.
fn best(scores: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NAN);
    for (class, &score) in scores.iter().enumerate() {
        if score > best.1 || best.1.is_nan() {
            best = (class, score);
        }
    }
    best
}

#[cfg(test)]
mod tests;
