//! `speeding`: the truth table of `docs/rules/speeding.md`, and speeds against the exact truth of the synthetic city.

#![allow(clippy::unwrap_used)] // a test may fail so

#[path = "support/oracle.rs"]
mod oracle;
mod rules_support;

use oracle::Oracle;
use rules_support::{Step, measured, play_at, rule_in, story, track};
use serde_json::{Value, json};
use vantage::base::MediaTime;
use vantage::rule::{Draft, Scene, SceneNames, find};
use vantage::scene::{ControlPoint, Ground, GroundPoint, NormBox, NormPoint, Phase, Polygon, Track};

/// All clips with vehicles on the move.
const CLIPS: [&str; 8] = [
    "stopped-lorry",
    "stopped-lorry-queue",
    "wrong-way",
    "pedestrian",
    "illegal-parking",
    "congestion",
    "junction",
    "near-miss",
];

/// A picture twice as wide as high: 0.1 of its height are 5 m everywhere, as seen from far above.
fn scene() -> Scene {
    let matrix = [[100.0, 0.0, 0.0], [0.0, -50.0, 0.0], [0.0, 0.0, 1.0]];
    Scene {
        ground: Some(Ground::from_matrix(matrix, 0.5, NormPoint::new(0.5, 1.0)).unwrap()),
        ..rules_support::scene()
    }
}

/// A car that goes to the right, by (seconds, km/h) from then on; it begins at x = 0.1.
fn ride(id: u64, speeds: &[(f64, f64)], until: f64, fps: f64) -> Vec<(f64, Track)> {
    let mut metres = 10.0;
    (0..=(until * fps) as u32)
        .map(|frame| {
            let t = f64::from(frame) / fps;
            let kmh = speeds.iter().rfind(|(from, _)| *from <= t).unwrap().1;
            metres += if frame > 0 { kmh / 3.6 / fps } else { 0.0 };
            (t, track(id, rules_support::CAR, (metres / 100.0) as f32, 0.6))
        })
        .collect()
}

fn play(params: &Value, steps: &[Step]) -> Vec<Draft> {
    play_at(0, &mut rule_in(&scene(), "speeding", params), &scene(), steps)
}

fn params() -> Value {
    json!({ "lane": "east", "limit_kmh": 50.0, "report": ["speeding"] })
}

fn run(speeds: &[(f64, f64)], until: f64) -> String {
    story(&play(&params(), &rules_support::frames(&[ride(1, speeds, until, 10.0)])))
}

#[test]
fn truth_table() {
    assert_eq!(run(&[(0., 40.)], 6.0), "");
    assert_eq!(run(&[(0., 50.)], 5.0), "", "at the limit");
    assert_eq!(run(&[(0., 50.5)], 5.0), "", "above it by less than can be measured");
    assert_eq!(run(&[(0., 70.)], 4.0), "start");
    assert_eq!(run(&[(0., 70.), (2.5, 30.)], 7.0), "start end(cleared)");
    assert_eq!(run(&[(0., 70.), (2.0, 20.), (6.0, 70.)], 8.0), "start end(cleared)", "reported once");
    assert_eq!(run(&[(0., 0.)], 60.0), "", "stands");
    assert_eq!(run(&[(0., 400.)], 0.8), "", "no vehicle is so fast");
    assert_eq!(run(&[(0., 90.)], 0.7), "", "too short to tell");
}

#[test]
fn whoever_is_seen_long_before_the_area_is_measured_within_it() {
    let zone = json!({ "zone": "box", "limit_kmh": 50.0, "report": ["speeding", "vehicle"] });
    let drafts = play(&zone, &rules_support::frames(&[ride(1, &[(0., 0.), (10., 70.)], 18.0, 10.0)]));
    let kinds: Vec<_> = drafts.iter().map(|draft| (draft.kind, draft.phase)).collect();
    let instant = ("vehicle_speed", Phase::Instant);
    assert_eq!(kinds, [("speeding", Phase::Start), ("speeding", Phase::End), instant], "{drafts:#?}");
}

/// A box that jumps to and fro by 5 m is fast from frame to frame, and not over a window.
#[test]
fn jumps_are_no_speed() {
    let object = (0..300).map(|n| {
        let x = if n / 4 % 2 == 0 { 0.5 } else { 0.55 };
        (f64::from(n) / 10.0, track(1, rules_support::CAR, x, 0.6))
    });
    assert_eq!(story(&play(&params(), &rules_support::frames(&[object.collect()]))), "");
}

