//! Who may do what, and what was done: users, sessions, tokens and the audit trail, in a database of their own
//! (`access.db`) beside the events, so that neither ever waits for the other.
//!
//! Users, sessions and tokens are small records kept as JSON under a key; what they mean is `crate::access`'s business.
//! Audit rows are only ever added. Each carries SHA-256 of the row before it and its own content, so that a row that was
//! changed, taken out or put in shows ([`AccessDb::verify`]). What was cut off at the end shows only to somebody who
//! wrote the newest hash down elsewhere.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fault::store_error;
use super::folder;
use super::ledger::{to_signed, to_unsigned};
use crate::base::{Error, ErrorKind, Result, Timestamp};

/// "VNTA".
const APPLICATION_ID: i32 = 0x564e_5441;
const SCHEMA: &str = "
    CREATE TABLE records (
        sort TEXT NOT NULL,
        key  TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (sort, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        number  INTEGER PRIMARY KEY,
        at_ns   INTEGER NOT NULL,
        actor   TEXT    NOT NULL,
        role    TEXT    NOT NULL,
        address TEXT    NOT NULL,
        action  TEXT    NOT NULL,
        object  TEXT    NOT NULL,
        detail  TEXT    NOT NULL,
        hash    BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX audit_actor  ON audit (actor);
    CREATE INDEX audit_action ON audit (action);
    CREATE INDEX audit_at     ON audit (at_ns);
";

/// What sort of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSort {
    /// Somebody who may log in.
    User,
    /// A browser that has.
    Session,
    /// A key for a program.
    Token,
}

impl RecordSort {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}

/// Something that was done, before it has its place in the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// In which role.
    pub role: String,
    /// From where: an IP address.
    pub address: String,
    /// What, such as `login` or `media.view`.
    pub action: String,
    /// What it was done to, such as a camera's id or a file's name.
    pub object: String,
    /// More of it, for people.
    pub detail: String,
}

/// A row of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRow {
    /// Its place, from 1, without gaps.
    pub number: u64,
    /// What was done.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// SHA-256 of the row before and this one, hexadecimal.
    pub hash: String,
}

/// Which rows; the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Older than this row.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// What [`AccessDb::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows that are as they were written.
    pub rows: u64,
    /// The newest hash, hexadecimal; empty without a row.
    pub head: String,
    /// The first row that is not as it was written, and why.
    pub broken: Option<(u64, String)>,
}

/// The database. One process writes it, the one that holds the store's folder.
pub struct AccessDb {
    conn: Mutex<Connection>,
    file: PathBuf,
}

impl AccessDb {
    /// Opens the database of a store folder, creating it if need be.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`, `Permission`, `DiskFull` or `Io`.
    pub fn open(store: &Path) -> Result<Self> {
        folder::create(store)?;
        let file = store.join("access.db");
        // Nobody else on the machine may read password hashes.
        let kept = std::fs::OpenOptions::new().create(true).append(true).open(&file);
        let kept = kept.and_then(|opened| {
            use std::os::unix::fs::PermissionsExt;
            opened.set_permissions(std::fs::Permissions::from_mode(0o600))
        });
        kept.map_err(|e| Error::io(&file, e))?;
        let conn = Connection::open(&file).map_err(|e| store_error(&file, e))?;
        let prepare = |conn: &Connection| -> rusqlite::Result<i32> {
            conn.busy_timeout(Duration::from_secs(5))?;
            let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            conn.pragma_update(None, "journal_mode", "wal")?;
            conn.pragma_update(None, "synchronous", "full")?;
            if version == 0 {
                conn.execute_batch(&format!(
                    "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1; COMMIT;"
                ))?;
            }
            Ok(version)
        };
        let version = prepare(&conn).map_err(|e| store_error(&file, e))?;
        if version > 1 {
            let what = format!("{}: schema version {version}, this program knows up to 1", file.display());
            return Err(Error::new(ErrorKind::Unsupported, what).help("a newer release wrote it; run that one"));
        }
        Ok(Self { conn: Mutex::new(conn), file })
    }

