//! The `media-sweeper` thread: deletes stills and clips, so that nobody else ever waits for that.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::media::Media;
use crate::base::{Error, ErrorKind, Result, Stop};

/// How often the free space is looked at when nobody asks.
const LOOK: Duration = Duration::from_secs(5);

/// The running thread; dropping it ends it after the step in progress.
pub(super) struct Sweeper {
    stop: Stop,
    nudge: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Starts it; it looks at `media` at every nudge, and every few seconds.
    pub(super) fn start(media: Media, (nudge, nudges): (Sender<()>, Receiver<()>), every: Duration) -> Result<Self> {
        let stop = Stop::new();
        let thread = std::thread::Builder::new()
            .name("media-sweeper".to_owned())
            .spawn({
                let stop = stop.clone();
                move || run(&media, &nudges, every.min(LOOK), &stop)
            })
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the thread that deletes media").source(e))?;
        Ok(Self { stop, nudge, thread: Some(thread) })
    }
}

fn run(media: &Media, nudges: &Receiver<()>, every: Duration, stop: &Stop) {
    while !stop.requested() {
        while media.sweep_step() && !stop.requested() {}
        // Whether nudged or not, it looks again.
        let _ = nudges.recv_timeout(every);
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop.request();
        // Full: it is awake already.
        let _ = self.nudge.try_send(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that deletes media panicked");
        }
    }
}
