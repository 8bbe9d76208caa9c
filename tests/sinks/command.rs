//! `vantage sinks`: what it says of a store and its sinks, and that it sends what it was asked to send.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use vantage::scene::Outbox;
use vantage::scene::{Position, Rejected};
use vantage::store::{Store, StoreOptions};

use crate::far_side::{FarSide, Hook};
use crate::store_support::event;

fn vantage(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vantage")).args(["--log", "error"]).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A pipeline with sinks `log` (a file) and `hook`, and a store of 40 events of which `hook` has 10 and refused two.
fn pipeline(folder: &Path, hook: &Hook) -> String {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let text = format!(
        "version: 1\nstore: {{path: data}}\nmodels: {{tiny: {{path: {}}}}}\nsinks:\n  - {{id: log, type: jsonl, path: \
         e.jsonl}}\n  - {{id: hook, type: webhook, url: '{}', allow_private: true}}\ncameras:\n  - {{id: a, url: \
         'rtsp://127.0.0.1:9/x', model: tiny}}\n",
        tiny.display(),
        hook.url()
    );
    let file = folder.join("pipeline.yaml");
    std::fs::write(&file, text).unwrap();
    let store = Store::open(&folder.join("data"), StoreOptions::default()).unwrap();
    store.writer().submit_acked((0..40).map(|n| event("a", n)).collect()).unwrap().recv().unwrap();
    let refused = [3, 7].map(|n| Rejected { position: Position(n), reason: format!("answered 422 to {n}") });
    store.outbox("hook").unwrap().confirm(Position(10), refused.to_vec()).unwrap();
    store.close();
    file.display().to_string()
}

#[test]
fn status_dead_letters_and_replay() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let output = vantage(&["sinks", "status", &file, "--json"]);
    let lines: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let figures: Vec<[&Value; 4]> =
        lines.iter().map(|l| [&l["sink"], &l["cursor"], &l["waiting"], &l["dead_letters"]]).collect();
    assert_eq!(figures[0], [&json!("log"), &json!(0), &json!(40), &json!(0)], "{}", said(&output));
    assert_eq!(figures[1], [&json!("hook"), &json!(10), &json!(30), &json!(2)]);
    assert!(lines[0]["confirmed_at"].is_null() && lines[1]["confirmed_at"].is_string());
    let table = said(&vantage(&["sinks", "status", &file]));
    assert!(table.contains("never") && table.contains("no answer from a running program"), "{table}");

    let letters = said(&vantage(&["sinks", "dead-letters", &file, "hook"]));
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains(" hook 3 a gate ") && letters.contains("answered 422 to 7"), "{letters}");

    let replayed = said(&vantage(&["sinks", "replay", &file, "hook", "--dead-letters"]));
    assert!(replayed.contains("2 events confirmed, 0 refused"), "{replayed}");
    let sequences = |hook: &Hook| hook.received().iter().map(|record| record.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(&hook), [3, 7]);
    assert_eq!(hook.received()[0].id, format!("{}.0", event("a", 2).id), "the id that it had");

    let from = event("a", 20).time.utc.to_string();
    let to = event("a", 25).time.utc.to_string();
    vantage(&["sinks", "replay", &file, "hook", "--from", &from, "--to", &to]);
    assert_eq!(sequences(&hook)[2..], [21, 22, 23, 24, 25]);
    // Nothing in the store has changed by it.
    let reader = Store::open_reader(&folder.path().join("data")).unwrap();
    assert_eq!(reader.cursor("hook").unwrap(), Position(10));
}

#[test]
fn test_sends_one_event_to_each_and_fails_with_the_reason() {
    let (folder, mut hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let output = vantage(&["sinks", "test", &file]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("confirmed event").count(), 2);
    let body: Value = serde_json::from_slice(&hook.confirmed.lock().unwrap()[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["camera"]), (&json!("vantage.event.test.v1"), &json!("test")));
    hook.stop();
    let output = vantage(&["sinks", "test", &file, "hook"]);
    assert!(!output.status.success());
    assert!(said(&output).contains("hook: FAILED:"), "{}", said(&output));
    let output = vantage(&["sinks", "test", &file, "hok"]);
    assert!(!output.status.success() && said(&output).contains("it has log, hook"), "{}", said(&output));
    assert!(!vantage(&["sinks", "replay", &file, "hook"]).status.success(), "replay wants to be told what");
}

#[cfg(not(feature = "kafka"))]
#[test]
fn a_sink_that_this_build_lacks_says_how_to_get_it() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let written = std::fs::read_to_string(&file).unwrap();
    let kafka = "sinks:\n  - {id: bus, type: kafka, brokers: 'k:9092', topic: city, tls: true}\n";
    std::fs::write(&file, written.replacen("sinks:\n", kafka, 1)).unwrap();
    let output = vantage(&["check", &file]);
    let text = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!output.status.success() && text.contains("built without the feature `kafka`"), "{text}");
    assert!(text.contains("--features kafka"), "{text}");
}
