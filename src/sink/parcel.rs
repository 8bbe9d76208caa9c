//! An event as it is handed to a sink: alone, or with its still for a message that carries both.
//!
//! An event that names a still goes alone, so that one picture is in memory at a time, and one that the far side does
//! not take can be left out before anything later has left: order holds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::scene::still::{InlineStill, LeftOut};
use crate::scene::{Position, StoredEvent};

/// How long after an event's announcement its still is waited for. Stills are written on a thread of their own, tens of
/// milliseconds after the event as a rule.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// An event on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// The event.
    pub stored: StoredEvent,
    /// Its still, or why it is not there; `None` where none was asked for, or the event names none.
    pub still: Option<InlineStill>,
}

impl From<StoredEvent> for Parcel {
    fn from(stored: StoredEvent) -> Self {
        Self { stored, still: None }
    }
}

impl Parcel {
    /// Takes the picture out, for the far side does not take the message with it. False when there was none.
    pub fn leave_picture_out(&mut self) -> bool {
        let carried = self.still.as_ref().is_some_and(InlineStill::is_carried);
        if carried {
            self.still = Some(InlineStill::LeftOut { left_out: LeftOut::NotTaken });
        }
        carried
    }
}

/// Deals a batch out, in order: with `stills`, an event that names a still is a portion of its own.
#[must_use]
pub fn portions(batch: Vec<StoredEvent>, stills: bool) -> Vec<Vec<Parcel>> {
    let mut portions: Vec<Vec<Parcel>> = Vec::new();
    let mut begin_another = true;
    for stored in batch {
        let alone = stills && stored.event.still.is_some();
        match portions.last_mut() {
            Some(last) if !alone && !begin_another => last.push(stored.into()),
            _ => portions.push(vec![stored.into()]),
        }
        begin_another = alone;
    }
    portions
}

/// When positions were first seen to be announced, as far back as [`PATIENCE`] reaches.
#[derive(Debug)]
pub(super) struct Announced(VecDeque<(Position, Instant)>);

impl Announced {
    /// Everything up to `known` is old: a still of it that is missing now has been deleted, or died with the process that
    /// would have written it.
    pub(super) fn after(known: Position, now: Instant) -> Self {
        Self(VecDeque::from([(known, now.checked_sub(PATIENCE).unwrap_or(now))]))
    }

    /// Everything up to `latest` is announced by `now`.
    pub(super) fn note(&mut self, latest: Position, now: Instant) {
        // The newest of the old marks stays: it tells that what lies before it is old.
        while self.0.get(1).is_some_and(|(_, at)| now.saturating_duration_since(*at) > PATIENCE) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(newest, _)| *newest < latest) {
            self.0.push_back((latest, now));
        }
    }

    /// Until when the still of the event at `position` is waited for; may be past. `None` for one that was never noted.
    pub(super) fn wait_until(&self, position: Position) -> Option<Instant> {
        let (_, at) = self.0.iter().find(|(up_to, _)| position <= *up_to)?;
        Some(*at + PATIENCE)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_not_waited_for_and_what_is_new_is() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut announced = Announced::after(Position(5), at(0));
        assert!(announced.wait_until(Position(5)).unwrap() <= at(0));
        assert_eq!(announced.wait_until(Position(6)), None);
        announced.note(Position(10), at(0));
        announced.note(Position(10), at(500));
        assert_eq!(announced.wait_until(Position(10)), Some(at(1000)), "first seen at 0");
        announced.note(Position(20), at(900));
        assert_eq!(announced.wait_until(Position(10)), Some(at(1000)));
        assert_eq!(announced.wait_until(Position(11)), Some(at(1900)));
        // Long after: what came in between does not make the old ones new.
        announced.note(Position(30), at(60_000));
        assert_eq!(announced.wait_until(Position(15)), Some(at(1900)));
        assert_eq!(announced.wait_until(Position(25)), Some(at(61_000)));
        assert_eq!(announced.wait_until(Position(31)), None);
        for n in 0..100_000 {
            announced.note(Position(100 + n), at(61_000 + n));
        }
        assert!(announced.0.len() < 1_100, "bounded: {}", announced.0.len());
    }
}