    /// Opens it for reading only, beside the process that writes it or without one.
    ///
    /// # Errors
    /// `NotFound` without one; otherwise as [`Self::open`].
    pub fn open_reader(store: &Path) -> Result<Self> {
        let file = store.join("access.db");
        if !file.is_file() {
            return Err(Error::new(ErrorKind::NotFound, format!("{}: no audit trail here", store.display()))
                .help("give the store of a program that ran with `server`"));
        }
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&file, flags).map_err(|e| store_error(&file, e))?;
        Ok(Self { conn: Mutex::new(conn), file })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        store_error(&self.file, error)
    }

    /// All records of a sort: key and JSON.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn records(&self, sort: RecordSort) -> Result<Vec<(String, String)>> {
        self.lock()
            .prepare_cached("SELECT key, body FROM records WHERE sort = ?1 ORDER BY key")
            .and_then(|mut select| select.query_map([sort.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(|e| self.failed(e))
    }

    /// Writes a record; returns once it is on disk.
    ///
    /// # Errors
    /// `DiskFull` or `Io`.
    pub fn put(&self, sort: RecordSort, key: &str, body: &str) -> Result<()> {
        self.lock()
            .prepare_cached("INSERT OR REPLACE INTO records (sort, key, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute([sort.as_str(), key, body]))
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    /// Writes a record anew unless it was taken out meanwhile.
    ///
    /// # Errors
    /// `DiskFull` or `Io`.
    pub fn put_if_there(&self, sort: RecordSort, key: &str, body: &str) -> Result<()> {
        self.lock()
            .prepare_cached("UPDATE records SET body = ?3 WHERE sort = ?1 AND key = ?2")
            .and_then(|mut update| update.execute([sort.as_str(), key, body]))
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    /// Takes a record out; returns once that is on disk.
    ///
    /// # Errors
    /// `DiskFull` or `Io`.
    pub fn remove(&self, sort: RecordSort, key: &str) -> Result<()> {
        self.lock()
            .prepare_cached("DELETE FROM records WHERE sort = ?1 AND key = ?2")
            .and_then(|mut delete| delete.execute([sort.as_str(), key]))
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    /// Adds rows to the trail, in one transaction; returns once they are on disk.
    ///
    /// # Errors
    /// `DiskFull` or `Io`; nothing was added then.
    pub fn append(&self, entries: &[AuditEntry]) -> Result<()> {
        let mut conn = self.lock();
        let write = |conn: &mut Connection| -> rusqlite::Result<()> {
            let tx = conn.transaction()?;
            let last: Option<(i64, Vec<u8>)> = tx
                .query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let (mut number, mut hash) = last.unwrap_or_default();
            for entry in entries {
                number += 1;
                hash = chained(&hash, number, entry);
                let AuditEntry { at, actor, role, address, action, object, detail } = entry;
                tx.prepare_cached(
                    "INSERT INTO audit (number, at_ns, actor, role, address, action, object, detail, hash)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![number, at.0, actor, role, address, action, object, detail, hash])?;
            }
            tx.commit()
        };
        write(&mut conn).map_err(|e| self.failed(e))
    }

    /// Rows of the trail.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        let conn = self.lock();
        let mut select = conn
            .prepare_cached(
                "SELECT number, at_ns, actor, role, address, action, object, detail, hash FROM audit
                 WHERE (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR at_ns >= ?3)
                   AND (?4 IS NULL OR at_ns < ?4) AND (?5 IS NULL OR number < ?5)
                 ORDER BY number DESC LIMIT ?6",
            )
            .map_err(|e| self.failed(e))?;
        let values = params![
            query.actor,
            query.action,
            query.from.map(|at| at.0),
            query.to.map(|at| at.0),
            query.before.map(to_signed),
            to_signed(query.limit as u64),
        ];
        let rows = select.query_map(values, row_of).map_err(|e| self.failed(e))?;
        rows.map(|row| row.map(|(row, _)| row).map_err(|e| self.failed(e))).collect()
    }

    /// Looks through the whole trail for a row that is not as it was written.
    ///
    /// # Errors
    /// `Io` or `Corrupt` when it cannot be read at all.
    pub fn verify(&self) -> Result<Verified> {
        let conn = self.lock();
        let mut select = conn
            .prepare(
                "SELECT number, at_ns, actor, role, address, action, object, detail, hash FROM audit ORDER BY number",
            )
            .map_err(|e| self.failed(e))?;
        let rows = select.query_map([], row_of).map_err(|e| self.failed(e))?;
        let mut verified = Verified { rows: 0, head: String::new(), broken: None };
        let mut before: Vec<u8> = Vec::new();
        for row in rows {
            let (row, hash) = row.map_err(|e| self.failed(e))?;
            let expected = verified.rows + 1;
            let fault = if row.number != expected {
                Some(format!("row {expected} is missing"))
            } else if chained(&before, to_signed(row.number), &row.entry) != hash {
                Some("its hash does not follow from its content and the row before it".to_owned())
            } else {
                None
            };
            if let Some(fault) = fault {
                verified.broken = Some((row.number, fault));
                return Ok(verified);
            }
            verified.rows = row.number;
            verified.head = row.hash;
            before = hash;
        }
        Ok(verified)
    }
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(AuditRow, Vec<u8>)> {
    let hash: Vec<u8> = row.get(8)?;
    let entry = AuditEntry {
        at: Timestamp(row.get(1)?),
        actor: row.get(2)?,
        role: row.get(3)?,
        address: row.get(4)?,
        action: row.get(5)?,
        object: row.get(6)?,
        detail: row.get(7)?,
    };
    let text = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((AuditRow { number: to_unsigned(row.get(0)?), entry, hash: text }, hash))
}

/// The hash of a row: SHA-256 of the hash before it, its number, and every field with its length in front.
fn chained(before: &[u8], number: i64, entry: &AuditEntry) -> Vec<u8> {
    let AuditEntry { at, actor, role, address, action, object, detail } = entry;
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(number.to_be_bytes());
    hasher.update(at.0.to_be_bytes());
    for field in [actor, role, address, action, object, detail] {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: i64) -> AuditEntry {
        AuditEntry {
            at: Timestamp(n),
            actor: "an".to_owned(),
            role: "operator".to_owned(),
            address: "127.0.0.1".to_owned(),
            action: if n % 2 == 0 { "login" } else { "media.view" }.to_owned(),
            object: format!("cam-{n}"),
            detail: String::new(),
        }
    }

    fn filled() -> (tempfile::TempDir, AccessDb) {
        let folder = tempfile::tempdir().unwrap();
        let db = AccessDb::open(folder.path()).unwrap();
        db.append(&(0..5).map(entry).collect::<Vec<_>>()).unwrap();
        db.append(&[entry(5)]).unwrap();
        (folder, db)
    }

    #[test]
    fn a_trail_that_nobody_touched_is_whole_and_can_be_asked() {
        let (folder, db) = filled();
        let verified = AccessDb::open_reader(folder.path()).unwrap().verify().unwrap();
        assert_eq!((verified.rows, verified.broken), (6, None));
        let query =
            AuditQuery { action: Some("login".to_owned()), before: Some(5), limit: 10, ..AuditQuery::default() };
        let numbers: Vec<u64> = db.audit(&query).unwrap().iter().map(|row| row.number).collect();
        assert_eq!(numbers, [3, 1]);
    }

    #[test]
    fn whatever_is_done_to_a_row_shows() {
        for (what, sql, at) in [
            ("changed", "UPDATE audit SET object = 'cam-9' WHERE number = 3", 3),
            ("moved between fields", "UPDATE audit SET actor = 'a', role = 'noperator' WHERE number = 2", 2),
            ("taken out", "DELETE FROM audit WHERE number = 4", 5),
            ("dated back", "UPDATE audit SET at_ns = 1 WHERE number = 6", 6),
            ("rehashed alone", "UPDATE audit SET hash = zeroblob(32) WHERE number = 1", 1),
        ] {
            let (_folder, db) = filled();
            db.lock().execute_batch(sql).unwrap();
            assert_eq!(db.verify().unwrap().broken.map(|(row, _)| row), Some(at), "{what}");
        }
    }
}
