//! Incidents: the events of one happening on the road, from one camera or several, as one thing to deal with.
//!
//! A [`Book`] takes events in the order of the store and decides for each whether it belongs to an incident that is
//! going on or begins one. It is a pure state machine: no clock, no file; the same events in the same order give the
//! same incidents with the same ids, so that what the store keeps can always be derived again.
//!
//! | state | when |
//! |---|---|
//! | candidate | a warning has begun, and nothing else speaks for it yet |
//! | confirmed | it is an alert, or has gone on for [`CONFIRM_AFTER`], or a second happening joined it |
//! | cleared | nothing of it is open and [`QUIET_FOR`] has passed |
//!
//! What people do about it is [`work`].
//!
//! `docs/incidents.md` has the definition with its figures.

mod book;
mod group;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use book::{Book, Change, seen_in};
pub use group::group_of;

use crate::base::{CameraId, EventId, Timestamp};
use crate::scene::{NormBox, Position, Severity};

/// A happening that goes on for so long is no slip of a detector.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(10);
/// After its last sign an incident waits for so long for the next: a lorry hidden by a bus is the same lorry.
pub const QUIET_FOR: Duration = Duration::from_secs(180);
/// An incident with an open happening of which nothing was heard for so long is over: its end was lost.
pub const SILENT_FOR: Duration = Duration::from_secs(6 * 3600);

/// An incident's id, derived from its first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("format" = "uuid"))]
pub struct IncidentId(#[schemars(with = "String")] pub Uuid);

impl IncidentId {
    /// The id of the incident that this event begins.
    #[must_use]
    pub fn begun_by(event: EventId) -> Self {
        Self(EventId::derive(&[b"incident", event.0.as_bytes()]).0)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Begun, and not certain.
    Candidate,
    /// Certain.
    Confirmed,
    /// Over.
    Cleared,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Confirmed => "confirmed",
            Self::Cleared => "cleared",
        }
    }
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What sort of thing it is; see [`group_of`].
    pub group: String,
    /// The site, or the camera where it has none.
    pub site: String,
    /// Whether it is certain; [`Self::state`] tells the whole state.
    pub confirmed: bool,
    /// The highest severity of its events.
    pub severity: Severity,
    /// Kinds of its events.
    pub kinds: BTreeSet<String>,
    /// Cameras that saw it, each with the place where it last saw it, if it has one.
    pub places: BTreeMap<CameraId, Option<NormBox>>,
    /// Capture time of its first event.
    pub began: Timestamp,
    /// Capture time of its latest sign.
    pub last: Timestamp,
    /// When it was found to be over: the time of the first event after its quiet time.
    pub cleared: Option<Timestamp>,
    /// Happenings in it: alarms that an operator would have got one by one.
    pub happenings: u32,
    /// Happenings that have begun and not ended.
    pub open: BTreeSet<EventId>,
    /// The event that began it.
    pub first_event: EventId,
    /// What its most severe event said.
    pub summary: String,
    /// Position of its latest event in the store.
    pub position: Position,
}

impl Incident {
    /// Where it stands at that moment; later moments than its last sign count as quiet.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        if self.cleared.is_some() || self.is_over(now) {
            State::Cleared
        } else if self.confirmed {
            State::Confirmed
        } else {
            State::Candidate
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        let patience = if self.open.is_empty() { QUIET_FOR } else { SILENT_FOR };
        now - self.last > patience
    }
}
