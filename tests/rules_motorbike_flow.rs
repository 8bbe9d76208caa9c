//! `motorbike_flow`: the truth table of `docs/rules/motorbike_flow.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::{Draft, Scene};
use vantage::scene::{ClassId, Ground, NormBox, NormPoint, Phase, Track};

/// The lane runs to the right for y from 0.4 to 0.8, `gate` is across it; `box` serves as a pavement.
fn params() -> Value {
    json!({ "lane": "east", "line": "gate", "interval": "10s" })
}

fn ride(id: u64, class: ClassId, corners: &[(f64, f32, f32)]) -> Vec<(f64, Track)> {
    drive(id, corners, 10.0).into_iter().map(|(t, track)| (t, Track { class, ..track })).collect()
}

fn of_kind<'d>(drafts: &'d [Draft], kind: &str) -> Vec<&'d Draft> {
    drafts.iter().filter(|draft| draft.kind == kind).collect()
}

fn told(drafts: &[Draft], kind: &str) -> String {
    story(&of_kind(drafts, kind).into_iter().cloned().collect::<Vec<_>>())
}

#[test]
fn units_are_averaged_over_the_watched_time_and_flow_over_the_line() {
    // Three motorbikes and a car stand in the lane for 10 s; two motorbikes and a bus pass the line.
    let mut objects: Vec<Vec<(f64, Track)>> =
        (1..=3u64).map(|id| ride(id, BIKE, &[(0., 0.05 * id as f32, 0.6), (10., 0.05 * id as f32, 0.6)])).collect();
    objects.push(ride(4, CAR, &[(0., 0.9, 0.7), (10., 0.9, 0.7)]));
    objects.push(ride(5, BIKE, &[(0., 0.3, 0.3), (10., 0.7, 0.3)]));
    objects.push(ride(6, BIKE, &[(2., 0.7, 0.35), (9., 0.3, 0.35)]));
    let drafts = play("motorbike_flow", &params(), &frames(&objects));
    let intervals = of_kind(&drafts, "motorbike_flow");
    assert_eq!(intervals.len(), 1);
    let interval = intervals[0];
    assert!((measured(interval, "pcu_in_lane") - 1.9).abs() < 1e-6, "{interval:?}");
    assert_eq!(measured(interval, "two_wheelers_in_lane"), 3.0);
    assert_eq!((measured(interval, "observed_seconds"), measured(interval, "interval_seconds")), (10.0, 10.0));
    assert_eq!(interval.measured["counts"], json!({ "motorcycle": 2 }));
    // 0.6 units in 10 s.
    assert!((measured(interval, "pcu_per_hour") - 216.0).abs() < 1e-3);
    assert!((measured(interval, "vehicles_per_hour") - 720.0).abs() < 1e-3);
    assert!(!interval.measured.contains_key("pcu_per_kilometre"), "no calibration");
    // Four boxes of 0.04 x 0.05 (the lower half) in a lane of 1 x 0.4.
    assert!((measured(interval, "occupied_share") - 0.02).abs() < 0.015, "{interval:?}");
    assert_eq!(measured(interval, "saturated_share_of_time"), 0.0);
}

#[test]
fn a_crowded_lane_says_that_its_counts_are_too_low() {
    let wall: Vec<Vec<(f64, Track)>> = (0..10u64)
        .map(|id| {
            let mut object =
                ride(id + 1, BIKE, &[(0., 0.05 + 0.1 * id as f32, 0.79), (10., 0.05 + 0.1 * id as f32, 0.79)]);
            for (_, track) in &mut object {
                track.bbox = NormBox { x1: track.bbox.x1 - 0.04, x2: track.bbox.x2 + 0.04, y1: 0.1, y2: 0.79 };
            }
            object
        })
        .collect();
    let drafts = play("motorbike_flow", &params(), &frames(&wall));
    assert!(measured(&drafts[0], "occupied_share") > 0.8, "{:?}", drafts[0]);
    assert_eq!(measured(&drafts[0], "saturated_share_of_time"), 1.0);
}

