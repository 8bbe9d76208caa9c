//! The thread that keeps incidents up with events: behind the store, in nobody's way.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::{Error, ErrorKind, Result, Stop};
use crate::store::IncidentWriter;

/// How often new events are looked for.
const TICK: Duration = Duration::from_millis(200);
/// After a failure: the disk needs time.
const PAUSE: Duration = Duration::from_secs(5);

/// Stops the thread and waits for it when dropped; what is durable by then is in the incidents.
pub struct Incidents {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread.
///
/// # Errors
/// `Io` when no thread can be made.
pub fn start(mut writer: IncidentWriter) -> Result<Incidents> {
    let stop = Stop::new();
    let stopped = stop.clone();
    let thread = std::thread::Builder::new()
        .name("incidents".to_owned())
        .spawn(move || {
            loop {
                let last = stopped.requested();
                match catch_up(&mut writer, &stopped, last) {
                    Ok(()) if last => return,
                    Ok(()) => drop(stopped.wait_timeout(TICK)),
                    Err(error) => {
                        tracing::warn!(%error, "incidents fall behind the events; trying again");
                        if last || stopped.wait_timeout(PAUSE) {
                            return;
                        }
                    }
                }
            }
        })
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the incident thread").source(e))?;
    Ok(Incidents { stop, thread: Some(thread) })
}

/// Takes in what there is; at the end of the program all of it.
fn catch_up(writer: &mut IncidentWriter, stopped: &Stop, last: bool) -> Result<()> {
    while writer.step()? {
        if stopped.requested() && !last {
            break;
        }
    }
    Ok(())
}

impl Drop for Incidents {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the incident thread panicked");
        }
    }
}
