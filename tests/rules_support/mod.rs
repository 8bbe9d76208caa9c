//! A small scene, paths through it, and a player that feeds a rule. Shared by the `rules_*` tests.
#![allow(dead_code)] // each test binary uses its own part

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vantage::base::{CaptureTime, MediaTime, TimeSource, Timestamp, TrackId};
use vantage::rule::{Draft, FrameView, Lane, RuleSet, Scene, SceneNames, find};
use vantage::scene::{Aspect, ClassId, Labels, NormBox, NormPoint, Phase, Polygon, Segment, SignalState, Track};

pub const PERSON: ClassId = ClassId(0);
pub const CAR: ClassId = ClassId(1);
pub const BIKE: ClassId = ClassId(2);

/// A row of a truth table: what the track does, its corners (seconds, x, y), and the story it makes.
pub type Row<'a> = (&'a str, &'a [(f64, f32, f32)], &'a str);

fn p(x: f32, y: f32) -> NormPoint {
    NormPoint::new(x, y)
}

fn rectangle(x1: f32, y1: f32, x2: f32, y2: f32) -> Polygon {
    Polygon::new(vec![p(x1, y1), p(x2, y1), p(x2, y2), p(x1, y2)]).unwrap()
}

/// A picture twice as wide as high. `gate` goes up the middle, so forward is from left to right;
/// `box` is in the middle; `east` is a lane across the picture, to the right.
pub fn scene() -> Scene {
    let aspect = 2.0;
    let east = Lane::new(rectangle(0.0, 0.4, 1.0, 0.8), &Segment { from: p(0.1, 0.6), to: p(0.9, 0.6) }, aspect);
    Scene {
        tripwires: [("gate".to_owned(), Segment { from: p(0.5, 0.9), to: p(0.5, 0.1) })].into(),
        zones: [("box".to_owned(), rectangle(0.3, 0.3, 0.7, 0.9))].into(),
        lanes: [("east".to_owned(), east.unwrap())].into(),
        ground: None,
        labels: Labels::new(["person", "car", "motorcycle"]),
        aspect,
    }
}

/// The capture time of a recording without a date.
pub fn capture(at: MediaTime) -> CaptureTime {
    CaptureTime { utc: Timestamp(at.0), source: TimeSource::Epoch, error_ns: None }
}

/// One thing that happens to a rule, with its time in seconds.
#[derive(Debug, Clone)]
pub enum Step {
    Frame(f64, Vec<Track>),
    Gap(f64, f64),
    Forget(u64, f64),
    End(f64),
}

/// An object at an anchor, with a box 0.1 high, first seen at 0.
pub fn track(id: u64, class: ClassId, x: f32, y: f32) -> Track {
    Track {
        id: TrackId(id),
        class,
        score: 0.9,
        bbox: NormBox { x1: x - 0.02, y1: y - 0.1, x2: x + 0.02, y2: y },
        velocity: NormPoint::default(),
        observed: true,
        first_seen: MediaTime(0),
        last_seen: MediaTime(0),
    }
}

/// A car that goes through `corners` (seconds, x, y) in straight lines, seen `fps` times a second.
pub fn drive(id: u64, corners: &[(f64, f32, f32)], fps: f64) -> Vec<(f64, Track)> {
    let (Some(first), Some(last)) = (corners.first(), corners.last()) else { return Vec::new() };
    let frames = ((last.0 - first.0) * fps).round() as u32;
    (0..=frames)
        .map(|frame| {
            let t = first.0 + f64::from(frame) / fps;
            (t, place(id, corners, t))
        })
        .collect()
}

fn place(id: u64, corners: &[(f64, f32, f32)], t: f64) -> Track {
    for pair in corners.windows(2) {
        let ((t0, x0, y0), (t1, x1, y1)) = (pair[0], pair[1]);
        if t <= t1 + 1e-9 {
            let share = if t1 > t0 { ((t - t0) / (t1 - t0)) as f32 } else { 1.0 };
            return track(id, CAR, x0 + share * (x1 - x0), y0 + share * (y1 - y0));
        }
    }
    let (_, x, y) = corners[corners.len() - 1];
    track(id, CAR, x, y)
}

