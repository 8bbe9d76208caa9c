//! What an ONNX file says about itself, read without ONNX Runtime: inputs, outputs, metadata, the
//! files it refers to. Field numbers are those of `onnx.proto` (IR version 3 and later).
//!
//! Reading it ourselves lets a file be refused before the runtime opens any path that the file names,
//! and lets `models inspect` work on a machine without the runtime. Weights are never copied.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::{Serialize, Serializer};

use super::external;
use super::protobuf::{Fields, Malformed, Value};
use crate::base::{Error, ErrorKind, Result};

/// Operators that move or squash values without computing boxes from them. An output that comes from
/// convolutions through these alone is a raw grid: nobody has decoded it inside the graph.
const PASSING: &[&str] = &[
    "Transpose",
    "Reshape",
    "Concat",
    "Flatten",
    "Sigmoid",
    "Cast",
    "Identity",
    "Squeeze",
    "Unsqueeze",
    "DequantizeLinear",
    "QuantizeLinear",
];

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    U8,
    I32,
    I64,
    /// Any other, by its number in `TensorProto.DataType`.
    Other(u64),
}

impl From<u64> for Element {
    fn from(number: u64) -> Self {
        match number {
            1 => Self::F32,
            2 => Self::U8,
            6 => Self::I32,
            7 => Self::I64,
            10 => Self::F16,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("float32"),
            Self::F16 => f.write_str("float16"),
            Self::U8 => f.write_str("uint8"),
            Self::I32 => f.write_str("int32"),
            Self::I64 => f.write_str("int64"),
            Self::Other(number) => write!(f, "onnx type {number}"),
        }
    }
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One dimension of a declared shape; a number, a name or `null` in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dim {
    /// Known.
    Fixed(usize),
    /// Chosen at run time; equal names are equal sizes.
    Symbol(String),
    /// Chosen at run time.
    Unknown,
}

impl Dim {
    /// The size, when known.
    #[must_use]
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(*n),
            _ => None,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => n.fmt(f),
            Self::Symbol(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Declared shape.
    pub shape: Vec<Dim>,
    /// Outputs: whether it comes from convolutions through reordering and sigmoids alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [", self.name, self.element)?;
        for (i, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// What the file says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Inputs that the caller must feed (initialisers that are listed as inputs are left out).
    pub inputs: Vec<Port>,
    /// Outputs in order.
    pub outputs: Vec<Port>,
    /// `metadata_props`.
    pub metadata: BTreeMap<String, String>,
    /// Program that wrote the file, with its version.
    pub producer: Option<String>,
    /// Operator set versions by domain; the default domain is `ai.onnx`.
    pub opsets: BTreeMap<String, u64>,
    /// ONNX IR version.
    pub ir_version: u64,
    /// Files beside the model that hold weights.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub external_files: BTreeSet<String>,
}

impl Graph {
    /// Reads a `ModelProto`.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are no ONNX model; `Config` when it keeps weights in a file that is
    /// not inside the model's own folder.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut graph = Self::default();
        let mut has_graph = false;
        let not_onnx = || {
            Error::new(ErrorKind::Corrupt, "not an ONNX model, or a damaged one")
                .help("check the download: compare its size and SHA-256 with the source")
        };
        (|| {
            for field in Fields::of(bytes) {
                match field? {
                    (1, Value::Varint(version)) => graph.ir_version = version,
                    (2, name) => graph.producer = name.text().filter(|n| !n.is_empty()),
                    (3, version) => {
                        if let (Some(name), Some(version)) = (&mut graph.producer, version.text()) {
                            *name = format!("{name} {version}").trim_end().to_owned();
                        }
                    }
                    (7, Value::Bytes(body)) => {
                        has_graph = true;
                        graph.body(body)?;
                    }
                    (8, Value::Bytes(opset)) => graph.opset(opset)?,
                    (14, Value::Bytes(pair)) => {
                        let (key, value) = key_value(pair)?;
                        graph.metadata.insert(key, value);
                    }
                    _ => {}
                }
            }
            external::of_model(bytes, &mut graph.external_files)?;
            if has_graph && !graph.outputs.is_empty() { Ok(()) } else { Err(Malformed) }
        })()
        .map_err(|Malformed| not_onnx())?;
        for file in &graph.external_files {
            if !external::stays_inside(file) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the model keeps weights in {file:?}, which is outside its own folder"),
                )
                .help("re-export the model with its weights inside the .onnx file or in a file beside it"));
            }
        }
        Ok(graph)
    }

    fn opset(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let (mut domain, mut version) = (String::new(), 0);
        for field in Fields::of(bytes) {
            match field? {
                (1, name) => domain = name.text().unwrap_or_default(),
                (2, Value::Varint(number)) => version = number,
                _ => {}
            }
        }
        let domain = if domain.is_empty() { "ai.onnx".to_owned() } else { domain };
        self.opsets.insert(domain, version);
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut initialisers = BTreeSet::new();
        let mut producers = HashMap::new();
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(bytes)) => Node::read(bytes)?.register(&mut producers),
                (5, Value::Bytes(tensor)) => {
                    for field in Fields::of(tensor) {
                        if let (8, name) = field? {
                            initialisers.extend(name.text());
                        }
                    }
                }
                (11, Value::Bytes(port)) => self.inputs.push(port_from(port)?),
                (12, Value::Bytes(port)) => self.outputs.push(port_from(port)?),
                _ => {}
            }
        }
        self.inputs.retain(|port| !initialisers.contains(&port.name));
        for port in &mut self.outputs {
            port.raw = comes_from_convolutions(&port.name, &producers);
        }
        Ok(())
    }

    /// The picture input: the only float or byte input of rank 4 with three channels.
    #[must_use]
    pub fn picture(&self) -> Option<&Port> {
        let mut pictures = self.inputs.iter().filter(|port| port.shape.len() == 4 && port.element != Element::I64);
        pictures.next().filter(|_| pictures.next().is_none())
    }

    /// A value of the metadata.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

