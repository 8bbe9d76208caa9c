//! `wrong_way`: the truth table of `docs/rules/wrong_way.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::{Lane, Scene};
use vantage::scene::{Ground, NormPoint, Polygon, Segment, Track};

fn params() -> Value {
    json!({ "lane": "east" })
}

fn run_at(fps: f64, corners: &[(f64, f32, f32)]) -> String {
    story(&play("wrong_way", &params(), &frames(&[drive(1, corners, fps)])))
}

#[test]
fn truth_table() {
    // The lane runs to the right for y from 0.4 to 0.8; the picture is 2 heights wide.
    let table: &[Row] = &[
        ("with the lane", &[(0., 0.0, 0.6), (4., 1.0, 0.6)], ""),
        ("against the lane", &[(0., 1.0, 0.6), (4., 0.01, 0.6)], "start"),
        ("slowly against it", &[(0., 0.6, 0.6), (20., 0.4, 0.6)], "start"),
        ("stands, then goes against it", &[(0., 0.6, 0.6), (60., 0.6, 0.6), (63., 0.2, 0.6)], "start"),
        ("goes with it, turns round", &[(0., 0.1, 0.6), (2., 0.6, 0.6), (4., 0.1, 0.6)], "start"),
        ("stands", &[(0., 0.6, 0.6), (60., 0.6, 0.6)], ""),
        ("rolls back a little", &[(0., 0.6, 0.6), (2., 0.57, 0.6), (9., 0.57, 0.6)], ""),
        ("drifts", &[(0., 0.6, 0.6), (90., 0.5, 0.6)], ""),
        ("crosses the lane", &[(0., 0.5, 0.42), (3., 0.5, 0.79)], ""),
        ("crosses it slantwise, 110° off", &[(0., 0.55, 0.42), (3., 0.4827, 0.79)], ""),
        ("crosses it slantwise, 130° off", &[(0., 0.65, 0.42), (3., 0.4948, 0.79)], "start"),
        (
            // 0.06 heights within the lane, then a way round outside it, then 0.06 within again.
            "against it by bits, outside in between",
            &[
                (0., 0.6, 0.79),
                (1., 0.57, 0.79),
                (1.1, 0.57, 0.81),
                (2., 0.55, 0.81),
                (2.1, 0.55, 0.79),
                (3., 0.52, 0.79),
                (9., 0.52, 0.79),
            ],
            "",
        ),
        ("beside the lane", &[(0., 1.0, 0.3), (4., 0.0, 0.3)], ""),
        (
            "against it, leaves it, comes back so",
            &[(0., 1.0, 0.6), (2., 0.6, 0.6), (3., 0.5, 0.3), (6., 0.5, 0.3), (7., 0.4, 0.6), (9., 0.1, 0.6)],
            "start end(left)",
        ),
    ];
    for (what, corners, expected) in table {
        assert_eq!(run_at(10.0, corners), *expected, "{what}");
    }
}

#[test]
fn on_a_calibrated_camera_the_heading_counts_on_the_ground_too() {
    // 130° off in the picture. 8 m across the picture's width and 60 m up its height make it 93° on the road.
    let aside = [drive(1, &[(0., 0.65, 0.42), (3., 0.4948, 0.79)], 10.0)];
    let against = [drive(1, &[(0., 1.0, 0.6), (4., 0.01, 0.6)], 10.0)];
    let matrix = [[8.0, 0.0, 0.0], [0.0, -60.0, 60.0], [0.0, 0.0, 1.0]];
    let ground = Ground::from_matrix(matrix, 0.2, NormPoint::new(0.5, 1.0)).unwrap();
    let calibrated = Scene { ground: Some(ground), ..scene() };
    let played =
        |scene: &Scene, objects| story(&play_at(0, &mut rule("wrong_way", &params()), scene, &frames(objects)));
    assert_eq!((played(&scene(), &aside), played(&calibrated, &aside)), ("start".to_owned(), String::new()));
    assert_eq!(played(&calibrated, &against), "start");
}

#[test]
fn it_fires_at_any_frame_rate() {
    for fps in [2.0, 5.0, 25.0, 60.0] {
        assert_eq!(run_at(fps, &[(0., 1.0, 0.6), (8., 0.1, 0.6)]), "start", "{fps} fps");
    }
}

#[test]
fn a_jump_of_the_box_is_no_motion() {
    // Two places 0.4 heights apart, back and forth: far enough, never straight nor observed enough.
    let object: Vec<_> =
        (0..200).map(|n| (f64::from(n) / 10.0, track(1, CAR, if n / 3 % 2 == 0 { 0.6 } else { 0.4 }, 0.6))).collect();
    assert_eq!(story(&play("wrong_way", &params(), &frames(&[object]))), "");
}

