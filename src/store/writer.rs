//! The writer thread: the only one that writes the database.
//!
//! It takes whatever waits in the queue into one transaction (group commit), and tells of it only after
//! the commit, which includes the fsync. A batch that cannot be committed stays in memory, in order,
//! until it can be, or until the program stops; then it was never announced.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tokio::sync::watch;

use super::fault::{Fault, classify};
use super::folder::Reserve;
use super::health::{Counters, StoreHealth, add};
use super::incidents::Acted;
use super::ledger::Ledger;
use super::media::Media;
use super::options::StoreOptions;
use super::outbox::LiveSinks;
use super::retention;
use crate::base::{Error, ErrorKind, EventId, Result, Stop};
use crate::incident::work::Action;
use crate::incident::{Incident, IncidentId};
use crate::scene::{Event, Position, Rejected};

/// Requests that may wait; a full queue blocks whoever submits.
pub(super) const QUEUE: usize = 1024;
/// Events of one transaction: bounds how long the first of them waits for the last.
const BATCH_EVENTS: usize = 1024;
/// How often the thread looks at retention and the reserve.
const TICK: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What became of one submission, once on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// The submitter's own mark.
    pub tag: u64,
    /// Events that were new.
    pub inserted: u32,
    /// Events that were there already; they kept their first position.
    pub duplicates: u32,
    /// The newest durable position after this submission.
    pub position: Position,
}

pub(super) enum Request {
    Submit { events: Vec<Event>, tag: u64, ack: Option<Sender<Ack>> },
    Confirm { sink: String, up_to: Position, rejected: Vec<Rejected>, done: Sender<()> },
    Incidents { changed: Vec<Incident>, events: Vec<(EventId, IncidentId)>, up_to: Position, done: Sender<()> },
    Act { incident: IncidentId, action: Action, by: String, acted: Acted, done: Sender<Acted> },
    Flush { done: Sender<()> },
    Close,
}

impl Request {
    fn events(&self) -> usize {
        match self {
            Self::Submit { events, .. } => events.len(),
            _ => 0,
        }
    }
}

/// Hands events to the writer thread. Cloned freely.
#[derive(Clone)]
pub struct EventWriter {
    requests: Sender<Request>,
}

impl EventWriter {
    pub(super) fn new(requests: Sender<Request>) -> Self {
        Self { requests }
    }

    /// Queues events, which become durable in one transaction, in order. Blocks while the queue is full.
    /// `tag` comes back in [`StoreOptions::on_durable`].
    ///
    /// # Errors
    /// `Internal` when the store is closed.
    pub fn submit(&self, events: Vec<Event>, tag: u64) -> Result<()> {
        self.send(Request::Submit { events, tag, ack: None })
    }

    /// The same for a caller who waits. The receiver is disconnected without a value when the store was
    /// closed before the events were on disk.
    ///
    /// # Errors
    /// `Internal` when the store is closed.
    pub fn submit_acked(&self, events: Vec<Event>) -> Result<Receiver<Ack>> {
        let (ack, acked) = bounded(1);
        self.send(Request::Submit { events, tag: 0, ack: Some(ack) })?;
        Ok(acked)
    }

