//! `collision`: the truth table of `docs/rules/collision.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::TrackId;
use vantage::rule::{Draft, Scene};
use vantage::scene::{ClassId, Ground, NormBox, NormPoint, Severity, Track};

/// Seen from above: 80 m wide, 40 m deep, y upwards from the lower edge.
fn ground_scene() -> Scene {
    let matrix = [[80.0, 0.0, 0.0], [0.0, -40.0, 40.0], [0.0, 0.0, 1.0]];
    Scene { ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(), ..scene() }
}

/// A road user whose nearest edge goes through these corners: (seconds, x, y), metres.
fn ride(id: u64, class: ClassId, corners: &[(f64, f32, f32)]) -> Vec<(f64, Track)> {
    let corners: Vec<(f64, f32, f32)> = corners.iter().map(|(t, x, y)| (*t, x / 80.0, 1.0 - y / 40.0)).collect();
    let object = drive(id, &corners, 10.0).into_iter();
    let shrink = |track: Track| {
        let (x, y) = (track.anchor().x, track.anchor().y);
        Track { class, bbox: NormBox { x1: x - 0.012, y1: y - 0.05, x2: x + 0.012, y2: y }, ..track }
    };
    object.map(|(t, track)| (t, shrink(track))).collect()
}

fn run_with(params: &Value, objects: &[Vec<(f64, Track)>]) -> Vec<Draft> {
    let scene = ground_scene();
    play_at(0, &mut rule_in(&scene, "collision", params), &scene, &frames(objects))
}

fn run(objects: &[Vec<(f64, Track)>]) -> String {
    story(&run_with(&json!({}), objects))
}

/// A car at 10 m/s whose middle is at x = 5 + 10 t.
const CAR_ON: [(f64, f32, f32); 2] = [(0., 5., 20.), (3., 35., 20.)];
/// A motorbike from the side at 8 m/s that hits the car's flank at 3 s: the edge of the car is at 19.1 to 20.9 + 0.9 m.
const BIKE_IN: [(f64, f32, f32); 2] = [(0., 35., -5.), (3., 35., 19.)];

fn and_then<const N: usize>(first: [(f64, f32, f32); 2], rest: [(f64, f32, f32); N]) -> Vec<(f64, f32, f32)> {
    first.into_iter().chain(rest).collect()
}

#[test]
fn truth_table() {
    let car = |rest: &[(f64, f32, f32)]| ride(1, CAR, &[&CAR_ON, rest].concat());
    let bike = |rest: &[(f64, f32, f32)]| ride(2, BIKE, &[&BIKE_IN, rest].concat());
    for (what, objects, expected) in [
        ("a car alone stops hard", vec![car(&[(3.1, 35.2, 20.), (15., 35.2, 20.)])], ""),
        (
            "bike hits car, both stay",
            vec![car(&[(3.3, 36., 20.), (15., 36., 20.)]), bike(&[(15., 35., 19.)])],
            "start update",
        ),
        ("bike hits car, the car drives off", vec![car(&[(8., 79., 20.)]), bike(&[(15., 35., 19.)])], "start update"),
        (
            "bike hits car, stays for 3 s, rides on",
            vec![car(&[(8., 79., 20.)]), bike(&[(6., 35., 19.), (10., 35., 38.)])],
            "start end(moved)",
        ),
        (
            "bike hits car, stays for 9 s, rides on",
            vec![car(&[(8., 79., 20.)]), bike(&[(12., 35., 19.), (16., 35., 38.)])],
            "start update end(moved)",
        ),
        ("both touch and go on", vec![car(&[(8., 79., 20.)]), bike(&[(5., 36., 38.)])], ""),
        (
            "the bike stops in time, 3 m before the car's path",
            vec![
                car(&[(8., 79., 20.)]),
                ride(2, BIKE, &[(0., 35., 0.), (2., 35., 12.), (3.5, 35., 16.), (15., 35., 16.)]),
            ],
            "",
        ),
    ] {
        assert_eq!(run(&objects), expected, "{what}");
    }
}

