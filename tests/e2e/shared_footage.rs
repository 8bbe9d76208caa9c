//! Real footage beside the repository, when it is there.

use std::path::{Path, PathBuf};

use crate::program::{assert_balanced, run, tiny};

pub fn shared() -> PathBuf {
    let shared = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(shared)
}

pub fn footage() -> Option<PathBuf> {
    let folder = shared().join("data/footage");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

#[test]
fn every_clip_ends_with_balanced_books_or_a_reason() {
    let Some(footage) = footage() else { return };
    let model = tiny();
    for part in ["malformed", "derived"] {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(footage.join(part)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let mut arguments = vec!["bench", file.to_str().unwrap(), "--model", model.to_str().unwrap(), "--json"];
            if [".264", ".h264", ".h265", ".mjpeg"].iter().any(|end| name.ends_with(end)) {
                arguments.extend(["--assume-fps", "25"]);
            }
            let said = run(&arguments);
            if !said.stdout.is_empty() {
                assert_balanced(&said.json()["accounting"]);
            }
            if !said.status.success() {
                assert!(said.stderr.contains("error:") && said.stderr.contains(&name), "{name}: {}", said.stderr);
            }
            if said.stdout.is_empty() {
                assert!(part == "malformed" && !said.status.success(), "{name}: {}", said.stderr);
                continue;
            }
            let frames = said.json()["accounting"]["frames"].clone();
            if part == "derived" {
                assert!(said.status.success(), "{name}: {}", said.stderr);
                assert!(frames["detected"].as_u64().unwrap() > 0, "{name}: {frames}");
                assert_eq!(frames["dropped"]["corrupt"], 0, "{name} is clean: {frames}");
            }
        }
    }
}

/// Headlights by night: the detector gives none of these four vehicles a box that lasts until the line.
const UNSEEN: (&str, &str) = ("london_a13_201709042126_night.mp4", "right_carriageway");

/// The moment stated by hand is the middle of the time during which a vehicle covers the line: when its middle, not its
/// lower edge, is there. So the middle is what counts.
#[test]
fn vehicles_are_counted_as_by_hand() {
    if footage().is_none() {
        return;
    }
    let shared = shared();
    let text = std::fs::read_to_string(shared.join("data/groundtruth/counts.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let model = shared.join("data/models/yolox_nano_416.onnx");
    let folder = tempfile::tempdir().unwrap();
    let (mut in_time, mut crossings) = (0, 0);
    for clip in truth["clips"].as_array().unwrap() {
        let path = shared.join(clip["file"].as_str().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        let size = if name.contains("720p") { [1280.0, 720.0] } else { [352.0, 288.0] };
        let mut lines = String::new();
        let mut rules = String::new();
        for line in clip["lines"].as_array().unwrap() {
            let id = line["name"].as_str().unwrap();
            let at = |end: usize, axis: usize| line["segment_px"][end][axis].as_f64().unwrap() / size[axis];
            let (from, to) = ([at(0, 0), at(0, 1)], [at(1, 0), at(1, 1)]);
            lines += &format!("      - {{id: {id}, from: {from:?}, to: {to:?}}}\n");
            rules += &format!(
                "      - {{id: {id}, type: line_crossing, line: {id}, report: [crossing], anchor: centre, classes: [car, truck, bus, motorcycle]}}\n"
            );
        }
        let pipeline = folder.path().join("count.yaml");
        let models = format!("models: {{default: {{path: {}, score: 0.1}}}}", model.display());
        let camera = format!("  - id: road\n    url: {}\n    lines:\n{lines}    rules:\n{rules}", path.display());
        std::fs::write(&pipeline, format!("version: 1\n{models}\ncameras:\n{camera}")).unwrap();
        let events = run(&["replay", pipeline.to_str().unwrap()]).ok().lines();
        let window = clip["window"][0].as_u64().unwrap()..clip["window"][1].as_u64().unwrap();
        for line in clip["lines"].as_array().unwrap() {
            for (way, counted) in line["counts"].as_object().unwrap() {
                // The lines are drawn from left to right: whoever comes nearer crosses to the right of that.
                let direction = if way == "toward_camera" { "forward" } else { "backward" };
                let ours = events.iter().filter(|event| {
                    event["rule"] == line["name"] && event["explanation"]["measured"]["direction"] == direction
                });
                let mut ours: Vec<u64> =
                    ours.map(|event| event["frame"].as_u64().unwrap()).filter(|at| window.contains(at)).collect();
                let by_hand: Vec<u64> =
                    counted["frames"].as_array().unwrap().iter().map(|frame| frame.as_u64().unwrap()).collect();
                eprintln!("{name} {} {way}: at {ours:?}, by hand {by_hand:?}", line["name"]);
                if (name, line["name"].as_str().unwrap()) == UNSEEN {
                    continue;
                }
                let allowed = usize::from(!name.contains("720p"));
                assert!(ours.len().abs_diff(by_hand.len()) <= allowed, "{name} {}: {ours:?}", line["name"]);
                crossings += by_hand.len();
                for at in by_hand {
                    let found = ours.iter().position(|ours| ours.abs_diff(at) <= 10);
                    in_time += usize::from(found.map(|found| ours.remove(found)).is_some());
                }
            }
        }
    }
    // The right number at the wrong moments would be luck.
    eprintln!("{in_time} of {crossings} within 10 frames of the moment by hand");
    assert!(in_time * 10 >= crossings * 9, "{in_time} of {crossings} within 10 frames");
}
