//! `zone_dwell`: the truth table of `docs/rules/zone_dwell.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::scene::Phase;

fn params(report: &[&str]) -> Value {
    json!({ "zone": "box", "dwell": "5s", "report": report })
}

const ALL: &[&str] = &["entered", "dwelt", "left"];

#[test]
fn truth_table() {
    // The zone spans x from 0.3 to 0.7; 5 s make a dwell, 10 s an update, 1 s outside an exit.
    let table: &[Row] = &[
        ("passes through", &[(0., 0.1, 0.5), (4., 0.9, 0.5), (6., 0.95, 0.5)], "entered left"),
        ("never inside", &[(0., 0.1, 0.5), (30., 0.29, 0.5)], ""),
        (
            "stays and leaves",
            &[(0., 0.1, 0.5), (1., 0.5, 0.5), (8., 0.5, 0.5), (9., 0.9, 0.5), (11., 0.9, 0.5)],
            "entered start end(left) left",
        ),
        ("appears inside, stays long", &[(0., 0.5, 0.5), (26., 0.5, 0.5)], "entered start update update"),
        (
            "out for a moment",
            &[(0., 0.5, 0.5), (3., 0.5, 0.5), (3.1, 0.8, 0.5), (3.6, 0.8, 0.5), (3.7, 0.5, 0.5), (6., 0.5, 0.5)],
            "entered start",
        ),
        (
            "out for longer: two visits",
            &[(0., 0.5, 0.5), (3., 0.5, 0.5), (3.1, 0.8, 0.5), (5.1, 0.8, 0.5), (5.2, 0.5, 0.5), (8., 0.5, 0.5)],
            "entered left entered",
        ),
        (
            "out for a moment, twice",
            &[
                (0., 0.5, 0.5),
                (1., 0.5, 0.5),
                (1.1, 0.8, 0.5),
                (1.5, 0.8, 0.5),
                (1.6, 0.5, 0.5),
                (3., 0.5, 0.5),
                (3.1, 0.8, 0.5),
                (3.5, 0.8, 0.5),
                (3.6, 0.5, 0.5),
                (6., 0.5, 0.5),
            ],
            "entered start",
        ),
    ];
    for (what, corners, expected) in table {
        assert_eq!(story(&play("zone_dwell", &params(ALL), &frames(&[drive(1, corners, 10.0)]))), *expected, "{what}");
    }
}

#[test]
fn only_what_is_asked_for_is_reported_and_keeps_its_identity() {
    let corners = [(0., 0.1, 0.5), (1., 0.5, 0.5), (8., 0.5, 0.5), (9., 0.9, 0.5), (11., 0.9, 0.5)];
    let steps = frames(&[drive(1, &corners, 10.0)]);
    let ordinals = |report: &[&str]| -> Vec<u32> {
        play("zone_dwell", &params(report), &steps).iter().map(|draft| draft.ordinal).collect()
    };
    assert_eq!(ordinals(ALL), [0, 1, 1, 2]);
    assert_eq!(ordinals(&["entered"]), [0]);
    assert_eq!(ordinals(&["dwelt"]), [1, 1]);
    assert_eq!(ordinals(&["left"]), [2]);
}

#[test]
fn the_dwell_is_measured_on_media_time() {
    // Inside from 2 s to 9 s, at an uneven frame rate.
    let object: Vec<_> = [0.0, 1.0, 2.0, 2.1, 2.2, 5.0, 6.9, 7.3, 8.9, 9.0, 9.5, 10.1]
        .into_iter()
        .map(|t| (t, track(1, CAR, if (2.0..9.0).contains(&t) { 0.5 } else { 0.1 }, 0.5)))
        .collect();
    let drafts = play("zone_dwell", &params(&["dwelt"]), &frames(&[object]));
    assert_eq!(story(&drafts), "start end(left)");
    assert_eq!(measured(&drafts[0], "dwell_seconds"), 5.3);
    assert_eq!(measured(&drafts[1], "dwell_seconds"), 7.0);
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let inside = frames(&[drive(1, &[(0., 0.5, 0.5), (7., 0.5, 0.5)], 10.0)]);
    for (last, reason) in
        [(Step::Gap(7.0, 30.0), "gap"), (Step::Forget(1, 9.0), "track_ended"), (Step::End(7.0), "stream_ended")]
    {
        let mut steps = inside.clone();
        steps.push(last);
        let drafts = play("zone_dwell", &params(&["dwelt", "left"]), &steps);
        // A track that is gone was not seen to leave.
        assert_eq!(story(&drafts), format!("start end({reason})"));
        assert_eq!(measured(&drafts[1], "dwell_seconds"), 7.0);
        assert_eq!(drafts[1].bbox, Some(track(1, CAR, 0.5, 0.5).bbox));
    }
}

#[test]
fn a_gap_never_makes_a_dwell() {
    let mut steps = frames(&[drive(1, &[(0., 0.5, 0.5), (4., 0.5, 0.5)], 10.0)]);
    steps.push(Step::Gap(4.0, 60.0));
    steps.extend(frames(&[drive(2, &[(60., 0.5, 0.5), (64., 0.5, 0.5)], 10.0)]));
    assert_eq!(story(&play("zone_dwell", &params(&["dwelt", "left"]), &steps)), "");
}

#[test]
fn unobserved_frames_neither_make_nor_end_a_visit() {
    // Hidden from 3 s to 7 s while the prediction wanders out: one visit, told when seen again.
    let mut object = drive(1, &[(0., 0.5, 0.5), (8., 0.5, 0.5)], 10.0);
    for (_, track) in object.iter_mut().filter(|(t, _)| (3.0..7.0).contains(t)) {
        track.observed = false;
        track.bbox.x1 += 0.4;
        track.bbox.x2 += 0.4;
    }
    let drafts = play("zone_dwell", &params(ALL), &frames(&[object]));
    assert_eq!(story(&drafts), "entered start");
    assert_eq!(measured(&drafts[1], "dwell_seconds"), 7.0);
}

#[test]
fn the_cooldown_holds_back_whole_visits_and_never_an_end() {
    let a = drive(1, &[(0., 0.5, 0.5), (7., 0.5, 0.5), (7.1, 0.9, 0.5), (9., 0.9, 0.5)], 10.0);
    let b = drive(2, &[(1., 0.5, 0.5), (8., 0.5, 0.5), (8.1, 0.9, 0.5), (10., 0.9, 0.5)], 10.0);
    let mut with = params(&["dwelt"]);
    let drafts = play("zone_dwell", &with, &frames(&[a.clone(), b.clone()]));
    assert_eq!(story(&drafts), "start start end(left) end(left)");
    with["cooldown"] = json!("1m");
    let drafts = play("zone_dwell", &with, &frames(&[a, b]));
    assert_eq!(story(&drafts), "start end(left)");
    assert!(drafts.iter().all(|draft| draft.track.unwrap().0 == 1));
    assert_eq!(drafts[0].phase, Phase::Start);
}

#[test]
fn who_waits_on_the_carriageway_of_the_clip_is_found_once() {
    let oracle = Oracle::load("pedestrian");
    let params = json!({ "zone": "carriageway", "classes": ["person"], "dwell": "10s", "report": ["dwelt"] });
    let drafts = oracle.play("zone_dwell", &params);
    oracle.assert_found(&drafts, "zone_dwell", 0.0);
    assert_eq!(drafts[0].track.unwrap().0, 800);
}