#[test]
fn the_lower_bound_fires_and_is_told() {
    let steps = rules_support::frames(&[ride(1, &[(0., 70.)], 4.0, 25.0)]);
    let drafts = play(&params(), &steps);
    let start = &drafts[0];
    assert!((measured(start, "speed_kmh") - 70.0).abs() < 0.5, "{start:?}");
    assert!(measured(start, "speed_lower_kmh") > 50.0 && measured(start, "speed_lower_kmh") < 70.0);
    assert!(measured(start, "speed_upper_kmh") > 70.0);
    assert_eq!(start.thresholds["limit_kmh"], json!(50.0));
    // A worse calibration makes the same ride unprovable.
    let matrix = *scene().ground.unwrap().matrix();
    let rough = Ground::from_matrix(matrix, 20.0, NormPoint::new(0.5, 1.0)).unwrap();
    let rough = Scene { ground: Some(rough), ..scene() };
    assert_eq!(story(&play_at(0, &mut rule_in(&rough, "speeding", &params()), &rough, &steps)), "");
}

#[test]
fn classes_have_limits_of_their_own() {
    let steps = rules_support::frames(&[ride(1, &[(0., 45.)], 6.0, 10.0)]);
    assert_eq!(story(&play(&params(), &steps)), "");
    let own = json!({ "lane": "east", "limit_kmh": 50.0, "class_limits_kmh": { "car": 30.0 }, "report": ["speeding"] });
    assert_eq!(story(&play(&own, &steps)), "start");
}

#[test]
fn every_vehicle_counts_once_with_observed_seconds() {
    let all = json!({ "lane": "east", "limit_kmh": 50.0, "report": ["count", "vehicle"], "interval": "30s" });
    let mut rides: Vec<_> =
        [(1, 40.0), (2, 60.0)].iter().map(|(id, kmh)| ride(*id, &[(0., *kmh)], 4.0, 10.0)).collect();
    rides[1].iter_mut().for_each(|(_, track)| track.class = rules_support::BIKE);
    let mut steps = rules_support::frames(&rides);
    steps.extend([Step::Forget(1, 4.5), Step::Forget(2, 4.5), Step::End(4.5)]);
    let drafts = play(&all, &steps);
    let kinds: Vec<_> = drafts.iter().map(|draft| draft.kind).collect();
    assert_eq!(kinds, ["vehicle_speed", "vehicle_speed", "speed_count"]);
    let count = &drafts[2];
    assert_eq!(measured(count, "observed_seconds"), 4.0);
    let speeds = &count.measured["speeds"];
    assert_eq!((&speeds["car"]["vehicles"], &speeds["motorcycle"]["over_limit"]), (&json!(1), &json!(1)));
    assert!((speeds["motorcycle"]["p85_kmh"].as_f64().unwrap() - 60.0).abs() < 0.5, "{speeds}");
}

