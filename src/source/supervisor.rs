//! One camera's life: dial, run, wait, dial again, with its state and the reason for it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::backoff::{Backoff, Next};
use super::controls::Controls;
use super::packets::PacketRing;
use super::run::{End, Manner, Outcome, run_once};
use super::secret::{self, Waited};
use super::status::{State, StatusCell};
use super::tap::TapParts;
use super::{Knocker, Outlet, Settings, Transport};
use crate::base::{Clock, Error, ErrorKind, MediaTime, Result, RunId, Stop};
use crate::frame::{Account, Stages};

/// What a supervisor is made of.
#[derive(Clone)]
pub struct SupervisorParts {
    /// The camera.
    pub settings: Settings,
    /// Its counters.
    pub account: Arc<Account>,
    /// Its status.
    pub status: Arc<StatusCell>,
    /// CPU time by stage.
    pub stages: Arc<Stages>,
    /// Where frames go.
    pub outlet: Outlet,
    /// Where access units are kept for clips, if they are.
    pub packets: Option<Arc<PacketRing>>,
    /// Whether the stream is decoded; otherwise its access units are only kept.
    pub decode: bool,
    /// Called when a live run has ended and no frame comes until the next; may take its time.
    pub interrupted: Arc<dyn Fn() + Send + Sync>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Shares out connects to cameras that are down.
    pub knocker: Arc<Knocker>,
}

/// A running camera. Dropping it stops the camera.
pub struct Supervisor {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    result: Arc<Mutex<Option<Result<()>>>>,
}

impl Supervisor {
    /// Starts the camera on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(parts: SupervisorParts) -> Result<Self> {
        let stop = Stop::new();
        let result = Arc::new(Mutex::new(None));
        let name = format!("{}-{}", if parts.decode { "cam" } else { "rec" }, parts.settings.camera);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn({
                let (stop, result) = (stop.clone(), Arc::clone(&result));
                move || {
                    let outcome = run(&parts, &stop);
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                }
            })
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start a camera thread").source(e))?;
        Ok(Self { stop, thread: Some(thread), result })
    }

    /// Asks the camera to stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.request();
    }

    /// Whether the camera's thread is done (recordings end by themselves).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the thread; how the recording ended.
    ///
    /// # Errors
    /// What went wrong with the recording; a live camera ends without an error.
    pub fn join(mut self) -> Result<()> {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            return Err(Error::new(ErrorKind::Internal, "a camera thread panicked"));
        }
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Ok(()))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(parts: &SupervisorParts, stop: &Stop) -> Result<()> {
    if parts.settings.location.is_live() {
        run_live(parts, stop);
        return Ok(());
    }
    run_recorded(parts, stop)
}

fn run_recorded(parts: &SupervisorParts, stop: &Stop) -> Result<()> {
    let mut base = MediaTime(0);
    for run in 0..parts.settings.repeat.max(1) {
        let outcome = attempt(parts, &parts.settings, RunId(run), base, Manner::first(Transport::Tcp), stop);
        base = outcome.next_base;
        match outcome.result {
            Ok(End::Finished) => {}
            Ok(End::Stopped) => return Ok(()),
            Err(error) => {
                say(parts, State::Unsupported, &error);
                return Err(error.context(format!("camera {}", parts.settings.camera)));
            }
        }
    }
    parts.status.set(State::Finished, "", parts.clock.as_ref());
    let ledger = parts.account.ledger();
    let (damaged, undecodable) = (ledger.frames.dropped.corrupt, ledger.units.dropped.undecodable);
    if damaged + undecodable > 0 {
        tracing::warn!(
            camera = %parts.settings.camera,
            damaged_pictures = damaged,
            undecodable_units = undecodable,
            "the recording is damaged; these were kept from the detector"
        );
    }
    Ok(())
}

