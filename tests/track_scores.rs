//! The tracker against ground truth, and against supervision's ByteTrack on the same detections.
//!
//! Needs the shared MOT data (`VANTAGE_SHARED`, default `../shared`); without it those tests say so and pass.
//! `cargo test --test track_scores -- --nocapture` prints the tables of docs/tracking.md.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

#[path = "support/mot.rs"]
mod mot;
#[path = "support/street.rs"]
mod street;

use std::path::PathBuf;

use mot::{Row, Scores, Sequence, read, score};
use street::{Moment, Noise, junction};
use vantage::base::MediaTime;
use vantage::scene::{Labels, NormBox};
use vantage::track::{ClassGroups, Params, Tracker};

/// What `python tests/peers/supervision_bytetrack.py --stride STRIDE GROUNDTRUTH/mot` printed with supervision
/// 0.26.1 and its default settings: (stride, sequence, MOTA %, IDF1 %).
const PEER: [(usize, &str, f64, f64); 16] = [
    (1, "TUD-Campus", 59.61, 66.56),
    (1, "TUD-Stadtmitte", 71.37, 71.46),
    (1, "german_junction_truck", 40.00, 62.57),
    (1, "uk_motorway_720p", 53.42, 79.81),
    (2, "TUD-Campus", 58.79, 70.99),
    (2, "TUD-Stadtmitte", 71.38, 79.42),
    (2, "german_junction_truck", 44.00, 75.58),
    (2, "uk_motorway_720p", 52.62, 79.69),
    (3, "TUD-Campus", 55.00, 61.03),
    (3, "TUD-Stadtmitte", 70.54, 79.42),
    (3, "german_junction_truck", 48.00, 76.36),
    (3, "uk_motorway_720p", 52.52, 76.71),
    (6, "TUD-Campus", 45.90, 56.57),
    (6, "TUD-Stadtmitte", 64.25, 73.65),
    (6, "german_junction_truck", 56.00, 78.43),
    (6, "uk_motorway_720p", 60.87, 81.38),
];

/// COCO classes of motor vehicles: the sequences with classes have ground truth for no others.
const MOTOR_VEHICLES: [i64; 4] = [2, 3, 5, 7];

