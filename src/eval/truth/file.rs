//! `truth.json` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::Timestamp;

/// The whole file. Keys that scoring does not need are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub schema: u32,
    #[serde(default)]
    pub camera_id: Option<String>,
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    #[serde(default)]
    pub clip: Option<String>,
    #[serde(default)]
    pub sha256: Option<String>,
    #[serde(default)]
    pub width: Option<u32>,
    #[serde(default)]
    pub height: Option<u32>,
    #[serde(default)]
    pub fps: Option<f64>,
    #[serde(default)]
    pub frames: Option<u32>,
    #[serde(default)]
    pub seconds: Option<f64>,
    #[serde(default)]
    pub zones: Vec<Named>,
    #[serde(default)]
    pub lanes: Vec<Named>,
    #[serde(default)]
    pub lines: Vec<Line>,
    #[serde(default)]
    pub objects: Vec<Object>,
    #[serde(default)]
    pub events: Vec<EventRow>,
    #[serde(default)]
    pub counts: Option<Counts>,
    #[serde(default)]
    pub frame_columns: Vec<String>,
    #[serde(default)]
    pub frames_data: Vec<Vec<Vec<f64>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub id: String,
    /// Both ends on the ground, metres.
    #[serde(default)]
    pub ground: Option<[[f64; 2]; 2]>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub id: i64,
    #[serde(default)]
    pub class: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventRow {
    pub kind: String,
    #[serde(default)]
    pub onset_s: Option<f64>,
    #[serde(default)]
    pub onset_frame: Option<u32>,
    #[serde(default)]
    pub end_s: Option<f64>,
    #[serde(default)]
    pub end_frame: Option<u32>,
    #[serde(default)]
    pub object: Option<i64>,
    #[serde(default)]
    pub other: Option<i64>,
    #[serde(default)]
    pub lane: Option<String>,
    #[serde(default)]
    pub zone: Option<String>,
    #[serde(default)]
    pub line: Option<String>,
    /// Left, top, right, bottom, pixels.
    #[serde(default)]
    pub r#box: Option<[f64; 4]>,
    #[serde(default)]
    pub region: Option<Vec<[f64; 2]>>,
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default)]
    pub note: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Counts {
    /// Line, direction, class, number.
    #[serde(default)]
    pub lines: BTreeMap<String, BTreeMap<String, BTreeMap<String, u32>>>,
    #[serde(default)]
    pub crossings: Option<Vec<CrossingRow>>,
    /// First frame counted, and the first one not counted any more.
    #[serde(default)]
    pub window_frames: Option<[u32; 2]>,
    #[serde(default)]
    pub window_s: Option<[f64; 2]>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CrossingRow {
    pub line: String,
    pub direction: String,
    #[serde(default)]
    pub class: Option<String>,
    #[serde(default)]
    pub frame: Option<u32>,
    #[serde(default)]
    pub at_s: Option<f64>,
}
