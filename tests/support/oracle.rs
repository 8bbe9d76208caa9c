//! An oracle: the exact truth of a clip under test-media/, played as tracks through rules.
//!
//! Boxes are the visible extents of `truth.json`, as a perfect detector would give them; the identity is the
//! object's own. What a perfect detector cannot know (the middle of the footprint, the true speed) stands in [`Seen`].
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vantage::base::{CaptureTime, MediaTime, TimeSource, Timestamp, TrackId};
use vantage::rule::{Draft, FrameView, Lane, RuleSet, Scene, SceneNames, find};
use vantage::scene::{
    Aspect, ClassId, Detection, Ground, GroundPoint, Labels, NormBox, NormPoint, Phase, Polygon, Segment, SignalState,
    Track,
};
use vantage::track::{Params, Tracker};

/// The classes of the truths, in the order of the bundled model.
pub const CLASSES: [&str; 6] = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];
/// An object not seen for so long is forgotten, as a tracker would.
const LOST_SECONDS: f64 = 3.0;

/// The truth of one clip.
pub struct Oracle {
    /// `truth.json` as it is.
    pub truth: Value,
}

/// An object in one frame.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub id: u64,
    pub class: ClassId,
    /// The visible extent.
    pub bbox: NormBox,
    /// Share of the silhouette that something else hides.
    pub occlusion: f64,
    /// Middle of the footprint, metres.
    pub footprint: GroundPoint,
    pub speed_mps: f64,
}

impl Oracle {
    /// The truth of `test-media/SCENARIO`.
    pub fn load(scenario: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media").join(scenario).join("truth.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { truth: serde_json::from_str(&text).unwrap() }
    }

    fn number(&self, name: &str) -> f64 {
        self.truth[name].as_f64().unwrap()
    }

    fn point(&self, pixels: &Value) -> NormPoint {
        let [x, y] = [0, 1].map(|n| pixels[n].as_f64().unwrap());
        NormPoint::new((x / self.number("width")) as f32, (y / self.number("height")) as f32)
    }

    /// Zones, lines and lanes as drawn, and the camera's own ground plane.
    pub fn scene(&self) -> Scene {
        let aspect = (self.number("width") / self.number("height")) as f32;
        let named = |list: &str| self.truth[list].as_array().cloned().unwrap_or_default();
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let polygon = |value: &Value| {
            let corners = value["polygon"].as_array().unwrap();
            Polygon::new(corners.iter().map(|corner| self.point(corner)).collect()).unwrap()
        };
        let segment = |value: &Value| Segment { from: self.point(&value["from"]), to: self.point(&value["to"]) };
        let lane = |value: &Value| Lane::new(polygon(value), &segment(&value["direction"]), aspect).unwrap();
        Scene {
            tripwires: named("lines").iter().map(|line| (id(line), segment(line))).collect(),
            zones: named("zones").iter().map(|zone| (id(zone), polygon(zone))).collect(),
            lanes: named("lanes").iter().map(|value| (id(value), lane(value))).collect(),
            ground: Some(self.ground()),
            labels: Labels::new(CLASSES),
            aspect,
        }
    }

    /// The camera's homography, from shares of the picture to metres.
    pub fn ground(&self) -> Ground {
        let matrix = &self.truth["camera"]["image_to_ground"];
        let scale = [self.number("width"), self.number("height"), 1.0];
        let row = |r: usize| [0, 1, 2].map(|c: usize| matrix[r][c].as_f64().unwrap() * scale[c]);
        Ground::from_matrix([row(0), row(1), row(2)], 0.05, NormPoint::new(0.5, 1.0)).unwrap()
    }