#[test]
fn a_track_that_jumps_to_the_vehicle_behind_has_not_driven_there() {
    // It stands, is 0.24 heights farther back within four frames (the filter follows), and stands there.
    let places = |n: u32| match n {
        0..20 => 0.6,
        20 => 0.53,
        21 => 0.5,
        22 => 0.485,
        _ => 0.48,
    };
    let object: Vec<_> = (0..80).map(|n| (f64::from(n) / 10.0, track(1, CAR, places(n), 0.6))).collect();
    assert_eq!(story(&play("wrong_way", &params(), &frames(std::slice::from_ref(&object)))), "");
    // Whoever really goes on like that is reported all the same.
    let goes_on: Vec<_> = object.into_iter().chain(drive(1, &[(8., 0.48, 0.6), (12., 0.2, 0.6)], 10.0)).collect();
    assert_eq!(story(&play("wrong_way", &params(), &frames(&[goes_on]))), "start");
}

#[test]
fn a_track_that_goes_over_to_another_vehicle_by_bits_has_not_driven_there() {
    // It stands, and within three frames it is a quarter of a picture height farther back, and stays.
    let over = |n: u32| match n {
        0..20 => 0.6,
        20 => 0.56,
        21 => 0.52,
        _ => 0.475,
    };
    let object: Vec<_> = (0..80).map(|n| (f64::from(n) / 10.0, track(1, CAR, over(n), 0.6))).collect();
    assert_eq!(story(&play("wrong_way", &params(), &frames(&[object]))), "");
    // Whoever takes a second and a half for the same way has driven it.
    let driven = drive(1, &[(0., 0.6, 0.6), (2., 0.6, 0.6), (3.5, 0.475, 0.6), (8., 0.475, 0.6)], 10.0);
    assert_eq!(story(&play("wrong_way", &params(), &frames(&[driven]))), "start");
}

#[test]
fn who_was_lawful_before_must_go_twice_as_far() {
    // The distance is 0.08 picture heights, 0.04 of the picture's width.
    let back = |before: &[(f64, f32, f32)], by: f32| {
        let (from, x, y) = before[before.len() - 1];
        run_at(10.0, &[before, &[(from + 1.5, x - by, y), (from + 4.0, x - by, y)]].concat())
    };
    let came = [(0., 0.4, 0.6), (1., 0.6, 0.6)];
    let stood = [(0., 0.6, 0.6), (3., 0.6, 0.6)];
    let fresh = [(0., 0.6, 0.6)];
    for (before, far, expected) in [
        (&fresh[..], 0.055, "start"),
        (&came[..], 0.055, ""),
        (&came[..], 0.095, "start"),
        (&stood[..], 0.055, ""),
        (&stood[..], 0.095, "start"),
    ] {
        assert_eq!(back(before, far), expected, "{before:?}, then {far} back");
    }
}

#[test]
fn a_long_vehicle_of_the_lane_behind_is_none() {
    // Beyond the lane to the right lies one to the left; a bus in it reaches over with the lower edge of its box.
    let mut scene = scene();
    let corners = [(0.0, 0.1), (1.0, 0.1), (1.0, 0.4), (0.0, 0.4)].map(|(x, y)| NormPoint::new(x, y));
    let arrow = Segment { from: NormPoint::new(0.9, 0.3), to: NormPoint::new(0.1, 0.3) };
    let west = Lane::new(Polygon::new(corners.to_vec()).unwrap(), &arrow, scene.aspect).unwrap();
    scene.lanes.insert("west".to_owned(), west);
    let run = |y: f32| {
        let mut bus = drive(1, &[(0., 0.9, y), (4., 0.1, y)], 10.0);
        for (_, track) in &mut bus {
            track.bbox.y1 = y - 0.3;
            track.velocity = NormPoint::new(-0.2, 0.0);
        }
        story(&play_at(0, &mut rule_in(&scene, "wrong_way", &params()), &scene, &frames(&[bus])))
    };
    assert_eq!(run(0.45), "");
    assert_eq!(run(0.6), "start");
}

#[test]
fn a_near_vehicle_must_move_by_its_own_size() {
    let near = |x: f32| {
        let mut track = track(1, CAR, x, 0.6);
        track.bbox.y1 = 0.1; // 0.5 high, so 0.25 picture heights are needed
        track
    };
    let run = |to: f32| {
        let object: Vec<(f64, Track)> =
            (0..=30u8).map(|n| (f64::from(n) / 10.0, near(0.6 + (to - 0.6) * f32::from(n) / 30.0))).collect();
        story(&play("wrong_way", &params(), &frames(&[object])))
    };
    assert_eq!(run(0.5), ""); // 0.20
    assert_eq!(run(0.45), "start"); // 0.30
}

