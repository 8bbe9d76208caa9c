//! `queue_length`: how far the queue reaches back from a stop line. Definition and truth table:
//! `docs/rules/queue_length.md`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::{Draft, EndReason, Values, number, seconds, values};
use super::held::PerTrack;
use super::interval::{Closed, Intervals};
use super::pace::{Pace, unit};
use super::params::{Check, Common, ParamError, VEHICLES, params, read};
use super::quantiles::Quantiles;
use super::queue::{Member, Queue, StopLine};
use super::roles::Role;
use super::scene::{Scene, SceneNames};
use super::table::{Compiled, Kind};
use super::{FrameView, Margin, Rule};
use crate::base::{MediaTime, Span, TrackId};
use crate::scene::{NormBox, Phase, Severity};

const NAME: &str = "queue_length";

/// The length is sampled so often for percentiles.
const SAMPLE: Duration = Duration::from_secs(1);
/// The queue is short again below this share of the threshold.
const EXIT: f64 = 0.8;

pub(super) const KIND: Kind = Kind {
    name: NAME,
    summary: "measures how far a queue reaches back from a stop line, and reports one that is too long",
    required: &["lane", "stop_line"],
    compile,
    derived_schema: || schemars::schema_for!(Params).to_value(),
};

/// What the rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Report {
    /// A queue longer than `threshold`.
    Queue,
    /// Current, mean, maximum and 95th percentile of each interval.
    Count,
}

params! {
    /// Parameters of `queue_length`. On a calibrated camera lengths are in metres and speeds in km/h; else the queue
    /// is measured in vehicles, gaps in box heights, and speeds in box heights a second.
    struct Params with Severity::Warning;
    /// The lane.
    lane: String = String::new(),
    /// The stop line, drawn so that the traffic crosses it forward.
    stop_line: String = String::new(),
    /// Slower vehicles belong to the queue: 5 km/h, or 0.7 box heights a second.
    queue_speed: Option<f64> = None,
    /// A longer gap between two vehicles, or before the first one, ends the queue: 20 m, or 8 box heights.
    max_gap: Option<f64> = None,
    /// A queue of this length is reported, in metres, or in vehicles; none reports none.
    threshold: Option<f64> = None,
    /// Metres of lane between `stop_line` and the true stop line, where that is outside the picture. A queue that reaches
    /// the line fills them.
    hidden: f64 = 0.0,
    /// It must be so long for this time, and shorter for this time to end.
    sustained: Span = Span::from_secs(5),
    /// How often a long queue that goes on is reported again.
    update_every: Span = Span::from_secs(60),
    /// What is reported.
    report: Vec<Report> = vec![Report::Queue, Report::Count],
    /// Length of an interval, from the first frame on.
    interval: Span = Span::from_secs(60),
    /// A longer step between frames counts as not observed.
    max_frame_step: Span = Span::from_secs(1),
}

fn compile(given: &Value, names: &SceneNames) -> Result<Compiled, Vec<ParamError>> {
    let (mut params, errors) = read::<Params>(given, KIND.required);
    let (speed, gap) = if names.calibrated { (5.0, 20.0) } else { (0.7, 8.0) };
    let limits = Limits {
        queue_speed: *params.queue_speed.get_or_insert(speed),
        max_gap: *params.max_gap.get_or_insert(gap),
        calibrated: names.calibrated,
    };
    validate(&params, &limits, errors, names)?;
    let values = serde_json::to_value(&params).unwrap_or_default();
    Ok(Compiled { rule: Box::new(QueueLength::new(params, limits)), params: values })
}

fn validate(
    params: &Params,
    limits: &Limits,
    errors: Vec<ParamError>,
    names: &SceneNames,
) -> Result<(), Vec<ParamError>> {
    let mut check = Check::new(names, errors);
    check.lane("lane", &params.lane);
    check.tripwire("stop_line", &params.stop_line);
    check.classes(&params.classes, VEHICLES);
    let numbers =
        [("queue_speed", Some(limits.queue_speed)), ("max_gap", Some(limits.max_gap)), ("threshold", params.threshold)];
    for (name, value) in numbers {
        if value.is_some_and(|value| !(value > 0.0 && value <= 10_000.0)) {
            check.fail(name, "is out of range: above 0, to 10000".to_owned(), None);
        }
    }
    if !(0.0..=1000.0).contains(&params.hidden) {
        check.fail("hidden", "is out of range: 0 to 1000 metres".to_owned(), None);
    } else if params.hidden > 0.0 && !limits.calibrated {
        check.fail("hidden", "is in metres, and the camera has no `calibration`".to_owned(), None);
    }
    check.at_least("update_every", params.update_every, Span::from_secs(1));
    check.at_least("interval", params.interval, Span::from_secs(1));
    check.at_least("max_frame_step", params.max_frame_step, Span::from_millis(1));
    if params.report.is_empty() {
        check.fail("report", "is empty: the rule would say nothing".to_owned(), None);
    }
    check.finish()
}

