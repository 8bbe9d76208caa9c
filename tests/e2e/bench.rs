//! `vantage bench --json`: what it promises to print, and that the numbers fit together.

use std::path::Path;

use crate::program::{assert_balanced, run, street, street_clip, tiny};

#[test]
fn the_report_is_complete_and_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 3.0);
    let (clip, model) = (clip.to_str().unwrap().to_owned(), tiny().to_str().unwrap().to_owned());
    let mot = folder.path().join("tracks.txt");
    let detections = folder.path().join("detections.txt");
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
        "--detections",
        detections.to_str().unwrap(),
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
    let found = report["detections"].as_u64().unwrap();
    assert!((560..=640).contains(&found), "{found}");
    let tracks = rows(&mot);
    assert_eq!((tracks[0][0], &tracks[0][8..]), (1.0, &[-1.0, -1.0][..]));
    assert!(tracks.iter().all(|row| row[1] >= 0.0), "tracks have identities");
    assert_eq!(tracks.last().unwrap()[0], 75.0, "one pass of one stream");
    // A quarter of all: one of two streams, one of two passes.
    let detections = rows(&detections);
    assert!(4 * detections.len() as u64 == found && detections.last().unwrap()[0] == 75.0, "{}", detections.len());
    assert!(detections.iter().all(|row| row[1] == -1.0 && (0.25..=1.0).contains(&row[6])));
}

/// MOT rows as numbers.
fn rows(path: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(path).unwrap();
    let numbers = |line: &str| line.split(',').map(|v| v.parse().unwrap()).collect();
    let rows: Vec<Vec<f64>> = text.lines().map(numbers).collect();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == 10), "{text}");
    rows
}

#[test]
fn detections_are_written_where_the_objects_are() {
    let folder = tempfile::tempdir().unwrap();
    let (seconds, rate) = (2.0, 25.0);
    let clip = street_clip(folder.path(), "street", seconds);
    let (model, written) = (tiny(), folder.path().join("detections.txt"));
    let said = run(&[
        "bench".as_ref(),
        clip.as_os_str(),
        "--json".as_ref(),
        "--model".as_ref(),
        model.as_os_str(),
        "--every".as_ref(),
        "5".as_ref(),
        "--detections".as_ref(),
        written.as_os_str(),
    ])
    .ok();
    let rows = rows(&written);
    assert_eq!(said.json()["detections"], rows.len());
    let scene = street(seconds);
    for frame in (1..=50).step_by(5) {
        let here: Vec<_> = rows.iter().filter(|row| row[0] == f64::from(frame)).collect();
        let truths = scene.at(f64::from(frame - 1) / rate, 320, 180);
        assert_eq!(here.len(), truths.len(), "frame {frame}: {here:?}");
        for truth in truths {
            let sides = [truth.x, truth.y, truth.width, truth.height].map(f64::from);
            // The tiny model finds edges to a cell of its input, 5 pixels of the picture.
            let close = |row: &&&Vec<f64>| row[2..6].iter().zip(sides).all(|(a, b)| (a - b).abs() <= 10.0);
            assert!(here.iter().any(|row| close(&row)), "frame {frame}: {truth:?} is not in {here:?}");
        }
    }
    assert!(rows.iter().all(|row| row[0] % 5.0 == 1.0), "only frames that were analysed have rows");

    let nowhere = folder.path().join("no/such/folder/rows.txt");
    let said = run(&["bench".as_ref(), clip.as_os_str(), "--detections".as_ref(), nowhere.as_os_str()]);
    assert!(!said.status.success() && said.stderr.contains("no/such/folder"), "{}", said.stderr);
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
