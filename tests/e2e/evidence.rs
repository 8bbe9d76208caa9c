//! Clips and stills of events: the picture at the event's offset is the picture that was analysed.
//!
//! The footage counts its own frames: green blocks at the bottom spell the frame's number in binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use serde_json::Value;

use crate::clips::{self, ClipCodec, ClipSpec, Colour, Container, Mover, Scene};
use crate::live::{Site, serve};
use crate::program::{Running, get, run, street, tiny, wait_for};
use crate::servers::installed;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
const BITS: u32 = 9;
const BLOCK: u32 = 20;

/// [`street`] with a frame counter.
fn counted(seconds: f64, fps: u32) -> Scene {
    let mut scene = street(seconds);
    for frame in 0..(seconds * f64::from(fps)).round() as u32 {
        for bit in (0..BITS).filter(|bit| frame >> bit & 1 == 1) {
            let (x, y) = block(bit);
            let at = (f64::from(x) / f64::from(WIDTH), f64::from(y) / f64::from(HEIGHT));
            let time = |frame: u32| (f64::from(frame) - 0.5) / f64::from(fps);
            let (start_s, end_s) = (time(frame), time(frame + 1));
            let size_px = (BLOCK, BLOCK);
            scene.objects.push(Mover { colour: Colour::Green, size_px, from: at, to: at, start_s, end_s });
        }
    }
    scene
}

/// Centre of a bit's block, pixels.
fn block(bit: u32) -> (u32, u32) {
    (30 + bit * 30, HEIGHT - 14)
}

fn spec(seconds: f64) -> ClipSpec {
    ClipSpec { width: WIDTH, height: HEIGHT, seconds, key_int: 12, ..ClipSpec::default() }
}

fn footage(folder: &Path, name: &str, spec: &ClipSpec) -> PathBuf {
    clips::make(folder, name, spec, &counted(spec.seconds, spec.fps))
}

/// A picture of a clip: when it is shown (seconds), and the number that it spells.
#[derive(Debug, Clone, Copy)]
struct Shown {
    at_s: f64,
    number: u64,
}

/// All pictures of a clip in the order they are shown.
fn pictures(clip: &Path) -> Vec<Shown> {
    gst::init().unwrap();
    let launch = "filesrc name=file ! decodebin ! videoconvert ! appsink name=pictures sync=false max-buffers=4";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", clip);
    let sink = pipeline.by_name("pictures").unwrap().downcast::<AppSink>().unwrap();
    sink.set_caps(Some(&gst::Caps::builder("video/x-raw").field("format", "GRAY8").build()));
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut shown = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap();
        let at = segment.to_running_time(buffer.pts()).unwrap();
        let caps = sample.caps().unwrap().structure(0).unwrap();
        let (width, height) = (caps.get::<i32>("width").unwrap() as u32, caps.get::<i32>("height").unwrap() as u32);
        let bytes = buffer.map_readable().unwrap();
        let stride = bytes.len() as u32 / height;
        let luma = |x: u32, y: u32| bytes[(y * height / HEIGHT * stride + x * width / WIDTH) as usize];
        let number = (0..BITS).map(|bit| (bit, block(bit))).filter(|(_, (x, y))| luma(*x, *y) > 90).map(|(b, _)| 1 << b).sum();
        shown.push(Shown { at_s: at.nseconds() as f64 * 1e-9, number });
    }
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    let _ = pipeline.set_state(gst::State::Null);
    assert!(error.is_none(), "{}: {error:?}", clip.display());
    shown
}

/// Decodes without a word, and begins with a keyframe.
fn assert_plays(clip: &Path) {
    if !installed("ffmpeg") || !installed("ffprobe") {
        return;
    }
    let said = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(clip).args(["-f", "null", "-"]).output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && words.is_empty(), "{}: {words}", clip.display());
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0"])
        .arg(clip)
        .output()
        .unwrap();
    let flags = String::from_utf8(probe.stdout).unwrap();
    assert!(flags.starts_with('K'), "{}: {flags}", clip.display());
}

