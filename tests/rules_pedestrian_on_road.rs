//! `pedestrian_on_road`: the truth table of `docs/rules/pedestrian_on_road.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::TrackId;
use vantage::rule::{Draft, Lane, Scene};
use vantage::scene::{ClassId, Ground, NormBox, NormPoint, Phase, Polygon, Segment, Track};

/// The lane runs to the right for y from 0.4 to 0.8; `box` spans x from 0.3 to 0.7 of it.
fn params() -> Value {
    json!({ "lanes": ["east"], "crossings": ["box"] })
}

/// A person who goes through `corners`, seen ten times a second.
fn walk(id: u64, corners: &[(f64, f32, f32)]) -> Vec<(f64, Track)> {
    drive(id, corners, 10.0).into_iter().map(|(t, track)| (t, Track { class: PERSON, ..track })).collect()
}

fn as_class(class: ClassId, object: Vec<(f64, Track)>) -> Vec<(f64, Track)> {
    object.into_iter().map(|(t, track)| (t, Track { class, ..track })).collect()
}

fn run(objects: &[Vec<(f64, Track)>]) -> String {
    story(&play("pedestrian_on_road", &params(), &frames(objects)))
}

#[test]
fn truth_table() {
    let table: &[Row] = &[
        ("crosses away from the crossing", &[(0., 0.1, 0.3), (10., 0.1, 0.9)], "start end(left)"),
        ("stands on the road", &[(0., 0.1, 0.6), (5., 0.1, 0.6)], "start"),
        ("steps on it for half a second", &[(0., 0.1, 0.38), (0.5, 0.1, 0.44), (1., 0.1, 0.38), (9., 0.1, 0.38)], ""),
        ("walks on the pavement", &[(0., 0.0, 0.35), (20., 1.0, 0.35)], ""),
        ("walks along the kerb", &[(0., 0.02, 0.398), (20., 0.98, 0.398)], ""),
        ("uses the crossing", &[(0., 0.5, 0.3), (10., 0.5, 0.9)], ""),
        ("crosses just beside it", &[(0., 0.285, 0.3), (10., 0.285, 0.9)], ""),
        // Boxes are 0.1 picture heights high, so that 1.7 m are 0.05 of the width.
        ("rides along at 5 m/s", &[(0., 0.02, 0.6), (1.8, 0.285, 0.6)], ""),
        ("runs across at 3 m/s", &[(0., 0.1, 0.3), (3.4, 0.1, 0.9), (5., 0.1, 0.9)], "start end(left)"),
        ("leaves the crossing for the road", &[(0., 0.5, 0.6), (8., 0.1, 0.6)], "start"),
        (
            "goes back for a moment",
            &[(0., 0.1, 0.5), (3., 0.1, 0.5), (3.2, 0.1, 0.39), (3.8, 0.1, 0.39), (4., 0.1, 0.5), (9., 0.1, 0.5)],
            "start",
        ),
        (
            "goes back for longer, comes again",
            &[(0., 0.1, 0.5), (3., 0.1, 0.5), (3.2, 0.1, 0.35), (6., 0.1, 0.35), (6.2, 0.1, 0.5), (9., 0.1, 0.5)],
            "start end(left) start",
        ),
    ];
    for (what, corners, expected) in table {
        assert_eq!(run(&[walk(1, corners)]), *expected, "{what}");
    }
}

#[test]
fn it_is_told_in_time_at_any_frame_rate() {
    for fps in [3.0, 10.0, 30.0] {
        let object = as_class(PERSON, drive(1, &[(0., 0.1, 0.6), (5., 0.1, 0.6)], fps));
        let drafts = play("pedestrian_on_road", &params(), &frames(&[object]));
        assert_eq!(story(&drafts), "start");
        let told = drafts[0].at.0 as f64 * 1e-9;
        assert!((1.0..=1.0 + 1.0 / fps + 1e-6).contains(&told), "{fps} fps: {told}");
        assert_eq!(drafts[0].measured["present_track"], json!(1));
    }
}

#[test]
fn vehicles_and_predictions_are_nobody() {
    let stand = [(0., 0.1, 0.6), (5., 0.1, 0.6)];
    assert_eq!(run(&[as_class(CAR, walk(1, &stand))]), "");
    let mut ghost = walk(1, &stand);
    ghost.iter_mut().for_each(|(t, track)| track.observed = *t < 0.3);
    assert_eq!(run(&[ghost]), "");
}

