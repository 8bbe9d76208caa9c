//! What a camera is doing now, with the reason, for people and metrics.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::base::{Clock, Timestamp};

/// A camera's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Dialling, or waiting for the first picture; with the reason of the failure before, if any.
    Connecting,
    /// Pictures come.
    Live,
    /// Connected, but no picture for longer than the stall limit.
    Stalled,
    /// The camera refused the credentials twice; waiting before the next try.
    AuthFailed,
    /// The stream is something we do not handle.
    Unsupported,
    /// The camera cannot be reached, or ended the stream.
    Offline,
    /// Recorded footage: all of it was read.
    Finished,
}

impl State {
    /// All states, for metrics.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Live,
        Self::Stalled,
        Self::AuthFailed,
        Self::Unsupported,
        Self::Offline,
        Self::Finished,
    ];

    /// The state as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::AuthFailed => "auth_failed",
            Self::Unsupported => "unsupported",
            Self::Offline => "offline",
            Self::Finished => "finished",
        }
    }
}

/// A state with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why, for people; empty when there is nothing to say.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Connections so far, this one included.
    pub runs: u32,
}

/// A camera's status, written by its source and read by anybody.
#[derive(Debug)]
pub struct StatusCell(Mutex<Status>);

impl Default for StatusCell {
    fn default() -> Self {
        Self(Mutex::new(Status { state: State::Connecting, reason: String::new(), since: Timestamp::EPOCH, runs: 0 }))
    }
}

impl StatusCell {
    /// The status now.
    #[must_use]
    pub fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the state; true when state or reason changed.
    pub fn set(&self, state: State, reason: impl Into<String>, clock: &dyn Clock) -> bool {
        let reason = reason.into();
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state == state && status.reason == reason {
            return false;
        }
        if status.state != state {
            status.since = clock.utc();
        }
        status.state = state;
        status.reason = reason;
        true
    }

    /// Counts one more connection.
    pub fn run_started(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).runs += 1;
    }
}
