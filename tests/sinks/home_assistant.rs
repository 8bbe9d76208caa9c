//! A consumer that does with the Frigate dialect what Home Assistant does: finds its entities by discovery, follows their
//! states and availability, and tells an automation of every event.
//!
//! It starts after the program, as Home Assistant does after an update: what it must know then has to be retained.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt4::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use vantage::scene::Phase;

use crate::Pipeline;
use crate::far_side::{FarSide, Mqtt};
use crate::store_support::event;

/// A binary sensor as discovered.
#[derive(Debug, Default, PartialEq)]
struct Entity {
    name: String,
    device: String,
    available: bool,
    on: Option<bool>,
}

#[derive(Debug, Default)]
struct HomeAssistant {
    /// By `unique_id`, with its configuration.
    entities: BTreeMap<String, (Value, Entity)>,
    /// Retained values that came before somebody asked for them by name.
    values: BTreeMap<String, String>,
    /// `type` and `id` of what automations saw.
    seen: Vec<(String, String)>,
    ongoing: BTreeSet<String>,
}

impl HomeAssistant {
    fn take(&mut self, topic: &str, body: &str) {
        if topic.starts_with("homeassistant/binary_sensor/") {
            let config: Value = serde_json::from_str(body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let entity =
                Entity { name: text(&config["name"]), device: text(&config["device"]["name"]), ..Entity::default() };
            self.entities.insert(text(&config["unique_id"]), (config, entity));
        } else if topic == "frigate/events" {
            let body: Value = serde_json::from_str(body).unwrap();
            let (kind, after) = (body["type"].as_str().unwrap(), &body["after"]);
            // What blueprints for Frigate read.
            for field in
                ["id", "camera", "label", "start_time", "end_time", "has_snapshot", "has_clip", "false_positive"]
            {
                assert!(after.get(field).is_some(), "{field}: {after}");
            }
            let id = after["id"].as_str().unwrap().to_owned();
            match kind {
                "end" => assert!(after["end_time"].is_number() && self.ongoing.remove(&id)),
                _ => drop(self.ongoing.insert(id.clone())),
            }
            self.seen.push((kind.to_owned(), id));
        } else {
            self.values.insert(topic.to_owned(), body.to_owned());
        }
        for (config, entity) in self.entities.values_mut() {
            let value = |key: &str| self.values.get(config[key].as_str().unwrap());
            entity.available = value("availability_topic").is_some_and(|value| value == "online");
            entity.on = value("state_topic").map(|value| config["payload_on"] == json!(value));
        }
    }

    async fn run(port: u16, mut until: impl FnMut(&Self) -> bool) -> Self {
        let options = MqttOptions::new("homeassistant", ("127.0.0.1", port));
        let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
        for topic in ["homeassistant/#", "frigate/#"] {
            client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        }
        let mut home = Self::default();
        while !until(&home) {
            if let Event::Incoming(Packet::Publish(message)) = events.poll().await.unwrap() {
                let topic = std::str::from_utf8(&message.topic).unwrap().to_owned();
                home.take(&topic, std::str::from_utf8(&message.payload).unwrap());
            }
        }
        home
    }

    fn follow(port: u16, until: impl FnMut(&Self) -> bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), Self::run(port, until)).await.expect("what it waits for")
        })
    }
}

#[test]
fn home_assistant_finds_follows_and_loses_its_sensors() {
    let far = Mqtt::new("3.1.1");
    let port = far.services.port("MQTT_PORT");
    let mut params = far.params();
    params["dialect"] = "frigate".into();
    params["discovery"] = true.into();
    let pipeline = Pipeline::start("mqtt", &params);
    let submit = |n, phase, revision| {
        let mut record = event("gate-1", n);
        (record.phase, record.revision, record.rule) = (phase, revision, "ghost".to_owned());
        pipeline.store.writer().submit_acked(vec![record]).unwrap().recv().unwrap();
    };
    // Two at once; one ends: the sensor stays on.
    submit(1, Phase::Start, 0);
    submit(2, Phase::Start, 0);
    submit(1, Phase::End, 1);
    pipeline.wait_for_delivered(3);
    let sensor = |home: &HomeAssistant| home.entities.get("vantage_gate-1_ghost").map(|(_, e)| (e.available, e.on));
    let home = HomeAssistant::follow(port, |home| sensor(home) == Some((true, Some(true))));
    let (_, entity) = &home.entities["vantage_gate-1_ghost"];
    assert_eq!((entity.name.as_str(), entity.device.as_str()), ("ghost", "gate-1"));
    // A later start sees how many cars there are.
    let home = HomeAssistant::follow(port, |home| home.values.contains_key("frigate/gate-1/car"));
    assert_eq!(home.values["frigate/gate-1/car"], "1");

    let (told, subscribed) = std::sync::mpsc::channel();
    let watching = std::thread::spawn(move || {
        HomeAssistant::follow(port, |home| {
            if home.values.contains_key("frigate/gate-1/car") {
                let _ = told.send(());
            }
            let none_left = home.values.get("frigate/gate-1/car").is_some_and(|count| count == "0");
            home.seen.len() == 4 && none_left && home.entities.values().all(|(_, entity)| entity.on == Some(false))
        })
    });
    subscribed.recv_timeout(Duration::from_secs(10)).unwrap();
    submit(3, Phase::Start, 0);
    submit(3, Phase::End, 1);
    submit(2, Phase::Update, 1);
    submit(2, Phase::End, 2);
    let home = watching.join().unwrap();
    let types: Vec<&str> = home.seen.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(types, ["new", "end", "update", "end"], "{:?}", home.seen);
    assert!(home.ongoing.is_empty());

    drop(pipeline);
    HomeAssistant::follow(port, |home| sensor(home).is_some_and(|(available, _)| !available));
}
