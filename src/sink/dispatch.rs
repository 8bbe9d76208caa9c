//! One thread per sink: read by cursor, deliver, confirm, and wait out what fails.
//!
//! At most one batch is unconfirmed at any time, and the next is read only after the cursor is on disk.
//!
//! A sink that is far behind is paced (`pace`), so that what it catches up with does not delay what happens now.
//!
//! For a sink that carries stills, the still of an event that was announced a moment ago is waited for, by this sink alone
//! and for `parcel::PATIENCE` after the announcement at most: however many are missing, no event waits longer.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::pace::Pace;
use super::parcel::{Announced, Parcel, portions};
use super::{Outcome, Sink};
use crate::base::{Clock, Error, ErrorKind, Result, Stop, Timestamp};
use crate::scene::{InlineStill, LeftOut, Outbox, Position, Rejected, StillFile, StoredEvent};

/// The most events of one batch.
pub const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks for a still that is being written.
const STILL_PAUSE: Duration = Duration::from_millis(20);
/// Failed attempts after which an event goes without its picture: the connection may break because of it.
const ATTEMPTS_WITH_PICTURE: u32 = 3;

/// What a sink is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkState {
    /// Delivering, or waiting for events.
    #[default]
    Running,
    /// Waiting to try again.
    Retrying,
    /// Given up until somebody changes something; events stay in the store.
    Parked,
    /// Its thread has ended.
    Stopped,
}

/// A sink's figures, for the metrics and the health page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkStatus {
    /// What it is doing.
    pub state: SinkState,
    /// The last confirmed position.
    pub cursor: Position,
    /// Events that wait for it.
    pub backlog: u64,
    /// When a batch last got through.
    pub last_ok: Option<Timestamp>,
    /// The latest failure.
    pub last_error: Option<String>,
    /// Events confirmed since the start.
    pub delivered: u64,
    /// Events refused for good since the start; they are among the store's dead letters.
    pub rejected: u64,
    /// How long it was held back since the start, so that a backlog did not delay live events.
    pub paced: Duration,
}

/// What a dispatcher works with.
pub struct Setting {
    /// The sink's id in the pipeline file.
    pub name: String,
    /// The store's newest position.
    pub latest: watch::Receiver<Position>,
    /// Drives the deliveries.
    pub runtime: Handle,
    /// Wall time for [`SinkStatus::last_ok`].
    pub clock: Arc<dyn Clock>,
    /// Asks it to end: it first delivers what waits, for at most `drain`.
    pub stop: Stop,
    /// How long delivery may go on after the stop.
    pub drain: Duration,
}

/// A running dispatcher.
pub struct Dispatcher {
    status: watch::Receiver<SinkStatus>,
    latest: watch::Receiver<Position>,
    thread: JoinHandle<()>,
}

impl Dispatcher {
    /// Its figures, as of now.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        let mut status = self.status.borrow().clone();
        status.backlog = self.latest.borrow().0.saturating_sub(status.cursor.0);
        status
    }

    /// Its figures as they change; `backlog` as of the last change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SinkStatus> {
        self.status.clone()
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread, which ends after the stop.
    ///
    /// # Errors
    /// `Internal` when the sink panicked.
    pub fn join(self) -> Result<()> {
        self.thread.join().map_err(|_| Error::new(ErrorKind::Internal, "a sink's thread panicked"))
    }
}

/// Starts a thread `sink-<name>` that runs the dispatcher.
///
/// # Errors
/// `Io` when the system starts no more threads.
pub fn start(outbox: impl Outbox + 'static, sink: Box<dyn Sink>, setting: Setting) -> Result<Dispatcher> {
    let (sender, status) = watch::channel(SinkStatus::default());
    let latest = setting.latest.clone();
    let (now, newest) = (setting.clock.monotonic(), *latest.borrow());
    let (announced, pace) = (Announced::after(newest, now), Pace::new(now, newest));
    let thread = std::thread::Builder::new()
        .name(format!("sink-{}", setting.name))
        .spawn(move || run(Run { outbox, sink, setting, status: sender, announced, pace, deadline: None, failures: 0 }))
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start a sink's thread: {e}")).source(e))?;
    Ok(Dispatcher { status, latest, thread })
}

/// Delivers until the stop. Blocks.
fn run<O: Outbox>(mut run: Run<O>) {
    if let Err(error) = run.deliver_all() {
        tracing::error!(sink = run.setting.name, %error, "delivery ended");
        run.failed(&error.to_string(), SinkState::Stopped);
    }
    run.status.send_modify(|s| s.state = SinkState::Stopped);
}

