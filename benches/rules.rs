//! Time of one observed frame of a dense junction: by rule, the usual ones of one camera, all of them, and the tracker:
//! `cargo bench --bench rules`.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use vantage::base::{CaptureTime, MediaTime, TimeSource, Timestamp};
use vantage::rule::{FrameView, Lane, RuleSet, Scene, SceneNames, find};
use vantage::scene::{Ground, Labels, NormPoint, Polygon, Segment, Track};
use vantage::track::{Params, Tracker};

#[path = "../tests/support/street.rs"]
mod street;

const OBJECTS: usize = 50;

/// Every rule that looks at tracks, on the whole picture.
fn rules() -> Vec<(&'static str, Value)> {
    vec![
        ("line_crossing", json!({ "line": "west", "report": ["crossing", "count"] })),
        ("turning_movement", json!({ "entries": ["west"], "exits": ["east"] })),
        ("zone_dwell", json!({ "zone": "all" })),
        ("stopped_vehicle", json!({ "lane": "road" })),
        ("illegal_parking", json!({ "zone": "all" })),
        ("wrong_way", json!({ "lane": "road" })),
        ("speeding", json!({ "lane": "road", "limit_kmh": 50, "report": ["speeding", "vehicle", "count"] })),
        ("congestion", json!({ "lane": "road" })),
        ("queue_length", json!({ "lane": "road", "stop_line": "east", "threshold": 30 })),
        ("pedestrian_on_road", json!({ "lanes": ["road"] })),
        ("crowd", json!({ "zone": "all", "people": 20 })),
        ("near_miss", json!({})),
        ("collision", json!({})),
        ("red_light", json!({ "line": "east", "signal": "main" })),
        ("motorbike_flow", json!({ "lane": "road" })),
    ]
}

/// What one camera usually has.
const USUAL: [&str; 5] = ["line_crossing", "zone_dwell", "stopped_vehicle", "wrong_way", "pedestrian_on_road"];

fn scene() -> Scene {
    let line = |x: f32| Segment { from: NormPoint::new(x, 1.0), to: NormPoint::new(x, 0.0) };
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
    let all = Polygon::new(corners.map(|(x, y)| NormPoint::new(x, y)).to_vec()).unwrap();
    let along = Segment { from: NormPoint::new(0.1, 0.5), to: NormPoint::new(0.9, 0.5) };
    // 60 m by 40 m, seen from straight above.
    let ground =
        Ground::from_matrix([[60.0, 0.0, 0.0], [0.0, -40.0, 40.0], [0.0, 0.0, 1.0]], 0.1, NormPoint::new(0.5, 0.9));
    Scene {
        tripwires: [("west".to_owned(), line(0.3)), ("east".to_owned(), line(0.7))].into(),
        zones: [("all".to_owned(), all.clone())].into(),
        lanes: [("road".to_owned(), Lane::new(all, &along, street::ASPECT).unwrap())].into(),
        ground: ground.ok(),
        labels: Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"]),
        aspect: street::ASPECT,
    }
}

fn set(scene: &Scene, rules: &[(&str, Value)]) -> RuleSet {
    let compile = |(kind, params): &(&str, Value)| {
        let compiled = (find(kind).unwrap().compile)(params, &SceneNames::from(scene));
        (Arc::from(*kind), compiled.unwrap_or_else(|errors| panic!("{kind}: {errors:?}")).rule)
    };
    RuleSet::new(rules.iter().map(compile).collect())
}

/// What a frame costs once the rules have seen the whole stretch; past its end it begins anew.
fn walk(criterion: &mut Criterion, name: &str, frames: &[(MediaTime, Vec<Track>)], fresh: impl Fn() -> RuleSet) {
    let scene = scene();
    criterion.bench_function(name, |bencher| {
        let (mut rules, mut next) = (fresh(), 0);
        bencher.iter(|| {
            if next == frames.len() {
                (rules, next) = (fresh(), 0);
            }
            let (at, tracks) = &frames[next];
            next += 1;
            let capture = CaptureTime { utc: Timestamp(at.0), source: TimeSource::Epoch, error_ns: None };
            let view = FrameView { at: *at, capture, tracks, scene: &scene, signals: &[], glance: None };
            black_box(rules.observe(&view).len())
        });
    });
}

fn observe(criterion: &mut Criterion) {
    let noise = street::Noise { jitter: 0.02, dropout: 0.05, faint: 0.1, unsteady: 0.1 };
    let moments = street::junction(OBJECTS, 25.0, 20.0, noise, 1);
    let mut tracker = Tracker::new(Params::default(), street::ASPECT);
    let frames: Vec<(MediaTime, Vec<Track>)> =
        moments.iter().map(|moment| (moment.at, tracker.observe(moment.at, &moment.detections).to_vec())).collect();
    let mean = frames.iter().map(|(_, tracks)| tracks.len()).sum::<usize>() / frames.len();
    eprintln!("{mean} tracks a frame");
    let scene = scene();
    for rule in rules() {
        let name = format!("rule/{}", rule.0);
        walk(criterion, &name, &frames, || set(&scene, std::slice::from_ref(&rule)));
    }
    let usual: Vec<_> = rules().into_iter().filter(|(kind, _)| USUAL.contains(kind)).collect();
    walk(criterion, "rule/usual", &frames, || set(&scene, &usual));
    walk(criterion, "rule/all", &frames, || set(&scene, &rules()));
    criterion.bench_function("tracker", |bencher| {
        let (mut tracker, mut next) = (Tracker::new(Params::default(), street::ASPECT), 0);
        bencher.iter(|| {
            if next == moments.len() {
                next = 0;
                tracker.reset();
                tracker.ended().for_each(drop);
            }
            next += 1;
            black_box(tracker.observe(moments[next - 1].at, &moments[next - 1].detections).len())
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = observe
}
criterion_main!(benches);
