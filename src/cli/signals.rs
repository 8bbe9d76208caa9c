//! Signals as values: stop, stop at once, reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::signal::unix::{SignalKind, signal};

use crate::base::{Error, ErrorKind, Result, Stop};

/// Listens on `runtime`: the first SIGTERM or SIGINT requests the stop, the second ends the process at
/// once; SIGHUP sets the flag that [`Signals::take_reload`] takes.
pub struct Signals {
    /// Requested by SIGTERM and SIGINT.
    pub stop: Stop,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Starts listening.
    pub fn listen(runtime: &tokio::runtime::Handle) -> Result<Self> {
        let signals = Self { stop: Stop::new(), reload: Arc::new(AtomicBool::new(false)) };
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).map_err(|e| Error::new(ErrorKind::Io, "cannot listen for signals").source(e));
        let (mut term, mut int, mut hup) =
            (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?, watch(SignalKind::hangup())?);
        let (stop, reload) = (signals.stop.clone(), Arc::clone(&signals.reload));
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                    _ = hup.recv() => { reload.store(true, Relaxed); continue; }
                }
                if stop.requested() {
                    std::process::exit(130);
                }
                tracing::info!("stopping; a second signal ends the program at once");
                stop.request();
            }
        });
        Ok(signals)
    }

    /// Whether a reload was asked for since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Relaxed)
    }
}
