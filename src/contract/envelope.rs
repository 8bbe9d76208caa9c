//! An envelope as a receiver reads it: CloudEvents 1.0 in the JSON event format, structured mode.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::scene::{InlineStill, StoredEvent};

/// One record of an event in its CloudEvents 1.0 envelope. `source` and `id` together name the record: where both are
/// the same, it is the same record, sent again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[schemars(title = "Vantage event")]
pub struct Envelope {
    /// Version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// The record: the happening's id, a dot, and the record's revision.
    #[schemars(extend("pattern" = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.(0|[1-9][0-9]*)$"))]
    pub id: String,
    /// The camera: `/camera/ID`, or `/site/NAME/camera/ID`.
    #[schemars(extend("pattern" = "^(/site/[A-Za-z0-9._-]+)?/camera/[a-z0-9][a-z0-9_-]*$"))]
    pub source: String,
    /// `vantage.event.KIND.v1`, with the kind of `data`.
    #[schemars(extend("pattern" = r"^vantage\.event\.[a-z][a-z0-9_]*\.v1$"))]
    pub r#type: String,
    /// The happening's id, which its start, updates and end share.
    #[schemars(extend("format" = "uuid"))]
    pub subject: String,
    /// When the picture behind the record was taken; `data.time` tells how certain that is.
    pub time: Timestamp,
    /// Always JSON.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// Schema of `data`; its number is raised when a field changes its meaning or goes.
    #[schemars(extend("const" = "urn:vantage:event:1"))]
    pub dataschema: String,
    /// The camera's records, counted from 1 without gaps (CloudEvents extension `sequence`); 0 for a test of the connection.
    #[schemars(extend("pattern" = "^(0|[1-9][0-9]*)$"))]
    pub sequence: String,
    /// What must stay in order: the camera's id (CloudEvents extension `partitionkey`).
    pub partitionkey: String,
    /// The record, and its still where the sink carries stills.
    pub data: Data,
}

/// A record as an envelope holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Data {
    /// The record.
    #[serde(flatten)]
    pub record: StoredEvent,
    /// The still, for sinks with `inline_still_kib`; absent where the record names none. It is no part of the record: a
    /// repeat may have it where the first had not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still_inline: Option<InlineStill>,
}
