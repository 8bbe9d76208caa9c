//! `line_crossing`: the truth table of `docs/rules/line_crossing.md`, and the counts.

#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use rules_support::*;
use serde_json::{Value, json};
use vantage::base::MediaTime;

/// A crossing story for one object at 25 frames per second.
fn crossings(corners: &[(f64, f32, f32)], params: &Value) -> String {
    let mut given = json!({ "line": "gate", "report": ["crossing"] });
    given.as_object_mut().unwrap().append(&mut params.as_object().unwrap().clone());
    story(&play("line_crossing", &given, &frames(&[drive(1, corners, 25.0)])))
}

#[test]
fn truth_table() {
    // The line is x = 0.5 for y from 0.1 to 0.9; 0.01 picture heights are 0.005 picture widths.
    let table: &[Row] = &[
        ("left to right", &[(0., 0.3, 0.5), (2., 0.7, 0.5)], "forward"),
        ("right to left", &[(0., 0.7, 0.5), (2., 0.3, 0.5)], "backward"),
        ("there and back", &[(0., 0.3, 0.5), (2., 0.7, 0.5), (4., 0.3, 0.5)], "forward backward"),
        (
            "there and back, twice",
            &[(0., 0.3, 0.5), (1., 0.7, 0.5), (2., 0.3, 0.5), (3., 0.7, 0.5), (4., 0.3, 0.5)],
            "forward backward",
        ),
        ("stops short of the line", &[(0., 0.3, 0.5), (2., 0.496, 0.5), (9., 0.496, 0.5)], ""),
        ("touches it and turns back", &[(0., 0.3, 0.5), (2., 0.503, 0.5), (4., 0.3, 0.5)], ""),
        ("stops on it, then goes on", &[(0., 0.3, 0.5), (2., 0.5, 0.5), (60., 0.5, 0.5), (62., 0.7, 0.5)], "forward"),
        ("first seen on the line", &[(0., 0.501, 0.5), (2., 0.7, 0.5)], ""),
        ("first seen on it, but crosses back later", &[(0., 0.499, 0.5), (2., 0.7, 0.5), (4., 0.3, 0.5)], "backward"),
        ("beyond the end of the line", &[(0., 0.3, 0.95), (2., 0.7, 0.95)], ""),
        ("round the end of the line", &[(0., 0.4, 0.5), (1., 0.4, 0.97), (2., 0.6, 0.97), (3., 0.6, 0.5)], ""),
        (
            "round its end, then back through it",
            &[(0., 0.4, 0.97), (1., 0.6, 0.97), (2., 0.6, 0.5), (3., 0.4, 0.5)],
            "backward",
        ),
        ("along the line", &[(0., 0.5, 0.0), (3., 0.5, 1.0)], ""),
        ("slantwise", &[(0., 0.45, 0.2), (3., 0.55, 0.8)], "forward"),
    ];
    for (what, corners, expected) in table {
        assert_eq!(crossings(corners, &json!({})), *expected, "{what}");
    }
}

#[test]
fn a_fast_vehicle_on_a_slow_camera_crosses_between_two_frames() {
    let steps = frames(&[drive(1, &[(0., 0.2, 0.5), (1., 0.8, 0.5)], 1.0)]);
    assert_eq!(story(&play("line_crossing", &json!({ "line": "gate", "report": ["crossing"] }), &steps)), "forward");
}

#[test]
fn predictions_cross_nothing() {
    let mut object = drive(1, &[(0., 0.3, 0.5), (2., 0.7, 0.5)], 25.0);
    for (_, track) in object.iter_mut().filter(|(t, _)| *t > 0.9) {
        track.observed = false;
    }
    let params = json!({ "line": "gate", "report": ["crossing"] });
    assert_eq!(story(&play("line_crossing", &params, &frames(&[object.clone()]))), "");
    // Seen again on the far side, it has crossed: the identity is the tracker's word.
    object.last_mut().unwrap().1.observed = true;
    assert_eq!(story(&play("line_crossing", &params, &frames(&[object]))), "forward");
}

#[test]
fn the_anchor_may_be_the_centre() {
    // The box's bottom passes at y = 0.95, below the line; its centre at 0.90 would touch it.
    let corners = [(0., 0.3, 0.94), (2., 0.7, 0.94)];
    assert_eq!(crossings(&corners, &json!({})), "");
    assert_eq!(crossings(&corners, &json!({ "anchor": "centre" })), "forward");
}

