//! Stills and clips: files beside the database, kept as long as there is room.
//!
//! No file ever delays or fails an event. Each is written whole or not at all (temporary name, then rename). Stills
//! are not fsynced: after a power cut the newest may be missing. Clips are. File names begin with their camera,
//! `<camera>.<event id>…`; that is how retention by camera knows whose they are after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use crossbeam_channel::Sender;

use super::folder::{create, free_bytes, sync_folder};
use super::health::{Counters, add};
use super::options::MediaRetention;
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};

/// Files that one step deletes.
const STEP: usize = 64;

/// The media folder and what is in it. Cloned freely.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    keep: MediaRetention,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    index: Mutex<Index>,
    /// Bytes that the event writer needs.
    wanted: AtomicU64,
    /// Wakes the sweeper; a place without one keeps everything.
    sweeper: Option<Sender<()>>,
}

/// Kept in memory so that making room never has to list the folder.
#[derive(Default)]
struct Index {
    files: HashMap<String, (Timestamp, u64)>,
    cameras: BTreeMap<String, Shelf>,
    total_bytes: u64,
}

/// One camera's files.
#[derive(Default)]
struct Shelf {
    oldest_first: BTreeSet<(Timestamp, String)>,
    bytes: u64,
}

impl Index {
    fn insert(&mut self, name: &str, written: Timestamp, bytes: u64) {
        self.remove(name);
        self.files.insert(name.to_owned(), (written, bytes));
        let shelf = self.cameras.entry(camera_of(name).to_owned()).or_default();
        shelf.oldest_first.insert((written, name.to_owned()));
        shelf.bytes += bytes;
        self.total_bytes += bytes;
    }

    fn remove(&mut self, name: &str) {
        let Some((written, bytes)) = self.files.remove(name) else { return };
        self.total_bytes -= bytes;
        if let Some(shelf) = self.cameras.get_mut(camera_of(name)) {
            shelf.oldest_first.remove(&(written, name.to_owned()));
            shelf.bytes -= bytes;
            if shelf.oldest_first.is_empty() {
                self.cameras.remove(camera_of(name));
            }
        }
    }

    /// The oldest file, with its time.
    fn oldest(&self) -> Option<(Timestamp, String)> {
        self.cameras.values().filter_map(|shelf| shelf.oldest_first.first()).min().cloned()
    }

    /// The next file that has to go for its age, its camera's bytes or all bytes.
    fn next_to_go(&self, keep: &MediaRetention, now: Timestamp) -> Option<String> {
        let (written, name) = self.oldest()?;
        let too_old = keep.max_age.is_some_and(|max| now - written > max);
        let too_many = keep.max_bytes.is_some_and(|max| self.total_bytes > max);
        if too_old || too_many {
            return Some(name);
        }
        let limit = keep.max_bytes_per_camera?;
        let full = self.cameras.values().find(|shelf| shelf.bytes > limit)?;
        full.oldest_first.first().map(|(_, name)| name.clone())
    }
}

/// Whose file it is: names begin with their camera's id, which has no dot.
fn camera_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(camera, _)| camera)
}

impl Media {
    pub(super) fn open(
        store: &Path,
        keep: MediaRetention,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        sweeper: Sender<()>,
    ) -> Result<Self> {
        Self::at(&store.join("media"), keep, clock, counters, Some(sweeper))
    }

    /// A folder outside of any store, for recorded footage: what is in it stays.
    ///
    /// # Errors
    /// `Permission` or `Io` when it cannot be created or listed.
    pub fn folder(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::at(folder, MediaRetention::default(), clock, Arc::default(), None)
    }

