//! The file that is being pulled, under a name that says it is not whole, and its running checksum.
//!
//! A part is kept when a pull fails, and the next pull goes on where it ended. Its name holds the beginning
//! of the checksum it is to have, so that it is never continued with another file. One pull at a time
//! holds it (`flock`).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::catalog::{Entry, MODEL_FILE};
use crate::base::{Error, ErrorKind, Result};

/// The beginning of a file, on disk.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    digest: Sha256,
    len: u64,
}

impl Part {
    /// Opens the part of an entry's file in `folder`, with whatever an earlier pull left.
    ///
    /// # Errors
    /// `Busy` while another pull writes it; I/O kinds.
    pub fn open(folder: &Path, entry: &Entry) -> Result<Self> {
        let beginning: String = entry.sha256.chars().take(16).collect();
        let path = folder.join(format!("{MODEL_FILE}.{beginning}.part"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|error| Error::io(&path, error))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Error::new(ErrorKind::Busy, format!("{}: another pull of this model is running", path.display()))
            }
            TryLockError::Error(error) => Error::io(&path, error),
        })?;
        let (digest, len) = digest_of(&file).map_err(|error| Error::io(&path, error))?;
        let mut part = Self { path, file, digest, len };
        if len > entry.bytes {
            part.reset()?;
        }
        Ok(part)
    }

    /// Bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Adds to the end. What could not be written whole stays as far as it came.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(self.failed(std::io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    let (done, left) = rest.split_at(written.min(rest.len()));
                    self.digest.update(done);
                    self.len += done.len() as u64;
                    rest = left;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// Forgets what there is.
    pub fn reset(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|error| self.failed(error))?;
        self.digest = Sha256::new();
        self.len = 0;
        Ok(())
    }

    /// The SHA-256 of what there is, hexadecimal.
    pub fn sha256(&self) -> String {
        hex(self.digest.clone())
    }

    /// Puts it on disk for good under its own name.
    pub fn rename(self, to: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed(error))?;
        std::fs::rename(&self.path, to).map_err(|error| Error::io(to, error))
    }

    /// Deletes it.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(&self.path, error)
    }
}

/// The SHA-256 of a file, hexadecimal.
pub(super) fn sha256_of(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let (digest, _) = digest_of(&file).map_err(|error| Error::io(path, error))?;
    Ok(hex(digest))
}

fn digest_of(mut file: &File) -> std::io::Result<(Sha256, u64)> {
    let (mut digest, mut len) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((digest, len)),
            read => {
                digest.update(buffer.get(..read).unwrap_or_default());
                len += read as u64;
            }
        }
    }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
