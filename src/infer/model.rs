//! Opens a model: a folder with `model.yaml` and one `.onnx` file, or a bare `.onnx` file.
//!
//! What comes out is complete: family, labels, input and thresholds are known, or there is an error
//! that says what is missing. Nothing here needs ONNX Runtime.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::family::{self, Family, Layout, detr};
use super::graph::{Dim, Element, Graph};
use super::manifest::{self, Input, LabelSource, Manifest, Thresholds};
use super::options::ModelOptions;
use super::{coco, licence, metadata};
use crate::base::{Error, ErrorKind, Result};
use crate::frame::TensorSpec;
use crate::scene::Labels;

/// Largest file read: protobuf messages end at 2 GiB.
const MAX_BYTES: u64 = 2 << 30;
/// Largest input side in pixels.
const MAX_SIDE: usize = 16_384;
/// Most rows in a fixed batch.
const MAX_BATCH: usize = 256;

/// How many pictures a graph takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// Always this many; unused rows are padded.
    Fixed(usize),
    /// Any number.
    Dynamic,
}

/// An opened model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name for people: from `model.yaml`, else the file's.
    pub name: String,
    /// The `.onnx` file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Family name.
    pub family: &'static str,
    /// Class names.
    pub labels: Labels,
    /// What one row of the input looks like.
    pub spec: TensorSpec,
    /// Rows per run.
    pub batch: Batch,
    /// Score and suppression thresholds in force.
    pub thresholds: Thresholds,
    /// Licence of the weights, when `model.yaml`, the metadata or a file in the model's folder states one.
    pub licence: Option<String>,
    /// Where the weights come from, when `model.yaml` says so.
    pub source: Option<String>,
    /// What the file says about itself.
    pub graph: Graph,
    pub(super) decoder: &'static Family,
    pub(super) layout: Layout,
}

/// A model file as found and read, before anything is made of it.
pub(super) struct Found {
    pub path: PathBuf,
    pub bytes: u64,
    pub sha256: String,
    pub graph: Graph,
    pub manifest: Option<Manifest>,
}

impl Model {
    /// Opens a model folder or a bare `.onnx` file.
    ///
    /// # Errors
    /// `NotFound` when there is no such file; `Corrupt` for a damaged file or a wrong checksum;
    /// `Unsupported` for a graph that no family reads; `Config` when settings are missing or
    /// contradict the graph.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self> {
        let found = Found::read(path)?;
        let shown = found.path.display().to_string();
        Self::resolve(found, options).map_err(|error| error.context(shown))
    }

    pub(super) fn resolve(found: Found, options: &ModelOptions) -> Result<Self> {
        let Found { path, bytes, sha256, graph, manifest } = found;
        let input = manifest.as_ref().and_then(|m| m.input.clone()).unwrap_or_default();
        let size = input_size(&graph, &input, options)?;
        let told = options.family.as_deref().or(manifest.as_ref().map(|m| m.family.as_str()));
        let (decoder, layout) = match told {
            Some(name) => {
                let family = family::find(name)?;
                let layout = (family.fit)(&graph, size).map_err(|error| error.context(format!("not {name}")))?;
                (family, layout)
            }
            None => family::recognise(&graph, size)?,
        };
        let spare = graph.inputs.iter().find(|port| port.shape.len() != 4 && port.name != detr::SIZE_INPUT);
        if let Some(port) = spare {
            return Err(Error::new(ErrorKind::Unsupported, format!("the graph wants a second input: {port}")));
        }
        let spec = input.spec(decoder.recipe, size)?;
        let batch = match graph.picture().and_then(|port| port.shape.first()) {
            Some(&Dim::Fixed(n)) if n > MAX_BATCH || (decoder.single && n > 1) => {
                return Err(Error::new(ErrorKind::Unsupported, format!("a fixed batch of {n} pictures")));
            }
            Some(&Dim::Fixed(n)) => Batch::Fixed(n),
            _ if decoder.single => Batch::Fixed(1),
            _ => Batch::Dynamic,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let labels = labels(&graph, &layout, manifest.as_ref(), options, folder)?;
        let own = manifest.as_ref().map(|m| m.thresholds).unwrap_or_default();
        let thresholds = Thresholds { score: options.score.unwrap_or(own.score), nms: options.nms.unwrap_or(own.nms) };
        for (name, value) in [("score", thresholds.score), ("nms", thresholds.nms)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::new(ErrorKind::Config, format!("threshold {name} is {value}, it must be 0 to 1")));
            }
        }
        let name = manifest.as_ref().map(|m| m.name.clone()).unwrap_or_else(|| {
            path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
        });
        let licence = licence::stated(&path, manifest.as_ref(), &graph);
        let source = manifest.and_then(|m| m.source);
        Ok(Self {
            name,
            path,
            bytes,
            sha256,
            family: decoder.name,
            labels: Labels::new(labels),
            spec,
            batch,
            thresholds,
            licence,
            source,
            graph,
            decoder,
            layout,
        })
    }

    /// The `model.yaml` that describes this model.
    pub(super) fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.clone(),
            file: self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            family: self.family.to_owned(),
            input: Some(Input::from(&self.spec)),
            labels: Some(LabelSource::Names(self.labels.names().to_vec())),
            sha256: self.sha256.clone(),
            licence: self.licence.clone(),
            source: self.source.clone(),
            thresholds: self.thresholds,
        }
    }
}

