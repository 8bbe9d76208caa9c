//! `stopped_vehicle`: the truth table of `docs/rules/stopped_vehicle.md`.

#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use rules_support::*;
use serde_json::{Value, json};
use vantage::base::TrackId;
use vantage::scene::{Phase, Track};

fn params() -> Value {
    json!({ "lane": "east", "stopped_for": "8s", "update_every": "10s" })
}

fn run(corners: &[(f64, f32, f32)]) -> String {
    story(&play("stopped_vehicle", &params(), &frames(&[drive(1, corners, 10.0)])))
}

/// Adds box jitter of up to `share` of the box's height, the same at every run.
fn shaken(mut object: Vec<(f64, Track)>, share: f32) -> Vec<(f64, Track)> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as f32 / 32_768.0 - 1.0) * share
    };
    for (_, track) in &mut object {
        let height = track.bbox.height();
        let (dx, dy) = (next() * height / 2.0, next() * height);
        track.bbox.x1 += dx;
        track.bbox.x2 += dx;
        track.bbox.y2 += dy;
    }
    object
}

#[test]
fn truth_table() {
    // Boxes are 0.1 high, so an anchor may stray 0.02 picture heights, 0.01 picture widths.
    let table: &[Row] = &[
        ("drives through", &[(0., 0.0, 0.6), (10., 1.0, 0.6)], ""),
        ("stops for 6 s, drives on", &[(0., 0.0, 0.6), (3., 0.5, 0.6), (9., 0.5, 0.6), (12., 1.0, 0.6)], ""),
        (
            "stops for 12 s, drives on",
            &[(0., 0.0, 0.6), (3., 0.5, 0.6), (15., 0.5, 0.6), (18., 1.0, 0.6)],
            "start end(moved)",
        ),
        ("stands from the first", &[(0., 0.5, 0.6), (30., 0.5, 0.6)], "start update update"),
        ("stands beside the lane", &[(0., 0.5, 0.9), (30., 0.5, 0.9)], ""),
        ("creeps", &[(0., 0.2, 0.6), (40., 0.6, 0.6)], ""),
        (
            "stops twice",
            &[(0., 0.1, 0.6), (10., 0.1, 0.6), (12., 0.5, 0.6), (22., 0.5, 0.6), (24., 0.9, 0.6)],
            "start end(moved) start end(moved)",
        ),
    ];
    for (what, corners, expected) in table {
        assert_eq!(run(corners), *expected, "{what}");
    }
}

#[test]
fn the_stop_is_seen_soon_and_measured_well() {
    let steps = frames(&[drive(1, &[(0., 0.0, 0.6), (3., 0.5, 0.6), (15., 0.5, 0.6), (18., 1.0, 0.6)], 10.0)]);
    let drafts = play("stopped_vehicle", &params(), &steps);
    let late = drafts[0].at.0 as f64 * 1e-9 - 11.0;
    assert!((0.0..=1.0).contains(&late), "{late} s late");
    let lasted = measured(&drafts[1], "stopped_seconds");
    assert!((lasted - 12.0).abs() <= 1.0, "{lasted}");
    assert_eq!(drafts[0].ordinal, drafts[1].ordinal);
    assert!(drafts[0].summary.starts_with("car has stood in east for 8."), "{}", drafts[0].summary);
}

#[test]
fn a_second_box_of_a_stopped_lorry_is_no_second_stop() {
    let lorry = drive(1, &[(0., 0.5, 0.6), (40., 0.5, 0.6)], 10.0);
    let starts = |other: Vec<(f64, Track)>| {
        let drafts = play("stopped_vehicle", &params(), &frames(&[lorry.clone(), other]));
        drafts.into_iter().filter(|draft| draft.phase == Phase::Start).map(|draft| draft.track).collect::<Vec<_>>()
    };
    // Its cab, found as a vehicle of its own a little later: half as high, within its box.
    let mut cab = drive(2, &[(5., 0.5, 0.6), (40., 0.5, 0.6)], 10.0);
    for (_, track) in &mut cab {
        track.bbox.y1 += 0.5 * track.bbox.height();
    }
    assert_eq!(starts(cab), [Some(TrackId(1))]);
    let beside = drive(2, &[(5., 0.7, 0.6), (40., 0.7, 0.6)], 10.0);
    assert_eq!(starts(beside), [Some(TrackId(1)), Some(TrackId(2))]);
}

