//! Schedules, maintenance, budgets and unfit views, as every rule gets them without knowing of them.
#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use std::collections::BTreeSet;
use std::sync::Arc;

use rules_support::{CAR, scene, track};
use serde_json::{Value, json};
use vantage::base::{CaptureTime, MediaTime, TimeSource, Timestamp};
use vantage::rule::{CameraConditions, Conditions, Draft, FrameView, Preset, Rest, Rule, RuleSet, SceneNames, find};
use vantage::scene::glance::GridSize;
use vantage::scene::schedule::{Day, Maintenance, Occasion, Schedule, Window, time_zone};
use vantage::scene::{Glance, Phase, Track};

/// Monday, 2026-01-05 00:00 UTC.
const MONDAY: &str = "2026-01-05T00:00:00Z";

fn compiled(kind: &str, params: &Value) -> Box<dyn Rule> {
    let compiled = (find(kind).unwrap().compile)(params, &SceneNames::from(&scene()));
    compiled.unwrap_or_else(|errors| panic!("{kind}: {errors:?}")).rule
}

fn dwell() -> Box<dyn Rule> {
    compiled("zone_dwell", &json!({"zone": "box", "dwell": "2s", "update_every": "1h"}))
}

fn hours(from: &str, to: &str) -> Schedule {
    let window = Window::new(Day::ALL.to_vec(), from.parse().unwrap(), to.parse().unwrap()).unwrap();
    Schedule::new(time_zone("UTC").unwrap(), vec![window]).unwrap()
}

/// The capture time of a second after [`MONDAY`].
fn filmed(t: f64, source: TimeSource) -> CaptureTime {
    let monday: Timestamp = MONDAY.parse().unwrap();
    CaptureTime { utc: Timestamp(monday.0 + MediaTime::from_seconds(t).0), source, error_ns: None }
}

/// A picture of the grid's size: a scene with marks, or darkness.
fn glance(dark: bool, n: u64) -> Glance {
    view(if dark { 0 } else { 31 }, n)
}

/// Another number is another view; 0 is darkness.
fn view(view: usize, n: u64) -> Glance {
    let dark = view == 0;
    let fine = GridSize { width: 320, height: 180 };
    let coarse = fine.halved();
    let mark = |i: usize| {
        let mixed = (i % 320 / 7 * 73_856_093) ^ (i / 320 / 5 * 19_349_663) ^ (view * 83_492_791);
        ((mixed as u32).wrapping_mul(2_654_435_761) >> 24) as u8 / 2
    };
    Glance {
        fine,
        luma: (0..fine.cells()).map(|i| if dark { 3 } else { 40 + mark(i) }).collect(),
        coarse,
        u: vec![120; coarse.cells()],
        v: vec![132; coarse.cells()],
        spread: vec![if dark { 1 } else { 30 }; coarse.cells()],
        fingerprint: n,
    }
}

struct Player {
    rules: RuleSet,
    source: TimeSource,
    told: Vec<(String, Draft)>,
}

impl Player {
    fn new(rules: Vec<(Arc<str>, Box<dyn Rule>, Conditions)>, camera: CameraConditions) -> Self {
        Self { rules: RuleSet::with_conditions(rules, camera), source: TimeSource::SenderReport, told: Vec::new() }
    }

    fn frame(&mut self, t: f64, tracks: &[Track], glance: Option<&Glance>) {
        let scene = scene();
        let at = MediaTime::from_seconds(t);
        let frame = FrameView { at, capture: filmed(t, self.source), tracks, scene: &scene, glance, signals: &[] };
        self.told.extend(self.rules.observe(&frame).into_iter().map(|(id, draft)| (id.to_string(), draft)));
    }

    fn of(&self, id: &str, phase: Phase) -> Vec<&Draft> {
        self.told.iter().filter(|(rule, draft)| rule == id && draft.phase == phase).map(|(_, draft)| draft).collect()
    }
}

