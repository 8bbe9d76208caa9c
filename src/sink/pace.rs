//! The pace of a drain: what a far side missed is caught up with beside the live events, not before them.
//!
//! A backlog that is sent as fast as everything allows takes both the processors and the disk from the events of this very
//! moment, on their way to the disk and to the other sinks. So it goes in small parts, each with its share of a rate that is
//! many times the live one. It is a rate, not a share of the time: a far side that is slow anyway, since it is far away,
//! never waits on top of that, and gets larger parts until it keeps the rate or has whole batches.
//!
//! A sink that keeps up is not held back at all, bursts of up to two batches included.

use std::time::{Duration, Instant};

use super::dispatch::BATCH;
use crate::scene::Position;

/// A backlog drains so many times as fast as events come in.
const TIMES_LIVE: f64 = 12.0;
/// Or as fast as this, events a second, where few or none come in.
const LEAST_RATE: f64 = 2_000.0;
/// The events of the smallest part: what keeps both processors for no longer than a live event may wait for them.
const SMALLEST: usize = 8;
/// A part that takes longer than its share is followed by one so many times as large.
const GROWTH: usize = 4;
/// The live rate is that of the last one to two of these, or the last one known.
const WINDOW: Duration = Duration::from_secs(1);
/// What is younger tells no rate.
const TOO_SHORT: Duration = Duration::from_millis(200);

/// When a sink may go on, and with how much.
#[derive(Debug)]
pub(super) struct Pace {
    live: LiveRate,
    /// The events of one part while a backlog drains.
    part: usize,
    /// When the next part may begin; `None` while the sink keeps up.
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(now: Instant, latest: Position) -> Self {
        Self { live: LiveRate::new(now, latest), part: SMALLEST, next: None }
    }

    /// Begins a batch of `events` up to `last`.
    pub(super) fn begin(&mut self, now: Instant, latest: Position, events: usize, last: Position) {
        self.live.note(now, latest);
        // With more than another batch behind it this is a backlog, not a burst.
        if events == BATCH && latest.0.saturating_sub(last.0) > BATCH as u64 {
            self.next.get_or_insert(now);
        } else {
            self.next = None;
        }
    }

    /// The most events that go at once now.
    pub(super) fn part(&self) -> usize {
        if self.next.is_some() { self.part } else { BATCH }
    }

    /// How long the next part waits.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// A part of so many events has been confirmed by the far side.
    pub(super) fn delivered(&mut self, now: Instant, events: usize) {
        let Some(begun) = self.next else { return };
        let share = Duration::from_secs_f64(events as f64 / self.rate());
        let took = now.saturating_duration_since(begun);
        if took > share {
            self.part = (self.part * GROWTH).min(BATCH);
        } else if took < share / 4 {
            // Half of the events take half of the time at best, and all of it where the way is long: then it is still
            // less than half of the share, and the part stays.
            self.part = (self.part / 2).max(SMALLEST);
        }
        self.next = Some(begun + share.max(took));
    }

    /// Events a second.
    fn rate(&self) -> f64 {
        (self.live.events_per_s * TIMES_LIVE).max(LEAST_RATE)
    }
}

/// How fast events come in, by how the store's newest position moves.
#[derive(Debug)]
struct LiveRate {
    older: (Instant, Position),
    newer: (Instant, Position),
    events_per_s: f64,
}

impl LiveRate {
    fn new(now: Instant, latest: Position) -> Self {
        Self { older: (now, latest), newer: (now, latest), events_per_s: 0.0 }
    }

