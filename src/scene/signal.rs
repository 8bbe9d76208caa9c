//! What a traffic signal showed when a picture was taken.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a signal shows to the traffic that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Stop.
    Red,
    /// Stop if it can be done safely; red and amber together count as red.
    Amber,
    /// Go.
    Green,
    /// Dark, flashing, faulty, or not known.
    Unknown,
}

/// One signal at the capture time of a frame, as its feed told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalState {
    /// The signal's name in the feed.
    pub name: Arc<str>,
    /// What it shows.
    pub aspect: Aspect,
    /// For how long it had shown that without a change.
    pub shown_for: Duration,
    /// How long ago the feed said anything of this signal: a change, or the same again.
    pub heard_ago: Duration,
}