#[test]
fn who_has_stood_for_long_may_shake_and_who_starts_is_not_reported_then() {
    // Half a metre on for a moment, and back: 1.5 times what is allowed.
    let shifted = [(0., 0.5, 0.6), (5., 0.5, 0.6), (5.5, 0.5, 0.63), (7.5, 0.5, 0.63), (8., 0.5, 0.6), (20., 0.5, 0.6)];
    assert_eq!(run(&shifted), "start update");
    // The same within the first seconds is a new stand.
    let early = [(0., 0.5, 0.6), (1., 0.5, 0.6), (1.2, 0.5, 0.63), (8.6, 0.5, 0.63)];
    assert_eq!(run(&early), "");
    // Off its place when it would be reported, since it drives away.
    let leaves = [(0., 0.5, 0.6), (6.5, 0.5, 0.6), (8., 0.5, 0.63), (8.8, 0.5, 0.66), (12., 0.5, 0.69)];
    assert_eq!(run(&leaves), "");
}

#[test]
fn box_jitter_does_not_hide_a_stop() {
    for fps in [2.0, 5.0, 25.0] {
        let object = shaken(drive(1, &[(0., 0.5, 0.6), (15., 0.5, 0.6)], fps), 0.1);
        assert_eq!(story(&play("stopped_vehicle", &params(), &frames(&[object]))), "start", "{fps} fps");
    }
}

#[test]
fn a_passer_by_and_a_lost_detection_do_not_interrupt_it() {
    // For 0.7 s the lower half is hidden; for 3 s nothing is detected and the prediction drifts.
    let mut object = drive(1, &[(0., 0.5, 0.6), (15., 0.5, 0.6)], 10.0);
    for (t, track) in &mut object {
        if (4.0..4.7).contains(t) {
            track.bbox.y2 -= 0.05;
        }
        if (5.0..8.05).contains(t) {
            track.observed = false;
            track.bbox.x1 += 0.2;
            track.bbox.x2 += 0.2;
        }
    }
    let drafts = play("stopped_vehicle", &params(), &frames(&[object]));
    assert_eq!(story(&drafts), "start");
    assert!(measured(&drafts[0], "stopped_seconds") < 9.0);
}

#[test]
fn two_sights_far_apart_are_no_stop() {
    let object: Vec<_> = [0.0, 5.0, 10.0].into_iter().map(|t| (t, track(1, CAR, 0.5, 0.6))).collect();
    assert_eq!(story(&play("stopped_vehicle", &params(), &frames(&[object]))), "");
}

#[test]
fn a_gap_never_makes_a_stop() {
    let mut steps = frames(&[drive(1, &[(0., 0.5, 0.6), (6., 0.5, 0.6)], 10.0)]);
    steps.push(Step::Gap(6.0, 60.0));
    steps.extend(frames(&[drive(2, &[(60., 0.5, 0.6), (66., 0.5, 0.6)], 10.0)]));
    assert_eq!(story(&play("stopped_vehicle", &params(), &steps)), "");
}

#[test]
fn what_is_open_ends_with_its_reason() {
    let standing = frames(&[drive(1, &[(0., 0.5, 0.6), (9., 0.5, 0.6)], 10.0)]);
    for (last, reason) in
        [(Step::Gap(9.0, 30.0), "gap"), (Step::Forget(1, 11.0), "track_ended"), (Step::End(9.0), "stream_ended")]
    {
        let mut steps = standing.clone();
        steps.push(last);
        // Whoever is lost where it stood is waited for.
        steps.extend((12..=45).map(|t| Step::Frame(f64::from(t), Vec::new())));
        assert_eq!(story(&play("stopped_vehicle", &params(), &steps)), format!("start end({reason})"));
    }
}