    /// Everything in every frame, in order.
    pub fn seen(&self) -> impl Iterator<Item = (MediaTime, Vec<Seen>)> + '_ {
        let [fps, width, height] = ["fps", "width", "height"].map(|name| self.number(name));
        let objects = self.truth["objects"].as_array().unwrap();
        let classes: BTreeMap<u64, ClassId> = objects
            .iter()
            .map(|object| {
                let class = CLASSES.iter().position(|name| object["class"] == *name).unwrap();
                (object["id"].as_u64().unwrap(), ClassId(class as u16))
            })
            .collect();
        let frames = self.truth["frames_data"].as_array().unwrap();
        frames.iter().enumerate().map(move |(frame, rows)| {
            let seen = |row: &Value| {
                let at = |column: usize| row[column].as_f64().unwrap();
                let id = row[0].as_u64().unwrap();
                let (x, y) = (|pixels: f64| (pixels / width) as f32, |pixels: f64| (pixels / height) as f32);
                Seen {
                    id,
                    class: classes[&id],
                    bbox: NormBox { x1: x(at(1)), y1: y(at(2)), x2: x(at(3)), y2: y(at(4)) },
                    occlusion: at(9),
                    footprint: GroundPoint::new(at(10), at(11)),
                    speed_mps: at(12),
                }
            };
            let mut row: Vec<Seen> = rows.as_array().unwrap().iter().map(seen).collect();
            row.sort_by_key(|seen| seen.id);
            (MediaTime::from_seconds(frame as f64 / fps), row)
        })
    }

    /// Every frame with its perfect tracks.
    pub fn frames(&self) -> impl Iterator<Item = (MediaTime, Vec<Track>)> + '_ {
        let mut last: BTreeMap<u64, (MediaTime, MediaTime, NormPoint)> = BTreeMap::new();
        self.seen().map(move |(at, row)| {
            let mut track = |seen: Seen| {
                let centre = seen.bbox.centre();
                let (first, before, place) = last.get(&seen.id).copied().unwrap_or((at, at, centre));
                last.insert(seen.id, (first, at, centre));
                let step = at.since(before).as_secs_f64() as f32;
                let per_second = |moved: f32| if step > 0.0 { moved / step } else { 0.0 };
                Track {
                    id: TrackId(seen.id),
                    class: seen.class,
                    score: 1.0,
                    bbox: seen.bbox,
                    velocity: NormPoint::new(per_second(centre.x - place.x), per_second(centre.y - place.y)),
                    observed: true,
                    first_seen: first,
                    last_seen: at,
                }
            };
            (at, row.into_iter().map(&mut track).collect())
        })
    }

    /// Every frame as a perfect detector would give it, for a tracker.
    pub fn detections(&self) -> impl Iterator<Item = (MediaTime, Vec<Detection>)> + '_ {
        self.seen().map(|(at, row)| {
            (at, row.into_iter().map(|seen| Detection { class: seen.class, score: 0.9, bbox: seen.bbox }).collect())
        })
    }

    /// Every frame as the program's own tracker sees it, when each edge of a box is off by `jitter` box heights
    /// (standard deviation) and one box in twenty is missing. Seeded: the same every time.
    pub fn tracked(&self, jitter: f32) -> impl Iterator<Item = (MediaTime, Vec<Track>)> + '_ {
        let mut tracker = Tracker::new(Params::default(), self.scene().aspect);
        let mut seed = 1_u64;
        let mut share = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f32 / (1_u64 << 24) as f32
        };
        self.detections().map(move |(at, mut detections)| {
            detections.retain(|_| share() > 0.05);
            for Detection { bbox, .. } in &mut detections {
                let mut off = || jitter * bbox.height() * ((0..12).map(|_| share()).sum::<f32>() - 6.0);
                let [a, b, c, d] = [off(), off(), off(), off()];
                *bbox = NormBox { x1: bbox.x1 + a, y1: bbox.y1 + b, x2: bbox.x2 + c, y2: bbox.y2 + d };
            }
            (at, tracker.observe(at, &detections).to_vec())
        })
    }

    /// A set with one rule, `r`, for this scene.
    pub fn rule(&self, kind: &str, params: &Value) -> RuleSet {
        let compiled = (find(kind).unwrap().compile)(params, &SceneNames::from(&self.scene()));
        let compiled = compiled.unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
        RuleSet::new(vec![(Arc::from("r"), compiled.rule)])
    }

    /// What a rule says of the whole clip with perfect tracks. Who is seen no more is forgotten, and the clip ends.
    pub fn play(&self, kind: &str, params: &Value) -> Vec<Draft> {
        self.play_in(&self.scene(), kind, params, self.frames())
    }

    /// The same in a scene that was drawn otherwise, or with other tracks.
    pub fn play_in(
        &self,
        scene: &Scene,
        kind: &str,
        params: &Value,
        frames: impl Iterator<Item = (MediaTime, Vec<Track>)>,
    ) -> Vec<Draft> {
        let mut rules = rule_in(scene, kind, params);
        let mut last: BTreeMap<TrackId, MediaTime> = BTreeMap::new();
        let mut drafts = Vec::new();
        let mut now = MediaTime(0);
        for (at, tracks) in frames {
            now = at;
            last.extend(tracks.iter().map(|track| (track.id, at)));
            drafts.extend(rules.observe(&FrameView {
                at,
                capture: capture(at),
                tracks: &tracks,
                scene,
                signals: &self.signals(at),
                glance: None,
            }));
            let lost = |seen: &MediaTime| at.since(*seen).as_secs_f64() > LOST_SECONDS;
            let gone: Vec<TrackId> = last.iter().filter(|(_, seen)| lost(seen)).map(|(id, _)| *id).collect();
            for id in gone {
                last.remove(&id);
                drafts.extend(rules.forget(id, at));
            }
        }
        drafts.extend(rules.end(now));
        drafts.into_iter().map(|(_, draft)| draft).collect()
    }

    /// What the clip's signals show at a time, heard of at this moment.
    fn signals(&self, at: MediaTime) -> Vec<SignalState> {
        let changes = self.truth["signals"].as_array().cloned().unwrap_or_default();
        let seconds = |change: &Value| change["at_s"].as_f64().unwrap();
        let now = at.0 as f64 * 1e-9;
        let mut shown: BTreeMap<String, SignalState> = BTreeMap::new();
        for change in changes.iter().filter(|change| seconds(change) <= now) {
            let name = change["signal"].as_str().unwrap().to_owned();
            let aspect = match change["state"].as_str().unwrap() {
                "red" => Aspect::Red,
                "amber" => Aspect::Amber,
                "green" => Aspect::Green,
                other => panic!("{other}"),
            };
            let shown_for = Duration::from_secs_f64(now - seconds(change));
            let state = SignalState { name: name.as_str().into(), aspect, shown_for, heard_ago: Duration::ZERO };
            shown.insert(name, state);
        }
        shown.into_values().collect()
    }

    /// Fails unless a happening of this kind began once for each that is true, while it lasted or so many seconds later.
    pub fn assert_found(&self, drafts: &[Draft], kind: &str, late: f64) {
        let began = |draft: &&Draft| draft.kind == kind && matches!(draft.phase, Phase::Start | Phase::Instant);
        let told: Vec<f64> = drafts.iter().filter(began).map(|draft| draft.at.0 as f64 * 1e-9).collect();
        let events = self.truth["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind);
        let spans = events.map(|e| (e["onset_s"].as_f64().unwrap(), e["end_s"].as_f64().unwrap_or(f64::MAX)));
        let mut spans: Vec<(f64, f64)> = spans.collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fits = told.iter().zip(&spans).all(|(told, (onset, end))| (*onset..=end + late).contains(told));
        assert!(!spans.is_empty() && told.len() == spans.len() && fits, "{kind}: told at {told:?}, true {spans:?}");
    }

    /// When the clip's happenings of this kind begin, seconds, and whose they are.
    pub fn onsets(&self, kind: &str) -> Vec<(f64, Option<TrackId>)> {
        let events = self.truth["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind);
        events.map(|event| (event["onset_s"].as_f64().unwrap(), event["object"].as_u64().map(TrackId))).collect()
    }
}

/// A set with one rule, `r`.
pub fn rule_in(scene: &Scene, kind: &str, params: &Value) -> RuleSet {
    let compiled = (find(kind).unwrap().compile)(params, &SceneNames::from(scene));
    let compiled = compiled.unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
    RuleSet::new(vec![(Arc::from("r"), compiled.rule)])
}

/// The capture time of a recording without a date.
pub fn capture(at: MediaTime) -> CaptureTime {
    CaptureTime { utc: Timestamp(at.0), source: TimeSource::Epoch, error_ns: None }
}
