//! One transaction: numbering, duplicates, rows, cursors, dead letters.
//!
//! The numbers live in the `cameras` table and change in the same transaction as the rows they number,
//! so that neither a crash nor retention can make a gap or use one twice. What is kept in memory is
//! updated only after the commit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::fault::store_error;
use super::schema;
use super::writer::{Ack, Request};
use crate::base::{CameraId, Result, Timestamp};
use crate::scene::{Event, Position, Rejected};

/// The write connection with the numbers it hands out.
pub(super) struct Ledger {
    pub(super) conn: Connection,
    pub(super) file: PathBuf,
    last: Position,
    sequences: HashMap<CameraId, u64>,
}

/// Numbers handed out by a transaction that is not committed yet.
#[derive(Default)]
struct Pending {
    last: Position,
    sequences: HashMap<CameraId, u64>,
}

impl Ledger {
    /// Opens the database, brings it up to date and reads where numbering stands.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let conn = schema::open_writer(folder)?;
        let file = schema::database(folder);
        let mut ledger = Self { conn, file, last: Position(0), sequences: HashMap::new() };
        ledger.load().map_err(|e| store_error(&ledger.file, e))?;
        Ok(ledger)
    }

    fn load(&mut self) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare("SELECT camera, sequence, position FROM cameras")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let camera = CameraId::new(row.get::<_, String>(0)?);
            self.sequences.insert(camera, to_unsigned(row.get(1)?));
            self.last = self.last.max(Position(to_unsigned(row.get(2)?)));
        }
        Ok(())
    }

    /// The newest position on disk.
    pub(super) fn last(&self) -> Position {
        self.last
    }

    /// Runs all requests in one transaction. When it returns an error, nothing has changed as far as
    /// anyone was told, and the same requests may be run again.
    pub(super) fn commit(&mut self, batch: &mut [Request], now: Timestamp) -> rusqlite::Result<Vec<Option<Ack>>> {
        let mut pending = Pending { last: self.last, ..Pending::default() };
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut acks = Vec::with_capacity(batch.len());
        for request in batch {
            acks.push(match request {
                Request::Submit { events, tag, .. } => {
                    let mut ack = Ack { tag: *tag, ..Ack::default() };
                    for event in events {
                        if insert(&tx, event, &self.sequences, &mut pending, now)? {
                            ack.inserted += 1;
                        } else {
                            ack.duplicates += 1;
                        }
                    }
                    ack.position = pending.last;
                    Some(ack)
                }
                Request::Confirm { sink, up_to, rejected, .. } => {
                    confirm(&tx, sink, *up_to, rejected, now)?;
                    None
                }
                Request::Incidents { changed, events, up_to, .. } => {
                    super::incidents::write(&tx, changed, events, *up_to)?;
                    None
                }
                Request::Act { incident, action, by, acted, .. } => {
                    *acted = super::incidents::act(&tx, *incident, action, by, now)?;
                    None
                }
                Request::Flush { .. } | Request::Close => None,
            });
        }
        for (camera, sequence) in &pending.sequences {
            tx.prepare_cached(
                "INSERT INTO cameras (camera, sequence, position) VALUES (?1, ?2, ?3)
                 ON CONFLICT (camera) DO UPDATE SET sequence = ?2, position = ?3",
            )?
            .execute(params![camera.as_str(), to_signed(*sequence), to_signed(pending.last.0)])?;
        }
        tx.commit()?;
        self.last = pending.last;
        self.sequences.extend(pending.sequences);
        Ok(acks)
    }
}

/// True when the event is new; a repeat of `(id, revision)` keeps its first row and takes no number.
fn insert(
    tx: &Transaction<'_>,
    event: &mut Event,
    known: &HashMap<CameraId, u64>,
    pending: &mut Pending,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let before = pending.sequences.get(&event.camera).or_else(|| known.get(&event.camera)).copied().unwrap_or(0);
    let (position, sequence) = (Position(pending.last.0 + 1), before + 1);
    event.sequence = sequence;
    let body = encode(event)?;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO events (position, id, revision, camera, sequence, rule, kind, phase, severity, class,
                                 utc_ns, stored_ns, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id, revision) DO NOTHING",
        )?
        .execute(params![
            to_signed(position.0),
            event.id.0.as_bytes().as_slice(),
            event.revision,
            event.camera.as_str(),
            to_signed(sequence),
            event.rule,
            event.kind,
            super::query::phase_name(event.phase),
            super::query::severity_name(event.severity),
            event.class,
            event.time.utc.0,
            now.0,
            body,
        ])?;
    if inserted == 0 {
        return Ok(false);
    }
    pending.last = position;
    pending.sequences.insert(event.camera.clone(), sequence);
    Ok(true)
}

/// The row's body: the event's JSON. JSON has no infinities, and a box holding one would make a row that
/// cannot be read back, so such a box is left out.
fn encode(event: &mut Event) -> rusqlite::Result<String> {
    if event.bbox.is_some_and(|b| <[f32; 4]>::from(b).iter().any(|v| !v.is_finite())) {
        tracing::warn!(event = %event.id, "the box is not finite; stored without it");
        event.bbox = None;
    }
    serde_json::to_string(event).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn confirm(
    tx: &Transaction<'_>,
    sink: &str,
    up_to: Position,
    rejected: &[Rejected],
    now: Timestamp,
) -> rusqlite::Result<()> {
    for letter in rejected {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO dead_letters (sink, position, reason, at_ns) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![sink, to_signed(letter.position.0), letter.reason, now.0])?;
    }
    tx.prepare_cached(
        "INSERT INTO cursors (sink, position, updated) VALUES (?1, ?2, ?3)
         ON CONFLICT (sink) DO UPDATE SET position = max(position, ?2), updated = ?3",
    )?
    .execute(params![sink, to_signed(up_to.0), now.0])?;
    Ok(())
}

/// SQLite integers are signed; our counters never come near the limit.
pub(super) fn to_signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back.
pub(super) fn to_unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
