//! One picture of a camera or a recording, by the pipeline's own source and nothing behind it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::camera::settings;
use crate::base::{Clock, Error, ErrorKind, Result};
use crate::config::CameraPlan;
use crate::frame::still::Snapshot;
use crate::frame::{Account, Stages};
use crate::source::{self, Knocker, Outlet, State, StatusCell, Supervisor, SupervisorParts};

/// How long the first picture may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// The first picture, as displayed, at most `width` pixels wide.
///
/// # Errors
/// Why none came.
pub fn peek(plan: &CameraPlan, width: usize, clock: &Arc<dyn Clock>) -> Result<Snapshot> {
    source::init()?;
    let taken: Arc<Mutex<Option<Result<Snapshot>>>> = Arc::default();
    let (account, status) = (Arc::new(Account::default()), Arc::new(StatusCell::default()));
    let outlet: Outlet = {
        let (taken, account) = (Arc::clone(&taken), Arc::clone(&account));
        Arc::new(move |frame| {
            let snapshot = frame.picture.read(|planes| Snapshot::take(planes, width)).and_then(|taken| taken);
            account.frame_detected();
            taken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(snapshot);
            false
        })
    };
    let begun = clock.monotonic();
    let supervisor = Supervisor::start(SupervisorParts {
        settings: settings(plan, &plan.analysis, 1),
        account,
        status: Arc::clone(&status),
        stages: Arc::new(Stages::default()),
        outlet,
        packets: None,
        decode: true,
        interrupted: Arc::new(|| {}),
        clock: Arc::clone(clock),
        knocker: Arc::new(Knocker::default()),
    })?;
    let has_one = || taken.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    while !has_one() && !supervisor.is_finished() && clock.monotonic() - begun < PATIENCE {
        if !matches!(status.get().state, State::Connecting | State::Live | State::Finished) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    supervisor.request_stop();
    let ended = supervisor.join();
    let first = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (first, ended) {
        (Some(snapshot), _) => snapshot,
        (None, Err(error)) => Err(error),
        (None, Ok(())) => {
            Err(Error::new(ErrorKind::Corrupt, format!("camera {}: no picture came", plan.id))
                .help(status.get().reason))
        }
    }
}
