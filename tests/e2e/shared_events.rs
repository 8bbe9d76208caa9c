//! Happenings in real footage beside the repository, read from its frames by eye (`groundtruth/events.json`): each must
//! be found, with thresholds that fit clips of ten seconds, and nothing else of its kind.

use std::path::Path;

use serde_json::Value;

use crate::program::run;
use crate::shared_footage::{footage, shared};

/// A clip, what is drawn on it, and what must be told of it.
struct Case {
    clip: &'static str,
    scene: &'static str,
    /// Kind of the true events in the ground truth, and that of ours.
    event: (&'static str, &'static str),
    /// How many of ours there are at least and at most.
    found: (usize, usize),
}

/// Both carriageways of the A13, the traffic of the clips that are not reversed.
const A13: &str = "
    lanes:
      - id: left
        polygon: [[0, 0.98], [0, 0.64], [0.41, 0.27], [0.47, 0.27], [0.46, 0.98]]
        direction: {from: [0.25, 0.9], to: [0.44, 0.3]}
      - id: right
        polygon: [[0.55, 0.27], [0.62, 0.27], [1, 0.72], [1, 0.98], [0.55, 0.98]]
        direction: {from: [0.59, 0.3], to: [0.78, 0.95]}
    rules:
      - {id: left-wrong, type: wrong_way, lane: left}
      - {id: right-wrong, type: wrong_way, lane: right}
";

const CASES: [Case; 8] = [
    Case {
        clip: "traffic/london_a13_201708311651_stationary_queue.mp4",
        scene: "
    lanes:
      - id: standing
        polygon: [[0.517, 0.556], [0.753, 0.556], [0.767, 0.997], [0.483, 0.997]]
        direction: {from: [0.6, 0.56], to: [0.64, 0.95]}
    rules:
      - {id: jam, type: congestion, lane: standing, sustained: 4s, vehicles_min: 4}
",
        event: ("stationary_queue", "congestion"),
        found: (1, 1),
    },
    Case {
        clip: "traffic/london_a13_201707221316_overcast_slip_road.mp4",
        scene: "
    lanes:
      - id: slip
        polygon: [[0, 0.521], [0.3125, 0.3125], [0.341, 0.382], [0.114, 0.8], [0, 0.8]]
        direction: {from: [0.03, 0.7], to: [0.32, 0.35]}
    rules:
      - {id: jam, type: congestion, lane: slip, sustained: 4s, vehicles_min: 2}
",
        event: ("slow_queue", "congestion"),
        found: (1, 1),
    },
    Case { clip: "traffic/london_a13_201709211001_day.mp4", scene: A13, event: ("", "wrong_way"), found: (0, 0) },
    Case {
        clip: "traffic/night_road_1080p.mp4",
        scene: "
    zones:
      - {id: kerb, polygon: [[0.56, 0.1], [0.71, 0.1], [0.71, 0.27], [0.56, 0.27]]}
    rules:
      - {id: stop, type: stopped_vehicle, zone: kerb, stopped_for: 5s}
",
        event: ("stopped_vehicle", "stopped_vehicle"),
        found: (1, 1),
    },
    Case {
        clip: "traffic/night_road_1080p.mp4",
        scene: "
    rules:
      - {id: unfit, type: camera_unfit, learn_for: 3s}
",
        event: ("exposure_change", "camera_unfit"),
        found: (0, 0),
    },
    Case {
        clip: "traffic/moving_camera_london_roadworks.mp4",
        scene: "
    rules:
      - {id: unfit, type: camera_unfit, learn_for: 1s, moved_after: 2s, faults: [moved]}
",
        event: ("camera_moves", "camera_unfit"),
        found: (1, 1),
    },
    Case {
        clip: "derived/london_a13_day_reversed_wrong_way.mp4",
        scene: A13,
        event: ("wrong_way", "wrong_way"),
        found: (20, 40),
    },
    Case {
        clip: "derived/uk_motorway_reversed_wrong_way.mp4",
        scene: "
    lanes:
      - id: road
        polygon: [[0.16, 0.34], [0.45, 0.32], [1, 0.62], [1, 1], [0.36, 1]]
        direction: {from: [0.33, 0.35], to: [0.62, 0.95]}
    rules:
      - {id: wrong, type: wrong_way, lane: road}
",
        event: ("wrong_way", "wrong_way"),
        found: (7, 10),
    },
];

/// Starts of the events of this kind.
fn starts(folder: &Path, model: &Path, clip: &Path, case: &Case) -> Vec<Value> {
    let file = folder.join("pipeline.yaml");
    let quoted = |path: &Path| serde_json::to_string(path).unwrap();
    let text = format!(
        "version: 1\nmodels: {{default: {{path: {}, family: yolox}}}}\ncameras:\n  - id: a\n    url: {}{}",
        quoted(model),
        quoted(clip),
        case.scene,
    );
    std::fs::write(&file, text).unwrap();
    let events = run(&["replay", file.to_str().unwrap()]).ok().lines();
    events.into_iter().filter(|event| event["kind"] == case.event.1 && event["phase"] == "start").collect()
}

#[test]
fn what_happens_in_real_footage_is_found() {
    let Some(footage) = footage() else { return };
    let model = shared().join("data/models/yolox_nano_416.onnx");
    let text = std::fs::read_to_string(shared().join("data/groundtruth/events.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for case in &CASES {
        let listed = truth["clips"].as_array().unwrap().iter().filter(|clip| {
            let name = clip["file"].as_str().unwrap();
            name.ends_with(case.clip)
                && clip["events"].as_array().unwrap().iter().any(|event| event["type"] == case.event.0)
        });
        assert!(case.event.0.is_empty() || listed.count() == 1, "{} has no {}", case.clip, case.event.0);
        let found = starts(folder.path(), &model, &footage.join(case.clip), case);
        let told: Vec<String> = found
            .iter()
            .map(|event| format!("{}: {}", event["frame"], event["explanation"]["summary"].as_str().unwrap()))
            .collect();
        eprintln!("{}: {told:#?}", case.clip);
        let (least, most) = case.found;
        assert!((least..=most).contains(&found.len()), "{}: {least} to {most} expected, {told:#?}", case.clip);
    }
}
