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
        let number =
            (0..BITS).map(|bit| (bit, block(bit))).filter(|(_, (x, y))| luma(*x, *y) > 90).map(|(b, _)| 1 << b).sum();
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
    let mut command = Command::new("ffmpeg");
    // In the file's own times: at a constant rate pictures of an uneven camera fall together.
    command.args(["-v", "error", "-i"]).arg(clip).args(["-fps_mode", "passthrough", "-enc_time_base", "-1"]);
    let said = command.args(["-f", "null", "-"]).output().unwrap();
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
    zones: [{{id: all, polygon: [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]}}]
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

#[test]
fn events_share_a_clip_and_a_long_happening_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let clip = footage(folder.path(), "long", &spec(12.0));
    let evidence = "evidence: {clips: all, pre_roll: 500ms, post_roll: 1s, max_length: 8s}";
    let file = pipeline(folder.path(), evidence, &format!("    url: {}", clip.display()));
    let (first, second) = (replay(&file, &folder.path().join("a")), replay(&file, &folder.path().join("b")));
    assert_eq!(first.events, second.events);
    let dwell = first.of_kind("zone_dwell");
    let (start, end) = (dwell[0], dwell[dwell.len() - 1]);
    assert_eq!((start["phase"].as_str(), end["phase"].as_str()), (Some("start"), Some("end")));
    let cut = first.clip(start);
    assert_plays(&cut);
    // The car crosses while the person waits: one file, two offsets.
    let crossing = first.of_kind("line_crossing")[0];
    assert_eq!(crossing["clip"]["file"], start["clip"]["file"]);
    assert_eq!(crossing["clip"]["starts_at"], start["clip"]["starts_at"]);
    for event in [start, crossing] {
        assert_agrees(&cut, event, event["frame"].as_u64().unwrap(), 25.0);
    }
    let shown = pictures(&cut);
    let seconds = shown.last().unwrap().at_s;
    assert!((7.5..=8.1).contains(&seconds), "max_length: {seconds}");
    assert!(end.get("clip").is_none(), "its end is not in the clip: {end}");
    // The same packets every time.
    let again: Vec<u64> = pictures(&second.clip(start)).iter().map(|picture| picture.number).collect();
    assert_eq!(shown.iter().map(|picture| picture.number).collect::<Vec<_>>(), again);
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!((files(&first.folder), files(&second.folder)), (1, 1), "nothing unfinished is left");
}

#[test]
fn alarms_get_clips_by_default_and_counts_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let clip = footage(folder.path(), "street", &spec(6.0));
    let file = pipeline(folder.path(), "", &format!("    url: {}", clip.display()));
    let said = run(&[
        "replay",
        file.to_str().unwrap(),
        "--clips",
        folder.path().join("media").to_str().unwrap(),
        "--stills",
        folder.path().join("media").to_str().unwrap(),
    ])
    .ok();
    let events = said.lines();
    let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    let (crossing, dwell) = (of("line_crossing"), of("zone_dwell"));
    assert!(crossing.get("clip").is_none() && crossing.get("clean_still").is_none(), "{crossing}");
    assert!(crossing["still"].is_string() && dwell["clip"]["file"].is_string(), "{dwell}");
    let open = |name: &Value| image::open(folder.path().join("media").join(name.as_str().unwrap())).unwrap().to_rgb8();
    let (clean, drawn) = (open(&dwell["clean_still"]), open(&dwell["still"]));
    assert_eq!(clean.dimensions(), (WIDTH, HEIGHT));
    // The zone's outline is drawn, in the one still only.
    let outlined = |picture: &image::RgbImage| {
        let is_cyan = |x: &u32| {
            let [r, g, b] = picture.get_pixel(*x, HEIGHT / 20).0;
            b > 130 && g > 100 && r < 110
        };
        (0..WIDTH).filter(is_cyan).count()
    };
    assert!(outlined(&drawn) > 200 && outlined(&clean) == 0, "{} {}", outlined(&drawn), outlined(&clean));
    // So is the box of the person, and nothing of it in the clean one.
    let red = |picture: &image::RgbImage| {
        let bbox: Vec<f64> = dwell["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let x = (bbox[0] * f64::from(WIDTH)).round() as u32;
        let [r, g, b] = picture.get_pixel(x, (f64::from(HEIGHT) * 0.75) as u32).0;
        r > 140 && g < 110 && b < 110
    };
    assert!(red(&drawn) && !red(&clean));
}

