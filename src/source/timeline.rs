//! From PTS to media time and capture time.
//!
//! Media time never goes back and never leaps with a broken stream clock: a jump of the PTS is replaced
//! by a plausible step, remembered, and reported. Capture time is always said with its source.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::{CaptureTime, MediaTime, TimeSource, Timestamp};

/// A live PTS that runs ahead of the wall clock by more than this has jumped.
const LIVE_LEAP: Duration = Duration::from_secs(3);
/// The step put in place of a jump before the stream's own rhythm is known.
const DEFAULT_STEP_NS: i64 = 40_000_000;
/// Arrivals that the arrival clock looks back on.
const ARRIVAL_WINDOW: usize = 256;

/// Places the pictures of one run on the camera's timeline.
#[derive(Debug)]
pub struct Timeline {
    /// Media time of PTS `origin`.
    base: MediaTime,
    origin: Option<i64>,
    last: Option<Placed>,
    step_ns: i64,
    jumped_ns: u64,
    live: bool,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    at: MediaTime,
    arrived_ns: i64,
}

/// A picture's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// On the camera's timeline.
    pub at: MediaTime,
    /// How far the PTS jumped here, when it did.
    pub jump_ns: Option<i64>,
}

impl Timeline {
    /// A run whose first picture lies at `base`.
    #[must_use]
    pub fn new(base: MediaTime, live: bool) -> Self {
        Self { base, origin: None, last: None, step_ns: DEFAULT_STEP_NS, jumped_ns: 0, live }
    }

    /// Places the picture with this PTS (ns on the run's clock) that arrived at `arrived_ns` on our
    /// monotonic clock (used only to tell a leap from a pause of a live stream).
    pub fn place(&mut self, pts_ns: i64, arrived_ns: i64) -> Place {
        let origin = *self.origin.get_or_insert(pts_ns);
        let at = MediaTime(self.base.0.saturating_add(pts_ns.saturating_sub(origin)));
        let Some(last) = self.last else {
            self.last = Some(Placed { at, arrived_ns });
            return Place { at, jump_ns: None };
        };
        let ahead = at.0.saturating_sub(last.at.0);
        let waited = arrived_ns.saturating_sub(last.arrived_ns);
        let leap = self.live && ahead > waited.saturating_add(LIVE_LEAP.as_nanos() as i64);
        let place = if ahead <= 0 || leap {
            let step = if self.live { waited.clamp(1, LIVE_LEAP.as_nanos() as i64) } else { self.step_ns };
            let at = MediaTime(last.at.0.saturating_add(step));
            let jump = ahead.saturating_sub(step);
            self.origin = Some(origin.saturating_add(jump));
            self.jumped_ns = self.jumped_ns.saturating_add(jump.unsigned_abs());
            Place { at, jump_ns: Some(jump) }
        } else {
            // The rhythm: an eighth of the way to each new interval, pauses left out.
            if ahead < 1_000_000_000 {
                self.step_ns += (ahead - self.step_ns) / 8;
            }
            Place { at, jump_ns: None }
        };
        self.last = Some(Placed { at: place.at, arrived_ns });
        place
    }

    /// Where a picture with this PTS would lie, as far as is known before it is decoded.
    #[must_use]
    pub fn project(&self, pts_ns: i64) -> MediaTime {
        MediaTime(self.base.0.saturating_add(pts_ns.saturating_sub(self.origin.unwrap_or(pts_ns))))
    }

    /// Sum of all jumps so far: by so much a recording's capture times may be wrong.
    #[must_use]
    pub fn jumped(&self) -> Duration {
        Duration::from_nanos(self.jumped_ns)
    }

    /// Where a following run of a recording begins: one step after the last picture.
    #[must_use]
    pub fn end(&self) -> MediaTime {
        self.last.map_or(self.base, |last| MediaTime(last.at.0.saturating_add(self.step_ns)))
    }
}

/// Capture times of a recording: a start plus media time.
#[derive(Debug, Clone, Copy)]
pub struct RecordingClock {
    /// UTC of media time 0.
    pub start: Timestamp,
    /// Where `start` comes from.
    pub source: TimeSource,
}

impl RecordingClock {
    /// Capture time at `at`, after jumps that add up to `jumped`.
    #[must_use]
    pub fn capture(&self, at: MediaTime, jumped: Duration) -> CaptureTime {
        let jumped = u64::try_from(jumped.as_nanos()).unwrap_or(u64::MAX);
        let error_ns = match self.source {
            TimeSource::StartsAt => Some(jumped),
            // Containers store whole seconds.
            TimeSource::Container => Some(jumped.saturating_add(1_000_000_000)),
            _ => None,
        };
        CaptureTime { utc: Timestamp(self.start.0.saturating_add(at.0)), source: self.source, error_ns }
    }
}

