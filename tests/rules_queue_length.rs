//! `queue_length`: the truth table of `docs/rules/queue_length.md`, and the clips' exact truth.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::MediaTime;
use vantage::rule::{Draft, FrameView, Scene, SceneNames, find};
use vantage::scene::{Ground, GroundPoint, NormPoint, Segment, Track};

/// 0.1 of the picture's height are 5 m everywhere; the stop line is 90 m along the lane, which goes to the right.
fn scene(calibrated: bool) -> Scene {
    let matrix = [[100.0, 0.0, 0.0], [0.0, -50.0, 0.0], [0.0, 0.0, 1.0]];
    let ground = Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 1.0)).unwrap();
    let stop = Segment { from: NormPoint::new(0.9, 0.8), to: NormPoint::new(0.9, 0.4) };
    Scene {
        ground: calibrated.then_some(ground),
        tripwires: [("stop".to_owned(), stop)].into(),
        ..rules_support::scene()
    }
}

fn params() -> Value {
    json!({ "lane": "east", "stop_line": "stop", "interval": "1h" })
}

fn run(scene: &Scene, params: &Value, steps: &[Step]) -> Vec<Draft> {
    play_at(0, &mut rule_in(scene, "queue_length", params), scene, steps)
}

/// Cars that stand at so many metres before the stop line, for 10 s.
fn standing(metres: &[f64]) -> Vec<Step> {
    (0..=50)
        .map(|n| {
            let car = |(id, before): (usize, &f64)| track(id as u64 + 1, CAR, ((90.0 - before) / 100.0) as f32, 0.6);
            Step::Frame(f64::from(n) / 5.0, metres.iter().enumerate().map(car).collect())
        })
        .collect()
}

/// The longest queue: metres or picture heights, and vehicles.
fn longest(scene: &Scene, steps: &[Step]) -> (f64, f64) {
    let mut steps = steps.to_vec();
    steps.push(Step::End(10.0));
    let drafts = run(scene, &params(), &steps);
    let length = if scene.ground.is_some() { "max_metres" } else { "max_heights" };
    (measured(&drafts[0], length).round(), measured(&drafts[0], "max_vehicles"))
}

#[test]
fn truth_table() {
    let of = |metres: &[f64]| longest(&scene(true), &standing(metres));
    assert_eq!(of(&[]), (0.0, 0.0), "nobody");
    assert_eq!(of(&[2.0]), (4.0, 1.0), "one at the line");
    assert_eq!(of(&[2.0, 10.0, 25.0]), (27.0, 3.0), "three");
    assert_eq!(of(&[2.0, 10.0, 35.0]), (12.0, 2.0), "a gap of 20.6 m");
    assert_eq!(of(&[35.0, 40.0]), (0.0, 0.0), "nobody near the line");
    assert_eq!(of(&[-1.5, 8.0]), (10.0, 2.0), "a little over the line");
    assert_eq!(of(&[-8.0]), (0.0, 0.0), "in the junction");
    // The last one still rolls in at 3 km/h, or passes at 30.
    let mut steps = standing(&[2.0, 9.0]);
    let roll = |steps: &mut Vec<Step>, kmh: f64| {
        for step in steps {
            if let Step::Frame(t, tracks) = step {
                let before = 40.0 - kmh / 3.6 * *t;
                tracks.push(track(9, CAR, ((90.0 - before) / 100.0) as f32, 0.5));
            }
        }
    };
    roll(&mut steps, 1.0);
    assert_eq!(longest(&scene(true), &steps).1, 2.0, "27 m behind the second");
    let mut steps = standing(&[2.0, 22.0]);
    roll(&mut steps, 3.0);
    assert_eq!(longest(&scene(true), &steps).1, 3.0, "a slow joiner belongs to it");
    let mut steps = standing(&[2.0, 22.0]);
    roll(&mut steps, 10.0);
    assert_eq!(longest(&scene(true), &steps).1, 2.0, "who still drives does not");
}

#[test]
fn without_a_calibration_it_counts_vehicles() {
    // Boxes are 0.1 high, so a gap of 0.8 heights (40 m) ends it.
    assert_eq!(longest(&scene(false), &standing(&[2.0, 10.0, 25.0])), (1.0, 3.0));
    assert_eq!(longest(&scene(false), &standing(&[2.0, 10.0, 60.0])).1, 2.0);
}

#[test]
fn a_long_queue_is_reported_with_hysteresis() {
    let mut long = params();
    long["threshold"] = json!(20.0);
    let said = |steps: &[Step]| {
        let drafts = run(&scene(true), &long, steps);
        story(&drafts.into_iter().filter(|draft| draft.kind == "queue_length").collect::<Vec<_>>())
    };
    assert_eq!(said(&standing(&[2.0, 10.0])), "");
    let mut steps = standing(&[2.0, 10.0, 25.0]);
    assert_eq!(said(&steps), "start");
    let later = |metres: &[f64], from: f64| -> Vec<Step> {
        standing(metres)
            .into_iter()
            .map(|step| match step {
                Step::Frame(t, tracks) => Step::Frame(t + from, tracks),
                other => other,
            })
            .collect()
    };
    let mut shorter = steps.clone();
    shorter.extend(later(&[2.0, 10.0, 17.0], 10.2));
    assert_eq!(said(&shorter), "start", "19 m are still above 80 % of the threshold");
    steps.extend(later(&[2.0, 10.0], 10.2));
    assert_eq!(said(&steps), "start end(cleared)");
    let mut vehicles = params();
    vehicles["threshold"] = json!(3.0);
    let drafts = run(&scene(false), &vehicles, &standing(&[2.0, 10.0, 25.0]));
    assert_eq!(story(&drafts), "start");
    assert_eq!(measured(&drafts[0], "queue_vehicles"), 3.0);
}

