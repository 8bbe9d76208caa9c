//! Plays an hour of traffic to the real tracker and the real rules, built from a real pipeline file.

use std::path::Path;
use std::sync::Arc;

use vantage::base::{CaptureTime, MediaTime, TimeSource, Timestamp};
use vantage::config::{self, CameraPlan};
use vantage::pipeline::camera::{rules, scene};
use vantage::pipeline::registry::registry;
use vantage::pipeline::tail::tracking;
use vantage::rule::{Draft, FrameView};
use vantage::scene::{ClassId, Detection, Labels, NormBox, Track};
use vantage::track::Tracker;

use super::noise::{Detector, Measured};
use super::traffic::Traffic;
use super::view::{Presence, Seen, View};

/// What looks at the pictures.
#[derive(Clone, Copy)]
pub enum Eye<'a> {
    /// A detector that errs as measured.
    Measured(&'a Measured),
    /// One that finds all that can be seen, exactly: what is left are the tracker's and the rules' own errors.
    Perfect,
}

/// The class names of both.
const LABELS: [&str; 6] = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];
/// A perfect detector finds whoever is at least so high and no more covered than that.
const PERFECT_LEAST_PX: f64 = 10.0;
const PERFECT_MOST_COVER: f64 = 0.7;

/// One record of a rule, and the frame that it came from.
pub struct Told {
    pub rule: Arc<str>,
    pub draft: Draft,
    pub frame: i64,
}

/// The camera of a pipeline file.
pub fn plan(path: &Path) -> CameraPlan {
    let loaded = config::load(path, registry()).unwrap_or_else(|report| panic!("{report}"));
    loaded.plan.cameras.into_iter().next().unwrap()
}

/// All that the rules told. `watch` sees each frame: what is there, what was found, and what is tracked.
pub fn play(
    traffic: &Traffic,
    plan: &CameraPlan,
    eye: Eye<'_>,
    mut watch: impl FnMut(i64, &[Seen], &[Detection], &[Track]),
) -> Vec<Told> {
    let head = &traffic.head;
    let labels = Labels::new(LABELS);
    let size = [head.width, head.height];
    let aspect = (head.width / head.height) as f32;
    let scene = scene(plan, &labels, aspect);
    let mut rules = rules(plan, &scene).unwrap();
    let mut tracker = Tracker::new(tracking(plan, &labels), aspect);
    let view = View::new(&head.camera, head.width, head.height);
    let mut presence = Presence::new(&traffic.objects);
    let mut detector = match eye {
        Eye::Measured(measured) => {
            assert_eq!(measured.labels, LABELS);
            Some(Detector::new(measured, head))
        }
        Eye::Perfect => None,
    };
    let mut told = Vec::new();
    for frame in 0..(head.seconds * head.fps) as i64 {
        let seen = view.see(presence.at(frame, head.fps).into_iter());
        let class_of = |object: usize| traffic.objects[object].class.as_str();
        let found = match &mut detector {
            Some(detector) => detector.detect(frame, &seen, class_of),
            None => seen.iter().filter_map(|s| exact(s, class_of(s.object), &labels, size)).collect(),
        };
        let at = MediaTime::from_seconds(frame as f64 / head.fps);
        let tracks = tracker.observe(at, &found).to_vec();
        watch(frame, &seen, &found, &tracks);
        let capture = CaptureTime { utc: Timestamp(at.0), source: TimeSource::Epoch, error_ns: None };
        let mut drafts =
            rules.observe(&FrameView { at, capture, tracks: &tracks, scene: &scene, signals: &[], glance: None });
        for id in tracker.ended().collect::<Vec<_>>() {
            drafts.extend(rules.forget(id, at));
        }
        told.extend(drafts.into_iter().map(|(rule, draft)| Told { rule, draft, frame }));
    }
    told
}

fn exact(seen: &Seen, class: &str, labels: &Labels, [width, height]: [f64; 2]) -> Option<Detection> {
    let b = seen.whole;
    let found = seen.height() >= PERFECT_LEAST_PX && seen.cover <= PERFECT_MOST_COVER;
    found.then(|| Detection {
        class: labels.find(class).unwrap_or(ClassId(0)),
        score: 0.9,
        bbox: NormBox {
            x1: (b[0] / width) as f32,
            y1: (b[1] / height) as f32,
            x2: (b[2] / width) as f32,
            y2: (b[3] / height) as f32,
        },
    })
}
