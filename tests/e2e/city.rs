//! The product's own footage with its own detector: the shipped pipelines, held to the truth that came with the clips.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::run;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pipeline(scenario: &str) -> PathBuf {
    root().join("pipelines").join(scenario).with_extension("yaml")
}

fn replayed(scenario: &str) -> Vec<Value> {
    run(&["replay", pipeline(scenario).to_str().unwrap()]).ok().lines()
}

/// Frames in which happenings of this kind began.
fn starts(events: &[Value], kind: &str) -> Vec<u64> {
    let began = events.iter().filter(|event| event["kind"] == kind && event["phase"] == "start");
    began.map(|event| event["frame"].as_u64().unwrap()).collect()
}

/// The first and the last frame of the scenario's one happening of this kind; it may last to the end of the clip.
fn truth(scenario: &str, kind: &str) -> (u64, u64) {
    let text = std::fs::read_to_string(root().join("test-media").join(scenario).join("truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let events = truth["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(events.len(), 1, "{scenario}");
    let last = events[0]["end_frame"].as_u64().or(truth["frames"].as_u64());
    (events[0]["onset_frame"].as_u64().unwrap(), last.unwrap())
}

#[test]
fn every_shipped_pipeline_can_be_run() {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        // The commented example names a model that its reader brings.
        let more = if path.ends_with("example.yaml") { vec!["--file-only"] } else { vec![] };
        let said = run(&[vec!["check", path.to_str().unwrap()], more].concat());
        assert!(said.status.success(), "{}: {}", path.display(), said.stderr);
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn the_wrong_way_rider_is_found_once() {
    let (onset, end) = truth("wrong-way", "wrong_way");
    let found = starts(&replayed("wrong-way"), "wrong_way");
    assert!(matches!(found[..], [frame] if (onset..=end).contains(&frame)), "{found:?}, true from {onset} to {end}");
}

#[test]
fn the_stopped_lorry_is_found() {
    let (onset, end) = truth("stopped-lorry", "stopped_vehicle");
    let found = starts(&replayed("stopped-lorry"), "stopped_vehicle");
    assert!(
        !found.is_empty() && found.iter().all(|frame| (onset..=end).contains(frame)),
        "{found:?}, true from {onset}"
    );
}

#[test]
fn nothing_happens_on_an_empty_road() {
    let events = replayed("empty-road");
    assert!(!events.is_empty(), "the records of the whole clip");
    for event in &events {
        let measured = &event["explanation"]["measured"];
        assert!(measured["observed_seconds"].as_f64().unwrap() > 0.0, "{event}");
        match event["kind"].as_str().unwrap() {
            "line_count" => assert_eq!(measured["counts"], serde_json::json!({"forward": {}, "backward": {}})),
            "speed_count" => assert_eq!(measured["speeds"], serde_json::json!({})),
            "traffic_state" => assert_eq!(measured["vehicles_mean"], 0.0),
            "queue_state" => assert_eq!(measured["max_metres"], 0.0),
            _ => panic!("{event}"),
        }
    }
}

#[test]
fn the_parked_car_is_found_once() {
    let (onset, end) = truth("illegal-parking", "illegal_parking");
    let found = starts(&replayed("illegal-parking"), "illegal_parking");
    assert!(matches!(found[..], [frame] if (onset..=end).contains(&frame)), "{found:?}, true from {onset}");
}

#[test]
fn the_growing_queue_is_found_once() {
    let (onset, _) = truth("congestion", "congestion");
    let events = replayed("congestion");
    let congested = starts(&events, "congestion");
    let queued = starts(&events, "queue_length");
    // The queue is 30 m long at the onset. Traffic is slow some seconds before; congestion is a mean over 15 s of it.
    assert!(
        matches!(congested[..], [frame] if frame + 80 >= onset && frame <= onset + 250),
        "{congested:?}, true from {onset}"
    );
    let (onset, _) = truth("congestion", "queue_length");
    assert!(!queued.is_empty() && queued.iter().all(|frame| *frame + 20 >= onset), "{queued:?}, true from {onset}");
}

/// Movements as the real detector and tracker see them: a movement needs one track from gate to gate, which the bundled
/// detector keeps for a few only (models/street/README.md); never are more counted than there were.
#[test]
fn the_junctions_movements_are_counted() {
    let text = std::fs::read_to_string(root().join("test-media/junction/truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let total = |classes: &Value| classes.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let true_total: u64 = truth["counts"]["turning"].as_object().unwrap().values().map(total).sum();
    let events = replayed("junction");
    let counts = events.iter().filter(|event| event["kind"] == "turning_count");
    let counts: Vec<&Value> = counts.map(|event| &event["explanation"]["measured"]["counts"]).collect();
    let found: u64 = counts.iter().flat_map(|counts| counts.as_object().unwrap().values()).map(total).sum();
    eprintln!("{found} of {true_total} movements found");
    assert!((4..=true_total).contains(&found), "{found} of {true_total}");
}

#[test]
fn every_fault_of_a_camera_is_found_and_its_gates_rest_meanwhile() {
    let text = std::fs::read_to_string(root().join("test-media/camera-faults/truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let events = replayed("camera-faults");
    let began = events.iter().filter(|event| event["kind"] == "camera_unfit" && event["phase"] == "start");
    let found: Vec<(u64, &str)> = began
        .map(|event| {
            let fault = event["explanation"]["measured"]["fault"].as_str().unwrap();
            (event["frame"].as_u64().unwrap(), fault)
        })
        .collect();
    let faults = truth["events"].as_array().unwrap();
    assert_eq!(found.len(), faults.len(), "{found:?}");
    for ((frame, fault), truth) in found.iter().zip(faults) {
        let span = truth["onset_frame"].as_u64().unwrap()..=truth["end_frame"].as_u64().unwrap();
        assert!(span.contains(frame) && truth["fault"] == *fault, "{fault} {frame}: {truth}");
    }
    let counts = events.iter().filter(|event| event["kind"] == "line_count" && event["rule"] == "west-in-crossed");
    let measured = counts.map(|event| &event["explanation"]["measured"]);
    let (all, seen) = measured.fold((0.0, 0.0), |(all, seen), m| {
        (all + m["interval_seconds"].as_f64().unwrap(), seen + m["observed_seconds"].as_f64().unwrap())
    });
    assert!((all - 39.9f64).abs() < 1e-6 && (20.0..28.0).contains(&seen), "{seen} of {all} s");
}

/// Each clip of one incident, with the shipped pipeline: found once, in time, and nothing else of its kind.
#[test]
fn every_incident_has_its_clip() {
    let cases = [
        ("collision", "collision"),
        ("red-light", "red_light"),
        ("crowd", "crowd"),
        ("abandoned-object", "abandoned_object"),
        ("motorbikes", "counter_flow_riding"),
        ("motorbikes", "pavement_riding"),
        ("pedestrian", "pedestrian_on_road"),
        ("pedestrian", "zone_dwell"),
        ("near-miss", "near_miss"),
    ];
    for (scenario, kind) in cases {
        let (onset, end) = truth(scenario, kind);
        let events = replayed(scenario);
        let began =
            |event: &&Value| event["kind"] == kind && (event["phase"] == "start" || event["phase"] == "instant");
        let found: Vec<u64> = events.iter().filter(began).map(|event| event["frame"].as_u64().unwrap()).collect();
        assert!(
            matches!(found[..], [frame] if (onset..=end).contains(&frame)),
            "{scenario}: {kind} in frames {found:?}, true from {onset} to {end}"
        );
    }
}

#[test]
fn both_speeders_are_found_and_nobody_else() {
    let text = std::fs::read_to_string(root().join("test-media/speeding/truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let lanes = |of: &Value| of["lane"].as_str().unwrap().to_owned();
    let mut expected: Vec<String> = truth["events"].as_array().unwrap().iter().map(lanes).collect();
    let events = replayed("speeding");
    let told = events.iter().filter(|event| event["kind"] == "speeding" && event["phase"] != "end");
    let mut found: Vec<String> = told.map(|event| lanes(&event["explanation"]["thresholds"])).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
