//! The folder of tracks files: names, and what is kept.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::EXTENSION;
use super::file::Header;
use crate::base::{Error, Result, Timestamp};

/// How much is kept: whichever limit is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Older files go. Age counts from when a file was last written.
    pub max_age: Duration,
    /// Above this many bytes the oldest file goes, the one being written never.
    pub max_bytes: u64,
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// Opens the folder, creating it if need be.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, e).help("give a folder for tracks that this user may create"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a file that begins at `first` goes: `CAMERA/20260123T070000Z-SESSION-PART.tracks`.
    pub(super) fn place(&self, header: &Header, first: Timestamp) -> Result<PathBuf> {
        let folder = self.folder.join(&header.camera);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let second = Timestamp(first.0.div_euclid(1_000_000_000) * 1_000_000_000);
        let stamp: String = second.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let digest = Sha256::digest(header.session.as_bytes());
        let session: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        Ok(folder.join(format!("{stamp}-{session}-{:04}.{EXTENSION}", header.part)))
    }

    /// Deletes the oldest files that are not among `open`: those too old, those above the limit, and until
    /// `wanted` bytes are free. Returns the bytes freed.
    pub(super) fn sweep(&self, keep: Option<Keep>, wanted: u64, now: Timestamp, open: &[&Path]) -> u64 {
        let mut files = self.files();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let mut freed = 0;
        for (written, bytes, path) in files {
            let expired = keep.is_some_and(|keep| now - written > keep.max_age || total > keep.max_bytes);
            if !expired && freed >= wanted || open.contains(&path.as_path()) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => {
                    total -= bytes;
                    freed += bytes;
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot delete old tracks"),
            }
        }
        freed
    }

    /// Time last written, bytes, path of every tracks file.
    fn files(&self) -> Vec<(Timestamp, u64, PathBuf)> {
        let folders = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        files
            .filter_map(|entry| {
                let (path, meta) = (entry.path(), entry.metadata().ok()?);
                let written = meta.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                let ours = meta.is_file() && path.extension().is_some_and(|extension| extension == EXTENSION);
                ours.then_some((Timestamp::EPOCH + written, meta.len(), path))
            })
            .collect()
    }
}