/// `n` cars that stop together at 2 s, of which all but the first drive on at `go`.
fn queue(n: u64, go: f64) -> Vec<Step> {
    let car = |id: u64| {
        let x = 0.1 * id as f32;
        let leaves = if id == 1 { 60.0 } else { go };
        drive(id, &[(0., x - 0.1, 0.6), (2., x, 0.6), (leaves, x, 0.6), (leaves + 1.0, x + 0.5, 0.6)], 10.0)
    };
    frames(&(1..=n).map(car).collect::<Vec<_>>())
}

#[test]
fn a_queue_is_silent_until_it_leaves_somebody_behind() {
    let tracks = |params: &Value, steps: &[Step]| -> Vec<(u64, f64)> {
        let drafts = play("stopped_vehicle", params, steps);
        let starts = drafts.iter().filter(|draft| draft.phase == vantage::scene::Phase::Start);
        starts.map(|draft| (draft.track.unwrap().0, (draft.at.0 as f64 * 1e-9).round())).collect()
    };
    // Three cars are no queue for each other (two others), four are.
    assert_eq!(tracks(&params(), &queue(3, 40.0)).len(), 3);
    let left_behind = tracks(&params(), &queue(4, 40.0));
    assert_eq!(left_behind.first().map(|first| first.0), Some(1), "{left_behind:?}");
    assert!((40.0..=43.0).contains(&left_behind[0].1), "{left_behind:?}");
    assert_eq!(left_behind.len(), 1);
    let mut told = params();
    told["in_queue"] = json!("report");
    assert_eq!(tracks(&told, &queue(4, 40.0)).len(), 4);
}

#[test]
fn who_waits_behind_a_breakdown_is_not_stopped() {
    let first = |until: f64| drive(1, &[(0., 0.55, 0.6), (until, 0.55, 0.6), (until + 2.0, 0.95, 0.6)], 10.0);
    let second = |until: f64, x: f32, y: f32| {
        drive(2, &[(3., 0.1, y), (5., x, y), (until, x, y), (until + 2.0, x + 0.3, 0.75)], 10.0)
    };
    let starts = |params: &Value, objects: &[Vec<(f64, Track)>]| -> Vec<(u64, f64)> {
        let drafts = play("stopped_vehicle", params, &frames(objects));
        let starts = drafts.iter().filter(|draft| draft.phase == vantage::scene::Phase::Start);
        starts.map(|draft| (draft.track.unwrap().0, (draft.at.0 as f64 * 1e-9).round())).collect()
    };
    let told = |objects: &[Vec<(f64, Track)>]| starts(&params(), objects);
    assert_eq!(told(&[first(40.0), second(30.0, 0.48, 0.6)]), [(1, 8.0)], "it drives round in the end");
    assert_eq!(told(&[first(40.0), second(44.0, 0.48, 0.6)]), [(1, 8.0)], "it drives on when the first has");
    let stays = told(&[first(40.0), second(70.0, 0.48, 0.6)]);
    assert!(matches!(stays[..], [(1, 8.0), (2, 48.0..=50.0)]), "{stays:?}");
    assert_eq!(told(&[first(40.0), second(30.0, 0.40, 0.6)]).len(), 2, "far behind");
    assert_eq!(told(&[first(40.0), second(30.0, 0.48, 0.7)]).len(), 2, "beside the way of the first");
    let mut all = params();
    all["in_queue"] = json!("report");
    assert_eq!(starts(&all, &[first(40.0), second(30.0, 0.48, 0.6)]).len(), 2);
}

/// A car that stands in the lane, first seen when it is shown first.
fn stand(id: u64, from: f64, to: f64) -> Vec<(f64, Track)> {
    begun(drive(id, &[(from, 0.5, 0.6), (to, 0.5, 0.6)], 10.0))
}