#[test]
fn blurred_stills_show_no_person_and_no_plate() {
    let folder = tempfile::tempdir().unwrap();
    // A person with spots: what a blur must take away.
    let mut scene = street(4.0);
    let spot = |n: u32| {
        let at = (0.5, (119.0 + f64::from(n) * 8.0) / 180.0);
        Mover { colour: Colour::Red, size_px: (4, 2), from: at, to: at, start_s: 0.0, end_s: 4.0 }
    };
    scene.objects.extend((0..5).map(spot));
    let clip = clips::make(folder.path(), "striped", &spec(4.0), &scene);
    let contrast = |evidence: &str, name: &str| {
        let file = pipeline(folder.path(), evidence, &format!("    url: {}", clip.display()));
        let media = folder.path().join(name);
        let said = run(&["replay", file.to_str().unwrap(), "--stills", media.to_str().unwrap()]).ok();
        let events = said.lines();
        let dwell = events.iter().find(|event| event["kind"] == "zone_dwell").unwrap();
        let clean = image::open(media.join(dwell["clean_still"].as_str().unwrap())).unwrap().to_rgb8();
        let column: Vec<i32> = (115..155).map(|y| i32::from(clean.get_pixel(WIDTH / 2, y).0[0])).collect();
        column.windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum::<i32>()
    };
    let (sharp, blurred) = (contrast("", "sharp"), contrast("evidence: {blur: [person]}", "blurred"));
    assert!(sharp > 200 && blurred < sharp / 3, "{sharp} {blurred}");
}

#[test]
fn a_second_recording_gives_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let small = footage(folder.path(), "small", &spec(6.0));
    let big = ClipSpec { width: 2 * WIDTH, height: 2 * HEIGHT, bframes: 2, ..spec(6.0) };
    let big = clips::make(folder.path(), "big", &big, &counted_at(2, 6.0));
    let streams = format!("    streams: {{analysis: {}, evidence: {}}}", small.display(), big.display());
    let file = pipeline(folder.path(), ALL, &streams);
    let replayed = replay(&file, &folder.path().join("clips"));
    let crossing = replayed.of_kind("line_crossing")[0];
    let cut = replayed.clip(crossing);
    assert_plays(&cut);
    assert_agrees(&cut, crossing, crossing["frame"].as_u64().unwrap(), 25.0);
    let width = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=width", "-of", "csv=p=0"])
        .arg(&cut)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&width.stdout).trim(), (2 * WIDTH).to_string(), "cut from the larger one");
}

/// [`counted`] for a picture `times` as large.
fn counted_at(times: u32, seconds: f64) -> Scene {
    let mut scene = counted(seconds, 25);
    for object in &mut scene.objects {
        object.size_px = (object.size_px.0 * times, object.size_px.1 * times);
    }
    scene
}

