//! Incidents on disk: written beside the events that they are derived from, never before them.
//!
//! Each step is one transaction: the incidents that some events changed, which incident each of those events is in, and
//! the position up to which events were looked at. After a crash the next start goes on from that position with the
//! incidents as they stood there, and comes to what it would have come to (`crate::incident::Book` is deterministic).

use rusqlite::{OptionalExtension, Transaction, params};
use tokio::sync::watch;

use super::fault::{CORRUPT_HELP, store_error};
use super::ledger::{to_signed, to_unsigned};
use super::query::{Query, Reader, severity_name};
use super::writer::EventWriter;
use crate::base::{Error, ErrorKind, EventId, Result, Timestamp};
use crate::incident::work::{Action, Refused, Work};
use crate::incident::{Book, Incident, IncidentId};
use crate::scene::Position;

/// Events of one step.
const STEP: usize = 500;

/// Which incidents; the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Only those that the events seen so far have not cleared. Whether one is over by the clock is for
    /// [`Incident::state`] to say.
    pub ongoing: bool,
    /// Only this site.
    pub site: Option<String>,
    /// At most so many.
    pub limit: usize,
}

pub(super) fn write(
    tx: &Transaction<'_>,
    changed: &[Incident],
    events: &[(EventId, IncidentId)],
    up_to: Position,
) -> rusqlite::Result<()> {
    for incident in changed {
        let body = serde_json::to_string(incident).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        // What people did about it stays.
        tx.prepare_cached(
            "INSERT INTO incidents (id, site, sort, severity, began_ns, cleared, position, body, touched)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT coalesce(max(touched), 0) + 1 FROM incidents))
             ON CONFLICT (id) DO UPDATE SET site = ?2, sort = ?3, severity = ?4, began_ns = ?5, cleared = ?6,
                 position = ?7, body = ?8, touched = (SELECT coalesce(max(touched), 0) + 1 FROM incidents)",
        )?
        .execute(params![
            incident.id.0.as_bytes().as_slice(),
            incident.site,
            incident.group,
            severity_name(incident.severity),
            incident.began.0,
            incident.cleared.is_some(),
            to_signed(incident.position.0),
            body,
        ])?;
    }
    for (event, incident) in events {
        tx.prepare_cached("INSERT OR IGNORE INTO incident_events (event, incident) VALUES (?1, ?2)")?
            .execute(params![event.0.as_bytes().as_slice(), incident.0.as_bytes().as_slice()])?;
        tx.prepare_cached(
            "INSERT OR IGNORE INTO incident_facets
             SELECT f.column1, CASE f.column1 WHEN 'camera' THEN e.camera WHEN 'rule' THEN e.rule
                               WHEN 'kind' THEN e.kind ELSE e.class END, i.began_ns, i.id
             FROM events e JOIN incidents i ON i.id = ?2
                  JOIN (VALUES ('camera'), ('rule'), ('kind'), ('class')) f
             WHERE e.id = ?1 AND (f.column1 <> 'class' OR e.class IS NOT NULL)",
        )?
        .execute(params![event.0.as_bytes().as_slice(), incident.0.as_bytes().as_slice()])?;
    }
    tx.prepare_cached(
        "INSERT INTO incident_progress (one, position) VALUES (1, ?1)
         ON CONFLICT (one) DO UPDATE SET position = max(position, ?1)",
    )?
    .execute([to_signed(up_to.0)])?;
    Ok(())
}

/// What becomes of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Acted {
    /// It was taken, and is on disk.
    Taken,
    /// It was not.
    Refused(Refused),
    /// There is no such incident.
    Unknown,
}

/// Takes an action of `by` at `now`, decided within the transaction, so that of two at once one is refused.
pub(super) fn act(
    tx: &Transaction<'_>,
    id: IncidentId,
    action: &Action,
    by: &str,
    now: Timestamp,
) -> rusqlite::Result<Acted> {
    let bytes = id.0.as_bytes().as_slice();
    let known: Option<Option<String>> = tx
        .prepare_cached("SELECT work FROM incidents WHERE id = ?1")?
        .query_row([bytes], |row| row.get(0))
        .optional()?;
    let Some(work) = known else { return Ok(Acted::Unknown) };
    let unreadable = |e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e));
    let work: Work = work.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?.unwrap_or_default();
    let next = match work.after(action, by, now) {
        Ok(next) => next,
        Err(refused) => return Ok(Acted::Refused(refused)),
    };
    let text = serde_json::to_string(&next).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    tx.prepare_cached(
        "UPDATE incidents SET state = ?2, work = ?3,
             touched = (SELECT coalesce(max(touched), 0) + 1 FROM incidents) WHERE id = ?1",
    )?
    .execute(params![bytes, next.state.as_str(), text])?;
    Ok(Acted::Taken)
}

/// Which incidents go: they are over, and their last event has gone. The one touched last stays, since the next change
/// counts on from it, and readers go by that number.
const GONE: &str = "position <= ?1 AND cleared = 1 AND touched < (SELECT max(touched) FROM incidents)";

