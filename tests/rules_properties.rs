//! What holds for every rule and any footage, on random worlds.

#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rules_support::*;
use serde_json::{Value, json};
use vantage::base::{MediaTime, TrackId};
use vantage::rule::{Draft, FrameView, RuleSet, Scene, SceneNames, TABLE, find};
use vantage::scene::{Ground, Labels, NormPoint, Phase, Track};

/// Records that come by the clock, whatever happens.
const COUNTS: [&str; 6] =
    ["line_count", "speed_count", "turning_count", "traffic_state", "queue_state", "motorbike_flow"];

/// The scene of all rule tests, with 0.1 picture heights being 5 m everywhere.
fn scene() -> Scene {
    let matrix = [[100.0, 0.0, 0.0], [0.0, -50.0, 0.0], [0.0, 0.0, 1.0]];
    let ground = Ground::from_matrix(matrix, 0.1, NormPoint::new(0.5, 1.0)).unwrap();
    Scene { ground: Some(ground), ..rules_support::scene() }
}

/// Rules that look at glances and follow no track; they have tests of their own.
const BY_SIGHT: [&str; 2] = ["abandoned_object", "camera_unfit"];

/// One rule of each other kind, quick to fire.
fn all_rules() -> RuleSet {
    let params: [(&str, Value); 15] = [
        ("line_crossing", json!({ "line": "gate", "interval": "7s" })),
        (
            "zone_dwell",
            json!({ "zone": "box", "dwell": "2s", "update_every": "3s", "report": ["entered", "dwelt", "left"] }),
        ),
        ("stopped_vehicle", json!({ "lane": "east", "stopped_for": "3s", "update_every": "4s" })),
        ("wrong_way", json!({ "lane": "east" })),
        ("speeding", json!({ "lane": "east", "limit_kmh": 5.0, "window": "1s", "held_for": "0s", "interval": "7s" })),
        (
            "turning_movement",
            json!({ "entries": ["gate"], "exits": ["gate:backward"], "report": ["movement", "count"], "interval": "7s" }),
        ),
        ("illegal_parking", json!({ "zone": "box", "parked_for": "2s", "update_every": "3s", "found_again": "3s" })),
        (
            "congestion",
            json!({ "lane": "east", "slow_below": 60.0, "sustained": "2s", "vehicles_min": 1, "update_every": "2s" }),
        ),
        (
            "queue_length",
            json!({ "lane": "east", "stop_line": "gate", "queue_speed": 30.0, "max_gap": 100.0, "threshold": 1.0,
                    "sustained": "0s", "update_every": "2s" }),
        ),
        ("pedestrian_on_road", json!({ "lanes": ["east"], "classes": ["car"] })),
        ("crowd", json!({ "zone": "box", "people": 2, "crowded_for": "1s", "clear_after": "1s", "classes": ["car"] })),
        ("near_miss", json!({ "braking": 1.0, "ttc": "3s" })),
        (
            "collision",
            json!({ "jolt": 1.0, "braking_limit": 5.0, "impact_speed": 0.5, "stop_within": "10s", "confirm_after": "2s" }),
        ),
        ("red_light", json!({ "line": "gate", "signal": "main" })),
        (
            "motorbike_flow",
            json!({
                "lane": "east", "line": "gate", "pavements": ["box"], "interval": "7s",
                "counter_riders": 1, "counter_window": "5s",
            }),
        ),
    ];
    assert_eq!(params.len() + BY_SIGHT.len(), TABLE.len(), "a rule is missing here");
    let names = SceneNames::from(&scene());
    let build = |(kind, params): (&str, Value)| {
        let compiled = (find(kind).unwrap().compile)(&params, &names).unwrap_or_else(|e| panic!("{e:?}"));
        (Arc::<str>::from(kind), compiled.rule)
    };
    RuleSet::new(params.into_iter().map(build).collect())
}

/// Corners in straight lines or standing still, seconds after each other.
fn route() -> impl Strategy<Value = Vec<(f64, f32, f32)>> {
    let corner = (0.2..6.0f64, 0.0..1.0f32, 0.3..0.9f32, any::<bool>());
    (0.0..5.0f64, prop::collection::vec(corner, 2..7)).prop_map(|(start, corners)| {
        let mut t = start;
        let mut last: Option<(f32, f32)> = None;
        corners
            .into_iter()
            .map(|(step, x, y, stays)| {
                let (x, y) = last.filter(|_| stays).unwrap_or((x, y));
                last = Some((x, y));
                t += step;
                (t, x, y)
            })
            .collect()
    })
}

