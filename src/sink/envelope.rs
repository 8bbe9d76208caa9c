//! The form in which events leave: CloudEvents 1.0, JSON event format (CloudEvents specification §3).
//!
//! `id` names the record, not the happening: `source` + `id` is the same for a repeat and for nothing else. The
//! event's own JSON is the `data`, as `vantage schema record` describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ParamError;
use crate::base::Timestamp;
use crate::scene::StoredEvent;

/// Media type of one event (CloudEvents JSON format §3).
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Version of the shape of `data`; raised when a field changes its meaning or goes.
const SCHEMA: &str = "urn:vantage:event:1";

/// Parameters of every sink that sends CloudEvents.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(super) struct Origin {
    /// Name of this site in `source`, for cameras that have no `site` of their own.
    site: Option<String>,
}

/// One record in its envelope.
#[derive(Debug, Serialize)]
pub(super) struct CloudEvent<'a> {
    specversion: &'static str,
    /// `<happening>.<revision>`.
    pub(super) id: String,
    source: String,
    r#type: String,
    /// The happening: start, updates and end share it.
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    dataschema: &'static str,
    /// Extension `sequence`: per camera, from 1 without gaps.
    sequence: String,
    /// Extension `partitionkey`: what must stay in order.
    partitionkey: &'a str,
    data: &'a StoredEvent,
}

impl Origin {
    /// What is wrong with the parameters.
    pub(super) fn mistakes(&self) -> Vec<ParamError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match &self.site {
            Some(site) if site.is_empty() || !site.chars().all(good) => vec![ParamError::new(
                "site",
                format!("`site` cannot be \"{site}\""),
                "letters, digits, `-`, `_` and `.`, such as ward-5",
            )],
            _ => Vec::new(),
        }
    }

    /// Puts a record into its envelope.
    pub(super) fn envelope<'a>(&self, stored: &'a StoredEvent) -> CloudEvent<'a> {
        let event = &stored.event;
        let camera = event.camera.as_str();
        CloudEvent {
            specversion: "1.0",
            id: message_id(stored),
            source: match event.site.as_ref().or(self.site.as_ref()) {
                Some(site) => format!("/site/{site}/camera/{camera}"),
                None => format!("/camera/{camera}"),
            },
            r#type: format!("vantage.event.{}.v1", event.kind),
            subject: event.id.to_string(),
            time: event.time.utc,
            datacontenttype: "application/json",
            dataschema: SCHEMA,
            sequence: event.sequence.to_string(),
            partitionkey: camera,
            data: stored,
        }
    }

    /// The same as bytes. A record is made of what JSON has; the error is a defect of ours.
    pub(super) fn bytes(&self, stored: &StoredEvent) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.envelope(stored)).map_err(|e| format!("event at position {}: {e}", stored.position))
    }
}

/// What tells a repeat: the same for the same record, whenever and however often it is sent.
pub(super) fn message_id(stored: &StoredEvent) -> String {
    format!("{}.{}", stored.event.id, stored.event.revision)
}
