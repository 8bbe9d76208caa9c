#[path = "support/mot.rs"]
mod mot;
use std::path::PathBuf;
use mot::{Row, Sequence, read, score};
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
        let mut tracker = Tracker::new(Params::default(), s.aspect());
        let mut hyp = vec![];
        for frame in (1..=s.frames).step_by(stride as usize) {
            let d: Vec<_> = dets.iter().filter(|d| d.frame == frame && (!coco || [2, 3, 5, 7].contains(&d.class))).map(|d| s.detection(d)).collect();
            for t in tracker.observe(MediaTime::from_seconds(f64::from(frame) / s.fps), &d) {
                if t.observed {
                    hyp.push(Row { frame, id: t.id.0 as i64, ltwh: s.pixels(&t.bbox), value: 1.0, class: -1 });
                }
            }
        }
        let r = score(&s.truth(), &hyp, (1..=s.frames).step_by(stride as usize));
        println!("{name:24} stride {stride}  MOTA {:6.2}  IDF1 {:6.2}  switches {} misses {} false {}", r.mota * 100., r.idf1 * 100., r.switches, r.misses, r.false_alarms);
    }}
}
