//! What people do about an incident: a small state machine with a version, so that nobody overwrites another silently.
//!
//! `new → acknowledged → dispatched → resolved | false_alarm`; a step may leave out those before it, and what is over can be
//! reopened. Notes, taking and handing over are allowed at any time. Every accepted action adds one to the version; an
//! action that was decided on an older version is refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// Most entries of an incident's history; beyond it notes are refused, and steps still go.
const MOST_ENTRIES: usize = 1000;
/// Longest text of an action, characters.
pub const LONGEST_TEXT: usize = 2000;

/// Where people stand with an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkState {
    /// Nobody has looked at it.
    #[default]
    New,
    /// Somebody has.
    Acknowledged,
    /// A unit is on its way.
    Dispatched,
    /// It is dealt with.
    Resolved,
    /// It was none.
    FalseAlarm,
}

impl WorkState {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::New, Self::Acknowledged, Self::Dispatched, Self::Resolved, Self::FalseAlarm];

    /// The word that JSON and the store use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::Dispatched => "dispatched",
            Self::Resolved => "resolved",
            Self::FalseAlarm => "false_alarm",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Resolved | Self::FalseAlarm)
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Says: I have seen it, it is mine.
    Acknowledge,
    /// Sends a unit.
    Dispatch,
    /// Says that it is dealt with.
    Resolve,
    /// Says that it was none, and why.
    FalseAlarm,
    /// Writes something down.
    Note,
    /// Makes it one's own.
    Take,
    /// Gives it to somebody else, such as the next shift.
    HandOver,
    /// Opens again what was over.
    Reopen,
}

/// A deed with what it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What to do.
    pub action: Deed,
    /// The version of the incident that it was decided on.
    pub version: u32,
    /// The unit that is sent; of `dispatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A note; of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why; of `false_alarm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// To whom; of `hand_over`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// One line of an incident's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub action: Deed,
    /// The unit that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What people did about an incident so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// Where they stand.
    pub state: WorkState,
    /// How many actions were taken.
    pub version: u32,
    /// Whose it is.
    pub owner: Option<String>,
    /// The unit that was sent last.
    pub unit: Option<String>,
    /// Every action, oldest first.
    pub history: Vec<Entry>,
}

/// Why an action was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Somebody acted in between: it was decided on another version.
    Outdated,
    /// The state does not allow it; in words.
    NotNow(String),
    /// The action itself lacks something: which field, and what.
    Incomplete(&'static str, &'static str),
}

impl Work {
    /// The work after `action`, taken by `by` at `at`.
    ///
    /// # Errors
    /// Why it was not taken; nothing changes then.
    pub fn after(&self, action: &Action, by: &str, at: Timestamp) -> Result<Self, Refused> {
        complete(action)?;
        if action.version != self.version {
            return Err(Refused::Outdated);
        }
        let state = self.step(action.action)?;
        if self.history.len() >= MOST_ENTRIES && state == self.state {
            return Err(Refused::NotNow(format!("its history has {MOST_ENTRIES} entries already")));
        }
        let mut next = self.clone();
        next.state = state;
        next.version = self.version.saturating_add(1);
        match action.action {
            Deed::Acknowledge | Deed::Take => next.owner = Some(by.to_owned()),
            Deed::HandOver => next.owner.clone_from(&action.to),
            Deed::Dispatch => {
                next.unit.clone_from(&action.unit);
                next.owner.get_or_insert_with(|| by.to_owned());
            }
            Deed::Resolve | Deed::FalseAlarm | Deed::Note | Deed::Reopen => {}
        }
        next.history.push(Entry {
            at,
            by: by.to_owned(),
            action: action.action,
            unit: action.unit.clone(),
            note: action.note.clone(),
            reason: action.reason.clone(),
            to: action.to.clone(),
        });
        Ok(next)
    }

