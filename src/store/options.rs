//! How a store behaves; everything has a default fit for one machine with many cameras.

use std::sync::Arc;
use std::time::Duration;

use super::writer::Ack;
use crate::base::Clock;
use crate::base::time::SystemClock;

/// Called on the writer thread; must be quick and must not submit to the same store.
pub type OnDurable = Box<dyn Fn(&Ack) + Send>;
/// Called on the writer thread when the disk is full; returns how many bytes it freed.
pub type ShedMedia = Box<dyn Fn() -> u64 + Send>;

/// Settings of [`super::Store::open`].
pub struct StoreOptions {
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Space kept in `reserve.bin`, given up when the disk is full so that events can go on. 0: none.
    pub reserve_bytes: u64,
    /// How long events are kept.
    pub events: Retention,
    /// How long stills and clips are kept.
    pub media: MediaRetention,
    /// How often retention is looked at.
    pub sweep_every: Duration,
    /// Frees space outside the store when the disk is full, after the store has dropped its own
    /// oldest stills and clips.
    pub shed_media: Option<ShedMedia>,
    /// Told of every submission once it is on disk.
    pub on_durable: Option<OnDurable>,
}

/// Limits by age and by total size; `None` keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Older than this goes. Age counts from when it was stored, not from when it was filmed.
    pub max_age: Option<Duration>,
    /// Above this many bytes the oldest goes.
    pub max_bytes: Option<u64>,
}

/// Limits of stills and clips; `None` and 0 keep everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MediaRetention {
    /// Older than this goes.
    pub max_age: Option<Duration>,
    /// Above this many bytes the oldest goes.
    pub max_bytes: Option<u64>,
    /// Above this many bytes of one camera its oldest goes.
    pub max_bytes_per_camera: Option<u64>,
    /// With less than this free on the disk the oldest goes, and nothing new is written: the rest is for events.
    pub min_free_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            reserve_bytes: 8 << 20,
            events: Retention::default(),
            media: MediaRetention { max_bytes: Some(1 << 30), ..MediaRetention::default() },
            sweep_every: Duration::from_secs(60),
            shed_media: None,
            on_durable: None,
        }
    }
}