/// What makes a queue, in the units of the camera.
#[derive(Debug, Clone, Copy)]
struct Limits {
    queue_speed: f64,
    max_gap: f64,
    calibrated: bool,
}

/// What is remembered of one vehicle.
#[derive(Debug)]
struct Vehicle {
    pace: Pace,
    bbox: NormBox,
    /// Metres, as is usual for its class.
    length: f64,
}

/// A long queue that is reported.
#[derive(Debug, Clone, Copy)]
struct Open {
    since: MediaTime,
    told: MediaTime,
    longest: f64,
}

struct QueueLength {
    limits: Limits,
    common: Common,
    intervals: Intervals,
    vehicles: PerTrack<Vehicle>,
    queue: Queue,
    lengths: Quantiles,
    counts: Quantiles,
    sampled_at: Option<MediaTime>,
    /// Since when it has been too long, or short enough while it is reported.
    turned: Option<MediaTime>,
    open: Option<Open>,
    ordinal: u32,
    params: Params,
}

impl QueueLength {
    fn new(params: Params, limits: Limits) -> Self {
        Self {
            limits,
            common: params.common(VEHICLES),
            intervals: Intervals::new(params.interval.duration(), params.max_frame_step.duration()),
            vehicles: PerTrack::new(),
            queue: Queue::default(),
            lengths: Quantiles::default(),
            counts: Quantiles::default(),
            sampled_at: None,
            turned: None,
            open: None,
            ordinal: 0,
            params,
        }
    }

    /// What the threshold is held against.
    fn size(&self) -> f64 {
        if self.limits.calibrated { self.queue.length } else { f64::from(self.queue.vehicles) }
    }

    fn measure(&mut self, frame: &FrameView<'_>) {
        let Some(line) = StopLine::new(frame.scene, &self.params.stop_line) else { return };
        let slow = |vehicle: &Vehicle| vehicle.pace.now().is_some_and(|pace| pace < self.limits.queue_speed);
        let present = self.vehicles.iter().filter(|(_, vehicle)| vehicle.pace.is_seen(frame.at) && slow(vehicle));
        let members = present.filter_map(|(id, vehicle)| {
            let extent = line.extent(vehicle.bbox.anchor(), vehicle.length)?;
            Some(Member { id, extent, size: line.size(&vehicle.bbox), bbox: vehicle.bbox })
        });
        self.queue = Queue::of(members.collect(), self.limits.max_gap);
        if self.queue.vehicles > 0 {
            self.queue.length += self.params.hidden;
        }
    }

    fn sample(&mut self, at: MediaTime) {
        if self.sampled_at.is_none_or(|last| at.since(last) >= SAMPLE) {
            self.sampled_at = Some(at);
            self.lengths.push(self.queue.length);
            self.counts.push(f64::from(self.queue.vehicles));
        }
    }

