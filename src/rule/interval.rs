//! Intervals on a grid that begins with the first frame, each with the seconds of it that were really watched.

use std::time::Duration;

use crate::base::MediaTime;

/// A finished interval, or what there was of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) from: MediaTime,
    pub(super) to: MediaTime,
    /// How much of it lies between frames that are near each other.
    pub(super) observed: Duration,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Intervals {
    length: Duration,
    /// A longer step between frames was not watched.
    max_frame_step: Duration,
    origin: Option<MediaTime>,
    start: MediaTime,
    previous: Option<MediaTime>,
    observed: Duration,
}

impl Intervals {
    pub(super) fn new(length: Duration, max_frame_step: Duration) -> Self {
        Self {
            length: length.max(Duration::from_nanos(1)),
            max_frame_step,
            origin: None,
            start: MediaTime::default(),
            previous: None,
            observed: Duration::ZERO,
        }
    }

    /// Takes in a frame: the time since the one before it, if that was watched, and the interval that it ends.
    /// Several that passed without a frame are one.
    pub(super) fn advance(&mut self, at: MediaTime) -> (Duration, Option<Interval>) {
        let Some(origin) = self.origin else {
            (self.origin, self.start, self.previous) = (Some(at), at, Some(at));
            return (Duration::ZERO, None);
        };
        let step = self.previous.map_or(Duration::ZERO, |previous| at.since(previous));
        let watched = if step <= self.max_frame_step { step } else { Duration::ZERO };
        self.previous = Some(at);
        let boundary = grid(origin, self.length, at);
        if boundary <= self.start {
            self.observed += watched;
            return (watched, None);
        }
        let after = watched.min(at.since(boundary));
        let ended = Interval { from: self.start, to: boundary, observed: self.observed + (watched - after) };
        (self.start, self.observed) = (boundary, after);
        (watched, Some(ended))
    }

    /// Frames stop at `at`: what there is of the interval. The next frame begins a new stretch on the same grid.
    pub(super) fn interrupt(&mut self, at: MediaTime) -> Option<Interval> {
        self.origin?;
        self.previous = None;
        let ended = Interval { from: self.start, to: at.max(self.start), observed: self.observed };
        (self.start, self.observed) = (ended.to, Duration::ZERO);
        (ended.to > ended.from).then_some(ended)
    }
}

/// The last boundary at or before `at`.
fn grid(origin: MediaTime, length: Duration, at: MediaTime) -> MediaTime {
    let length = length.as_nanos();
    let whole = at.since(origin).as_nanos() / length * length;
    origin + Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: f64) -> MediaTime {
        MediaTime::from_seconds(seconds)
    }

    #[test]
    fn watched_time_is_cut_at_boundaries() {
        let mut intervals = Intervals::new(Duration::from_secs(10), Duration::from_secs(2));
        assert_eq!(intervals.advance(at(100.0)), (Duration::ZERO, None));
        for n in 1..=9 {
            assert_eq!(intervals.advance(at(100.0 + f64::from(n))).1, None);
        }
        let (_, ended) = intervals.advance(at(111.0));
        let observed = Duration::from_secs(10);
        assert_eq!(ended, Some(Interval { from: at(100.0), to: at(110.0), observed }));
        // A step of 30 s was not watched; three intervals passed in it.
        let (watched, ended) = intervals.advance(at(141.0));
        assert_eq!(watched, Duration::ZERO);
        assert_eq!(ended, Some(Interval { from: at(110.0), to: at(140.0), observed: Duration::from_secs(1) }));
        assert_eq!(intervals.interrupt(at(141.0)).map(|ended| ended.observed), Some(Duration::ZERO));
        assert_eq!(intervals.interrupt(at(141.0)), None);
    }

    proptest! {
        #[test]
        fn intervals_join_up_and_watched_seconds_add_up(steps in prop::collection::vec((1u32..5000, any::<bool>()), 1..200)) {
            let mut intervals = Intervals::new(Duration::from_secs(7), Duration::from_secs(2));
            let (mut now, mut sum, mut ended) = (0i64, Duration::ZERO, Vec::new());
            for (millis, gap) in steps {
                let (watched, interval) = intervals.advance(MediaTime(now));
                sum += watched;
                ended.extend(interval);
                if gap {
                    ended.extend(intervals.interrupt(MediaTime(now)));
                }
                now += i64::from(millis) * 1_000_000;
            }
            ended.extend(intervals.interrupt(MediaTime(now)));
            prop_assert_eq!(ended.iter().map(|interval| interval.observed).sum::<Duration>(), sum);
            prop_assert!(ended.iter().all(|i| i.observed <= i.to.since(i.from)));
            prop_assert!(ended.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert_eq!(ended.last().map(|last| last.to), Some(MediaTime(now)).filter(|_| now > 0));
        }
    }
}