#[test]
fn riders_are_no_pedestrians() {
    let way = [(0., 0.02, 0.55), (6., 0.28, 0.55)];
    let rider = walk(1, &way.map(|(t, x, y)| (t, x, y - 0.03)));
    let machine = as_class(BIKE, walk(2, &way));
    assert_eq!(run(&[rider.clone(), machine.clone()]), "");
    // Waiting, both of them.
    let waits = [(0., 0.1, 0.6), (9., 0.1, 0.6)];
    assert_eq!(run(&[walk(1, &waits.map(|(t, x, y)| (t, x, y - 0.02))), as_class(BIKE, walk(2, &waits))]), "");
    // The machine is not detected for a while.
    let gappy: Vec<_> = machine.iter().filter(|(t, _)| !(2.0..3.5).contains(t)).cloned().collect();
    assert_eq!(run(&[rider.clone(), gappy]), "");
    // The driver of a car, seen through the windscreen.
    let car: Vec<(f64, Track)> = as_class(CAR, walk(2, &way))
        .into_iter()
        .map(|(t, track)| {
            let b = track.bbox;
            (t, Track { bbox: NormBox { x1: b.x1 - 0.05, x2: b.x2 + 0.05, y1: b.y1 - 0.08, y2: b.y2 + 0.06 }, ..track })
        })
        .collect();
    assert_eq!(run(&[rider.clone(), car]), "");
    // Without any machine it is somebody on foot.
    assert_eq!(run(&[rider]), "start");
}

/// Seen from above, so many metres wide and half as deep. A box is a tenth of that depth high.
fn calibrated(wide: f64) -> Scene {
    let matrix = [[wide, 0.0, 0.0], [0.0, -wide / 2.0, wide / 2.0], [0.0, 0.0, 1.0]];
    Scene { ground: Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 0.9)).ok(), ..scene() }
}

fn run_in(scene: &Scene, object: Vec<(f64, Track)>) -> String {
    story(&play_at(0, &mut rule_in(scene, "pedestrian_on_road", &params()), scene, &frames(&[object])))
}

#[test]
fn a_foot_point_that_errs_makes_no_pedestrian_of_a_rider() {
    let run = |speed: f32| {
        let mut object = walk(1, &[(0., 0.75, 0.6), (2.0, 0.75 + 2.0 * speed / 40.0, 0.6)]);
        // One metre ahead of where he is, so that the mean of the first second is a metre a second too low.
        let first = &mut object[0].1.bbox;
        (first.x1, first.x2) = (first.x1 + 1.0 / 40.0, first.x2 + 1.0 / 40.0);
        run_in(&calibrated(40.0), object)
    };
    assert_eq!(run(4.4), "");
    assert_eq!(run(1.4), "start");
}

#[test]
fn nobody_on_foot_is_as_large_as_a_car() {
    let stands = || walk(1, &[(0., 0.1, 0.6), (5., 0.1, 0.6)]);
    assert_eq!(run_in(&calibrated(40.0), stands()), "start", "2 m high");
    assert_eq!(run_in(&calibrated(60.0), stands()), "", "3 m high");
}

#[test]
fn a_box_that_flickers_is_nobody() {
    let stands = walk(1, &[(0., 0.1, 0.6), (5., 0.1, 0.6)]);
    // Seen in so many of ten pictures; the others show nobody.
    let seen_in = |of_ten: usize| {
        let mut object = stands.clone();
        object.iter_mut().enumerate().for_each(|(n, (_, track))| track.observed = n % 10 < of_ten);
        run(&[object])
    };
    assert_eq!(seen_in(2), "");
    assert_eq!(seen_in(5), "start");
}

#[test]
fn whoever_walks_past_parked_motorbikes_is_on_foot() {
    let walker = walk(1, &[(0., 0.02, 0.55), (6., 0.28, 0.55)]);
    let parked = (2..7u8).map(|n| {
        let place = track(n.into(), BIKE, 0.05 * f32::from(n) - 0.05, 0.56);
        (0..=60u8).map(|frame| (f64::from(frame) / 10.0, place.clone())).collect()
    });
    let mut objects = vec![walker];
    objects.extend(parked);
    assert_eq!(run(&objects), "start");
}