fn begun(mut object: Vec<(f64, Track)>) -> Vec<(f64, Track)> {
    let since = vantage::base::MediaTime::from_seconds(object[0].0);
    object.iter_mut().for_each(|(_, track)| track.first_seen = since);
    object
}

fn told(steps: &[Step]) -> String {
    story(&play("stopped_vehicle", &json!({ "lane": "east", "update_every": "1h" }), steps))
}

#[test]
fn a_new_track_at_the_same_place_is_the_same_vehicle() {
    // Lost before it is reported: the time goes on.
    let mut steps = frames(&[stand(1, 0.0, 5.0)]);
    steps.push(Step::Forget(1, 6.0));
    steps.extend(frames(&[stand(2, 7.0, 12.0)]));
    let drafts = play("stopped_vehicle", &params(), &steps);
    assert_eq!(story(&drafts), "start");
    let started = drafts[0].at.0 as f64 / 1e9;
    assert!((9.0..9.2).contains(&started), "looked at for 2 s: {started}");
    assert!(measured(&drafts[0], "stopped_seconds") >= 9.0 && measured(&drafts[0], "tracks") == 2.0);
    // Lost after it is reported: no second alarm, and the end is that of the same happening.
    let mut steps = frames(&[stand(1, 0.0, 10.0)]);
    steps.push(Step::Forget(1, 11.0));
    steps.extend(frames(&[stand(2, 25.0, 60.0)]));
    steps.extend(frames(&[drive(2, &[(60.1, 0.5, 0.6), (62.0, 0.9, 0.6)], 10.0)]));
    assert_eq!(told(&steps), "start end(moved)");
    // The tracker begins a new track before it gives the old one up.
    let mut steps = frames(&[stand(1, 0.0, 10.0), stand(2, 10.1, 30.0)]);
    steps.push(Step::Forget(1, 30.0));
    assert_eq!(told(&steps), "start");
    // Too late, elsewhere, or not asked for.
    let mut late = frames(&[stand(1, 0.0, 10.0)]);
    late.push(Step::Forget(1, 11.0));
    late.extend(frames(&[stand(2, 42.0, 52.0)]));
    assert_eq!(told(&late), "start end(track_ended) start");
    let mut elsewhere = frames(&[stand(1, 0.0, 10.0)]);
    elsewhere.push(Step::Forget(1, 11.0));
    elsewhere.extend(frames(&[begun(drive(2, &[(12.0, 0.6, 0.6), (50.0, 0.6, 0.6)], 10.0))]));
    assert_eq!(told(&elsewhere), "start start end(track_ended)");
    let mut again = frames(&[stand(1, 0.0, 10.0)]);
    again.push(Step::Forget(1, 11.0));
    again.extend(frames(&[stand(2, 12.0, 22.0)]));
    let impatient = json!({ "lane": "east", "found_again": "0s", "update_every": "1h" });
    assert_eq!(story(&play("stopped_vehicle", &impatient, &again)), "start end(track_ended) start");
}

#[test]
fn a_box_that_shifts_is_no_second_stop() {
    // Boxes are 0.1 high. From 12 s on its lower edge is hidden.
    let shifted = |by: f32| {
        let mut object = drive(1, &[(0., 0.5, 0.6), (40., 0.5, 0.6)], 10.0);
        object.iter_mut().filter(|(t, _)| *t > 12.0).for_each(|(_, track)| track.bbox.y2 -= by);
        told(&frames(&[object]))
    };
    assert_eq!(shifted(0.04), "start");
    assert_eq!(shifted(0.07), "start end(moved) start", "it may have moved on");
    // Before it was reported, being elsewhere makes the clock start anew.
    let crept = drive(1, &[(0., 0.5, 0.6), (5., 0.5, 0.6), (5.5, 0.52, 0.6), (12., 0.52, 0.6)], 10.0);
    assert_eq!(told(&frames(&[crept])), "");
}