    fn note(&mut self, now: Instant, latest: Position) {
        let unseen = now.saturating_duration_since(self.newer.0);
        if unseen >= WINDOW {
            // What came while nobody looked, during an outage as a rule, may have come all at once: no rate to go by.
            self.older = if unseen < WINDOW * 2 { self.newer } else { (now, latest) };
            self.newer = (now, latest);
        }
        let (since, position) = self.older;
        let seen = now.saturating_duration_since(since);
        if seen >= TOO_SHORT {
            self.events_per_s = latest.0.saturating_sub(position.0) as f64 / seen.as_secs_f64();
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    /// Time and the store's newest position, as a drain goes on.
    struct Run {
        pace: Pace,
        now: Instant,
        begun: Instant,
        live_per_s: f64,
        backlog: u64,
        cursor: u64,
        largest: usize,
    }

    impl Run {
        fn new(live_per_s: f64, backlog: u64) -> Self {
            let now = Instant::now();
            let pace = Pace::new(now, Position(backlog));
            Self { pace, now, begun: now, live_per_s, backlog, cursor: 0, largest: 0 }
        }

        fn latest(&self) -> Position {
            let live = (self.now - self.begun).as_secs_f64() * self.live_per_s;
            Position(self.backlog + live as u64)
        }

        /// One batch, of which each part takes `fixed` and `each` for each event. Returns how long was waited.
        fn batch(&mut self, fixed: Duration, each: Duration) -> Duration {
            let events = (self.latest().0 - self.cursor).min(BATCH as u64) as usize;
            let last = Position(self.cursor + events as u64);
            self.pace.begin(self.now, self.latest(), events, last);
            let (mut left, mut waited) = (events, Duration::ZERO);
            while left > 0 {
                let wait = self.pace.wait(self.now);
                let now = self.pace.part().min(left);
                waited += wait;
                self.now += wait + fixed + each * now as u32;
                self.pace.delivered(self.now, now);
                self.largest = self.largest.max(now);
                left -= now;
            }
            self.cursor = last.0;
            waited
        }

        /// Drains all. Returns events a second, and the share of the time that was waited.
        fn drain(&mut self, fixed: Duration, each: Duration) -> (f64, f64) {
            let mut waited = Duration::ZERO;
            while self.latest().0 - self.cursor >= 2 * BATCH as u64 {
                waited += self.batch(fixed, each);
            }
            let seconds = (self.now - self.begun).as_secs_f64();
            (self.cursor as f64 / seconds, waited.as_secs_f64() / seconds)
        }
    }

    const FAST: Duration = Duration::from_micros(50);

    #[test]
    fn a_backlog_drains_at_a_multiple_of_the_live_rate_and_leaves_most_of_the_time_to_others() {
        let (rate, waited) = Run::new(200.0, 120_000).drain(Duration::from_micros(500), FAST);
        assert!((2_200.0..2_450.0).contains(&rate), "{rate}");
        assert!(waited > 0.7, "{waited}");
        let mut run = Run::new(200.0, 120_000);
        run.drain(Duration::from_micros(500), FAST);
        assert_eq!(run.largest, SMALLEST, "in small parts");
    }

    #[test]
    fn where_nothing_comes_in_the_least_rate_holds_and_where_much_does_nothing_waits() {
        let (rate, _) = Run::new(0.0, 50_000).drain(Duration::ZERO, FAST);
        assert!((1_900.0..2_050.0).contains(&rate), "{rate}");
        // 12 times 5,000 is more than this far side can take: it works without a pause once the live rate is known.
        let (rate, _) = Run::new(5_000.0, 200_000).drain(Duration::ZERO, FAST);
        assert!(rate > 0.9 / FAST.as_secs_f64(), "{rate}");
    }

    #[test]
    fn what_came_during_the_outage_is_no_live_rate() {
        let mut run = Run::new(200.0, 0);
        for _ in 0..200 {
            run.now += Duration::from_millis(20);
            run.batch(Duration::ZERO, FAST);
        }
        run.now += Duration::from_secs(6);
        run.backlog += 50_000;
        let (begun, from) = (run.now, run.cursor);
        (0..100).for_each(|_| _ = run.batch(Duration::ZERO, FAST));
        let rate = (run.cursor - from) as f64 / (run.now - begun).as_secs_f64();
        assert!((2_200.0..2_500.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_far_side_a_long_way_off_gets_whole_batches_at_once_and_never_waits() {
        let way = Duration::from_millis(200);
        let mut run = Run::new(200.0, 100_000);
        run.batch(way, FAST);
        let early = run.now - run.begun;
        assert!(early < way * 5, "8, 32, 128 and the rest: four round trips until the part fits: {early:?}");
        let (_, waited) = run.drain(way, FAST);
        assert_eq!(run.largest, BATCH);
        assert!(waited < 0.01, "{waited}");
        let (from, at) = (run.cursor, run.now);
        run.backlog += 100_000;
        for _ in 0..20 {
            assert_eq!(run.batch(way, FAST), Duration::ZERO);
        }
        let rate = (run.cursor - from) as f64 / (run.now - at).as_secs_f64();
        assert!(rate > 0.99 * BATCH as f64 / (way + FAST * BATCH as u32).as_secs_f64(), "as without a pace: {rate}");
    }

    #[test]
    fn a_slow_moment_makes_parts_larger_for_a_moment_only() {
        let mut run = Run::new(200.0, 1_000_000);
        (0..20).for_each(|_| _ = run.batch(Duration::ZERO, FAST));
        run.batch(Duration::from_secs(2), FAST);
        assert!(run.pace.part > SMALLEST);
        (0..20).for_each(|_| _ = run.batch(Duration::ZERO, FAST));
        assert_eq!(run.pace.part, SMALLEST);
    }

    #[test]
    fn whoever_keeps_up_is_never_held_back() {
        let mut run = Run::new(200.0, 0);
        for _ in 0..1_000 {
            run.now += Duration::from_millis(20);
            assert_eq!(run.batch(Duration::from_millis(1), FAST), Duration::ZERO);
        }
        // A burst of two batches, again and again, and the end of a backlog.
        for _ in 0..20 {
            run.backlog += 2 * BATCH as u64 - 10;
            assert_eq!(run.batch(Duration::ZERO, FAST) + run.batch(Duration::ZERO, FAST), Duration::ZERO);
        }
        run.backlog += 10_000;
        run.drain(Duration::ZERO, FAST);
        assert_eq!(run.batch(Duration::ZERO, FAST) + run.batch(Duration::ZERO, FAST), Duration::ZERO, "the last two");
    }
}