fn one(rule: Box<dyn Rule>, conditions: Conditions) -> Vec<(Arc<str>, Box<dyn Rule>, Conditions)> {
    vec![(Arc::from("r"), rule, conditions)]
}

/// A car that stands in the zone.
fn standing(id: u64) -> Track {
    track(id, CAR, 0.5, 0.6)
}

#[test]
fn a_rule_rests_outside_its_schedule_and_starts_afresh_within_it() {
    let conditions = Conditions { schedule: Some(hours("00:01", "00:02")), budget: None, preset: None };
    let mut player = Player::new(one(dwell(), conditions), CameraConditions::default());
    for second in 0..180 {
        player.frame(f64::from(second), &[standing(1)], None);
    }
    let (starts, ends) = (player.of("r", Phase::Start), player.of("r", Phase::End));
    // It had stood there for a minute before; what counts is what the rule saw.
    assert_eq!(starts.iter().map(|d| d.at).collect::<Vec<_>>(), [MediaTime::from_seconds(62.0)]);
    assert_eq!(ends.iter().map(|d| d.at).collect::<Vec<_>>(), [MediaTime::from_seconds(119.0)]);
    assert_eq!(ends[0].measured["end_reason"], "schedule");
    let states: Vec<_> = player.rules.states().map(|(id, why, _)| (id.to_string(), why)).collect();
    assert_eq!(states, [("r".to_owned(), Some("schedule"))]);
}

#[test]
fn one_track_through_two_windows_makes_two_happenings() {
    let window = |from: &str, to: &str| Window::new(Day::ALL.to_vec(), from.parse().unwrap(), to.parse().unwrap());
    let windows = vec![window("00:00", "00:01").unwrap(), window("00:02", "00:03").unwrap()];
    let schedule = Schedule::new(time_zone("UTC").unwrap(), windows).unwrap();
    let conditions = Conditions { schedule: Some(schedule), budget: None, preset: None };
    let mut player = Player::new(one(dwell(), conditions), CameraConditions::default());
    for second in 0..180 {
        player.frame(f64::from(second), &[standing(1)], None);
    }
    let ordinals: BTreeSet<u32> = player.of("r", Phase::Start).iter().map(|d| d.ordinal).collect();
    assert_eq!(ordinals.len(), 2, "the store would take the second for the first again");
    let (starts, ends) = (player.of("r", Phase::Start), player.of("r", Phase::End));
    assert_eq!(starts[0].ordinal, ends[0].ordinal);
}

#[test]
fn without_a_clock_a_scheduled_rule_works_and_says_so() {
    let conditions = Conditions { schedule: Some(hours("12:00", "13:00")), budget: None, preset: None };
    let mut player = Player::new(one(dwell(), conditions), CameraConditions::default());
    player.source = TimeSource::Epoch;
    for second in 0..10 {
        player.frame(f64::from(second), &[standing(1)], None);
    }
    let starts = player.of("r", Phase::Start);
    assert_eq!(starts.len(), 1);
    assert!(starts[0].measured["schedule"].as_str().unwrap().contains("unknown"));
}

