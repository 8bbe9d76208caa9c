//! Writing: a recorder per camera fills blocks, one thread puts them into files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::block::{BlockWriter, Sealed};
use super::file::{Header, TrackWriter};
use super::shelf::{Keep, Shelf};
use super::step::Step;
use crate::base::{Clock, Error, ErrorKind, MediaTime, Result};

/// Blocks that may wait for the disk, of all cameras together.
pub const QUEUE: usize = 64;
/// A file spans at most so much media time.
const LONGEST_FILE: Duration = Duration::from_secs(3600);
/// A file holds at most so many bytes, and a block more.
const LARGEST_FILE: u64 = 64 << 20;
/// How often retention is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How long somebody in need of space waits for the writer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a recorder does while the disk is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBehind {
    /// Gives the block up and counts it: cameras.
    GiveUp,
    /// Waits: recordings.
    Wait,
}

/// Settings of [`TrackLog::open`].
pub struct LogOptions {
    /// The folder; created when it is missing.
    pub folder: PathBuf,
    /// What is kept; everything when `None`.
    pub keep: Option<Keep>,
    /// Live or recorded.
    pub when_behind: WhenBehind,
    /// The clocks, for the age of files.
    pub clock: Arc<dyn Clock>,
}

impl LogOptions {
    /// For recordings: everything is kept, and nothing is given up.
    #[must_use]
    pub fn recorded(folder: Option<PathBuf>, clock: &Arc<dyn Clock>) -> Option<Self> {
        folder.map(|folder| Self { folder, keep: None, when_behind: WhenBehind::Wait, clock: Arc::clone(clock) })
    }
}

/// What was written and lost since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Blocks in files.
    pub blocks: u64,
    /// Bytes in files.
    pub bytes: u64,
    /// Steps given up.
    pub lost_steps: u64,
}

#[derive(Debug, Default)]
struct Counters {
    blocks: AtomicU64,
    bytes: AtomicU64,
    lost_steps: AtomicU64,
    first_error: Mutex<Option<Error>>,
}

/// The writer of tracks files. Dropping it closes them; recorders that outlive it lose what they record.
pub struct TrackLog {
    sender: Sender<Job>,
    when_behind: WhenBehind,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Block { header: Arc<Header>, block: Sealed },
    Shed { wanted: u64, freed: Sender<u64> },
    Close,
}

impl TrackLog {
    /// Opens the folder and starts the writer's thread.
    ///
    /// # Errors
    /// When the folder cannot be made, or the thread.
    pub fn open(options: LogOptions) -> Result<Self> {
        let shelf = Shelf::open(&options.folder)?;
        let (sender, jobs) = bounded(QUEUE);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            jobs,
            shelf,
            keep: options.keep,
            swept: options.clock.monotonic(),
            clock: options.clock,
            counters: Arc::clone(&counters),
            files: HashMap::new(),
            failing: false,
        };
        let thread = std::thread::Builder::new()
            .name("tracks".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the writer of tracks").source(e))?;
        Ok(Self { sender, when_behind: options.when_behind, counters, thread: Some(thread) })
    }

    /// Takes down a camera's steps from now on.
    #[must_use]
    pub fn recorder(&self, header: Header) -> Recorder {
        Recorder {
            header: Arc::new(header),
            block: BlockWriter::default(),
            lost: 0,
            sender: self.sender.clone(),
            when_behind: self.when_behind,
            counters: Arc::clone(&self.counters),
        }
    }

    /// What was written and lost.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counters = &self.counters;
        Counts {
            blocks: counters.blocks.load(Relaxed),
            bytes: counters.bytes.load(Relaxed),
            lost_steps: counters.lost_steps.load(Relaxed),
        }
    }

    /// Closes the files; what was written.
    ///
    /// # Errors
    /// Why the first block that was not stored was not; the others are.
    pub fn close(mut self) -> Result<Counts> {
        self.end();
        let failed = self.counters.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or_else(|| Ok(self.counts()), Err)
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A writer that is gone has been told of already.
        let _ = self.sender.send(Job::Close);
        if thread.join().is_err() {
            tracing::error!("the writer of tracks panicked");
        }
    }

    /// Deletes the oldest files until so many bytes are free; how many are.
    #[must_use]
    pub fn shed(&self, wanted: u64) -> u64 {
        let (freed, answer) = bounded(1);
        let asked = self.sender.send(Job::Shed { wanted, freed });
        asked.ok().and_then(|()| answer.recv_timeout(PATIENCE).ok()).unwrap_or(0)
    }
}

