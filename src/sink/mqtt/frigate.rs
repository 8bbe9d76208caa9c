//! Frigate-shaped messages, so that automations written for Frigate's MQTT topics understand us: `PREFIX/events`
//! with `type` new, update or end, and `before` and `after`; counts and states per camera; Home Assistant's MQTT
//! discovery on request.
//!
//! Source: the documentation of Frigate 0.14, *MQTT*, and of Home Assistant, *MQTT discovery*. The shape is theirs, the
//! contents are ours: `sub_label` names the rule, boxes are shares of the picture (`[x1, y1, x2, y2]`, 0 to 1) since an
//! event does not carry the picture's size, times are seconds since 1970.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::dialect::{Message, json as message};
use crate::base::EventId;
use crate::scene::{Event, Phase, StoredEvent};

/// What goes on, by the topic that tells it. Begins empty: what began before the program did is not counted.
#[derive(Debug, Default)]
pub(super) struct Ongoing(BTreeMap<String, HashSet<EventId>>);

impl Ongoing {
    /// Notes the record; how many happenings go on under `topic` now. A repeat changes nothing.
    fn note(&mut self, topic: &str, event: &Event) -> usize {
        let happenings = self.0.entry(topic.to_owned()).or_default();
        match event.phase {
            Phase::Start | Phase::Update => {
                happenings.insert(event.id);
            }
            Phase::End => {
                happenings.remove(&event.id);
            }
            Phase::Instant => {}
        }
        happenings.len()
    }
}

pub(super) fn messages(prefix: &str, discovery: bool, stored: &StoredEvent, ongoing: &mut Ongoing) -> Vec<Message> {
    let event = &stored.event;
    let mut messages = Vec::new();
    if discovery && matches!(event.phase, Phase::Start | Phase::Instant) {
        messages.push(discover(prefix, event));
    }
    let after = object(event);
    // A happening without duration is new and over at once; whoever waits for `end` waits for both.
    let kinds: &[&str] = match event.phase {
        Phase::Start => &["new"],
        Phase::Update => &["update"],
        Phase::End => &["end"],
        Phase::Instant => &["new", "end"],
    };
    for kind in kinds {
        let body = json!({"type": kind, "before": after, "after": after});
        messages.push(message(format!("{prefix}/events"), &body, false));
    }
    if event.phase != Phase::Instant {
        let state = format!("{prefix}/{}/{}/state", event.camera, event.rule);
        let body = if ongoing.note(&state, event) > 0 { "ON" } else { "OFF" };
        messages.push(Message { topic: state, body: body.into(), retain: true });
        let count = format!("{prefix}/{}/{}", event.camera, label(event));
        let body = ongoing.note(&count, event).to_string();
        messages.push(Message { topic: count, body: body.into(), retain: true });
    }
    messages
}

fn label(event: &Event) -> &str {
    event.class.as_deref().unwrap_or("scene")
}

fn object(event: &Event) -> Value {
    let at = event.time.utc.0 as f64 * 1e-9;
    let ended = matches!(event.phase, Phase::End | Phase::Instant);
    let bbox = event.bbox.map(|b| [b.x1, b.y1, b.x2, b.y2]);
    json!({
        "id": event.id,
        "camera": event.camera,
        "frame_time": at,
        "start_time": matches!(event.phase, Phase::Start | Phase::Instant).then_some(at),
        "end_time": ended.then_some(at),
        "label": label(event),
        "sub_label": event.rule,
        "box": bbox,
        "score": null,
        "false_positive": false,
        "active": !ended,
        "has_snapshot": event.still.is_some(),
        "has_clip": event.clip.is_some(),
        "severity": event.severity,
        "kind": event.kind,
        "description": event.explanation.summary,
    })
}

/// A binary sensor for each camera and rule: on while something goes on.
fn discover(prefix: &str, event: &Event) -> Message {
    let (camera, rule) = (event.camera.as_str(), &event.rule);
    let id = format!("vantage_{camera}_{rule}");
    let body = json!({
        "name": rule,
        "unique_id": id,
        "object_id": id,
        "state_topic": format!("{prefix}/{camera}/{rule}/state"),
        "availability_topic": format!("{prefix}/available"),
        "payload_on": "ON",
        "payload_off": "OFF",
        "device_class": "problem",
        "device": {"identifiers": [format!("vantage_{camera}")], "name": camera, "manufacturer": "Vantage"},
    });
    message(format!("homeassistant/binary_sensor/{id}/config"), &body, true)
}