#[test]
fn a_queue_that_moves_up_is_no_stand() {
    // One after the other comes to the same place, stands there for 5 s and leaves; at 4 s the next is behind it.
    let car = |n: u64, leaves: f32| {
        let t = 6.0 * n as f64;
        begun(drive(n, &[(t, 0.1, 0.6), (t + 1.0, 0.5, 0.6), (t + 6.0, 0.5, 0.6), (t + 7.0, leaves, 0.6)], 10.0))
    };
    let leaving: Vec<_> = (1..=6).map(|n| car(n, 0.9)).collect();
    assert_eq!(told(&frames(&leaving)), "");
    // Nobody sees them leave: each track ends where it stood.
    let mut hidden = Vec::new();
    for n in 1..=6u64 {
        let arrives = car(n, 0.5).into_iter().filter(|(t, _)| *t < 6.0 * n as f64 + 6.0).collect();
        hidden.extend(frames(&[arrives]));
        hidden.push(Step::Forget(n, 6.0 * n as f64 + 6.0));
    }
    assert_eq!(told(&hidden), "");
    // Nor is it the lost vehicle who is first seen at its place and drives on.
    let mut steps = frames(&[stand(1, 0.0, 7.0)]);
    steps.push(Step::Forget(1, 7.5));
    steps.extend(frames(&[begun(drive(2, &[(9.0, 0.5, 0.6), (12.0, 0.9, 0.6)], 10.0))]));
    assert_eq!(told(&steps), "");
}

#[test]
fn a_lost_vehicle_keeps_what_is_known_of_it() {
    // It was seen to arrive; as a new track it would be taken for one that is parked.
    let mut steps = frames(&[begun(drive(1, &[(0., 0.1, 0.6), (2., 0.5, 0.6), (6., 0.5, 0.6)], 10.0))]);
    steps.push(Step::Forget(1, 7.0));
    steps.extend(frames(&[stand(2, 8.0, 20.0)]));
    let suppress = json!({ "lane": "east", "already_standing": "suppress" });
    let drafts = play("stopped_vehicle", &suppress, &steps);
    assert_eq!((story(&drafts).as_str(), &drafts[0].measured["seen_arriving"]), ("start", &json!(true)));
    // Parked is parked.
    let parking = json!({ "lane": "east", "parking": ["box"] });
    assert_eq!(story(&play("stopped_vehicle", &parking, &steps)), "");
}

#[test]
fn what_only_reaches_into_the_picture_is_no_vehicle_until_it_moves() {
    let row = |corners: &[(f64, f32, f32)]| run(corners);
    // The box is 0.04 wide, so that it touches the right edge at 0.98, and the lower one beyond the lane.
    assert_eq!(row(&[(0., 0.978, 0.6), (30., 0.978, 0.6)]), "");
    assert_eq!(row(&[(0., 0.5, 0.6), (3., 0.978, 0.6), (13., 0.978, 0.6)]), "start");
    assert_eq!(row(&[(0., 0.97, 0.6), (13., 0.97, 0.6)]), "start", "seen as a whole");
    // Shaking, it seems to be whole in a third of the frames.
    let low = json!({ "zone": "all", "stopped_for": "8s" });
    let mut scene = scene();
    let corner = |x: f32, y: f32| vantage::scene::NormPoint::new(x, y);
    let corners = vec![corner(0., 0.), corner(1., 0.), corner(1., 1.), corner(0., 1.)];
    scene.zones.insert("all".to_owned(), vantage::scene::Polygon::new(corners).unwrap());
    let object = shaken(drive(1, &[(0., 0.5, 0.9985), (30., 0.5, 0.9985)], 10.0), 0.05);
    let drafts = play_at(0, &mut rule_in(&scene, "stopped_vehicle", &low), &scene, &frames(&[object]));
    assert_eq!(story(&drafts), "");
}

