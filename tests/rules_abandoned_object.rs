//! `abandoned_object` on pictures: a bag painted into the product's own clips, and the clips as they are.
#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/decoded.rs"]
mod decoded;
mod rules_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use decoded::I420;
use rules_support::{capture, rule, scene};
use serde_json::{Value, json};
use vantage::base::{MediaTime, TrackId};
use vantage::frame::{Colour, Matrix, Plane, PlaneFormat, Planes, Range, Rotation, glance};
use vantage::rule::{Draft, FrameView};
use vantage::scene::{Glance, NormBox, NormPoint, Phase, Track};

const FPS: f64 = 10.0;

fn folder(scenario: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media").join(scenario)
}

/// The true boxes of every frame as tracks of cars, from the MOT file beside the clip.
fn truth(scenario: &str) -> BTreeMap<u64, Vec<Track>> {
    let mut all: BTreeMap<u64, Vec<Track>> = BTreeMap::new();
    let mut centres: BTreeMap<u64, (u64, f32, f32)> = BTreeMap::new();
    for line in std::fs::read_to_string(folder(scenario).join("gt.txt")).unwrap().lines() {
        let v: Vec<f32> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let (frame, id) = (v[0] as u64 - 1, v[1] as u64);
        let bbox = NormBox { x1: v[2] / 640.0, y1: v[3] / 360.0, x2: (v[2] + v[4]) / 640.0, y2: (v[3] + v[5]) / 360.0 };
        let centre = ((bbox.x1 + bbox.x2) / 2.0, (bbox.y1 + bbox.y2) / 2.0);
        let before = centres.insert(id, (frame, centre.0, centre.1));
        let velocity = before.map_or((0.0, 0.0), |(then, x, y)| {
            let seconds = (frame - then) as f32 / FPS as f32;
            ((centre.0 - x) / seconds, (centre.1 - y) / seconds)
        });
        all.entry(frame).or_default().push(Track {
            bbox,
            velocity: NormPoint::new(velocity.0, velocity.1),
            ..rules_support::track(id, rules_support::CAR, 0.0, 0.0)
        });
    }
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

/// The rule over a clip whose pictures `alter` has changed, with the true tracks.
fn judged(scenario: &str, params: &Value, alter: impl Fn(f64, &mut I420)) -> Vec<Draft> {
    let (scene, mut rules, truth) = (scene(), rule("abandoned_object", params), truth(scenario));
    let mut all = Vec::new();
    decoded::pictures(&folder(scenario).join("clip.mp4"), |number, samples| {
        if number % 2 != 0 {
            return;
        }
        let t = number as f64 / FPS;
        let mut picture = samples();
        alter(t, &mut picture);
        let (at, glance) = (MediaTime::from_seconds(t), look(&picture));
        let tracks = truth.get(&number).map_or(&[][..], Vec::as_slice);
        let frame = FrameView { at, capture: capture(at), tracks, scene: &scene, glance: Some(&glance), signals: &[] };
        all.extend(rules.observe(&frame).into_iter().map(|(_, draft)| draft));
    });
    all
}

/// Something of 26 x 22 pixels lies on the road for eight seconds.
fn bag(t: f64, picture: &mut I420) {
    if (6.0..16.0).contains(&t) {
        for y in 252..274 {
            for x in 288..314 {
                picture.planes[0][y * 640 + x] = 40 + ((x * 7 + y * 3) % 4) as u8;
            }
        }
    }
}

#[test]
fn a_bag_on_the_road_is_found_where_it_lies_and_its_end_is_told() {
    for scenario in ["pedestrian", "wrong-way"] {
        let drafts = judged(scenario, &json!({"left_for": "4s", "absorb_after": "10m"}), bag);
        let of = |phase| drafts.iter().filter(move |d| d.phase == phase).collect::<Vec<_>>();
        let (starts, ends) = (of(Phase::Start), of(Phase::End));
        assert_eq!(starts.len(), 1, "{scenario}: {starts:?}");
        let bbox = starts[0].bbox.unwrap();
        let off = [bbox.x1 - 0.45, bbox.y1 - 0.70, bbox.x2 - 0.49, bbox.y2 - 0.761].map(f32::abs);
        assert!(off.iter().all(|d| *d < 0.015), "{scenario}: {bbox:?}");
        let late = starts[0].at.seconds_since(MediaTime::from_seconds(10.0));
        assert!((0.0..4.0).contains(&late), "{scenario}: {late} s late");
        assert_eq!(ends.iter().map(|d| &d.measured["end_reason"]).collect::<Vec<_>>(), ["removed"], "{scenario}");
    }
}

#[test]
fn a_track_explains_what_stands_there_unless_its_class_does_not() {
    let (scene, glances) = (scene(), |dark: bool, n: u64| {
        let mut picture =
            I420 { size: (640, 360), planes: [vec![120; 640 * 360], vec![128; 320 * 180], vec![128; 320 * 180]] };
        for (i, luma) in picture.planes[0].iter_mut().enumerate() {
            *luma += ((i % 640 / 40 + i / 640 / 30) % 2) as u8 * 30 + ((i as u64 * 31 + n * 7) % 3) as u8;
        }
        if dark {
            bag(10.0, &mut picture);
        }
        look(&picture)
    });
    for (classes, expected) in [(json!([]), 0), (json!(["person"]), 1)] {
        let mut rules = rule("abandoned_object", &json!({"left_for": "4s", "classes": classes}));
        let mut starts = 0;
        for n in 0..100u64 {
            let t = n as f64 / 5.0;
            let bbox = NormBox { x1: 0.44, y1: 0.69, x2: 0.50, y2: 0.77 };
            let car = Track { bbox, id: TrackId(1), ..rules_support::track(1, rules_support::CAR, 0.0, 0.0) };
            // The detector loses the car after four seconds; it stands there all the same.
            let tracks = if (6.0..10.0).contains(&t) { vec![car] } else { Vec::new() };
            let (at, glance) = (MediaTime::from_seconds(t), glances(t >= 6.0, n));
            let frame = FrameView {
                at,
                capture: capture(at),
                tracks: &tracks,
                scene: &scene,
                glance: Some(&glance),
                signals: &[],
            };
            starts += rules.observe(&frame).iter().filter(|(_, d)| d.phase == Phase::Start).count();
        }
        assert_eq!(starts, expected, "{classes}");
    }
}

#[test]
fn nothing_is_abandoned_in_the_clips() {
    for scenario in ["near-miss", "illegal-parking", "stopped-lorry"] {
        let drafts = judged(scenario, &json!({"left_for": "15s"}), |_, _| {});
        assert!(drafts.is_empty(), "{scenario}: {drafts:?}");
    }
}

#[test]
fn a_change_of_light_is_no_object() {
    let drafts = judged("near-miss", &json!({"left_for": "4s"}), |t, picture| {
        if t >= 8.0 {
            picture.planes[0].iter_mut().for_each(|l| *l = 16 + (f32::from(l.saturating_sub(16)) * 0.4) as u8);
        }
    });
    assert!(drafts.is_empty(), "{drafts:?}");
}

#[test]
fn contradictions_are_told() {
    let compile = vantage::rule::find("abandoned_object").unwrap().compile;
    let wrong = json!({"zone": "nowhere", "left_for": "1s", "min_area": 0.2, "max_area": 0.1, "absorb_after": "1s"});
    let names = vantage::rule::SceneNames::from(&scene());
    let errors = compile(&wrong, &names).err().unwrap();
    let params: Vec<&str> = errors.iter().map(|e| e.param.as_str()).collect();
    assert_eq!(params, ["zone", "left_for", "absorb_after", "min_area"]);
}