/// A pipeline of one camera with a line in the middle and a zone for the person.
fn pipeline(folder: &Path, head: &str, camera: &str) -> PathBuf {
    let text = format!(
        "version: 1\n{head}\nmodels: {{default: {{path: {}}}}}\ncameras:\n  - id: gate\n{camera}
    zones: [{{id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}]
    lines: [{{id: middle, from: [0.5, 1], to: [0.5, 0]}}]
    rules:
      - {{id: count, type: line_crossing, line: middle, classes: [car]}}
      - {{id: wait, type: zone_dwell, zone: all, dwell: 1s, classes: [person]}}\n",
        serde_json::to_string(&tiny()).unwrap()
    );
    let path = folder.join("evidence.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

struct Replayed {
    events: Vec<Value>,
    folder: PathBuf,
}

fn replay(pipeline: &Path, folder: &Path) -> Replayed {
    let arguments = ["replay", pipeline.to_str().unwrap(), "--clips", folder.to_str().unwrap()];
    let said = run(&arguments).ok();
    assert!(!said.stderr.contains("no clip"), "{}", said.stderr);
    Replayed { events: said.lines(), folder: folder.to_owned() }
}

impl Replayed {
    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["kind"] == kind).collect()
    }
    fn clip(&self, event: &Value) -> PathBuf {
        self.folder.join(event["clip"]["file"].as_str().unwrap_or_else(|| panic!("no clip: {event}")))
    }
}

/// The picture at the event's offset is that of frame `number`; returns the clip's pictures.
fn assert_agrees(clip: &Path, event: &Value, number: u64, fps: f64) -> Vec<Shown> {
    let shown = pictures(clip);
    let offset = event["clip"]["offset_s"].as_f64().unwrap();
    let nearest = shown.iter().min_by(|a, b| (a.at_s - offset).abs().total_cmp(&(b.at_s - offset).abs())).unwrap();
    assert_eq!(nearest.number, number, "at {offset} s of {}: {shown:?}", clip.display());
    assert!((nearest.at_s - offset).abs() < 0.5 / fps, "{nearest:?} {offset}");
    let numbers: Vec<u64> = shown.iter().map(|picture| picture.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "every picture once, in order: {numbers:?}");
    shown
}

const ALL: &str = "evidence: {clips: all, pre_roll: 1s, post_roll: 1s, max_length: 4s}";

#[test]
fn every_codec_and_container_gives_the_analysed_picture_at_the_offset() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codec, container, bframes) in [
        ("h264", ClipCodec::H264, Container::Mp4, 0),
        ("h264-b", ClipCodec::H264, Container::Mp4, 3),
        ("h264-b-mkv", ClipCodec::H264, Container::Matroska, 2),
        ("h264-b-ts", ClipCodec::H264, Container::Ts, 2),
        ("h264-b-avi", ClipCodec::H264, Container::Avi, 2),
        ("h265", ClipCodec::H265, Container::Mp4, 0),
        ("h265-b", ClipCodec::H265, Container::Matroska, 3),
        ("mpeg4", ClipCodec::Mpeg4, Container::Avi, 0),
        ("mjpeg", ClipCodec::Mjpeg, Container::Avi, 0),
    ] {
        let spec = ClipSpec { codec, container, bframes, ..spec(6.0) };
        let clip = footage(folder.path(), name, &spec);
        let file = pipeline(folder.path(), ALL, &format!("    url: {}", clip.display()));
        let replayed = replay(&file, &folder.path().join(name));
        let crossing = *replayed.of_kind("line_crossing").first().unwrap_or_else(|| panic!("{name}"));
        let cut = replayed.clip(crossing);
        eprintln!("{name}: frame {} at {} of {}", crossing["frame"], crossing["clip"], cut.display());
        assert_plays(&cut);
        let number = crossing["frame"].as_u64().unwrap();
        let shown = assert_agrees(&cut, crossing, number, 25.0);
        // A second before, to the keyframe before that, and a second after.
        assert!((25..=25 + 12 + 3).contains(&(number - shown[0].number)), "{name}: {number} {shown:?}");
        assert!(shown.last().unwrap().number.abs_diff(number + 25) <= 3, "{name}: {number} {shown:?}");
        assert!(shown[0].at_s.abs() < 1e-6, "{name}: the first picture is shown at once: {:?}", shown[0]);
    }
}

#[test]
fn a_bare_stream_gets_its_order_from_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codec, bframes) in [("avc", ClipCodec::H264, 2), ("hevc", ClipCodec::H265, 3)] {
        let spec = ClipSpec { codec, container: Container::Bare, bframes, ..spec(6.0) };
        let clip = footage(folder.path(), name, &spec);
        let file = pipeline(folder.path(), ALL, &format!("    url: {}\n    assume_fps: 25", clip.display()));
        let replayed = replay(&file, &folder.path().join(name));
        let crossing = *replayed.of_kind("line_crossing").first().unwrap();
        let cut = replayed.clip(crossing);
        assert_plays(&cut);
        assert_agrees(&cut, crossing, crossing["frame"].as_u64().unwrap(), 25.0);
    }
}
