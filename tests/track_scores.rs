#[path = "support/mot.rs"]
mod mot;
use mot::{Row, Sequence, read, score};
use std::path::PathBuf;
use vantage::base::MediaTime;
use vantage::track::{Params, Tracker};
fn folder(name: &str) -> PathBuf {
    let shared = std::env::var_os("VANTAGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    shared.join("data/groundtruth/mot").join(name)
}
#[test]
fn metrics_agree() {
    for (name, mota, idf1) in [("TUD-Campus", 0.5265, 0.5577), ("TUD-Stadtmitte", 0.5640, 0.6446)] {
        let s = Sequence::open(&folder(name)).unwrap();
        let r = score(&s.truth(), &read(&s.folder.join("hyp/reference_tracker.txt")), 1..=s.frames);
        println!("{name} {r:?} {mota} {idf1}");
    }
}
#[test]
fn table() {
    for stride in [1u32, 2, 3, 6] {
        for name in ["TUD-Campus", "TUD-Stadtmitte", "german_junction_truck", "uk_motorway_720p"] {
            let s = Sequence::open(&folder(name)).unwrap();
            let dets = s.detections();
            let coco = dets.iter().any(|d| d.class >= 0);
            let mut tracker = Tracker::new(params(), s.aspect());
            let mut hyp = vec![];
            for frame in (1..=s.frames).step_by(stride as usize) {
                let d: Vec<_> = dets
                    .iter()
                    .filter(|d| d.frame == frame && (!coco || [2, 3, 5, 7].contains(&d.class)))
                    .map(|d| s.detection(d))
                    .collect();
                for t in tracker.observe(MediaTime::from_seconds(f64::from(frame) / s.fps), &d) {
                    if t.observed {
                        hyp.push(Row { frame, id: t.id.0 as i64, ltwh: s.pixels(&t.bbox), value: 1.0, class: -1 });
                    }
                }
            }
            let r = score(&s.truth(), &hyp, (1..=s.frames).step_by(stride as usize));
            println!(
                "{name:24} stride {stride}  MOTA {:6.2}  IDF1 {:6.2}  switches {} misses {} false {}",
                r.mota * 100.,
                r.idf1 * 100.,
                r.switches,
                r.misses,
                r.false_alarms
            );
        }
    }
}

fn params() -> Params {
    let g = |n: &str, d: f64| std::env::var(n).map_or(d, |v| v.parse().unwrap());
    let p = Params::default();
    Params {
        match_similarity: g("P_MATCH", p.match_similarity as f64) as f32,
        low_match_iou: g("P_LOW", p.low_match_iou as f64) as f32,
        tentative_similarity: g("P_TENT", p.tentative_similarity as f64) as f32,
        lost_seconds: g("P_LOST", p.lost_seconds),
        parked_seconds: g("P_PARKED", p.parked_seconds),
        duplicate_iou: g("P_DUP", p.duplicate_iou as f64) as f32,
        twin_iou: g("P_TWIN", p.twin_iou as f64) as f32,
        new_track_score: g("P_NEW", p.new_track_score as f64) as f32,
        motion_similarity: g("P_MOT", p.motion_similarity as f64) as f32,
        ..p
    }
}
#[path = "support/street.rs"]
mod street;
#[test]
fn crowd() {
    let noise = street::Noise { jitter: 0.03, dropout: 0.08, faint: 0.1, unsteady: 0.15 };
    for fps in [3.0, 5.0, 10.0, 25.0] {
        let (mut o, mut n, mut sw, mut mota, mut idf1) = (0, 0, 0, 0.0, 0.0);
        for seed in 0..10 {
            let mut tracker = Tracker::new(params(), street::ASPECT);
            let (mut truth, mut hyp) = (vec![], vec![]);
            let ms = street::junction(30, fps, 20.0, noise, seed);
            for (frame, m) in ms.iter().enumerate() {
                let px = |b: &vantage::scene::NormBox| {
                    [f64::from(b.x1), f64::from(b.y1), f64::from(b.width()), f64::from(b.height())]
                };
                truth.extend(m.truth.iter().map(|(id, b)| Row {
                    frame: frame as u32,
                    id: *id,
                    ltwh: px(b),
                    value: 1.0,
                    class: -1,
                }));
                hyp.extend(tracker.observe(m.at, &m.detections).iter().filter(|t| t.observed).map(|t| Row {
                    frame: frame as u32,
                    id: t.id.0 as i64,
                    ltwh: px(&t.bbox),
                    value: 1.0,
                    class: -1,
                }));
            }
            let r = score(&truth, &hyp, 0..ms.len() as u32);
            sw += r.switches;
            mota += r.mota * 10.0;
            idf1 += r.idf1 * 10.0;
            n += hyp.iter().map(|h| h.id).max().unwrap_or(0);
            o += truth.iter().map(|h| h.id).max().unwrap_or(0);
        }
        println!("fps {fps} MOTA {mota:.1} IDF1 {idf1:.1} switches/run {:.1} people {o} ids {n}", f64::from(sw) / 10.0);
    }
}
