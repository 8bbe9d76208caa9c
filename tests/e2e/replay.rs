//! `vantage replay`: lossless, deterministic, complete.

use serde_json::Value;

use crate::clips::{self, ClipCodec, ClipSpec, Container};
use crate::program::{assert_balanced, pipeline, run, street, street_clip, wait_for};

/// The reports of cameras that `--report` puts on stderr, before that of the whole.
fn reports(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap());
    lines.filter(|report: &Value| report["camera"].is_string()).collect()
}

#[test]
fn twice_the_same_bytes_and_every_frame_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 4.0);
    let clip = clip.to_str().unwrap();
    let file = pipeline(folder.path(), "", &[("a", clip), ("b", clip)]);
    let arguments = ["replay", "--report", file.to_str().unwrap()];
    let (first, second) = (run(&arguments).ok(), run(&arguments).ok());
    assert_eq!(first.stdout, second.stdout, "byte for byte");
    let digest = |stderr: &str| stderr.lines().find(|l| l.starts_with("digest sha256:")).unwrap().to_owned();
    assert_eq!(digest(&first.stderr), digest(&second.stderr));
    for report in reports(&first.stderr) {
        assert_balanced(&report["accounting"]);
        assert_eq!(report["accounting"]["frames"]["detected"], 100);
    }
    let events = first.lines();
    for camera in ["a", "b"] {
        let of = |kind: &str| {
            events.iter().filter(|e| e["camera"] == camera && e["kind"] == kind).cloned().collect::<Vec<_>>()
        };
        let crossings = of("line_crossing");
        assert_eq!(crossings.len(), 1, "the car crosses once, the person never: {crossings:?}");
        assert_eq!(crossings[0]["class"], "car");
        // The car's anchor is at the middle after half of the clip.
        let at = crossings[0]["media_time"].as_i64().unwrap() as f64 * 1e-9;
        assert!((1.7..2.6).contains(&at), "{at}");
        assert_eq!(crossings[0]["time"]["source"], "container", "the muxer wrote its date");
        let dwell: Vec<_> = of("zone_dwell");
        assert!(dwell.iter().any(|e| e["phase"] == "start" && e["class"] == "person"), "{dwell:?}");
        assert!(dwell.iter().any(|e| e["phase"] == "end"), "what is open ends with the footage");
        assert!(of("wrong_way").iter().any(|e| e["phase"] == "start"), "against the lane's arrow");
        let sequence: Vec<u64> =
            events.iter().filter(|e| e["camera"] == camera).map(|e| e["sequence"].as_u64().unwrap()).collect();
        assert!(sequence.iter().enumerate().all(|(i, s)| *s == i as u64 + 1), "{sequence:?}");
        let explained = &crossings[0]["explanation"];
        assert!(explained["summary"].as_str().is_some_and(|s| !s.is_empty()));
        assert_eq!(explained["model"].as_str().map(str::len), Some(64));
        assert_eq!(explained["pipeline"].as_str().map(str::len), Some(64));
    }
}

#[test]
fn every_codec_and_container_gives_the_same_crossing() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ClipSpec { width: 320, height: 180, seconds: 3.0, ..ClipSpec::default() };
    for (name, codec, container, bframes) in [
        ("h264", ClipCodec::H264, Container::Mp4, 0),
        ("bframes", ClipCodec::H264, Container::Matroska, 2),
        ("h265", ClipCodec::H265, Container::Mp4, 0),
        ("transport", ClipCodec::H264, Container::Ts, 0),
        ("mjpeg", ClipCodec::Mjpeg, Container::Avi, 0),
        ("mpeg4", ClipCodec::Mpeg4, Container::Avi, 0),
    ] {
        let spec = ClipSpec { codec, container, bframes, ..spec.clone() };
        let clip = clips::make(folder.path(), name, &spec, &street(3.0));
        let file = pipeline(folder.path(), "", &[("a", clip.to_str().unwrap())]);
        let said = run(&["replay", "--report", file.to_str().unwrap()]).ok();
        let crossings = said.lines().iter().filter(|e| e["kind"] == "line_crossing").count();
        assert_eq!(crossings, 1, "{name}: {}{}", said.stdout, said.stderr);
        let report = &reports(&said.stderr)[0];
        assert_balanced(&report["accounting"]);
        assert_eq!(report["accounting"]["frames"]["dropped"]["corrupt"], 0, "{name}: {report}");
        assert!(report["accounting"]["frames"]["detected"].as_u64().unwrap() >= 74, "{name}: {report}");
    }
}

#[test]
fn starts_at_is_the_capture_time_of_the_first_picture() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 3.0);
    let url = format!("{}\n    starts_at: 2026-03-01T06:30:00+07:00", clip.display());
    let file = pipeline(folder.path(), "", &[("a", &url)]);
    let said = run(&["replay", file.to_str().unwrap()]).ok();
    let crossing = said.lines().into_iter().find(|e| e["kind"] == "line_crossing").unwrap();
    let time = crossing["time"]["utc"].as_str().unwrap();
    assert!(time.starts_with("2026-02-28T23:30:01"), "{time}");
    assert_eq!(crossing["time"]["source"], "starts_at");
}

#[test]
fn sampling_skips_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 4.0);
    let url = format!("{}\n    analyse_fps: 10", clip.display());
    let file = pipeline(folder.path(), "", &[("a", &url)]);
    let said = run(&["replay", "--report", file.to_str().unwrap()]).ok();
    let report = &reports(&said.stderr)[0]["accounting"];
    assert_balanced(report);
    let detected = report["frames"]["detected"].as_u64().unwrap();
    assert!((38..=42).contains(&detected), "{report}");
    assert_eq!(report["frames"]["skipped"]["sampled"].as_u64().unwrap() + detected, 100);
    assert_eq!(said.lines().iter().filter(|e| e["kind"] == "line_crossing").count(), 1);
}

#[test]
fn a_clip_replaces_a_camera_and_an_unknown_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 2.0);
    let file = pipeline(folder.path(), "", &[("gate", "rtsp://127.0.0.1:9/none")]);
    let file = file.to_str().unwrap();
    let with = format!("gate={}", clip.display());
    assert!(!run(&["replay", file, "--clip", &with]).ok().stdout.is_empty());
    let wrong = run(&["replay", file, "--clip", "gait=x.mp4"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(wrong.stderr.contains("no camera gait") && wrong.stderr.contains("gate"), "{}", wrong.stderr);
    let without = run(&["replay", file]);
    assert_eq!(without.status.code(), Some(2));
    assert!(without.stderr.contains("--clip gate=FILE"), "{}", without.stderr);
}

#[test]
fn stills_show_the_event() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 3.0);
    let file = pipeline(folder.path(), "", &[("a", clip.to_str().unwrap())]);
    let stills = folder.path().join("stills");
    let said = run(&["replay", file.to_str().unwrap(), "--stills", stills.to_str().unwrap()]).ok();
    let crossing = said.lines().into_iter().find(|e| e["kind"] == "line_crossing").unwrap();
    let picture = wait_for("still", 5, || image::open(stills.join(crossing["still"].as_str()?)).ok()).to_rgb8();
    assert_eq!((picture.width(), picture.height()), (320, 180));
    let bbox: Vec<f32> = crossing["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
    let (x, y) = ((bbox[0] + bbox[2]) / 2.0 * 320.0, (bbox[1] + bbox[3]) / 2.0 * 180.0);
    let [r, g, b] = picture.get_pixel(x as u32, y as u32).0;
    assert!(r > 180 && g < 90 && b < 90, "the box lies on the red car: {r} {g} {b}");
}
