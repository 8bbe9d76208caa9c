//! What an SQLite failure means: to the caller (an [`Error`]) and to the writer (a [`Fault`]).

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use super::folder::free_bytes;
use crate::base::{Error, ErrorKind};

/// What the writer does about a failed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Make room, then run the transaction again on the same connection.
    DiskFull,
    /// The connection is not to be trusted any more: close it, open a new one, run the transaction again.
    /// After a failed fsync the kernel may have dropped the dirty pages and marked them clean, so a
    /// second fsync on the same pages proves nothing (Rebello et al., USENIX ATC 2020).
    Connection,
}

/// Sorts a failed commit on `file`.
pub(super) fn classify(file: &Path, error: &rusqlite::Error) -> Fault {
    if is_disk_full(file, error) { Fault::DiskFull } else { Fault::Connection }
}

/// SQLite reports a shared-memory file that cannot grow as a plain I/O error, so the free space decides.
fn is_disk_full(file: &Path, error: &rusqlite::Error) -> bool {
    const NO_ROOM_BYTES: u64 = 256 << 10;
    match error.sqlite_error() {
        Some(e) if e.code == ErrorCode::DiskFull => true,
        Some(e) if e.extended_code == ffi::SQLITE_IOERR_FSYNC => false,
        Some(e) if matches!(e.code, ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            free_bytes(file.parent().unwrap_or(Path::new("."))) < NO_ROOM_BYTES
        }
        _ => false,
    }
}

/// The crate's error for an SQLite failure on `file`.
pub(super) fn store_error(file: &Path, error: rusqlite::Error) -> Error {
    let (kind, help) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (ErrorKind::Corrupt, Some(CORRUPT_HELP)),
        _ if is_disk_full(file, &error) => {
            (ErrorKind::DiskFull, Some("free some space on the disk of the store folder"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (ErrorKind::Permission, Some("let this user write the store folder and every file in it"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Busy, Some("another program holds the database; close it"))
        }
        Some(ErrorCode::CannotOpen) => {
            (ErrorKind::Io, Some("check that the file exists and that this user may read it"))
        }
        _ => (ErrorKind::Io, None),
    };
    let failed = Error::new(kind, format!("{}: {error}", file.display())).source(error);
    match help {
        Some(help) => failed.help(help),
        None => failed,
    }
}

/// What to do about a damaged database.
pub(super) const CORRUPT_HELP: &str = "the database is damaged; stop the program, copy the folder away, then either \
    save what is readable with `sqlite3 events.db .recover | sqlite3 new.db` and put new.db in its place, or move \
    events.db, events.db-wal and events.db-shm away to start an empty store (sequence numbers begin at 1 again)";
