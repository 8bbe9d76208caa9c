//! GeoJSON (RFC 7946) of cameras and incidents, for maps.

use serde_json::{Value, json};

use crate::base::Timestamp;
use crate::config::Plan;
use crate::document::Publisher;
use crate::incident::Incident;

use super::kinds::meaning;

/// The cameras of a pipeline file: a point each, or no geometry where the file names no place (§3.2).
#[must_use]
pub fn cameras_geojson(plan: &Plan) -> Value {
    let features: Vec<Value> = plan
        .cameras
        .iter()
        .map(|camera| {
            let about = &camera.about;
            let place = about.place;
            json!({
                "type": "Feature",
                "id": camera.id,
                "geometry": place.map(|place| json!({"type": "Point", "coordinates": [place.lon, place.lat]})),
                "properties": {
                    "camera": camera.id,
                    "name": about.name,
                    "ward": about.ward,
                    "site": camera.site,
                    "heading": place.and_then(|place| place.heading),
                    "reach_m": place.map(|place| place.reach_m),
                },
            })
        })
        .collect();
    json!({"type": "FeatureCollection", "features": features})
}

/// Incidents with the points of the cameras that saw them, and their state at `now`.
#[must_use]
pub fn incidents_geojson(incidents: &[Incident], publisher: &Publisher, now: Timestamp) -> Value {
    let features: Vec<Value> = incidents.iter().map(|incident| feature(incident, publisher, now)).collect();
    json!({"type": "FeatureCollection", "features": features})
}

fn feature(incident: &Incident, publisher: &Publisher, now: Timestamp) -> Value {
    let points: Vec<Value> = incident
        .places
        .keys()
        .filter_map(|camera| publisher.place(camera))
        // Longitude first (§3.1.1).
        .map(|place| json!([place.lon, place.lat]))
        .collect();
    let geometry = match points.as_slice() {
        [] => Value::Null,
        [point] => json!({"type": "Point", "coordinates": point}),
        _ => json!({"type": "MultiPoint", "coordinates": points}),
    };
    let meaning = meaning(&incident.kinds);
    json!({
        "type": "Feature",
        "id": incident.id,
        "geometry": geometry,
        "properties": {
            "group": incident.group,
            "kinds": incident.kinds,
            "name_en": meaning.english,
            "name_vi": meaning.vietnamese,
            "severity": incident.severity,
            "state": incident.state(now),
            "site": incident.site,
            "cameras": incident.places.keys().collect::<Vec<_>>(),
            "began": incident.began,
            "last": incident.last,
            "cleared": incident.cleared,
            "happenings": incident.happenings,
            "summary": incident.summary,
        },
    })
}
