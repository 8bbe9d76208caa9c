//! The store as an engine's output: events first, stills after them and never in their way.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, TrySendError, bounded};

use super::latency::Latency;
use super::output::{Output, Still};
use crate::base::{Clock, Error, ErrorKind, Result};
use crate::scene::Event;
use crate::store::{EventWriter, Media};

/// Stills that may wait for the encoder; more are given up, for events do not wait for them.
const STILL_QUEUE: usize = 32;
/// JPEG quality of stills.
const QUALITY: u8 = 85;

/// Hands events to the store and stills to the media folder.
pub struct StoreOutput {
    writer: EventWriter,
    stills: Sender<Still>,
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
    /// When the encoder's thread cannot be made.
    pub fn new(writer: EventWriter, media: Media, clock: Arc<dyn Clock>, epoch: Instant) -> Result<Self> {
        let (stills, queue) = bounded::<Still>(STILL_QUEUE);
        std::thread::Builder::new()
            .name("stills".to_owned())
            .spawn(move || {
                for still in queue {
                    let written =
                        still.snapshot.encode(&still.overlays, QUALITY).and_then(|jpeg| media.put(&still.name, &jpeg));
                    if let Err(error) = written {
                        tracing::warn!(still = still.name, %error, "no still");
                    }
                }
            })
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the still encoder").source(e))?;
        Ok(Self { writer, stills, clock, epoch })
    }
}

impl Output for StoreOutput {
    fn events(&self, events: Vec<Event>, stills: Vec<Still>, arrived: Option<Instant>) {
        let since = arrived.map(|at| at.min(self.clock.monotonic()).saturating_duration_since(self.epoch));
        let tag = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        if let Err(error) = self.writer.submit(events, tag) {
            tracing::error!(%error, "events could not be stored");
        }
        for still in stills {
            if let Err(TrySendError::Full(still)) = self.stills.try_send(still) {
                tracing::warn!(still = still.name, "too many stills at once, this one is given up");
            }
        }
    }

    fn wants_stills(&self) -> bool {
        true
    }
}