    fn follow(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(threshold) = self.params.threshold else { return };
        let size = self.size();
        let turns = match self.open {
            None => size >= threshold,
            Some(_) => size < threshold * EXIT,
        };
        let turned = turns.then(|| *self.turned.get_or_insert(at));
        self.turned = turned;
        let held = turned.filter(|since| at.since(*since) >= self.params.sustained.duration());
        match (&mut self.open, held) {
            (None, Some(since)) if self.common.cooldown.pass(at) => {
                self.open = Some(Open { since, told: at, longest: self.queue.length });
                self.turned = None;
                let what = if self.limits.calibrated { format!("{size:.0} m") } else { format!("{size} vehicles") };
                let summary = format!("queue of {what} before {}", self.params.stop_line);
                out.push(self.draft(Phase::Start, at, summary, self.told()));
            }
            (Some(_), Some(since)) => {
                self.turned = None;
                self.close(since, at, EndReason::Cleared, out);
            }
            (Some(open), None) => {
                open.longest = open.longest.max(self.queue.length);
                if at.since(open.told) >= self.params.update_every.duration() {
                    open.told = at;
                    let summary = format!("queue before {} goes on", self.params.stop_line);
                    out.push(self.draft(Phase::Update, at, summary, self.told()));
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, until: MediaTime, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        let Some(open) = self.open.take() else { return };
        let lasted = until.since(open.since);
        let summary = format!("queue before {} ended after {:.0} s", self.params.stop_line, lasted.as_secs_f64());
        let measured = values([
            ("queued_seconds", seconds(lasted)),
            (if self.limits.calibrated { "max_metres" } else { "max_heights" }, number(open.longest as f32)),
            ("end_reason", reason.as_str().into()),
        ]);
        out.push(self.draft(Phase::End, at, summary, measured));
        self.ordinal += 1;
    }

    fn stop(&mut self, at: MediaTime, reason: EndReason, out: &mut Vec<Draft>) {
        self.close(at, at, reason, out);
        if let Some(closed) = self.intervals.interrupt(at, false) {
            self.flush(&closed, out);
        }
        self.vehicles = PerTrack::new();
        self.queue = Queue::default();
        (self.turned, self.sampled_at) = (None, None);
    }

    /// The queue as it is.
    fn told(&self) -> Values {
        values([
            (if self.limits.calibrated { "queue_metres" } else { "queue_heights" }, number(self.queue.length as f32)),
            ("queue_vehicles", self.queue.vehicles.into()),
        ])
    }

    fn flush(&mut self, closed: &Closed, out: &mut Vec<Draft>) {
        let (lengths, counts) = (std::mem::take(&mut self.lengths), std::mem::take(&mut self.counts));
        self.sampled_at = None;
        if !self.params.report.contains(&Report::Count) {
            return;
        }
        let mut measured = self.told();
        let length = if self.limits.calibrated { "metres" } else { "heights" };
        for (what, of) in [(length, &lengths), ("vehicles", &counts)] {
            let all = [("mean", of.mean()), ("max", of.max()), ("p95", of.percentile(0.95))];
            let told =
                all.into_iter().filter_map(|(name, value)| Some((format!("{name}_{what}"), number(value? as f32))));
            measured.extend(told);
        }
        closed.tell(&mut measured);
        let longest = lengths.max().unwrap_or(0.0);
        let summary =
            format!("{}: queue of at most {longest:.1} {length} {}", self.params.stop_line, closed.in_words());
        out.push(Draft {
            kind: "queue_state",
            ordinal: closed.ordinal,
            severity: Severity::Info,
            bbox: None,
            ..self.draft(Phase::Instant, closed.at, summary, measured)
        });
    }

    fn draft(&self, phase: Phase, at: MediaTime, summary: String, measured: Values) -> Draft {
        let (size, gap) = if self.limits.calibrated {
            ("threshold_metres", "max_gap_metres")
        } else {
            ("threshold_vehicles", "max_gap_box_heights")
        };
        let mut thresholds = values([
            ("lane", Value::from(self.params.lane.as_str())),
            ("stop_line", self.params.stop_line.as_str().into()),
            (gap, self.limits.max_gap.into()),
            ("sustained_seconds", seconds(self.params.sustained.duration())),
        ]);
        thresholds.insert(format!("queue_speed_{}", unit(self.limits.calibrated)), self.limits.queue_speed.into());
        if let Some(threshold) = self.params.threshold {
            thresholds.insert(size.to_owned(), threshold.into());
        }
        Draft {
            kind: NAME,
            phase,
            track: None,
            ordinal: self.ordinal,
            class: None,
            bbox: self.queue.bbox,
            severity: self.common.severity,
            summary,
            thresholds,
            measured,
            at,
        }
    }
}

impl Rule for QueueLength {
    fn observe(&mut self, frame: &FrameView<'_>, out: &mut Vec<Draft>) {
        for closed in self.intervals.advance(frame.at) {
            self.flush(&closed, out);
        }
        let Some(lane) = frame.scene.lanes.get(&self.params.lane) else { return };
        for track in frame.tracks.iter().filter(|track| track.observed) {
            if !self.common.takes(track.class, &frame.scene.labels) || !self.common.old_enough(track, frame.at) {
                continue;
            }
            if !lane.polygon.contains(track.anchor()) {
                self.vehicles.remove(track.id);
                continue;
            }
            let length = Role::of(&frame.scene.labels.name(track.class)).size().length;
            let fresh = || Vehicle { pace: Pace::default(), bbox: track.bbox, length };
            let vehicle = self.vehicles.touch(track.id, frame.at, fresh);
            vehicle.bbox = track.bbox;
            vehicle.pace.observe(frame.at, &track.bbox, frame.scene);
        }
        while self.vehicles.take_excess().is_some() {}
        self.measure(frame);
        self.sample(frame.at);
        if self.params.report.contains(&Report::Queue) {
            self.follow(frame.at, out);
        }
    }

    fn gap(&mut self, from: MediaTime, _to: MediaTime, out: &mut Vec<Draft>) {
        self.stop(from, EndReason::Gap, out);
    }

    fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.stop(at, EndReason::StreamEnded, out);
    }

    fn forget(&mut self, id: TrackId, _at: MediaTime, _out: &mut Vec<Draft>) {
        self.vehicles.remove(id);
    }

    fn margins(&self, at: MediaTime, _scene: &Scene, out: &mut Vec<Margin>) {
        if let Some(threshold) = self.params.threshold {
            let quantity = if self.limits.calibrated { "queue_metres" } else { "queue_vehicles" };
            out.push(Margin::at_least(None, quantity, self.size(), threshold));
            let held = self.turned.filter(|_| self.open.is_none()).map_or(0.0, |since| at.since(since).as_secs_f64());
            out.push(Margin::at_least(None, "seconds", held, self.params.sustained.duration().as_secs_f64()));
        }
    }

    fn cooling_until(&self) -> Option<MediaTime> {
        self.common.cooldown.until()
    }

    fn held(&self) -> usize {
        self.vehicles.len()
    }
}
