//! A pulled model's folder: what is in it, and what is put into it.

use std::path::{Path, PathBuf};

use super::catalog::{Entry, MODEL_FILE};
use super::part::sha256_of;
use crate::base::{Error, ErrorKind, Result};
use crate::infer::{MANIFEST_FILE, Manifest, Model, ModelOptions};

/// The note on the licence.
const LICENCE_FILE: &str = "LICENCE.txt";
/// The folder's other files need no more than this, bytes.
const SMALL_FILES: u64 = 64 << 10;

/// A folder that may take the model.
#[derive(Debug)]
pub(super) struct Place {
    /// The model's own folder.
    pub folder: PathBuf,
    /// Whether the right file is in it.
    pub has_model: bool,
    force: bool,
}

impl Place {
    /// Makes the folder, and looks whether something else is in the way.
    pub fn prepare(into: &Path, entry: &Entry, force: bool) -> Result<Self> {
        let folder = into.join(&entry.name);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        let mut place = Self { folder, has_model: false, force };
        let model = place.model();
        if model.try_exists().map_err(|error| Error::io(&model, error))? {
            place.has_model = sha256_of(&model)? == entry.sha256;
            if !place.has_model && !force {
                return Err(in_the_way(&model, "is another file than the catalogue's"));
            }
        }
        let yaml = place.folder.join(MANIFEST_FILE);
        if !force && yaml.try_exists().map_err(|error| Error::io(&yaml, error))? {
            let other = Manifest::read(&yaml)?;
            if other.file != MODEL_FILE || !other.sha256.eq_ignore_ascii_case(&entry.sha256) {
                return Err(in_the_way(&yaml, "describes another model"));
            }
        }
        Ok(place)
    }

    /// Where the model goes.
    pub fn model(&self) -> PathBuf {
        self.folder.join(MODEL_FILE)
    }

    /// Refuses early what the disk has no room for.
    pub fn check_space(&self, missing: u64) -> Result<()> {
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return Ok(()) };
        let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), missing.saturating_add(SMALL_FILES));
        if free >= needed {
            return Ok(());
        }
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Err(Error::new(
            ErrorKind::DiskFull,
            format!("{}: {:.1} MiB are needed, {:.1} are free", self.folder.display(), mib(needed), mib(free)),
        )
        .help("make room, or give another folder with --into"))
    }

    /// Writes what belongs beside the model, and opens it as any other model.
    ///
    /// A `model.yaml` for the same file stays as it is: somebody may have tuned it.
    pub fn finish(&self, entry: &Entry) -> Result<()> {
        let yaml = self.folder.join(MANIFEST_FILE);
        let own = self.force || !yaml.exists();
        replace(&self.folder.join(LICENCE_FILE), |new| {
            std::fs::write(new, entry.licence_note()).map_err(|error| Error::io(new, error))
        })?;
        if own {
            replace(&yaml, |new| entry.manifest().write(new))?;
        }
        Model::open(&self.folder, &ModelOptions::default()).map(drop).map_err(|error| {
            if !own {
                return error;
            }
            // Nothing is to look usable that is not.
            let _ = std::fs::remove_file(&yaml);
            error.context(format!("the catalogue's settings of {} do not fit its file", entry.name))
        })
    }
}

/// Writes a file under another name first, so that its own name never stands for half of it.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let new = path.with_added_extension("new");
    // Left by a pull that was killed.
    let _ = std::fs::remove_file(&new);
    let done = write(&new).and_then(|()| std::fs::rename(&new, path).map_err(|error| Error::io(path, error)));
    if done.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    done
}

fn in_the_way(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("{} {what}, and is not replaced", path.display()))
        .help("move it away, give another folder with --into, or replace it with --force")
}