/// Operator and inputs of a node; its outputs are the keys it is stored under.
#[derive(Debug, Default)]
struct Node {
    op: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Node {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut node = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, name) => node.inputs.extend(name.text()),
                (2, name) => node.outputs.extend(name.text()),
                (4, op) => node.op = op.text().unwrap_or_default(),
                _ => {}
            }
        }
        Ok(node)
    }

    fn register(mut self, producers: &mut HashMap<String, (String, Vec<String>)>) {
        for output in std::mem::take(&mut self.outputs) {
            producers.insert(output, (self.op.clone(), self.inputs.clone()));
        }
    }
}

/// Follows an output backwards; see [`PASSING`].
fn comes_from_convolutions(output: &str, producers: &HashMap<String, (String, Vec<String>)>) -> bool {
    let mut open = vec![output];
    let mut seen = BTreeSet::new();
    let mut convolutions = 0;
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        match producers.get(name) {
            Some((op, _)) if op == "Conv" => convolutions += 1,
            Some((op, inputs)) if op == "Concat" => open.extend(inputs.iter().map(String::as_str)),
            // Only the first input carries values; the others are shapes, axes, scales.
            Some((op, inputs)) if PASSING.contains(&op.as_str()) => open.extend(inputs.first().map(String::as_str)),
            _ => return false,
        }
    }
    convolutions > 0
}

fn key_value(bytes: &[u8]) -> Result<(String, String), Malformed> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in Fields::of(bytes) {
        match field? {
            (1, text) => key = text.text().unwrap_or_default(),
            (2, text) => value = text.text().unwrap_or_default(),
            _ => {}
        }
    }
    Ok((key, value))
}

/// A `ValueInfoProto`: name, then `type.tensor_type.{elem_type, shape.dim[]}`.
fn port_from(bytes: &[u8]) -> Result<Port, Malformed> {
    let mut port = Port { name: String::new(), element: Element::Other(0), shape: Vec::new(), raw: false };
    for field in Fields::of(bytes) {
        match field? {
            (1, name) => port.name = name.text().unwrap_or_default(),
            (2, Value::Bytes(kind)) => {
                for field in Fields::of(kind) {
                    if let (1, Value::Bytes(tensor)) = field? {
                        for field in Fields::of(tensor) {
                            match field? {
                                (1, Value::Varint(element)) => port.element = element.into(),
                                (2, Value::Bytes(shape)) => port.shape = shape_from(shape)?,
                                _ => {}
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

fn shape_from(bytes: &[u8]) -> Result<Vec<Dim>, Malformed> {
    let mut shape = Vec::new();
    for field in Fields::of(bytes) {
        if let (1, Value::Bytes(dim)) = field? {
            let mut found = Dim::Unknown;
            for field in Fields::of(dim) {
                match field? {
                    // Exporters write 0 or -1 for "any".
                    (1, Value::Varint(n)) if n > 0 && n <= i32::MAX as u64 => found = Dim::Fixed(n as usize),
                    (2, name) => found = name.text().filter(|n| !n.is_empty()).map_or(Dim::Unknown, Dim::Symbol),
                    _ => {}
                }
            }
            shape.push(found);
        }
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_model_are_refused() {
        for bytes in [&b""[..], b"<html>404</html>", &[0x3a, 0x02, 0x0a], &[0; 64]] {
            assert_eq!(Graph::read(bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = Graph::read(&bytes);
        }
    }
}
