//! The thread that writes the audit trail: what was done is on disk within moments, in one transaction for all that waits.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::{Error, ErrorKind, Result};
use crate::store::{AccessDb, AuditEntry, RecordSort};

/// Entries that may wait; beyond it whoever does something waits.
const QUEUE: usize = 4096;
/// Between attempts while the disk takes nothing.
const PAUSE: Duration = Duration::from_millis(500);

/// Attempts at the end of the program.
const LAST_TRIES: u32 = 6;

enum Order {
    Entry { entry: AuditEntry, done: Option<Sender<()>> },
    Keep { sort: RecordSort, key: String, body: String },
}

/// The way into the trail. Dropped, it writes what waits.
pub struct Trail {
    closing: Arc<AtomicBool>,
    orders: Mutex<Option<Sender<Order>>>,
    thread: Option<JoinHandle<()>>,
}

impl Trail {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Io` when no thread can be made.
    pub fn start(db: Arc<AccessDb>) -> Result<Self> {
        let (orders, queue) = bounded(QUEUE);
        let closing = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&closing);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write(&db, &queue, &ending))
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the audit thread").source(e))?;
        Ok(Self { closing, orders: Mutex::new(Some(orders)), thread: Some(thread) })
    }

    fn sender(&self) -> Option<Sender<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds an entry, without waiting for the disk.
    pub fn note(&self, entry: AuditEntry) {
        if let Some(orders) = self.sender() {
            // Fails only when the thread is gone, which has said why.
            let _ = orders.send(Order::Entry { entry, done: None });
        }
    }

    /// Writes a record that may be lost, such as when a session was last used, without waiting for the disk.
    pub(super) fn keep(&self, sort: RecordSort, key: String, body: String) {
        if let Some(orders) = self.sender() {
            let _ = orders.try_send(Order::Keep { sort, key, body });
        }
    }

    /// Adds an entry and waits until it is on disk, at most some seconds on a disk that takes nothing.
    pub fn note_durably(&self, entry: AuditEntry) {
        let Some(orders) = self.sender() else { return };
        let (done, written) = bounded(1);
        if orders.send(Order::Entry { entry, done: Some(done) }).is_ok() {
            let _ = written.recv_timeout(PAUSE * 10);
        }
    }
}

fn write(db: &AccessDb, queue: &Receiver<Order>, closing: &AtomicBool) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for order in batch {
            match order {
                Order::Entry { entry, done } => {
                    entries.push(entry);
                    waiting.extend(done);
                }
                Order::Keep { sort, key, body } => {
                    if let Err(error) = db.put_if_there(sort, &key, &body) {
                        tracing::warn!(%error, "when a user was last seen cannot be written");
                    }
                }
            }
        }
        let mut tries = 0;
        while !entries.is_empty()
            && let Err(error) = db.append(&entries)
        {
            if tries == 0 {
                tracing::error!(%error, "the audit trail cannot be written; trying again");
            }
            tries += 1;
            // While the program runs the entries wait; at its end they are given up after a while.
            if closing.load(Relaxed) && tries > LAST_TRIES {
                tracing::error!(entries = entries.len(), "entries of the audit trail are lost");
                break;
            }
            std::thread::sleep(PAUSE);
        }
        for done in waiting {
            let _ = done.try_send(());
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.closing.store(true, Relaxed);
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit thread panicked");
        }
    }
}
