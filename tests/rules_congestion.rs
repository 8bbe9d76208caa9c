//! `congestion`: the truth table of `docs/rules/congestion.md`, and the clips' exact truth.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::{Draft, Scene, SceneNames, find};
use vantage::scene::{Ground, NormPoint, Phase, Track};

/// 0.1 of the picture's height are 5 m everywhere.
fn scene() -> Scene {
    let matrix = [[100.0, 0.0, 0.0], [0.0, -50.0, 0.0], [0.0, 0.0, 1.0]];
    Scene {
        ground: Some(Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 1.0)).unwrap()),
        ..rules_support::scene()
    }
}

fn params() -> Value {
    json!({ "lane": "east", "sustained": "10s", "vehicles_min": 3, "interval": "1h" })
}

/// So many cars abreast, all at speeds by (seconds, km/h) from then on, going round a loop of the lane.
fn convoy(cars: u8, speeds: &[(f64, f64)], until: f64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut metres = 0.0;
    for frame in 0..=(until * 5.0) as u32 {
        let t = f64::from(frame) / 5.0;
        metres += speeds.iter().rfind(|(from, _)| *from <= t).unwrap().1 / 3.6 / 5.0;
        let car = |n: u8| {
            // Each lap is another track: 50 m from x = 0.2 to 0.7.
            let (lap, at) = ((metres / 50.0).floor(), metres % 50.0);
            track(u64::from(n) + 1 + 100 * lap as u64, CAR, 0.2 + (at / 100.0) as f32, 0.45 + f32::from(n) * 0.05)
        };
        steps.push(Step::Frame(t, (0..cars).map(car).collect::<Vec<Track>>()));
    }
    steps
}

fn levels(drafts: &[Draft]) -> String {
    let told = drafts.iter().filter(|draft| draft.kind == "congestion");
    let word = |draft: &Draft| match draft.phase {
        Phase::End => format!("end({})", draft.measured["end_reason"].as_str().unwrap()),
        _ => draft.measured["level"].as_str().unwrap().to_owned(),
    };
    told.map(word).collect::<Vec<_>>().join(" ")
}

fn run_with(params: &Value, steps: &[Step]) -> Vec<Draft> {
    play_at(0, &mut rule_in(&scene(), "congestion", params), &scene(), steps)
}

fn run(cars: u8, speeds: &[(f64, f64)], until: f64) -> String {
    levels(&run_with(&params(), &convoy(cars, speeds, until)))
}

#[test]
fn truth_table() {
    assert_eq!(run(5, &[(0., 50.)], 60.0), "", "flows freely");
    assert_eq!(run(5, &[(0., 15.)], 40.0), "slow");
    assert_eq!(run(5, &[(0., 7.)], 40.0), "queuing");
    assert_eq!(run(5, &[(0., 0.)], 40.0), "stationary");
    assert_eq!(run(2, &[(0., 0.)], 60.0), "", "too few vehicles");
    assert_eq!(run(0, &[(0., 0.)], 60.0), "", "empty");
    assert_eq!(run(5, &[(0., 50.), (20., 0.), (24., 50.)], 60.0), "", "a moment's stop");
    assert_eq!(run(5, &[(0., 0.), (30., 50.)], 70.0), "stationary queuing slow end(cleared)");
    assert_eq!(run(5, &[(0., 15.), (30., 23.)], 90.0), "slow", "not fast enough to be over");
    assert_eq!(run(5, &[(0., 15.), (30., 30.)], 90.0), "slow end(cleared)");
}

#[test]
fn a_full_road_is_slow_whatever_its_speed() {
    let mut full = params();
    full["occupancy_above"] = json!(0.03);
    let steps = convoy(8, &[(0., 50.)], 40.0);
    assert_eq!(levels(&run_with(&params(), &steps)), "");
    assert_eq!(levels(&run_with(&full, &steps)), "slow");
}