#[test]
fn intervals_tell_what_was_watched() {
    let mut steps = standing(&[2.0, 10.0]);
    steps.extend([Step::Gap(10.0, 50.0), Step::Frame(50.0, vec![]), Step::Frame(50.5, vec![]), Step::End(50.5)]);
    let drafts = run(&scene(true), &params(), &steps);
    let sum = |name| drafts.iter().map(|draft| measured(draft, name)).sum::<f64>();
    assert_eq!((sum("interval_seconds"), sum("observed_seconds")), (50.5, 10.5));
    assert!((measured(&drafts[0], "p95_metres") - 12.2).abs() < 0.1, "{drafts:?}");
    assert_eq!(measured(&drafts[1], "max_metres"), 0.0);
}

#[test]
fn a_queue_at_the_line_fills_what_is_hidden_before_it() {
    let mut params = params();
    params["hidden"] = json!(5.0);
    let run = |metres: &[f64]| {
        let mut steps = standing(metres);
        steps.push(Step::End(10.0));
        let drafts = run(&scene(true), &params, &steps);
        (measured(&drafts[0], "max_metres").round(), measured(&drafts[0], "max_vehicles"))
    };
    assert_eq!(run(&[2.0, 10.0]), (17.0, 2.0));
    assert_eq!(run(&[35.0, 40.0]), (0.0, 0.0), "nobody is near the line");
}

#[test]
fn mistakes_are_told() {
    let said = |params: Value| {
        let errors = (find("queue_length").unwrap().compile)(&params, &SceneNames::from(&scene(true))).err();
        errors.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (wrong, part) in [
        (json!({}), "stop_line: is missing"),
        (json!({ "lane": "east", "stop_line": "stpo" }), "did you mean `stop`"),
        (json!({ "lane": "east", "stop_line": "stop", "max_gap": 0.0 }), "max_gap: is out of range"),
        (json!({ "lane": "east", "stop_line": "stop", "hidden": -1.0 }), "hidden: is out of range"),
        (json!({ "lane": "east", "stop_line": "stop", "queue_speed": -3.0 }), "queue_speed: is out of range"),
    ] {
        assert!(said(wrong.clone()).contains(part), "{wrong}: {}", said(wrong.clone()));
    }
}

/// Where the truth measures from: metres along the road from the junction's centre.
const STOP_AT: f64 = 16.0;

/// Every second: the queue by the rule, and in truth.
fn against_truth(oracle: &Oracle, frames: &[(MediaTime, Vec<Track>)]) -> Vec<(f64, f64)> {
    let mut scene = oracle.scene();
    let place = |y: f64| oracle.ground().picture(GroundPoint::new(STOP_AT, y)).unwrap();
    scene.tripwires.insert("stop".to_owned(), Segment { from: place(7.0), to: place(0.3) });
    let params = json!({ "lane": "westbound", "stop_line": "stop", "interval": "1s", "max_gap": 20.0 });
    let mut rules = oracle::rule_in(&scene, "queue_length", &params);
    let mut told = Vec::new();
    for (at, tracks) in frames {
        let view =
            FrameView { at: *at, capture: oracle::capture(*at), tracks, scene: &scene, signals: &[], glance: None };
        told.extend(rules.observe(&view).into_iter().map(|(_, draft)| measured(&draft, "queue_metres")));
    }
    let truth = oracle.truth["queue_m_per_second"].as_array().unwrap();
    // A record of an interval says how long the queue is at its end.
    told.into_iter().zip(truth.iter().skip(1).map(|metres| metres.as_f64().unwrap())).collect()
}

#[test]
fn the_growing_queue_is_measured() {
    let oracle = Oracle::load("congestion");
    for (what, frames) in
        [("perfect", oracle.frames().collect()), ("shaking", oracle.tracked(0.03).collect::<Vec<_>>())]
    {
        let both = against_truth(&oracle, &frames);
        // While the first ones roll up to the line the truth counts them already, at up to 1.4 m/s.
        let errors: Vec<f64> = both.iter().skip(13).map(|(rule, truth)| rule - truth).collect();
        let bias = errors.iter().sum::<f64>() / errors.len() as f64;
        let error = errors.iter().map(|e| (e - bias).abs()).sum::<f64>() / errors.len() as f64;
        eprintln!("{what}: bias {bias:.1} m, mean error about it {error:.1} m: {both:?}");
        assert!(both.len() > 50 && bias.abs() < 2.0 && error < 3.0, "{what}: {bias} {error}");
    }
}

#[test]
fn nobody_queues_on_an_empty_road() {
    let params = json!({ "lane": "westbound", "stop_line": "east-in", "threshold": 5.0 });
    let drafts = Oracle::load("empty-road").play("queue_length", &params);
    assert!(!drafts.is_empty());
    assert!(drafts.iter().all(|draft| draft.kind == "queue_state" && measured(draft, "max_metres") == 0.0));
}
