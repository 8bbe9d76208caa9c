//! `vantage eval` as its users run it: the real binary on the repository's clips, good input and bad.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn eval(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vantage"));
    command.current_dir(root()).env("NO_COLOR", "1").arg("eval").args(arguments).output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn report(output: &Output) -> Value {
    let (stdout, stderr) = said(output);
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}{stderr}"))
}

/// An event of camera `wrong-way`, as a sink writes it.
fn event(id: u32, kind: &str, at_s: f64, bbox: [f64; 4]) -> Value {
    json!({
        "id": format!("00000000-0000-8000-8000-{id:012}"), "revision": 0, "phase": "start", "camera": "wrong-way",
        "sequence": id, "rule": format!("{kind}-rule"), "kind": kind, "severity": "alert",
        "time": {"utc": "2026-01-05T01:00:00Z", "source": "starts_at", "error_ns": 0},
        "media_time": (at_s * 1e9) as i64, "run": 0, "frame": (at_s * 10.0) as u64, "track": 1, "class": "motorcycle",
        "bbox": bbox,
        "explanation": {"summary": format!("{kind} told"), "thresholds": {"lane": "eastbound"}, "measured": {},
                        "model": "", "pipeline": ""},
    })
}

/// Writes events as JSON lines.
fn jsonl(folder: &TempDir, events: &[Value]) -> String {
    let path = folder.path().join("events.jsonl");
    fs::write(&path, events.iter().map(|event| format!("{event}\n")).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Where the rider truly is, as shares of the picture.
fn rider_at(frame: usize) -> [f64; 4] {
    let text = fs::read_to_string(root().join("test-media/wrong-way/truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let object = truth["events"][0]["object"].as_f64().unwrap();
    let rows = truth["frames_data"][frame].as_array().unwrap();
    let row = rows.iter().find(|row| row[0].as_f64() == Some(object)).unwrap();
    let at = |column: usize, size: f64| row[column].as_f64().unwrap() / size;
    [at(1, 640.0), at(2, 360.0), at(3, 640.0), at(4, 360.0)]
}

const TRUTH: &str = "test-media/wrong-way/truth.json";

#[test]
fn a_pipeline_is_replayed_and_scored() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let output = eval(&["run", "pipelines/wrong-way.yaml", "--json", "--html", page.to_str().unwrap()]);
    let found = report(&output);
    assert!(output.status.success(), "{}", said(&output).1);
    let events = &found["events"];
    assert_eq!((&events["all"]["detected"], &events["all"]["incidents"]), (&json!(1), &json!(1)), "{found:#}");
    assert_eq!(events["incident_rows"][0]["outcome"], "detected");
    let delay = events["incident_rows"][0]["delay_s"].as_f64().unwrap();
    assert!((-2.0..29.0).contains(&delay), "{delay}");
    assert_eq!(found["digest"].as_str().map(str::len), Some(64));
    assert!(found["tracks"]["combined"]["hota"].as_f64().unwrap() > 0.15, "gt.txt lies beside: {:#}", found["tracks"]);
    let page = fs::read_to_string(page).unwrap();
    self_contained(&page);
    assert!(page.contains("Told: wrong_way") && page.contains("data:image/jpeg;base64,/9j/"), "the rider's picture");
}

/// Nothing but the page itself is needed to show it.
fn self_contained(page: &str) {
    for outside in ["<script", "http://", "https://", "src=\"/", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.starts_with("<!doctype html>") && page.contains("default-src 'none'"));
    for element in ["svg", "table", "section", "figure", "div", "details"] {
        let (open, close) =
            (page.matches(&format!("<{element}")).count(), page.matches(&format!("</{element}>")).count());
        assert_eq!(open, close, "<{element}>");
    }
}

#[test]
fn what_was_missed_and_what_was_false_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    // Right in time but about the wrong road user; and of something that does not happen.
    let events = jsonl(
        &folder,
        &[event(1, "wrong_way", 16.0, [0.0, 0.8, 0.1, 1.0]), event(2, "stopped_vehicle", 5.0, [0.4, 0.5, 0.6, 0.7])],
    );
    let page = folder.path().join("page.html");
    let found =
        report(&eval(&["events", "--truth", TRUTH, "--events", &events, "--json", "--html", page.to_str().unwrap()]));
    let all = &found["events"]["all"];
    assert_eq!((&all["detected"], &all["false_alarms"]), (&json!(0), &json!(2)));
    let why: Vec<&str> =
        found["events"]["alarm_rows"].as_array().unwrap().iter().map(|row| row["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["nothing of this kind happens here", "something else is behind it"]);
    let page = fs::read_to_string(page).unwrap();
    self_contained(&page);
    assert!(page.contains("Missed: wrong_way") && page.contains("False alarm: stopped_vehicle"));
    assert_eq!(page.matches("data:image/jpeg;base64,/9j/").count(), 3, "a picture of each");
}

#[test]
fn a_hit_a_repeat_and_conditions() {
    let folder = tempfile::tempdir().unwrap();
    let events =
        jsonl(&folder, &[event(1, "wrong_way", 16.0, rider_at(160)), event(2, "wrong_way", 20.0, rider_at(200))]);
    let with = |conditions: &str| eval(&["events", "--truth", TRUTH, "--events", &events, "--require", conditions]);
    let met = with("detection_rate>=1,false_alarms_per_hour<=0,time_to_detect_p50_s<3");
    assert!(met.status.success(), "{:?}", said(&met));
    let text = said(&met).0;
    assert!(text.contains("1 of 1 incidents") && text.contains("1 repeats") && text.contains("met"), "{text}");
    let failed = with("repeats<=0");
    assert_eq!(failed.status.code(), Some(1));
    assert!(said(&failed).0.contains("FAILED repeats <= 0") && said(&failed).1.contains("not met"), "{failed:?}");
    let unknown = with("detektion>=1");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).1.contains("detection_rate,"), "the names there are");
    let malformed = with("detection_rate=1");
    assert_eq!(malformed.status.code(), Some(2));
}

#[test]
fn counts_from_crossings() {
    let folder = tempfile::tempdir().unwrap();
    let crossing = |id: u32, line: &str, at_s: f64| {
        let mut crossing = event(id, "line_crossing", at_s, [0.1, 0.1, 0.2, 0.2]);
        crossing["camera"] = "junction".into();
        crossing["phase"] = "instant".into();
        crossing["explanation"]["thresholds"] = json!({"line": line});
        crossing["explanation"]["measured"] = json!({"direction": "forward"});
        crossing
    };
    let events = jsonl(&folder, &[crossing(1, "north-out", 2.0), crossing(2, "north-out", 3.0), crossing(3, "x", 4.0)]);
    let truth = "test-media/junction/truth.json";
    let found = report(&eval(&["counts", "--truth", truth, "--events", &events, "--json"]));
    let counts = &found["counts"];
    assert_eq!((counts["counted"].as_u64(), counts["unknown_lines"][0].as_str()), (Some(2), Some("junction/x")));
    let movement = |line: &str| {
        let all = counts["movements"].as_array().unwrap();
        all.iter().find(|m| m["line"] == line && m["direction"] == "forward").unwrap().clone()
    };
    assert_eq!((&movement("north-out")["truth"], &movement("north-out")["counted"]), (&json!(3), &json!(2)));
    assert_eq!(movement("west-in")["watched"], false);
}

#[test]
fn perfect_tracks_and_several_sequences() {
    let (a, b) = ("test-media/wrong-way/gt.txt", "test-media/pedestrian/gt.txt");
    let output = eval(&["tracks", "--truth", a, "--tracks", a, "--truth", b, "--tracks", b, "--json"]);
    let found = report(&output);
    for scores in [&found["tracks"]["combined"], &found["tracks"]["sequences"][1]] {
        for name in ["hota", "idf1", "mota"] {
            assert!((scores[name].as_f64().unwrap() - 1.0).abs() < 1e-9, "{name}: {scores:#}");
        }
    }
    assert_eq!(found["tracks"]["sequences"][0]["name"], "wrong-way");
}

#[test]
fn bad_input_is_refused_with_its_place_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> String {
        let path: PathBuf = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("good.txt", "1,1,0,0,10,10,1,1,1\n");
    let empty = write("empty.txt", "");
    let nan = write("nan.txt", "1,1,0,0,10,10\n2,1,0,nan,10,10\n");
    let unsorted = write("unsorted.txt", "5,1,0,0,10,10\n2,1,0,0,10,10\n");
    let detections = write("detections.txt", "1,-1,0,0,10,10,0.9\n");
    for (tracks, words) in [
        (&empty, "no row in it"),
        (&nan, "line 2: top is NaN"),
        (&unsorted, "line 2: identity 1 goes back from frame 5 (line 1) to frame 2"),
        (&detections, "line 1: id -1 is no identity"),
        (&"missing.txt".to_owned(), "missing.txt"),
    ] {
        refused(&["tracks", "--truth", &good, "--tracks", tracks], &[words, tracks.as_str()]);
    }
    refused(&["tracks", "--truth", &empty, "--tracks", &good], &["no row in it", "--allow-empty"]);
    refused(&["tracks", "--truth", &good, "--truth", &good, "--tracks", &good], &["one --tracks for each --truth"]);
    refused(&["tracks", "--truth", &good, "--tracks", &good, "--iou", "1.5"], &["--iou 1.5"]);

    let events = jsonl(&folder, &[event(1, "wrong_way", 16.0, rider_at(160))]);
    let nothing = write("nothing.jsonl", "\n");
    let broken = write("broken.jsonl", "{\"id\": 1}\n");
    refused(&["events", "--truth", TRUTH, "--events", &nothing], &["no event in it", "--allow-empty"]);
    refused(&["events", "--truth", TRUTH, "--events", &broken], &["line 1: no event"]);
    refused(&["events", "--truth", &empty, "--events", &events], &["line 1: the file is empty"]);
    let of_gate = format!("gate={TRUTH}");
    refused(&["events", "--truth", &of_gate, "--events", &events], &["no event of camera gate", "wrong-way"]);
    let of_other = write("other.json", r#"{"schema": 1, "seconds": 40, "camera_id": "gate"}"#);
    let claimed = format!("wrong-way={of_other}");
    refused(&["events", "--truth", &claimed, "--events", &events], &["truth of camera gate, not of wrong-way"]);
    let short = write("short.json", r#"{"schema": 1, "seconds": 10}"#);
    refused(&["events", "--truth", &short, "--events", &events], &["events go on to 16.0 s", "10.0 s long"]);
    refused(&["counts", "--truth", &short, "--events", &nothing, "--allow-empty"], &["no counts in it"]);

    // The truth of another clip, by its checksum, by its length, by its picture.
    let page = folder.path().join("page.html");
    let (page, clip) = (page.to_str().unwrap(), "test-media/pedestrian/clip.mp4");
    let with_page = ["events", "--truth", TRUTH, "--events", &events, "--html", page, "--clip", clip];
    refused(&with_page, &["is not the clip that", "sha256"]);
    let swapped = format!("wrong-way={clip}");
    refused(
        &["run", "pipelines/wrong-way.yaml", "--clip", &swapped, "--truth", &format!("wrong-way={TRUTH}")],
        &["sha256"],
    );
    let longer = write("longer.json", r#"{"schema": 1, "fps": 10, "frames": 500, "width": 640, "height": 360}"#);
    let wider = write("wider.json", r#"{"schema": 1, "fps": 10, "frames": 400, "width": 1280, "height": 720}"#);
    let tiny = write("tiny.yaml", &tiny_pipeline());
    for (truth, words) in [(longer, "has 400 frames, the truth 500"), (wider, "is 640x360, the truth's 1280x720")] {
        refused(&["run", &tiny, "--truth", &format!("wrong-way={truth}")], &[words, &truth]);
    }
    refused(&["run", &tiny, "--truth", &format!("gate={TRUTH}")], &["of which camera?", "wrong-way"]);
    refused(&["run", &tiny, "--map", "nobody=wrong_way"], &["no rule or kind nobody", "crossed"]);
}

fn refused(arguments: &[&str], words: &[&str]) {
    let output = eval(arguments);
    let (stdout, stderr) = said(&output);
    assert!(!output.status.success() && stdout.is_empty(), "{arguments:?}: {stdout}{stderr}");
    assert!(stderr.contains("error:"), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?} lacks {word:?}: {stderr}");
    }
}

/// The wrong-way clip with the quick test model, which sees nothing in it.
fn tiny_pipeline() -> String {
    let path = |name: &str| serde_json::to_string(&root().join(name)).unwrap();
    format!(
        "version: 1\nmodels: {{default: {{path: {}}}}}\ncameras:\n  - id: wrong-way\n    url: {}\n    lines: [{{id: gate, \
         from: [0.1, 0.5], to: [0.9, 0.5]}}]\n    rules: [{{id: crossed, type: line_crossing, line: gate}}]\n",
        path("models/tiny"),
        path("test-media/wrong-way/clip.mp4")
    )
}

#[test]
fn without_a_rule_the_incident_is_missed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("tiny.yaml");
    fs::write(&pipeline, tiny_pipeline()).unwrap();
    let page = folder.path().join("page.html");
    let output = eval(&["run", pipeline.to_str().unwrap(), "--html", page.to_str().unwrap(), "--require", "missed<=0"]);
    assert_eq!(output.status.code(), Some(1), "{:?}", said(&output));
    assert!(said(&output).0.contains("missed  wrong-way wrong_way at 0:13.7"), "{}", said(&output).0);
    let page = fs::read_to_string(page).unwrap();
    self_contained(&page);
    assert!(page.contains("Missed: wrong_way, wrong-way at 13.7 s"));
    assert_eq!(page.matches("data:image/jpeg;base64,/9j/").count(), 1);
}
