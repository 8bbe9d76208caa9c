//! `camera_unfit` on pictures: the product's own clips, real traffic footage (where it is), and faults made on the spot.
#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/decoded.rs"]
mod decoded;
mod rules_support;

use std::path::{Path, PathBuf};

use decoded::I420;
use rules_support::{capture, rule, scene};
use serde_json::{Value, json};
use vantage::base::MediaTime;
use vantage::frame::{Colour, Matrix, Plane, PlaneFormat, Planes, Range, Rotation, glance};
use vantage::rule::{Draft, FrameView};
use vantage::scene::{Glance, Phase};

/// Glances a second, as the pipeline takes them.
const GLANCES: f64 = 5.0;

/// Thresholds for clips of some seconds, as in the shipped pipeline.
fn quick() -> Value {
    json!({"learn_for": "2s", "frozen_after": "4s", "covered_after": "2s", "moved_after": "2s", "corrupt_after": "1s",
           "black_after": "2s", "overexposed_after": "2s", "blurred_after": "3s", "clear_after": "1s"})
}

fn own(scenario: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media").join(scenario).join("clip.mp4")
}

fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VANTAGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let clip = root.join("data/footage/traffic").join(name);
    if !clip.is_file() {
        eprintln!("skipped: {} is not here", clip.display());
        return None;
    }
    Some(clip)
}

/// The glances of a clip of `fps`, after `alter` has changed the picture of that second.
fn glances(clip: &Path, fps: f64, alter: impl Fn(f64, &mut I420)) -> Vec<(f64, Glance)> {
    let step = (fps / GLANCES).round().max(1.0) as u64;
    let mut all = Vec::new();
    decoded::pictures(clip, |number, samples| {
        if number % step == 0 {
            let t = number as f64 / fps;
            let mut picture = samples();
            alter(t, &mut picture);
            all.push((t, look(&picture)));
        }
    });
    all
}

fn look(picture: &I420) -> Glance {
    let (width, _) = picture.size;
    let [y, u, v] = &picture.planes;
    let plane = |data| Plane { data, stride: width.div_ceil(2) };
    let planes = [Plane { data: y, stride: width }, plane(u), plane(v)];
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    glance::take(&Planes::new(picture.size, PlaneFormat::I420, &planes, colour, Rotation::None).unwrap())
}

/// What the rule says of the glances.
fn judged(glances: &[(f64, Glance)], params: &Value) -> Vec<Draft> {
    let (scene, mut rules) = (scene(), rule("camera_unfit", params));
    let mut all = Vec::new();
    for (t, glance) in glances {
        let at = MediaTime::from_seconds(*t);
        let frame =
            FrameView { at, capture: capture(at), tracks: &[], scene: &scene, glance: Some(glance), signals: &[] };
        all.extend(rules.observe(&frame).into_iter().map(|(_, draft)| draft));
    }
    all
}

/// `fault from-to` of every happening, in seconds; open ones have no end.
fn story(drafts: &[Draft]) -> Vec<String> {
    let of = |phase| drafts.iter().filter(move |d| d.phase == phase);
    let story = of(Phase::Start).map(|start| {
        let end = of(Phase::End).find(|end| end.ordinal == start.ordinal);
        let end = end.map_or(String::new(), |end| format!("{:.1}", end.at.seconds_since(MediaTime(0))));
        let fault = start.measured["fault"].as_str().unwrap();
        format!("{fault} {:.1}-{end}", start.at.seconds_since(MediaTime(0)))
    });
    story.collect()
}

