//! The durable event store: one folder, one SQLite database, one writer thread.
//!
//! Promises (`docs/delivery.md` tells the story, `tests/store_*.rs` hold us to it):
//! - An event is on disk, fsync included, before anybody is told of it.
//! - Per camera, sequence numbers start at 1 and have no gap; positions grow over the whole store.
//! - `(id, revision)` is stored once; a repeat keeps its first position.
//! - Each sink has its own cursor, which moves only when the sink has confirmed.
//! - A full or failing disk delays events; it neither loses nor reorders them while the process lives.
//!
//! The store's SQL and its SQLite types stay in this module.

pub mod access;
mod fault;
mod folder;
mod health;
mod incidents;
mod ledger;
mod lists;
mod media;
mod options;
mod outbox;
mod query;
mod retention;
mod schema;
mod sinks;
mod span;
mod stills;
mod sweeper;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

pub use self::access::{AccessDb, AuditEntry, AuditQuery, AuditRow, RecordSort, Verified};
pub use self::health::{StoreHealth, StoreStats};
pub use self::incidents::{Acted, IncidentQuery, IncidentWriter};
pub use self::lists::{EventMark, IncidentMark, ListFilter, ListedIncident};
pub use self::media::{Draft, Media};
pub use self::options::{MediaRetention, OnDurable, Retention, ShedMedia, StoreOptions};
pub use self::outbox::SinkOutbox;
pub use self::query::{Query, Reader};
pub use self::sinks::{DeadLetter, SinkRecord};
pub use self::writer::{Ack, EventWriter};
pub use crate::scene::{Outbox, Position, Rejected, StoredEvent};

use self::folder::{FolderLock, Reserve};
use self::health::Counters;
use self::ledger::Ledger;
use self::outbox::LiveSinks;
use self::sweeper::Sweeper;
use self::writer::Writer;
use crate::base::{Error, ErrorKind, Result, Stop};

/// The store, open for writing. One per folder and machine; closing it stores what is queued.
pub struct Store {
    folder: PathBuf,
    writer: EventWriter,
    latest: watch::Receiver<Position>,
    health: watch::Receiver<StoreHealth>,
    counters: Arc<Counters>,
    media: Media,
    live: LiveSinks,
    closing: Stop,
    thread: Option<JoinHandle<()>>,
    _sweeper: Sweeper,
    /// Last, so that it is let go after the writer thread has ended.
    _lock: FolderLock,
}

impl Store {
    /// Opens the store in `folder`, creating it if need be, and starts the writer thread. Recovery after
    /// a crash happens here.
    ///
    /// # Errors
    /// `Busy` naming the owner's pid when another process has it; `Corrupt` for a damaged database;
    /// `Unsupported` for one that a newer release wrote; `Permission`, `DiskFull` or `Io` for the disk.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Self> {
        folder::create(folder)?;
        let lock = FolderLock::take(folder)?;
        let mut reserve = Reserve::new(folder, options.reserve_bytes);
        let ledger = match Ledger::open(folder) {
            // The reserve of an earlier run is what it takes to open on a full disk.
            Err(e) if e.kind() == ErrorKind::DiskFull => {
                reserve.release();
                Ledger::open(folder)?
            }
            other => other?,
        };
        folder::sync_folder(folder)?;
        let health = if reserve.hold() { StoreHealth::Ok } else { StoreHealth::DiskFull };
        let counters = Arc::new(Counters::default());
        let nudges = crossbeam_channel::bounded(1);
        let media =
            Media::open(folder, options.media, Arc::clone(&options.clock), Arc::clone(&counters), nudges.0.clone())?;
        let sweeper = Sweeper::start(media.clone(), nudges, options.sweep_every)?;
        let (requests, queue) = crossbeam_channel::bounded(writer::QUEUE);
        let (latest_sender, latest) = watch::channel(ledger.last());
        let (health_sender, health) = watch::channel(health);
        let (live, closing) = (LiveSinks::default(), Stop::new());
        let thread = Writer {
            folder: folder.to_owned(),
            requests: queue,
            ledger: Some(ledger),
            reserve,
            options,
            latest: latest_sender,
            health: health_sender,
            counters: Arc::clone(&counters),
            media: media.clone(),
            live: live.clone(),
            closing: closing.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("event-writer".to_owned())
            .spawn(move || thread.run())
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start the writer thread: {e}")).source(e))?;
        Ok(Self {
            folder: folder.to_owned(),
            writer: EventWriter::new(requests),
            latest,
            health,
            counters,
            media,
            live,
            closing,
            thread: Some(thread),
            _sweeper: sweeper,
            _lock: lock,
        })
    }

    /// Opens the store in `folder` for reading only, beside the process that writes it or without one.
    /// Takes no lock.
    ///
    /// # Errors
    /// `NotFound` without a store, `Corrupt`, `Unsupported`, `Permission`, `Io`.
    pub fn open_reader(folder: &Path) -> Result<Reader> {
        Reader::open(folder)
    }

    /// A handle to hand events in.
    #[must_use]
    pub fn writer(&self) -> EventWriter {
        self.writer.clone()
    }

    /// The newest durable position, as it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.latest.clone()
    }

    /// How the disk is doing, as it changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    /// Counts since it was opened.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.counters.snapshot()
    }

    /// Another read-only connection.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn reader(&self) -> Result<Reader> {
        Reader::open(&self.folder)
    }

    /// The view for a sink's dispatcher. While it lives, retention counts what it deletes unconfirmed.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn outbox(&self, sink: &str) -> Result<SinkOutbox> {
        Ok(SinkOutbox::new(sink, self.reader()?, self.writer.clone(), self.subscribe(), self.live.clone()))
    }

    /// What it takes to keep the incidents up with the events. One at a time.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn incident_writer(&self) -> Result<IncidentWriter> {
        IncidentWriter::new(self.reader()?, self.writer.clone(), self.subscribe())
    }

    /// Free bytes of the disk that the store is on.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        folder::free_bytes(&self.folder)
    }

    /// The stills and clips.
    #[must_use]
    pub fn media(&self) -> Media {
        self.media.clone()
    }

    /// Writes a still; see [`Media::put`].
    ///
    /// # Errors
    /// As [`Media::put`]; an event does not depend on it.
    pub fn put_still(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.media.put(name, bytes)
    }

    /// What `sink` has confirmed; 0 when it never has.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn cursor(&self, sink: &str) -> Result<Position> {
        self.reader()?.cursor(sink)
    }

    /// Moves a sink's cursor; never backwards. Returns once that is on disk.
    ///
    /// # Errors
    /// `Internal` when the store is closing.
    pub fn confirm(&self, sink: &str, position: Position) -> Result<()> {
        self.writer.confirm(sink, position, Vec::new())
    }

    /// Waits until everything submitted before is on disk.
    ///
    /// # Errors
    /// `Internal` when the store is closing.
    pub fn flush(&self) -> Result<()> {
        self.writer.flush()
    }

    /// Stores what is queued and lets the folder go. On a disk that takes nothing, what is queued is
    /// given up, logged and counted. Dropping the store does the same.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.closing.request();
        self.writer.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the event writer thread panicked");
        }
    }
}

/// The process that has the store in `folder` open for writing; `None` when nobody has.
///
/// # Errors
/// `Permission` or `Io` for the lock file.
pub fn owner_pid(folder: &Path) -> Result<Option<i32>> {
    folder::owner_pid(folder)
}
