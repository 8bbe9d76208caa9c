//! The form in which events leave: CloudEvents 1.0, JSON event format (CloudEvents specification §3).
//!
//! `id` names the record, not the happening: `source` + `id` is the same for a repeat and for nothing else. The
//! event's own JSON is the `data`, as `vantage schema record` describes it; its still, where a sink carries stills, stands
//! beside it as `data.still_inline`: attributes of CloudEvents are for routing and must stay small (specification §3.4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ParamError;
use crate::base::Timestamp;
use crate::scene::{InlineStill, StoredEvent};

/// Media type of one event (CloudEvents JSON format §3).
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Version of the shape of `data`; raised when a field changes its meaning or goes.
const SCHEMA: &str = "urn:vantage:event:1";

/// Parameters of every sink that sends CloudEvents.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(super) struct Origin {
    /// Name of this site in `source`, for cameras that have no `site` of their own.
    site: Option<String>,
    /// The largest still, in KiB, that is sent inside its event's message, in base64; 0: stills are named only.
    #[serde(default)]
    #[schemars(range(max = 4096))]
    inline_still_kib: u32,
}

/// One record in its envelope.
#[derive(Debug, Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    /// `<happening>.<revision>`.
    id: String,
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
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    record: &'a StoredEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    still_inline: Option<&'a InlineStill>,
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

    /// The largest still, bytes, that is sent inside a message; 0 for none.
    pub(super) fn most_still_bytes(&self) -> u64 {
        u64::from(self.inline_still_kib) * 1024
    }

    /// KiB that a message needs for the largest still, base64, with its event; `None` where stills are not carried.
    pub(super) fn room_kib(&self) -> Option<u32> {
        /// An event in its envelope is two KiB or so.
        const EVENT_KIB: u32 = 8;
        (self.inline_still_kib > 0).then(|| (self.inline_still_kib * 4).div_ceil(3) + EVENT_KIB)
    }

    /// Puts a record into its envelope, with its still if it is to be carried.
    fn envelope<'a>(&self, stored: &'a StoredEvent, still: Option<&'a InlineStill>) -> CloudEvent<'a> {
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
            data: Data { record: stored, still_inline: still },
        }
    }

    /// The same as bytes. A record is made of what JSON has; the error is a defect of ours.
    pub(super) fn bytes(&self, stored: &StoredEvent, still: Option<&InlineStill>) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.envelope(stored, still))
            .map_err(|e| format!("event at position {}: {e}", stored.position))
    }
}

/// What tells a repeat: the same for the same record, whenever and however often it is sent.
pub(super) fn message_id(stored: &StoredEvent) -> String {
    format!("{}.{}", stored.event.id, stored.event.revision)
}
