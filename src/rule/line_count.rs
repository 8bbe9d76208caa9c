//! Counts of line crossings per interval, with the seconds that were really watched.
//!
//! Intervals lie on a grid that begins with the first frame. A gap cuts an interval in two records;
//! nothing is left out between records, so their `interval_seconds` add up to the time that passed
//! and their `observed_seconds` to the time that was watched: a blind camera never looks like an
//! empty road.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::draft::{Draft, seconds, values};
use crate::base::MediaTime;
use crate::scene::{Phase, Severity};

/// Counts per class name.
type Counts = BTreeMap<String, u32>;

/// Which way a tripwire was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// From the left of the arrow to its right.
    Forward,
    /// From the right of the arrow to its left.
    Backward,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// The counter of one tripwire.
#[derive(Debug)]
pub(super) struct LineCount {
    line: String,
    interval: Duration,
    max_frame_step: Duration,
    /// Where the grid of intervals begins: the first frame.
    origin: Option<MediaTime>,
    start: MediaTime,
    previous: Option<MediaTime>,
    observed: Duration,
    forward: Counts,
    backward: Counts,
    ordinal: u32,
}

impl LineCount {
    pub(super) fn new(line: String, interval: Duration, max_frame_step: Duration) -> Self {
        Self {
            line,
            interval,
            max_frame_step,
            origin: None,
            start: MediaTime::default(),
            previous: None,
            observed: Duration::ZERO,
            forward: Counts::new(),
            backward: Counts::new(),
            ordinal: 0,
        }
    }

    /// Time has come to `at`, with a frame. Call it before the frame's crossings are counted.
    pub(super) fn advance(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(origin) = self.origin else {
            (self.origin, self.start, self.previous) = (Some(at), at, Some(at));
            return;
        };
        // The stretch up to this frame was watched if the frame before it is near.
        let watched_from = self.previous.filter(|previous| at.since(*previous) <= self.max_frame_step);
        let boundary = self.boundary_at_or_before(self.start, origin) + self.interval;
        if at < boundary {
            self.observed += watched_from.map_or(Duration::ZERO, |from| at.since(from));
        } else {
            self.observed += watched_from.map_or(Duration::ZERO, |from| boundary.since(from));
            self.flush(boundary, out);
            // Whole intervals within one step between frames make one record together.
            let last = self.boundary_at_or_before(at, origin);
            if last > boundary {
                self.observed = watched_from.map_or(Duration::ZERO, |from| last.since(from.max(boundary)));
                self.flush(last, out);
            }
            self.observed = watched_from.map_or(Duration::ZERO, |from| at.since(from.max(last)));
        }
        self.previous = Some(at);
    }

    pub(super) fn count(&mut self, direction: Direction, class: &str) {
        let counts = match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        };
        *counts.entry(class.to_owned()).or_default() += 1;
    }

    /// Frames stop at `at`: reports what there is of the interval.
    pub(super) fn interrupt(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let something = at > self.start || !self.forward.is_empty() || !self.backward.is_empty();
        if self.origin.is_some() && something {
            self.flush(at.max(self.start), out);
        }
        self.previous = None;
    }

    fn boundary_at_or_before(&self, at: MediaTime, origin: MediaTime) -> MediaTime {
        let interval = self.interval.as_nanos().max(1);
        let whole = at.since(origin).as_nanos() / interval * interval;
        origin + Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX))
    }

    fn flush(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        let length = at.since(self.start);
        let (forward, backward) = (std::mem::take(&mut self.forward), std::mem::take(&mut self.backward));
        let summary = format!(
            "{}: {} forward, {} backward in {:.1} s, {:.1} s of it observed",
            self.line,
            forward.values().sum::<u32>(),
            backward.values().sum::<u32>(),
            length.as_secs_f64(),
            self.observed.as_secs_f64(),
        );
        out.push(Draft {
            kind: "line_count",
            phase: Phase::Instant,
            track: None,
            ordinal: self.ordinal,
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary,
            thresholds: values([
                ("line", Value::from(self.line.as_str())),
                ("interval_seconds", seconds(self.interval)),
                ("max_frame_step_seconds", seconds(self.max_frame_step)),
            ]),
            measured: values([
                ("interval_seconds", seconds(length)),
                ("observed_seconds", seconds(self.observed)),
                ("counts", json!({ "forward": forward, "backward": backward })),
            ]),
            at,
        });
        self.ordinal += 1;
        self.start = at;
        self.observed = Duration::ZERO;
    }
}
