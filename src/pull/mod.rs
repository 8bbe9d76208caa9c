//! `vantage models pull`: a model of the catalogue into its folder, resumable and verified.
//!
//! Invariants:
//! - a file gets the name `model.onnx` only after its size and SHA-256 were found to be the catalogue's;
//! - `model.yaml` comes last, so a folder that has one is complete;
//! - what somebody else put into the folder is never replaced, unless that was asked for;
//! - what was fetched before a fault is kept and continued, unless it was found to be wrong.

mod catalog;
mod http;
mod origin;
mod part;
mod place;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

pub use catalog::{Catalog, Entry};
pub use origin::Origin;

use crate::base::{Error, ErrorKind, Result, Stop};
use http::Failure;
use part::Part;
use place::Place;

/// How to pull.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// The folder of model folders.
    pub into: PathBuf,
    /// Where the bytes come from.
    pub origin: Origin,
    /// Replaces another file of the same name.
    pub force: bool,
    /// A server that says nothing for so long is given up.
    pub patience: Duration,
    /// After a broken connection the pull waits so long and goes on; the first wait comes again once bytes have.
    pub waits: Vec<Duration>,
}

impl PullOptions {
    /// From the official address into `into`, with waits that suit a person.
    #[must_use]
    pub fn new(into: &Path) -> Self {
        Self {
            into: into.to_owned(),
            origin: Origin::Official,
            force: false,
            patience: Duration::from_secs(30),
            waits: [1, 2, 4, 8].map(Duration::from_secs).to_vec(),
        }
    }
}

/// A model that is in its folder now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The model's folder.
    pub folder: PathBuf,
    /// Size of its file.
    pub bytes: u64,
    /// How many of them an earlier pull had left.
    pub resumed_from: u64,
    /// Whether the file was there before, so that nothing was fetched.
    pub already: bool,
}

/// Pulls one model; `progress` hears how many bytes there are. A stop ends a wait, and with it the pull.
///
/// # Errors
/// `Busy` when another file, or another pull, is in the way; `Corrupt` for a wrong size or checksum, and for
/// settings of the catalogue that do not fit the file; `NotFound`, `Unreachable`, `Auth` of the far side;
/// `DiskFull` and other I/O kinds.
pub fn pull(entry: &Entry, options: &PullOptions, stop: &Stop, progress: &mut dyn FnMut(u64)) -> Result<Pulled> {
    let place = Place::prepare(&options.into, entry, options.force)?;
    if place.has_model {
        place.finish(entry)?;
        return Ok(Pulled { folder: place.folder, bytes: entry.bytes, resumed_from: 0, already: true });
    }
    let mut part = Part::open(&place.folder, entry)?;
    let resumed_from = part.len();
    place.check_space(entry.bytes - part.len())?;
    progress(part.len());
    fetch(entry, options, &mut part, stop, progress)?;
    let mut found = part.sha256();
    if found != entry.sha256 && resumed_from > 0 {
        tracing::warn!("{}: the part that was there is damaged, starting over", entry.name);
        part.reset()?;
        fetch(entry, options, &mut part, stop, progress)?;
        found = part.sha256();
    }
    if found != entry.sha256 {
        part.remove()?;
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{}: SHA-256 {found}, the catalogue states {}; it was deleted", entry.name, entry.sha256),
        )
        .help("the file was changed on its way or at its place, or the catalogue is wrong: do not use it"));
    }
    part.rename(&place.model())?;
    place.finish(entry)?;
    Ok(Pulled { folder: place.folder, bytes: entry.bytes, resumed_from, already: false })
}

/// Completes the part from wherever it is to come.
fn fetch(
    entry: &Entry,
    options: &PullOptions,
    part: &mut Part,
    stop: &Stop,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    if part.len() == entry.bytes {
        return Ok(());
    }
    if let Some(file) = options.origin.file(entry)? {
        return copy(&file, entry, part, progress).map_err(|error| kept(error, part));
    }
    let client = http::client(options.patience);
    let mut addresses = options.origin.addresses(entry).into_iter().peekable();
    while let Some(url) = addresses.next() {
        let (mut furthest, mut tries) = (part.len(), 0);
        loop {
            let error = match http::request(&client, &url, entry, part, progress) {
                Ok(()) => return Ok(()),
                // A mirror may keep the file in either of two places.
                Err(Failure::Final(error)) if error.kind() == ErrorKind::NotFound && addresses.peek().is_some() => {
                    break;
                }
                Err(Failure::Final(error)) => return Err(kept(error, part)),
                Err(Failure::StartOver(error)) => {
                    furthest = 0;
                    error
                }
                // Nothing has come yet: most likely nothing will, and the reader is waiting.
                Err(Failure::Passing(error)) if part.len() == 0 => return Err(error),
                Err(Failure::Passing(error)) => error,
            };
            if part.len() > furthest {
                (furthest, tries) = (part.len(), 0);
            }
            let Some(wait) = options.waits.get(tries) else { return Err(kept(error, part)) };
            tries += 1;
            tracing::warn!("{error}; going on from byte {} in {} s", part.len(), wait.as_secs_f32());
            if stop.wait_timeout(*wait) {
                return Err(kept(error, part));
            }
        }
    }
    // Every origin has an address or a file; the last address returns.
    Err(Error::new(ErrorKind::Internal, format!("{}: nowhere to pull from", entry.name)))
}

/// Copies from a folder what is missing.
fn copy(file: &Path, entry: &Entry, part: &mut Part, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let io = |error| Error::io(file, error);
    let mut source = std::fs::File::open(file).map_err(io)?;
    let bytes = source.metadata().map_err(io)?.len();
    if bytes != entry.bytes {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{}: {bytes} bytes, the catalogue states {}", file.display(), entry.bytes),
        )
        .help("the file is damaged, or another version than the catalogue's"));
    }
    // Copying is quick; what an earlier pull left came from who knows where.
    part.reset()?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = source.read(&mut buffer).map_err(io)?;
        if read == 0 {
            return Ok(());
        }
        part.append(buffer.get(..read).unwrap_or_default())?;
        progress(part.len());
    }
}

/// Says what is kept after a failure.
fn kept(error: Error, part: &Part) -> Error {
    if part.len() == 0 {
        return error;
    }
    let kept = format!("{} bytes are kept: the same command goes on from there", part.len());
    let help = match (error.kind(), error.advice()) {
        (ErrorKind::DiskFull, _) => format!("make room; {kept}"),
        (_, Some(advice)) => format!("{advice}; {kept}"),
        (_, None) => kept,
    };
    error.help(help)
}
