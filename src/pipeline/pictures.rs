//! Single pictures out of a recording: the camera's own source and decoder, and nothing behind them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::camera;
use crate::base::time::SystemClock;
use crate::base::{Error, ErrorKind, MediaTime, Result};
use crate::config::{Address, CameraPlan};
use crate::frame::{Account, Frame, Stages};
use crate::source::{self, Knocker, Location, Settings, StatusCell, Supervisor, SupervisorParts};

/// Media times are rounded when they become seconds in a file: a picture this little earlier is the one meant.
const ROUNDING: Duration = Duration::from_millis(2);

/// What is called with (place in the list of moments, the picture).
pub type Taker = Box<dyn FnMut(usize, &Frame) + Send>;

/// How a camera's recording is read, as its plan says.
///
/// # Errors
/// `Usage` when the camera has no recording.
pub fn recording(plan: &CameraPlan) -> Result<Settings> {
    match plan.analysis {
        Address::File(_) => Ok(camera::settings(plan, &plan.analysis, 1)),
        Address::Network { .. } => {
            Err(Error::new(ErrorKind::Usage, format!("camera {}: {} is no recording", plan.id, plan.analysis.shown())))
        }
    }
}

/// Shows `take` the first picture at or after each moment of `moments`, which lie in any order; a moment after
/// the last picture gets none. Decodes no further than needed.
///
/// # Errors
/// The recording cannot be read.
pub fn pictures_at(settings: Settings, moments: &[MediaTime], take: Taker) -> Result<()> {
    let path = match &settings.location {
        Location::File(path) => path.display().to_string(),
        Location::Rtsp(_) | Location::HttpMjpeg(_) => {
            return Err(Error::new(ErrorKind::Usage, format!("camera {}: no recording", settings.camera)));
        }
    };
    source::init()?;
    let mut wanted: Vec<(MediaTime, usize)> = moments.iter().copied().zip(0..).collect();
    // The earliest last, to be taken off the end.
    wanted.sort_by(|a, b| b.cmp(a));
    let wanted = Arc::new(Mutex::new(wanted));
    let account = Arc::new(Account::default());
    let outlet: source::Outlet = {
        let (wanted, account) = (Arc::clone(&wanted), Arc::clone(&account));
        let take = Mutex::new(take);
        Arc::new(move |frame| {
            let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some((_, index)) = wanted.pop_if(|(moment, _)| *moment <= frame.at + ROUNDING) {
                take.lock().unwrap_or_else(PoisonError::into_inner)(index, &frame);
            }
            account.frame_detected();
            true
        })
    };
    let status = Arc::new(StatusCell::default());
    let supervisor = Supervisor::start(SupervisorParts {
        settings,
        account: Arc::clone(&account),
        status,
        stages: Arc::new(Stages::default()),
        outlet,
        packets: None,
        decode: true,
        interrupted: Arc::new(|| {}),
        clock: Arc::new(SystemClock),
        knocker: Arc::new(Knocker::default()),
    })?;
    while !supervisor.is_finished() && !wanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    supervisor.request_stop();
    supervisor.join().map_err(|error| error.context(&path))?;
    if account.ledger().frames.decoded == 0 && !moments.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{path}: no picture can be decoded")));
    }
    Ok(())
}