#[test]
fn a_person_found_again_is_the_same_one() {
    // The track ends on the road; a new one begins nearby.
    let again = |gap: f64, x: f32| {
        let mut steps = frames(&[walk(1, &[(0., 0.1, 0.6), (3., 0.1, 0.6)])]);
        steps.push(Step::Forget(1, 3.0));
        steps.extend(frames(&[walk(2, &[(3.0 + gap, x, 0.6), (8.0 + gap, x, 0.6)])]));
        steps.push(Step::End(8.0 + gap));
        play("pedestrian_on_road", &params(), &steps)
    };
    let drafts = again(1.0, 0.13);
    assert_eq!(story(&drafts), "start end(stream_ended)");
    assert_eq!((drafts[1].track, drafts[1].measured["present_track"].clone()), (Some(TrackId(1)), json!(2)));
    assert_eq!(story(&again(1.0, 0.26)), "start start end(track_ended) end(stream_ended)", "too far away");
    assert_eq!(story(&again(7.0, 0.13)), "start end(track_ended) start end(stream_ended)", "too late");
    // The new track begins while the tracker still hopes for the old one.
    let mut steps =
        frames(&[walk(1, &[(0., 0.1, 0.6), (3., 0.1, 0.6)]), walk(2, &[(3.5, 0.12, 0.6), (8.0, 0.12, 0.6)])]);
    steps.push(Step::Forget(1, 8.0));
    steps.push(Step::End(8.0));
    assert_eq!(story(&play("pedestrian_on_road", &params(), &steps)), "start end(stream_ended)");
    // Two people at once are two.
    assert_eq!(
        run(&[walk(1, &[(0., 0.1, 0.6), (3., 0.1, 0.6)]), walk(2, &[(0.5, 0.12, 0.6), (4., 0.12, 0.6)])]),
        "start start"
    );
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let steps = frames(&[walk(1, &[(0., 0.1, 0.6), (3., 0.1, 0.6)])]);
    let later = |t: f64| Step::Frame(t, Vec::new());
    for (last, expected) in [
        (vec![Step::Gap(3.0, 30.0)], "start end(gap)"),
        (vec![Step::Forget(1, 4.0), later(8.0)], "start"),
        (vec![Step::Forget(1, 4.0), later(9.0)], "start end(track_ended)"),
        (vec![Step::Forget(1, 4.0), Step::Gap(5.0, 6.0)], "start end(gap)"),
        (vec![Step::End(3.0)], "start end(stream_ended)"),
    ] {
        let mut steps = steps.clone();
        steps.extend(last);
        assert_eq!(story(&play("pedestrian_on_road", &params(), &steps)), expected);
    }
}

#[test]
fn feet_below_the_picture_are_nowhere() {
    let scene = Scene {
        lanes: [("east".to_owned(), {
            let corners = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| NormPoint::new(x, y));
            let arrow = Segment { from: NormPoint::new(0.1, 0.7), to: NormPoint::new(0.9, 0.7) };
            Lane::new(Polygon::new(corners.to_vec()).unwrap(), &arrow, 2.0).unwrap()
        })]
        .into(),
        ..scene()
    };
    let run = |y: f32| {
        let steps = frames(&[walk(1, &[(0., 0.5, y), (5., 0.5, y)])]);
        let params = json!({ "lanes": ["east"] });
        story(&play_at(0, &mut rule_in(&scene, "pedestrian_on_road", &params), &scene, &steps))
    };
    assert_eq!((run(0.9).as_str(), run(1.0).as_str()), ("start", ""));
}

#[test]
fn every_threshold_bears() {
    let steps = frames(&[walk(1, &[(0., 0.1, 0.6), (3., 0.1, 0.6)])]);
    assert_eq!(story(&play("pedestrian_on_road", &params(), &steps)), "start");
    for raised in [
        json!({ "lanes": ["east"], "on_road_for": "4s" }),
        json!({ "lanes": ["east"], "clear": 2.0, "crossings": ["box"], "crossing_margin": 5.0 }),
        json!({ "zones": ["box"] }),
        json!({ "lanes": ["east"], "min_track_age": "5s" }),
        json!({ "lanes": ["east"], "classes": ["car"] }),
    ] {
        assert_eq!(story(&play("pedestrian_on_road", &raised, &steps)), "", "{raised}");
    }
    let long = frames(&[walk(1, &[(0., 0.1, 0.6), (12., 0.1, 0.6)])]);
    let often = json!({ "lanes": ["east"], "update_every": "5s" });
    assert_eq!(story(&play("pedestrian_on_road", &often, &long)), "start update update");
}