struct Run<O> {
    outbox: O,
    sink: Box<dyn Sink>,
    setting: Setting,
    status: watch::Sender<SinkStatus>,
    /// Since when events are known, for the wait for their stills.
    announced: Announced,
    /// Holds back what is caught up with.
    pace: Pace,
    /// When delivery ends for good; set once the stop was seen.
    deadline: Option<Instant>,
    /// Failed attempts in a row.
    failures: u32,
}

impl<O: Outbox> Run<O> {
    /// Ends with `Ok` on a stop, with an error when the store no longer confirms.
    fn deliver_all(&mut self) -> Result<()> {
        let Some(mut cursor) = self.first_cursor() else { return Ok(()) };
        self.status.send_modify(|s| s.cursor = cursor);
        loop {
            let known = *self.setting.latest.borrow();
            let batch = match self.outbox.read(cursor, BATCH) {
                Ok(batch) => batch,
                Err(error) => {
                    if self.pause(None, &error.to_string()) {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(last) = batch.last().map(|e| e.position) else {
                if self.setting.stop.requested() {
                    return Ok(());
                }
                // What was announced but cannot be read any more, retention has deleted (and counted).
                cursor = cursor.max(known);
                self.wait_for_events(cursor);
                continue;
            };
            let events = batch.len() as u64;
            let Some(rejected) = self.deliver_parts(batch, last) else { return Ok(()) };
            let refused = rejected.len() as u64;
            self.outbox.confirm(last, rejected)?;
            cursor = last;
            self.succeeded(cursor, events - refused, refused);
        }
    }

    fn first_cursor(&mut self) -> Option<Position> {
        loop {
            match self.outbox.cursor() {
                Ok(cursor) => return Some(cursor),
                Err(error) if self.pause(None, &error.to_string()) => return None,
                Err(_) => {}
            }
        }
    }

    /// Delivers what was read up to `last`, part by part at its pace. Returns what was refused; `None` when it is time to
    /// end.
    fn deliver_parts(&mut self, mut batch: Vec<StoredEvent>, last: Position) -> Option<Vec<Rejected>> {
        let (now, latest) = (self.setting.clock.monotonic(), *self.setting.latest.borrow());
        if self.sink.most_still_bytes() > 0 {
            self.announced.note(latest, now);
        }
        self.pace.begin(now, latest, batch.len(), last);
        let mut rejected = Vec::new();
        while !batch.is_empty() {
            let later = batch.split_off(self.pace.part().min(batch.len()));
            self.hold_back();
            let events = batch.len();
            rejected.extend(self.deliver_portions(batch)?);
            self.pace.delivered(self.setting.clock.monotonic(), events);
            batch = later;
        }
        Some(rejected)
    }

    /// Delivers, with stills where the sink carries them.
    fn deliver_portions(&mut self, part: Vec<StoredEvent>) -> Option<Vec<Rejected>> {
        let most_bytes = self.sink.most_still_bytes();
        let mut rejected = Vec::new();
        for mut portion in portions(part, most_bytes > 0) {
            if let ([parcel], 1..) = (portion.as_mut_slice(), most_bytes)
                && let Some(name) = &parcel.stored.event.still
            {
                parcel.still = Some(self.still(name, parcel.stored.position, most_bytes));
            }
            rejected.extend(self.deliver(&mut portion)?);
        }
        Some(rejected)
    }

    /// Waits until the pace lets the next part go; not while stopping, when only the deadline counts.
    fn hold_back(&self) {
        let begun = self.setting.clock.monotonic();
        let wait = self.pace.wait(begun);
        if wait.is_zero() || self.setting.stop.requested() {
            return;
        }
        self.setting.stop.wait_timeout(wait);
        let waited = self.setting.clock.monotonic().saturating_duration_since(begun);
        self.status.send_modify(|s| s.paced += waited);
    }

    /// An event's still for its message, once it is there.
    fn still(&self, name: &str, position: Position, most_bytes: u64) -> InlineStill {
        let Setting { clock, stop, .. } = &self.setting;
        let until = self.announced.wait_until(position).filter(|until| clock.monotonic() < *until);
        let missing = if until.is_some() { LeftOut::NotYet } else { LeftOut::Missing };
        loop {
            // Asked before the look: what was written before the stop is found.
            let is_last = stop.requested() || until.is_none_or(|until| clock.monotonic() >= until);
            let file = self.outbox.still(name, most_bytes);
            if is_last || file != StillFile::Missing {
                return InlineStill::of(file, missing);
            }
            stop.wait_timeout(STILL_PAUSE);
        }
    }

    /// Tries until the batch is through. Returns what was refused; `None` when it is time to end. Before an event with its
    /// still becomes a dead letter it goes without it: whatever is wrong with the picture, the event is not lost for it.
    fn deliver(&mut self, batch: &mut [Parcel]) -> Option<Vec<Rejected>> {
        let mut attempts = 0;
        loop {
            match self.attempt(batch)? {
                Outcome::Done => return Some(Vec::new()),
                Outcome::Reject { reasons } => {
                    if reasons.first().is_some_and(|(_, reason)| self.leave_pictures_out(batch, reason)) {
                        continue;
                    }
                    let mut rejected: Vec<Rejected> = reasons
                        .into_iter()
                        .filter(|(position, _)| batch.iter().any(|parcel| parcel.stored.position == *position))
                        .map(|(position, reason)| Rejected { position, reason })
                        .collect();
                    rejected.sort_by_key(|r| r.position);
                    rejected.dedup_by_key(|r| r.position);
                    if let Some(first) = rejected.first() {
                        let Rejected { position, reason } = first;
                        tracing::warn!(sink = self.setting.name, events = rejected.len(), %position, reason, "refused");
                    }
                    return Some(rejected);
                }
                Outcome::Retry { after, reason } => {
                    // A wait that the far side asks for, or a login that is refused, is not about the picture.
                    attempts += u32::from(after.is_none());
                    if attempts >= ATTEMPTS_WITH_PICTURE {
                        self.leave_pictures_out(batch, &reason);
                    }
                    if self.pause(after, &reason) {
                        return None;
                    }
                }
                Outcome::Fatal { reason } => {
                    tracing::error!(sink = self.setting.name, reason, "parked; its events stay in the store");
                    self.failed(&reason, SinkState::Parked);
                    self.setting.runtime.block_on(self.setting.stop.wait());
                    return None;
                }
            }
        }
    }

    /// Whether there was a picture to leave out.
    fn leave_pictures_out(&self, batch: &mut [Parcel], reason: &str) -> bool {
        let mut any = false;
        for parcel in batch.iter_mut().filter(|parcel| parcel.still.is_some()) {
            any |= parcel.leave_picture_out();
        }
        if any {
            tracing::info!(sink = self.setting.name, reason, "not taken with its still; sent again without it");
        }
        any
    }

    /// One delivery; `None` when the stop's deadline came first.
    fn attempt(&mut self, batch: &[Parcel]) -> Option<Outcome> {
        let now = self.setting.clock.monotonic();
        if self.setting.stop.requested() && self.deadline.is_none() {
            self.deadline = Some(now + self.setting.drain);
        }
        let left = self.deadline.map_or(self.setting.drain, |d| d.saturating_duration_since(now));
        let Self { sink, setting, .. } = self;
        let overdue = async {
            setting.stop.wait().await;
            tokio::time::sleep(left).await;
        };
        setting.runtime.block_on(async {
            tokio::select! {
                biased;
                outcome = sink.deliver(batch) => Some(outcome),
                () = overdue => None,
            }
        })
    }

    /// Waits before another attempt; true when it is time to end instead.
    fn pause(&mut self, wish: Option<Duration>, reason: &str) -> bool {
        self.failed(reason, SinkState::Retrying);
        let pause = wish.unwrap_or_else(|| back_off(self.failures));
        if self.failures == 0 {
            tracing::warn!(sink = self.setting.name, reason, "delivery failed; trying again");
        }
        self.failures = self.failures.saturating_add(1);
        self.setting.stop.wait_timeout(pause)
    }

    fn wait_for_events(&mut self, cursor: Position) {
        let Setting { latest, runtime, stop, .. } = &mut self.setting;
        runtime.block_on(async {
            let newer = async {
                if latest.wait_for(|position| *position > cursor).await.is_err() {
                    // The store is gone; the stop will follow.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = newer => {}
                () = stop.wait() => {}
            }
        });
    }

    fn failed(&self, reason: &str, state: SinkState) {
        self.status.send_modify(|s| {
            s.state = state;
            s.last_error = Some(reason.to_owned());
        });
    }

    fn succeeded(&mut self, cursor: Position, delivered: u64, rejected: u64) {
        if self.failures > 0 {
            tracing::info!(sink = self.setting.name, attempts = self.failures, "delivery works again");
            self.failures = 0;
        }
        let now = self.setting.clock.utc();
        let latest = self.setting.latest.borrow().0;
        self.status.send_modify(|s| {
            s.state = SinkState::Running;
            s.cursor = cursor;
            s.backlog = latest.saturating_sub(cursor.0);
            s.last_ok = Some(now);
            s.delivered += delivered;
            s.rejected += rejected;
        });
    }
}

/// 0.5 s doubling to 30 s, of which a random part of up to a half is taken off, so that many sinks
/// that failed together do not come back together.
fn back_off(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(failures) as f64 / u64::MAX as f64;
    full.mul_f64(1.0 - random / 2.0)
}
