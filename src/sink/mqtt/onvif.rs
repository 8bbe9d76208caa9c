//! ONVIF events in JSON over MQTT: `PREFIX/onvif-ej/TOPIC/&VIDEOSOURCE/ANALYTICS/RULE` with `UtcTime`, `Source` and
//! `Data` (ONVIF Core Specification, *MQTT Event Broker Configuration* and *JSON event format*; Profile M).
//!
//! Topics that ONVIF's Analytics Service Specification knows are used as they are; rules that it does not know
//! (wrong way, stopped vehicle, speeding, …) are vendor topics of the same shape under `VantageTraffic`.

use serde_json::json;

use super::dialect::{Message, json as message};
use crate::scene::{Phase, StoredEvent};

/// Our kind, ONVIF's topic below `RuleEngine`.
const TOPICS: &[(&str, &str)] = &[
    ("line_crossing", "LineDetector/Crossed"),
    ("line_count", "CountAggregation/Counter"),
    ("zone_dwell", "LoiteringDetector/ObjectIsLoitering"),
    ("crowd", "CountAggregation/OccupancyCounter"),
    ("abandoned_object", "ObjectAbandoned"),
];

pub(super) fn messages(prefix: &str, stored: &StoredEvent) -> Result<Vec<Message>, String> {
    let event = &stored.event;
    let known = TOPICS.iter().find(|(kind, _)| *kind == event.kind).map(|(_, topic)| (*topic).to_owned());
    let topic = known.unwrap_or_else(|| format!("VantageTraffic/{}", camel(&event.kind)));
    let camera = event.camera.as_str();
    let body = json!({
        "UtcTime": event.time.utc,
        "Source": {"VideoSource": camera, "AnalyticsConfiguration": "vantage", "Rule": event.rule},
        "Data": {
            // Property events tell a state: true while it lasts (Core Specification, *Property event*).
            "State": !matches!(event.phase, Phase::End),
            "ObjectId": event.track.map(|track| track.0.to_string()),
            "ClassTypes": event.class,
            "EventId": event.id,
            "Revision": event.revision,
            "Severity": event.severity,
            "Description": event.explanation.summary,
        },
    });
    let topic = format!("{prefix}/onvif-ej/RuleEngine/{topic}/&{camera}/vantage/{}", event.rule);
    Ok(vec![message(topic, &body, false)])
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
