//! `export.json`: what an export folder holds, so that a later export does not take anything away.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Error, ErrorKind, Result};
use crate::warehouse::AtomicFile;

/// Version of the tables' columns; raised when one changes its type or meaning, or goes.
const SCHEMA: u32 = 1;

/// Rows by file, counted from the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the columns.
    pub(super) schema: u32,
    /// IANA name of the time zone whose days the partitions are.
    pub(super) time_zone: String,
    /// Rows of each file.
    pub(super) files: BTreeMap<String, u64>,
}

impl Manifest {
    /// The folder's manifest, or a new one.
    ///
    /// # Errors
    /// `Config` when the folder holds an export that this one would not fit; `Corrupt`, `Io`.
    pub(super) fn open(folder: &Path, time_zone: &str) -> Result<Self> {
        let path = path(folder);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { schema: SCHEMA, time_zone: time_zone.to_owned(), files: BTreeMap::new() });
            }
            Err(e) => return Err(Error::io(&path, e)),
        };
        let found: Self = serde_json::from_str(&text).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{}: {e}", path.display())).help("export into an empty folder")
        })?;
        if found.schema != SCHEMA || found.time_zone != time_zone {
            let what = format!(
                "{} holds an export of schema {} by days of {}; this one is of schema {SCHEMA} by days of {time_zone}",
                folder.display(),
                found.schema,
                found.time_zone
            );
            return Err(Error::new(ErrorKind::Config, what).help("export into another folder"));
        }
        Ok(found)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = path(folder);
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Internal, "the manifest is no JSON").source(e))?;
        let mut file = AtomicFile::create(&path)?;
        writeln!(file, "{text}").map_err(|e| Error::io(&path, e))?;
        file.finish()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("export.json")
}
