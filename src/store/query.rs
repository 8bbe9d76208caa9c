//! Reading events back: filters, order, paging by position.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::fault::{CORRUPT_HELP, store_error};
use super::ledger::{to_signed, to_unsigned};
use super::schema;
use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::scene::{Event, Phase, Position, Rejected, Severity, StoredEvent};

/// Which events; every field narrows, `None` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Camera id.
    pub camera: Option<String>,
    /// Rule id.
    pub rule: Option<String>,
    /// Rule kind, such as `line_crossing`.
    pub kind: Option<String>,
    /// Start, update, end or instant.
    pub phase: Option<Phase>,
    /// Class name of the track.
    pub class: Option<String>,
    /// Exactly this severity.
    pub severity: Option<Severity>,
    /// Filmed at or after.
    pub from: Option<Timestamp>,
    /// Filmed before.
    pub to: Option<Timestamp>,
    /// Beyond this position: newer ones, or older ones when `reverse`.
    pub after_position: Option<Position>,
    /// At most so many.
    pub limit: usize,
    /// Newest first.
    pub reverse: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            camera: None,
            rule: None,
            kind: None,
            phase: None,
            class: None,
            severity: None,
            from: None,
            to: None,
            after_position: None,
            limit: 100,
            reverse: false,
        }
    }
}

impl Query {
    /// The statement and its parameters. Positions are found and sorted first, so that the sorter, where
    /// one is needed, never carries bodies.
    fn sql(&self) -> (String, Vec<Value>) {
        let mut terms: Vec<&str> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut narrow = |term: &'static str, value: Option<Value>| {
            if let Some(value) = value {
                terms.push(term);
                values.push(value);
            }
        };
        let text = |v: &Option<String>| v.clone().map(Value::from);
        narrow("camera = ?", text(&self.camera));
        narrow("rule = ?", text(&self.rule));
        narrow("kind = ?", text(&self.kind));
        narrow("class = ?", text(&self.class));
        narrow("phase = ?", self.phase.map(|p| Value::from(phase_name(p).to_owned())));
        // The second half repeats the condition of the partial index, or SQLite would not use it.
        let severity = match self.severity {
            Some(Severity::Info) => "severity = ?",
            _ => "severity = ? AND severity <> 'info'",
        };
        narrow(severity, self.severity.map(|s| Value::from(severity_name(s).to_owned())));
        narrow("utc_ns >= ?", self.from.map(|t| Value::from(t.0)));
        narrow("utc_ns < ?", self.to.map(|t| Value::from(t.0)));
        let beyond = if self.reverse { "position < ?" } else { "position > ?" };
        narrow(beyond, self.after_position.map(|p| Value::from(to_signed(p.0))));
        let filter = if terms.is_empty() { "TRUE".to_owned() } else { terms.join(" AND ") };
        values.push(Value::from(to_signed(self.limit as u64)));
        let order = if self.reverse { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT position, body FROM events WHERE position IN
             (SELECT position FROM events WHERE {filter} ORDER BY position {order} LIMIT ?)
             ORDER BY position {order}"
        );
        (sql, values)
    }
}

/// A read-only connection. Make one per thread; it never blocks the writer.
pub struct Reader {
    pub(super) conn: Connection,
    pub(super) file: PathBuf,
}

