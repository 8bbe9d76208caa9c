//! Detectors on ONNX Runtime: finding the runtime, opening a model, running it, reading its boxes.
//!
//! A file is read and judged by our own code first ([`graph`], [`model`]): what it is, how pictures are
//! prepared for it, whether it names paths it should not. Only then does [`Detector`] give it to the
//! runtime. ONNX Runtime's types stay in [`runtime`] and [`detector`].

mod coco;
pub mod detector;
mod external;
pub mod family;
pub mod graph;
pub mod inspect;
mod licence;
mod manifest;
mod metadata;
pub mod model;
mod nms;
mod options;
mod protobuf;
pub mod runtime;

pub use detector::Detector;
pub use family::DecodeStats;
pub use inspect::{Report, inspect, write_model_yaml};
pub use manifest::{FILE_NAME as MANIFEST_FILE, Input, LabelSource, Manifest, Thresholds};
pub use model::{Batch, Model};
pub use nms::Candidate;
pub use options::{ModelOptions, Provider};
pub use runtime::Runtime;
