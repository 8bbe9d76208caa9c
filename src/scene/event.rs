//! Events: immutable facts with an id, a time and an explanation.
//!
//! The store and the JSON-lines sink keep this struct's own JSON; other sinks wrap it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NormBox;
use crate::base::{CameraId, CaptureTime, EventId, FrameSeq, MediaTime, RunId, Timestamp, TrackId};

/// Where an event stands in its life. A happening without duration has one `Start`-and-`End`: [`Phase::Instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A fact without duration, such as a line crossing.
    Instant,
    /// It begins.
    Start,
    /// It goes on, with newer values.
    Update,
    /// It is over.
    End,
}

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A count or a note.
    Info,
    /// Worth a look.
    Warning,
    /// Act.
    Alert,
}

/// One event record. Records of one happening share `id`; `(id, revision)` is unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Stable id of the happening (see [`EventId`]).
    pub id: EventId,
    /// 0 for the first record of the id, then 1, 2, …
    pub revision: u32,
    /// Start, update, end, or instant.
    pub phase: Phase,
    /// Which camera.
    pub camera: CameraId,
    /// The site that the camera shares with others, as the pipeline file says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub site: Option<String>,
    /// Per-camera sequence number, from 1 without gaps: a receiver sees what it missed.
    /// Assigned by the store (0 until then).
    pub sequence: u64,
    /// Rule id in the pipeline file.
    pub rule: String,
    /// Rule kind, such as `line_crossing`.
    pub kind: String,
    /// Severity.
    pub severity: Severity,
    /// When the picture behind this record was taken.
    pub time: CaptureTime,
    /// The same on the camera's timeline.
    pub media_time: MediaTime,
    /// The unbroken connection it was seen in.
    pub run: RunId,
    /// The frame it was seen in.
    pub frame: FrameSeq,
    /// The track behind it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub track: Option<TrackId>,
    /// Class name of the track, by vote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<String>,
    /// Where in the picture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bbox: Option<NormBox>,
    /// Why it fired.
    pub explanation: Explanation,
    /// File name of the still in the store's media folder: with box, path of the track, and the rule's shapes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub still: Option<String>,
    /// File name of the same picture with nothing drawn on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clean_still: Option<String>,
    /// The clip that shows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clip: Option<Clip>,
}

/// An event's place in a clip. The file is written while the happening goes on and appears in the store's media folder
/// when it is whole, usually seconds after the event; it never appears when it had to be given up. Events that happen
/// close together share a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clip {
    /// File name in the store's media folder.
    pub file: String,
    /// When the picture behind this record is shown, seconds after the clip's first picture.
    pub offset_s: f64,
    /// When the clip's first picture was taken, by the same clock as the event's `time`.
    pub starts_at: Timestamp,
}

/// Why an event fired: everything needed to check it by hand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// One sentence for people.
    pub summary: String,
    /// The rule's parameters that mattered, with their units in the names.
    pub thresholds: BTreeMap<String, Value>,
    /// What was measured, with units in the names.
    pub measured: BTreeMap<String, Value>,
    /// SHA-256 of the model file, hexadecimal.
    pub model: String,
    /// SHA-256 of the normalised pipeline plan, hexadecimal.
    pub pipeline: String,
}