#[test]
fn mistakes_are_told() {
    let compile = |params: Value, names: &SceneNames| {
        let errors = (find("speeding").unwrap().compile)(&params, names).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let (calibrated, blind) = (SceneNames::from(&scene()), SceneNames::from(&rules_support::scene()));
    assert_eq!(compile(params(), &calibrated), "");
    assert!(compile(params(), &blind).contains("no calibration"), "{}", compile(params(), &blind));
    for (wrong, part) in [
        (json!({ "lane": "east" }), "limit_kmh: is missing"),
        (json!({ "lane": "east", "limit_kmh": -5.0 }), "out of range"),
        (json!({ "limit_kmh": 50.0 }), "give `lane` or `zone`"),
        (json!({ "lane": "east", "limit_kmh": 50.0, "class_limits_kmh": { "cat": 30.0 } }), "no class `cat`"),
        (json!({ "lane": "east", "limit_kmh": 50.0, "window": "100ms" }), "too short"),
    ] {
        let said = compile(wrong, &calibrated);
        assert!(said.contains(part), "{said}");
    }
}

/// Measured and true speed of each vehicle, metres a second, and whether the interval holds the truth.
struct Compared {
    clip: &'static str,
    what: String,
    measured: f64,
    truth: f64,
    held: bool,
}

/// Every vehicle's best speed against the truth over the same window, found by its box.
fn compare(clip: &'static str, tracks: impl Fn(&Oracle) -> Vec<(MediaTime, Vec<Track>)>) -> Vec<Compared> {
    let oracle = Oracle::load(clip);
    // All of the picture below the horizon.
    let top = (0..100)
        .map(|n| n as f32 / 100.0)
        .find(|y| [0.0, 1.0].iter().all(|x| oracle.ground().metres(NormPoint::new(*x, *y)).is_some()));
    let corners = [(0.0, top.unwrap()), (1.0, top.unwrap()), (1.0, 1.0), (0.0, 1.0)];
    let all = Polygon::new(corners.map(|(x, y)| NormPoint::new(x, y)).to_vec()).unwrap();
    let mut scene = oracle.scene();
    scene.zones.insert("all".to_owned(), all);
    let params = json!({ "zone": "all", "limit_kmh": 400.0, "report": ["vehicle"] });
    let tracks = tracks(&oracle);
    let drafts = oracle.play_in(&scene, "speeding", &params, tracks.iter().cloned());
    let truth: Vec<_> = oracle.seen().collect();
    drafts
        .iter()
        .filter_map(|draft| {
            let end = draft.at.0 - (measured(draft, "seconds_ago") * 1e9) as i64;
            let start = end - (measured(draft, "measured_seconds") * 1e9) as i64;
            // Who it was at that moment.
            let (_, row) = tracks.iter().find(|(at, _)| (at.0 - end).abs() < 50_000_000)?;
            let seen = row.iter().find(|track| Some(track.id) == draft.track)?.bbox;
            let (_, there) = truth.iter().find(|(at, _)| (at.0 - end).abs() < 50_000_000)?;
            let who = there.iter().max_by(|a, b| a.bbox.iou(&seen).total_cmp(&b.bbox.iou(&seen)))?;
            if who.bbox.iou(&seen) < 0.5 {
                return None;
            }
            let within = truth.iter().filter(|(at, _)| (start - 1_000_000..=end + 1_000_000).contains(&at.0));
            let speeds: Vec<f64> = within
                .filter_map(|(_, row)| row.iter().find(|seen| seen.id == who.id).map(|seen| seen.speed_mps))
                .collect();
            let mean = speeds.iter().sum::<f64>() / speeds.len() as f64;
            let kmh = |name: &str| measured(draft, name) / 3.6;
            Some(Compared {
                clip,
                what: draft.summary.clone(),
                measured: kmh("speed_kmh"),
                truth: mean,
                held: (kmh("speed_lower_kmh")..=kmh("speed_upper_kmh")).contains(&mean),
            })
        })
        .collect()
}

/// Mean absolute error of those that move, the share of intervals that hold the truth, and how many there were.
fn score(all: &[Compared]) -> (f64, f64, usize) {
    let moving: Vec<&Compared> = all.iter().filter(|c| c.truth > 2.0).collect();
    let error = moving.iter().map(|c| (c.measured / c.truth - 1.0).abs()).sum::<f64>() / moving.len() as f64;
    for c in moving.iter().filter(|c| !c.held || (c.measured / c.truth - 1.0).abs() > 0.05) {
        eprintln!("{}: {}, in truth {:.1}, held {}", c.clip, c.what, c.truth * 3.6, c.held);
    }
    let held = all.iter().filter(|c| c.held).count() as f64 / all.len() as f64;
    (error, held, all.len())
}

#[test]
fn with_perfect_boxes_speeds_are_within_2_percent() {
    let all: Vec<Compared> = CLIPS.iter().flat_map(|clip| compare(clip, |o| o.frames().collect())).collect();
    let (error, held, n) = score(&all);
    eprintln!(
        "perfect boxes: mean error {:.2} %, {:.1} % of intervals hold the truth, {n} vehicles",
        100. * error,
        100. * held
    );
    assert!(n > 150 && error <= 0.02 && held >= 0.90, "{n} {error} {held}");
}

#[test]
fn with_a_shaking_detector_and_the_tracker_speeds_are_within_8_percent() {
    let all: Vec<Compared> = CLIPS.iter().flat_map(|clip| compare(clip, |o| o.tracked(0.03).collect())).collect();
    let (error, held, n) = score(&all);
    eprintln!(
        "shaking boxes: mean error {:.2} %, {:.1} % of intervals hold the truth, {n} vehicles",
        100. * error,
        100. * held
    );
    assert!(n > 120 && error <= 0.08 && held >= 0.90, "{n} {error} {held}");
}

/// Real footage with five surveyed points: a fit by them, and speeds as others measured them from the same boxes.
#[test]
fn the_surveyed_junction_is_measured() {
    let shared = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let folder = std::path::Path::new(&shared).join("data/groundtruth/mot/german_junction_truck");
    let Ok(text) = std::fs::read_to_string(folder.join("calibration_and_speed.json")) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let survey: Value = serde_json::from_str(&text).unwrap();
    let pair = |value: &Value| [0, 1].map(|n: usize| value[n].as_f64().unwrap());
    let ([width, height], origin) = (pair(&survey["image_size"]), pair(&survey["origin_easting_northing"]));
    let points: Vec<ControlPoint> = survey["control_points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| {
            let ([x, y], [east, north]) = (pair(&point["px"]), pair(&point["easting_northing"]));
            ControlPoint {
                picture: NormPoint::new((x / width) as f32, (y / height) as f32),
                metres: GroundPoint::new(east - origin[0], north - origin[1]),
            }
        })
        .collect();
    let ground = Ground::fit(&points, 0.2).unwrap();
    eprintln!("residual {:.3} m", ground.residual_m());
    assert!(ground.residual_m() <= 0.3);
    for point in &points {
        assert!(ground.metres(point.picture).unwrap().distance(point.metres) <= 0.3);
    }

    // The horizon lies within the picture: the road is below it.
    let corners = [(0.0, 0.15), (1.0, 0.1), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| NormPoint::new(x, y));
    let mut scene = Scene { ground: Some(ground), aspect: (width / height) as f32, ..rules_support::scene() };
    scene.zones.insert("all".to_owned(), Polygon::new(corners.to_vec()).unwrap());
    let boxes = std::fs::read_to_string(folder.join("gt/gt.txt")).unwrap();
    let boxes: Vec<Vec<f64>> =
        boxes.lines().map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    let tracks = survey["speeds_from_ground_truth_boxes"]["tracks"].as_object().unwrap();
    for (id, expected) in tracks {
        let [first, last] = pair(&expected["frames_1_based"]);
        let frames = last - first + 1.0;
        for (third, kmh) in expected["mean_kmh_by_third"].as_array().unwrap().iter().enumerate() {
            let from = first + frames * third as f64 / 3.0;
            let within = boxes.iter().filter(|row| row[1].to_string() == *id);
            let within = within.filter(|row| row[0] >= from && row[0] < from + frames / 3.0);
            let object = within.map(|row| {
                let [x, y, w, h] = [row[2] / width, row[3] / height, row[4] / width, row[5] / height];
                let mut track = track(1, rules_support::CAR, 0.0, 0.0);
                track.bbox = NormBox { x1: x as f32, y1: y as f32, x2: (x + w) as f32, y2: (y + h) as f32 };
                ((row[0] - 1.0) / 20.0, track)
            });
            let mut steps = rules_support::frames(&[object.collect()]);
            steps.push(Step::End(100.0));
            let params = json!({ "zone": "all", "limit_kmh": 400.0, "report": ["vehicle"], "window": "1s" });
            let drafts = play_at(0, &mut rule_in(&scene, "speeding", &params), &scene, &steps);
            let (found, kmh) = (drafts.first().map(|draft| measured(draft, "speed_kmh")), kmh.as_f64().unwrap());
            eprintln!("track {id}, third {}: {found:?} km/h, {kmh} by others", third + 1);
            assert!(found.is_some_and(|found| (found / kmh - 1.0).abs() <= 0.2), "{id} {third}: {found:?} {kmh}");
        }
    }
}

#[test]
fn the_two_speeders_of_the_clip_are_found_and_nobody_else() {
    let oracle = Oracle::load("speeding");
    let mut drafts = Vec::new();
    for lane in ["eastbound", "westbound"] {
        drafts.extend(oracle.play("speeding", &json!({ "lane": lane, "limit_kmh": 60.0 })));
    }
    drafts.sort_by_key(|draft| draft.at);
    oracle.assert_found(&drafts, "speeding", 1.0);
    let who: Vec<u64> =
        drafts.iter().filter(|draft| draft.kind == "speeding").map(|draft| draft.track.unwrap().0).collect();
    assert!(who.contains(&800) && who.contains(&801), "{who:?}");
}
