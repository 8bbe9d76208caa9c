//! `model.yaml`: what an ONNX file cannot say about itself. `models/README.md` documents every field.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::external::stays_inside;
use super::family::Recipe;
use crate::base::{Error, ErrorKind, Result};
use crate::frame::{ChannelOrder, Fit, TensorSpec};

/// Name of the file in a model's folder.
pub const FILE_NAME: &str = "model.yaml";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name for people.
    pub name: String,
    /// The `.onnx` file, beside this one.
    pub file: String,
    /// Family name (see [`super::family::TABLE`]).
    pub family: String,
    /// How pictures are prepared; the family's own way without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// Class names, or the file that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSource>,
    /// SHA-256 of the `.onnx` file, hexadecimal.
    pub sha256: String,
    /// Licence of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the weights come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Thresholds that suit the model.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// `labels:`: a list of names, or a text file beside `model.yaml` with one name per line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelSource {
    /// The names in class order.
    Names(Vec<String>),
    /// The file's name.
    File(String),
}

/// Score and suppression thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Lowest score kept.
    pub score: f32,
    /// IoU from which the weaker of two boxes of one class goes.
    pub nms: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { score: 0.25, nms: 0.45 }
    }
}

/// `input:`; see [`TensorSpec`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// Width in pixels; needed only when the graph leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Height in pixels; needed only when the graph leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// Order of the colour planes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// How pictures are fitted in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitName>,
    /// Pixel value of the padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<u8>,
    /// Factor on pixel values; excludes `mean` and `std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Subtracted from each channel, in pixel values (0 to 255) and the tensor's own order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f32; 3]>,
    /// Then divided by, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<[f32; 3]>,
}

/// [`ChannelOrder`] as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Rgb,
    Bgr,
}

/// [`Fit`] as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitName {
    LetterboxTopLeft,
    LetterboxCentre,
    Stretch,
}

impl From<Order> for ChannelOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Rgb => Self::Rgb,
            Order::Bgr => Self::Bgr,
        }
    }
}

impl From<FitName> for Fit {
    fn from(fit: FitName) -> Self {
        match fit {
            FitName::LetterboxTopLeft => Self::LetterboxTopLeft,
            FitName::LetterboxCentre => Self::LetterboxCentre,
            FitName::Stretch => Self::Stretch,
        }
    }
}

impl Manifest {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// `Config` with line and column when it is malformed, and for a path that leaves the folder;
    /// I/O kinds when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let wrong = |what: String| Error::new(ErrorKind::Config, format!("{}: {what}", path.display()));
        let manifest: Self = serde_saphyr::from_str(&text)
            .map_err(|error| wrong(error.to_string()).help("models/README.md lists the fields of model.yaml"))?;
        for file in std::iter::once(&manifest.file).chain(match &manifest.labels {
            Some(LabelSource::File(file)) => Some(file),
            _ => None,
        }) {
            if !stays_inside(file) {
                return Err(wrong(format!("{file:?} is outside the model's folder")));
            }
        }
        if manifest.sha256.len() != 64 || !manifest.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong("sha256 must be 64 hexadecimal digits".to_owned()).help("sha256sum FILE prints it"));
        }
        Ok(manifest)
    }

    /// Writes the file; never over another.
    ///
    /// # Errors
    /// `Busy` when there is one already; I/O kinds otherwise.
    pub fn write(&self, path: &Path) -> Result<()> {
        use std::io::Write;
        let text = serde_saphyr::to_string(self)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("model.yaml cannot be written: {error}")))?;
        let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Busy, format!("{} exists and is not overwritten", path.display()))
                    .help("edit it, or move it away first")
            }
            _ => Error::io(path, error),
        })?;
        file.write_all(text.as_bytes()).map_err(|error| Error::io(path, error))
    }
}

impl Input {
    /// The tensor that a family's recipe and this section describe together.
    ///
    /// # Errors
    /// `Config` for values that contradict each other or that nothing gives.
    pub fn spec(&self, recipe: Option<Recipe>, (width, height): (usize, usize)) -> Result<TensorSpec> {
        let wrong = |what: &str| Error::new(ErrorKind::Config, format!("input: {what}"));
        let unsaid = |what: &str| {
            Error::new(ErrorKind::Config, format!("nothing says how pictures are prepared: input.{what} is missing"))
                .help("this family does not imply it; write it in a model.yaml beside the file, see models/README.md")
        };
        let (scale, bias) = match (self.scale, self.mean, self.std) {
            (Some(scale), None, None) => ([scale; 3], [0.0; 3]),
            (None, None, None) => recipe.map(|r| (r.scale, r.bias)).ok_or_else(|| unsaid("scale"))?,
            (None, Some(mean), Some(std)) => {
                if std.iter().any(|&s| s.is_nan() || s <= 0.0) {
                    return Err(wrong("std must be above 0"));
                }
                if std.iter().all(|&s| s < 1.0) && mean.iter().all(|&m| m <= 1.0) && mean.iter().any(|&m| m > 0.0) {
                    return Err(wrong("mean and std look like those of pixels from 0 to 1")
                        .help("multiply them by 255: they apply to pixel values from 0 to 255"));
                }
                (std.map(|s| 1.0 / s), std::array::from_fn(|c| -mean[c] / std[c]))
            }
            _ => return Err(wrong("give either scale, or mean and std")),
        };
        if scale.iter().chain(&bias).any(|v| !v.is_finite()) || scale.contains(&0.0) {
            return Err(wrong("scale, mean and std must be finite, scale not 0"));
        }
        Ok(TensorSpec {
            width,
            height,
            order: self.order.map(Into::into).or(recipe.map(|r| r.order)).ok_or_else(|| unsaid("order"))?,
            scale,
            bias,
            fit: self.fit.map(Into::into).or(recipe.map(|r| r.fit)).ok_or_else(|| unsaid("fit"))?,
            pad: self.pad.or(recipe.map(|r| r.pad)).unwrap_or(0),
        })
    }
}

impl From<&TensorSpec> for Input {
    fn from(spec: &TensorSpec) -> Self {
        let plain = spec.bias == [0.0; 3] && spec.scale.iter().all(|&s| s == spec.scale[0]);
        let std = spec.scale.map(|s| 1.0 / s);
        Self {
            width: Some(spec.width),
            height: Some(spec.height),
            order: Some(match spec.order {
                ChannelOrder::Rgb => Order::Rgb,
                ChannelOrder::Bgr => Order::Bgr,
            }),
            fit: Some(match spec.fit {
                Fit::LetterboxTopLeft => FitName::LetterboxTopLeft,
                Fit::LetterboxCentre => FitName::LetterboxCentre,
                Fit::Stretch => FitName::Stretch,
            }),
            pad: Some(spec.pad),
            scale: plain.then_some(spec.scale[0]),
            mean: (!plain).then(|| std::array::from_fn(|c| -spec.bias[c] * std[c])),
            std: (!plain).then_some(std),
        }
    }
}

/// Reads a label file: one name per line in class order; blank lines at the end are ignored.
///
/// # Errors
/// I/O kinds; `Config` when a name is missing in between.
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    match names.iter().position(String::is_empty) {
        Some(line) => Err(Error::new(ErrorKind::Config, format!("{}: line {} is empty", path.display(), line + 1))
            .help("one class name per line; write a placeholder for a class that does not matter")),
        None => Ok(names),
    }
}