#[test]
fn without_a_calibration_it_goes_by_box_heights() {
    // 100 km/h are 28 m, 0.56 picture heights, 5.6 box heights a second; 15 km/h are 0.83.
    let story = |speeds: &[(f64, f64)]| {
        let drafts = play("congestion", &params(), &convoy(5, speeds, 40.0));
        let first = drafts.iter().find(|draft| draft.kind == "congestion").cloned();
        (levels(&drafts), first)
    };
    assert_eq!(story(&[(0., 100.)]).0, "");
    let (levels, first) = story(&[(0., 15.)]);
    assert_eq!(levels, "queuing");
    let first = first.unwrap();
    assert!((measured(&first, "mean_speed_box_heights_per_second") - 0.833).abs() < 0.02, "{first:?}");
    assert_eq!(first.thresholds["queuing_below_box_heights_per_second"], json!(2.0));
}

#[test]
fn it_ends_at_a_gap_and_measures_every_interval() {
    let mut steps = convoy(5, &[(0., 0.)], 20.0);
    steps.extend([Step::Gap(20.0, 40.0), Step::Frame(40.0, vec![]), Step::Frame(40.5, vec![]), Step::End(40.5)]);
    let drafts = run_with(&params(), &steps);
    assert_eq!(levels(&drafts), "stationary end(gap)");
    let states: Vec<_> = drafts.iter().filter(|draft| draft.kind == "traffic_state").collect();
    let sum = |name| states.iter().map(|draft| measured(draft, name)).sum::<f64>();
    assert_eq!((sum("interval_seconds"), sum("observed_seconds")), (40.5, 20.5));
    assert!((measured(states[0], "vehicles_mean") - 5.0).abs() < 0.01);
    assert!(states[0].measured["level_seconds"]["stationary"].as_f64().unwrap() > 9.0);
    assert_eq!(measured(states[1], "vehicles_mean"), 0.0);
}

#[test]
fn mistakes_are_told() {
    let said = |params: Value| {
        let errors = (find("congestion").unwrap().compile)(&params, &SceneNames::from(&scene())).err();
        errors.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (wrong, part) in [
        (json!({}), "give `lane` or `zone`"),
        (json!({ "lane": "east", "slow_below": -1.0 }), "slow_below: -1 is out of range"),
        (json!({ "lane": "east", "queuing_below": 30.0 }), "queuing_below: 30 is not below `slow_below`"),
        (json!({ "lane": "east", "occupancy_above": 2.0 }), "occupancy_above: 2 is out of range"),
        (json!({ "lane": "east", "sustained": "1s" }), "too short"),
    ] {
        assert!(said(wrong.clone()).contains(part), "{wrong}: {}", said(wrong.clone()));
    }
}

fn clip_params() -> Value {
    json!({ "lane": "westbound", "sustained": "15s", "vehicles_min": 6, "slow_below": 10.0, "queuing_below": 6.0, "stationary_below": 2.0 })
}

#[test]
fn the_growing_queue_is_found_once() {
    let oracle = Oracle::load("congestion");
    let [(onset, _)] = oracle.onsets("congestion")[..] else { panic!() };
    let tracked = oracle.play_in(&oracle.scene(), "congestion", &clip_params(), oracle.tracked(0.03));
    for drafts in [oracle.play("congestion", &clip_params()), tracked] {
        let starts: Vec<f64> = drafts
            .iter()
            .filter(|draft| draft.kind == "congestion" && draft.phase == Phase::Start)
            .map(|draft| draft.at.0 as f64 / 1e9)
            .collect();
        eprintln!("{starts:?}, true from {onset}: {}", levels(&drafts));
        let [start] = starts[..] else { panic!("{starts:?}") };
        assert!((onset - 5.0..onset + 20.0).contains(&start), "{start}, true from {onset}");
    }
}

#[test]
fn nothing_is_congested_on_the_other_clips() {
    for (clip, lane) in [
        ("empty-road", "westbound"),
        ("stopped-lorry", "westbound"),
        ("wrong-way", "westbound"),
        ("pedestrian", "eastbound"),
    ] {
        let mut params = clip_params();
        params["lane"] = json!(lane);
        let drafts = Oracle::load(clip).play("congestion", &params);
        assert!(drafts.iter().all(|draft| draft.kind == "traffic_state"), "{clip}: {}", levels(&drafts));
    }
}
