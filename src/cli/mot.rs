//! MOTChallenge rows, the text that trackers and detectors are compared by:
//! `frame,id,x,y,w,h,score,class,-1,-1`, frames from 1, boxes in pixels of the displayed picture.
//! A detection has no identity and carries -1 there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::base::{Error, Result, TrackId};
use crate::frame::Frame;
use crate::scene::{ClassId, Detection, NormBox, Track};

/// A file of rows.
#[derive(Debug)]
pub struct MotFile {
    path: PathBuf,
    /// The writer, or why there is none any more: rows after a failed one are not written.
    file: Mutex<io::Result<BufWriter<File>>>,
}

/// One object in one frame.
#[derive(Debug)]
pub struct Row {
    id: Option<TrackId>,
    bbox: NormBox,
    score: f32,
    class: ClassId,
}

impl From<&Track> for Row {
    fn from(track: &Track) -> Self {
        Self { id: Some(track.id), bbox: track.bbox, score: track.score, class: track.class }
    }
}

impl From<&Detection> for Row {
    fn from(detection: &Detection) -> Self {
        Self { id: None, bbox: detection.bbox, score: detection.score, class: detection.class }
    }
}

impl MotFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// I/O kinds.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(Ok(BufWriter::new(file))) })
    }

    /// Adds the rows of one frame. What goes wrong shows in [`Self::close`].
    pub fn add(&self, frame: &Frame, rows: impl IntoIterator<Item = Row>) {
        let (width, height) = frame.picture.displayed_size();
        let mut state = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(file) = &mut *state else { return };
        let written =
            rows.into_iter().try_for_each(|row| row.write(file, frame.seq.0 + 1, (width as f32, height as f32)));
        if let Err(error) = written {
            *state = Err(error);
        }
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// Why the file is not complete.
    pub fn close(&self) -> Result<()> {
        let closed = Err(io::Error::other("the file is closed"));
        let file = std::mem::replace(&mut *self.file.lock().unwrap_or_else(PoisonError::into_inner), closed);
        file.and_then(|mut file| file.flush()).map_err(|e| Error::io(&self.path, e))
    }
}

impl Row {
    /// `frame` counts from 1; `size` is that of the displayed picture, pixels.
    fn write(&self, file: &mut impl Write, frame: u64, (width, height): (f32, f32)) -> io::Result<()> {
        write!(file, "{frame},")?;
        match self.id {
            Some(id) => write!(file, "{id},")?,
            None => write!(file, "-1,")?,
        }
        writeln!(
            file,
            "{:.2},{:.2},{:.2},{:.2},{:.4},{},-1,-1",
            self.bbox.x1 * width,
            self.bbox.y1 * height,
            self.bbox.width() * width,
            self.bbox.height() * height,
            self.score,
            self.class
        )
    }
}