#[test]
fn every_fault_of_the_clip_is_found_and_nothing_else() {
    let clip = own("camera-faults");
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(clip.with_file_name("truth.json")).unwrap()).unwrap();
    let drafts = judged(&glances(&clip, 10.0, |_, _| {}), &quick());
    let starts: Vec<&Draft> = drafts.iter().filter(|d| d.phase == Phase::Start).collect();
    let ends: Vec<&Draft> = drafts.iter().filter(|d| d.phase == Phase::End).collect();
    let expected = truth["events"].as_array().unwrap();
    assert_eq!((starts.len(), ends.len()), (expected.len(), expected.len()), "{:?}", story(&drafts));
    for ((start, end), truth) in starts.iter().zip(ends).zip(expected) {
        let name = truth["fault"].as_str().unwrap();
        assert_eq!(start.measured["fault"], name);
        let (onset, over) = (truth["onset_s"].as_f64().unwrap(), truth["end_s"].as_f64().unwrap());
        let hold = start.thresholds["hold_seconds"].as_f64().unwrap();
        let late = start.at.seconds_since(MediaTime::from_seconds(onset)) - hold;
        assert!((0.0..=0.8).contains(&late), "{name}: {late:.2} s after its hold");
        let after = end.at.seconds_since(MediaTime::from_seconds(over));
        assert!((0.0..=1.6).contains(&after), "{name}: over {after:.2} s after the fault");
    }
}

#[test]
fn nothing_is_wrong_with_the_other_clips() {
    let mut looked_at = 0;
    for entry in std::fs::read_dir(own("x").parent().unwrap().parent().unwrap()).unwrap() {
        let clip = entry.unwrap().path().join("clip.mp4");
        if !clip.is_file() || clip == own("camera-faults") {
            continue;
        }
        let glances = glances(&clip, 10.0, |_, _| {});
        for params in [json!({}), quick()] {
            assert_eq!(story(&judged(&glances, &params)), [""; 0], "{} {params}", clip.display());
        }
        looked_at += 1;
    }
    assert!(looked_at >= 11, "{looked_at}");
}

#[test]
fn real_traffic_raises_nothing_and_a_moving_camera_does() {
    for (name, fps) in [
        ("german_junction_truck.mp4", 20.0),
        ("london_a13_201707221316_overcast_slip_road.mp4", 25.0),
        ("london_a13_201708311646_queue_building.mp4", 25.0),
        ("london_a13_201708311651_stationary_queue.mp4", 25.0),
        ("london_a13_201709042126_night.mp4", 25.0),
        ("london_a13_201709141422_dense.mp4", 25.0),
        ("london_a13_201709211001_day.mp4", 25.0),
        ("london_a13_201709211027_light.mp4", 25.0),
        ("london_a13_201709281436_dense_2.mp4", 25.0),
        ("motorway_cyclist_on_shoulder.avi", 25.0),
        ("night_road_1080p.mp4", 30.0),
        ("parking_car_detection.mp4", 12.5),
        ("stuttgart_dense_640x360.mp4", 30.0),
        ("uk_motorway_720p.mp4", 30.0),
        ("us_crossroads_pedestrians.mp4", 30.0),
        ("vietnam_junction_cam01_1fps_mjpeg.mkv", 1.0),
    ] {
        let Some(clip) = shared(name) else { continue };
        let glances = glances(&clip, fps, |_, _| {});
        for params in [json!({}), quick()] {
            assert_eq!(story(&judged(&glances, &params)), [""; 0], "{name} {params}");
        }
    }
    if let Some(clip) = shared("moving_camera_london_roadworks.mp4") {
        let drafts = judged(&glances(&clip, 30.0, |_, _| {}), &quick());
        assert!(story(&drafts).first().is_some_and(|first| first.starts_with("moved")), "{:?}", story(&drafts));
        assert_eq!(drafts[0].measured["keeps_moving"], true);
    }
}

/// Luma of every pixel, by place.
fn each_luma(picture: &mut I420, change: impl Fn(usize, usize, u8) -> u8) {
    let width = picture.size.0;
    for (n, luma) in picture.planes[0].iter_mut().enumerate() {
        *luma = change(n % width, n / width, *luma);
    }
}

/// The mean of the (2 r + 1)² pixels around each, in two passes.
fn blurred(picture: &mut I420, r: usize) {
    let (width, height) = picture.size;
    for along_rows in [true, false] {
        let before = picture.planes[0].clone();
        each_luma(picture, |x, y, _| {
            let (at, side) = if along_rows { (x, width) } else { (y, height) };
            let span = at.saturating_sub(r)..(at + r + 1).min(side);
            let count = span.len() as u32;
            let sum: u32 =
                span.map(|i| u32::from(before[if along_rows { y * width + i } else { i * width + x }])).sum();
            (sum / count) as u8
        });
    }
}

