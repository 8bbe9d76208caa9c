//! `line_crossing`: a track's anchor passes a directed tripwire. Definition and truth table:
//! `docs/rules/line_crossing.md`.
//!
//! What a crossing is stands in `wire.rs`; here it counts once per track and direction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, Sight, number, seconds, values};
use super::held::PerTrack;
use super::line_count::LineCount;
use super::params::{Check, Common, ParamError, params, read};
use super::plane::Anchor;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::wire::{Crossed, Direction, Passage, Wire};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormPoint, Phase, Severity, Track};

const NAME: &str = "line_crossing";

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "counts and reports tracks whose anchor passes a directed tripwire, once per track and direction",
    required: &["line"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// Each crossing.
    Crossing,
    /// The counts of each interval.
    Count,
}

params! {
    /// Parameters of `line_crossing`.
    struct Params with Severity::Info;
    /// The tripwire.
    line: String = String::new(),
    /// How far an anchor must be from the line to be clear of it, in picture heights.
    #[schemars(range(min = 0.0, max = 0.25))]
    hysteresis: f64 = 0.01,
    /// The point of the box that stands for the object.
    anchor: Anchor = Anchor::Bottom,
    /// What is reported; crossings are counted in any case.
    report: Vec<Report> = vec![Report::Crossing, Report::Count],
    /// Length of a counting interval, from the first frame on.
    interval: Span = Span::from_secs(60),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (params, errors) = read::<Params>(given, KIND.required);
    validate(&params, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(LineCrossing::new(params)), params: values })
}

fn validate(params: &Params, errors: Vec<ParamError>, names: &SceneNames) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.tripwire("line", &params.line);
    check.classes(&params.classes, &[]);
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// What is remembered of one track.
#[derive(Debug)]
struct Crosser {
    passage: Passage,
    counted_forward: bool,
    counted_backward: bool,
}

impl Crosser {
    fn new(anchor: NormPoint) -> Self {
        Self { passage: Passage::new(anchor), counted_forward: false, counted_backward: false }
    }

    /// True the first time for each direction.
    fn count_once(&mut self, direction: Direction) -> bool {
        let counted = match direction {
            Direction::Forward => &mut self.counted_forward,
            Direction::Backward => &mut self.counted_backward,
        };
        !std::mem::replace(counted, true)
    }
}

struct LineCrossing {
    params: Params,
    common: Common,
    crossers: PerTrack<Crosser>,
    count: LineCount,
}

impl LineCrossing {
    fn new(params: Params) -> Self {
        let common = params.common(&[]);
        let count = LineCount::new(params.line.clone(), params.interval.duration(), params.max_frame_step.duration());
        Self { params, common, crossers: PerTrack::new(), count }
    }

    fn reports(&self, what: Report) -> bool {
        self.params.report.contains(&what)
    }

    /// Lets the counter write, and takes back what it wrote when counts are not asked for.
    fn with_count(&mut self, out: &mut Vec<Draft>, call: impl FnOnce(&mut LineCount, &mut Vec<Draft>)) {
        let before = out.len();
        call(&mut self.count, out);
        if !self.reports(Report::Count) {
            out.truncate(before);
        }
    }

    fn cross(&mut self, track: &Track, crossed: &Crossed, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        let class = frame.scene.labels.name(track.class);
        // Lanes may overlap: the first by name, so that each crossing counts in one.
        let lane = frame.scene.lanes.iter().find(|(_, lane)| lane.polygon.contains(crossed.point));
        self.count.count(crossed.direction, &class, lane.map(|(name, _)| name.as_str()));
        if !self.reports(Report::Crossing) || !self.common.cooldown.pass(frame.at) {
            return;
        }
        let sight = Sight::new(track, frame.at);
        let direction = crossed.direction.as_str();
        out.push(Draft {
            kind: NAME,
            phase: Phase::Instant,
            track: Some(sight.id),
            // Once per direction, so the direction names the happening.
            ordinal: crossed.direction as u32,
            class: Some(sight.class),
            bbox: Some(sight.bbox),
            severity: self.common.severity,
            summary: format!("{class} crossed {} {direction}", self.params.line),
            thresholds: values([
                ("line", Value::from(self.params.line.as_str())),
                ("hysteresis_heights", Value::from(self.params.hysteresis)),
            ]),
            measured: values([
                ("direction", Value::from(direction)),
                ("crossing_point", Value::from(vec![number(crossed.point.x), number(crossed.point.y)])),
                ("clear_heights", number(crossed.clear)),
                ("track_age_seconds", seconds(frame.at.since(track.first_seen))),
            ]),
            at: frame.at,
        });
    }
}

impl Rule for LineCrossing {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        self.with_count(out, |count, out| count.advance(frame.at, out));
        let Some(wire) = Wire::of(frame.scene, &self.params.line) else { return };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let anchor = self.params.anchor.of(&track.bbox);
            let crosser = self.crossers.touch(track.id, frame.at, || Crosser::new(anchor));
            let crossed = crosser.passage.advance(anchor, &wire, self.params.hysteresis as f32);
            let Some(crossed) = crossed else { continue };
            if self.common.takes(track.class, &frame.scene.labels)
                && self.common.old_enough(track, frame.at)
                && crosser.count_once(crossed.direction)
            {
                self.cross(track, &crossed, frame, out);
            }
        }
        while self.crossers.take_excess().is_some() {}
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.end(from, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.with_count(out, |count, out| count.interrupt(at, out));
        self.crossers = PerTrack::new();
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.crossers.remove(id);
    }

    fn margins(&self, _at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let Some(wire) = Wire::of(scene, &self.params.line) else { return };
        for (id, crosser) in self.crossers.iter() {
            let clear = f64::from(wire.offset(crosser.passage.last()).abs());
            let passes = f64::from(crosser.passage.balance().abs());
            out.push(Margin::at_least(Some(id), "passes_of_the_line", passes, 1.0));
            out.push(Margin::at_least(Some(id), "clear_heights", clear, self.params.hysteresis));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.crossers.len()
    }
}