/// Incidents that are over and whose last event has gone go with it.
pub(super) fn forget(tx: &Transaction<'_>, last: Position) -> rusqlite::Result<()> {
    for table in ["incident_events", "incident_facets"] {
        let statement = format!("DELETE FROM {table} WHERE incident IN (SELECT id FROM incidents WHERE {GONE})");
        tx.prepare_cached(&statement)?.execute([to_signed(last.0)])?;
    }
    tx.prepare_cached(&format!("DELETE FROM incidents WHERE {GONE}"))?.execute([to_signed(last.0)])?;
    Ok(())
}

impl Reader {
    /// The incidents that the query asks for.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>> {
        if !self.knows_incidents()? {
            return Ok(Vec::new());
        }
        let cleared = if query.ongoing { "cleared = 0" } else { "TRUE" };
        let sql = format!(
            "SELECT body FROM incidents WHERE {cleared} AND (?1 IS NULL OR site = ?1) ORDER BY position DESC LIMIT ?2"
        );
        let mut select = self.conn.prepare_cached(&sql).map_err(|e| self.failed(e))?;
        let rows = select
            .query_map(params![query.site, to_signed(query.limit as u64)], |row| row.get::<_, String>(0))
            .map_err(|e| self.failed(e))?;
        rows.map(|body| self.incident(&body.map_err(|e| self.failed(e))?)).collect()
    }

    /// The incident that an event belongs to, if it belongs to one.
    ///
    /// # Errors
    /// As [`Reader::events`].
    pub fn incident_of(&self, event: EventId) -> Result<Option<Incident>> {
        if !self.knows_incidents()? {
            return Ok(None);
        }
        let body: Option<String> = self
            .conn
            .prepare_cached("SELECT body FROM incidents JOIN incident_events ON incident = id WHERE event = ?1")
            .and_then(|mut select| select.query_row([event.0.as_bytes().as_slice()], |row| row.get(0)).optional())
            .map_err(|e| self.failed(e))?;
        body.map(|body| self.incident(&body)).transpose()
    }

    /// A store that an earlier release wrote, and no later one has opened for writing, has none.
    pub(super) fn knows_incidents(&self) -> Result<bool> {
        self.conn
            .prepare_cached("SELECT count(*) FROM sqlite_schema WHERE name = 'incident_events'")
            .and_then(|mut select| select.query_row([], |row| row.get::<_, i64>(0)))
            .map(|count| count > 0)
            .map_err(|e| self.failed(e))
    }

    pub(super) fn incident(&self, body: &str) -> Result<Incident> {
        serde_json::from_str(body).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{}: an incident: {e}", self.file.display()))
                .help(CORRUPT_HELP)
                .source(e)
        })
    }

    pub(super) fn work(&self, text: &str) -> Result<Work> {
        serde_json::from_str(text).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{}: work on an incident: {e}", self.file.display()))
                .help(CORRUPT_HELP)
                .source(e)
        })
    }

    fn incident_progress(&self) -> Result<Position> {
        self.conn
            .prepare_cached("SELECT position FROM incident_progress")
            .and_then(|mut select| select.query_row([], |row| row.get(0)).optional())
            .map(|position| Position(position.map_or(0, to_unsigned)))
            .map_err(|e| store_error(&self.file, e))
    }
}

/// Keeps the incidents up with the events. There must be one at a time.
pub struct IncidentWriter {
    reader: Reader,
    writer: EventWriter,
    announced: watch::Receiver<Position>,
    book: Book,
    done: Position,
}

impl IncidentWriter {
    pub(super) fn new(reader: Reader, writer: EventWriter, announced: watch::Receiver<Position>) -> Result<Self> {
        let all = IncidentQuery { ongoing: true, site: None, limit: usize::MAX };
        let (book, done) = (Book::resume(reader.incidents(&all)?), reader.incident_progress()?);
        Ok(Self { reader, writer, announced, book, done })
    }

    /// Takes in the events that became durable since; whether there may be more.
    ///
    /// # Errors
    /// `Io`, `Corrupt`, or `Internal` when the store is closing. Nothing is lost: the next step begins where this one did.
    pub fn step(&mut self) -> Result<bool> {
        let announced = *self.announced.borrow_and_update();
        if announced <= self.done {
            return Ok(false);
        }
        let query = Query { after_position: Some(self.done), limit: STEP, ..Query::default() };
        let mut events = self.reader.events(&query)?;
        events.truncate(events.partition_point(|event| event.position <= announced));
        let Some(last) = events.last().map(|event| event.position) else { return Ok(false) };
        // Taken over once it is on disk, so that a step that fails can be done again.
        let mut book = self.book.clone();
        let (mut changed, mut members) = (std::collections::BTreeMap::new(), Vec::new());
        for stored in &events {
            let change = book.take(stored);
            members.extend(change.incident.map(|incident| (stored.event.id, incident)));
            changed.extend(change.changed.into_iter().map(|incident| (incident.id, incident)));
        }
        self.writer.incidents(changed.into_values().collect(), members, last)?;
        (self.book, self.done) = (book, last);
        Ok(events.len() == STEP)
    }
}
