//! Lanes learned from the exact tracks of the product's own footage, held to the lanes of its truth.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use serde_json::Value;
use vantage::base::{MediaTime, TrackId};
use vantage::learn::{LearnedLane, Learner, Limits};
use vantage::scene::{ClassId, NormBox, NormPoint, Polygon, Track};

const ASPECT: f32 = 16.0 / 9.0;

fn truth(scenario: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media").join(scenario).join("truth.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

/// The vehicles' boxes, frame by frame, into a learner.
fn learned(truth: &Value) -> Vec<LearnedLane> {
    let (width, height) = (number(&truth["width"]), number(&truth["height"]));
    let vehicle = |id: u64| {
        let object = truth["objects"].as_array().unwrap().iter().find(|o| o["id"] == id).unwrap();
        object["class"] != "person"
    };
    let mut learner = Learner::new(width / height);
    for frame in truth["frames_data"].as_array().unwrap() {
        let rows = frame.as_array().unwrap().iter().filter(|row| vehicle(row[0].as_u64().unwrap()));
        let tracks: Vec<Track> = rows
            .map(|row| Track {
                id: TrackId(row[0].as_u64().unwrap()),
                class: ClassId(0),
                score: 1.0,
                bbox: NormBox {
                    x1: number(&row[1]) / width,
                    y1: number(&row[2]) / height,
                    x2: number(&row[3]) / width,
                    y2: number(&row[4]) / height,
                },
                velocity: NormPoint::default(),
                observed: true,
                first_seen: MediaTime(0),
                last_seen: MediaTime(0),
            })
            .collect();
        learner.observe(&tracks);
    }
    learner.lanes(&Limits { tracks: 3, ..Limits::default() })
}

fn point(value: &Value, truth: &Value) -> NormPoint {
    NormPoint::new(number(&value[0]) / number(&truth["width"]), number(&value[1]) / number(&truth["height"]))
}

/// The angle of an arrow on the screen, degrees.
fn heading(from: NormPoint, to: NormPoint) -> f32 {
    (to.y - from.y).atan2((to.x - from.x) * ASPECT).to_degrees()
}

fn apart(a: f32, b: f32) -> f32 {
    let off = (a - b).rem_euclid(360.0);
    off.min(360.0 - off)
}

fn iou(a: &Polygon, b: &Polygon) -> f32 {
    let (mut both, mut either) = (0, 0);
    for y in 0..180 {
        for x in 0..320 {
            let p = NormPoint::new((x as f32 + 0.5) / 320.0, (y as f32 + 0.5) / 180.0);
            let (in_a, in_b) = (a.contains(p), b.contains(p));
            both += i32::from(in_a && in_b);
            either += i32::from(in_a || in_b);
        }
    }
    both as f32 / either.max(1) as f32
}

/// For every true lane: the best learned one by area, how far its direction is off, and the overlap.
fn matches(scenario: &str) -> Vec<(String, f32, f32, usize)> {
    let truth = truth(scenario);
    let lanes = learned(&truth);
    let found = truth["lanes"].as_array().unwrap().iter().filter_map(|lane| {
        let corners = lane["polygon"].as_array().unwrap().iter().map(|p| point(p, &truth)).collect();
        let area = Polygon::new(corners).unwrap();
        let direction = heading(point(&lane["direction"]["from"], &truth), point(&lane["direction"]["to"], &truth));
        let best = lanes.iter().max_by(|a, b| iou(&a.polygon, &area).total_cmp(&iou(&b.polygon, &area)))?;
        let off = apart(heading(best.direction.from, best.direction.to), direction);
        Some((lane["id"].as_str().unwrap().to_owned(), off, iou(&best.polygon, &area), best.tracks))
    });
    let found: Vec<_> = found.collect();
    eprintln!("{scenario}: {} learned; {found:?}", lanes.len());
    found
}

#[test]
fn the_lanes_of_a_road_are_found_with_their_directions() {
    let mut all = Vec::new();
    for scenario in ["wrong-way", "stopped-lorry", "congestion"] {
        let found = matches(scenario);
        assert!(!found.is_empty(), "{scenario}");
        for (lane, off, overlap, tracks) in found {
            assert!(off <= 10.0, "{scenario} {lane}: {off} degrees off, {tracks} tracks");
            all.push(overlap);
        }
    }
    let mean = all.iter().sum::<f32>() / all.len() as f32;
    eprintln!("mean IoU {mean:.2} of {all:?}");
    assert!(mean > 0.4, "{all:?}");
}

#[test]
fn one_rider_against_the_traffic_makes_no_lane() {
    let truth = truth("wrong-way");
    let lanes = learned(&truth);
    let eastbound = &truth["lanes"][0];
    assert_eq!(eastbound["id"], "eastbound");
    let direction =
        heading(point(&eastbound["direction"]["from"], &truth), point(&eastbound["direction"]["to"], &truth));
    let corners = eastbound["polygon"].as_array().unwrap().iter().map(|p| point(p, &truth)).collect();
    let area = Polygon::new(corners).unwrap();
    for lane in &lanes {
        let against = apart(heading(lane.direction.from, lane.direction.to), direction) > 90.0;
        assert!(!against || iou(&lane.polygon, &area) < 0.2, "{lane:?}");
    }
}

#[test]
fn turning_traffic_leaves_the_straight_lanes_alone() {
    let truth = truth("junction");
    let lanes = learned(&truth);
    eprintln!("junction: {} lanes, truth has {}", lanes.len(), truth["lanes"].as_array().unwrap().len());
    assert!(lanes.len() >= 2);
    for lane in &lanes {
        assert!(lane.spread_degrees < 25.0, "{lane:?}");
    }
}

#[test]
fn a_standing_queue_and_a_shaking_box_are_no_lane() {
    let mut learner = Learner::new(ASPECT);
    for n in 0..600 {
        let shake = if n % 2 == 0 { 0.003 } else { -0.003 };
        let track = |id: u64| Track {
            id: TrackId(id),
            class: ClassId(0),
            score: 1.0,
            bbox: NormBox { x1: 0.1 * id as f32 + shake, y1: 0.5, x2: 0.1 * id as f32 + 0.08 + shake, y2: 0.6 },
            velocity: NormPoint::default(),
            observed: true,
            first_seen: MediaTime(0),
            last_seen: MediaTime(0),
        };
        learner.observe(&(1..9).map(track).collect::<Vec<_>>());
    }
    assert!(learner.lanes(&Limits { tracks: 2, ..Limits::default() }).is_empty());
}
