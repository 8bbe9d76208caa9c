//! States of sinks and of the store, as labels.

use crate::sink::dispatch::SinkState;
use crate::store::StoreHealth;

/// All states of a sink.
pub const SINK: [SinkState; 4] = [SinkState::Running, SinkState::Retrying, SinkState::Parked, SinkState::Stopped];

/// All states of the store.
pub const STORE: [&str; 3] = ["ok", "disk_full", "critical"];

/// A sink's state as a label.
pub fn of_sink(state: SinkState) -> &'static str {
    match state {
        SinkState::Running => "running",
        SinkState::Retrying => "retrying",
        SinkState::Parked => "parked",
        SinkState::Stopped => "stopped",
    }
}

/// The store's state as a label, one of [`STORE`].
pub fn of_store(health: &StoreHealth) -> &'static str {
    match health {
        StoreHealth::Ok => "ok",
        StoreHealth::DiskFull => "disk_full",
        StoreHealth::Critical { .. } => "critical",
    }
}
