//! The stop token: one for threads and tasks alike, cloned freely, never reset.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Asks everything that holds a clone to stop.
#[derive(Clone)]
pub struct Stop(Arc<Inner>);

struct Inner {
    requested: Mutex<bool>,
    changed: Condvar,
    watch: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A token that nobody has triggered yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            requested: Mutex::new(false),
            changed: Condvar::new(),
            watch: watch::Sender::new(false),
        }))
    }

    /// Asks for the stop. Idempotent.
    pub fn request(&self) {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
        self.0.watch.send_replace(true);
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.watch.borrow()
    }

    /// Blocks the thread for `timeout` or until the stop; true when stopping.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let guard = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = self
            .0
            .changed
            .wait_timeout_while(guard, timeout, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
    }

    /// Waits, in a task, until the stop is asked for.
    pub async fn wait(&self) {
        let mut watch = self.0.watch.subscribe();
        // The sender lives in `self`, so this ends only with the value we wait for.
        let _ = watch.wait_for(|requested| *requested).await;
    }
}