/// Five pictures a second of the first twenty seconds of a clip.
fn beginning(scenario: &str) -> Vec<(f64, I420)> {
    let mut all = Vec::new();
    decoded::pictures(&own(scenario), |number, samples| {
        if number % 2 == 0 && number < 200 {
            all.push((number as f64 / 10.0, samples()));
        }
    });
    all
}

/// What the rule says when the pictures from second 6 to 14 are altered.
fn altered(pictures: &[(f64, I420)], alter: impl Fn(f64, &mut I420)) -> Vec<Draft> {
    let shown = pictures.iter().map(|(t, picture)| {
        let mut picture = I420 { size: picture.size, planes: picture.planes.clone() };
        if (6.0..14.0).contains(t) {
            alter(*t, &mut picture);
        }
        (*t, look(&picture))
    });
    judged(&shown.collect::<Vec<_>>(), &quick())
}

fn noise(x: usize, y: usize, t: f64) -> u8 {
    let mixed = (x as u32).wrapping_mul(73_856_093) ^ (y as u32).wrapping_mul(19_349_663) ^ ((t * 10.0) as u32);
    (mixed.wrapping_mul(2_654_435_761) >> 30) as u8
}

#[test]
fn faults_by_day_and_night_are_told_apart() {
    for scenario in ["junction", "junction-night"] {
        let pictures = beginning(scenario);
        let found = |alter: &dyn Fn(f64, &mut I420)| story(&altered(&pictures, alter));
        let expect = |name: &str, alter: &dyn Fn(f64, &mut I420)| {
            let found = found(alter);
            assert!(
                found.len() == 1 && found[0].starts_with(name) && !found[0].ends_with('-'),
                "{scenario}: {found:?}"
            );
        };
        expect("black", &|t, p| each_luma(p, |x, y, _| 16 + noise(x, y, t)));
        expect("overexposed", &|t, p| each_luma(p, |x, y, _| 234 - noise(x, y, t)));
        expect("blurred", &|_, p| blurred(p, 5));
        // A cloth over two thirds of the picture.
        expect("covered", &|t, p| each_luma(p, |x, y, l| if x < 430 { 90 + noise(x, y, t) } else { l }));
        // Turned aside by 40 pixels.
        expect("moved", &|_, p| {
            let before = p.planes[0].clone();
            each_luma(p, |x, y, _| before[y * 640 + (x + 40).min(639)]);
        });
        expect("corrupt", &|_, p| {
            each_luma(p, |_, y, l| if y >= 240 { 0 } else { l });
            for plane in [1, 2] {
                p.planes[plane][320 * 120..].fill(0);
            }
        });
    }
}

#[test]
fn a_moved_view_tells_how_far() {
    let drafts = altered(&beginning("junction"), |_, p| {
        let before = p.planes[0].clone();
        each_luma(p, |x, y, _| before[(y + 20).min(359) * 640 + x.saturating_sub(32)]);
    });
    let moved = &drafts[0];
    let share = |name: &str| moved.measured[name].as_f64().unwrap();
    assert!((share("shift_x_share") - 32.0 / 640.0).abs() < 0.008, "{:?}", moved.measured);
    assert!((share("shift_y_share") + 20.0 / 360.0).abs() < 0.013, "{:?}", moved.measured);
}

