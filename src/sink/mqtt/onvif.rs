//! ONVIF events and metadata in JSON over MQTT (Profile M).
//!
//! Events: `PREFIX/onvif-ej/TOPIC/&VIDEOSOURCE/ANALYTICS/RULE` with `UtcTime`, `Source` and `Data` (ONVIF Core
//! Specification, *Event broker*). Property events, which tell a state, are retained. Metadata, for events that have a box:
//! `PREFIX/onvif-mj/VideoAnalytics/PROFILE/MODULE` with `Frame[].Object[]` (Analytics Service Specification, *ONVIF metadata
//! in JSON over MQTT*): attributes begin with `@`, coordinates run from -1 to 1 with y upwards.
//!
//! Topics that ONVIF's Analytics Service Specification knows are used as they are; rules that it does not know
//! (wrong way, stopped vehicle, speeding, …) are vendor topics of the same shape under `VantageTraffic`.

use serde_json::json;

use super::dialect::{Message, json as message};
use crate::scene::{Event, NormBox, Phase, StoredEvent};

/// Our kind, ONVIF's topic below `RuleEngine`.
const TOPICS: &[(&str, &str)] = &[
    ("line_crossing", "LineDetector/Crossed"),
    ("line_count", "CountAggregation/Counter"),
    ("zone_dwell", "LoiteringDetector/ObjectIsLoitering"),
    ("crowd", "CountAggregation/OccupancyCounter"),
    ("abandoned_object", "ObjectAbandoned"),
];

pub(super) fn messages(prefix: &str, stored: &StoredEvent) -> Vec<Message> {
    let event = &stored.event;
    let mut messages = vec![told(prefix, event)];
    messages.extend(event.bbox.map(|bbox| seen(prefix, event, bbox)));
    messages
}

/// The event.
fn told(prefix: &str, event: &Event) -> Message {
    let known = TOPICS.iter().find(|(kind, _)| *kind == event.kind).map(|(_, topic)| (*topic).to_owned());
    let topic = known.unwrap_or_else(|| format!("VantageTraffic/{}", camel(&event.kind)));
    let camera = event.camera.as_str();
    let body = json!({
        "UtcTime": event.time.utc,
        "Source": {"VideoSource": camera, "AnalyticsConfiguration": "vantage", "Rule": event.rule},
        "Data": {
            "State": event.phase != Phase::End,
            "ObjectId": event.track.map(|track| track.0.to_string()),
            "ClassTypes": event.class,
            "EventId": event.id,
            "Revision": event.revision,
            "Severity": event.severity,
            "Description": event.explanation.summary,
        },
    });
    let topic = format!("{prefix}/onvif-ej/RuleEngine/{topic}/&{camera}/vantage/{}", event.rule);
    message(topic, &body, event.phase != Phase::Instant)
}

/// The object behind the event, as scene description.
fn seen(prefix: &str, event: &Event, bbox: NormBox) -> Message {
    let (left, right) = (bbox.x1 * 2.0 - 1.0, bbox.x2 * 2.0 - 1.0);
    let (top, bottom) = (1.0 - bbox.y1 * 2.0, 1.0 - bbox.y2 * 2.0);
    let object = json!({
        "@ObjectId": event.track.map_or_else(|| event.id.to_string(), |track| track.0.to_string()),
        "Appearance": {
            "Shape": {
                "BoundingBox": {"@left": left, "@top": top, "@right": right, "@bottom": bottom},
                "CenterOfGravity": {"@x": (left + right) / 2.0, "@y": (top + bottom) / 2.0},
            },
            "Class": {"Type": [{"#text": class(event.class.as_deref().unwrap_or_default())}]},
        },
    });
    let camera = event.camera.as_str();
    let body = json!({"Frame": [{"@UtcTime": event.time.utc, "@Source": camera, "Object": [object]}]});
    message(format!("{prefix}/onvif-mj/VideoAnalytics/{camera}/vantage"), &body, false)
}

/// The nearest of ONVIF's own object types; ours stands in the event.
fn class(name: &str) -> &'static str {
    match name {
        "person" | "pedestrian" | "rider" => "Human",
        "car" | "truck" | "bus" | "van" | "motorcycle" | "motorbike" | "bicycle" | "train" => "Vehicle",
        "cat" | "dog" | "horse" | "cow" | "sheep" | "bird" => "Animal",
        "plate" | "license_plate" => "LicensePlate",
        _ => "Other",
    }
}

/// `wrong_way` → `WrongWay`.
fn camel(kind: &str) -> String {
    kind.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect()
}