/// Capture times of a live stream: the camera's sender reports (RFC 3550 §6.4.1), else arrival.
#[derive(Debug, Default)]
pub struct LiveClock {
    /// NTP minus PTS, from the latest sender report, ns since 1970.
    ntp_offset_ns: Option<i64>,
    /// Arrival (UTC) minus PTS of recent access units.
    arrivals: VecDeque<i64>,
}

impl LiveClock {
    /// A packet with this PTS was sent at `ntp` by the camera's clock.
    pub fn sender_report(&mut self, pts_ns: i64, ntp: Timestamp) {
        self.ntp_offset_ns = Some(ntp.0.saturating_sub(pts_ns));
    }

    /// An access unit with this PTS arrived at `arrived`.
    pub fn arrival(&mut self, pts_ns: i64, arrived: Timestamp) {
        if self.arrivals.len() == ARRIVAL_WINDOW {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(arrived.0.saturating_sub(pts_ns));
    }

    /// UTC minus PTS by sender reports, ns; `None` before the first.
    #[must_use]
    pub fn reported_ns(&self) -> Option<i64> {
        self.ntp_offset_ns
    }

    /// UTC minus PTS by the least delayed arrival of the window, ns; `None` before the first.
    #[must_use]
    pub fn arrival_ns(&self) -> Option<i64> {
        self.arrivals.iter().min().copied()
    }

    /// Capture time of the picture with this PTS.
    ///
    /// By sender reports the error bound is how far the camera's clock and our arrival time disagree.
    /// By arrival the estimate is the least delayed arrival of the window, the bound the spread of the
    /// window: the network's delay itself cannot be seen from here.
    #[must_use]
    pub fn capture(&self, pts_ns: i64) -> CaptureTime {
        let earliest = self.arrivals.iter().min().copied().unwrap_or(0);
        let latest = self.arrivals.iter().max().copied().unwrap_or(earliest);
        match self.ntp_offset_ns {
            Some(offset) => CaptureTime {
                utc: Timestamp(offset.saturating_add(pts_ns)),
                source: TimeSource::SenderReport,
                error_ns: Some(earliest.saturating_sub(offset).unsigned_abs()),
            },
            None => CaptureTime {
                utc: Timestamp(earliest.saturating_add(pts_ns)),
                source: TimeSource::Arrival,
                error_ns: Some(latest.saturating_sub(earliest).unsigned_abs()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn run(timeline: &mut Timeline, pts_ms: &[i64]) -> Vec<i64> {
        pts_ms.iter().enumerate().map(|(i, pts)| timeline.place(pts * MS, i as i64 * 40 * MS).at.0 / MS).collect()
    }

    #[test]
    fn pts_start_anywhere_and_media_time_at_the_base() {
        let mut timeline = Timeline::new(MediaTime(1000 * MS), false);
        assert_eq!(run(&mut timeline, &[5000, 5040, 5080]), [1000, 1040, 1080]);
        assert_eq!(timeline.end().0 / MS, 1120);
    }

    #[test]
    fn a_jump_back_is_one_step_and_is_reported() {
        let mut timeline = Timeline::new(MediaTime(0), false);
        assert_eq!(run(&mut timeline, &[0, 40, 80, -360, -320]), [0, 40, 80, 120, 160]);
        assert_eq!(timeline.jumped().as_millis(), 480);
    }

    #[test]
    fn a_recording_may_pause_but_a_live_stream_may_not_leap() {
        assert_eq!(run(&mut Timeline::new(MediaTime(0), false), &[0, 40, 60_000]), [0, 40, 60_000]);
        assert_eq!(run(&mut Timeline::new(MediaTime(0), true), &[0, 40, 3_600_000, 3_600_040]), [0, 40, 80, 120]);
    }

    #[test]
    fn sender_reports_win_over_arrival_and_the_bound_is_their_difference() {
        let mut clock = LiveClock::default();
        clock.arrival(0, Timestamp(1_000 * MS));
        clock.arrival(40 * MS, Timestamp(1_055 * MS));
        let by_arrival = clock.capture(40 * MS);
        assert_eq!(
            (by_arrival.utc.0 / MS, by_arrival.source, by_arrival.error_ns),
            (1_040, TimeSource::Arrival, Some(15 * MS as u64))
        );
        clock.sender_report(0, Timestamp(700 * MS));
        let by_report = clock.capture(40 * MS);
        assert_eq!(
            (by_report.utc.0 / MS, by_report.source, by_report.error_ns),
            (740, TimeSource::SenderReport, Some(300 * MS as u64))
        );
    }
}
