//! Under what conditions a camera's rules work: how often its picture is looked at, and what everybody may know of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::base::MediaTime;
use crate::frame::{Frame, glance};
use crate::rule::RuleSet;
use crate::scene::Glance;

/// Between two glances, media time: the fault that shows soonest must show for a second.
const GLANCE_EVERY: Duration = Duration::from_millis(200);
/// A frame this much before its time is taken already, so that 25 frames a second do not become 4 glances.
const EARLY: Duration = Duration::from_millis(20);

/// Takes glances of a camera's frames.
pub struct Glances {
    wanted: bool,
    last: Option<MediaTime>,
}

impl Glances {
    /// Takes none unless `wanted`.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        Self { wanted, last: None }
    }

    /// The glance of this frame, if one is due.
    pub fn of(&mut self, frame: &Frame) -> Option<Glance> {
        let due = self.last.is_none_or(|last| frame.at.since(last) + EARLY >= GLANCE_EVERY || frame.at < last);
        if !self.wanted || !due {
            return None;
        }
        self.last = Some(frame.at);
        let taken = frame.picture.read(glance::take);
        taken.inspect_err(|error| tracing::warn!(%error, "the picture cannot be looked at")).ok()
    }
}

/// What holds for a camera's rules now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Conditions {
    /// Why all rules rest: `maintenance`, or what is wrong with the view.
    pub blind: Option<&'static str>,
    /// Rules that rest, with the reason.
    pub paused: BTreeMap<String, &'static str>,
    /// Happenings that a rule's budget has held back; the camera's own budget stands under an empty name.
    pub held_back: BTreeMap<String, u64>,
}

/// The latest [`Conditions`], for whoever asks.
#[derive(Debug, Default)]
pub struct ConditionsCell(Mutex<Conditions>);

impl ConditionsCell {
    /// What held at the last frame.
    #[must_use]
    pub fn get(&self) -> Conditions {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the rules say after a frame.
    pub fn update(&self, rules: &RuleSet) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.blind = rules.blind();
        let mut changed = |id: &str, paused: Option<&'static str>, held_back: u64| {
            if known.paused.get(id).copied() != paused {
                match paused {
                    Some(why) => known.paused.insert(id.to_owned(), why),
                    None => known.paused.remove(id),
                };
            }
            if held_back > 0 && known.held_back.get(id) != Some(&held_back) {
                known.held_back.insert(id.to_owned(), held_back);
            }
        };
        for (id, paused, held_back) in rules.states() {
            changed(id, paused, held_back);
        }
        changed("", None, rules.held_back());
    }
}
