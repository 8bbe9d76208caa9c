//! The store's folder: its creation, the lock that keeps a second instance out, the reserve file.
//!
//! The lock is the kernel's (`flock`), so it is gone the moment its owner is, however it died.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::base::{Error, ErrorKind, Result};

/// Held for as long as the store is open for writing.
pub(super) struct FolderLock {
    _file: File,
}

/// Creates the folder, durably, when it is not there yet.
pub(super) fn create(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)
        .map_err(|e| Error::io(folder, e).help("give a store folder that this user may create"))?;
    if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        sync_folder(parent)?;
    }
    Ok(())
}

/// Makes renames, creations and deletions in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io(folder, e))
}

/// The process that has the store in `folder` open for writing; `None` when nobody has.
///
/// # Errors
/// `NotFound` or `Permission` for the lock file.
pub(super) fn owner_pid(folder: &Path) -> Result<Option<i32>> {
    let path = folder.join("lock");
    let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(&path, e)),
    };
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(|e| Error::io(&path, e))?;
            Ok(pid.trim().parse().ok())
        }
        Err(TryLockError::Error(e)) => Err(Error::io(&path, e)),
    }
}

impl FolderLock {
    /// Takes the lock or says, within half a second, who has it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        // An owner that is just leaving, or has not written its pid yet, gets this long.
        const ATTEMPTS: u32 = 5;
        const PAUSE: Duration = Duration::from_millis(100);

        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io(&path, e).help("let this user write the store folder"))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(busy(folder, &mut file)),
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, e)),
            }
        }
        // The pid is for people; a full disk must not keep the store from opening.
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "cannot write the owner's pid");
        }
        Ok(Self { _file: file })
    }
}

fn busy(folder: &Path, file: &mut File) -> Error {
    let mut pid = String::new();
    let owner = match file.read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => format!("process {}", pid.trim()),
        _ => "another process".to_owned(),
    };
    Error::new(ErrorKind::Busy, format!("store {} is in use by {owner}", folder.display()))
        .help("stop that process, or give this one its own store folder")
}

/// Bytes that this user may still write on the disk of `folder`; `u64::MAX` when it cannot be told.
pub(super) fn free_bytes(folder: &Path) -> u64 {
    statvfs(folder).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Space set aside so that events can still be stored for a while on a full disk.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// The reserve of `folder`, not looked at yet.
    pub(super) fn new(folder: &Path, bytes: u64) -> Self {
        Self { path: folder.join("reserve.bin"), bytes, held: false }
    }

    /// Whether the space is set aside (or none is wanted).
    pub(super) fn is_held(&self) -> bool {
        self.held || self.bytes == 0
    }

    /// Sets the space aside, unless that would take the last of the disk: taking back at once what was
    /// just released would starve the next commit.
    pub(super) fn hold(&mut self) -> bool {
        if self.is_held() {
            return true;
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let present = fs::metadata(&self.path).is_ok_and(|m| m.len() == self.bytes);
        if !present && free_bytes(folder) < self.bytes.saturating_mul(2) {
            return false;
        }
        let made =
            OpenOptions::new().write(true).create(true).truncate(!present).open(&self.path).and_then(|file| {
                fallocate(&file, FallocateFlags::empty(), 0, self.bytes).map_err(std::io::Error::from)
            });
        match made {
            Ok(()) => self.held = true,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot set the reserve aside");
                self.release();
            }
        }
        self.held
    }

    /// Gives the space up.
    pub(super) fn release(&mut self) {
        self.held = false;
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot release the reserve");
        }
    }
}
