//! The store as one sink sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::query::{Query, Reader};
use super::writer::EventWriter;
use crate::base::Result;
use crate::scene::{Outbox, Position, Rejected, StillFile, StoredEvent};

/// Names of the sinks that are running: retention must not delete what they still want in silence.
#[derive(Clone, Default)]
pub(super) struct LiveSinks(Arc<Mutex<BTreeMap<String, usize>>>);

impl LiveSinks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

/// One sink's connection to the store. While it lives, the sink counts as live.
pub struct SinkOutbox {
    sink: String,
    reader: Reader,
    writer: EventWriter,
    announced: watch::Receiver<Position>,
    live: LiveSinks,
}

impl SinkOutbox {
    pub(super) fn new(
        sink: &str,
        reader: Reader,
        writer: EventWriter,
        announced: watch::Receiver<Position>,
        live: LiveSinks,
    ) -> Self {
        *live.lock().entry(sink.to_owned()).or_default() += 1;
        Self { sink: sink.to_owned(), reader, writer, announced, live }
    }
}

impl Drop for SinkOutbox {
    fn drop(&mut self) {
        let mut live = self.live.lock();
        if let Some(count) = live.get_mut(&self.sink) {
            *count -= 1;
            if *count == 0 {
                live.remove(&self.sink);
            }
        }
    }
}

impl Outbox for SinkOutbox {
    fn cursor(&mut self) -> Result<Position> {
        self.reader.cursor(&self.sink)
    }

    fn read(&mut self, after: Position, limit: usize) -> Result<Vec<StoredEvent>> {
        // After a failed fsync a new connection may show rows that are not on disk yet; the writer
        // announces them when they are.
        let announced = *self.announced.borrow();
        let mut batch = self.reader.events(&Query { after_position: Some(after), limit, ..Query::default() })?;
        batch.truncate(batch.partition_point(|e| e.position <= announced));
        Ok(batch)
    }

    fn still(&self, name: &str, most_bytes: u64) -> StillFile {
        self.reader.still(name, most_bytes)
    }

    fn confirm(&mut self, up_to: Position, rejected: Vec<Rejected>) -> Result<()> {
        self.writer.confirm(&self.sink, up_to, rejected)
    }
}