    /// How many requests wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.requests.len()
    }

    /// Moves a sink's cursor and waits until that is on disk.
    pub(super) fn confirm(&self, sink: &str, up_to: Position, rejected: Vec<Rejected>) -> Result<()> {
        let (done, confirmed) = bounded(1);
        self.send(Request::Confirm { sink: sink.to_owned(), up_to, rejected, done })?;
        confirmed.recv().map_err(|_| closed())
    }

    /// Stores incidents, which of them events belong to, and how far events were looked at; returns once that is on disk.
    pub(super) fn incidents(
        &self,
        changed: Vec<Incident>,
        events: Vec<(EventId, IncidentId)>,
        up_to: Position,
    ) -> Result<()> {
        let (done, stored) = bounded(1);
        self.send(Request::Incidents { changed, events, up_to, done })?;
        stored.recv().map_err(|_| closed())
    }

    /// Takes a person's action on an incident; returns once that is on disk.
    ///
    /// # Errors
    /// `Internal` when the store is closing.
    pub fn act(&self, incident: IncidentId, action: Action, by: &str) -> Result<Acted> {
        let (done, acted) = bounded(1);
        self.send(Request::Act { incident, action, by: by.to_owned(), acted: Acted::Unknown, done })?;
        acted.recv().map_err(|_| closed())
    }

    /// Waits until everything queued before is on disk.
    pub(super) fn flush(&self) -> Result<()> {
        let (done, flushed) = bounded(1);
        self.send(Request::Flush { done })?;
        flushed.recv().map_err(|_| closed())
    }

    pub(super) fn close(&self) {
        // Fails only when the thread is gone already.
        let _ = self.requests.send(Request::Close);
    }

    fn send(&self, request: Request) -> Result<()> {
        self.requests.send(request).map_err(|_| closed())
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Internal, "the event store is closed")
}

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) requests: Receiver<Request>,
    /// `None` after a fault, until a new connection could be opened.
    pub(super) ledger: Option<Ledger>,
    pub(super) reserve: Reserve,
    pub(super) options: StoreOptions,
    pub(super) latest: watch::Sender<Position>,
    pub(super) health: watch::Sender<StoreHealth>,
    pub(super) counters: Arc<Counters>,
    pub(super) media: Media,
    pub(super) live: LiveSinks,
    pub(super) closing: Stop,
}

