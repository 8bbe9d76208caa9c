//! HOTA, IDF1 and MOTA against TrackEval 1.3.0 and py-motmetrics 1.4.0 on the same input.
//!
//! `python tests/peers/mot_scores.py` printed the peers' figures. Needs the shared MOT data (`VANTAGE_SHARED`,
//! default `../shared`); without it the tests say so and pass. `tests/data/eval/*.tracks.txt` are what
//! `vantage bench --mot` wrote for two clips there, with `yolox_nano_416`.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use vantage::eval::tracks::mot::{read_tracks, read_truth};
use vantage::eval::tracks::{Protocol, Sequence, TrackCounts, TrackScores, USUAL_IOU};

/// Both peers give these; points of 100.
struct Peer {
    sequence: &'static str,
    protocol: Protocol,
    /// HOTA, DetA, AssA, LocA, IDF1, IDP, IDR, MOTA, MOTP.
    points: [f64; 9],
    /// Misses, false positives, switches, fragmentations (TrackEval's, py-motmetrics finds 39 in MOT16-11), mostly tracked, mostly lost.
    counts: [u64; 6],
}

const PEERS: [Peer; 7] = [
    Peer {
        sequence: "TUD-Campus",
        protocol: Protocol::Ignore,
        points: [39.1397, 41.8047, 36.9121, 77.0052, 55.7659, 72.9730, 45.1253, 52.6462, 72.2799],
        counts: [150, 13, 7, 7, 1, 1],
    },
    Peer {
        sequence: "TUD-Stadtmitte",
        protocol: Protocol::Ignore,
        points: [39.7849, 39.2268, 40.8841, 73.7521, 64.4619, 81.9760, 53.1142, 56.4014, 65.4096],
        counts: [452, 45, 7, 6, 5, 1],
    },
    Peer {
        sequence: "MOT16-11",
        protocol: Protocol::Ignore,
        points: [45.3751, 45.6291, 45.1634, 83.7621, 54.6225, 71.2757, 44.2773, 53.8260, 81.8045],
        counts: [3838, 363, 35, 38, 15, 29],
    },
    Peer {
        sequence: "MOT16-11",
        protocol: Protocol::Mot15,
        points: [45.3611, 45.6010, 45.1634, 83.7621, 54.6004, 71.2007, 44.2773, 53.7606, 81.8045],
        counts: [3838, 369, 35, 38, 15, 29],
    },
    Peer {
        sequence: "MOT16-11",
        protocol: Protocol::Mot16,
        points: [45.3751, 45.6291, 45.1634, 83.7621, 54.6225, 71.2757, 44.2773, 53.8260, 81.8045],
        counts: [3838, 363, 35, 38, 15, 29],
    },
    Peer {
        sequence: "german_junction_truck",
        protocol: Protocol::Ignore,
        points: [62.9772, 52.9902, 74.8676, 84.3949, 74.5098, 64.2512, 88.6667, 44.6667, 83.4270],
        counts: [12, 69, 2, 2, 2, 0],
    },
    Peer {
        sequence: "uk_motorway_720p",
        protocol: Protocol::Ignore,
        points: [88.8181, 86.0806, 91.7613, 91.9574, 96.7841, 93.8614, 99.8946, 93.3614, 91.4456],
        counts: [1, 62, 0, 1, 9, 0],
    },
];

fn folder(sequence: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("VANTAGE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let folder = shared.join("data/groundtruth/mot").join(sequence);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}; set VANTAGE_SHARED", folder.display());
    None
}

/// The result that belongs to a sequence: the reference tracker's, else ours.
fn tracks_of(folder: &Path, sequence: &str) -> PathBuf {
    let reference = folder.join("hyp/reference_tracker.txt");
    if reference.is_file() {
        return reference;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/eval/{sequence}.tracks.txt"))
}

fn scored(folder: &Path, sequence: &str, protocol: Protocol) -> TrackScores {
    let truth = read_truth(&folder.join("gt/gt.txt")).unwrap();
    let tracks = read_tracks(&tracks_of(folder, sequence)).unwrap();
    let sequence = Sequence::new(&truth, &tracks, protocol, &[], |_| true);
    TrackScores::new("", &TrackCounts::of(&sequence, USUAL_IOU))
}

#[test]
fn the_scores_agree_with_both_peers() {
    for peer in &PEERS {
        let Some(folder) = folder(peer.sequence) else { return };
        let s = scored(&folder, peer.sequence, peer.protocol);
        let h = s.hota.unwrap();
        let shares = [Some(h.hota), Some(h.deta), Some(h.assa), Some(h.loca), s.idf1, s.idp, s.idr, s.mota, s.motp];
        let ours = shares.map(|share| share.unwrap() * 100.0);
        for (ours, theirs) in ours.iter().zip(peer.points) {
            // The peers' figures are rounded to 0.0001; the demand is 0.1.
            assert!((ours - theirs).abs() < 0.001, "{} {:?}: {s:?}", peer.sequence, peer.protocol);
        }
        let counts = [s.misses, s.false_positives, s.switches, s.fragmentations, s.mostly_tracked, s.mostly_lost];
        assert_eq!(counts, peer.counts, "{} {:?}", peer.sequence, peer.protocol);
    }
}

#[test]
fn the_published_values_of_the_tud_sequences() {
    for sequence in ["TUD-Campus", "TUD-Stadtmitte"] {
        let Some(folder) = folder(sequence) else { return };
        let text = std::fs::read_to_string(folder.join("expected_metrics_reference_tracker.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = |name: &str| expected["metrics"][name].as_f64().unwrap();
        let s = scored(&folder, sequence, Protocol::Ignore);
        for (ours, name) in [
            (s.mota, "mota"),
            (s.idf1, "idf1"),
            (s.idp, "idp"),
            (s.idr, "idr"),
            (s.recall, "recall"),
            (s.precision, "precision"),
            (s.motp.map(|iou| 1.0 - iou), "motp"),
        ] {
            assert!((ours.unwrap() - expected(name)).abs() < 1e-4, "{sequence} {name}: {ours:?}");
        }
        for (ours, name) in [
            (s.objects, "num_unique_objects"),
            (s.mostly_tracked, "mostly_tracked"),
            (s.partly_tracked, "partially_tracked"),
            (s.mostly_lost, "mostly_lost"),
            (s.false_positives, "num_false_positives"),
            (s.misses, "num_misses"),
            (s.switches, "num_switches"),
            (s.fragmentations, "num_fragmentations"),
        ] {
            assert_eq!(ours as f64, expected(name), "{sequence} {name}");
        }
    }
}
