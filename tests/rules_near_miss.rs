//! `near_miss`: the truth table of `docs/rules/near_miss.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::TrackId;
use vantage::rule::{Draft, Scene};
use vantage::scene::{ClassId, Ground, NormBox, NormPoint, Phase, Severity, Track};

/// Seen from above: 80 m wide, 40 m deep, y upwards from the lower edge.
fn ground_scene() -> Scene {
    let matrix = [[80.0, 0.0, 0.0], [0.0, -40.0, 40.0], [0.0, 0.0, 1.0]];
    Scene { ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(), ..scene() }
}

/// A road user whose nearest edge is at (x, y) metres.
fn at_metres(id: u64, class: ClassId, x: f64, y: f64) -> Track {
    let (x, y) = ((x / 80.0) as f32, (1.0 - y / 40.0) as f32);
    Track { bbox: NormBox { x1: x - 0.012, y1: y - 0.05, x2: x + 0.012, y2: y }, ..track(id, class, x, y) }
}

/// From (x, y) with a constant velocity (metres and seconds), seen ten times a second from `t0` to `t1`.
fn ride(id: u64, class: ClassId, [x, y]: [f64; 2], [vx, vy]: [f64; 2], t0: f64, t1: f64) -> Vec<(f64, Track)> {
    let frames = ((t1 - t0) * 10.0).round() as u32;
    (0..=frames)
        .map(|n| {
            let t = t0 + f64::from(n) / 10.0;
            (t, at_metres(id, class, x + vx * (t - t0), y + vy * (t - t0)))
        })
        .collect()
}

fn run_with(params: &Value, objects: &[Vec<(f64, Track)>]) -> Vec<Draft> {
    let scene = ground_scene();
    let mut steps = frames(objects);
    // Time passes after the last sight.
    let last = objects.iter().flatten().map(|(t, _)| *t).fold(0.0, f64::max);
    steps.extend((1..=30u8).map(|n| Step::Frame(last + f64::from(n) / 10.0, Vec::new())));
    play_at(0, &mut rule_in(&scene, "near_miss", params), &scene, &steps)
}

fn run(objects: &[Vec<(f64, Track)>]) -> String {
    story(&run_with(&json!({}), objects))
}

#[test]
fn truth_table() {
    let car = |from, velocity, t1| ride(1, CAR, from, velocity, 0.0, t1);
    let other = |class, from, velocity, t1| ride(2, class, from, velocity, 0.0, t1);
    for (what, objects, expected) in [
        ("alone", vec![car([5.0, 20.0], [10.0, 0.0], 6.0)], ""),
        (
            "head on, both swerve in the last moment",
            vec![car([5.0, 20.0], [10.0, 0.0], 2.6), other(CAR, [65.0, 20.0], [-10.0, 0.0], 2.6)],
            "start end(cleared)",
        ),
        (
            "a motorbike crosses right before a car",
            vec![car([5.0, 20.0], [10.0, 0.0], 6.0), other(BIKE, [40.0, 3.0], [0.0, 5.5], 6.0)],
            "start end(cleared)",
        ),
        (
            "a motorbike crosses 3 s before the car",
            vec![car([5.0, 20.0], [10.0, 0.0], 6.0), other(BIKE, [40.0, 17.0], [0.0, 7.0], 3.0)],
            "",
        ),
        (
            "follows at 8 m, both at 12 m/s",
            vec![car([2.0, 20.0], [12.0, 0.0], 5.0), other(CAR, [14.4, 20.0], [12.0, 0.0], 5.0)],
            "",
        ),
        (
            "draws near from behind at 1.5 m/s",
            vec![car([2.0, 20.0], [9.5, 0.0], 6.0), other(CAR, [14.0, 20.0], [8.0, 0.0], 6.0)],
            "",
        ),
        (
            "passes by on the next lane",
            vec![car([5.0, 20.0], [12.0, 0.0], 5.0), other(CAR, [60.0, 24.0], [-10.0, 0.0], 5.0)],
            "",
        ),
        (
            "two people meet",
            vec![ride(1, PERSON, [20.0, 20.0], [1.5, 0.0], 0.0, 8.0), other(PERSON, [40.0, 20.0], [-1.5, 0.0], 8.0)],
            "",
        ),
        (
            "a person steps before a car",
            vec![car([5.0, 20.0], [12.0, 0.0], 2.4), other(PERSON, [38.0, 17.0], [0.0, 1.5], 2.4)],
            "start end(cleared)",
        ),
    ] {
        assert_eq!(run(&objects), expected, "{what}");
    }
}

