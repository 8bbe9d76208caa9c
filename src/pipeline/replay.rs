//! Recorded footage through the whole pipeline: lossless, in virtual time, with a digest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::engine::{CameraReport, Engine, EngineParts};
use super::evidence::{Clips, Stills};
use super::mode::Mode;
use super::output::{Observed, Output, Still};
use crate::base::{CameraId, Clock, Error, ErrorKind, Result};
use crate::config::{Address, Plan};
use crate::frame::WhenFull;
use crate::infer::Runtime;
use crate::scene::Event;
use crate::store::Media;
use crate::tracklog::{LogOptions, TrackLog};

/// What a replay found.
#[derive(Debug)]
pub struct Replayed {
    /// All events in order of time, then camera, then the order they came in.
    pub events: Vec<Event>,
    /// SHA-256 over the events' JSON lines, hexadecimal: equal digests mean equal bytes.
    pub digest: String,
    /// What else the bytes hang on.
    pub made_with: MadeWith,
    /// Each camera's counters and how its recording ended.
    pub cameras: Vec<(CameraReport, Result<()>)>,
}

/// What the results of inference hang on besides footage and settings: where all of this is equal, digests are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MadeWith {
    /// This program's version.
    pub vantage: String,
    /// The processor's architecture and vector extensions.
    pub cpu: String,
    /// Version of ONNX Runtime.
    pub onnx_runtime: String,
    /// SHA-256 of each model, by its name in the pipeline file.
    pub models: BTreeMap<String, String>,
    /// SHA-256 of the plan.
    pub pipeline: String,
}

impl std::fmt::Display for MadeWith {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "vantage {}, {}, ONNX Runtime {}", self.vantage, self.cpu, self.onnx_runtime)?;
        for (name, sha256) in &self.models {
            write!(f, ", model {name} sha256:{sha256}")?;
        }
        write!(f, ", pipeline sha256:{}", self.pipeline)
    }
}

/// Progress of a replay.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Progress {
    /// Frames observed.
    pub frames: u64,
    /// Events so far.
    pub events: u64,
}

/// Collects what the tails give.
#[derive(Default)]
struct Collector {
    events: Mutex<BTreeMap<CameraId, Vec<Event>>>,
    stills: Option<Stills>,
    clips: Option<Arc<Clips>>,
    observer: Option<Observer>,
    beside: Option<Arc<dyn Output>>,
}