#[test]
fn a_queue_is_no_pile_up() {
    // Six vehicles draw up behind each other with 1.2 m between bumpers, each braking at 3 m/s² from 9 m/s.
    let queue: Vec<Vec<(f64, Track)>> = (0..6u8)
        .map(|n| {
            let stop = 70.0 - 5.6 * f32::from(n);
            let begins = 1.0 + 1.2 * f64::from(n);
            let mut corners = vec![(0.0, stop - 13.5 - 9.0 * begins as f32, 20.0)];
            corners.extend((0..=30u8).map(|k| {
                let t = f64::from(k) / 10.0;
                (begins + t, stop - 13.5 + (9.0 * t - 1.5 * t * t) as f32, 20.0)
            }));
            corners.push((20.0, stop, 20.0));
            ride(u64::from(n) + 1, CAR, &corners)
        })
        .collect();
    assert_eq!(run(&queue), "");
    // Motorbikes that filter past the standing cars, half a metre beside them, and stop at the front.
    let cars = (0..4u8)
        .map(|n| ride(n.into(), CAR, &[(0., 70. - 6. * f32::from(n), 20.), (20., 70. - 6. * f32::from(n), 20.)]));
    let bikes = (0..3u8).map(|n| {
        let begins = 2.0 * f64::from(n);
        let stop = 74.0 - 2.5 * f32::from(n);
        let corners = [
            (begins, 30., 22.4),
            (begins + (f64::from(stop) - 32.0) / 4.0, stop - 2., 22.4),
            (begins + (f64::from(stop) - 28.0) / 4.0, stop, 22.4),
            (22., stop, 22.4),
        ];
        ride(20 + u64::from(n), BIKE, &corners)
    });
    assert_eq!(run(&cars.chain(bikes).collect::<Vec<_>>()), "");
}

#[test]
fn a_car_that_hits_a_standing_one_from_behind_is_found() {
    let standing = ride(1, CAR, &[(0., 42., 20.), (1., 50., 20.), (15., 50., 20.)]);
    // 10 m/s until the bumpers touch at x = 45.6, then both pushed on by half a metre.
    let hits = ride(2, CAR, &[(0., 5.6, 20.), (4., 45.6, 20.), (4.2, 46.2, 20.), (15., 46.2, 20.)]);
    let drafts = run_with(&json!({}), &[standing, hits]);
    assert_eq!(story(&drafts), "start update");
    let (start, update) = (&drafts[0], &drafts[1]);
    assert_eq!((start.track, start.measured["other_track"].clone()), (Some(TrackId(1)), json!(2)));
    assert_eq!(
        (start.measured["confirmed"].clone(), update.measured["confirmed"].clone()),
        (json!(false), json!(true))
    );
    assert_eq!((start.severity, update.severity), (Severity::Warning, Severity::Alert));
    assert_eq!((start.measured["stands"].clone(), start.measured["other_stands"].clone()), (json!(false), json!(true)));
    assert!((measured(start, "other_speed_before_metres_per_second") - 10.0).abs() < 0.5);
    assert!(measured(start, "jolt_metres_per_second_squared") >= 6.0);
    // A second to see the stop, and what the velocity lags behind.
    let told = start.at.0 as f64 * 1e-9;
    assert!((5.0..6.5).contains(&told), "{told}");
    let confirmed = update.at.0 as f64 * 1e-9;
    assert!((confirmed - told - 4.0).abs() < 0.2, "{confirmed}");
}

#[test]
fn a_loss_of_speed_that_no_brakes_explain_is_found_beside_another() {
    // The nominal footprints stay half a metre apart; 12 m/s are gone in a tenth of a second.
    let standing = ride(1, CAR, &[(0., 42., 20.), (1., 50., 20.), (15., 50., 20.)]);
    let hits = ride(2, CAR, &[(0., -2.9, 20.), (4., 45.1, 20.), (15., 45.1, 20.)]);
    let drafts = run_with(&json!({}), &[standing.clone(), hits.clone()]);
    assert_eq!(story(&drafts), "start update");
    assert_eq!(drafts[0].measured["cue"], json!("loss_of_speed"));
    // Ten metres apart it has another cause.
    let far = ride(1, CAR, &[(0., 52., 20.), (1., 60., 20.), (15., 60., 20.)]);
    assert_eq!(run(&[far, hits]), "");
}

#[test]
fn whoever_is_left_is_followed_when_the_other_track_ends() {
    let mut steps = frames(&[
        ride(1, CAR, &and_then(CAR_ON, [(5., 55., 20.)])),
        ride(2, BIKE, &and_then(BIKE_IN, [(15., 35., 19.)])),
    ]);
    let at =
        |steps: &[Step], after: f64| steps.iter().position(|s| matches!(s, Step::Frame(t, _) if *t > after)).unwrap();
    let place = at(&steps, 6.0);
    steps.insert(place, Step::Forget(1, 6.0));
    steps.push(Step::Forget(2, 15.5));
    let scene = ground_scene();
    let drafts = play_at(0, &mut rule_in(&scene, "collision", &json!({})), &scene, &steps);
    assert_eq!(story(&drafts), "start update end(track_ended)");
}