impl Drop for TrackLog {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes down one camera's steps. Dropped, it gives its last block away.
pub struct Recorder {
    header: Arc<Header>,
    block: BlockWriter,
    /// Steps given up since the last block that was taken.
    lost: u32,
    sender: Sender<Job>,
    when_behind: WhenBehind,
    counters: Arc<Counters>,
}

impl Recorder {
    /// Takes down a step. Tracks must be on the grid and in order of id, or they come back rounded and sorted.
    pub fn record(&mut self, mut step: Step) {
        if let Step::Frame(frame) = &mut step
            && let Some(tracks) = &mut frame.tracks
            && !tracks.is_sorted_by(|a, b| a.id < b.id)
        {
            tracks.sort_by_key(|track| track.id);
            tracks.dedup_by_key(|track| track.id);
        }
        // A block ends with what ends: then nothing is lost however long the pause is.
        let last = !matches!(step, Step::Frame(_));
        if !self.block.push(step) {
            let steps = std::mem::take(&mut self.block).steps();
            self.give_up(steps);
        } else if last || self.block.is_full() {
            self.send();
        }
    }

    fn send(&mut self) {
        if self.block.steps() == 0 {
            return;
        }
        let block = self.block.seal(std::mem::take(&mut self.lost));
        let (before, steps) = (block.lost(), block.steps);
        let job = Job::Block { header: Arc::clone(&self.header), block };
        let taken = match self.when_behind {
            WhenBehind::Wait => self.sender.send(job).is_ok(),
            WhenBehind::GiveUp => match self.sender.try_send(job) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            },
        };
        if !taken {
            self.lost = before;
            self.give_up(steps);
        }
    }

    fn give_up(&mut self, steps: u32) {
        self.lost = self.lost.saturating_add(steps);
        self.counters.lost_steps.fetch_add(u64::from(steps), Relaxed);
        tracing::warn!(camera = self.header.camera, steps, "tracks given up: the disk does not keep up");
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.send();
    }
}

struct Writer {
    jobs: Receiver<Job>,
    shelf: Shelf,
    keep: Option<Keep>,
    clock: Arc<dyn Clock>,
    swept: Instant,
    counters: Arc<Counters>,
    /// The file being written, by camera.
    files: HashMap<String, Open>,
    /// Whether the last write failed, so that a full disk is told once.
    failing: bool,
}

/// A camera's file.
struct Open {
    session: String,
    header: Header,
    /// Media time of the file's first frame.
    begun: Option<MediaTime>,
    file: Option<TrackWriter>,
    /// Steps that could not be written since the last block that was.
    lost: u32,
}

impl Writer {
    fn run(mut self) {
        self.sweep(0);
        loop {
            match self.jobs.recv_timeout(SWEEP_EVERY) {
                Ok(Job::Block { header, block }) => self.put(&header, block),
                Ok(Job::Shed { wanted, freed }) => {
                    let bytes = self.sweep(wanted);
                    let _ = freed.send(bytes);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.clock.monotonic().saturating_duration_since(self.swept) >= SWEEP_EVERY {
                self.sweep(0);
            }
        }
        for open in std::mem::take(&mut self.files).into_values() {
            close(open.file);
        }
    }

    fn sweep(&mut self, wanted: u64) -> u64 {
        self.swept = self.clock.monotonic();
        let open: Vec<&Path> =
            self.files.values().filter_map(|open| open.file.as_ref().map(TrackWriter::path)).collect();
        self.shelf.sweep(self.keep, wanted, self.clock.utc(), &open)
    }

    fn put(&mut self, header: &Header, mut block: Sealed) {
        let open = self.files.entry(header.camera.clone()).or_insert_with(|| Open::new(header));
        if open.session != header.session {
            close(open.file.take());
            *open = Open::new(header);
        }
        let full = open.begun.zip(block.span).is_some_and(|(begun, (_, until))| until.since(begun) > LONGEST_FILE)
            || open.file.as_ref().is_some_and(|file| file.bytes() >= LARGEST_FILE);
        if full && let Some(file) = open.file.take() {
            close(Some(file));
            open.header.part += 1;
            open.begun = None;
        }
        block.add_lost(open.lost);
        match open.write(&self.shelf, &block) {
            Ok(()) => {
                open.lost = 0;
                open.begun = open.begun.or(block.span.map(|(since, _)| since));
                self.failing = false;
                self.counters.blocks.fetch_add(1, Relaxed);
                self.counters.bytes.fetch_add(block.bytes.len() as u64, Relaxed);
            }
            Err(error) => {
                open.lost = open.lost.saturating_add(block.steps);
                self.counters.lost_steps.fetch_add(u64::from(block.steps), Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(camera = header.camera, %error, help = error.advice(), "tracks are not stored");
                }
                self.counters.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
        if full {
            self.sweep(0);
        }
    }
}

impl Open {
    fn new(header: &Header) -> Self {
        Self { session: header.session.clone(), header: header.clone(), begun: None, file: None, lost: 0 }
    }

    fn write(&mut self, shelf: &Shelf, block: &Sealed) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let path = shelf.place(&self.header, block.first)?;
                self.file.insert(TrackWriter::create(&path, &self.header)?)
            }
        };
        file.add(&block.bytes)
    }
}

fn close(file: Option<TrackWriter>) {
    if let Some(Err(error)) = file.map(TrackWriter::close) {
        tracing::warn!(%error, "the newest tracks may not survive a power cut");
    }
}