/// Looks at every observed frame.
pub type Observer = Box<dyn Fn(&Observed<'_>) + Send + Sync>;

impl Output for Collector {
    fn events(&self, mut events: Vec<Event>, stills: Vec<Still>, _arrived: Option<std::time::Instant>) {
        let mut all = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(camera) = events.first().map(|e| e.camera.clone()) else { return };
        let list = all.entry(camera).or_default();
        if let Some(beside) = &self.beside {
            beside.events(events.clone(), Vec::new(), None);
        }
        for event in &mut events {
            event.sequence = list.len() as u64 + 1;
            list.push(event.clone());
        }
        drop(all);
        if let Some(writer) = &self.stills {
            stills.into_iter().for_each(|still| writer.put(still));
        }
    }

    fn observed(&self, observed: &Observed<'_>) {
        if let Some(observer) = &self.observer {
            observer(observed);
        }
        if let Some(beside) = &self.beside {
            beside.observed(observed);
        }
    }

    fn wants_stills(&self) -> bool {
        self.stills.is_some()
    }

    fn clips(&self) -> Option<&Arc<Clips>> {
        self.clips.as_ref()
    }
}

/// What a replay may do besides listing events.
#[derive(Default)]
pub struct ReplayOptions {
    /// Where stills go; none without.
    pub stills: Option<std::path::PathBuf>,
    /// Where tracks go; none without.
    pub tracks: Option<std::path::PathBuf>,
    /// Worker threads per model instead of the plan's.
    pub workers: Option<usize>,
    /// Where clips go; none without.
    pub clips: Option<std::path::PathBuf>,
    /// Looks at every observed frame.
    pub observer: Option<Observer>,
    /// Is given the events and observed frames as well.
    pub beside: Option<Arc<dyn Output>>,
}

/// Runs every camera of the plan over its recording, to the end.
///
/// `watch` is called now and then with the reports; false stops the replay early.
///
/// # Errors
/// A camera has no recording, or the pipeline cannot start. A recording that fails on the way is no
/// error here: see [`Replayed::cameras`].
pub fn replay(
    mut plan: Plan,
    runtime: &'static Runtime,
    clock: Arc<dyn Clock>,
    options: ReplayOptions,
    mut watch: impl FnMut(&[CameraReport]) -> bool,
) -> Result<Replayed> {
    for camera in &mut plan.cameras {
        camera.store_tracks = options.tracks.is_some();
        if let Address::Network { .. } = &camera.analysis {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("camera {}: {} is no recording", camera.id, camera.analysis.shown()),
            )
            .help(format!("give one: --clip {}=FILE", camera.id)));
        }
    }
    let place = |folder: &Path| Media::folder(folder, Arc::clone(&clock));
    let stills = options.stills.map(|folder| Stills::start(place(&folder)?, WhenFull::Wait)).transpose()?;
    let clips = options.clips.map(|folder| Clips::start(place(&folder)?).map(Arc::new)).transpose()?;
    let log = LogOptions::recorded(options.tracks, &clock).map(TrackLog::open).transpose()?.map(Arc::new);
    let collector = Arc::new(Collector {
        events: Mutex::default(),
        stills,
        clips,
        observer: options.observer,
        beside: options.beside,
    });
    let parts = EngineParts {
        mode: Mode::recorded(),
        output: Arc::clone(&collector) as Arc<dyn Output>,
        runtime,
        clock,
        repeat: 1,
        every: 1,
        workers: options.workers,
        tracks: log.clone(),
    };
    let mut engine = Engine::start(plan, parts)?;
    let made_with = MadeWith {
        vantage: env!("CARGO_PKG_VERSION").to_owned(),
        cpu: crate::base::cpu::features(),
        onnx_runtime: runtime.version.clone(),
        models: engine.models().map(|(name, model)| (name.to_owned(), model.sha256.clone())).collect(),
        pipeline: engine.plan().hash(),
    };
    engine.start_cameras()?;
    let mut stopped = false;
    engine.wait(std::time::Duration::from_millis(50), |engine| {
        stopped = !watch(&engine.report());
        !stopped
    });
    if stopped {
        engine.stop();
        return Err(Error::new(ErrorKind::Usage, "stopped before the end of the footage"));
    }
    let cameras = engine.finish();
    drop(engine);
    if let Some(log) = log.and_then(Arc::into_inner) {
        log.close()?;
    }
    let events = std::mem::take(&mut *collector.events.lock().unwrap_or_else(PoisonError::into_inner));
    let events = in_order(events);
    let digest = digest(&events)?;
    Ok(Replayed { events, digest, made_with, cameras })
}

/// All events by the time they were filmed; those of one camera in the order of their numbers.
pub(super) fn in_order(by_camera: BTreeMap<CameraId, Vec<Event>>) -> Vec<Event> {
    let mut all = Vec::new();
    for events in by_camera.into_values() {
        // A record may tell of a moment before the one that its forerunner tells of; it still comes after it.
        let mut latest = None;
        for event in events {
            latest = latest.max(Some((event.time.utc, event.media_time)));
            all.push((latest, event));
        }
    }
    // Stable: what is equal stays in the order of the cameras' names, and within a camera as it was.
    all.sort_by_key(|(moment, _)| *moment);
    all.into_iter().map(|(_, event)| event).collect()
}

/// One event as a JSON line, without the line feed.
///
/// # Errors
/// `Internal` when it cannot be written as JSON.
pub fn json_line(event: &Event) -> Result<String> {
    serde_json::to_string(event).map_err(|e| Error::new(ErrorKind::Internal, "an event is no JSON").source(e))
}

pub(super) fn digest(events: &[Event]) -> Result<String> {
    let mut hash = Sha256::new();
    for event in events {
        hash.update(json_line(event)?.as_bytes());
        hash.update(b"\n");
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Puts recordings in place of cameras: `CAMERA=FILE`.
///
/// # Errors
/// `Usage` for an unknown camera.
pub fn put_clips(plan: &mut Plan, clips: &[(String, std::path::PathBuf)]) -> Result<()> {
    for (id, file) in clips {
        let known: Vec<String> = plan.cameras.iter().map(|c| c.id.to_string()).collect();
        let camera = plan.cameras.iter_mut().find(|c| c.id.as_str() == id).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("--clip {id}=…: there is no camera {id}"))
                .help(format!("the pipeline has {}", known.join(", ")))
        })?;
        camera.analysis = Address::File(absolute(file)?);
        // The camera's other stream shows something else.
        camera.evidence = None;
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io(path, e))
}