/// The rider passes; his track goes over to a machine that stands there, and he is a new one.
#[test]
fn whoever_drives_on_under_another_number_has_hit_nobody() {
    let car = ride(1, CAR, &[&CAR_ON, &[(8., 79., 20.)][..]].concat());
    let stays = ride(2, BIKE, &[&BIKE_IN, &[(15., 35., 19.)][..]].concat());
    assert_eq!(run(&[car.clone(), stays.clone()]), "start update");
    let goes_on = ride(7, BIKE, &[(3.1, 35., 19.8), (5.3, 35., 37.4)]);
    assert_eq!(run(&[car.clone(), stays.clone(), goes_on]), "");
    let another = ride(7, BIKE, &[(3.1, 45., 19.8), (5.3, 45., 37.4)]);
    assert_eq!(run(&[car, stays, another]), "start update", "ten metres away it is somebody else");
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let objects = [
        ride(1, CAR, &and_then(CAR_ON, [(3.3, 36., 20.), (6., 36., 20.)])),
        ride(2, BIKE, &and_then(BIKE_IN, [(6., 35., 19.)])),
    ];
    let scene = ground_scene();
    for (last, reason) in [(Step::Gap(6.0, 30.0), "gap"), (Step::End(6.0), "stream_ended")] {
        let mut steps = frames(&objects);
        steps.push(last);
        let drafts = play_at(0, &mut rule_in(&scene, "collision", &json!({})), &scene, &steps);
        assert_eq!(story(&drafts), format!("start end({reason})"));
        assert_eq!(drafts[1].measured["confirmed"], json!(false));
    }
}

#[test]
fn every_threshold_bears() {
    let objects =
        [ride(1, CAR, &and_then(CAR_ON, [(8., 79., 20.)])), ride(2, BIKE, &and_then(BIKE_IN, [(15., 35., 19.)]))];
    assert_eq!(run(&objects), "start update");
    for raised in [
        json!({ "impact_speed": 25.0, "braking_limit": 100.0 }),
        json!({ "jolt": 100.0, "braking_limit": 100.0 }),
        json!({ "classes": ["car"] }),
        json!({ "zone": "box", "min_track_age": "60s" }),
    ] {
        assert_eq!(story(&run_with(&raised, &objects)), "", "{raised}");
    }
    assert_eq!(story(&run_with(&json!({ "confirm_after": "20s" }), &objects)), "start");
}

#[test]
fn no_other_clip_has_a_collision() {
    for clip in [
        "near-miss",
        "empty-road",
        "pedestrian",
        "wrong-way",
        "stopped-lorry",
        "stopped-lorry-queue",
        "congestion",
        "illegal-parking",
        "junction",
        "red-light",
        "crowd",
        "speeding",
        "motorbikes",
    ] {
        let drafts = Oracle::load(clip).play("collision", &json!({}));
        let told: Vec<_> = drafts
            .iter()
            .map(|d| (d.phase, d.at.0 as f64 * 1e-9, d.track.map(|t| t.0), &d.summary, &d.measured))
            .collect();
        assert!(told.is_empty(), "{clip}: {told:#?}");
    }
}

#[test]
fn the_collision_of_the_clip_is_found_once_and_confirmed() {
    let oracle = Oracle::load("collision");
    let drafts = oracle.play("collision", &json!({}));
    oracle.assert_found(&drafts, "collision", 0.0);
    assert_eq!(story(&drafts), "start update end(stream_ended)");
    let pair = (drafts[0].track.unwrap().0, drafts[0].measured["other_track"].as_u64().unwrap());
    assert_eq!(pair, (801, 802));
}

/// The rider's track ends in the impact, and what lies there is a new one; the car's own box goes wrong for half a second.
#[test]
fn whoever_is_another_track_after_the_impact_is_followed() {
    let scene = ground_scene();
    let run = |fallen: Vec<(f64, Track)>, car: Vec<(f64, Track)>| {
        let mut bike = ride(2, BIKE, &[&BIKE_IN, &[(3.05, 35., 19.)][..]].concat());
        bike.retain(|(t, _)| *t <= 2.9);
        let mut steps = frames(&[car, bike, fallen]);
        let place = steps.iter().position(|step| matches!(step, Step::Frame(t, _) if *t > 4.9)).unwrap();
        steps.insert(place, Step::Forget(2, 4.9));
        story(&play_at(0, &mut rule_in(&scene, "collision", &json!({})), &scene, &steps))
    };
    let car = || ride(1, CAR, &[&CAR_ON, &[(8., 79., 20.)][..]].concat());
    let lies = |x: f32, y: f32| ride(7, BIKE, &[(3.3, x, y), (12., x, y)]);
    assert_eq!(run(lies(35.3, 18.4), car()), "start update");
    assert_eq!(run(lies(42., 18.4), car()), "", "seven metres away it is somebody else");
    assert_eq!(run(ride(7, CAR, &[(3.3, 35.3, 18.4), (12., 35.3, 18.4)]), car()), "", "no car falls off a motorbike");
    assert_eq!(run(ride(7, BIKE, &[(3.3, 35., 21.), (6., 35., 38.)]), car()), "", "he rode on");
}
