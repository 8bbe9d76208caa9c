//! How the store is doing, for the health page and the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// The state of the disk under the store, as the writer last found it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreHealth {
    /// Events are stored, the reserve is set aside.
    #[default]
    Ok,
    /// No space left, or only the reserve: events wait in memory or live on the reserve.
    DiskFull,
    /// The disk or the database fails; the writer keeps trying with a new connection.
    Critical {
        /// The latest failure.
        reason: String,
    },
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the store was opened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct StoreStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> StoreStats {
                StoreStats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Events stored.
    events,
    /// Repeats of an `(id, revision)` that was there already.
    duplicates,
    /// Transactions.
    commits,
    /// Commits that failed for want of space.
    disk_full,
    /// Commits that failed for any other reason.
    faults,
    /// Events given up because the program stopped while the disk did not take them. Never announced.
    abandoned,
    /// Events that retention deleted.
    events_swept,
    /// Of these, events that a live sink had not confirmed.
    events_swept_unconfirmed,
    /// Stills written.
    stills,
    /// Stills that could not be written.
    stills_failed,
    /// Stills deleted by retention or to make room for events.
    stills_swept,
    /// Clips deleted by retention or to make room for events.
    clips_swept,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