#[test]
fn on_the_ground_there_is_density() {
    // 100 m by 50 m: the lane is 100 m long and 20 m wide.
    let matrix = [[100.0, 0.0, 0.0], [0.0, -50.0, 50.0], [0.0, 0.0, 1.0]];
    let scene = Scene { ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(), ..scene() };
    let objects: Vec<Vec<(f64, Track)>> =
        (1..=10u64).map(|id| ride(id, BIKE, &[(0., 0.09 * id as f32, 0.6), (10., 0.09 * id as f32, 0.6)])).collect();
    let drafts = play_at(0, &mut rule_in(&scene, "motorbike_flow", &params()), &scene, &frames(&objects));
    assert!((measured(&drafts[0], "pcu_per_kilometre") - 30.0).abs() < 0.1, "{:?}", drafts[0]);
    // Ten boxes of 4 m by 2.5 m cover 100 square metres: as many as 18.6 cars.
    assert!((measured(&drafts[0], "pcu_in_lane_by_area") - 18.6).abs() < 4.0, "{:?}", drafts[0]);
}

#[test]
fn a_gap_is_not_observed() {
    let objects = [ride(1, BIKE, &[(0., 0.1, 0.6), (3., 0.1, 0.6)])];
    let mut steps = frames(&objects);
    steps.push(Step::Gap(3.0, 8.0));
    steps.extend(frames(&[ride(2, BIKE, &[(8., 0.1, 0.6), (12., 0.1, 0.6)])]));
    steps.push(Step::End(12.0));
    let drafts = play("motorbike_flow", &params(), &steps);
    let seconds = |name: &str| drafts.iter().map(|draft| measured(draft, name)).collect::<Vec<_>>();
    assert_eq!(seconds("interval_seconds"), [3.0, 7.0, 2.0]);
    assert_eq!(seconds("observed_seconds"), [3.0, 2.0, 2.0]);
    assert!(drafts.iter().all(|draft| (measured(draft, "pcu_in_lane") - 0.3).abs() < 1e-6));
}

#[test]
fn counter_flow_takes_several_riders() {
    let params = json!({
        "lane": "east", "counter_riders": 3, "counter_window": "20s", "counter_share": 0.3, "interval": "1h",
    });
    let with = |id: u64, t: f64| ride(id, BIKE, &[(t, 0.1, 0.6), (t + 5., 0.6, 0.6)]);
    let against = |id: u64, t: f64| ride(id, BIKE, &[(t, 0.9, 0.7), (t + 5., 0.4, 0.7)]);
    let late = |id: u64| ride(id, BIKE, &[(0., 0.05, 0.2), (60., 0.05, 0.2)]);
    let run = |objects: Vec<Vec<(f64, Track)>>| {
        told(&play("motorbike_flow", &params, &frames(&objects)), "counter_flow_riding")
    };
    assert_eq!(run(vec![against(1, 0.), against(2, 1.), late(9)]), "", "two");
    assert_eq!(run(vec![against(1, 0.), against(2, 1.), against(3, 2.), late(9)]), "start end(cleared)");
    assert_eq!(run(vec![against(1, 0.), against(2, 21.), against(3, 42.), late(9)]), "", "not within the window");
    let many = (10..20u64).map(|id| with(id, 0.1 * id as f64));
    assert_eq!(
        run(many.chain([against(1, 0.), against(2, 1.), against(3, 2.), late(9)]).collect()),
        "",
        "a small share"
    );
    let cars = (1..=3u64).map(|id| ride(id, CAR, &[(id as f64, 0.9, 0.7), (id as f64 + 5., 0.4, 0.7)]));
    assert_eq!(run(cars.chain([late(9)]).collect()), "", "cars: that is wrong_way's");
    let across = (1..=3u64).map(|id| ride(id, BIKE, &[(id as f64, 0.5, 0.42), (id as f64 + 5., 0.5, 0.79)]));
    assert_eq!(run(across.chain([late(9)]).collect()), "", "across");
}

