//! Live or recorded: one value, chosen once. The words appear nowhere else in the wiring.

use std::time::Duration;

use crate::frame::{InletOptions, WhenFull};

/// How frames wait, and what happens when there are too many.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// What a full inlet does.
    pub when_full: WhenFull,
    /// Pictures of one camera that may wait for a worker.
    pub queue: usize,
    /// Pictures of one camera that workers may hold besides one each.
    pub spare_permits: usize,
    /// Frames that waited longer are dropped as expired.
    pub max_age: Option<Duration>,
    /// Whether batches may mix frames as they come; otherwise each frame runs alone, so that results
    /// do not depend on what else was in the batch.
    pub may_batch: bool,
}

impl Mode {
    /// Cameras: the newest frame matters, overload is shed and counted.
    #[must_use]
    pub fn live() -> Self {
        Self {
            when_full: WhenFull::DropOldest,
            queue: 2,
            spare_permits: 1,
            max_age: Some(Duration::from_millis(500)),
            may_batch: true,
        }
    }

    /// Recordings: every frame counts, the reader waits.
    #[must_use]
    pub fn recorded() -> Self {
        Self { when_full: WhenFull::Wait, queue: 2, spare_permits: 1, max_age: None, may_batch: false }
    }

    /// The inlet of a camera in a lane with `workers` workers.
    #[must_use]
    pub fn inlet(&self, workers: usize, max_batch: usize) -> InletOptions {
        InletOptions {
            capacity: self.queue.max(max_batch),
            permits: workers * max_batch.max(1) + self.spare_permits,
            when_full: self.when_full,
        }
    }
}