#[test]
fn the_pedestrian_of_the_clip_is_found_once_and_nobody_else() {
    let oracle = Oracle::load("pedestrian");
    let params = json!({ "zones": ["carriageway"] });
    let drafts = oracle.play("pedestrian_on_road", &params);
    assert_eq!(story(&drafts), "start update end(left)");
    let [(onset, object)] = oracle.onsets("pedestrian_on_road")[..] else { panic!("one event in the truth") };
    let told = drafts[0].at.0 as f64 * 1e-9;
    assert_eq!(drafts[0].track, object);
    assert!((onset..onset + 2.0).contains(&told), "{onset} told at {told}");
}

#[test]
fn on_other_clips_nobody_is_on_the_road() {
    for clip in ["empty-road", "wrong-way", "stopped-lorry", "stopped-lorry-queue", "congestion", "illegal-parking"] {
        let oracle = Oracle::load(clip);
        let scene = oracle.scene();
        let params = json!({
            "zones": scene.zones.keys().filter(|name| *name == "carriageway").collect::<Vec<_>>(),
            "lanes": scene.lanes.keys().collect::<Vec<_>>(),
        });
        if scene.zones.contains_key("carriageway") || !scene.lanes.is_empty() {
            assert_eq!(story(&oracle.play("pedestrian_on_road", &params)), "", "{clip}");
        }
    }
}

/// The junction's carriageway with and without its crossings, from the plan of the city (metres).
#[test]
fn people_on_the_crossings_of_the_junction_raise_nothing() {
    for clip in ["junction", "junction-night", "junction-rain"] {
        let oracle = Oracle::load(clip);
        let ground = oracle.ground();
        let mut scene = oracle.scene();
        let mut draw = |name: &str, corners: [(f64, f64); 4]| {
            let corners = corners.map(|(x, y)| ground.picture(vantage::scene::GroundPoint::new(x, y)).unwrap());
            scene.zones.insert(name.to_owned(), Polygon::new(corners.to_vec()).unwrap());
        };
        draw("road-ew", [(-15.5, -7.4), (-15.5, 7.4), (40.0, 7.4), (40.0, -7.4)]);
        // Not where the pavements of the main road go on across the side road: people of the clip walk straight on.
        draw("road-n", [(-6.6, 12.5), (-6.6, 16.6), (6.6, 16.6), (6.6, 12.5)]);
        draw("road-s", [(-6.6, -12.5), (-6.6, -16.6), (6.6, -16.6), (6.6, -12.5)]);
        draw("crossing-e", [(12.6, -7.4), (12.6, 7.4), (15.8, 7.4), (15.8, -7.4)]);
        draw("crossing-n", [(-6.6, 13.4), (-6.6, 16.6), (6.6, 16.6), (6.6, 13.4)]);
        draw("crossing-s", [(-6.6, -13.4), (-6.6, -16.6), (6.6, -16.6), (6.6, -13.4)]);
        let play = |crossings: &[&str]| -> Vec<Draft> {
            let params = json!({ "zones": ["road-ew", "road-n", "road-s"], "crossings": crossings });
            let mut rules = rule_in(&scene, "pedestrian_on_road", &params);
            let steps: Vec<Step> =
                oracle.frames().map(|(at, tracks)| Step::Frame(at.0 as f64 * 1e-9, tracks)).collect();
            play_at(0, &mut rules, &scene, &steps)
        };
        let told = play(&["crossing-e", "crossing-n", "crossing-s"]);
        assert_eq!(story(&told), "", "{clip}: {told:#?}");
        // The same people on a road without crossings: the test could fail.
        let starts = play(&[]).iter().filter(|draft| draft.phase == Phase::Start).count();
        assert!(starts >= 2, "{clip}: {starts}");
    }
}