/// Frames of up to six objects, with a quarter of the sights being predictions.
fn world() -> impl Strategy<Value = Vec<Step>> {
    (prop::collection::vec(route(), 0..6), 4u32..16, any::<u64>()).prop_map(|(routes, fps, seed)| {
        let mut random = seed | 1;
        let objects: Vec<_> = routes
            .iter()
            .enumerate()
            .map(|(n, route)| {
                // On one grid of frames for all objects.
                let first = (route[0].0 * f64::from(fps)).ceil() / f64::from(fps);
                let mut route = route.clone();
                route[0].0 = first;
                let mut object = drive(n as u64 + 1, &route, f64::from(fps));
                for (_, track) in &mut object {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    track.observed = random >> 62 != 0;
                    track.first_seen = MediaTime::from_seconds(first);
                    track.class = if n % 2 == 0 { CAR } else { BIKE };
                }
                object
            })
            .collect();
        frames(&objects)
    })
}

fn last_time(steps: &[Step]) -> f64 {
    match steps.last() {
        Some(Step::Frame(t, _)) => *t,
        _ => 0.0,
    }
}

fn with_end(mut steps: Vec<Step>) -> Vec<Step> {
    steps.push(Step::End(last_time(&steps)));
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_happening_starts_goes_on_and_ends_once(steps in world()) {
        let drafts = play_at(0, &mut all_rules(), &scene(), &with_end(steps));
        let mut open = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut at = BTreeMap::new();
        for draft in &drafts {
            let key = (draft.kind, draft.track, draft.ordinal);
            match draft.phase {
                Phase::Instant => prop_assert!(seen.insert(key), "twice: {:?}", draft),
                Phase::Start => prop_assert!(seen.insert(key) && open.insert(key), "again: {:?}", draft),
                Phase::Update => prop_assert!(open.contains(&key), "not open: {:?}", draft),
                Phase::End => prop_assert!(open.remove(&key), "not open: {:?}", draft),
            }
            let before = at.insert(key, draft.at);
            prop_assert!(before.is_none_or(|before| before <= draft.at));
            prop_assert!(!draft.summary.is_empty() && !draft.thresholds.is_empty() && !draft.measured.is_empty());
            prop_assert!(draft.measured.values().chain(draft.thresholds.values()).all(|value| !value.is_null()));
        }
        prop_assert!(open.is_empty(), "left open: {:?}", open);
    }

    #[test]
    fn a_time_shift_changes_only_times(steps in world(), shift in 0i64..1_000_000_000_000_000) {
        let steps = with_end(steps);
        let here = play_at(0, &mut all_rules(), &scene(), &steps);
        let mut there = play_at(shift, &mut all_rules(), &scene(), &steps);
        there.iter_mut().for_each(|draft| draft.at.0 -= shift);
        prop_assert_eq!(here, there);
    }

    #[test]
    fn the_order_of_tracks_in_a_frame_does_not_matter(steps in world(), turn in 0usize..6) {
        let mut turned = steps.clone();
        for step in &mut turned {
            if let Step::Frame(_, tracks) = step {
                let by = turn % tracks.len().max(1);
                tracks.rotate_left(by);
                tracks.reverse();
            }
        }
        let scene = scene();
        prop_assert_eq!(play_at(0, &mut all_rules(), &scene, &steps), play_at(0, &mut all_rules(), &scene, &turned));
    }

    #[test]
    fn after_a_gap_rules_know_nothing_of_before(before in world(), after in world(), gap in 0.1..100.0f64) {
        let resume = last_time(&before) + gap;
        let later = |step: &Step| match step {
            Step::Frame(t, tracks) => {
                let mut tracks = tracks.clone();
                for track in &mut tracks {
                    track.id.0 += 100;
                    track.first_seen = track.first_seen + std::time::Duration::from_secs_f64(resume);
                }
                Step::Frame(t + resume, tracks)
            }
            other => other.clone(),
        };
        let after: Vec<Step> = with_end(after.iter().map(later).collect());
        let mut whole = before.clone();
        whole.push(Step::Gap(last_time(&before), resume));
        let mut rules = all_rules();
        let drafts = play_at(0, &mut rules, &scene(), &whole);
        prop_assert_eq!(rules.held(), 0);
        let ends = drafts.iter().filter(|d| d.measured.get("end_reason") == Some(&json!("gap"))).count();
        let phases = |phase: Phase| drafts.iter().filter(|draft| draft.phase == phase).count();
        prop_assert!(ends <= phases(Phase::Start));
        prop_assert_eq!(phases(Phase::Start), phases(Phase::End));

        let tracks_only = |drafts: Vec<Draft>| drafts.into_iter().filter(|d| d.track.is_some()).collect::<Vec<_>>();
        let resumed = tracks_only(play_at(0, &mut rules, &scene(), &after));
        let fresh = tracks_only(play_at(0, &mut all_rules(), &scene(), &after));
        prop_assert_eq!(resumed, fresh);
    }

    #[test]
    fn counted_seconds_add_up_to_the_time_that_passed(steps in world(), gaps in prop::collection::vec(any::<bool>(), 200)) {
        let (Some(Step::Frame(first, _)), last) = (steps.first(), last_time(&steps)) else { return Ok(()) };
        let first = *first;
        let mut with_gaps: Vec<Step> = Vec::new();
        let mut frame_before = first;
        for (step, gap) in steps.into_iter().zip(gaps.into_iter().cycle()) {
            let Step::Frame(t, _) = step else { continue };
            if gap && t > frame_before {
                with_gaps.push(Step::Gap(frame_before, t));
            }
            frame_before = t;
            with_gaps.push(Step::Frame(t, Vec::new()));
        }
        with_gaps.push(Step::End(last));
        let drafts = play("line_crossing", &json!({ "line": "gate", "interval": "3s" }), &with_gaps);
        let sum = |name: &str| drafts.iter().map(|draft| measured(draft, name)).sum::<f64>();
        let rounding = 0.001 * drafts.len() as f64;
        prop_assert!((sum("interval_seconds") - (last - first)).abs() <= rounding);
        prop_assert!(sum("observed_seconds") <= last - first + rounding);
        prop_assert!(drafts.iter().all(|d| measured(d, "observed_seconds") <= measured(d, "interval_seconds")));
        let unique: BTreeSet<u32> = drafts.iter().map(|draft| draft.ordinal).collect();
        prop_assert_eq!(unique.len(), drafts.len());
    }

    #[test]
    fn an_empty_road_gives_only_empty_counts(steps in 1u32..400) {
        let steps = (0..steps).map(|n| Step::Frame(f64::from(n) / 7.0, Vec::new())).collect();
        let mut rules = all_rules();
        for draft in play_at(0, &mut rules, &scene(), &with_end(steps)) {
            prop_assert!(COUNTS.contains(&draft.kind), "{:?}", draft);
            match draft.kind {
                "line_count" => prop_assert_eq!(&draft.measured["counts"], &json!({ "forward": {}, "backward": {} })),
                "speed_count" => prop_assert_eq!(&draft.measured["speeds"], &json!({})),
                "turning_count" | "motorbike_flow" => prop_assert_eq!(&draft.measured["counts"], &json!({})),
                "traffic_state" => prop_assert_eq!(&draft.measured["vehicles_mean"], &json!(0.0)),
                _ => prop_assert_eq!(&draft.measured["queue_vehicles"], &json!(0)),
            }
        }
        prop_assert_eq!(rules.held(), 0);
    }

    #[test]
    fn an_empty_scene_fires_nothing(steps in world()) {
        let nothing_drawn = Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground: None,
            labels: Labels::new(["person", "car"]),
            aspect: 2.0,
        };
        let drafts = play_at(0, &mut all_rules(), &nothing_drawn, &with_end(steps));
        // Two that meet need no drawing.
        let undrawn = |kind: &str| COUNTS.contains(&kind) || kind == "near_miss" || kind == "collision";
        prop_assert!(drafts.iter().all(|draft| undrawn(draft.kind)), "{:?}", drafts);
    }

    #[test]
    fn jitter_on_the_line_never_counts(wander in prop::collection::vec(-1.0..1.0f32, 2..300), along in 0.2..0.8f32) {
        // Half the hysteresis of 0.01 picture heights to either side; the picture is 2 heights wide.
        let object: Vec<(f64, Track)> = wander
            .iter()
            .enumerate()
            .map(|(n, share)| (n as f64 / 25.0, track(1, CAR, 0.5 + share * 0.0025, along)))
            .collect();
        let drafts = play("line_crossing", &json!({ "line": "gate", "report": ["crossing"] }), &frames(&[object]));
        prop_assert!(drafts.is_empty(), "{:?}", drafts);
    }

    #[test]
    fn jitter_on_the_line_counts_a_passage_once(wander in prop::collection::vec(-1.0..1.0f32, 0..300)) {
        let at = |n: usize, x: f32| (n as f64 / 25.0, track(1, CAR, x, 0.5));
        let mut object = vec![at(0, 0.4)];
        object.extend(wander.iter().enumerate().map(|(n, share)| at(n + 1, 0.5 + share * 0.0049)));
        object.push(at(wander.len() + 1, 0.6));
        let drafts = play("line_crossing", &json!({ "line": "gate", "report": ["crossing"] }), &frames(&[object]));
        prop_assert_eq!(story(&drafts), "forward");
    }

    #[test]
    fn half_the_frames_give_the_same_counts(
        ends in prop::collection::vec((0.05..0.4f32, 0.6..0.95f32, 0.2..0.8f32, 0.2..0.8f32, any::<bool>(), 2.0..6.0f64), 1..8),
    ) {
        // Straight rides whose ends are clear of the line by more than two frames' way.
        let rides: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(n, (left, right, y0, y1, back, seconds))| {
                let (from, to) = if *back { (right, left) } else { (left, right) };
                drive(n as u64 + 1, &[(0.0, *from, *y0), (*seconds, *to, *y1)], 20.0)
            })
            .collect();
        let all = frames(&rides);
        let half: Vec<Step> = all.iter().step_by(2).cloned().collect();
        let sides = |steps: &[Step]| {
            let drafts = play("line_crossing", &json!({ "line": "gate", "report": ["crossing"] }), steps);
            drafts.iter().map(|d| (d.track, d.ordinal)).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(sides(&all).len(), rides.len());
        prop_assert_eq!(sides(&all), sides(&half));
    }

    #[test]
    fn half_the_frames_change_a_dwell_by_one_interval(seconds in 10.0..40.0f64, fps in 5u32..30, odd in 0usize..2) {
        let ride = drive(1, &[(0.0, 0.05, 0.5), (seconds, 0.95, 0.5), (seconds + 3.0, 0.95, 0.5)], f64::from(fps));
        let all = frames(&[ride]);
        let half: Vec<Step> = all.iter().skip(odd).step_by(2).cloned().collect();
        let dwell = |steps: &[Step]| {
            let drafts = play("zone_dwell", &json!({ "zone": "box", "dwell": "2s" }), steps);
            measured(drafts.last().unwrap(), "dwell_seconds")
        };
        let (whole, halved) = (dwell(&all), dwell(&half));
        prop_assert!((whole - halved).abs() <= 1.0 / f64::from(fps) + 0.002, "{} {}", whole, halved);
    }

    #[test]
    fn a_standing_vehicle_never_goes_the_wrong_way(
        shakes in prop::collection::vec((-1.0..1.0f32, -1.0..1.0f32), 50..400), share in 0.0..0.2f32,
    ) {
        let object: Vec<(f64, Track)> = shakes
            .iter()
            .enumerate()
            .map(|(n, (dx, dy))| (n as f64 / 15.0, track(1, CAR, 0.5 + dx * share * 0.05, 0.6 + dy * share * 0.1)))
            .collect();
        prop_assert_eq!(story(&play("wrong_way", &json!({ "lane": "east" }), &frames(&[object]))), "");
    }
}

