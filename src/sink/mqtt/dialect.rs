//! What is said of an event over MQTT: a list of messages. A dialect is one file and one arm here.

use schemars::JsonSchema;
use serde::Deserialize;

use super::frigate::Ongoing;
use super::{Params, frigate, native, onvif};
use crate::sink::Parcel;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) body: Vec<u8>,
    /// Whether the broker keeps it for later subscribers.
    pub(super) retain: bool,
}

/// Which topics and bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Dialect {
    /// `PREFIX/events/CAMERA/KIND`, CloudEvents 1.0.
    #[default]
    Native,
    /// `PREFIX/events` with `type`, `before`, `after`, as Frigate says it.
    Frigate,
    /// `PREFIX/onvif-ej/…` and `PREFIX/onvif-mj/…`, as ONVIF Profile M says it.
    Onvif,
}

/// The messages of one record, in order.
///
/// # Errors
/// A record that is no JSON, which is a defect of ours.
pub(super) fn messages(params: &Params, parcel: &Parcel, ongoing: &mut Ongoing) -> Result<Vec<Message>, String> {
    match params.dialect {
        Dialect::Native => native::messages(params.prefix(), &params.origin, parcel),
        Dialect::Frigate => Ok(frigate::messages(params.prefix(), params.discovery, &parcel.stored, ongoing)),
        Dialect::Onvif => Ok(onvif::messages(params.prefix(), &parcel.stored)),
    }
}

/// A message whose body is JSON.
pub(super) fn json(topic: String, body: &serde_json::Value, retain: bool) -> Message {
    Message { topic, body: body.to_string().into_bytes(), retain }
}
