//! How many riders go against the flow of late, and what share of all they are.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::MediaTime;
use crate::scene::Phase;

/// Rides remembered; a lane has fewer in any window worth asking about.
const CAPACITY: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct CounterFlow {
    window: Duration,
    riders: u32,
    share: f64,
    /// When each rider had shown his way, and whether it was against the flow.
    rides: VecDeque<(MediaTime, bool)>,
    open: Option<MediaTime>,
    most: u32,
    told: u32,
}

impl CounterFlow {
    pub(super) fn new(window: Duration, riders: u32, share: f64) -> Self {
        Self { window, riders, share, rides: VecDeque::new(), open: None, most: 0, told: 0 }
    }

    /// A rider has shown which way he goes.
    pub(super) fn ride(&mut self, at: MediaTime, is_against: bool) {
        if self.rides.len() >= CAPACITY {
            self.rides.pop_front();
        }
        self.rides.push_back((at, is_against));
    }

    /// Begins with enough riders against the flow, ends when there are fewer than half of that.
    pub(super) fn step(&mut self, at: MediaTime, may_start: impl FnOnce() -> bool) -> Option<Phase> {
        while self.rides.front().is_some_and(|(then, _)| at.since(*then) > self.window) {
            self.rides.pop_front();
        }
        let (against, share) = self.now(at);
        if self.open.is_some() {
            self.most = self.most.max(against);
            if against.saturating_mul(2) >= self.riders {
                return None;
            }
            return Some(Phase::End);
        }
        let begins = against >= self.riders && share >= self.share && may_start();
        begins.then(|| {
            (self.open, self.most) = (Some(at), against);
            Phase::Start
        })
    }

    /// Riders against the flow in the window, and their share of all.
    pub(super) fn now(&self, at: MediaTime) -> (u32, f64) {
        let recent = || self.rides.iter().filter(|(then, _)| at.since(*then) <= self.window);
        let against = recent().filter(|(_, is_against)| *is_against).count();
        let share = against as f64 / recent().count().max(1) as f64;
        (u32::try_from(against).unwrap_or(u32::MAX), share)
    }

    pub(super) fn most(&self) -> u32 {
        self.most
    }

    pub(super) fn lasted(&self, at: MediaTime) -> Duration {
        self.open.map_or(Duration::ZERO, |since| at.since(since))
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The number of the one that is open, or of the next.
    pub(super) fn ordinal(&self) -> u32 {
        self.told
    }

    /// The one that is open has been reported as over.
    pub(super) fn ended(&mut self) {
        if self.open.take().is_some() {
            self.told = self.told.saturating_add(1);
        }
    }

    /// Nothing is known any more.
    pub(super) fn reset(&mut self) {
        self.ended();
        self.rides.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_several_riders_and_a_share() {
        let at = |n: u32| MediaTime::from_seconds(f64::from(n));
        let mut flow = CounterFlow::new(Duration::from_secs(60), 3, 0.25);
        for n in 0..12 {
            flow.ride(at(n), n % 6 == 0);
        }
        flow.ride(at(12), true);
        assert_eq!(flow.step(at(12), || true), None, "3 of 13");
        flow.ride(at(13), true);
        assert_eq!(flow.step(at(13), || false), None, "held back");
        assert_eq!(flow.step(at(14), || true), Some(Phase::Start));
        assert_eq!((flow.step(at(72), || true), flow.most()), (None, 4), "two are left");
        assert_eq!(flow.step(at(74), || true), Some(Phase::End));
        flow.ended();
        assert_eq!((flow.ordinal(), flow.is_open()), (1, false));
        for _ in 0..2 * CAPACITY {
            flow.ride(at(80), false);
        }
        assert_eq!(flow.rides.len(), CAPACITY);
    }
}