#[test]
fn maintenance_rests_every_rule_and_is_recorded() {
    let monday: Timestamp = MONDAY.parse().unwrap();
    let from = Timestamp(monday.0 + 20_000_000_000);
    let when = Occasion::Once(from, Timestamp(from.0 + 10_000_000_000));
    let maintenance = vec![Maintenance { when, reason: Some("lens".to_owned()) }];
    let mut rules = one(dwell(), Conditions::default());
    let unfit = compiled("camera_unfit", &json!({"learn_for": "1s", "black_after": "1s"}));
    rules.insert(0, (Arc::from("unfit"), unfit, Conditions::default()));
    let mut player = Player::new(rules, CameraConditions { maintenance, ..CameraConditions::default() });
    for n in 0..200u32 {
        let t = f64::from(n) / 5.0;
        // Somebody covers the lens while working at it.
        let covered = (22.0..28.0).contains(&t);
        player.frame(t, &[standing(1)], Some(&glance(covered, n.into())));
    }
    assert!(player.of("unfit", Phase::Start).is_empty(), "nobody is called for a lens that is being cleaned");
    let ends = player.of("r", Phase::End);
    assert_eq!((ends.len(), &ends[0].measured["end_reason"]), (1, &json!("maintenance")));
    let told: Vec<_> = player.told.iter().filter(|(_, d)| d.kind == "maintenance").collect();
    assert_eq!((told[0].1.phase, told[1].1.phase, told.len()), (Phase::Start, Phase::End, 2));
    assert_eq!(told[0].1.ordinal, told[1].1.ordinal);
    assert_eq!((&told[1].1.measured["lasted_seconds"], &told[1].1.measured["reason"]), (&json!(10.0), &json!("lens")));
    // It stands there still, which is a new happening.
    assert_eq!(player.of("r", Phase::Start).len(), 2);
}

#[test]
fn an_unfit_view_rests_the_others_and_counts_say_so() {
    let line = compiled("line_crossing", &json!({"line": "gate", "interval": "60s"}));
    let rules = vec![
        // The order in the file does not matter: who judges the view goes first.
        (Arc::from("count"), line, Conditions::default()),
        (Arc::from("r"), dwell(), Conditions::default()),
        (
            Arc::from("unfit"),
            compiled("camera_unfit", &json!({"learn_for": "1s", "black_after": "1s", "clear_after": "1s"})),
            Conditions::default(),
        ),
    ];
    let mut player = Player::new(rules, CameraConditions::default());
    for n in 0..301u32 {
        let t = f64::from(n) / 5.0;
        let dark = (20.0..40.0).contains(&t);
        player.frame(t, &[standing(1)], Some(&glance(dark, n.into())));
        assert_eq!(player.rules.blind().is_some(), (21.0..40.8).contains(&(t + 1e-6)), "at {t}");
    }
    let ends = player.of("r", Phase::End);
    assert_eq!(ends[0].measured["end_reason"], "black");
    let counts: Vec<&Draft> = player.told.iter().filter(|(_, d)| d.kind == "line_count").map(|(_, d)| d).collect();
    let sum = |name: &str| counts.iter().map(|d| d.measured[name].as_f64().unwrap()).sum::<f64>();
    assert!((sum("interval_seconds") - 60.0).abs() < 1e-6, "no time is left out: {}", sum("interval_seconds"));
    let unseen = sum("interval_seconds") - sum("observed_seconds");
    assert!((unseen - 20.2).abs() < 0.3, "{unseen} s were not observed");
}

