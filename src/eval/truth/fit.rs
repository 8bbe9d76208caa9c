//! Whether a truth belongs to a clip.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Truth;
use crate::base::{Error, ErrorKind, Result};

/// What was read of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footage {
    /// Pictures decoded.
    pub frames: u64,
    /// Width and height as displayed, pixels.
    pub size: Option<(u32, u32)>,
}

impl Truth {
    /// The truth that may lie beside a clip: `CLIP.truth.json` (the clip's name without its extension), else
    /// `truth.json` in its folder, which may be about another clip: see [`Truth::names`].
    #[must_use]
    pub fn beside(clip: &Path) -> Option<PathBuf> {
        let candidates = [clip.with_extension("truth.json"), clip.parent()?.join("truth.json")];
        candidates.into_iter().find(|path| path.is_file())
    }

    /// Whether the truth is about a clip of this file name, or does not say.
    #[must_use]
    pub fn names(&self, clip: &Path) -> bool {
        self.clip.as_ref().is_none_or(|name| clip.file_name() == Path::new(name).file_name())
    }

    /// Compares the clip's bytes with the truth's checksum, when it has one.
    ///
    /// # Errors
    /// `Corrupt` when they differ; I/O kinds.
    pub fn check_clip(&self, clip: &Path) -> Result<()> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        let found = sha256(clip)?;
        if found == *expected {
            return Ok(());
        }
        let what = format!(
            "{} is not the clip that {} is about: its sha256 is {}…, the truth's {}…",
            clip.display(),
            self.path.display(),
            found.get(..12).unwrap_or(&found),
            expected.get(..12).unwrap_or(expected)
        );
        Err(Error::new(ErrorKind::Corrupt, what).help("take the clip that was made with the truth, or make both again"))
    }

    /// Compares what was decoded with what the truth says of the clip.
    ///
    /// # Errors
    /// `Corrupt` when the size differs or frames are missing or too many.
    pub fn check_footage(&self, footage: &Footage, camera: &str) -> Result<()> {
        let differs = |what: String| {
            Error::new(ErrorKind::Corrupt, format!("camera {camera}: {what}"))
                .help(format!("{} does not fit this footage: give its own truth", self.path.display()))
        };
        if let (Some(expected), Some(found)) = (self.size, footage.size)
            && expected != found
        {
            let what = format!("the picture is {}x{}, the truth's {}x{}", found.0, found.1, expected.0, expected.1);
            return Err(differs(what));
        }
        match self.frames {
            Some(frames) if u64::from(frames) != footage.frames => {
                Err(differs(format!("the footage has {} frames, the truth {frames}", footage.frames)))
            }
            _ => Ok(()),
        }
    }
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(|e| Error::io(path, e))? {
            0 => break,
            n => hash.update(buffer.get(..n).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
