//! Stills: small files beside the database, kept as long as there is room.
//!
//! A still never delays or fails an event. It is written whole or not at all (temporary file, then
//! rename), but not fsynced: after a power cut the newest ones may be missing.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::health::{Counters, add};
use super::options::Retention;
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};

/// The media folder and what is in it. Cloned freely.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    keep: Retention,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    index: Mutex<Index>,
}

/// Kept in memory so that making room never has to list the folder.
#[derive(Default)]
struct Index {
    files: HashMap<String, (Timestamp, u64)>,
    oldest_first: BTreeSet<(Timestamp, String)>,
    total_bytes: u64,
}

impl Index {
    fn insert(&mut self, name: &str, written: Timestamp, bytes: u64) {
        self.remove(name);
        self.files.insert(name.to_owned(), (written, bytes));
        self.oldest_first.insert((written, name.to_owned()));
        self.total_bytes += bytes;
    }

    fn remove(&mut self, name: &str) {
        if let Some((written, bytes)) = self.files.remove(name) {
            self.oldest_first.remove(&(written, name.to_owned()));
            self.total_bytes -= bytes;
        }
    }

    /// Takes out the oldest while `go(its time, total bytes)` says so.
    fn take_oldest(&mut self, mut go: impl FnMut(Timestamp, u64, u64) -> bool) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some((written, name)) = self.oldest_first.first().cloned() {
            let bytes = self.files.get(&name).map_or(0, |f| f.1);
            if !go(written, bytes, self.total_bytes) {
                break;
            }
            self.remove(&name);
            taken.push(name);
        }
        taken
    }
}

impl Media {
    pub(super) fn open(store: &Path, keep: Retention, clock: Arc<dyn Clock>, counters: Arc<Counters>) -> Result<Self> {
        let folder = store.join("media");
        super::folder::create(&folder)?;
        let index = Mutex::new(scan(&folder)?);
        Ok(Self(Arc::new(Inner { folder, keep, clock, counters, index })))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a still.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.folder.join(name)
    }

    /// Bytes of all stills.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.index().total_bytes
    }

    /// Writes a still, whole or not at all, and drops the oldest ones above the limits.
    /// `name` is a plain file name, usually `<event id>.jpg`. Failures are counted here as well.
    ///
    /// # Errors
    /// `DiskFull`, `Permission` or `Io`; `Internal` when the name is not a plain file name.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let written = self.write(name, bytes);
        add(if written.is_ok() { &self.0.counters.stills } else { &self.0.counters.stills_failed }, 1);
        let now = self.0.clock.utc();
        if written.is_ok() {
            self.index().insert(name, now, bytes.len() as u64);
        }
        self.sweep(now);
        written
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(Error::new(ErrorKind::Internal, format!("{name:?} is not a plain file name for a still")));
        }
        let path = self.path(name);
        let temporary = self.path(&format!(".{name}.tmp"));
        fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path)).map_err(|e| {
            // Nothing to add when even that fails: the next start clears it.
            let _ = fs::remove_file(&temporary);
            Error::io(&path, e)
        })
    }

    /// Drops what is too old or above the size limit.
    pub(super) fn sweep(&self, now: Timestamp) {
        let keep = self.0.keep;
        let taken = self.index().take_oldest(|written, _, total| {
            keep.max_age.is_some_and(|max| now - written > max) || keep.max_bytes.is_some_and(|max| total > max)
        });
        self.delete(&taken);
    }

    /// Frees at least `wanted` bytes, oldest first, or all there are.
    pub(super) fn shed(&self, wanted: u64) {
        let mut freed = 0;
        let taken = self.index().take_oldest(|_, bytes, _| {
            let go = freed < wanted;
            freed += bytes;
            go
        });
        self.delete(&taken);
    }

    fn delete(&self, names: &[String]) {
        for name in names {
            if let Err(error) = fs::remove_file(self.path(name))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(still = %name, %error, "cannot delete a still");
            }
        }
        add(&self.0.counters.stills_swept, names.len() as u64);
    }
}

/// What earlier runs left; clears unfinished files and those that a power cut emptied.
fn scan(folder: &Path) -> Result<Index> {
    let mut index = Index::default();
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let Ok(entry) = entry else { continue };
        let (Ok(meta), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else { continue };
        if !meta.is_file() {
            continue;
        }
        if meta.len() == 0 || (name.starts_with('.') && name.ends_with(".tmp")) {
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(still = %name, %error, "cannot delete an unfinished still");
            }
            continue;
        }
        let modified = meta.modified().ok().and_then(|m| m.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        index.insert(&name, Timestamp::EPOCH + modified, meta.len());
    }
    Ok(index)
}
