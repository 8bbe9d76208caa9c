//! Single pictures of a camera or out of a recording: the camera's own source and decoder, and nothing behind them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::camera;
use crate::base::{Clock, Error, ErrorKind, MediaTime, Result};
use crate::config::{Address, CameraPlan};
use crate::frame::still::Snapshot;
use crate::frame::{Account, Frame, Stages};
use crate::source::{self, Knocker, Location, Settings, State, StatusCell, Supervisor, SupervisorParts};

/// Media times are rounded when they become seconds in a file: a picture this little earlier is the one meant.
const ROUNDING: Duration = Duration::from_millis(2);
/// How long a camera's first picture may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often somebody looks whether the last wanted picture has come.
const POLL: Duration = Duration::from_millis(5);

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

/// The first picture, as displayed, at most `width` pixels wide.
///
/// # Errors
/// Why none came.
pub fn first_picture(plan: &CameraPlan, width: usize, clock: &Arc<dyn Clock>) -> Result<Snapshot> {
    let taken: Arc<Mutex<Option<Result<Snapshot>>>> = Arc::default();
    let take = {
        let taken = Arc::clone(&taken);
        move |frame: &Frame| {
            let snapshot = frame.picture.read(|planes| Snapshot::take(planes, width)).and_then(|taken| taken);
            lock(&taken).get_or_insert(snapshot);
            false
        }
    };
    let begun = clock.monotonic();
    let alone = Alone::start(camera::settings(plan, &plan.analysis, 1), clock, take)?;
    while lock(&taken).is_none() && clock.monotonic() - begun < PATIENCE && alone.goes_on() {
        std::thread::sleep(POLL);
    }
    let ended = alone.stop();
    match (lock(&taken).take(), ended) {
        (Some(snapshot), _) => snapshot,
        (None, Err(error)) => Err(error),
        (None, Ok(Seen { reason, .. })) => {
            Err(Error::new(ErrorKind::Corrupt, format!("camera {}: no picture came", plan.id)).help(reason))
        }
    }
}

/// Shows `take` the first picture at or after each moment of `moments`, with the moment's place in the list. Moments lie in
/// any order; one after the last picture gets none. Decodes no further than needed.
///
/// # Errors
/// The recording cannot be read.
pub fn pictures_at(
    settings: Settings,
    moments: &[MediaTime],
    clock: &Arc<dyn Clock>,
    mut take: impl FnMut(usize, &Frame) + Send + 'static,
) -> Result<()> {
    let path = match &settings.location {
        Location::File(path) => path.display().to_string(),
        Location::Rtsp(_) | Location::HttpMjpeg(_) => {
            return Err(Error::new(ErrorKind::Usage, format!("camera {}: no recording", settings.camera)));
        }
    };
    let mut wanted: Vec<(MediaTime, usize)> = moments.iter().copied().zip(0..).collect();
    // The earliest last, to be taken off the end.
    wanted.sort_by(|a, b| b.cmp(a));
    let wanted = Arc::new(Mutex::new(wanted));
    let show = {
        let wanted = Arc::clone(&wanted);
        move |frame: &Frame| {
            let mut wanted = lock(&wanted);
            while let Some((_, index)) = wanted.pop_if(|(moment, _)| *moment <= frame.at + ROUNDING) {
                take(index, frame);
            }
            true
        }
    };
    let alone = Alone::start(settings, clock, show)?;
    while !alone.supervisor.is_finished() && !lock(&wanted).is_empty() {
        std::thread::sleep(POLL);
    }
    let Seen { pictures, .. } = alone.stop().map_err(|error| error.context(&path))?;
    if pictures == 0 && !moments.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{path}: no picture can be decoded")));
    }
    Ok(())
}

/// A source that nothing but one function looks at.
struct Alone {
    supervisor: Supervisor,
    account: Arc<Account>,
    status: Arc<StatusCell>,
}

/// What it was when it ended.
struct Seen {
    pictures: u64,
    reason: String,
}

impl Alone {
    /// `look` sees every picture, and says whether it wants more.
    fn start(
        settings: Settings,
        clock: &Arc<dyn Clock>,
        look: impl FnMut(&Frame) -> bool + Send + 'static,
    ) -> Result<Self> {
        source::init()?;
        let (account, status) = (Arc::new(Account::default()), Arc::new(StatusCell::default()));
        let outlet: source::Outlet = {
            let (account, look) = (Arc::clone(&account), Mutex::new(look));
            Arc::new(move |frame| {
                let more = lock(&look)(&frame);
                account.frame_detected();
                more
            })
        };
        let supervisor = Supervisor::start(SupervisorParts {
            settings,
            account: Arc::clone(&account),
            status: Arc::clone(&status),
            stages: Arc::new(Stages::default()),
            outlet,
            packets: None,
            decode: true,
            interrupted: Arc::new(|| {}),
            clock: Arc::clone(clock),
            knocker: Arc::new(Knocker::default()),
        })?;
        Ok(Self { supervisor, account, status })
    }

    /// Neither ended nor failed in a way that it would try again after.
    fn goes_on(&self) -> bool {
        let state = self.status.get().state;
        !self.supervisor.is_finished() && matches!(state, State::Connecting | State::Live | State::Finished)
    }

    fn stop(self) -> Result<Seen> {
        self.supervisor.request_stop();
        self.supervisor.join()?;
        Ok(Seen { pictures: self.account.ledger().frames.decoded, reason: self.status.get().reason })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