impl Found {
    /// Reads the file that `path` names or contains, and its `model.yaml`.
    pub fn read(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::io(path, error).help("name a folder with model.yaml and one .onnx file, or an .onnx file")
        })?;
        let (file, manifest) = if metadata.is_dir() { in_folder(path)? } else { (path.to_owned(), None) };
        let bytes = read_file(&file)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if let Some(stated) =
            manifest.as_ref().map(|m| m.sha256.to_ascii_lowercase()).filter(|stated| *stated != sha256)
        {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: its SHA-256 is {sha256}, model.yaml states {stated}", file.display()),
            )
            .help(
                "the file is damaged or was replaced: fetch it again, or correct model.yaml if the change was meant",
            ));
        }
        let graph = Graph::read(&bytes).map_err(|error| error.context(file.display()))?;
        Ok(Self { path: file, bytes: bytes.len() as u64, sha256, graph, manifest })
    }
}

/// Reads a model file whole.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let len = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if len > MAX_BYTES {
        return Err(Error::new(ErrorKind::Unsupported, format!("{}: larger than 2 GiB", path.display())));
    }
    std::fs::read(path).map_err(|error| Error::io(path, error))
}

fn in_folder(folder: &Path) -> Result<(PathBuf, Option<Manifest>)> {
    let yaml = folder.join(manifest::FILE_NAME);
    if yaml.is_file() {
        let manifest = Manifest::read(&yaml)?;
        return Ok((folder.join(&manifest.file), Some(manifest)));
    }
    let mut models: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| Error::io(folder, error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    models.sort();
    match models.as_slice() {
        [only] => Ok((only.clone(), None)),
        [] => Err(Error::new(ErrorKind::NotFound, format!("{}: no .onnx file in this folder", folder.display()))),
        [first, second, ..] => Err(Error::new(
            ErrorKind::Config,
            format!("{}: more than one .onnx file: {}, {}", folder.display(), first.display(), second.display()),
        )
        .help("name the file itself, or write a model.yaml that says which")),
    }
}

/// Checks the picture input and settles its width and height.
fn input_size(graph: &Graph, input: &Input, options: &ModelOptions) -> Result<(usize, usize)> {
    let unsupported = |what: String| Error::new(ErrorKind::Unsupported, what);
    let Some(port) = graph.picture() else {
        let inputs: Vec<String> = graph.inputs.iter().map(ToString::to_string).collect();
        return Err(unsupported(format!(
            "one picture input of rank 4 is expected, the graph has {}",
            inputs.join("; ")
        )));
    };
    let [_, channels, height, width] = port.shape.as_slice() else {
        return Err(unsupported(format!("a picture input of rank 4 is expected, the graph has {port}")));
    };
    if width.fixed() == Some(3) && channels.fixed() != Some(3) {
        return Err(unsupported(format!("the input has its channels last: {port}"))
            .help("export the model with channels first, [batch, 3, height, width]"));
    }
    if channels.fixed().is_some_and(|n| n != 3) {
        return Err(unsupported(format!("a picture has 3 channels, the input is {port}")));
    }
    if !matches!(port.element, Element::F32 | Element::F16) {
        return Err(unsupported(format!("float pictures are fed, the input is {port}"))
            .help("export the model with a float32 or float16 input; preparation inside the graph is not supported"));
    }
    let wanted = options.input.or(input.width.zip(input.height));
    let (width, height) = match (width.fixed().zip(height.fixed()), wanted) {
        (Some(own), Some(wanted)) if own != wanted => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the input is {}x{}, {}x{} was asked for", own.0, own.1, wanted.0, wanted.1),
            )
            .help("a graph with a fixed input size takes no other"));
        }
        (Some(own), _) => own,
        (None, Some(wanted)) => wanted,
        (None, None) => metadata::input_size(graph).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the graph leaves its input size open: {port}"))
                .help("give --input WIDTHxHEIGHT, or input.width and input.height in model.yaml")
        })?,
    };
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(Error::new(ErrorKind::Config, format!("an input of {width}x{height} pixels")));
    }
    Ok((width, height))
}

fn labels(
    graph: &Graph,
    layout: &Layout,
    manifest: Option<&Manifest>,
    options: &ModelOptions,
    folder: &Path,
) -> Result<Vec<String>> {
    let told = match (&options.labels, manifest.and_then(|m| m.labels.as_ref())) {
        (Some(path), _) => Some(manifest::read_labels(path)?),
        (None, Some(LabelSource::File(file))) => Some(manifest::read_labels(&folder.join(file))?),
        (None, Some(LabelSource::Names(names))) => Some(names.clone()),
        (None, None) => metadata::names(graph),
    };
    let labels = match (told, layout.classes) {
        (Some(names), _) => names,
        (None, Some(80)) => coco::NAMES.map(str::to_owned).to_vec(),
        (None, classes) => {
            let classes = classes
                .map_or("a number of classes that the graph does not show".to_owned(), |n| format!("{n} classes"));
            return Err(Error::new(ErrorKind::Config, format!("the model has {classes} and no names for them"))
                .help("give --labels FILE with one name per line, or labels in model.yaml"));
        }
    };
    if let Some(classes) = layout.classes.filter(|&classes| classes != labels.len()) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("the model has {classes} classes, there are {} labels", labels.len()),
        )
        .help("labels must be in the model's own order, one for each class"));
    }
    if labels.is_empty() || labels.len() > usize::from(u16::MAX) {
        return Err(Error::new(ErrorKind::Config, format!("{} labels", labels.len())));
    }
    Ok(labels)
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
