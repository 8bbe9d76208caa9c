//! MQTT: TLS and logins, the last will, the dialects as a real subscriber sees them, bad parameters.

use serde_json::{Value, json};
use vantage::scene::Phase;

use crate::far_side::{FarSide, Mqtt, messages, subscribe};
use crate::services::Services;
use crate::store_support::{event, wait_until};
use crate::{Pipeline, mistakes};
use std::time::Duration;

fn tls(services: &Services, version: &str) -> Value {
    json!({
        "host": "localhost", "port": services.port("MQTT_TLS_PORT"), "tls": true, "version": version,
        "username": "vantage", "password_file": services.password_file(), "ca_file": services.pem("ca.pem"),
    })
}

#[test]
fn tls_and_logins_in_both_versions() {
    let services = Services::start(&["mosquitto"]);
    for version in ["3.1.1", "5"] {
        let pipeline = Pipeline::start("mqtt", &tls(&services, version));
        pipeline.submit("a", 0..10);
        pipeline.wait_for_delivered(10);
        drop(pipeline);
        let with = |name: &str, value: &str| {
            let mut params = tls(&services, version);
            params[name] = value.into();
            params
        };
        for (params, hint) in
            [(with("username", "somebody"), ""), (with("ca_file", &services.pem("other-ca.pem")), "UnknownIssuer")]
        {
            let pipeline = Pipeline::start("mqtt", &params);
            pipeline.submit("a", 0..1);
            let reason = pipeline.wait_for_retry();
            assert!(reason.contains(hint), "{version} {hint}: {reason}");
            assert_eq!(pipeline.status().backlog, 1);
        }
    }
}

/// What a subscriber to everything sees of one happening, and of the program's end.
fn seen(params: &Value, services: &Services) -> Vec<(String, String)> {
    let (mut subscriber, lines) = subscribe(services.get("MQTT_PORT"), "#");
    let pipeline = Pipeline::start("mqtt", params);
    let happening = |phase, revision| {
        let mut event = event("gate-1", 7);
        (event.phase, event.revision, event.kind, event.rule) =
            (phase, revision, "wrong_way".to_owned(), "ghost".to_owned());
        event
    };
    let events = vec![happening(Phase::Start, 0), happening(Phase::Update, 1), happening(Phase::End, 2)];
    pipeline.store.writer().submit_acked(events).unwrap().recv().unwrap();
    pipeline.wait_for_delivered(3);
    drop(pipeline);
    wait_until("the last will", Duration::from_secs(10), || {
        messages(&lines).iter().any(|(topic, body)| topic.ends_with("/available") && body == "offline")
    });
    let _ = subscriber.kill();
    let _ = subscriber.wait();
    messages(&lines)
}

#[test]
fn the_last_will_and_the_native_dialect() {
    let far = Mqtt::new("5");
    let seen = seen(&far.params(), &far.services);
    let topics: Vec<&str> = seen.iter().map(|(topic, _)| topic.as_str()).collect();
    let event = "vantage/events/gate-1/wrong_way";
    assert_eq!(topics, ["vantage/available", event, event, event, "vantage/available"]);
    let first: Value = serde_json::from_str(&seen[1].1).unwrap();
    assert_eq!((&first["specversion"], &first["type"]), (&json!("1.0"), &json!("vantage.event.wrong_way.v1")));
    assert_eq!((&first["source"], &first["data"]["phase"]), (&json!("/camera/gate-1"), &json!("start")));
    assert_eq!(first["time"], "2023-11-14T22:13:27Z");
}

#[test]
fn the_frigate_dialect_with_discovery() {
    let far = Mqtt::new("3.1.1");
    let mut params = far.params();
    params.as_object_mut().unwrap().extend([("dialect".into(), "frigate".into()), ("discovery".into(), true.into())]);
    let seen = seen(&params, &far.services);
    let of = |topic: &str| seen.iter().filter(|(t, _)| t == topic).map(|(_, body)| body.clone()).collect::<Vec<_>>();
    let types: Vec<String> = of("frigate/events")
        .iter()
        .map(|body| {
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!((&body["after"]["camera"], &body["after"]["label"]), (&json!("gate-1"), &json!("car")));
            body["type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(types, ["new", "update", "end"]);
    assert_eq!(of("frigate/gate-1/ghost/state"), ["ON", "ON", "OFF"]);
    assert_eq!(of("frigate/gate-1/car"), ["1", "1", "0"]);
    assert_eq!(of("frigate/available"), ["online", "offline"]);
    let discovery: Value =
        serde_json::from_str(&of("homeassistant/binary_sensor/vantage_gate-1_ghost/config")[0]).unwrap();
    assert_eq!(discovery["state_topic"], "frigate/gate-1/ghost/state");
    assert_eq!(discovery["availability_topic"], "frigate/available");
}

#[test]
fn the_onvif_dialect() {
    let far = Mqtt::new("5");
    let mut params = far.params();
    params["dialect"] = "onvif".into();
    let seen = seen(&params, &far.services);
    let topic = "vantage/onvif-ej/RuleEngine/VantageTraffic/WrongWay/&gate-1/vantage/ghost";
    let states: Vec<Value> = seen
        .iter()
        .filter(|(t, _)| t == topic)
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["Data"]["State"].clone())
        .collect();
    assert_eq!(states, [json!(true), json!(true), json!(false)]);
    let metadata = seen.iter().find(|(t, _)| t == "vantage/onvif-mj/VideoAnalytics/gate-1/vantage").unwrap();
    let frame = serde_json::from_str::<Value>(&metadata.1).unwrap()["Frame"][0].clone();
    let shape = &frame["Object"][0]["Appearance"]["Shape"];
    // The box 0.1, 0.2, 0.3, 0.4 of the picture, y downwards.
    for (side, place) in [("@left", -0.8), ("@top", 0.6), ("@right", -0.4), ("@bottom", 0.2)] {
        let found = shape["BoundingBox"][side].as_f64().unwrap();
        assert!((found - place).abs() < 1e-6, "{side}: {found}");
    }
    assert_eq!(frame["Object"][0]["Appearance"]["Class"]["Type"][0]["#text"], "Vehicle");
}

#[test]
fn an_event_larger_than_the_limit_becomes_a_dead_letter() {
    let far = Mqtt::new("5");
    let mut params = far.params();
    params["max_kib"] = 4.into();
    let pipeline = Pipeline::start("mqtt", &params);
    let mut large = event("a", 1);
    large.explanation.summary = "long ".repeat(1000);
    pipeline.store.writer().submit_acked(vec![event("a", 0), large, event("a", 2)]).unwrap().recv().unwrap();
    pipeline.wait_for("three seen", |status| status.delivered + status.rejected == 3);
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|l| l.position.0).collect::<Vec<_>>(), [2]);
    assert!(letters[0].reason.contains("the limit is 4096"), "{}", letters[0].reason);
    assert_eq!(far.received().iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn bad_parameters_are_all_named() {
    let found = mistakes("mqtt", &json!({"host": "mqtt://h", "prefix": "a/#", "client_id": "", "discovery": true}));
    for hint in ["`host` cannot be", "`prefix` cannot be", "`client_id` is empty", "`discovery` would be ignored"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
    let found = mistakes("mqtt", &json!({"host": "h", "dialect": "frigat"}));
    assert!(found[0].contains("frigat"), "{found:?}");
}
