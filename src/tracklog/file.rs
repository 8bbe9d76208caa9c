//! A tracks file: a magic word, a header, blocks.
//!
//! ```text
//! "VTRACKS1"  then chunks: length u32 · CRC-32 u32 · bytes   (little-endian; CRC-32 as in zlib)
//! chunk 0     the header, JSON
//! chunk 1…    blocks (`block`)
//! ```
//! A chunk that is cut off or damaged with nothing sound after it is a torn end: a crash's work. One with sound
//! chunks after it is damage, and an error.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::block::{self, BlockHead};
use super::step::Step;
use crate::base::{Error, ErrorKind, Result, Timestamp};

const MAGIC: &[u8; 8] = b"VTRACKS1";
/// No chunk is longer; what claims to be is damage.
const LONGEST: u32 = 4 << 20;
/// The version of steps and header that this program writes and reads.
const VERSION: u32 = 1;

/// What all tracks of a file share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the contents.
    version: u32,
    /// The camera's id.
    pub camera: String,
    /// What the ids of the events hung on besides the plan: the recording's fingerprint, or a start of the program.
    /// Track ids are unique within a session.
    pub session: String,
    /// Place of this file within its session, from 0.
    pub part: u32,
    /// SHA-256 of the model file, hexadecimal.
    pub model: String,
    /// SHA-256 of the plan that was in force, hexadecimal.
    pub pipeline: String,
    /// The model's class names, in order.
    pub labels: Vec<String>,
}

impl Header {
    /// The header of a session's first file.
    #[must_use]
    pub fn new(camera: &str, session: &str, model: &str, pipeline: &str, labels: &[String]) -> Self {
        Self {
            version: VERSION,
            camera: camera.to_owned(),
            session: session.to_owned(),
            part: 0,
            model: model.to_owned(),
            pipeline: pipeline.to_owned(),
            labels: labels.to_vec(),
        }
    }
}

/// A file being written.
#[derive(Debug)]
pub(super) struct TrackWriter {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl TrackWriter {
    /// Makes the file, which must not exist.
    pub(super) fn create(path: &Path, header: &Header) -> Result<Self> {
        let file = File::create_new(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Busy, format!("{} exists already", path.display()))
                    .help("these tracks are stored already: remove the file, or name another folder")
            }
            _ => Error::io(path, e),
        })?;
        let json = serde_json::to_vec(header)
            .map_err(|e| Error::new(ErrorKind::Internal, "a tracks header is no JSON").source(e))?;
        let mut writer = Self { path: path.to_owned(), file, bytes: 0 };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(chunk(&json));
        writer.write(&bytes)?;
        Ok(writer)
    }

    /// Adds a block, by one write: a kill leaves it whole or cut off at the end.
    pub(super) fn add(&mut self, block: &[u8]) -> Result<()> {
        self.write(&chunk(block))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A block that is half there would hide the ones after it.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(Error::io(&self.path, error));
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the file go, once it is on disk.
    pub(super) fn close(self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, e))
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(8 + bytes.len());
    chunk.extend((bytes.len() as u32).to_le_bytes());
    chunk.extend(crc32fast::hash(bytes).to_le_bytes());
    chunk.extend(bytes);
    chunk
}

/// Some seconds of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Frames that were given up before it, because the disk did not keep up.
    pub lost: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A file being read, block by block.
#[derive(Debug)]
pub struct TrackFile {
    path: PathBuf,
    header: Header,
    file: BufReader<File>,
    length: u64,
    at: u64,
    torn_bytes: u64,
}

