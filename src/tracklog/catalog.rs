//! Which tracks files there are, and in what order they follow each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::EXTENSION;
use super::file::{Header, TrackFile};
use crate::base::{Error, ErrorKind, Result, Timestamp};

/// Deeper folders are not looked into.
const DEEPEST: usize = 4;

/// Files of one camera whose track ids belong together, in order.
#[derive(Debug, Clone)]
pub struct Session {
    /// The header of its first file.
    pub header: Header,
    /// Capture times of its first and its last frame.
    pub period: (Timestamp, Timestamp),
    /// Part and path of each file.
    pub files: Vec<(u32, PathBuf)>,
}

/// All sessions in these files and folders, in order of camera and time. Files without a whole block are left out.
///
/// # Errors
/// `NotFound` when there is no tracks file at all; a named file that is none; as [`TrackFile::open`].
pub fn find(paths: &[PathBuf]) -> Result<Vec<Session>> {
    let mut files = Vec::new();
    for path in paths {
        let found = files.len();
        if path.is_dir() {
            list(path, 0, &mut files)?;
            if files.len() == found {
                return Err(Error::new(ErrorKind::NotFound, format!("{}: no tracks file in it", path.display()))
                    .help("store tracks with a `tracks:` section in the pipeline, or with `vantage replay --tracks`"));
            }
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    let mut sessions: BTreeMap<(String, String), Session> = BTreeMap::new();
    for path in files {
        let file = TrackFile::open(&path)?;
        let header = file.header().clone();
        let Some(period) = file.period()? else { continue };
        let key = (header.camera.clone(), header.session.clone());
        let part = header.part;
        let session = sessions.entry(key).or_insert_with(|| Session { header, period, files: Vec::new() });
        session.period = (session.period.0.min(period.0), session.period.1.max(period.1));
        session.files.push((part, path));
    }
    let mut sessions: Vec<Session> = sessions.into_values().collect();
    for session in &mut sessions {
        session.files.sort();
    }
    sessions.sort_by(|a, b| (&a.header.camera, a.period).cmp(&(&b.header.camera, b.period)));
    Ok(sessions)
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        if path.is_dir() && depth < DEEPEST {
            list(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    Ok(())
}
