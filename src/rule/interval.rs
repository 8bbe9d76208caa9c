//! The grid of intervals that counts and measurements are reported by, with the seconds that were really watched.
//!
//! Intervals lie on a grid that begins with the first frame. A gap cuts an interval in two records;
//! nothing is left out between records, so their `interval_seconds` add up to the time that passed
//! and their `observed_seconds` to the time that was watched: a blind camera never looks like an
//! empty road.

use std::time::Duration;

use super::draft::{Values, seconds};
use crate::base::MediaTime;

/// The clock of one rule's records.
#[derive(Debug)]
pub(super) struct Intervals {
    length: Duration,
    max_frame_step: Duration,
    /// Where the grid begins: the first frame.
    origin: Option<MediaTime>,
    start: MediaTime,
    previous: Option<MediaTime>,
    observed: Duration,
    ordinal: u32,
}

/// An interval, or a part of one, that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// When it ended.
    pub(super) at: MediaTime,
    /// How long it was.
    pub(super) length: Duration,
    /// How much of it was watched.
    pub(super) observed: Duration,
    /// Its number, from 0.
    pub(super) ordinal: u32,
}

impl Closed {
    /// Adds what every record says of its time.
    pub(super) fn tell(&self, measured: &mut Values) {
        measured.insert("interval_seconds".to_owned(), seconds(self.length));
        measured.insert("observed_seconds".to_owned(), seconds(self.observed));
    }

    /// `in 60.0 s, 52.0 s of it observed`.
    pub(super) fn in_words(&self) -> String {
        format!("in {:.1} s, {:.1} s of it observed", self.length.as_secs_f64(), self.observed.as_secs_f64())
    }
}

impl Intervals {
    /// `length` is above 0. A step between frames longer than `max_frame_step` was not watched.
    pub(super) fn new(length: Duration, max_frame_step: Duration) -> Self {
        Self {
            length,
            max_frame_step,
            origin: None,
            start: MediaTime::default(),
            previous: None,
            observed: Duration::ZERO,
            ordinal: 0,
        }
    }

    /// The interval's full length.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// The longest step between frames that still counts as watched.
    pub(super) fn max_frame_step(&self) -> Duration {
        self.max_frame_step
    }

    /// How long before `at` was watched without a break: since the frame before, if that is near.
    pub(super) fn step(&self, at: MediaTime) -> Duration {
        self.watched_from(at).map_or(Duration::ZERO, |previous| at.since(previous))
    }

    fn watched_from(&self, at: MediaTime) -> Option<MediaTime> {
        self.previous.filter(|previous| at.since(*previous) <= self.max_frame_step)
    }

    /// Time has come to `at`, with a frame. Gives what is over now; call it before anything of the frame is
    /// counted. Whole intervals within one step between frames make one record together, the second.
    pub(super) fn advance(&mut self, at: MediaTime) -> impl Iterator<Item = Closed> + use<> {
        let mut over = [None, None];
        match self.origin {
            None => (self.origin, self.start) = (Some(at), at),
            Some(origin) => {
                let watched_from = self.watched_from(at).unwrap_or(at);
                let watched_since = |from: MediaTime, to: MediaTime| to.since(watched_from.max(from).min(to));
                let boundary = self.boundary_at_or_before(self.start, origin) + self.length;
                if at < boundary {
                    self.observed += watched_since(watched_from, at);
                } else {
                    self.observed += watched_since(watched_from, boundary);
                    over[0] = Some(self.close(boundary));
                    let last = self.boundary_at_or_before(at, origin);
                    if last > boundary {
                        self.observed = watched_since(boundary, last);
                        over[1] = Some(self.close(last));
                    }
                    self.observed = watched_since(last, at);
                }
            }
        }
        self.previous = Some(at);
        over.into_iter().flatten()
    }

    /// Frames stop at `at`: closes what there is of the interval. Nothing when no time has passed since the last
    /// record and nothing was `counted`.
    pub(super) fn interrupt(&mut self, at: MediaTime, counted: bool) -> Option<Closed> {
        let something = self.origin.is_some() && (at > self.start || counted);
        self.previous = None;
        something.then(|| self.close(at.max(self.start)))
    }

    fn boundary_at_or_before(&self, at: MediaTime, origin: MediaTime) -> MediaTime {
        let interval = self.length.as_nanos().max(1);
        let whole = at.since(origin).as_nanos() / interval * interval;
        origin + Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX))
    }

    fn close(&mut self, at: MediaTime) -> Closed {
        let closed = Closed { at, length: at.since(self.start), observed: self.observed, ordinal: self.ordinal };
        self.ordinal += 1;
        self.start = at;
        self.observed = Duration::ZERO;
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(at: f64, length: f64, observed: f64, ordinal: u32) -> Closed {
        let [length, observed] = [length, observed].map(Duration::from_secs_f64);
        Closed { at: MediaTime::from_seconds(at), length, observed, ordinal }
    }

    #[test]
    fn a_step_over_a_boundary_is_shared_out() {
        let mut grid = Intervals::new(Duration::from_secs(10), Duration::from_secs(4));
        let mut at = |t: f64| grid.advance(MediaTime::from_seconds(t)).collect::<Vec<_>>();
        assert_eq!(at(0.0), []);
        assert_eq!(at(4.0), []);
        assert_eq!(at(8.0), []);
        assert_eq!(at(12.0), [told(10.0, 10.0, 10.0, 0)]);
        // A step that is too long was not watched, and its whole intervals are one record.
        assert_eq!(at(45.0), [told(20.0, 10.0, 2.0, 1), told(40.0, 20.0, 0.0, 2)]);
        assert_eq!(at(48.0), []);
        assert_eq!(grid.interrupt(MediaTime::from_seconds(48.0), false), Some(told(48.0, 8.0, 3.0, 3)));
        assert_eq!(grid.interrupt(MediaTime::from_seconds(48.0), false), None);
    }
}