#[test]
fn people_are_no_vehicles() {
    let mut object = drive(1, &[(0., 0.5, 0.6), (15., 0.5, 0.6)], 10.0);
    object.iter_mut().for_each(|(_, track)| track.class = PERSON);
    let steps = frames(&[object]);
    assert_eq!(story(&play("stopped_vehicle", &params(), &steps)), "");
    let mut people = params();
    people["classes"] = json!(["person"]);
    assert_eq!(story(&play("stopped_vehicle", &people, &steps)), "start");
    let zone = json!({ "zone": "box", "classes": ["person"] });
    assert_eq!(story(&play("stopped_vehicle", &zone, &steps)), "start");
}

/// The `gate` of the scene, at x = 0.5, as the stop line.
fn at_signal() -> Value {
    json!({ "lane": "east", "stopped_for": "8s", "max_red": "60s", "signal_line": "gate", "queue_min": 3 })
}

/// A car that stands before the line for 90 s from 2 s on, while others pass it at these times.
fn at_the_light(passing: &[f64], until: f64) -> String {
    let mut objects = vec![drive(1, &[(0., 0.2, 0.6), (2., 0.45, 0.6), (until, 0.45, 0.6)], 10.0)];
    for (n, from) in passing.iter().enumerate() {
        objects.push(drive(n as u64 + 2, &[(*from - 2.0, 0.2, 0.7), (*from + 2.0, 0.8, 0.7)], 10.0));
    }
    let drafts = play("stopped_vehicle", &at_signal(), &frames(&objects));
    let said = drafts.iter().map(|draft| format!("{:?} {:.0}", draft.phase, draft.at.0 as f64 / 1e9));
    said.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_red_light_is_no_breakdown() {
    assert_eq!(at_the_light(&[], 55.0), "", "waits");
    // Whoever breaks down is seen when the others are released, at the latest after the longest red.
    assert_eq!(at_the_light(&[], 70.0), "Start 62");
    assert_eq!(at_the_light(&[30.0, 33.0], 55.0), "Start 41", "8 s after the second of those that pass");
    assert_eq!(at_the_light(&[30.0], 55.0), "", "one jumps the light");
    assert_eq!(at_the_light(&[3.0, 4.0], 55.0), "", "they still had amber");
    // Beyond the line no light holds it back.
    let beyond = drive(1, &[(0., 0.2, 0.6), (3., 0.6, 0.6), (20., 0.6, 0.6)], 10.0);
    assert_eq!(story(&play("stopped_vehicle", &at_signal(), &frames(&[beyond]))), "start");
    // Released together: everyone drives on at 40 s.
    let waiting = [1, 2].map(|id| {
        let y = 0.5 + 0.1 * id as f32;
        drive(id, &[(0., 0.2, y), (2., 0.45, y), (40., 0.45, y), (44., 0.9, y)], 10.0)
    });
    assert_eq!(story(&play("stopped_vehicle", &at_signal(), &frames(&waiting))), "");
}

#[test]
fn a_parked_vehicle_is_not_stopped() {
    let stands = frames(&[drive(1, &[(0., 0.5, 0.6), (20., 0.5, 0.6)], 10.0)]);
    let arrives = frames(&[drive(1, &[(0., 0.1, 0.6), (3., 0.5, 0.6), (20., 0.5, 0.6)], 10.0)]);
    let told = |more: Value, steps: &[Step]| {
        let mut params = params();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let drafts = play("stopped_vehicle", &params, steps);
        let seen = drafts.first().map(|draft| draft.measured["seen_arriving"].clone());
        (drafts.len(), seen.unwrap_or_default())
    };
    assert_eq!(told(json!({ "parking": ["box"] }), &arrives), (0, Value::Null));
    assert_eq!(told(json!({}), &stands).1, json!(false));
    assert_eq!(told(json!({}), &arrives).1, json!(true));
    assert_eq!(told(json!({ "already_standing": "suppress" }), &stands), (0, Value::Null));
    assert_eq!(told(json!({ "already_standing": "suppress" }), &arrives).1, json!(true));
}
