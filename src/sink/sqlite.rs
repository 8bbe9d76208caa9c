//! Events in a SQLite file of its own: one row a record, for programs on the same machine that ask in SQL.
//!
//! A batch is one transaction with fsync (`synchronous=FULL`), confirmed by its commit. `(id, revision)` is the primary
//! key and conflicts are ignored, so that a repeat changes nothing: each record is there exactly once. The file is in
//! WAL mode: others may read while it is written. The store itself (`store/`) is another file and none of this sink's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, params as parameters};
use crate::base::{Error, ErrorKind, Result};
use crate::scene::Position;

pub(super) const KIND: SinkKind = SinkKind {
    name: "sqlite",
    summary: "rows in a SQLite file",
    validate,
    connect,
    schema: parameters::schema::<Params>,
    paths: &["path"],
};

/// "VNTX": our file, and not the store's (SQLite file format §1.3.15).
const APPLICATION_ID: i32 = 0x564e_5458;
/// Applied in order; `PRAGMA user_version` counts them. Add at the end, never change one.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE events (
        id          TEXT    NOT NULL,
        revision    INTEGER NOT NULL,
        phase       TEXT    NOT NULL,
        camera      TEXT    NOT NULL,
        sequence    INTEGER NOT NULL,
        rule        TEXT    NOT NULL,
        kind        TEXT    NOT NULL,
        severity    TEXT    NOT NULL,
        time        TEXT    NOT NULL,
        class       TEXT,
        track       INTEGER,
        summary     TEXT    NOT NULL,
        event       TEXT    NOT NULL,
        PRIMARY KEY (id, revision)
    ) STRICT;
    CREATE INDEX events_time   ON events (time);
    CREATE INDEX events_camera ON events (camera, sequence);
    CREATE INDEX events_kind   ON events (kind, time);
"];

/// Columns from the event's own JSON, so that they cannot disagree with it.
const INSERT: &str = "
    INSERT INTO events (id, revision, phase, camera, sequence, rule, kind, severity, time, class, track, summary, event)
    VALUES (?1->>'id', ?1->>'revision', ?1->>'phase', ?1->>'camera', ?1->>'sequence', ?1->>'rule', ?1->>'kind',
            ?1->>'severity', ?1->'time'->>'utc', ?1->>'class', ?1->>'track', ?1->'explanation'->>'summary', ?1)
    ON CONFLICT (id, revision) DO NOTHING";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The file; it is made when it is missing.
    path: String,
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    match parameters::parse::<Params>(given) {
        Ok(p) if Path::new(&p.path).file_name().is_none() => {
            vec![ParamError::new("path", format!("`{}` names no file", p.path), "such as out/events.db")]
        }
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes,
    }
}

fn connect(given: &Map<String, Value>, base: &Path) -> Result<Box<dyn Sink>> {
    let p: Params = parameters::parse(given).map_err(|mistakes| parameters::error(KIND.name, &mistakes))?;
    let path = base.join(&p.path);
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let file = open(&path)?;
    Ok(Box::new(Sqlite { path, file: Some(file) }))
}

struct Sqlite {
    path: PathBuf,
    /// `None` after a failure: what a failed fsync left in doubt is read from the disk again.
    file: Option<Connection>,
}

impl Sink for Sqlite {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(std::future::ready(self.write(batch)))
    }
}

impl Sqlite {
    fn write(&mut self, batch: &[Parcel]) -> Outcome {
        let file = match self.file.take().map_or_else(|| open(&self.path), Ok) {
            Ok(file) => self.file.insert(file),
            Err(error) => return Outcome::later(error.to_string()),
        };
        match insert(file, batch) {
            Ok(reasons) if reasons.is_empty() => Outcome::Done,
            Ok(reasons) => Outcome::Reject { reasons },
            Err(error) => {
                self.file = None;
                Outcome::retry(format!("{}: {error}", self.path.display()))
            }
        }
    }
}

/// One transaction. Returns what the file refuses for good.
fn insert(file: &mut Connection, batch: &[Parcel]) -> rusqlite::Result<Vec<(Position, String)>> {
    let mut reasons = Vec::new();
    let transaction = file.transaction()?;
    for Parcel { stored, .. } in batch {
        let body = serde_json::to_string(stored).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        match transaction.prepare_cached(INSERT)?.execute(params![body]) {
            Ok(_) => {}
            Err(error) if refuses_data(&error) => reasons.push((stored.position, error.to_string())),
            Err(error) => return Err(error),
        }
    }
    transaction.commit()?;
    Ok(reasons)
}

/// The row is at fault, not the file or the disk.
fn refuses_data(error: &rusqlite::Error) -> bool {
    let lasting = [ErrorCode::ConstraintViolation, ErrorCode::TooBig, ErrorCode::TypeMismatch];
    error.sqlite_error_code().is_some_and(|code| lasting.contains(&code))
}

fn open(path: &Path) -> Result<Connection> {
    let failed = |e: rusqlite::Error| {
        Error::new(ErrorKind::Config, format!("{}: {e}", path.display())).help("give the sink a file of its own")
    };
    let mut file = Connection::open(path).map_err(failed)?;
    let (application, version, tables) = file
        .query_row(
            "SELECT (SELECT * FROM pragma_application_id), (SELECT * FROM pragma_user_version),
                    (SELECT count(*) FROM sqlite_schema)",
            [],
            |row| Ok((row.get::<_, i32>(0)?, row.get::<_, u32>(1)?, row.get::<_, i64>(2)?)),
        )
        .map_err(failed)?;
    let version = version as usize;
    let ours = application == APPLICATION_ID || (application == 0 && tables == 0);
    if !ours || version > MIGRATIONS.len() {
        let why = if ours { "written by a newer release" } else { "not a database of this sink" };
        return Err(Error::new(ErrorKind::Config, format!("{}: {why}", path.display()))
            .help("give the sink a file of its own; this one is left as it is"));
    }
    file.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    file.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    file.pragma_update(None, "synchronous", "full").map_err(failed)?;
    let step = file.transaction().map_err(failed)?;
    for migration in MIGRATIONS.iter().skip(version) {
        step.execute_batch(migration).map_err(failed)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    step.pragma_update(None, "user_version", u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)).map_err(failed)?;
    step.commit().map_err(failed)?;
    Ok(file)
}
