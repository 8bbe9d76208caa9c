//! The store as an engine's output: events first, stills and clips after them and never in their way.

use std::sync::Arc;
use std::time::Instant;

use super::evidence::{Clips, Stills};
use super::latency::Latency;
use super::output::{Output, Still};
use crate::base::{Clock, Result};
use crate::frame::WhenFull;
use crate::scene::Event;
use crate::store::{EventWriter, Media};

/// Hands events to the store, stills and clips to the media folder.
pub struct StoreOutput {
    writer: EventWriter,
    stills: Stills,
    clips: Arc<Clips>,
    clock: Arc<dyn Clock>,
    epoch: Instant,
}

/// Measures the time from a frame's last packet to its events on disk; see [`StoreOutput::new`].
pub struct DurableLatency {
    clock: Arc<dyn Clock>,
    epoch: Instant,
    latency: Arc<Latency>,
}

impl DurableLatency {
    /// A meter that writes into `latency`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, latency: Arc<Latency>) -> Self {
        let epoch = clock.monotonic();
        Self { clock, epoch, latency }
    }

    /// The origin of tags.
    #[must_use]
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// A submission with this tag is on disk. Tag 0 carries no time.
    pub fn durable(&self, tag: u64) {
        if tag > 0 {
            let now = self.clock.monotonic() - self.epoch;
            self.latency.record(now.saturating_sub(std::time::Duration::from_nanos(tag)));
        }
    }
}

impl StoreOutput {
    /// An output into `writer` and `media`. Tags submissions with the arrival time of their frame in
    /// nanoseconds since `epoch`.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn new(writer: EventWriter, media: &Media, clock: Arc<dyn Clock>, epoch: Instant) -> Result<Self> {
        let stills = Stills::start(media.clone(), WhenFull::DropOldest)?;
        let clips = Arc::new(Clips::start(media.clone())?);
        Ok(Self { writer, stills, clips, clock, epoch })
    }
}

impl Output for StoreOutput {
    fn events(&self, events: Vec<Event>, stills: Vec<Still>, arrived: Option<Instant>) {
        let since = arrived.map(|at| at.min(self.clock.monotonic()).saturating_duration_since(self.epoch));
        let tag = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        if let Err(error) = self.writer.submit(events, tag) {
            tracing::error!(%error, "events could not be stored");
        }
        stills.into_iter().for_each(|still| self.stills.put(still));
    }

    fn wants_stills(&self) -> bool {
        true
    }

    fn clips(&self) -> Option<&Arc<Clips>> {
        Some(&self.clips)
    }
}