    /// The state after a deed.
    fn step(&self, deed: Deed) -> Result<WorkState, Refused> {
        let over = self.state.is_over();
        let refuse = |why: &str| Err(Refused::NotNow(format!("the incident is {}: {why}", self.state.as_str())));
        match deed {
            Deed::Note => Ok(self.state),
            Deed::Reopen if over => Ok(WorkState::Acknowledged),
            Deed::Reopen => refuse("only what is over can be reopened"),
            _ if over => refuse("reopen it first"),
            Deed::Take | Deed::HandOver => Ok(self.state),
            Deed::Acknowledge if self.state == WorkState::New => Ok(WorkState::Acknowledged),
            Deed::Acknowledge => refuse("it was acknowledged before; take it instead"),
            Deed::Dispatch => Ok(WorkState::Dispatched),
            Deed::Resolve => Ok(WorkState::Resolved),
            Deed::FalseAlarm => Ok(WorkState::FalseAlarm),
        }
    }
}

fn complete(action: &Action) -> Result<(), Refused> {
    let fields = [("unit", &action.unit), ("note", &action.note), ("reason", &action.reason), ("to", &action.to)];
    for (name, text) in fields {
        if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
            return Err(Refused::Incomplete(name, "at most 2000 characters"));
        }
    }
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    match action.action {
        Deed::Dispatch if blank(&action.unit) => Err(Refused::Incomplete("unit", "name the unit that is sent")),
        Deed::FalseAlarm if blank(&action.reason) => Err(Refused::Incomplete("reason", "say why it was none")),
        Deed::Note if blank(&action.note) => Err(Refused::Incomplete("note", "write something")),
        Deed::HandOver if blank(&action.to) => Err(Refused::Incomplete("to", "name who takes it")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(deed: Deed, version: u32) -> Action {
        let text = |word: &str| Some(word.to_owned());
        let (unit, note, reason, to) = (text("u7"), text("n"), text("shadow"), text("binh"));
        Action { action: deed, version, unit, note, reason, to }
    }

    #[test]
    fn the_usual_way_and_its_versions() {
        let mut work = Work::default();
        for (n, deed) in [Deed::Acknowledge, Deed::Note, Deed::Dispatch, Deed::HandOver, Deed::Resolve, Deed::Reopen]
            .into_iter()
            .enumerate()
        {
            work = work.after(&action(deed, n as u32), "an", Timestamp(n as i64)).unwrap();
            assert_eq!((work.version, work.history.len()), (n as u32 + 1, n + 1));
        }
        assert_eq!(work.state, WorkState::Acknowledged);
        assert_eq!((work.owner.as_deref(), work.unit.as_deref()), (Some("binh"), Some("u7")));
    }

    #[test]
    fn of_two_who_act_at_once_one_is_refused() {
        let seen = Work::default();
        let first = seen.after(&action(Deed::Acknowledge, 0), "an", Timestamp(1)).unwrap();
        assert_eq!(first.after(&action(Deed::FalseAlarm, 0), "binh", Timestamp(2)), Err(Refused::Outdated));
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        let over = Work::default().after(&action(Deed::Resolve, 0), "an", Timestamp(1)).unwrap();
        for deed in [Deed::Acknowledge, Deed::Dispatch, Deed::Resolve, Deed::FalseAlarm, Deed::Take, Deed::HandOver] {
            assert!(matches!(over.after(&action(deed, 1), "an", Timestamp(2)), Err(Refused::NotNow(_))), "{deed:?}");
        }
        assert!(matches!(Work::default().after(&action(Deed::Reopen, 0), "an", Timestamp(2)), Err(Refused::NotNow(_))));
        let bare =
            |deed| Action { action: deed, version: 0, unit: None, note: None, reason: None, to: Some(" ".into()) };
        for deed in [Deed::Dispatch, Deed::FalseAlarm, Deed::Note, Deed::HandOver] {
            let refused = Work::default().after(&bare(deed), "an", Timestamp(1));
            assert!(matches!(refused, Err(Refused::Incomplete(..))), "{deed:?}");
        }
    }
}