fn run_live(parts: &SupervisorParts, stop: &Stop) {
    let clock = parts.clock.as_ref();
    let started = clock.monotonic();
    let mut settings = parts.settings.clone();
    let mut backoff = Backoff::default();
    let mut manner = Manner::first(settings.transport);
    let mut jitter = Jitter::new();
    let mut run = 0;
    while !stop.requested() {
        let base = MediaTime(i64::try_from((clock.monotonic() - started).as_nanos()).unwrap_or(i64::MAX));
        let outcome = attempt(parts, &settings, RunId(run), base, manner, stop);
        run += 1;
        let error = match outcome.result {
            Ok(End::Stopped) => return,
            Ok(End::Finished) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = error.as_ref().filter(|_| outcome.lived.is_zero()) {
            let before = manner;
            manner = next_manner(before, settings.transport, error, outcome.described);
            if manner != before {
                tracing::info!(camera = %parts.settings.camera, %error, next = ?manner, "trying the other transport or controls");
            }
            // When UDP was refused too, the back-off below decides.
            if before.transport == Transport::Tcp && manner.transport == Transport::Udp {
                continue;
            }
        }
        match &error {
            None => {
                parts.status.set(State::Offline, "the camera ended the stream", clock);
            }
            Some(error) => say(parts, state_after(error, outcome.lived), error),
        }
        if !outcome.lived.is_zero() {
            (parts.interrupted)();
        }
        match backoff.after(outcome.lived, error.as_ref().map(Error::kind), jitter.next()) {
            Next::Dial(pause) => {
                if stop.wait_timeout(pause) {
                    return;
                }
            }
            Next::WaitForSecret(pause) => match secret::wait(settings.credentials.as_mut(), pause, clock, stop) {
                Waited::Stopped => return,
                Waited::Changed => tracing::info!(camera = %parts.settings.camera, "the password file has changed"),
                Waited::Over => {}
            },
            Next::Knock => {
                let Some((host, port)) = parts.settings.location.endpoint() else { return };
                if !parts.knocker.wait_for(&host, port, clock, stop, || jitter.next()) {
                    return;
                }
            }
        }
        // The reason stays until pictures come: a dial may take long, and it is what people ask for.
        parts.status.set(State::Connecting, parts.status.get().reason, clock);
    }
}

/// How to dial after a dial without a picture: by UDP after TCP where both are allowed, then with the other
/// reading of the controls, if the camera came to describe its streams at all.
fn next_manner(manner: Manner, allowed: Transport, error: &Error, described: bool) -> Manner {
    if allowed == Transport::Auto && may_be_the_transport(error) {
        let transport = if manner.transport == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
        if transport == Transport::Udp {
            return Manner { transport, ..manner };
        }
        return Manner { transport, controls: other_controls(manner.controls, described) };
    }
    let refused = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Io);
    Manner { controls: other_controls(manner.controls, described && refused), ..manner }
}

fn other_controls(controls: Controls, wanted: bool) -> Controls {
    match controls {
        Controls::Appended if wanted => Controls::Resolved,
        Controls::Resolved if wanted => Controls::Appended,
        same => same,
    }
}

/// Whether another transport may help. Servers should refuse one by 461, but some say 400, and behind a
/// firewall nothing is said at all; what is no question of transport is excluded instead.
fn may_be_the_transport(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Auth | ErrorKind::NotFound | ErrorKind::Missing)
}

fn attempt(
    parts: &SupervisorParts,
    settings: &Settings,
    run: RunId,
    base: MediaTime,
    manner: Manner,
    stop: &Stop,
) -> Outcome {
    parts.status.run_started();
    let tap = TapParts {
        settings: settings.clone(),
        run,
        base,
        account: Arc::clone(&parts.account),
        stages: Arc::clone(&parts.stages),
        outlet: Arc::clone(&parts.outlet),
        packets: parts.packets.clone(),
        decode: parts.decode,
        clock: Arc::clone(&parts.clock),
    };
    run_once(tap, manner, &parts.status, stop)
}

fn state_after(error: &Error, lived: Duration) -> State {
    match error.kind() {
        ErrorKind::Auth => State::AuthFailed,
        ErrorKind::Unsupported | ErrorKind::Corrupt => State::Unsupported,
        ErrorKind::Io if !lived.is_zero() => State::Stalled,
        _ => State::Offline,
    }
}

fn say(parts: &SupervisorParts, state: State, error: &Error) {
    if parts.status.set(state, error.to_string(), parts.clock.as_ref()) {
        tracing::warn!(camera = %parts.settings.camera, state = state.as_str(), %error, help = error.advice(), "camera");
    }
}

/// Numbers in 0..1 that differ between cameras: the process's random hash keys, stirred (SplitMix64).
struct Jitter(u64);

impl Jitter {
    fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