#[test]
fn a_box_that_grows_on_one_side_has_not_driven_there() {
    // What hid the standing car drives away to the left within 2 s; its anchor moves by 0.25 widths of its lane's way.
    let run = |right_edge_stays: bool| {
        let object: Vec<(f64, Track)> = (0..=30u8)
            .map(|n| {
                let moved = 0.3 * f32::from(n.min(20)) / 20.0;
                let mut track = track(1, CAR, 0.7, 0.6);
                track.bbox.x1 -= moved;
                track.bbox.x2 -= if right_edge_stays { 0.0 } else { moved };
                (f64::from(n) / 10.0, track)
            })
            .collect();
        story(&play("wrong_way", &params(), &frames(&[object])))
    };
    assert_eq!(run(true), "");
    assert_eq!(run(false), "start");
}

#[test]
fn predictions_prove_nothing() {
    let mut object = drive(1, &[(0., 1.0, 0.6), (4., 0.01, 0.6)], 10.0);
    for (t, track) in &mut object {
        track.observed = *t < 0.2;
    }
    assert_eq!(story(&play("wrong_way", &params(), &frames(&[object]))), "");
}

#[test]
fn it_says_what_it_goes_by() {
    let mut ghost = drive(1, &[(0., 0.9, 0.6), (4., 0.1, 0.6)], 10.0);
    ghost.iter_mut().for_each(|(_, track)| track.velocity = NormPoint::new(-0.2, 0.0));
    let others = [2, 3].map(|id| drive(id, &[(0., 0.1 * id as f32, 0.5), (4., 0.1 * id as f32 + 0.5, 0.5)], 10.0));
    let [a, b] = others;
    let drafts = play("wrong_way", &params(), &frames(&[ghost.clone(), a, b]));
    assert_eq!(story(&drafts), "start");
    let draft = &drafts[0];
    assert_eq!(draft.measured["cues"], json!(["path", "velocity", "traffic"]));
    assert_eq!(measured(draft, "heading_difference_degrees"), 180.0);
    assert_eq!(measured(draft, "others_with_lane"), 2.0);
    assert_eq!(measured(draft, "others_against_lane"), 0.0);
    assert!(measured(draft, "distance_heights") >= 0.08 && measured(draft, "straightness") > 0.99);
    assert!(measured(draft, "observations") >= 5.0 && measured(draft, "duration_seconds") >= 0.5);
    assert_eq!(draft.thresholds["angle_degrees"], json!(120.0));

    ghost.iter_mut().for_each(|(_, track)| track.velocity = NormPoint::default());
    let alone = play("wrong_way", &params(), &frames(&[ghost]));
    assert_eq!(alone[0].measured["cues"], json!(["path"]));
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let steps = frames(&[drive(1, &[(0., 0.9, 0.6), (2., 0.5, 0.6)], 10.0)]);
    for (last, reason) in
        [(Step::Gap(2.0, 30.0), "gap"), (Step::Forget(1, 4.0), "track_ended"), (Step::End(2.0), "stream_ended")]
    {
        let mut steps = steps.clone();
        steps.push(last);
        assert_eq!(story(&play("wrong_way", &params(), &steps)), format!("start end({reason})"));
    }
}

#[test]
fn every_threshold_bears() {
    // This ride just passes each; with any one raised it no longer does.
    let steps = frames(&[drive(1, &[(0., 0.60, 0.6), (2., 0.45, 0.6)], 5.0)]);
    assert_eq!(story(&play("wrong_way", &params(), &steps)), "start");
    for raised in [
        json!({ "lane": "east", "distance": 0.4 }),
        json!({ "lane": "east", "box_heights": 4.0 }),
        json!({ "lane": "east", "observations": 12 }),
        json!({ "lane": "east", "duration": "3s" }),
        json!({ "lane": "east", "min_track_age": "3s" }),
        json!({ "lane": "east", "classes": ["motorcycle"] }),
    ] {
        assert_eq!(story(&play("wrong_way", &raised, &steps)), "", "{raised}");
    }
    // A zigzag of 45° has a straightness of 0.71.
    let corners: Vec<(f64, f32, f32)> = (0..12u8)
        .map(|n| (f64::from(n) / 2.0, 0.8 - 0.05 * f32::from(n), if n % 2 == 0 { 0.5 } else { 0.62 }))
        .collect();
    let zigzag = frames(&[drive(1, &corners, 10.0)]);
    let with = |least: f64| {
        story(&play("wrong_way", &json!({ "lane": "east", "straightness": least, "distance": 0.3 }), &zigzag))
    };
    assert_eq!((with(0.5), with(0.9)), ("start".to_owned(), String::new()));
}