#[test]
fn state_is_bounded_even_when_the_tracker_never_ends_a_track() {
    let scene = scene();
    let mut rules = all_rules();
    let mut started = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for n in 0..4000u64 {
        // Each stays for a while, so that some dwell; new ones come all the time.
        let tracks: Vec<Track> = (n.saturating_sub(40)..=n).map(|id| track(id + 1, CAR, 0.5, 0.6)).collect();
        for (rule, draft) in rules.observe(&FrameView {
            at: MediaTime::from_seconds(n as f64 / 10.0),
            capture: capture(MediaTime(0)),
            tracks: &tracks,
            scene: &scene,
            signals: &[],
            glance: None,
        }) {
            match draft.phase {
                Phase::Start => assert!(started.insert((rule, draft.track, draft.ordinal))),
                Phase::End => assert!(ended.insert((rule, draft.track, draft.ordinal))),
                _ => {}
            }
        }
        assert!(rules.held() <= (TABLE.len() - BY_SIGHT.len()) * 1024);
    }
    assert_eq!(rules.held(), (TABLE.len() - BY_SIGHT.len()) * 1024);
    assert!(started.len() > 3000 && ended.len() > started.len() / 2, "{} {}", started.len(), ended.len());
    for id in 1..=4000 {
        rules.forget(TrackId(id), MediaTime::from_seconds(500.0));
    }
    // Those that stood, or were lost, are waited for: a few of them and for a while.
    assert!(rules.held() <= 128, "{}", rules.held());
    let later = MediaTime::from_seconds(600.0);
    rules.observe(&FrameView {
        at: later,
        capture: capture(later),
        tracks: &[],
        scene: &scene,
        signals: &[],
        glance: None,
    });
    assert_eq!(rules.held(), 0);
}

/// The properties above would hold for rules that never fire, so the worlds must make them fire.
#[test]
fn random_worlds_make_every_rule_fire() {
    let mut runner = TestRunner::deterministic();
    let mut fired: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..600 {
        let steps = world().new_tree(&mut runner).unwrap().current();
        for draft in play_at(0, &mut all_rules(), &scene(), &with_end(steps)) {
            *fired.entry(draft.kind).or_default() += u32::from(matches!(draft.phase, Phase::Instant | Phase::Start));
        }
    }
    for kind in TABLE.iter().filter(|kind| !BY_SIGHT.contains(&kind.name)) {
        // Few in a random world hit each other and stay.
        let least = if kind.name == "collision" { 10 } else { 50 };
        assert!(fired.get(kind.name).is_some_and(|times| *times >= least), "{fired:?}");
    }
}
