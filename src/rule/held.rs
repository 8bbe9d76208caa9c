//! What a rule remembers of each track, bounded whatever the tracker does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{MediaTime, TrackId};

/// More tracks than any picture holds at once. Beyond it the track seen longest ago goes first, so
/// that a tracker which never ends its tracks costs precision, not memory.
pub(super) const MAX_TRACKS: usize = 1024;

/// State per track.
#[derive(Debug)]
pub(super) struct PerTrack<S> {
    states: BTreeMap<TrackId, Held<S>>,
}

#[derive(Debug)]
struct Held<S> {
    touched: MediaTime,
    state: S,
}

impl<S> PerTrack<S> {
    pub(super) fn new() -> Self {
        Self { states: BTreeMap::new() }
    }

    /// The track's state, made by `fresh` at its first sight.
    pub(super) fn touch(&mut self, id: TrackId, at: MediaTime, fresh: impl FnOnce() -> S) -> &mut S {
        let held = self.states.entry(id).or_insert_with(|| Held { touched: at, state: fresh() });
        held.touched = at;
        &mut held.state
    }

    pub(super) fn get(&self, id: TrackId) -> Option<&S> {
        self.states.get(&id).map(|held| &held.state)
    }

    pub(super) fn get_mut(&mut self, id: TrackId) -> Option<&mut S> {
        self.states.get_mut(&id).map(|held| &mut held.state)
    }

    pub(super) fn remove(&mut self, id: TrackId) -> Option<S> {
        self.states.remove(&id).map(|held| held.state)
    }

    /// All states in order of id.
    pub(super) fn states(&self) -> impl Iterator<Item = &S> {
        self.states.values().map(|held| &held.state)
    }

    /// All states in order of id.
    pub(super) fn states_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.states.values_mut().map(|held| &mut held.state)
    }

    /// All states with their tracks, in order of id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TrackId, &S)> {
        self.states.iter().map(|(id, held)| (*id, &held.state))
    }

    /// Takes out everything, in order of id.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = S> + use<S> {
        std::mem::take(&mut self.states).into_values().map(|held| held.state)
    }

    /// Takes out the track seen longest ago while there are more than [`MAX_TRACKS`].
    pub(super) fn take_excess(&mut self) -> Option<S> {
        if self.states.len() <= MAX_TRACKS {
            return None;
        }
        let oldest = self.states.iter().min_by_key(|(id, held)| (held.touched, **id)).map(|(id, _)| *id)?;
        self.remove(oldest)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}

/// Keeps the starts of a rule's happenings apart.
#[derive(Debug)]
pub(super) struct Cooldown {
    length: Duration,
    last: Option<MediaTime>,
}

impl Cooldown {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, last: None }
    }

    /// Whether a happening may start now; if so, the next must wait.
    pub(super) fn pass(&mut self, at: MediaTime) -> bool {
        let free = self.last.is_none_or(|last| at.since(last) >= self.length);
        if free {
            self.last = Some(at);
        }
        free
    }

    /// Until when the next must wait, once there was a start.
    pub(super) fn until(&self) -> Option<MediaTime> {
        self.last.map(|last| last + self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_track_seen_longest_ago_goes_first() {
        let mut states = PerTrack::new();
        for id in 0..=MAX_TRACKS as u64 {
            states.touch(TrackId(id), MediaTime(id as i64), || id);
        }
        states.touch(TrackId(0), MediaTime(9_999), || unreachable!());
        assert_eq!(states.take_excess(), Some(1));
        assert_eq!(states.take_excess(), None);
        assert_eq!((states.len(), states.get(TrackId(0))), (MAX_TRACKS, Some(&0)));
    }

    #[test]
    fn a_cooldown_runs_from_the_last_start() {
        let mut cooldown = Cooldown::new(Duration::from_nanos(10));
        let passed: Vec<i64> = (0..25).filter(|at| cooldown.pass(MediaTime(*at))).collect();
        assert_eq!((passed, cooldown.until()), (vec![0, 10, 20], Some(MediaTime(30))));
        let mut none = Cooldown::new(Duration::ZERO);
        assert!(none.pass(MediaTime(5)) && none.pass(MediaTime(5)));
    }
}