#[test]
fn it_is_measured_as_by_hand() {
    // Bumpers 60 - 4.4 m apart, 20 m/s: contact after 2.78 s; seen until 2.3 s, when 0.48 s are left.
    let objects =
        [ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, 2.3), ride(2, CAR, [65.0, 20.0], [-10.0, 0.0], 0.0, 2.3)];
    let drafts = run_with(&json!({}), &objects);
    assert_eq!(story(&drafts), "start end(cleared)");
    let end = &drafts[1];
    assert!((measured(end, "ttc_seconds") - 0.48).abs() < 0.02, "{end:?}");
    assert!((measured(end, "closing_metres_per_second") - 20.0).abs() < 0.1);
    assert!((measured(end, "braking_metres_per_second_squared") - 20.0 / 0.96).abs() < 1.0);
    assert!((measured(end, "speed_metres_per_second") - 10.0).abs() < 0.1);
    assert!((measured(end, "other_speed_metres_per_second") - 10.0).abs() < 0.1);
    assert_eq!((end.track, end.measured["other_track"].clone()), (Some(TrackId(1)), json!(2)));
    let x = |name: &str| end.measured[name][0].as_f64().unwrap();
    assert!((x("position") - 28.0).abs() < 0.3 && (x("other_position") - 42.0).abs() < 0.3, "{end:?}");
    let start = &drafts[0];
    assert_eq!(
        (start.measured["plane"].clone(), start.measured["other_class"].clone()),
        (json!("ground"), json!("car"))
    );
    assert_eq!(start.severity, Severity::Warning);
    assert!(measured(start, "ttc_seconds") <= 1.5);
}

#[test]
fn severity_follows_the_shortest_time() {
    let until = |t1: f64| {
        let objects =
            [ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, t1), ride(2, CAR, [65.0, 20.0], [-10.0, 0.0], 0.0, t1)];
        let drafts = run_with(&json!({}), &objects);
        (drafts[0].severity, drafts[1].severity)
    };
    assert_eq!(until(2.3), (Severity::Warning, Severity::Warning));
    assert_eq!(until(2.6), (Severity::Warning, Severity::Alert));
}

#[test]
fn one_object_is_no_pair() {
    // A second box on the same car, of another class, that shakes.
    let car = ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, 5.0);
    let twin = |id: u64, class: ClassId, from: f64, jump: f64| -> Vec<(f64, Track)> {
        ride(id, class, [5.0 + from * 10.0, 20.0], [10.0, 0.0], from, 5.0)
            .into_iter()
            .enumerate()
            .map(|(n, (t, track))| {
                let by = (jump / 80.0) as f32 * if n % 2 == 0 { 1.0 } else { -1.0 };
                let bbox = NormBox { x1: track.bbox.x1 + by, x2: track.bbox.x2 + by, ..track.bbox };
                (t, Track { bbox, ..track })
            })
            .collect()
    };
    assert_eq!(run(&[car.clone(), twin(2, BIKE, 0.0, 0.1)]), "");
    assert_eq!(run(&[car.clone(), twin(2, BIKE, 2.0, 0.1)]), "", "it appears later");
    // The rider of a motorbike, and a driver behind his windscreen.
    let rider: Vec<(f64, Track)> = ride(3, PERSON, [5.0, 20.5], [10.0, 0.0], 0.0, 5.0);
    let machine = ride(1, BIKE, [5.0, 20.0], [10.0, 0.0], 0.0, 5.0);
    assert_eq!(run(&[machine.clone(), rider.clone()]), "");
    // With a car ahead of both, it is one near miss, not two.
    let ahead = ride(9, CAR, [45.0, 20.0], [-3.0, 0.0], 0.0, 2.6);
    let cut = |object: &[(f64, Track)]| object.iter().filter(|(t, _)| *t < 2.61).cloned().collect::<Vec<_>>();
    assert_eq!(run(&[cut(&machine), cut(&rider), ahead]), "start end(cleared)");
}