impl TrackFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// `NotFound`, `Permission`, `Io`; `Corrupt` for what is no tracks file or has a damaged header;
    /// `Unsupported` for one of a newer release.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let mut file = BufReader::new(file);
        let no = |why: &str| {
            Error::new(ErrorKind::Corrupt, format!("{}: {why}", path.display()))
                .help("name a file that `tracks:` of a pipeline, or `vantage replay --tracks`, wrote")
        };
        let mut magic = [0; 8];
        let begins = file.read_exact(&mut magic);
        if begins.is_err() || magic != *MAGIC {
            return Err(no("is no tracks file"));
        }
        let mut opened = Self {
            path: path.to_owned(),
            header: Header::new("", "", "", "", &[]),
            file,
            length,
            at: MAGIC.len() as u64,
            torn_bytes: 0,
        };
        let json = opened.chunk()?.ok_or_else(|| no("its header is cut off"))?;
        let header: Header = serde_json::from_slice(&json).map_err(|e| no("its header is damaged").source(e))?;
        if header.version != VERSION {
            let what = format!("{}: tracks of version {}", path.display(), header.version);
            return Err(Error::new(ErrorKind::Unsupported, what).help("this program reads version 1"));
        }
        opened.header = header;
        Ok(opened)
    }

    /// What its tracks share.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes at its end that are no whole block; known once [`Self::next_block`] gave none. 0 for a file that was
    /// not torn.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The next block; none at the end, torn or not.
    ///
    /// # Errors
    /// `Corrupt` when a block in the middle is damaged, `Io` when it cannot be read.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let Some(bytes) = self.chunk()? else { return Ok(None) };
        let head = BlockHead::read(&bytes);
        let steps = block::read(&bytes);
        match (head, steps) {
            (Some(head), Some(steps)) => Ok(Some(Block { lost: head.lost, steps })),
            _ => Err(self.damaged(self.at)),
        }
    }

    /// Capture time of the first and the last frame, without reading all. None when no block is whole.
    ///
    /// # Errors
    /// As [`Self::next_block`].
    pub fn period(mut self) -> Result<Option<(Timestamp, Timestamp)>> {
        let mut period: Option<(Timestamp, Timestamp)> = None;
        while let Some(bytes) = self.chunk()? {
            let head = BlockHead::read(&bytes).ok_or_else(|| self.damaged(self.at))?;
            let (first, last) = period.unwrap_or((head.first, head.last));
            period = Some((first.min(head.first), last.max(head.last)));
        }
        Ok(period)
    }

    /// The next chunk, none at the end.
    fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        if self.at >= self.length {
            return Ok(None);
        }
        match self.sound_chunk(self.at)? {
            Some((bytes, next)) => {
                self.at = next;
                Ok(Some(bytes))
            }
            None if self.is_torn()? => {
                self.torn_bytes = self.length - self.at;
                self.at = self.length;
                Ok(None)
            }
            None => Err(self.damaged(self.at)),
        }
    }

    /// The chunk at `at` and where it ends; none when it is not sound.
    fn sound_chunk(&mut self, at: u64) -> Result<Option<(Vec<u8>, u64)>> {
        let io = |e| Error::io(&self.path, e);
        let left = self.length.saturating_sub(at);
        let mut head = [0; 8];
        if left < head.len() as u64 {
            return Ok(None);
        }
        if self.file.stream_position().map_err(io)? != at {
            self.file.seek(SeekFrom::Start(at)).map_err(io)?;
        }
        self.file.read_exact(&mut head).map_err(io)?;
        let [a, b, c, d, e, f, g, h] = head;
        let (length, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if length == 0 || length > LONGEST || u64::from(length) > left - 8 {
            return Ok(None);
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(io)?;
        let sound = crc32fast::hash(&bytes) == sum;
        Ok(sound.then(|| (bytes, at + 8 + u64::from(length))))
    }

    /// Whether no sound chunk follows a broken one: its length, if it still tells the truth, leads to the next.
    fn is_torn(&mut self) -> Result<bool> {
        let io = |e| Error::io(&self.path, e);
        if self.length - self.at < 8 {
            return Ok(true);
        }
        let mut length = [0; 4];
        self.file.seek(SeekFrom::Start(self.at)).map_err(io)?;
        self.file.read_exact(&mut length).map_err(io)?;
        let next = self.at + 8 + u64::from(u32::from_le_bytes(length));
        Ok(next >= self.length || self.sound_chunk(next)?.is_none())
    }

    fn damaged(&self, at: u64) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{}: damaged before byte {at}", self.path.display()))
            .help("take a copy from a backup, or leave this file out")
    }
}