impl Writer {
    /// The thread's body; returns after [`Request::Close`] with everything queued before it stored.
    pub(super) fn run(mut self) {
        let mut next_tick = self.options.clock.monotonic() + TICK;
        let mut next_sweep = self.options.clock.monotonic();
        loop {
            let wait = next_tick.min(next_sweep).saturating_duration_since(self.options.clock.monotonic());
            match self.requests.recv_timeout(wait) {
                Ok(first) => {
                    let (batch, close) = self.gather(first);
                    self.store(batch);
                    if close {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.options.clock.monotonic();
            if now >= next_tick {
                self.look_at_reserve();
                next_tick = now + TICK;
            }
            if now >= next_sweep {
                next_sweep = self.sweep(now);
            }
        }
    }

    /// What waits now, up to the bound; true when the store is to close after it.
    fn gather(&self, first: Request) -> (Vec<Request>, bool) {
        let mut events = first.events();
        let mut batch = vec![first];
        while events < BATCH_EVENTS && !matches!(batch.last(), Some(Request::Close)) {
            let Ok(request) = self.requests.try_recv() else { break };
            events += request.events();
            batch.push(request);
        }
        let close = matches!(batch.last(), Some(Request::Close));
        (batch, close)
    }

    /// Commits the batch, however long it takes, then announces it.
    fn store(&mut self, mut batch: Vec<Request>) {
        let mut pause = Duration::ZERO;
        loop {
            match self.attempt(&mut batch) {
                Ok(acks) => return self.announce(batch, acks),
                Err(fault) => self.heal(fault, pause.is_zero()),
            }
            // The first retry comes at once, stopping or not: what healing freed may be enough.
            if !pause.is_zero() && self.closing.wait_timeout(pause) {
                return self.abandon(&batch);
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    fn attempt(&mut self, batch: &mut [Request]) -> Result<Vec<Option<Ack>>, (Fault, String)> {
        let now = self.options.clock.utc();
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            empty => match Ledger::open(&self.folder) {
                Ok(ledger) => empty.insert(ledger),
                Err(e) if e.kind() == ErrorKind::DiskFull => return Err((Fault::DiskFull, e.to_string())),
                Err(e) => return Err((Fault::Connection, e.to_string())),
            },
        };
        ledger.commit(batch, now).map_err(|e| (classify(&ledger.file, &e), e.to_string()))
    }

    /// Does what the fault asks for before the next attempt.
    fn heal(&mut self, (fault, reason): (Fault, String), first: bool) {
        match fault {
            Fault::DiskFull => {
                add(&self.counters.disk_full, 1);
                if first {
                    tracing::error!(folder = %self.folder.display(), "disk full: events wait, old stills and clips go");
                }
                self.health.send_replace(StoreHealth::DiskFull);
                self.reserve.release();
                self.media.shed(self.options.reserve_bytes.saturating_mul(4).max(4 << 20));
                if let Some(shed) = &self.options.shed_media {
                    shed();
                }
            }
            Fault::Connection => {
                add(&self.counters.faults, 1);
                if first {
                    tracing::error!(folder = %self.folder.display(), %reason, "commit failed: opening the database anew");
                }
                self.health.send_replace(StoreHealth::Critical { reason });
                self.ledger = None;
            }
        }
    }

    fn announce(&mut self, batch: Vec<Request>, acks: Vec<Option<Ack>>) {
        add(&self.counters.commits, 1);
        self.health.send_if_modified(|health| {
            let recovered = matches!(health, StoreHealth::Critical { .. });
            if recovered {
                *health = StoreHealth::Ok;
            }
            recovered
        });
        if let Some(last) = self.ledger.as_ref().map(Ledger::last) {
            self.latest.send_if_modified(|known| {
                let moved = *known != last;
                *known = last;
                moved
            });
        }
        for (request, ack) in batch.into_iter().zip(acks) {
            if let Some(ack) = ack {
                add(&self.counters.events, ack.inserted.into());
                add(&self.counters.duplicates, ack.duplicates.into());
                if let Some(on_durable) = &self.options.on_durable {
                    on_durable(&ack);
                }
            }
            // A caller who no longer waits is no failure.
            match (request, ack) {
                (Request::Submit { ack: Some(waiting), .. }, Some(ack)) => drop(waiting.try_send(ack)),
                (Request::Confirm { done, .. } | Request::Incidents { done, .. } | Request::Flush { done }, _) => {
                    let _ = done.try_send(());
                }
                (Request::Act { acted, done, .. }, _) => {
                    let _ = done.try_send(acted);
                }
                _ => {}
            }
        }
    }

    fn abandon(&self, batch: &[Request]) {
        let events: usize = batch.iter().map(Request::events).sum();
        if events > 0 {
            add(&self.counters.abandoned, events as u64);
            tracing::error!(
                events,
                "stopping while the disk does not take events: these are lost, nobody was told of them"
            );
        }
    }

    fn look_at_reserve(&mut self) {
        let critical = matches!(*self.health.borrow(), StoreHealth::Critical { .. });
        if self.reserve.hold() && !critical && *self.health.borrow() != StoreHealth::Ok {
            tracing::info!(folder = %self.folder.display(), "space is back");
            self.health.send_replace(StoreHealth::Ok);
        }
    }

    /// One step of retention; returns when to come back.
    fn sweep(&mut self, now: Instant) -> Instant {
        let later = now + self.options.sweep_every;
        let Some(ledger) = &mut self.ledger else { return later };
        let live = self.live.names();
        match retention::sweep(&mut ledger.conn, &self.options.events, self.options.clock.utc(), &live) {
            Ok(swept) => {
                add(&self.counters.events_swept, swept.deleted);
                add(&self.counters.events_swept_unconfirmed, swept.unconfirmed);
                if swept.unconfirmed > 0 {
                    tracing::warn!(
                        events = swept.unconfirmed,
                        "retention deleted events that a sink has not confirmed"
                    );
                }
                if swept.more { now } else { later }
            }
            Err(error) => {
                tracing::warn!(%error, "retention failed; trying again later");
                later
            }
        }
    }
}
