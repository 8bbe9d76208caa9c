//! Events as JSON lines in a file, fsynced before they are confirmed.
//!
//! A crash can leave two marks, and opening the file clears both. A torn last line is cut off: it was
//! never confirmed, so its event comes again. Lines that were written but not yet confirmed come again
//! too: the dispatcher never has more than one batch unconfirmed, so remembering the `(id, revision)` of
//! the last lines is enough to skip them. Together: each event is in the file exactly once.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::dispatch::BATCH;
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, params};
use crate::base::{Error, ErrorKind, EventId, Result};

pub(super) const KIND: SinkKind = SinkKind {
    name: "jsonl",
    summary: "JSON lines in a file, with rotation",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: &["path"],
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The file; relative to the pipeline file's folder.
    path: String,
    /// Size in MiB above which the file becomes `<path>.1` and a new one is begun.
    #[serde(default = "default_max_mib")]
    #[schemars(range(min = 1))]
    max_mib: u64,
    /// How many such older files are kept.
    #[serde(default = "default_keep_files")]
    keep_files: u32,
}

fn default_max_mib() -> u64 {
    256
}

fn default_keep_files() -> u32 {
    8
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    match params::parse::<Params>(given) {
        Ok(p) if Path::new(&p.path).file_name().is_none() => {
            vec![ParamError::new("path", format!("`{}` names no file", p.path), "such as out/events.jsonl")]
        }
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes,
    }
}

fn connect(given: &Map<String, Value>, base: &Path) -> Result<Box<dyn Sink>> {
    let p: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    let path = base.join(&p.path);
    Ok(Box::new(JsonLines::open(path, p.max_mib.saturating_mul(1 << 20), p.keep_files)?))
}

/// What makes an event the one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
struct Identity {
    id: EventId,
    revision: u32,
}

struct JsonLines {
    path: PathBuf,
    max_bytes: u64,
    keep_files: u32,
    /// `None` after a failure: opened anew, and cut back to `len`, before the next write.
    file: Option<File>,
    /// Length of the file up to the last line that is known to be on disk.
    len: u64,
    /// What the last lines hold, until a batch without any of them shows that we are past the crash.
    written: HashSet<Identity>,
}

impl JsonLines {
    fn open(path: PathBuf, max_bytes: u64, keep_files: u32) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        let mut file = lock(&path)?;
        let (len, mut tail) = recover(&mut file, &path)?;
        if tail.len() < BATCH {
            // The last batch may have ended just before a rotation.
            if let Ok(mut older) = File::open(numbered(&path, 1)) {
                let size = older.metadata().map_err(|e| Error::io(&path, e))?.len();
                tail.extend(read_tail(&mut older, size).map_err(|e| unreadable(&path, e))?.1);
            }
        }
        sync_parent(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Self { path, max_bytes, keep_files, file: Some(file), len, written: tail.into_iter().collect() })
    }

    fn write(&mut self, batch: &[Parcel]) -> Outcome {
        let mut lines = Vec::new();
        let mut skipped = 0;
        for Parcel { stored: event, .. } in batch {
            if self.written.contains(&Identity { id: event.event.id, revision: event.event.revision }) {
                skipped += 1;
                continue;
            }
            if let Err(e) = serde_json::to_writer(&mut lines, event) {
                return Outcome::Fatal { reason: format!("event at position {}: {e}", event.position) };
            }
            lines.push(b'\n');
        }
        if skipped == 0 {
            self.written.clear();
        }
        match self.append(&lines) {
            Ok(()) => Outcome::Done,
            Err(e) => {
                self.file = None;
                Outcome::Retry { after: None, reason: e.to_string() }
            }
        }
    }

    /// Appends and fsyncs. After a failure the next call starts from the last length known to be good:
    /// complete lines that an fsync failed on must not pass for durable.
    fn append(&mut self, lines: &[u8]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if self.file.is_some() && self.len > 0 && self.len + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        let failed = |e| Error::io(&self.path, e);
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let mut file = lock(&self.path)?;
                file.set_len(self.len).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
                empty.insert(file)
            }
        };
        file.write_all(lines).and_then(|()| file.sync_data()).map_err(failed)?;
        self.len += lines.len() as u64;
        Ok(())
    }

    /// `path` becomes `path.1`, `path.1` becomes `path.2`, and so on; the oldest goes.
    fn rotate(&mut self) -> Result<()> {
        let failed = |e| Error::io(&self.path, e);
        let absent_is_fine = |result: io::Result<()>| match result {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
        absent_is_fine(fs::remove_file(numbered(&self.path, self.keep_files))).map_err(failed)?;
        for n in (1..self.keep_files).rev() {
            absent_is_fine(fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1))).map_err(failed)?;
        }
        // With no older file kept, number 0 is the file itself and was removed above.
        if self.keep_files > 0 {
            fs::rename(&self.path, numbered(&self.path, 1)).map_err(failed)?;
        }
        self.len = 0;
        self.file = None;
        self.file = Some(lock(&self.path)?);
        sync_parent(&self.path).map_err(failed)
    }
}

