//! The database file: connections, schema and its migrations.
//!
//! `PRAGMA user_version` counts the migrations applied. A file with more of them than this program
//! knows is refused and left as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::{CORRUPT_HELP, store_error};
use crate::base::{Error, ErrorKind, Result};

/// "VNTG", so that `file` and we recognise our own database (SQLite file format §1.3.15).
const APPLICATION_ID: i32 = 0x564e_5447;

/// Up to this size a whole-file check costs well under a second, so every start makes one.
const FULL_CHECK_BYTES: u64 = 32 << 20;

/// An index on one column of a rowid table also orders by rowid, so each of these serves
/// "this value, from this position on, in order". The one on cameras carries the time as well, because
/// "this camera, that hour" is what people ask most.
const MIGRATIONS: &[&str] = &[EVENTS, INCIDENTS, LISTS, CLASS_AND_CAMERA];

/// A class among the cameras of a ward is found in the index alone.
const CLASS_AND_CAMERA: &str = "
    DROP INDEX events_by_class;
    CREATE INDEX events_by_class ON events (class, utc_ns, position, severity, camera) WHERE class IS NOT NULL;
";

/// What people did about incidents, and what the lists of the API are found by. `touched` grows with every change of an
/// incident over the whole store; a facet is a camera, rule, kind or class that one of its events has.
const LISTS: &str = "
    ALTER TABLE incidents ADD COLUMN state   TEXT    NOT NULL DEFAULT 'new';
    ALTER TABLE incidents ADD COLUMN work    TEXT;
    ALTER TABLE incidents ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
    UPDATE incidents SET touched = position;
    CREATE INDEX incidents_began    ON incidents (began_ns, id);
    CREATE INDEX incidents_state    ON incidents (state, began_ns, id);
    CREATE INDEX incidents_severity ON incidents (severity, began_ns, id);
    CREATE INDEX incidents_touched  ON incidents (touched);
    CREATE TABLE incident_facets (
        facet    TEXT    NOT NULL,
        value    TEXT    NOT NULL,
        began_ns INTEGER NOT NULL,
        incident BLOB    NOT NULL,
        PRIMARY KEY (facet, value, began_ns, incident)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incident_facets_of ON incident_facets (incident, facet, value);
    INSERT OR IGNORE INTO incident_facets
        SELECT f.column1, CASE f.column1 WHEN 'camera' THEN e.camera WHEN 'rule' THEN e.rule WHEN 'kind' THEN e.kind
                          ELSE e.class END, i.began_ns, i.id
        FROM incidents i JOIN incident_events m ON m.incident = i.id JOIN events e ON e.id = m.event
             JOIN (VALUES ('camera'), ('rule'), ('kind'), ('class')) f
        WHERE f.column1 <> 'class' OR e.class IS NOT NULL;
    DROP INDEX events_rule;
    DROP INDEX events_kind;
    DROP INDEX events_class;
    DROP INDEX events_severity;
    DROP INDEX events_time;
    CREATE INDEX events_by_camera   ON events (camera, utc_ns, position, rule, kind, class, severity);
    CREATE INDEX events_by_rule     ON events (rule, utc_ns, position, kind, class, severity);
    CREATE INDEX events_by_kind     ON events (kind, utc_ns, position, rule, class, severity);
    CREATE INDEX events_by_class    ON events (class, utc_ns, position, severity) WHERE class IS NOT NULL;
    CREATE INDEX events_by_severity ON events (severity, utc_ns, position, camera, rule, kind, class) WHERE severity <> 'info';
    CREATE INDEX events_by_time     ON events (utc_ns, position);
";

/// Incidents are derived from events (`crate::incident`), up to a position; the body is the incident's JSON.
const INCIDENTS: &str = "
    CREATE TABLE incidents (
        id       BLOB    PRIMARY KEY,
        site     TEXT    NOT NULL,
        sort     TEXT    NOT NULL,
        severity TEXT    NOT NULL,
        began_ns INTEGER NOT NULL,
        cleared  INTEGER NOT NULL,
        position INTEGER NOT NULL,
        body     TEXT    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incidents_position ON incidents (position);
    CREATE INDEX incidents_ongoing  ON incidents (position) WHERE cleared = 0;
    CREATE TABLE incident_events (
        event    BLOB    PRIMARY KEY,
        incident BLOB    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incident_events_of ON incident_events (incident);
    CREATE TABLE incident_progress (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        position INTEGER NOT NULL
    ) STRICT;
";

const EVENTS: &str = "
    CREATE TABLE events (
        position  INTEGER PRIMARY KEY,
        id        BLOB    NOT NULL,
        revision  INTEGER NOT NULL,
        camera    TEXT    NOT NULL,
        sequence  INTEGER NOT NULL,
        rule      TEXT    NOT NULL,
        kind      TEXT    NOT NULL,
        phase     TEXT    NOT NULL,
        severity  TEXT    NOT NULL,
        class     TEXT,
        utc_ns    INTEGER NOT NULL,
        stored_ns INTEGER NOT NULL,
        body      TEXT    NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX events_identity ON events (id, revision);
    CREATE INDEX events_camera   ON events (camera, position, utc_ns);
    CREATE INDEX events_rule     ON events (rule);
    CREATE INDEX events_kind     ON events (kind);
    CREATE INDEX events_class    ON events (class) WHERE class IS NOT NULL;
    CREATE INDEX events_severity ON events (severity) WHERE severity <> 'info';
    CREATE INDEX events_time     ON events (utc_ns);
    CREATE TABLE cameras (
        camera   TEXT    PRIMARY KEY,
        sequence INTEGER NOT NULL,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cursors (
        sink     TEXT    PRIMARY KEY,
        position INTEGER NOT NULL,
        updated  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dead_letters (
        sink     TEXT    NOT NULL,
        position INTEGER NOT NULL,
        reason   TEXT    NOT NULL,
        at_ns    INTEGER NOT NULL,
        PRIMARY KEY (sink, position)
    ) STRICT, WITHOUT ROWID;
";

/// The database of a store folder.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("events.db")
}

/// The one write connection: WAL, fsync on every commit, newest schema.
pub(super) fn open_writer(folder: &Path) -> Result<Connection> {
    let file = database(folder);
    let mut conn = Connection::open(&file).map_err(|e| store_error(&file, e))?;
    let setup = |conn: &mut Connection| {
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "wal_autocheckpoint", 4000)?;
        conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
        conn.pragma_update(None, "cache_size", -16_384)?; // KiB
        conn.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    check_version(&conn, &file)?;
    setup(&mut conn).map_err(|e| store_error(&file, e))?;
    settle(&conn, &file)?;
    migrate(&mut conn).map_err(|e| store_error(&file, e))?;
    check_pages(&conn, &file)?;
    Ok(conn)
}

/// A read-only connection, beside a writing process or without one.
pub(super) fn open_reader(folder: &Path) -> Result<Connection> {
    let file = database(folder);
    if !file.exists() {
        return Err(Error::new(ErrorKind::NotFound, format!("{}: no event store here", folder.display()))
            .help("give the folder that `vantage run` was started with"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let open = |name: &Path| -> Result<Connection> {
        let conn = Connection::open_with_flags(name, flags).map_err(|e| store_error(&file, e))?;
        check_version(&conn, &file)?;
        Ok(conn)
    };
    let conn = match open(&file) {
        // Reading a WAL database needs its shared-memory file. On a medium that cannot hold one, a file
        // without a WAL is complete in itself and nobody can be writing it.
        Err(_) if !folder.join("events.db-wal").exists() && !writable(folder) => {
            let escaped = file.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            open(Path::new(&format!("file:{escaped}?immutable=1")))?
        }
        other => other?,
    };
    conn.busy_timeout(Duration::from_secs(5)).map_err(|e| store_error(&file, e))?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn check_version(conn: &Connection, file: &Path) -> Result<()> {
    let read = |name| conn.pragma_query_value(None, name, |r| r.get::<_, i32>(0)).map_err(|e| store_error(file, e));
    let (version, application) = (read("user_version")?, read("application_id")?);
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if application != APPLICATION_ID && (version, application) != (0, 0) {
        return Err(Error::new(ErrorKind::Config, format!("{}: not an event store", file.display()))
            .help("this database belongs to another program; give another store folder"));
    }
    if version > known {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{}: schema version {version}, this program knows up to {known}", file.display()),
        )
        .help("a newer release wrote this store; run that one, or give another store folder"));
    }
    Ok(())
}

/// Makes everything that recovery found durable before anybody builds on it.
///
/// A process that died, or an fsync that failed, between writing a commit to the WAL and syncing it
/// leaves a commit that the next connection takes for good although it may be in the page cache only.
/// Syncing the WAL again would prove nothing after a failed fsync, so all of it is copied into the
/// database file, and that is synced.
fn settle(conn: &Connection, file: &Path) -> Result<()> {
    let (busy, frames, copied): (i64, i64, i64) = conn
        .query_row("PRAGMA wal_checkpoint(FULL)", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .map_err(|e| store_error(file, e))?;
    if busy == 0 && frames == copied {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Busy, format!("{}: a long-running reader keeps the write-ahead log", file.display()))
        .help("end the program that is reading this store, then try again"))
}

fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let version: usize = conn.pragma_query_value(None, "user_version", |r| r.get::<_, u32>(0))? as usize;
    for (done, step) in MIGRATIONS.iter().enumerate().skip(version) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", u32::try_from(done + 1).unwrap_or(u32::MAX))?;
        tx.commit()?;
    }
    Ok(())
}

/// A damaged page is better found at the start than under load. Large files are only read at their
/// newest end; damage further back shows when a query or sink reaches it.
fn check_pages(conn: &Connection, file: &Path) -> Result<()> {
    let failed = |e| store_error(file, e);
    let damaged =
        |what: String| Error::new(ErrorKind::Corrupt, format!("{}: {what}", file.display())).help(CORRUPT_HELP);
    if std::fs::metadata(file).is_ok_and(|m| m.len() <= FULL_CHECK_BYTES) {
        let finding: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)).map_err(failed)?;
        return if finding == "ok" { Ok(()) } else { Err(damaged(finding)) };
    }
    let mut newest =
        conn.prepare("SELECT json_valid(body) FROM events ORDER BY position DESC LIMIT 1000").map_err(failed)?;
    let mut rows = newest.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if !row.get::<_, bool>(0).map_err(failed)? {
            return Err(damaged("an event is not JSON".to_owned()));
        }
    }
    Ok(())
}
