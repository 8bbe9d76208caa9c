//! `line_crossing`: a track's anchor passes a directed tripwire. Definition and truth table:
//! `docs/rules/line_crossing.md`.
//!
//! A track is *clear* on a side when its anchor is at least `hysteresis` from the line. It crosses
//! when it is clear on one side, later clear on the other, and its path between the two passes the
//! drawn segment once more in that direction than against it: jitter on the line cancels out, and
//! going round an end of the line is no crossing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, Sight, number, seconds, values};
use super::held::PerTrack;
use super::line_count::{Direction, LineCount};
use super::params::{Check, Common, ParamError, params, read};
use super::plane::{Anchor, Vec2};
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormPoint, Phase, Segment, Severity, Track};

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

/// Which side of the arrow, seen along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// How far a track has come in crossing the line.
#[derive(Debug)]
struct Passage {
    /// The side it was last clear on.
    clear: Option<Side>,
    /// The anchor when last observed.
    last: NormPoint,
    /// Passes of the segment since last clear: +1 towards the right, −1 towards the left.
    balance: i32,
    /// Where the segment was passed last.
    point: NormPoint,
    counted_forward: bool,
    counted_backward: bool,
}

struct LineCrossing {
    params: Params,
    common: Common,
    passages: PerTrack<Passage>,
    count: LineCount,
}

impl LineCrossing {
    fn new(params: Params) -> Self {
        let common = params.common(&[]);
        let count = LineCount::new(params.line.clone(), params.interval.duration(), params.max_frame_step.duration());
        Self { params, common, passages: PerTrack::new(), count }
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
        self.count.count(crossed.direction, &class);
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
        let Some(wire) = frame.scene.tripwires.get(&self.params.line).and_then(|line| Wire::new(line, frame.scene))
        else {
            return;
        };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            let anchor = self.params.anchor.of(&track.bbox);
            let fresh = || Passage::new(anchor);
            let passage = self.passages.touch(track.id, frame.at, fresh);
            let crossed = passage.advance(anchor, &wire, self.params.hysteresis as f32);
            let Some(crossed) = crossed else { continue };
            if self.common.takes(track.class, &frame.scene.labels)
                && self.common.old_enough(track, frame.at)
                && passage.count_once(crossed.direction)
            {
                self.cross(track, &crossed, frame, out);
            }
        }
        while self.passages.take_excess().is_some() {}
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.end(from, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.with_count(out, |count, out| count.interrupt(at, out));
        self.passages = PerTrack::new();
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.passages.remove(id);
    }

    fn margins(&self, _at: MediaTime, scene: &Scene, out: &mut Vec<Margin>) {
        let wire = scene.tripwires.get(&self.params.line).and_then(|line| Wire::new(line, scene));
        let Some(wire) = wire else { return };
        for (id, passage) in self.passages.iter() {
            let clear = f64::from(wire.offset(passage.last).abs());
            out.push(Margin::at_least(Some(id), "passes_of_the_line", f64::from(passage.balance.abs()), 1.0));
            out.push(Margin::at_least(Some(id), "clear_heights", clear, self.params.hysteresis));
        }
    }

    fn held(&self) -> usize {
        self.passages.len()
    }
}

/// A crossing that has just been completed.
struct Crossed {
    direction: Direction,
    point: NormPoint,
    /// Distance from the line now, in picture heights.
    clear: f32,
}

impl Passage {
    fn new(anchor: NormPoint) -> Self {
        Self { clear: None, last: anchor, balance: 0, point: anchor, counted_forward: false, counted_backward: false }
    }

    fn advance(&mut self, anchor: NormPoint, wire: &Wire<'_>, hysteresis: f32) -> Option<Crossed> {
        if let Some((towards, point)) = wire.passed(self.last, anchor) {
            self.balance += if towards == Side::Right { 1 } else { -1 };
            self.point = point;
        }
        self.last = anchor;
        let offset = wire.offset(anchor);
        // Exactly on the line is on no side, even without hysteresis.
        if offset == 0.0 || !offset.is_finite() || offset.abs() < hysteresis {
            return None;
        }
        let side = if offset > 0.0 { Side::Right } else { Side::Left };
        let before = self.clear.replace(side);
        let balance = std::mem::take(&mut self.balance);
        let direction = match (before?, side) {
            (Side::Left, Side::Right) if balance > 0 => Direction::Forward,
            (Side::Right, Side::Left) if balance < 0 => Direction::Backward,
            _ => return None,
        };
        Some(Crossed { direction, point: self.point, clear: offset.abs() })
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

/// A tripwire on the screen, in picture heights.
pub(super) struct Wire<'a> {
    scene: &'a Scene,
    from: Vec2,
    along: Vec2,
    length: f32,
}

impl<'a> Wire<'a> {
    /// None for a line without length, which nothing can cross.
    pub(super) fn new(line: &Segment, scene: &'a Scene) -> Option<Self> {
        let from = scene.in_heights(line.from);
        let along = scene.in_heights(line.to) - from;
        let length = along.length();
        (length > 0.0).then_some(Self { scene, from, along, length })
    }

    /// Signed distance from the line through the tripwire, positive to the right of the arrow, as [`Segment::side`].
    pub(super) fn offset(&self, p: NormPoint) -> f32 {
        self.along.cross(self.scene.in_heights(p) - self.from) / self.length
    }

    /// Towards which side, and where, the step from `a` to `b` passes the segment itself. A point on
    /// the line belongs to its right, so that a path made of steps passes once wherever its corners lie.
    pub(super) fn passed(&self, a: NormPoint, b: NormPoint) -> Option<(Side, NormPoint)> {
        let (at_a, at_b) = (self.offset(a), self.offset(b));
        if (at_a >= 0.0) == (at_b >= 0.0) {
            return None;
        }
        let share = at_a / (at_a - at_b);
        let point = NormPoint::new(a.x + share * (b.x - a.x), a.y + share * (b.y - a.y));
        let along = self.along.dot(self.scene.in_heights(point) - self.from) / (self.length * self.length);
        let side = if at_b >= 0.0 { Side::Right } else { Side::Left };
        (0.0..=1.0).contains(&along).then_some((side, point))
    }
}
