//! The channels that events come by, as an AsyncAPI 3.0 document (asyncapi.com, specification 3.0.0).
//!
//! Vantage sends and the reader of the document receives: its operations have the action `send`, from our side.

use serde_json::{Map, Value, json};

use super::Envelope;
use super::schema::generator;

/// A way by which envelopes come.
#[derive(Debug)]
pub struct Channel {
    /// Name in the document.
    pub name: &'static str,
    /// The sink's type in the pipeline file.
    pub sink: &'static str,
    /// Protocol, as AsyncAPI names it.
    pub protocol: &'static str,
    /// Address, with parameters in braces.
    pub address: &'static str,
    /// What a receiver must know.
    pub description: &'static str,
    /// Headers (HTTP, NATS, Kafka) beside the envelope: name and meaning.
    pub headers: &'static [(&'static str, &'static str)],
}

/// Every channel that carries envelopes.
pub const CHANNELS: &[Channel] = &[
    Channel {
        name: "nats",
        sink: "nats",
        protocol: "nats",
        address: "{prefix}.{camera}.{kind}",
        description: "A JetStream stream takes these subjects. Confirmed by the stream's publish acknowledgement.",
        headers: &[
            ("Content-Type", "`application/cloudevents+json`"),
            ("Nats-Msg-Id", "the envelope's `id`, by which the server drops repeats within its window"),
        ],
    },
    Channel {
        name: "mqtt",
        sink: "mqtt",
        protocol: "mqtt",
        address: "{prefix}/events/{camera}/{kind}",
        description: "QoS 1, not retained. Confirmed by PUBACK. The dialect `native`; the dialects `frigate` and `onvif` \
                      carry messages of their own shape.",
        headers: &[],
    },
    Channel {
        name: "kafka",
        sink: "kafka",
        protocol: "kafka",
        address: "{topic}",
        description: "The key is the camera's id, so that a camera's events stay in one partition, in order. Confirmed by \
                      `acks=all`.",
        headers: &[("content-type", "`application/cloudevents+json`"), ("id", "the envelope's `id`")],
    },
    Channel {
        name: "webhook",
        sink: "webhook",
        protocol: "http",
        address: "{path}",
        description: "One POST an event, one after the other. A 2xx answer confirms. Signed as Standard Webhooks describes \
                      when the sink has a secret.",
        headers: &[
            ("webhook-id", "the envelope's `id`"),
            ("webhook-timestamp", "when it was sent, seconds since 1970"),
            ("webhook-signature", "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`"),
        ],
    },
];

/// What the braces of addresses stand for.
const PARAMETERS: [(&str, &str); 5] = [
    ("prefix", "The sink's `prefix`."),
    ("camera", "The camera's id."),
    ("kind", "The record's kind, such as `stopped_vehicle`."),
    ("topic", "The sink's `topic`."),
    ("path", "The path of the sink's `url`."),
];

/// The document.
#[must_use]
pub fn asyncapi() -> Value {
    let mut generator = generator();
    let payload = generator.subschema_for::<Envelope>().to_value();
    let schemas = components(&Value::Object(generator.take_definitions(true).into_iter().collect()));
    let channels: Map<String, Value> =
        CHANNELS.iter().map(|channel| (channel.name.to_owned(), channel_of(channel))).collect();
    let operations: Map<String, Value> =
        CHANNELS.iter().map(|channel| (format!("send_{}", channel.name), operation(channel))).collect();
    let messages: Map<String, Value> = CHANNELS
        .iter()
        .map(|channel| (format!("event_{}", channel.name), message(channel, &components(&payload))))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vantage events",
            "version": "1",
            "description": "Traffic events of cameras, as CloudEvents 1.0 in the JSON event format. Delivered at least \
                            once and in order per camera; `source` and `id` recognise a repeat, `sequence` shows a gap.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    })
}

fn channel_of(channel: &Channel) -> Value {
    let parameters: Map<String, Value> = PARAMETERS
        .iter()
        .filter(|(name, _)| channel.address.contains(&format!("{{{name}}}")))
        .map(|(name, meaning)| ((*name).to_owned(), json!({"description": meaning})))
        .collect();
    json!({
        "address": channel.address,
        "title": format!("sink `{}`", channel.sink),
        "description": channel.description,
        "parameters": parameters,
        "messages": {"event": {"$ref": format!("#/components/messages/event_{}", channel.name)}},
    })
}

fn operation(channel: &Channel) -> Value {
    let at = format!("#/channels/{}", channel.name);
    let mut operation = json!({
        "action": "send",
        "channel": {"$ref": at},
        "messages": [{"$ref": format!("{at}/messages/event")}],
    });
    let binding = match channel.protocol {
        "mqtt" => Some(json!({"qos": 1, "retain": false})),
        "http" => Some(json!({"method": "POST"})),
        _ => None,
    };
    if let (Some(binding), Some(object)) = (binding, operation.as_object_mut()) {
        object.insert("bindings".to_owned(), json!({channel.protocol: binding}));
    }
    operation
}

fn message(channel: &Channel, payload: &Value) -> Value {
    let mut message = json!({
        "name": "event",
        "title": "One record of an event",
        "contentType": "application/cloudevents+json",
        "payload": payload,
    });
    if let (false, Some(object)) = (channel.headers.is_empty(), message.as_object_mut()) {
        let properties: Map<String, Value> = channel
            .headers
            .iter()
            .map(|(name, meaning)| ((*name).to_owned(), json!({"type": "string", "description": meaning})))
            .collect();
        object.insert("headers".to_owned(), json!({"type": "object", "properties": properties}));
    }
    message
}

/// The same with references into `components`.
fn components(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(to)) => (key.clone(), Value::from(to.replace("#/$defs/", "#/components/schemas/"))),
                _ => (key.clone(), components(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(components).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_brace_is_explained() {
        let document = asyncapi();
        let text = document.to_string();
        let mut references = 0;
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            references += 1;
        }
        assert!(references > 15, "{references}");
        for channel in CHANNELS {
            let braces = channel.address.matches('{').count();
            let told = document["channels"][channel.name]["parameters"].as_object().unwrap().len();
            assert_eq!(braces, told, "{}", channel.name);
        }
    }
}
