//! `red_light`: the truth table of `docs/rules/red_light.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use std::sync::Arc;
use std::time::Duration;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::Draft;
use vantage::scene::{Aspect, SignalState, Track};

fn params() -> Value {
    json!({ "line": "gate", "signal": "main" })
}

/// What the feed knows: `(written, time, aspect)`; a report is known from `written` on.
type Report = (f64, f64, Aspect);

/// The state that a follower of the feed has at `t`.
fn known(reports: &[Report], t: f64) -> Vec<SignalState> {
    let mut known: Vec<&Report> = reports.iter().filter(|(written, at, _)| *written <= t && *at <= t).collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some((_, heard, aspect)) = known.last() else { return Vec::new() };
    let since = known.iter().rev().take_while(|report| report.2 == *aspect).last().map_or(*heard, |report| report.1);
    let seconds = Duration::from_secs_f64;
    let (shown_for, heard_ago) = (seconds(t - since), seconds(t - heard));
    vec![SignalState { name: Arc::from("main"), aspect: *aspect, shown_for, heard_ago }]
}

fn on_time(reports: &[(f64, Aspect)]) -> Vec<Report> {
    reports.iter().map(|(at, aspect)| (*at, *at, *aspect)).collect()
}

/// The line `gate` is at x = 0.5; forward is to the right. Frames go on to 20 s.
fn run_with(params: &Value, object: Vec<(f64, Track)>, reports: &[Report]) -> Vec<Draft> {
    let clock: Vec<(f64, Track)> = (0..=200u32).map(|n| (f64::from(n) / 10.0, track(99, PERSON, 0.9, 0.2))).collect();
    let scene = scene();
    let mut rules = rule_in(&scene, "red_light", params);
    play_signals(0, &mut rules, &scene, &frames(&[object, clock]), |t| known(reports, t))
}

fn run(corners: &[(f64, f32, f32)], reports: &[Report]) -> String {
    story(&run_with(&params(), drive(1, corners, 10.0), reports))
}

/// Reaches the line at 5 s and goes on.
const THROUGH: &[(f64, f32, f32)] = &[(0., 0.25, 0.6), (10., 0.75, 0.6)];

#[test]
fn truth_table_of_the_signal() {
    use Aspect::{Amber, Green, Red, Unknown};
    for (what, reports, expected) in [
        ("red for 3 s", vec![(0.0, Green), (1.0, Amber), (2.0, Red)], "red_light"),
        ("red for 0.3 s: within the grace", vec![(0.0, Green), (4.7, Red)], ""),
        ("red for 0.55 s, but the frame before was too early", vec![(0.0, Green), (4.45, Red)], ""),
        ("red for 0.8 s", vec![(0.0, Green), (4.2, Red)], "red_light"),
        ("amber", vec![(0.0, Green), (2.0, Amber), (5.5, Red)], ""),
        ("green", vec![(0.0, Red), (2.0, Green)], ""),
        ("turns red right after", vec![(0.0, Green), (5.2, Red)], ""),
        ("turns green right after", vec![(0.0, Red), (5.2, Green)], "red_light"),
        ("turns green right before", vec![(0.0, Red), (4.8, Green)], ""),
        ("unknown", vec![(0.0, Red), (3.0, Unknown)], ""),
        ("unknown until after", vec![(0.0, Unknown), (5.2, Red)], ""),
        ("no feed", vec![], ""),
    ] {
        assert_eq!(run(THROUGH, &on_time(&reports)), expected, "{what}");
    }
}

#[test]
fn truth_table_of_the_vehicle() {
    let red = on_time(&[(0.0, Aspect::Red)]);
    let table: &[Row] = &[
        ("passes", THROUGH, "red_light"),
        ("stops before the line", &[(0., 0.3, 0.6), (4., 0.48, 0.6), (20., 0.48, 0.6)], ""),
        ("stops just over it", &[(0., 0.3, 0.6), (4., 0.51, 0.6), (20., 0.51, 0.6)], ""),
        ("stops over it, rolls back", &[(0., 0.3, 0.6), (4., 0.51, 0.6), (6., 0.48, 0.6), (20., 0.48, 0.6)], ""),
        (
            "stops over it, then goes on",
            &[(0., 0.3, 0.6), (4., 0.51, 0.6), (9., 0.51, 0.6), (12., 0.8, 0.6)],
            "red_light",
        ),
        ("the other way", &[(0., 0.75, 0.6), (10., 0.25, 0.6)], ""),
        ("round the end of the line", &[(0., 0.3, 0.95), (10., 0.7, 0.95)], ""),
        ("begins beyond it", &[(0., 0.52, 0.6), (10., 0.9, 0.6)], ""),
        ("stands on it and shakes", &[(0., 0.499, 0.6), (2., 0.502, 0.6), (4., 0.499, 0.6), (9., 0.502, 0.6)], ""),
    ];
    for (what, corners, expected) in table {
        assert_eq!(run(corners, &red), *expected, "{what}");
    }
}

#[test]
fn who_crept_over_before_red_has_not_run_it() {
    // Over the line at amber, stands on it, goes on when it has long been red.
    let corners = [(0., 0.3, 0.6), (4., 0.51, 0.6), (12., 0.51, 0.6), (15., 0.8, 0.6)];
    assert_eq!(run(&corners, &on_time(&[(0.0, Aspect::Amber), (5.0, Aspect::Red)])), "");
}

