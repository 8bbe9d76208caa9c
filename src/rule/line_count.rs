//! Counts of line crossings per interval, class, direction and lane.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::draft::{Draft, seconds, values};
use super::interval::{Closed, Intervals};
use super::wire::Direction;
use crate::base::MediaTime;
use crate::scene::{Phase, Severity};

/// Counts per class name.
pub(super) type Counts = BTreeMap<String, u32>;

/// Counts both ways.
#[derive(Debug, Default, Serialize)]
struct BothWays {
    forward: Counts,
    backward: Counts,
}

impl BothWays {
    fn count(&mut self, direction: Direction, class: &str) {
        let counts = match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        };
        *counts.entry(class.to_owned()).or_default() += 1;
    }
}

/// The counter of one tripwire.
#[derive(Debug)]
pub(super) struct LineCount {
    line: String,
    intervals: Intervals,
    counts: BothWays,
    /// By the lane in which the line was crossed, where there is one.
    lanes: BTreeMap<String, BothWays>,
}

impl LineCount {
    pub(super) fn new(line: String, interval: Duration, max_frame_step: Duration) -> Self {
        let intervals = Intervals::new(interval, max_frame_step);
        Self { line, intervals, counts: BothWays::default(), lanes: BTreeMap::new() }
    }

    /// Time has come to `at`, with a frame. Call it before the frame's crossings are counted.
    pub(super) fn advance(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        for closed in self.intervals.advance(at) {
            self.flush(&closed, out);
        }
    }

    pub(super) fn count(&mut self, direction: Direction, class: &str, lane: Option<&str>) {
        self.counts.count(direction, class);
        if let Some(lane) = lane {
            self.lanes.entry(lane.to_owned()).or_default().count(direction, class);
        }
    }

    /// Frames stop at `at`: reports what there is of the interval.
    pub(super) fn interrupt(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let counted = !self.counts.forward.is_empty() || !self.counts.backward.is_empty();
        if let Some(closed) = self.intervals.interrupt(at, counted) {
            self.flush(&closed, out);
        }
    }

    fn flush(&mut self, closed: &Closed, out: &mut Vec<Draft>) {
        let (counts, lanes) = (std::mem::take(&mut self.counts), std::mem::take(&mut self.lanes));
        let summary = format!(
            "{}: {} forward, {} backward {}",
            self.line,
            counts.forward.values().sum::<u32>(),
            counts.backward.values().sum::<u32>(),
            closed.in_words(),
        );
        let mut measured = values([("counts", json!(counts)), ("lanes", json!(lanes))]);
        closed.tell(&mut measured);
        out.push(Draft {
            kind: "line_count",
            phase: Phase::Instant,
            track: None,
            ordinal: closed.ordinal,
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary,
            thresholds: values([
                ("line", Value::from(self.line.as_str())),
                ("interval_seconds", seconds(self.intervals.length())),
                ("max_frame_step_seconds", seconds(self.intervals.max_frame_step())),
            ]),
            measured,
            at: closed.at,
        });
    }
}