fn sequence(name: &str) -> Option<Sequence> {
    let shared = std::env::var_os("VANTAGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let found = Sequence::open(&shared.join("data/groundtruth/mot").join(name));
    if found.is_none() {
        eprintln!("skipped: no MOT data for {name}; set VANTAGE_SHARED");
    }
    found
}

/// COCO's names as far as the sequences use them.
fn coco_vehicles() -> ClassGroups {
    ClassGroups::of(&Labels::new(["person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck"]))
}

/// Our tracks on a sequence's detections, every `stride`th frame.
fn tracked(sequence: &Sequence, params: Params, stride: usize) -> Scores {
    let detections = sequence.detections();
    let classes = detections.iter().any(|d| d.class >= 0);
    let frames = || (1..=sequence.frames).step_by(stride);
    let mut tracker = Tracker::new(params, sequence.aspect());
    let mut hypotheses = Vec::new();
    for frame in frames() {
        let wanted = |d: &&Row| d.frame == frame && (!classes || MOTOR_VEHICLES.contains(&d.class));
        let boxes: Vec<_> = detections.iter().filter(wanted).map(|d| sequence.detection(d)).collect();
        let at = MediaTime::from_seconds(f64::from(frame) / sequence.fps);
        let seen = tracker.observe(at, &boxes).iter().filter(|t| t.observed);
        hypotheses.extend(seen.map(|t| hypothesis(frame, t.id.0 as i64, sequence.pixels(&t.bbox))));
    }
    score(&sequence.truth(), &hypotheses, frames())
}

fn hypothesis(frame: u32, id: i64, ltwh: [f64; 4]) -> Row {
    Row { frame, id, ltwh, value: 1.0, class: -1 }
}

#[test]
fn the_metrics_agree_with_py_motmetrics() {
    // expected_metrics_reference_tracker.json of each sequence.
    for (name, mota, idf1, switches, misses, false_alarms) in
        [("TUD-Campus", 0.5265, 0.5577, 7, 150, 13), ("TUD-Stadtmitte", 0.5640, 0.6446, 7, 452, 45)]
    {
        let Some(sequence) = sequence(name) else { return };
        let hypotheses = read(&sequence.folder.join("hyp/reference_tracker.txt"));
        let scores = score(&sequence.truth(), &hypotheses, 1..=sequence.frames);
        assert!((scores.mota - mota).abs() < 1e-3, "{name}: {scores:?}");
        assert!((scores.idf1 - idf1).abs() < 1e-3, "{name}: {scores:?}");
        assert_eq!((scores.switches, scores.misses, scores.false_alarms), (switches, misses, false_alarms), "{name}");
    }
}

#[test]
fn ignore_rows_are_neither_missed_nor_false_alarms() {
    let row = |id, left, value| Row { frame: 1, id, ltwh: [left, 0.0, 10.0, 10.0], value, class: 3 };
    let truth = [row(1, 0.0, 1.0), row(2, 100.0, 0.0), row(3, 200.0, 0.0)];
    let perfect = score(&truth, &[row(7, 0.0, 1.0), row(8, 101.0, 1.0)], [1]);
    assert_eq!((perfect.mota, perfect.idf1, perfect.misses, perfect.false_alarms), (1.0, 1.0, 0, 0));
    let stray = score(&truth, &[row(7, 0.0, 1.0), row(8, 300.0, 1.0)], [1]);
    assert_eq!((stray.mota, stray.false_alarms), (0.0, 1));
}

#[test]
fn at_full_rate_each_sequence_is_as_good_as_the_peer() {
    for (stride, name, mota, idf1) in PEER.into_iter().filter(|p| p.0 == 1) {
        let Some(sequence) = sequence(name) else { return };
        let params = Params { class_groups: coco_vehicles(), ..Params::default() };
        let s = tracked(&sequence, params, stride);
        println!("{name:24} {} peer {mota:6.2} {idf1:6.2}", shown(&s));
        assert!(s.mota * 100.0 >= mota - 0.5 && s.idf1 * 100.0 >= idf1 - 0.5, "{name}: {s:?}, peer {mota} {idf1}");
    }
}

#[test]
fn at_lower_rates_the_mean_is_as_good_as_the_peers() {
    for stride in [2, 3, 6] {
        let (mut ours, mut peers) = ((0.0, 0.0), (0.0, 0.0));
        for (_, name, mota, idf1) in PEER.into_iter().filter(|p| p.0 == stride) {
            let Some(sequence) = sequence(name) else { return };
            let params = Params { class_groups: coco_vehicles(), ..Params::default() };
            let s = tracked(&sequence, params, stride);
            println!("{name:24} stride {stride} {} peer {mota:6.2} {idf1:6.2}", shown(&s));
            ours = (ours.0 + s.mota * 25.0, ours.1 + s.idf1 * 25.0);
            peers = (peers.0 + mota / 4.0, peers.1 + idf1 / 4.0);
        }
        assert!(ours.0 >= peers.0 - 0.5 && ours.1 >= peers.1 - 0.5, "stride {stride}: {ours:?}, peer {peers:?}");
    }
}

#[test]
fn a_crowded_junction_at_5_10_and_25_frames_a_second() {
    let noise = Noise { jitter: 0.03, dropout: 0.08, faint: 0.1, unsteady: 0.15 };
    // Bounds with some room below and above what is measured: MOTA and IDF1 in percent, switches per 20 s of 30 riders.
    for (fps, least_mota, least_idf1, most_switches) in
        [(5.0, 81.0, 86.0, 20.0), (10.0, 84.0, 89.0, 11.0), (25.0, 86.0, 89.0, 9.0)]
    {
        let runs: Vec<Scores> = (0..8).map(|seed| scored(&junction(30, fps, 20.0, noise, seed))).collect();
        let mean = |f: fn(&Scores) -> f64| runs.iter().map(f).sum::<f64>() / runs.len() as f64;
        let (mota, idf1) = (mean(|s| s.mota * 100.0), mean(|s| s.idf1 * 100.0));
        let switches = mean(|s| f64::from(s.switches));
        println!("junction at {fps} fps: MOTA {mota:.1} IDF1 {idf1:.1}, {switches:.1} switches a run");
        assert!(mota >= least_mota && idf1 >= least_idf1 && switches <= most_switches);
    }
}

fn scored(moments: &[Moment]) -> Scores {
    let ltwh = |b: &NormBox| [b.x1, b.y1, b.width(), b.height()].map(f64::from);
    let mut tracker = Tracker::new(Params::default(), street::ASPECT);
    let (mut truth, mut hypotheses) = (Vec::new(), Vec::new());
    for (frame, moment) in (0..).zip(moments) {
        truth.extend(moment.truth.iter().map(|(id, b)| Row { id: *id, ..hypothesis(frame, 0, ltwh(b)) }));
        let seen = tracker.observe(moment.at, &moment.detections).iter().filter(|t| t.observed);
        hypotheses.extend(seen.map(|t| hypothesis(frame, t.id.0 as i64, ltwh(&t.bbox))));
    }
    score(&truth, &hypotheses, 0..moments.len() as u32)
}

fn shown(s: &Scores) -> String {
    format!(
        "MOTA {:6.2} IDF1 {:6.2} switches {:2} misses {:3} false {:3}",
        s.mota * 100.0,
        s.idf1 * 100.0,
        s.switches,
        s.misses,
        s.false_alarms
    )
}
