//! What the store and the sinks have in common: an event with its place in the store, and the view
//! that one sink has of the store.
//!
//! Both sides are parts of the same layer and never use each other, so the agreement lives here.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Event, StillFile};
use crate::base::Result;

/// An event's place in the store: from 1, growing, never reused. 0 stands before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A durable event. Its JSON is the event's own with `position` added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredEvent {
    /// Where it is in the store.
    pub position: Position,
    /// The event, with its sequence number assigned.
    #[serde(flatten)]
    pub event: Event,
}

/// An event that a sink will never take, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which one.
    pub position: Position,
    /// The far side's reason, for people.
    pub reason: String,
}

/// One sink's view of the store: read after the cursor, deliver, confirm.
pub trait Outbox: Send {
    /// The last confirmed position; 0 for a new sink.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn cursor(&mut self) -> Result<Position>;

    /// At most `limit` events after `after`, in the order of their positions.
    ///
    /// # Errors
    /// When the store cannot be read, `Corrupt` when a row is damaged.
    fn read(&mut self, after: Position, limit: usize) -> Result<Vec<StoredEvent>>;

    /// The still of that name, when it has at most `most_bytes`.
    fn still(&self, name: &str, most_bytes: u64) -> StillFile;

    /// Moves the cursor to `up_to` and puts the rejected events among the dead letters, in one
    /// transaction; returns once that is on disk.
    ///
    /// # Errors
    /// When the store is closing.
    fn confirm(&mut self, up_to: Position, rejected: Vec<Rejected>) -> Result<()>;
}