#[test]
fn shared_parameters_hold() {
    let corners = [(0., 0.3, 0.5), (2., 0.7, 0.5), (4., 0.3, 0.5)];
    assert_eq!(crossings(&corners, &json!({ "classes": ["person"] })), "");
    assert_eq!(crossings(&corners, &json!({ "classes": ["person", "car"] })), "forward backward");
    assert_eq!(crossings(&corners, &json!({ "cooldown": "10s" })), "forward");
    assert_eq!(crossings(&corners, &json!({ "min_track_age": "2s" })), "backward");
}

#[test]
fn it_explains_itself() {
    let steps = frames(&[drive(7, &[(0., 0.3, 0.5), (2., 0.7, 0.5)], 25.0)]);
    let drafts = play("line_crossing", &json!({ "line": "gate", "report": ["crossing"] }), &steps);
    let draft = &drafts[0];
    assert_eq!((draft.kind, draft.track.unwrap().0, draft.class), ("line_crossing", 7, Some(CAR)));
    assert_eq!(draft.summary, "car crossed gate forward");
    assert_eq!(draft.measured["crossing_point"], json!([0.5, 0.5]));
    assert_eq!(draft.thresholds["hysteresis_heights"], json!(0.01));
    assert_eq!(draft.at, MediaTime::from_seconds(1.04));
}

/// The counts as (seconds of the interval, observed seconds, forward, backward).
fn counts(params: &Value, steps: &[Step]) -> Vec<(f64, f64, Value, Value)> {
    play("line_crossing", params, steps)
        .iter()
        .map(|draft| {
            assert_eq!(draft.kind, "line_count");
            let counts = &draft.measured["counts"];
            let (forward, backward) = (counts["forward"].clone(), counts["backward"].clone());
            (measured(draft, "interval_seconds"), measured(draft, "observed_seconds"), forward, backward)
        })
        .collect()
}

fn watch(from: u32, to: u32) -> Vec<Step> {
    (from * 5..=to * 5).map(|n| Step::Frame(f64::from(n) / 5.0, Vec::new())).collect()
}

#[test]
fn counts_come_per_class_direction_and_interval() {
    let mut bike = drive(3, &[(70., 0.7, 0.5), (72., 0.3, 0.5)], 5.0);
    bike.iter_mut().for_each(|(_, track)| track.class = BIKE);
    let cars = [
        drive(1, &[(10., 0.3, 0.5), (12., 0.7, 0.5)], 5.0),
        drive(2, &[(20., 0.3, 0.5), (22., 0.7, 0.5), (24., 0.3, 0.5)], 5.0),
        bike,
        // Watched all the time, by an object that crosses nothing.
        drive(9, &[(0., 0.1, 0.1), (130., 0.1, 0.1)], 5.0),
    ];
    let mut steps = frames(&cars);
    steps.push(Step::End(130.0));
    let got = counts(&json!({ "line": "gate", "report": ["count"] }), &steps);
    assert_eq!(
        got,
        vec![
            (60.0, 60.0, json!({ "car": 2 }), json!({ "car": 1 })),
            (60.0, 60.0, json!({}), json!({ "motorcycle": 1 })),
            (10.0, 10.0, json!({}), json!({})),
        ]
    );
}

#[test]
fn a_blind_camera_is_no_empty_road() {
    // Watched 0–20 s, a gap, watched 50–70 s: "observed 30 of 60 seconds" in two records.
    let params = json!({ "line": "gate", "report": ["count"] });
    let mut steps = watch(0, 20);
    steps.push(Step::Gap(20.0, 50.0));
    steps.extend(watch(50, 70));
    steps.push(Step::End(70.0));
    let got: Vec<(f64, f64)> = counts(&params, &steps).iter().map(|c| (c.0, c.1)).collect();
    assert_eq!(got, [(20.0, 20.0), (40.0, 10.0), (10.0, 10.0)]);

    // A long gap makes one record, not one per minute.
    let mut steps = watch(0, 20);
    steps.push(Step::Gap(20.0, 500.0));
    steps.extend(watch(500, 540));
    let got: Vec<(f64, f64)> = counts(&params, &steps).iter().map(|c| (c.0, c.1)).collect();
    assert_eq!(got, [(20.0, 20.0), (40.0, 0.0), (420.0, 0.0), (60.0, 40.0)]);
}

#[test]
fn a_long_step_between_frames_is_not_observed() {
    let steps: Vec<Step> = [0.0, 0.5, 1.0, 3.0, 3.5, 11.0].map(|t| Step::Frame(t, Vec::new())).into();
    let params = |step: &str| json!({ "line": "gate", "interval": "10s", "max_frame_step": step });
    assert_eq!(counts(&params("1s"), &steps)[0].1, 1.5);
    assert_eq!(counts(&params("2s"), &steps)[0].1, 3.5);
    assert_eq!(counts(&params("8s"), &steps)[0].1, 10.0);
}