#[test]
fn a_short_post_encroachment_time_is_a_conflict() {
    // The bike's rear leaves the car's path when the car's front is a quarter of a second away.
    let objects = |ahead: f64| {
        [
            ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, 6.0),
            ride(2, BIKE, [40.0, 20.0 - 7.0 * (3.28 - ahead)], [0.0, 7.0], 0.0, 6.0),
        ]
    };
    let only_pet = json!({ "ttc": "1ms", "closing_speed": 3.0 });
    let drafts = run_with(&only_pet, &objects(0.7));
    assert_eq!(story(&drafts), "start end(cleared)");
    let pet = measured(&drafts[1], "pet_seconds");
    assert!((0.1..=0.5).contains(&pet), "{pet}");
    assert!((measured(&drafts[1], "crossing_degrees") - 90.0).abs() < 1.0);
    assert_eq!(story(&run_with(&only_pet, &objects(2.5))), "", "two seconds later");
}

#[test]
fn every_threshold_bears() {
    let objects =
        [ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, 2.6), ride(2, CAR, [65.0, 20.0], [-10.0, 0.0], 0.0, 2.6)];
    assert_eq!(story(&run_with(&json!({}), &objects)), "start end(cleared)");
    for raised in [
        json!({ "ttc": "100ms" }),
        json!({ "braking": 20.0, "ttc": "500ms", "observations": 5 }),
        json!({ "closing_speed": 25.0 }),
        json!({ "observations": 40 }),
        json!({ "min_track_age": "10s" }),
        json!({ "classes": ["motorcycle"] }),
        json!({ "zone": "box", "ttc": "10s", "classes": ["person"] }),
    ] {
        assert_eq!(story(&run_with(&raised, &objects)), "", "{raised}");
    }
}

#[test]
fn without_a_calibration_it_goes_by_box_heights() {
    // Cars 0.1 high, so a height is 15 m; 0.2 heights/s are 3 m/s each, and 21 m are between them.
    let toward = |until: f64| {
        let a = drive(1, &[(0.0, 0.2, 0.6), (until, 0.2 + 0.1 * until as f32, 0.6)], 10.0);
        let b = drive(2, &[(0.0, 0.9, 0.6), (until, 0.9 - 0.1 * until as f32, 0.6)], 10.0);
        let mut steps = frames(&[a, b]);
        steps.extend((1..=30u8).map(|n| Step::Frame(until + f64::from(n) / 10.0, Vec::new())));
        play("near_miss", &json!({}), &steps)
    };
    let drafts = toward(3.2);
    assert_eq!(story(&drafts), "start end(cleared)");
    assert_eq!(drafts[0].measured["plane"], json!("picture"));
    assert!((measured(&drafts[1], "closing_metres_per_second") - 6.0).abs() < 0.2);
    assert_eq!(story(&toward(1.5)), "", "far away yet");
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let objects =
        [ride(1, CAR, [5.0, 20.0], [10.0, 0.0], 0.0, 2.4), ride(2, CAR, [65.0, 20.0], [-10.0, 0.0], 0.0, 2.4)];
    let scene = ground_scene();
    for (last, reason) in
        [(Step::Gap(2.4, 30.0), "gap"), (Step::Forget(2, 2.5), "track_ended"), (Step::End(2.4), "stream_ended")]
    {
        let mut steps = frames(&objects);
        steps.push(last);
        let drafts = play_at(0, &mut rule_in(&scene, "near_miss", &json!({})), &scene, &steps);
        assert_eq!(story(&drafts), format!("start end({reason})"));
    }
}

#[test]
fn the_near_miss_of_the_clip_is_found_once_and_nothing_else() {
    let oracle = Oracle::load("near-miss");
    let drafts = oracle.play("near_miss", &json!({}));
    let event = &oracle.truth["events"][0];
    let starts: Vec<&Draft> = drafts.iter().filter(|draft| draft.phase == Phase::Start).collect();
    let pairs: Vec<_> = starts.iter().map(|draft| (draft.track.unwrap().0, &draft.measured["other_track"])).collect();
    assert_eq!(pairs, [(801, &json!(802))]);
    let (onset, end) = (event["onset_s"].as_f64().unwrap(), event["end_s"].as_f64().unwrap());
    let told = starts[0].at.0 as f64 * 1e-9;
    assert!((onset..=end).contains(&told), "{told} is not within {onset} and {end}");
}

#[test]
fn other_clips_have_none() {
    for clip in
        ["empty-road", "pedestrian", "wrong-way", "stopped-lorry", "stopped-lorry-queue", "congestion", "junction"]
    {
        let drafts = Oracle::load(clip).play("near_miss", &json!({}));
        let told: Vec<_> = drafts
            .iter()
            .map(|d| (d.phase, d.at.0 as f64 * 1e-9, d.track.map(|t| t.0), &d.summary, &d.measured))
            .collect();
        assert!(told.is_empty(), "{clip}: {told:#?}");
    }
}
