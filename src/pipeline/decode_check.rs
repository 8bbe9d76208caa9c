//! A short decode of a camera or a recording, for the camera doctor: the pipeline's own source and
//! nothing behind it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::base::time::SystemClock;
use crate::base::{CameraId, Clock, ErrorKind, Secret, TimeSource};
use crate::frame::{Account, Stage, Stages};
use crate::source::{
    self, Credentials, Knocker, Location, Settings, State, StatusCell, Supervisor, SupervisorParts, TlsTrust, Transport,
};

/// What decoding a little showed.
#[derive(Debug, Clone, Serialize)]
pub struct DecodeCheck {
    /// Displayed width, pixels.
    pub width: usize,
    /// Displayed height, pixels.
    pub height: usize,
    /// Pictures decoded.
    pub pictures: u64,
    /// Pictures kept back as damaged.
    pub damaged: u64,
    /// Over how long, by their own times.
    pub seconds: f64,
    /// Their rate.
    pub fps: f64,
    /// What one costs.
    pub cpu_ms_per_picture: f64,
    /// Where capture times come from.
    pub time_source: String,
    /// Why there is nothing.
    pub error: Option<String>,
    /// Its kind.
    #[serde(skip)]
    pub error_kind: Option<ErrorKind>,
}

#[derive(Default)]
struct Seen {
    size: (usize, usize),
    first: Option<crate::base::MediaTime>,
    last: Option<crate::base::MediaTime>,
    pictures: u64,
    source: Option<TimeSource>,
}

/// Decodes for `length` after the first picture, or up to the end of a recording.
#[must_use]
pub fn decode_check(
    location: &Location,
    credentials: Option<(String, Secret)>,
    tls: TlsTrust,
    length: Duration,
) -> DecodeCheck {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (account, status, stages) =
        (Arc::new(Account::default()), Arc::new(StatusCell::default()), Arc::new(Stages::default()));
    let mut settings = Settings::new(CameraId::new("probe"), location.clone());
    settings.credentials =
        credentials.map(|(username, password)| Credentials { username, password, password_file: None });
    settings.tls = tls;
    settings.transport = Transport::Auto;
    let outlet: source::Outlet = {
        let (seen, account) = (Arc::clone(&seen), Arc::clone(&account));
        Arc::new(move |frame| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.size = frame.picture.displayed_size();
            seen.first.get_or_insert(frame.at);
            seen.last = Some(frame.at);
            seen.pictures += 1;
            seen.source = Some(frame.capture.source);
            account.frame_detected();
            true
        })
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let begun = clock.monotonic();
    let started = source::init().and_then(|()| {
        Supervisor::start(SupervisorParts {
            settings,
            account: Arc::clone(&account),
            status: Arc::clone(&status),
            stages: Arc::clone(&stages),
            outlet,
            packets: None,
            decode: true,
            interrupted: Arc::new(|| {}),
            clock: Arc::clone(&clock),
            knocker: Arc::new(Knocker::default()),
        })
    });
    let mut error = started.as_ref().err().map(|e| (e.to_string(), e.kind()));
    if let Ok(supervisor) = started {
        let patience = Duration::from_secs(12);
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let (pictures, covered) = {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let covered = seen.last.zip(seen.first).map(|(last, first)| last.since(first));
                (seen.pictures, covered.unwrap_or_default())
            };
            let failed = !matches!(status.get().state, State::Connecting | State::Live | State::Finished);
            let waited = clock.monotonic() - begun;
            if supervisor.is_finished() || covered >= length || failed || (pictures == 0 && waited > patience) {
                break;
            }
        }
        supervisor.request_stop();
        if let Err(failed) = supervisor.join() {
            error = Some((failed.to_string(), failed.kind()));
        }
    }
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.pictures == 0 && error.is_none() {
        let reason = status.get().reason;
        let reason = if reason.is_empty() { "no picture came".to_owned() } else { reason };
        error = Some((reason, ErrorKind::Corrupt));
    }
    let seconds = seen.last.zip(seen.first).map_or(0.0, |(last, first)| last.seconds_since(first));
    let decoded = account.ledger().frames.decoded;
    DecodeCheck {
        width: seen.size.0,
        height: seen.size.1,
        pictures: decoded,
        damaged: account.ledger().frames.dropped.corrupt,
        seconds,
        fps: if seconds > 0.0 { (seen.pictures - 1) as f64 / seconds } else { 0.0 },
        cpu_ms_per_picture: stages.get(Stage::Decode).as_secs_f64() * 1e3 / decoded.max(1) as f64,
        time_source: seen.source.map_or_else(|| "nowhere".to_owned(), |s| format!("{s:?}")),
        error: error.as_ref().map(|(text, _)| text.clone()),
        error_kind: error.map(|(_, kind)| kind),
    }
}
