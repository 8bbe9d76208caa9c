//! `vantage bench --json`: what it promises to print, and that the numbers fit together.

use crate::program::{assert_balanced, run, street_clip, tiny};

#[test]
fn the_report_is_complete_and_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 3.0);
    let (clip, model) = (clip.to_str().unwrap().to_owned(), tiny().to_str().unwrap().to_owned());
    let mot = folder.path().join("tracks.txt");
    let said = run(&[
        "bench",
        &clip,
        "--model",
        &model,
        "--json",
        "--threads",
        "2",
        "--streams",
        "2",
        "--loop",
        "2",
        "--mot",
        mot.to_str().unwrap(),
    ])
    .ok();
    let report = said.json();
    assert_eq!(report["frames"], 2 * 2 * 75);
    assert_balanced(&report["accounting"]);
    let cpu = report["cpu_seconds"].as_f64().unwrap();
    let frames = report["frames"].as_f64().unwrap();
    let stages = report["stages"].as_object().unwrap();
    for stage in ["decode", "preprocess", "infer", "postprocess", "track", "rules", "other"] {
        assert!(stages[stage]["cpu_ms_per_frame"].as_f64().unwrap() >= 0.0, "{stage}");
    }
    let sum: f64 = stages.values().map(|s| s["cpu_ms_per_frame"].as_f64().unwrap()).sum();
    assert!((sum * frames / 1e3 / cpu - 1.0).abs() < 0.03, "{sum} ms a frame against {cpu} s");
    for key in ["seconds", "fps", "rss_mib", "startup_seconds", "startup_cpu_seconds"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }
    for key in ["p50", "p95", "p99"] {
        assert!(report["latency_ms"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    // Two objects in every frame of two streams, twice.
    let detections = report["detections"].as_u64().unwrap();
    assert!((560..=640).contains(&detections), "{detections}");
    let rows = std::fs::read_to_string(mot).unwrap();
    let first: Vec<&str> = rows.lines().next().unwrap().split(',').collect();
    assert_eq!((first.len(), first[0], first[8], first[9]), (10, "1", "-1", "-1"));
    let last = rows.lines().last().unwrap().split(',').next().unwrap();
    assert_eq!(last, "75", "one pass of one stream");
}

#[test]
fn every_kth_frame_is_inferred() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 2.0);
    let model = tiny();
    let said =
        run(&["bench", clip.to_str().unwrap(), "--model", model.to_str().unwrap(), "--json", "--every", "5"]).ok();
    let frames = &said.json()["accounting"]["frames"];
    assert_eq!((frames["detected"].as_u64(), frames["skipped"]["sampled"].as_u64()), (Some(10), Some(40)));
}