    fn at(
        folder: &Path,
        keep: MediaRetention,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        sweeper: Option<Sender<()>>,
    ) -> Result<Self> {
        create(folder)?;
        // Only a store's own folder is tidied up.
        let index = if sweeper.is_some() { scan(folder)? } else { Index::default() };
        let (index, wanted) = (Mutex::new(index), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), keep, clock, counters, index, wanted, sweeper })))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a still or a clip.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.folder.join(name)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.index().total_bytes
    }

    /// Bytes of each camera's files.
    #[must_use]
    pub fn bytes_by_camera(&self) -> Vec<(String, u64)> {
        self.index().cameras.iter().map(|(camera, shelf)| (camera.clone(), shelf.bytes)).collect()
    }

    /// Writes a still, whole or not at all. `name` is a plain file name that begins with its camera's id and a dot.
    /// Failures are counted here as well.
    ///
    /// # Errors
    /// `DiskFull`, also below the free-space floor; `Permission` or `Io`; `Internal` when the name is not a plain
    /// file name.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let written = self.write(name, bytes);
        add(if written.is_ok() { &self.0.counters.stills } else { &self.0.counters.stills_failed }, 1);
        written
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut draft = self.draft(name)?;
        fs::write(&draft.temporary, bytes).map_err(|e| Error::io(&draft.path, e))?;
        draft.publish(bytes.len() as u64)
    }

    /// Begins a file that is written by somebody else. Dropped without [`Draft::commit`], it is removed.
    ///
    /// # Errors
    /// `DiskFull` below the free-space floor; `Internal` when the name is not a plain file name.
    pub fn draft(&self, name: &str) -> Result<Draft> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(Error::new(ErrorKind::Internal, format!("{name:?} is not a plain file name")));
        }
        let path = self.path(name);
        let floor = self.0.keep.min_free_bytes;
        if floor > 0 && free_bytes(&self.0.folder) < floor {
            self.nudge();
            return Err(Error::new(
                ErrorKind::DiskFull,
                format!("{}: less than {} MiB of the disk are free", path.display(), floor >> 20),
            )
            .help("events go on; free some space, or lower `store.media.min_free_mib`"));
        }
        let temporary = self.path(&format!(".{name}.tmp"));
        Ok(Draft { media: self.clone(), name: name.to_owned(), path, temporary, published: false })
    }

    fn nudge(&self) {
        if let Some(sweeper) = &self.0.sweeper {
            // Full: it is awake already.
            let _ = sweeper.try_send(());
        }
    }

    /// Asks for at least `wanted` bytes to be freed, oldest first, or all there are. Returns at once.
    pub(super) fn shed(&self, wanted: u64) {
        self.0.wanted.fetch_max(wanted, Relaxed);
        self.nudge();
    }

    /// One bounded step of retention; true when there may be more to do.
    pub(super) fn sweep_step(&self) -> bool {
        let now = self.0.clock.utc();
        let mut names = Vec::new();
        let mut freed = 0;
        let missing = self.missing_bytes();
        {
            let mut index = self.index();
            while names.len() < STEP {
                let next = index.next_to_go(&self.0.keep, now);
                let next = next.or_else(|| (freed < missing).then(|| index.oldest()).flatten().map(|(_, name)| name));
                let Some(name) = next else { break };
                freed += index.files.get(&name).map_or(0, |file| file.1);
                index.remove(&name);
                names.push(name);
            }
        }
        let more = names.len() == STEP;
        // A step that is not full has freed all that was wanted, or there is nothing left.
        let left = if more { self.0.wanted.load(Relaxed).saturating_sub(freed) } else { 0 };
        self.0.wanted.store(left, Relaxed);
        self.delete(&names);
        more
    }

    /// What the event writer asked for, and what lacks to the free-space floor and an eighth more.
    fn missing_bytes(&self) -> u64 {
        let floor = self.0.keep.min_free_bytes;
        let wanted = self.0.wanted.load(Relaxed);
        if floor == 0 {
            return wanted;
        }
        let free = free_bytes(&self.0.folder);
        let lacking = if free < floor { (floor + floor / 8).saturating_sub(free) } else { 0 };
        wanted.max(lacking)
    }

    fn delete(&self, names: &[String]) {
        for name in names {
            if let Err(error) = fs::remove_file(self.path(name))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(file = %name, %error, "cannot delete a still or a clip");
            }
            let counters = &self.0.counters;
            add(if is_still(name) { &counters.stills_swept } else { &counters.clips_swept }, 1);
        }
    }
}

fn is_still(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "jpg")
}

/// A file that is being written under a temporary name.
pub struct Draft {
    media: Media,
    name: String,
    path: PathBuf,
    temporary: PathBuf,
    published: bool,
}

impl Draft {
    /// Where to write.
    #[must_use]
    #[allow(clippy::misnamed_getters)] // where it is now, not where it will be
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// `DiskFull`, `Permission` or `Io`.
    pub fn commit(mut self) -> Result<()> {
        let file = fs::File::open(&self.temporary).map_err(|e| Error::io(&self.path, e))?;
        file.sync_all().map_err(|e| Error::io(&self.path, e))?;
        let bytes = file.metadata().map_err(|e| Error::io(&self.path, e))?.len();
        self.publish(bytes)?;
        sync_folder(&self.media.0.folder)
    }

    fn publish(&mut self, bytes: u64) -> Result<()> {
        fs::rename(&self.temporary, &self.path).map_err(|e| Error::io(&self.path, e))?;
        self.published = true;
        let now = self.media.0.clock.utc();
        self.media.index().insert(&self.name, now, bytes);
        self.media.nudge();
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // Nothing to add when even that fails: the next start clears it.
            let _ = fs::remove_file(&self.temporary);
        }
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
        if meta.len() == 0 || name.starts_with('.') {
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(file = %name, %error, "cannot delete an unfinished file");
            }
            continue;
        }
        let modified = meta.modified().ok().and_then(|m| m.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        index.insert(&name, Timestamp::EPOCH + modified, meta.len());
    }
    Ok(index)
}
