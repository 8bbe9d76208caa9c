//! `crowd`: the truth table of `docs/rules/crowd.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::{Draft, Scene};
use vantage::scene::{ClassId, Ground, NormPoint, Track};

fn params() -> Value {
    json!({ "zone": "box", "people": 5, "crowded_for": "3s", "clear_after": "3s" })
}

/// `count` people in the zone from `t0` to `t1`, seen ten times a second.
fn people(first: u64, count: u64, t0: f64, t1: f64) -> Vec<Vec<(f64, Track)>> {
    group(PERSON, first, count, t0, t1)
}

fn group(class: ClassId, first: u64, count: u64, t0: f64, t1: f64) -> Vec<Vec<(f64, Track)>> {
    let frames = ((t1 - t0) * 10.0).round() as u32;
    (first..first + count)
        .map(|id| {
            let place = track(id, class, 0.32 + 0.03 * (id % 12) as f32, 0.5 + 0.2 * (id / 12) as f32);
            (0..=frames).map(|n| (t0 + f64::from(n) / 10.0, place.clone())).collect()
        })
        .collect()
}

/// The groups, and empty frames to 30 s.
fn run_with(params: &Value, objects: &[Vec<(f64, Track)>]) -> Vec<Draft> {
    let clock: Vec<(f64, Track)> = (0..=300u32).map(|n| (f64::from(n) / 10.0, track(99, CAR, 0.9, 0.2))).collect();
    let mut all = objects.to_vec();
    all.push(clock);
    play("crowd", params, &frames(&all))
}

fn run(objects: &[Vec<(f64, Track)>]) -> String {
    story(&run_with(&params(), objects))
}

#[test]
fn truth_table() {
    let groups = |parts: &[Vec<Vec<(f64, Track)>>]| parts.concat();
    for (what, objects, expected) in [
        ("nobody", groups(&[]), ""),
        ("four for long", people(1, 4, 0.0, 29.0), ""),
        ("five for long", people(1, 5, 0.0, 30.0), "start"),
        ("five for a second and a half", people(1, 5, 0.0, 1.5), ""),
        ("five, then nobody", people(1, 5, 0.0, 10.0), "start end(cleared)"),
        ("five, then four: more than 70 %", groups(&[people(1, 4, 0.0, 30.0), people(5, 1, 0.0, 9.0)]), "start"),
        ("five, then three", groups(&[people(1, 3, 0.0, 30.0), people(4, 2, 0.0, 9.0)]), "start end(cleared)"),
        ("five, nobody for two seconds, five", groups(&[people(1, 5, 0.0, 9.0), people(6, 5, 11.5, 30.0)]), "start"),
        (
            "five, nobody for eight seconds, five",
            groups(&[people(1, 5, 0.0, 9.0), people(6, 5, 18.0, 30.0)]),
            "start end(cleared) start",
        ),
        (
            "five who come and go, always five",
            groups(&[people(1, 5, 0.0, 2.0), people(6, 5, 2.1, 4.5)]),
            "start end(cleared)",
        ),
        ("five vehicles", group(CAR, 1, 5, 0.0, 30.0), ""),
    ] {
        assert_eq!(run(&objects), expected, "{what}");
    }
}

#[test]
fn a_missed_detection_takes_nobody_away() {
    let mut objects = people(1, 5, 0.0, 30.0);
    for (n, object) in objects.iter_mut().enumerate() {
        object.retain(|(t, _)| !((t * 10.0) as usize + n).is_multiple_of(7));
    }
    assert_eq!(run(&objects), "start");
}

#[test]
fn riders_count_only_when_asked() {
    let mut objects = people(1, 5, 0.0, 30.0);
    let machines = objects.clone().into_iter().enumerate().map(|(n, object)| {
        let machine = |(t, rider): (f64, Track)| {
            let bbox = vantage::scene::NormBox { y1: rider.bbox.y1 + 0.04, y2: rider.bbox.y2 + 0.01, ..rider.bbox };
            (t, Track { id: vantage::base::TrackId(50 + n as u64), class: BIKE, bbox, ..rider })
        };
        object.into_iter().map(machine).collect()
    });
    let machines: Vec<Vec<(f64, Track)>> = machines.collect();
    objects.extend(machines);
    assert_eq!(run(&objects), "");
    let with_riders = json!({ "zone": "box", "people": 5, "crowded_for": "3s", "riders": true });
    assert_eq!(story(&run_with(&with_riders, &objects)), "start");
}

