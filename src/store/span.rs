//! Which cameras a store knows, and what time it spans of each.

use super::ledger::to_unsigned;
use super::query::Reader;
use crate::base::{CameraId, Result, Timestamp};
use crate::scene::Position;
use rusqlite::OptionalExtension;

impl Reader {
    /// Every camera that ever had an event, in order of id.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn cameras(&self) -> Result<Vec<CameraId>> {
        self.conn
            .prepare_cached("SELECT camera FROM cameras ORDER BY camera")
            .and_then(|mut select| select.query_map([], |row| Ok(CameraId::new(row.get::<_, String>(0)?)))?.collect())
            .map_err(|e| self.failed(e))
    }

    /// Capture times of the camera's earliest and latest event; `None` when it has none left.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn span(&self, camera: &CameraId) -> Result<Option<(Timestamp, Timestamp)>> {
        self.conn
            .prepare_cached("SELECT min(utc_ns), max(utc_ns) FROM events WHERE camera = ?1 HAVING count(*) > 0")
            .and_then(|mut select| {
                select
                    .query_row([camera.as_str()], |row| Ok((Timestamp(row.get(0)?), Timestamp(row.get(1)?))))
                    .optional()
            })
            .map_err(|e| self.failed(e))
    }

    /// Position of the oldest event that retention has left; `None` in an empty store.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn oldest(&self) -> Result<Option<Position>> {
        self.conn
            .prepare_cached("SELECT min(position) FROM events")
            .and_then(|mut select| select.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|position| position.map(|position| Position(to_unsigned(position))))
            .map_err(|e| self.failed(e))
    }
}