/// Frames that show every given object at the times it has.
pub fn frames(objects: &[Vec<(f64, Track)>]) -> Vec<Step> {
    let mut all: Vec<(i64, f64, Track)> = Vec::new();
    for (t, track) in objects.iter().flatten() {
        all.push(((t * 1e6).round() as i64, *t, track.clone()));
    }
    all.sort_by_key(|(key, _, track)| (*key, track.id));
    let mut steps: Vec<(i64, f64, Vec<Track>)> = Vec::new();
    for (key, t, track) in all {
        match steps.last_mut() {
            Some((last, _, tracks)) if *last == key => tracks.push(track),
            _ => steps.push((key, t, vec![track])),
        }
    }
    steps.into_iter().map(|(_, t, tracks)| Step::Frame(t, tracks)).collect()
}

/// A set with one rule called `r`.
pub fn rule(kind: &str, params: &Value) -> RuleSet {
    rule_in(&scene(), kind, params)
}

pub fn rule_in(scene: &Scene, kind: &str, params: &Value) -> RuleSet {
    let compiled = (find(kind).unwrap().compile)(params, &SceneNames::from(scene));
    let compiled = compiled.unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
    RuleSet::new(vec![(Arc::from("r"), compiled.rule)])
}

/// Feeds the steps, all times shifted by whole nanoseconds, and gives the drafts.
///
/// The signal `main` is red all the time.
pub fn play_at(shift: i64, rules: &mut RuleSet, scene: &Scene, steps: &[Step]) -> Vec<Draft> {
    play_signals(shift, rules, scene, steps, |_| vec![signal(Aspect::Red, 60.0)])
}

/// The signal `main`, heard of just now.
pub fn signal(aspect: Aspect, shown_seconds: f64) -> SignalState {
    let shown_for = Duration::from_secs_f64(shown_seconds);
    SignalState { name: Arc::from("main"), aspect, shown_for, heard_ago: Duration::ZERO }
}

/// The same with what the signals show at each time.
pub fn play_signals(
    shift: i64,
    rules: &mut RuleSet,
    scene: &Scene,
    steps: &[Step],
    signals: impl Fn(f64) -> Vec<SignalState>,
) -> Vec<Draft> {
    let time = |t: f64| MediaTime(MediaTime::from_seconds(t).0 + shift);
    let mut all = Vec::new();
    for step in steps {
        let drafts = match step {
            Step::Frame(t, tracks) => {
                let mut tracks = tracks.clone();
                for track in &mut tracks {
                    track.first_seen.0 += shift;
                }
                let signals = signals(*t);
                rules.observe(&FrameView {
                    at: time(*t),
                    capture: capture(time(*t)),
                    tracks: &tracks,
                    scene,
                    signals: &signals,
                    glance: None,
                })
            }
            Step::Gap(from, to) => rules.gap(time(*from), time(*to)),
            Step::Forget(id, t) => rules.forget(TrackId(*id), time(*t)),
            Step::End(t) => rules.end(time(*t)),
        };
        all.extend(drafts.into_iter().map(|(_, draft)| draft));
    }
    all
}

pub fn play(kind: &str, params: &Value, steps: &[Step]) -> Vec<Draft> {
    play_at(0, &mut rule(kind, params), &scene(), steps)
}

/// `start end(left)` and the like: the phases in order, ends with their reason.
pub fn story(drafts: &[Draft]) -> String {
    let word = |draft: &Draft| match draft.phase {
        Phase::Instant => draft
            .measured
            .get("transition")
            .or(draft.measured.get("direction"))
            .map_or_else(|| draft.kind.to_owned(), |word| word.as_str().unwrap().to_owned()),
        Phase::Start => "start".to_owned(),
        Phase::Update => "update".to_owned(),
        Phase::End => format!("end({})", draft.measured["end_reason"].as_str().unwrap()),
    };
    drafts.iter().map(word).collect::<Vec<_>>().join(" ")
}

pub fn measured(draft: &Draft, name: &str) -> f64 {
    draft.measured[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {draft:?}"))
}
