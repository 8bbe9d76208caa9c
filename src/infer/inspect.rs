//! `models inspect`: what a file is, also when nothing here can run it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::graph::Graph;
use super::licence;
use super::manifest::{FILE_NAME, Input, Thresholds};
use super::model::{Batch, Found, Model};
use super::options::ModelOptions;
use crate::base::Result;

/// What is known of a model file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The `.onnx` file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Inputs, outputs, metadata, producer, operator sets.
    #[serde(flatten)]
    pub graph: Graph,
    /// How the program would run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorReport>,
    /// Why the program cannot run it as it is, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// What a user of the model should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The settings that a usable model ends up with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorReport {
    /// Name for people.
    pub name: String,
    /// Family name.
    pub family: &'static str,
    /// How pictures are prepared.
    pub input: Input,
    /// Rows per run.
    pub batch: Batch,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Thresholds.
    pub thresholds: Thresholds,
    /// Licence of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl Model {
    /// What there is to say about the model.
    #[must_use]
    pub fn describe(&self) -> Report {
        Report {
            file: self.path.clone(),
            bytes: self.bytes,
            sha256: self.sha256.clone(),
            graph: self.graph.clone(),
            detector: Some(DetectorReport {
                name: self.name.clone(),
                family: self.family,
                input: Input::from(&self.spec),
                batch: self.batch,
                labels: self.labels.names().to_vec(),
                thresholds: self.thresholds,
                licence: self.licence.clone(),
            }),
            unusable: None,
            warnings: self.warnings(),
        }
    }

    /// What a user of the model should know.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        warnings(self.licence.as_deref())
    }
}

fn warnings(licence: Option<&str>) -> Vec<String> {
    if licence.is_some() { Vec::new() } else { vec![licence::WARNING.to_owned()] }
}

/// Describes any ONNX file or model folder; a model that cannot be run is described, too.
///
/// # Errors
/// Those of reading: no such file, not an ONNX file, a wrong checksum.
pub fn inspect(path: &Path, options: &ModelOptions) -> Result<Report> {
    let found = Found::read(path)?;
    let mut report = Report {
        file: found.path.clone(),
        bytes: found.bytes,
        sha256: found.sha256.clone(),
        graph: found.graph.clone(),
        detector: None,
        unusable: None,
        warnings: warnings(licence::stated(&found.path, found.manifest.as_ref(), &found.graph).as_deref()),
    };
    match Model::resolve(found, options) {
        Ok(model) => report.detector = model.describe().detector,
        Err(error) => {
            report.unusable = Some(match error.advice() {
                Some(advice) => format!("{error} ({advice})"),
                None => error.to_string(),
            });
        }
    }
    Ok(report)
}

/// Writes a `model.yaml` beside a bare `.onnx` file, with everything that is known of it.
/// Returns the path written.
///
/// # Errors
/// Those of [`Model::open`]; `Busy` when a `model.yaml` is there already.
pub fn write_model_yaml(file: &Path, options: &ModelOptions) -> Result<PathBuf> {
    let model = Model::open(file, options)?;
    let path = model.path.with_file_name(FILE_NAME);
    model.manifest().write(&path)?;
    Ok(path)
}
