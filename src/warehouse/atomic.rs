//! A file that is whole or not there: written beside its place, fsynced, renamed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::{Error, Result};

/// See the module. Dropped before [`AtomicFile::finish`], it leaves what was there before.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    draft: PathBuf,
    place: PathBuf,
    done: bool,
}

impl AtomicFile {
    /// Begins a file for `place`, whose folders are made. What another run left half written there is overwritten.
    ///
    /// # Errors
    /// `Io`, `Permission` or `DiskFull`.
    pub fn create(place: &Path) -> Result<Self> {
        let folder = place.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        // No reader's pattern such as `*.parquet` takes it.
        let draft = folder.join(format!(".{name}.part"));
        let file = File::create(&draft).map_err(|e| Error::io(&draft, e))?;
        Ok(Self { file, draft, place: place.to_owned(), done: false })
    }

    /// Where it will be.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts the file in its place, on disk.
    ///
    /// # Errors
    /// `Io`, `Permission` or `DiskFull`; then there is what was there before.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io(&self.draft, e))?;
        std::fs::rename(&self.draft, &self.place).map_err(|e| Error::io(&self.place, e))?;
        self.done = true;
        let folder = self.place.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| Error::io(folder, e))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b.csv");
        let write = |text: &[u8], finish: bool| {
            let mut file = AtomicFile::create(&place).unwrap();
            file.write_all(text).unwrap();
            if finish {
                file.finish().unwrap();
            }
        };
        let there = || std::fs::read_dir(folder.path().join("a")).unwrap().count();
        write(b"half", false);
        assert_eq!(there(), 0);
        write(b"whole", true);
        write(b"other", false);
        assert_eq!((std::fs::read(&place).unwrap().as_slice(), there()), (b"whole".as_slice(), 1));
        // What a killed process left is overwritten.
        std::fs::write(folder.path().join("a/.b.csv.part"), "torn and long").unwrap();
        write(b"new", true);
        assert_eq!((std::fs::read(&place).unwrap().as_slice(), there()), (b"new".as_slice(), 1));
    }
}