#[test]
fn a_cameras_budget_holds_alarms_back_and_reports_them() {
    let rules = vec![
        (Arc::from("r"), dwell(), Conditions::default()),
        (Arc::from("own"), dwell(), Conditions { schedule: None, budget: Some(1), preset: None }),
    ];
    let camera = CameraConditions { budget: Some(3), ..CameraConditions::default() };
    let mut player = Player::new(rules, camera);
    for n in 0..7200u32 {
        // Every ten seconds of the first minute another car comes to stand for three seconds.
        let t = f64::from(n);
        let cars = if n < 60 && n % 10 < 4 { vec![standing(u64::from(n / 10 + 1))] } else { Vec::new() };
        player.frame(t, &cars, None);
        if n % 10 == 5 {
            let gone = player.rules.forget(vantage::base::TrackId(u64::from(n / 10 + 1)), MediaTime::from_seconds(t));
            player.told.extend(gone.into_iter().map(|(id, draft)| (id.to_string(), draft)));
        }
    }
    // Six cars: `own` lets one through, and with it the camera lets three through in all.
    let starts = player.of("r", Phase::Start).len() + player.of("own", Phase::Start).len();
    let ends = player.of("r", Phase::End).len() + player.of("own", Phase::End).len();
    assert_eq!((starts, ends), (3, 3), "what starts ends, and what was held back does neither");
    let held = |id: &str| {
        let told = player.of(id, Phase::Instant);
        told.iter()
            .filter(|d| d.kind == "alarms_held_back")
            .map(|d| d.measured["held_back"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((held("own"), held("camera.conditions")), (5, 4));
    assert_eq!(player.rules.held_back(), 4);
}

#[test]
fn rules_of_a_preset_work_only_while_the_camera_stands_there() {
    let at = |preset: &str| Conditions { preset: Some(preset.to_owned()), ..Conditions::default() };
    let rules: Vec<(Arc<str>, Box<dyn Rule>, Conditions)> =
        vec![(Arc::from("north"), dwell(), at("n")), (Arc::from("south"), dwell(), at("s"))];
    let presets = [("n", 31), ("s", 57)].map(|(id, number)| Preset { id: id.to_owned(), view: view(number, 0) });
    let camera = CameraConditions { presets: presets.to_vec(), ..CameraConditions::default() };
    let mut player = Player::new(rules, camera);
    for n in 0..300u32 {
        let t = f64::from(n) / 5.0;
        // North for 20 s, on the way for 10, south for 20, and off to where nobody drew anything.
        let shown = match n / 50 {
            0 | 1 => 31,
            2 => 90 + n as usize,
            3 | 4 => 57,
            _ => 203,
        };
        player.frame(t, &[standing(1)], Some(&view(shown, n.into())));
        let expected = [(1.0, 20.6, 0), (31.0, 50.6, 1)].iter().any(|(from, to, _)| (*from..*to).contains(&(t + 1e-6)));
        assert_eq!(player.rules.blind(), (!expected).then_some("preset"), "at {t}");
    }
    let story = |id: &str| {
        let times = |phase| player.of(id, phase).iter().map(|d| d.at.0 / 1_000_000).collect::<Vec<_>>();
        (times(Phase::Start), times(Phase::End))
    };
    assert_eq!(story("north"), (vec![3_000], vec![20_400]));
    assert_eq!(story("south"), (vec![33_000], vec![50_400]));
    assert!(player.of("north", Phase::End).iter().all(|end| end.measured["end_reason"] == "preset"));
    let told =
        player.told.iter().filter(|(_, d)| d.kind == "preset").map(|(_, d)| (d.phase, d.measured["preset"].clone()));
    let expected = [(Phase::Start, "n"), (Phase::End, "n"), (Phase::Start, "s"), (Phase::End, "s")];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(phase, id)| (phase, json!(id))));
}

/// Why the rule rests after the last frame, at `t`, and until when: seconds after [`MONDAY`].
fn rests(player: &Player, id: &str, t: f64) -> Vec<(String, Option<f64>)> {
    let monday: Timestamp = MONDAY.parse().unwrap();
    let seconds = |until: Timestamp| (until.0 - monday.0) as f64 / 1e9;
    let all = player.rules.rests(MediaTime::from_seconds(t), &filmed(t, player.source));
    let rests: &Vec<Rest> = &all.iter().find(|(rule, _)| &**rule == id).unwrap().1;
    rests.iter().map(|rest| (rest.why.to_string(), rest.until.map(seconds))).collect()
}

fn rest(why: &str, until: Option<f64>) -> (String, Option<f64>) {
    (why.to_owned(), until)
}

#[test]
fn every_rule_says_why_it_rests_and_until_when() {
    let monday: Timestamp = MONDAY.parse().unwrap();
    let minute = |n: i64| Timestamp(monday.0 + n * 60_000_000_000);
    let once = |from: i64, to: i64| Maintenance { when: Occasion::Once(minute(from), minute(to)), reason: None };
    let unfit = compiled("camera_unfit", &json!({"learn_for": "1s", "black_after": "1s", "clear_after": "1s"}));
    let cool = json!({"zone": "box", "dwell": "2s", "update_every": "1h", "cooldown": "30s"});
    let rules = vec![
        (Arc::from("unfit"), unfit, Conditions::default()),
        (Arc::from("hours"), dwell(), Conditions { schedule: Some(hours("00:03", "00:04")), ..Conditions::default() }),
        (Arc::from("cool"), compiled("zone_dwell", &cool), Conditions::default()),
        (Arc::from("few"), dwell(), Conditions { budget: Some(1), ..Conditions::default() }),
    ];
    let camera =
        CameraConditions { maintenance: vec![once(1, 2), once(2, 5)], budget: Some(2), ..CameraConditions::default() };
    let mut player = Player::new(rules, camera);
    let step = |player: &mut Player, from: u32, to: u32, dark: bool| {
        for n in from * 5..to * 5 {
            player.frame(f64::from(n) / 5.0, &[standing(1)], Some(&glance(dark, n.into())));
        }
    };
    step(&mut player, 0, 2, false);
    assert_eq!(rests(&player, "hours", 1.8), [rest("schedule", Some(180.0))]);
    assert_eq!(rests(&player, "cool", 1.8), [], "nothing has started yet");
    // Both start at 2 s: the one cools down, the other's budget and the camera's are used up.
    step(&mut player, 2, 10, false);
    let (own, all) = (rest("budget", Some(3602.0)), rest("camera_budget", Some(3602.0)));
    assert_eq!(rests(&player, "cool", 9.8), [rest("cooldown", Some(32.0)), all.clone()]);
    assert_eq!(rests(&player, "few", 9.8), [own.clone(), all.clone()]);
    assert_eq!(rests(&player, "unfit", 9.8), [], "it judges the view, and does not count to the camera's budget");
    // The lens is covered: nobody knows for how long.
    step(&mut player, 10, 50, true);
    assert_eq!(rests(&player, "cool", 49.8), [rest("black", None), all.clone()], "it has cooled down meanwhile");
    assert_eq!(rests(&player, "hours", 49.8)[..2], [rest("black", None), rest("schedule", Some(180.0))]);
    assert_eq!(rests(&player, "unfit", 49.8), []);
    // Two windows of maintenance, the one after the other, rest everybody.
    step(&mut player, 60, 70, false);
    assert_eq!(rests(&player, "unfit", 69.8), [rest("maintenance", Some(300.0))]);
    assert_eq!(rests(&player, "few", 69.8), [rest("maintenance", Some(300.0)), own, all]);
}

#[test]
fn a_rule_of_a_preset_says_which_it_waits_for() {
    let at = |preset: &str| Conditions { preset: Some(preset.to_owned()), ..Conditions::default() };
    let rules: Vec<(Arc<str>, Box<dyn Rule>, Conditions)> =
        vec![(Arc::from("north"), dwell(), at("n")), (Arc::from("south"), dwell(), at("s"))];
    let presets = [("n", 31), ("s", 57)].map(|(id, number)| Preset { id: id.to_owned(), view: view(number, 0) });
    let camera = CameraConditions { presets: presets.to_vec(), ..CameraConditions::default() };
    let mut player = Player::new(rules, camera);
    player.frame(0.0, &[standing(1)], Some(&view(31, 0)));
    assert_eq!(rests(&player, "north", 0.0).len(), 2, "it stands at none yet, so neither at this rule's");
    for n in 1..20u32 {
        player.frame(f64::from(n) / 5.0, &[standing(1)], Some(&view(31, n.into())));
    }
    assert_eq!(rests(&player, "north", 3.8), []);
    let all = player.rules.rests(MediaTime::from_seconds(3.8), &filmed(3.8, player.source));
    let south = &all.iter().find(|(id, _)| &**id == "south").unwrap().1;
    assert_eq!(south[..], [Rest { why: "preset".into(), about: Some("s".to_owned()), until: None }]);
}