#[test]
fn density_is_per_square_metre_of_ground() {
    // The zone is 0.4 by 0.6 of a picture that shows 20 m by 10 m: 48 square metres.
    let matrix = [[20.0, 0.0, 0.0], [0.0, -10.0, 10.0], [0.0, 0.0, 1.0]];
    let scene = Scene { ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(), ..scene() };
    let run = |least: f64| {
        let params = json!({ "zone": "box", "density": least, "crowded_for": "3s" });
        play_at(0, &mut rule_in(&scene, "crowd", &params), &scene, &frames(&people(1, 12, 0.0, 9.0)))
    };
    let drafts = run(0.24);
    assert_eq!(story(&drafts), "start");
    assert_eq!(measured(&drafts[0], "people_per_square_metre"), 0.25);
    assert_eq!(story(&run(0.26)), "");
}

#[test]
fn it_says_how_many_and_goes_on_saying() {
    let params = json!({ "zone": "box", "people": 5, "crowded_for": "3s", "clear_after": "3s", "update_every": "4s" });
    let objects = [people(1, 5, 0.0, 16.0), people(10, 3, 5.0, 9.0)].concat();
    let drafts = run_with(&params, &objects);
    assert_eq!(story(&drafts), "start update update update update end(cleared)");
    let most: Vec<f64> = drafts.iter().map(|draft| measured(draft, "people_most")).collect();
    assert_eq!(most, [5.0, 8.0, 8.0, 8.0, 8.0, 8.0]);
    assert_eq!(drafts[0].at.0, 3_000_000_000);
    assert!((measured(&drafts[5], "crowded_seconds") - 17.0).abs() < 0.2, "{:?}", drafts[5]);
    assert!(drafts.iter().all(|draft| draft.bbox.is_some() && draft.track.is_none()));
}

#[test]
fn what_is_open_ends_with_its_reason_and_a_gap_starts_anew() {
    let steps = frames(&people(1, 5, 0.0, 5.0));
    for (last, reason) in [(Step::Gap(5.0, 7.0), "gap"), (Step::End(5.0), "stream_ended")] {
        let mut steps = steps.clone();
        steps.push(last);
        assert_eq!(story(&play("crowd", &params(), &steps)), format!("start end({reason})"));
    }
    // Two seconds before the gap and two after it are not four.
    let mut steps = frames(&people(1, 5, 0.0, 2.0));
    steps.push(Step::Gap(2.0, 3.0));
    steps.extend(frames(&people(11, 5, 3.0, 5.0)));
    assert_eq!(story(&play("crowd", &params(), &steps)), "");
}

#[test]
fn a_cooldown_delays_what_lasts() {
    let params = json!({ "zone": "box", "people": 5, "crowded_for": "3s", "clear_after": "1s", "cooldown": "20s" });
    let objects = [people(1, 5, 0.0, 6.0), people(6, 5, 10.0, 30.0)].concat();
    let drafts = run_with(&params, &objects);
    assert_eq!(story(&drafts), "start end(cleared) start");
    assert_eq!(drafts[2].at.0, 23_000_000_000);
}

#[test]
fn the_crowd_of_the_clip_is_found_and_its_end() {
    let oracle = Oracle::load("crowd");
    let run = |people: u64| {
        let times = json!({ "zone": "closed", "people": people, "crowded_for": "3s", "clear_after": "3s" });
        oracle.play("crowd", &times)
    };
    let drafts = run(10);
    oracle.assert_found(&drafts, "crowd", 0.0);
    assert_eq!(story(&drafts), "start end(cleared)");
    assert_eq!(story(&run(16)), "", "there are never more than fifteen");
}