#[test]
fn light_weather_and_wind_are_no_faults() {
    for scenario in ["junction-night", "junction-rain"] {
        let pictures = beginning(scenario);
        let quiet = |what: &str, alter: &dyn Fn(f64, &mut I420)| {
            assert_eq!(story(&altered(&pictures, alter)), [""; 0], "{scenario}: {what}");
        };
        quiet("a step of exposure", &|_, p| each_luma(p, |_, _, l| 16 + (f32::from(l.max(16) - 16) * 0.45) as u8));
        quiet("more gain", &|_, p| each_luma(p, |_, _, l| (16.0 + f32::from(l.max(16) - 16) * 1.5).min(235.0) as u8));
        quiet("a headlight", &|_, p| {
            each_luma(p, |x, y, l| if x.abs_diff(300) + y.abs_diff(200) < 70 { 235 } else { l });
        });
        quiet("wind", &|t, p| {
            let before = p.planes[0].clone();
            let sway = ((t * 7.0).sin() * 2.0 + 2.0) as usize;
            each_luma(p, |x, y, _| before[y * 640 + (x + sway).min(639)]);
        });
        // A lorry close to the lens hides half of the scene, with edges of its own.
        quiet("a near lorry", &|t, p| {
            let left = (t * 40.0) as usize % 300;
            each_luma(p, |x, y, l| {
                let inside = x > left && x < left + 300 && y > 40;
                if inside { 60 + ((x - left) / 40 % 2) as u8 * 90 + (y / 60 % 2) as u8 * 20 } else { l }
            });
        });
    }
}

#[test]
fn a_frozen_picture_is_found_however_it_is_coded() {
    let clip = own("junction");
    let mut held: Option<I420> = None;
    let step = 2;
    let mut seen = Vec::new();
    decoded::pictures(&clip, |number, samples| {
        if number % step != 0 {
            return;
        }
        let t = number as f64 / 10.0;
        let picture = samples();
        let shown = if (6.0..14.0).contains(&t) { held.get_or_insert(picture) } else { &picture };
        // Every second a keyframe codes the same picture a little differently.
        let mut shown = I420 { size: shown.size, planes: shown.planes.clone() };
        let lift = (t as u32 % 2) as u8;
        each_luma(&mut shown, |x, y, l| if (x / 8 + y / 8) % 3 == 0 { l.saturating_add(lift) } else { l });
        seen.push((t, look(&shown)));
    });
    let found = story(&judged(&seen, &quick()));
    assert!(found.len() == 1 && found[0].starts_with("frozen 1"), "{found:?}");
}

#[test]
fn a_lost_signal_is_one_happening_until_pictures_come_again() {
    let (scene, mut rules) = (scene(), rule("camera_unfit", &json!({})));
    let seen = glances(&own("junction"), 10.0, |_, _| {});
    let mut drafts = Vec::new();
    let at = MediaTime::from_seconds;
    for (t, glance) in &seen[..20] {
        let frame = FrameView {
            at: at(*t),
            capture: capture(at(*t)),
            tracks: &[],
            scene: &scene,
            glance: Some(glance),
            signals: &[],
        };
        drafts.extend(rules.observe(&frame));
    }
    // A blink is no loss; a loss is told at once and only once, and ends with the next picture.
    drafts.extend(rules.gap(at(3.8), at(5.0)));
    assert!(drafts.is_empty());
    drafts.extend(rules.gap(at(3.8), at(3.8)));
    drafts.extend(rules.gap(at(3.8), at(60.0)));
    assert_eq!(drafts.len(), 1);
    let frame = FrameView {
        at: at(60.0),
        capture: capture(at(60.0)),
        tracks: &[],
        scene: &scene,
        glance: Some(&seen[21].1),
        signals: &[],
    };
    drafts.extend(rules.observe(&frame));
    assert_eq!(drafts.len(), 2);
    let (start, end) = (&drafts[0].1, &drafts[1].1);
    assert_eq!((start.phase, end.phase, start.ordinal), (Phase::Start, Phase::End, end.ordinal));
    assert_eq!((&start.measured["fault"], &end.measured["lasted_seconds"]), (&json!("signal_lost"), &json!(56.2)));
}

#[test]
fn wrong_parameters_are_told_all_at_once() {
    let compile = vantage::rule::find("camera_unfit").unwrap().compile;
    let wrong = json!({"faults": [], "frozen_after": "100ms", "covered_share": -1, "moved_after": "-3s", "blurry": 1});
    let errors = compile(&wrong, &vantage::rule::SceneNames::default()).err().unwrap();
    let params: Vec<&str> = errors.iter().map(|e| e.param.as_str()).collect();
    for param in ["faults", "frozen_after", "covered_share", "moved_after", "blurry"] {
        assert!(params.contains(&param), "{param}: {params:?}");
    }
}
