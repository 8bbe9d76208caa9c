//! What the store knows of its sinks: how far each is, what waits for it, what it refused.

use rusqlite::{OptionalExtension, params};

use super::ledger::{to_signed, to_unsigned};
use super::query::Reader;
use crate::base::{Result, Timestamp};
use crate::scene::{Position, StoredEvent};

/// How far a sink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkRecord {
    /// Its id in the pipeline file.
    pub sink: String,
    /// The last confirmed position; 0 when it never confirmed any.
    pub cursor: Position,
    /// When it last confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Stored events after the cursor.
    pub waiting: u64,
    /// When the oldest of them was stored.
    pub waiting_since: Option<Timestamp>,
    /// Events that it refused for good, as far as retention has left them.
    pub dead_letters: u64,
}

/// An event that a sink refused for good.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The sink's reason, for people.
    pub reason: String,
    /// When it was refused.
    pub at: Timestamp,
    /// The event.
    pub event: StoredEvent,
}

impl Reader {
    /// How far `sink` is; a sink that the store has never heard of waits for everything.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn sink(&self, sink: &str) -> Result<SinkRecord> {
        let (cursor, confirmed_at) = self
            .conn
            .prepare_cached("SELECT position, updated FROM cursors WHERE sink = ?1")
            .and_then(|mut s| s.query_row([sink], |r| Ok((r.get(0)?, Some(Timestamp(r.get(1)?))))).optional())
            .map_err(|e| self.failed(e))?
            .unwrap_or((0, None));
        let (waiting, waiting_since) = self
            .conn
            .prepare_cached("SELECT count(*), min(stored_ns) FROM events WHERE position > ?1")
            .and_then(|mut s| s.query_row([cursor], |r| Ok((r.get(0)?, r.get::<_, Option<i64>>(1)?.map(Timestamp)))))
            .map_err(|e| self.failed(e))?;
        let dead_letters = self
            .conn
            .prepare_cached("SELECT count(*) FROM dead_letters WHERE sink = ?1")
            .and_then(|mut s| s.query_row([sink], |r| r.get(0)))
            .map_err(|e| self.failed(e))?;
        Ok(SinkRecord {
            sink: sink.to_owned(),
            cursor: Position(to_unsigned(cursor)),
            confirmed_at,
            waiting: to_unsigned(waiting),
            waiting_since,
            dead_letters: to_unsigned(dead_letters),
        })
    }

    /// What `sink` refused for good after `after`, with the events, oldest first.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn refused(&self, sink: &str, after: Position, limit: usize) -> Result<Vec<DeadLetter>> {
        let mut select = self
            .conn
            .prepare_cached(
                "SELECT position, body, reason, at_ns FROM dead_letters JOIN events USING (position)
                 WHERE sink = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
            )
            .map_err(|e| self.failed(e))?;
        let mut rows =
            select.query(params![sink, to_signed(after.0), to_signed(limit as u64)]).map_err(|e| self.failed(e))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            let reason = row.get(2).map_err(|e| self.failed(e))?;
            let at = Timestamp(row.get(3).map_err(|e| self.failed(e))?);
            found.push(DeadLetter { reason, at, event: self.stored(row)? });
        }
        Ok(found)
    }
}
