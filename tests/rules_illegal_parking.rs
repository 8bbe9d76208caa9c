//! `illegal_parking`: the truth table of `docs/rules/illegal_parking.md`, and the clips' exact truth.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::MediaTime;
use vantage::rule::Draft;
use vantage::scene::{Phase, Track};

fn params() -> Value {
    json!({ "zone": "box", "parked_for": "20s", "found_again": "10s" })
}

fn stand(id: u64, from: f64, to: f64) -> Vec<(f64, Track)> {
    drive(id, &[(from, 0.5, 0.6), (to, 0.5, 0.6)], 5.0)
}

fn told(steps: &[Step]) -> String {
    story(&play("illegal_parking", &params(), steps))
}

fn run(corners: &[(f64, f32, f32)]) -> String {
    told(&frames(&[drive(1, corners, 5.0)]))
}

#[test]
fn truth_table() {
    let table: &[Row] = &[
        ("drives through", &[(0., 0.1, 0.6), (10., 0.9, 0.6)], ""),
        ("stops for a moment", &[(0., 0.1, 0.6), (2., 0.5, 0.6), (17., 0.5, 0.6), (19., 0.9, 0.6)], ""),
        ("parks", &[(0., 0.1, 0.6), (2., 0.5, 0.6), (30., 0.5, 0.6)], "start"),
        ("parks and leaves", &[(0., 0.1, 0.6), (2., 0.5, 0.6), (40., 0.5, 0.6), (43., 0.9, 0.6)], "start end(moved)"),
        ("stands there from the start", &[(0., 0.5, 0.6), (30., 0.5, 0.6)], "start"),
        ("parks beside the zone", &[(0., 0.1, 0.6), (2., 0.2, 0.6), (60., 0.2, 0.6)], ""),
        ("parks twice", &[(0., 0.4, 0.6), (30., 0.4, 0.6), (32., 0.6, 0.6), (60., 0.6, 0.6)], "start end(moved) start"),
    ];
    for (what, corners, expected) in table {
        assert_eq!(run(corners), *expected, "{what}");
    }
}

#[test]
fn a_new_track_at_the_same_place_is_the_same_vehicle() {
    // Lost before it is reported: the time goes on.
    let mut steps = frames(&[stand(1, 0.0, 12.0)]);
    steps.push(Step::Forget(1, 14.0));
    steps.extend(frames(&[stand(2, 18.0, 24.0)]));
    let drafts = play("illegal_parking", &params(), &steps);
    assert_eq!(story(&drafts), "start");
    assert!(measured(&drafts[0], "parked_seconds") >= 20.0 && measured(&drafts[0], "tracks") == 2.0);

    // Lost after it is reported: no second alarm, and the end is that of the same happening.
    let mut steps = frames(&[stand(1, 0.0, 25.0)]);
    steps.push(Step::Forget(1, 26.0));
    steps.extend(frames(&[stand(2, 30.0, 60.0)]));
    steps.extend(frames(&[drive(2, &[(60.2, 0.5, 0.6), (63.0, 0.9, 0.6)], 5.0)]));
    let drafts = play("illegal_parking", &params(), &steps);
    assert_eq!(story(&drafts), "start end(moved)");
    assert_eq!((drafts[0].track, drafts[0].ordinal), (drafts[1].track, drafts[1].ordinal));

    // The tracker begins a new track before it gives the old one up, and may go back to it.
    let mut steps = frames(&[stand(1, 0.0, 25.0)]);
    steps.extend(frames(&[stand(2, 25.2, 50.0)]));
    steps.push(Step::Forget(1, 28.0));
    assert_eq!(told(&steps), "start");
    let mut steps = frames(&[stand(1, 0.0, 25.0)]);
    steps.extend(frames(&[stand(2, 25.2, 50.0)]));
    steps.extend(frames(&[stand(1, 50.2, 80.0)]));
    let drafts = play("illegal_parking", &params(), &steps);
    assert_eq!(story(&drafts), "start");
}

#[test]
fn another_vehicle_is_another_one() {
    // Too late, or elsewhere.
    let mut late = frames(&[stand(1, 0.0, 25.0)]);
    late.push(Step::Forget(1, 26.0));
    late.extend(frames(&[stand(2, 40.0, 65.0)]));
    assert_eq!(told(&late), "start end(track_ended) start");
    let mut elsewhere = frames(&[stand(1, 0.0, 25.0)]);
    elsewhere.push(Step::Forget(1, 26.0));
    elsewhere.extend(frames(&[drive(2, &[(28.0, 0.6, 0.6), (50.0, 0.6, 0.6)], 5.0)]));
    assert_eq!(told(&elsewhere), "start end(track_ended) start");
    // Whoever drives off and whoever comes after are two.
    let first = drive(1, &[(0., 0.5, 0.6), (25., 0.5, 0.6), (27., 0.9, 0.6)], 5.0);
    let mut steps = frames(&[first]);
    steps.push(Step::Forget(1, 28.0));
    steps.extend(frames(&[stand(2, 29.0, 60.0)]));
    assert_eq!(told(&steps), "start end(moved) start");
}