impl Reader {
    /// Opens the store in `folder` for reading, whether or not a process is writing it.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        Ok(Self { conn: schema::open_reader(folder)?, file: schema::database(folder) })
    }

    /// A row of position and body.
    pub(super) fn stored(&self, row: &rusqlite::Row<'_>) -> Result<StoredEvent> {
        let position = Position(to_unsigned(row.get(0).map_err(|e| self.failed(e))?));
        let body = row.get_ref(1).and_then(|b| Ok(b.as_bytes()?)).map_err(|e| self.failed(e))?;
        let event: Event = serde_json::from_slice(body).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{}: event at position {position}: {e}", self.file.display()))
                .help(CORRUPT_HELP)
                .source(e)
        })?;
        Ok(StoredEvent { position, event })
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> Error {
        store_error(&self.file, error)
    }

    /// The events that the query asks for.
    ///
    /// # Errors
    /// `Corrupt` when a page or row is damaged, `Io` when the file cannot be read.
    pub fn events(&self, query: &Query) -> Result<Vec<StoredEvent>> {
        let (sql, values) = query.sql();
        let mut found = Vec::new();
        self.stored_events(&sql, values, &mut found)?;
        Ok(found)
    }

    /// Runs a statement that gives positions and bodies.
    pub(super) fn stored_events(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
        found: &mut Vec<StoredEvent>,
    ) -> Result<()> {
        let mut select = self.conn.prepare_cached(sql).map_err(|e| self.failed(e))?;
        let mut rows = select.query(params_from_iter(values)).map_err(|e| self.failed(e))?;
        while let Some(row) = rows.next().map_err(|e| self.failed(e))? {
            found.push(self.stored(row)?);
        }
        Ok(())
    }

    /// All records of the events whose id begins with `digits`: hexadecimal, without dashes, at most 32. In order of id
    /// and revision, 1000 at most.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn begins_with(&self, digits: &str) -> Result<Vec<StoredEvent>> {
        let padded =
            |with: &str| u128::from_str_radix(&format!("{digits}{}", with.repeat(32 - digits.len().min(32))), 16);
        let (Ok(low), Ok(high)) = (padded("0"), padded("f")) else { return Ok(Vec::new()) };
        let sql = "SELECT position, body FROM events WHERE id BETWEEN ?1 AND ?2 ORDER BY id, revision LIMIT 1000";
        let mut found = Vec::new();
        let ends = [low, high].map(|end| Value::from(end.to_be_bytes().to_vec()));
        self.stored_events(sql, ends, &mut found)?;
        Ok(found)
    }

    /// The newest position on disk; 0 in an empty store.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn latest(&self) -> Result<Position> {
        self.conn
            .prepare_cached("SELECT coalesce(max(position), 0) FROM cameras")
            .and_then(|mut s| s.query_row([], |r| r.get(0)))
            .map(|p| Position(to_unsigned(p)))
            .map_err(|e| self.failed(e))
    }

    /// What `sink` has confirmed; 0 when it never has.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn cursor(&self, sink: &str) -> Result<Position> {
        self.conn
            .prepare_cached("SELECT position FROM cursors WHERE sink = ?1")
            .and_then(|mut s| s.query_row([sink], |r| r.get(0)).optional())
            .map(|p| Position(p.map_or(0, to_unsigned)))
            .map_err(|e| self.failed(e))
    }

    /// Every sink that ever confirmed, with its cursor.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn cursors(&self) -> Result<Vec<(String, Position)>> {
        self.conn
            .prepare_cached("SELECT sink, position FROM cursors ORDER BY sink")
            .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, Position(to_unsigned(r.get(1)?)))))?.collect())
            .map_err(|e| self.failed(e))
    }

    /// What `sink` refused for good, oldest first.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn dead_letters(&self, sink: &str, limit: usize) -> Result<Vec<Rejected>> {
        self.conn
            .prepare_cached("SELECT position, reason FROM dead_letters WHERE sink = ?1 ORDER BY position LIMIT ?2")
            .and_then(|mut s| {
                s.query_map(params![sink, to_signed(limit as u64)], |r| {
                    Ok(Rejected { position: Position(to_unsigned(r.get(0)?)), reason: r.get(1)? })
                })?
                .collect()
            })
            .map_err(|e| self.failed(e))
    }
}

/// The phase as the row and the JSON spell it.
pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Instant => "instant",
        Phase::Start => "start",
        Phase::Update => "update",
        Phase::End => "end",
    }
}

/// The severity as the row and the JSON spell it.
pub(super) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Alert => "alert",
    }
}