#[test]
fn a_live_camera_gives_the_analysed_picture_at_the_offset() {
    for bframes in [0, 2] {
        let site = Site::new();
        let clip = footage(site.folder.path(), "live", &ClipSpec { bframes, ..spec(8.0) });
        let server = serve(&clip, 0);
        let head = format!("server: {{listen: '{}'}}\n{ALL}", site.address);
        let file = pipeline(site.folder.path(), &head, &format!("    url: {}", server.url("/cam")));
        let mut program = Running::start(&file);
        site.wait_live("gate");
        let media = site.folder.path().join("vantage-data/media");
        let crossing = wait_for("a crossing with a clip", 60, || {
            let stored = site.stored();
            stored.into_iter().find(|event| {
                let file = event["clip"]["file"].as_str().unwrap_or("none");
                event["kind"] == "line_crossing" && media.join(file).is_file()
            })
        });
        let metrics = get(&site.address, "/metrics").unwrap();
        let written = metrics.lines().filter(|line| line.starts_with("vantage_clips_total{outcome=\"written\""));
        let written: f64 = written.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        assert!(written >= 1.0, "{metrics}");
        assert!(program.stop() < Duration::from_secs(3));
        let cut = media.join(crossing["clip"]["file"].as_str().unwrap());
        assert_plays(&cut);
        let shown = pictures(&cut);
        let offset = crossing["clip"]["offset_s"].as_f64().unwrap();
        let at = shown.iter().position(|picture| (picture.at_s - offset).abs() < 0.02);
        let at = at.unwrap_or_else(|| panic!("no picture at {offset}: {shown:?}"));
        // Which frame it was, the box tells: the car moves on with every frame.
        let bbox: Vec<f64> = crossing["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let centre = (bbox[0] + bbox[2]) / 2.0;
        let number = (centre - 0.1) / 0.8 * 200.0;
        let off = shown[at].number as f64 - number;
        assert!(off.abs() <= 2.0, "frame {} at {offset} s, the box is that of {number}", shown[at].number);
        eprintln!("bframes {bframes}: {} against {number:.2}", shown[at].number);
    }
}

/// The events of a kind whose clip is on disk.
fn with_clip(site: &Site, kind: &str) -> Vec<(Value, PathBuf)> {
    let media = site.folder.path().join("vantage-data/media");
    let clip = |event: &Value| Some(media.join(event["clip"]["file"].as_str()?));
    let stored = site.stored().into_iter().filter(|event| event["kind"] == kind);
    stored.filter_map(|event| clip(&event).map(|clip| (event, clip))).filter(|(_, clip)| clip.is_file()).collect()
}

fn metric(site: &Site, start: &str) -> f64 {
    let page = get(&site.address, "/metrics").unwrap_or_default();
    let values = page
        .lines()
        .filter(|line| line.starts_with(start))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum::<f64>()
}

#[test]
fn two_live_streams_agree_by_the_cameras_clock() {
    let site = Site::new();
    let clip = footage(site.folder.path(), "small", &spec(10.0));
    let big = ClipSpec { width: 2 * WIDTH, height: 2 * HEIGHT, ..spec(10.0) };
    let big = clips::make(site.folder.path(), "big", &big, &counted_at(2, 10.0));
    let (small, large) = (serve(&clip, 0), serve(&big, 0));
    let head = format!("server: {{listen: '{}'}}\n{ALL}", site.address);
    let streams = format!("    streams: {{analysis: '{}', evidence: '{}'}}", small.url("/cam"), large.url("/cam"));
    let mut program = Running::start(&pipeline(site.folder.path(), &head, &streams));
    site.wait_live("gate");
    let (event, cut) = wait_for("a crossing with a clip", 60, || with_clip(&site, "line_crossing").pop());
    assert_eq!(metric(&site, "vantage_recording_state{camera=\"gate\",state=\"live\"}"), 1.0);
    program.stop();
    assert_plays(&cut);
    // The two servers begin when their first client comes, so their pictures differ by a constant; the clip is of
    // the larger stream and holds the event's time.
    let shown = pictures(&cut);
    let offset = event["clip"]["offset_s"].as_f64().unwrap();
    assert!(offset >= 0.9 && shown.last().unwrap().at_s > offset, "{offset} in {shown:?}");
    let camera = event["time"]["source"].as_str().unwrap();
    eprintln!("offset {offset} by {camera}");
}

#[test]
fn a_lost_camera_ends_its_clip_and_the_file_is_good() {
    let site = Site::new();
    let clip = footage(site.folder.path(), "street", &spec(20.0));
    let server = serve(&clip, 0);
    let evidence = "evidence: {clips: all, pre_roll: 1s, post_roll: 30s}";
    let head = format!("server: {{listen: '{}'}}\n{evidence}", site.address);
    let file = pipeline(site.folder.path(), &head, &format!("    url: {}", server.url("/cam")));
    let mut program = Running::start(&file);
    site.wait_live("gate");
    wait_for("a dwell", 30, || site.stored().iter().any(|event| event["kind"] == "zone_dwell").then_some(()));
    assert!(with_clip(&site, "zone_dwell").is_empty(), "it is being recorded");
    drop(server);
    let (event, cut) = wait_for("the clip of what there was", 30, || with_clip(&site, "zone_dwell").pop());
    // A clip is counted once its file is there.
    let written = "vantage_clips_total{outcome=\"written\",reason=\"gap\"}";
    wait_for("the count of it", 10, || (metric(&site, written) >= 1.0).then_some(()));
    assert_plays(&cut);
    let shown = pictures(&cut);
    let offset = event["clip"]["offset_s"].as_f64().unwrap();
    assert!(shown.iter().any(|picture| (picture.at_s - offset).abs() < 0.02), "{offset} {shown:?}");
    program.stop();
}

#[test]
fn a_full_disk_costs_clips_and_no_event() {
    let site = Site::new();
    let disk = site.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user may not mount");
        return;
    }
    let clip = footage(site.folder.path(), "street", &spec(4.0));
    let server = serve(&clip, 0);
    let head = format!(
        "server: {{listen: '{}'}}\nstore: {{path: disk/store, media: {{min_free_mib: 12}}}}\n\
         evidence: {{clips: all, pre_roll: 200ms, post_roll: 200ms, max_length: 1s}}",
        site.address
    );
    let file = pipeline(site.folder.path(), &head, &format!("    url: {}", server.url("/cam")));
    let mut program = Running::start(&file);
    site.wait_live("gate");
    wait_for("a clip", 60, || (metric(&site, "vantage_clips_total{outcome=\"written\"") >= 1.0).then_some(()));
    // Somebody else's data leaves less than the floor: 24 MiB, of which the reserve has 8.
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![7; 12 << 20]).unwrap();
    let events = || metric(&site, "vantage_store_events_total");
    let before = events();
    let failed = || metric(&site, "vantage_clips_total{outcome=\"failed\",reason=\"disk_full\"}");
    wait_for("clips given up", 60, || (failed() >= 1.0).then_some(()));
    wait_for("events go on", 60, || (events() >= before + 4.0).then_some(()));
    wait_for("old media gone", 10, || (metric(&site, "vantage_clips_swept_total") >= 1.0).then_some(()));
    assert_eq!(metric(&site, "vantage_store_commit_failures_total"), 0.0, "no event waited for the disk");
    std::fs::remove_file(&filler).unwrap();
    let written = metric(&site, "vantage_clips_total{outcome=\"written\"");
    wait_for("clips again", 60, || (metric(&site, "vantage_clips_total{outcome=\"written\"") > written).then_some(()));
    program.stop();
    drop(program);
    let _ = Command::new("umount").arg("-l").arg(&disk).status();
}