#[test]
fn who_drives_through_leaves_no_stand_behind() {
    // One after the other is lost in the middle of the zone while it drives, and the next begins there.
    let mut steps = Vec::new();
    for id in 1..=5u64 {
        let from = 8.0 * id as f64;
        steps.extend(frames(&[drive(id, &[(from, 0.496, 0.6), (from + 0.4, 0.504, 0.6)], 5.0)]));
        steps.push(Step::Forget(id, from + 1.0));
    }
    assert_eq!(told(&steps), "");
    // Nor is it the lost vehicle who passes its place.
    let mut steps = frames(&[stand(1, 0.0, 19.0)]);
    steps.push(Step::Forget(1, 19.0));
    let mut passer = drive(2, &[(24.0, 0.5, 0.6), (26.0, 0.9, 0.6)], 5.0);
    passer.iter_mut().for_each(|(_, track)| track.first_seen = MediaTime(24_000_000_000));
    steps.extend(frames(&[passer]));
    assert_eq!(told(&steps), "");
}

#[test]
fn who_waits_behind_a_parked_vehicle_is_not_parked() {
    // The lane goes to the right: the second comes up behind the first, from 5 s on.
    let first = |until: f64| drive(1, &[(0., 0.55, 0.6), (until, 0.55, 0.6), (until + 2.0, 0.95, 0.6)], 5.0);
    let second = |until: f64, x: f32| {
        drive(2, &[(3., 0.1, 0.6), (5., x, 0.6), (until, x, 0.6), (until + 2.0, x + 0.3, 0.7)], 5.0)
    };
    let starts = |objects: &[Vec<(f64, Track)>]| -> Vec<(u64, f64)> {
        let drafts = play("illegal_parking", &params(), &frames(objects));
        let starts = drafts.iter().filter(|draft| draft.phase == Phase::Start);
        starts.map(|draft| (draft.track.unwrap().0, (draft.at.0 as f64 / 1e9).round())).collect()
    };
    assert_eq!(starts(&[first(60.0), second(50.0, 0.48)]), [(1, 20.0)], "it drives round in the end");
    assert_eq!(starts(&[first(60.0), second(50.0, 0.40)]), [(1, 20.0), (2, 25.0)], "it keeps apart");
    let stays = starts(&[first(60.0), second(90.0, 0.48)]);
    assert!(matches!(stays[..], [(1, 20.0), (2, 68.0..=71.0)]), "{stays:?}");
    let row = starts(&[first(300.0), second(300.0, 0.48)]);
    assert_eq!(row, [(1, 20.0), (2, 125.0)], "nobody waits for so long");
}

#[test]
fn a_gap_ends_it_and_nothing_is_found_again() {
    let mut steps = frames(&[stand(1, 0.0, 25.0)]);
    steps.push(Step::Gap(25.0, 26.0));
    steps.extend(frames(&[stand(2, 26.0, 40.0)]));
    steps.push(Step::End(40.0));
    assert_eq!(told(&steps), "start end(gap)");
    let mut steps = frames(&[stand(1, 0.0, 25.0)]);
    steps.extend([Step::Forget(1, 26.0), Step::End(27.0)]);
    assert_eq!(told(&steps), "start end(stream_ended)");
}

#[test]
fn getting_on_and_off_is_allowed() {
    let allowed = json!({ "zone": "box", "parked_for": "20s", "allow_boarding": "15s" });
    let person =
        |x: f32| -> Vec<(f64, Track)> { (10..30).map(|n| (f64::from(n) / 5.0, track(9, PERSON, x, 0.61))).collect() };
    let starts = |with: Option<f32>| -> Vec<f64> {
        let mut objects = vec![stand(1, 0.0, 60.0)];
        objects.extend(with.map(person));
        let drafts = play("illegal_parking", &allowed, &frames(&objects));
        drafts.iter().filter(|draft| draft.phase == Phase::Start).map(|draft| draft.at.0 as f64 / 1e9).collect()
    };
    assert_eq!(starts(None), [20.0]);
    assert_eq!(starts(Some(0.53)), [35.0], "somebody beside it");
    assert_eq!(starts(Some(0.7)), [20.0], "somebody elsewhere");
}

#[test]
fn every_threshold_bears() {
    let steps = frames(&[stand(1, 0.0, 25.0)]);
    assert_eq!(told(&steps), "start");
    for raised in [
        json!({ "zone": "box", "parked_for": "30s" }),
        json!({ "zone": "box", "parked_for": "20s", "min_track_age": "40s" }),
        json!({ "zone": "box", "parked_for": "20s", "classes": ["motorcycle"] }),
    ] {
        assert_eq!(story(&play("illegal_parking", &raised, &steps)), "", "{raised}");
    }
}

fn starts(drafts: &[Draft]) -> Vec<&Draft> {
    drafts.iter().filter(|draft| draft.phase == Phase::Start).collect()
}

#[test]
fn the_parked_car_is_found_once() {
    let oracle = Oracle::load("illegal-parking");
    let [(onset, who)] = oracle.onsets("illegal_parking")[..] else { panic!() };
    let params = json!({ "zone": "no-stopping", "parked_for": "10s" });
    let drafts = oracle.play("illegal_parking", &params);
    let found = starts(&drafts);
    assert_eq!(found.len(), 1, "{drafts:?}");
    let late = found[0].at.0 as f64 / 1e9 - onset - 10.0;
    assert!(found[0].track == who && (-0.5..=1.0).contains(&late), "{late} s late: {found:?}");
    // Through the tracker, with shaking boxes.
    let drafts = oracle.play_in(&oracle.scene(), "illegal_parking", &params, oracle.tracked(0.03));
    assert_eq!(starts(&drafts).len(), 1, "{drafts:?}");
}

#[test]
fn nothing_parks_on_the_other_clips() {
    for clip in ["empty-road", "pedestrian"] {
        let drafts = Oracle::load(clip).play("illegal_parking", &json!({ "zone": "carriageway", "parked_for": "10s" }));
        assert!(drafts.is_empty(), "{clip}: {drafts:?}");
    }
}
