//! The `clips` thread: reads cuts while their packets come, and writes each into a file.
//!
//! A file has a temporary name until it is whole and on disk. What cannot be written is given up and counted; nobody
//! waits for this thread but recorded footage, which does so on purpose.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::counts::{ClipCounts, ClipFate};
use crate::base::{CameraId, Error, ErrorKind, Result};
use crate::media::clip::{ClipFile, ClipTags};
use crate::source::packets::{Break, Cut, CutEnd};
use crate::store::{Draft, Media};

/// Clips that are written at once; events of one camera share one, so this is about a hundred busy cameras.
const MOST_OPEN: usize = 128;
/// Orders and wake-ups that may wait.
const QUEUE: usize = 256;
/// How often growing clips are looked at.
const TICK: Duration = Duration::from_millis(200);

/// A clip to be written.
pub struct ClipOrder {
    /// Whose it is.
    pub camera: CameraId,
    /// File name, as in the event's `clip`.
    pub name: String,
    /// Its packets.
    pub cut: Cut,
    /// What the file says of itself.
    pub tags: ClipTags,
}

enum Message {
    Order(Box<ClipOrder>),
    Wake,
    Close,
}

/// The writer of clips. Dropping it ends every clip with what is there, and waits for that.
pub struct Clips {
    messages: Sender<Message>,
    counts: Arc<ClipCounts>,
    thread: Option<JoinHandle<()>>,
}

impl Clips {
    /// Starts the thread, which writes into `media`.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(media: Media) -> Result<Self> {
        let (messages, queue) = bounded(QUEUE);
        let counts = Arc::new(ClipCounts::default());
        let writer = Writer { media, counts: Arc::clone(&counts), open: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("clips".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the writer of clips").source(e))?;
        Ok(Self { messages, counts, thread: Some(thread) })
    }

    /// Takes an order; gives it up when there are too many.
    pub fn order(&self, order: ClipOrder) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.messages.try_send(Message::Order(Box::new(order)))
        {
            self.counts.add(ClipFate::Busy);
            tracing::warn!("too many clips at once, this one is given up");
        }
    }

    /// What makes the thread look at once.
    #[must_use]
    pub fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let messages = self.messages.clone();
        Box::new(move || {
            // A full queue wakes it as well.
            let _ = messages.try_send(Message::Wake);
        })
    }

    /// What became of clips.
    #[must_use]
    pub fn counts(&self) -> &Arc<ClipCounts> {
        &self.counts
    }
}

impl Drop for Clips {
    fn drop(&mut self) {
        // Fails only when the thread is gone already.
        let _ = self.messages.send(Message::Close);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of clips panicked");
        }
    }
}

struct Writer {
    media: Media,
    counts: Arc<ClipCounts>,
    open: Vec<Growing>,
}

/// A clip that is being written.
struct Growing {
    order: ClipOrder,
    /// None before the first packet.
    file: Option<(ClipFile, Draft)>,
    packets: u64,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut closing = false;
        while !closing || !self.open.is_empty() {
            let first = match self.open.is_empty() {
                true => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false if closing => Err(RecvTimeoutError::Timeout),
                false => messages.recv_timeout(TICK),
            };
            closing |= matches!(first, Err(RecvTimeoutError::Disconnected));
            for message in first.into_iter().chain(messages.try_iter()) {
                match message {
                    Message::Order(order) if self.open.len() < MOST_OPEN => {
                        self.open.push(Growing { order: *order, file: None, packets: 0 });
                    }
                    Message::Order(_) => self.counts.add(ClipFate::Busy),
                    Message::Wake => {}
                    Message::Close => closing = true,
                }
            }
            let (media, counts) = (self.media.clone(), Arc::clone(&self.counts));
            self.open.retain_mut(|growing| match growing.grow(&media, closing) {
                Ok(None) => true,
                Ok(Some(end)) => {
                    growing.report(end, &counts);
                    false
                }
                Err(error) => {
                    growing.fail(&error, &counts);
                    false
                }
            });
        }
    }
}

impl Growing {
    /// Writes what has come; why the clip is over, once the file is on disk.
    fn grow(&mut self, media: &Media, closing: bool) -> Result<Option<CutEnd>> {
        let read = self.order.cut.read();
        for packet in read.packets {
            if self.file.is_none() {
                let draft = media.draft(&self.order.name)?;
                let format = &self.order.cut.cutting().format;
                self.file = Some((ClipFile::create(draft.path(), format, &self.order.tags)?, draft));
            }
            if let Some((file, _)) = &mut self.file {
                file.push(packet)?;
                self.packets += 1;
            }
        }
        let end = read.end.or(closing.then_some(CutEnd::Broken(Break::End)));
        let Some(end) = end else { return Ok(None) };
        let Some((file, draft)) = self.file.take() else {
            return Err(Error::new(ErrorKind::Corrupt, "no packet for the clip"));
        };
        file.finish()?;
        draft.commit()?;
        Ok(Some(end))
    }

    fn report(&self, end: CutEnd, counts: &ClipCounts) {
        let fate = ClipFate::from(end);
        counts.add(fate);
        let ClipOrder { camera, name, .. } = &self.order;
        let (_, reason) = fate.labels();
        match fate {
            ClipFate::Complete | ClipFate::End => {
                tracing::debug!(%camera, clip = name, packets = self.packets, reason, "clip written");
            }
            _ => {
                tracing::warn!(%camera, clip = name, packets = self.packets, reason, "the clip is shorter than wanted");
            }
        }
    }

    fn fail(&self, error: &Error, counts: &ClipCounts) {
        counts.add(ClipFate::of_failure(error.kind()));
        tracing::warn!(camera = %self.order.camera, clip = self.order.name, %error, "no clip");
    }
}