impl Sink for JsonLines {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(std::future::ready(self.write(batch)))
    }
}

/// Opens the file and keeps everybody else who asks out of it.
fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| Error::io(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::Busy, format!("{}: another sink or process writes this file", path.display()))
                .help("give each sink its own file"))
        }
        Err(fs::TryLockError::Error(e)) => Err(Error::io(path, e)),
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = OsString::from(path);
    if n > 0 {
        name.push(format!(".{n}"));
    }
    PathBuf::from(name)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Cuts off what a crash tore, leaves the file at its end, returns its length and what its last lines hold.
fn recover(file: &mut File, path: &Path) -> Result<(u64, VecDeque<Identity>)> {
    let failed = |e| Error::io(path, e);
    let size = file.metadata().map_err(failed)?.len();
    let mut first = [0u8; 1];
    if size > 0 {
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut first)).map_err(failed)?;
        // A power cut may leave zeros; anything else that is not an object is somebody else's.
        if !matches!(first[0], b'{' | 0) {
            return Err(unreadable(path, io::ErrorKind::InvalidData.into()));
        }
    }
    let (good, tail) = read_tail(file, size).map_err(|e| unreadable(path, e))?;
    if good < size {
        tracing::warn!(path = %path.display(), bytes = size - good, "cut off a torn last line");
        file.set_len(good).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    file.seek(SeekFrom::Start(good)).map_err(failed)?;
    Ok((good, tail))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::InvalidData {
        return Error::io(path, error);
    }
    Error::new(ErrorKind::Config, format!("{}: not a file of event lines", path.display()))
        .help("give the sink a file of its own; this one is left as it is")
}

/// The length up to the last line that is whole, and what the last lines hold, newest first.
/// `InvalidData` when a line is whole but no event: somebody else's file, never to be cut.
fn read_tail(file: &mut File, size: u64) -> io::Result<(u64, VecDeque<Identity>)> {
    const BLOCK: u64 = 256 << 10;
    let (mut start, mut bytes) = (size, Vec::new());
    let (mut good, mut tail) = (size, VecDeque::new());
    loop {
        // `bytes` holds the file from `start` up to `good`; take whole lines off its end. A line is
        // known to be whole once the newline before it, or the beginning of the file, is in sight.
        while tail.len() < BATCH && !bytes.is_empty() {
            let ends = bytes.last() == Some(&b'\n');
            let body = if ends { bytes.len() - 1 } else { bytes.len() };
            let begin = match bytes[..body].iter().rposition(|b| *b == b'\n') {
                Some(newline) => newline + 1,
                None if start == 0 => 0,
                None => break,
            };
            let line = bytes.get(begin..body).unwrap_or_default();
            let identity = if ends { serde_json::from_slice::<Identity>(line).ok() } else { None };
            let foreign = ends && identity.is_none() && serde_json::from_slice::<IgnoredAny>(line).is_ok();
            bytes.truncate(begin);
            match identity {
                Some(identity) => tail.push_back(identity),
                None if foreign => return Err(io::ErrorKind::InvalidData.into()),
                None if tail.is_empty() => good = start + begin as u64,
                // Before the last good line everything was confirmed long ago; leave it alone.
                None => return Ok((good, tail)),
            }
        }
        if start == 0 || tail.len() >= BATCH {
            return Ok((good, tail));
        }
        let from = start.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(start - from).unwrap_or(0)];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        block.append(&mut bytes);
        (start, bytes) = (from, block);
    }
}
