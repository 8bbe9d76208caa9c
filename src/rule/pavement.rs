//! One rider's times on pavements.

use std::time::Duration;

use crate::base::MediaTime;
use crate::scene::Phase;

/// Whoever is back on the pavement within this time has not left it.
const EXIT_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pavement {
    stay: Option<Stay>,
    /// Rides reported.
    rides: u32,
}

#[derive(Debug)]
struct Stay {
    since: MediaTime,
    off_since: Option<MediaTime>,
    is_told: bool,
}

/// What is to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) phase: Phase,
    pub(super) ordinal: u32,
    pub(super) lasted: Duration,
}

impl Pavement {
    /// Takes in whether the rider is seen on a pavement; `may_start` is asked when he has been for `least`.
    pub(super) fn step(
        &mut self,
        at: MediaTime,
        is_on: bool,
        least: Duration,
        may_start: impl FnOnce() -> bool,
    ) -> Option<Step> {
        if !is_on {
            let stay = self.stay.as_mut()?;
            let off = *stay.off_since.get_or_insert(at);
            if at.since(off) < EXIT_AFTER {
                return None;
            }
            let step = self.closing(off);
            self.stay = None;
            self.rides = self.rides.saturating_add(u32::from(step.is_some()));
            return step;
        }
        let stay = self.stay.get_or_insert(Stay { since: at, off_since: None, is_told: false });
        stay.off_since = None;
        let lasted = at.since(stay.since);
        if stay.is_told || lasted < least || !may_start() {
            return None;
        }
        stay.is_told = true;
        Some(Step { phase: Phase::Start, ordinal: self.rides, lasted })
    }

    /// The end of what is open, if anything is.
    pub(super) fn closing(&self, until: MediaTime) -> Option<Step> {
        let stay = self.stay.as_ref().filter(|stay| stay.is_told)?;
        let until = stay.off_since.map_or(until, |off| off.min(until));
        Some(Step { phase: Phase::End, ordinal: self.rides, lasted: until.since(stay.since) })
    }

    /// For how long he has been on it.
    pub(super) fn lasted(&self, at: MediaTime) -> Duration {
        self.stay.as_ref().map_or(Duration::ZERO, |stay| at.since(stay.since))
    }
}