#[test]
fn pavement_riding_is_real_motion_of_two_wheelers() {
    let params = json!({ "lane": "east", "pavements": ["box"], "interval": "1h" });
    let run = |class: ClassId, corners: &[(f64, f32, f32)]| {
        told(&play("motorbike_flow", &params, &frames(&[ride(1, class, corners)])), "pavement_riding")
    };
    // The pavement spans x from 0.3 to 0.7: 0.8 picture heights, 8 box heights.
    let rides = [(0., 0.2, 0.6), (6., 0.8, 0.6), (9., 0.8, 0.6)];
    assert_eq!(run(BIKE, &rides), "start end(left)");
    assert_eq!(run(CAR, &rides), "");
    assert_eq!(run(BIKE, &[(0., 0.5, 0.6), (20., 0.5, 0.6)]), "", "parked");
    assert_eq!(run(BIKE, &[(0., 0.4, 0.6), (10., 0.5, 0.6)]), "", "pushed");
    assert_eq!(run(BIKE, &[(0., 0.2, 0.6), (1.5, 0.9, 0.6)]), "", "cuts the corner");
    assert_eq!(run(BIKE, &[(0., 0.2, 0.2), (6., 0.8, 0.2)]), "", "beside it");
    let twice = [(0., 0.2, 0.6), (6., 0.8, 0.6), (9., 0.8, 0.6), (15., 0.2, 0.6), (18., 0.2, 0.6)];
    assert_eq!(run(BIKE, &twice), "start end(left) start end(left)");
    let mut steps = frames(&[ride(1, BIKE, &[(0., 0.2, 0.6), (4., 0.6, 0.6)])]);
    steps.push(Step::Forget(1, 5.0));
    let drafts = play("motorbike_flow", &params, &steps);
    assert_eq!(told(&drafts, "pavement_riding"), "start end(track_ended)");
}

#[test]
fn the_clip_with_one_rider_against_the_lane_is_no_counter_flow() {
    let oracle = Oracle::load("wrong-way");
    let run = |riders: u32| {
        oracle.play(
            "motorbike_flow",
            &json!({ "lane": "eastbound", "line": "east-out", "counter_riders": riders, "counter_share": 0.0 }),
        )
    };
    assert_eq!(told(&run(3), "counter_flow_riding"), "");
    assert_eq!(told(&run(1), "counter_flow_riding"), "start end(stream_ended)");
}

#[test]
fn counts_over_a_line_are_those_of_the_truth() {
    for (clip, lane, line) in [("wrong-way", "eastbound", "east-out"), ("stopped-lorry", "eastbound", "east-out")] {
        let oracle = Oracle::load(clip);
        let drafts = oracle.play("motorbike_flow", &json!({ "lane": lane, "line": line, "interval": "1h" }));
        let interval =
            drafts.iter().find(|draft| draft.kind == "motorbike_flow" && draft.phase == Phase::Instant).unwrap();
        let found: u64 = interval.measured["counts"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        let truth = &oracle.truth["counts"]["lines"][line];
        let true_count: u64 = ["forward", "backward"]
            .iter()
            .filter_map(|way| truth[way].as_object())
            .flat_map(|classes| classes.values())
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert!(found.abs_diff(true_count) <= 1, "{clip}: {found} instead of {true_count}");
    }
}

#[test]
fn who_rides_against_the_flow_and_on_the_pavement_of_the_clip_is_found() {
    let oracle = Oracle::load("motorbikes");
    let params = json!({ "lane": "eastbound", "line": "east-out", "pavements": ["pavement"], "interval": "20s" });
    let drafts = oracle.play("motorbike_flow", &params);
    oracle.assert_found(&drafts, "counter_flow_riding", 0.0);
    oracle.assert_found(&drafts, "pavement_riding", 0.0);
}