#[test]
fn a_late_feed_accuses_nobody() {
    use Aspect::{Green, Red};
    // Green since 4.8 s, told at 5.3 s: after the passing, before the judgement.
    assert_eq!(run(THROUGH, &[(0.0, 0.0, Red), (5.3, 4.8, Green)]), "");
    // Red since 4 s, told at 5.3 s.
    assert_eq!(run(THROUGH, &[(0.0, 0.0, Green), (5.3, 4.0, Red)]), "red_light");
    // A feed that has fallen silent.
    let brief = json!({ "line": "gate", "signal": "main", "stale_after": "4s" });
    let told = |reports: &[Report]| story(&run_with(&brief, drive(1, THROUGH, 10.0), reports));
    assert_eq!(told(&on_time(&[(0.0, Red)])), "");
    assert_eq!(told(&on_time(&[(0.0, Red), (3.0, Red)])), "red_light");
}

#[test]
fn it_says_what_it_goes_by() {
    let reports = on_time(&[(0.0, Aspect::Green), (2.0, Aspect::Red), (5.0, Aspect::Red)]);
    let drafts = run_with(&params(), drive(1, THROUGH, 10.0), &reports);
    let draft = &drafts[0];
    // Passed between 4.9 and 5.0 s, told half a second later.
    assert!((measured(draft, "red_seconds") - 2.9).abs() < 0.11, "{draft:?}");
    assert!((measured(draft, "passing_uncertain_by_seconds") - 0.1).abs() < 0.01);
    assert!(measured(draft, "passed_seconds_ago") >= 0.5);
    assert!((measured(draft, "feed_age_seconds") - 0.6).abs() < 0.11, "{draft:?}");
    assert_eq!(draft.measured["signal_now"], json!("red"));
    assert!((draft.measured["crossing_point"][0].as_f64().unwrap() - 0.5).abs() < 1e-3);
}

#[test]
fn it_is_told_even_of_who_is_out_of_sight_by_then() {
    let mut object = drive(1, &[(0., 0.25, 0.6), (6.4, 0.57, 0.6)], 10.0);
    object.retain(|(t, _)| *t <= 6.1);
    let slow = json!({ "line": "gate", "signal": "main", "confirm_after": "3s" });
    let drafts = run_with(&slow, object, &on_time(&[(0.0, Aspect::Red)]));
    assert_eq!(story(&drafts), "red_light");
}

#[test]
fn once_for_each_passing() {
    let again = [(0., 0.3, 0.6), (4., 0.7, 0.6), (5., 0.7, 0.95), (8., 0.3, 0.95), (9., 0.3, 0.6), (13., 0.7, 0.6)];
    let drafts = run_with(&params(), drive(1, &again, 10.0), &on_time(&[(0.0, Aspect::Red)]));
    assert_eq!(drafts.iter().map(|draft| draft.ordinal).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_gap_makes_nothing() {
    let object = drive(1, THROUGH, 10.0);
    let scene = scene();
    let mut steps = frames(&[object]);
    let gap_at = steps.iter().position(|step| matches!(step, Step::Frame(t, _) if *t > 5.15)).unwrap();
    steps.insert(gap_at, Step::Gap(5.1, 5.2));
    let mut rules = rule_in(&scene, "red_light", &params());
    assert_eq!(story(&play_at(0, &mut rules, &scene, &steps)), "");
}

#[test]
fn every_threshold_bears() {
    let red = on_time(&[(0.0, Aspect::Red)]);
    for raised in [
        json!({ "line": "gate", "signal": "main", "grace": "6s" }),
        json!({ "line": "gate", "signal": "side" }),
        json!({ "line": "gate", "signal": "main", "direction": "backward" }),
        json!({ "line": "gate", "signal": "main", "beyond": 5.0, "min_track_age": "8s" }),
        json!({ "line": "gate", "signal": "main", "hysteresis": 0.25, "classes": ["motorcycle"] }),
        json!({ "line": "gate", "signal": "main", "min_track_age": "10s" }),
    ] {
        assert_eq!(story(&run_with(&raised, drive(1, THROUGH, 10.0), &red)), "", "{raised}");
    }
    let back = json!({ "line": "gate", "signal": "main", "direction": "backward" });
    assert_eq!(story(&run_with(&back, drive(1, &[(0., 0.75, 0.6), (10., 0.25, 0.6)], 10.0), &red)), "red_light");
}

#[test]
fn the_runner_of_the_clip_is_found_and_nobody_else() {
    let oracle = Oracle::load("red-light");
    let run = |grace: &str| {
        let drafts = oracle.play("red_light", &json!({ "line": "west-stop", "signal": "west", "grace": grace }));
        let who: Vec<u64> = drafts.iter().map(|draft| draft.track.unwrap().0).collect();
        (drafts, who)
    };
    let (drafts, who) = run("500ms");
    oracle.assert_found(&drafts, "red_light", 0.0);
    assert_eq!(who, [800]);
    assert_eq!(run("10s").1, [0u64; 0], "he passes 2.5 s after it turned red");
}
