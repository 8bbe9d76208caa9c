//! Rules run again over stored tracks: no footage, no model, the same events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::camera::{rules, scene_builder};
use super::events::Origin;
use super::judge::Judge;
use super::replay::{digest, in_order};
use crate::base::{CameraId, Error, ErrorKind, Result, Timestamp};
use crate::config::{CameraPlan, Plan};
use crate::scene::{Event, Labels};
use crate::source::signals::SignalFeed;
use crate::tracklog::{Session, Step, TrackFile};

/// Capture times from (included) and to (not included).
#[derive(Debug, Clone, Copy, Default)]
pub struct Period {
    /// Frames before it are passed over.
    pub from: Option<Timestamp>,
    /// The first frame from here on ends the run.
    pub to: Option<Timestamp>,
}

/// The stored tracks of one camera of a plan, in order of time.
#[derive(Debug, Clone)]
pub struct CameraTracks {
    /// The camera, as the plan calls it.
    pub camera: CameraId,
    /// Its sessions.
    pub sessions: Vec<Session>,
}

/// What a run over stored tracks gave.
#[derive(Debug, Default)]
pub struct Rerun {
    /// All events in order of time, then camera, then the order they came in.
    pub events: Vec<Event>,
    /// SHA-256 over the events' JSON lines, as a replay's.
    pub digest: String,
    /// How much was read.
    pub read: Read,
}

/// How much was read of stored tracks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Frames that the detector had run on.
    pub frames: u64,
    /// Tracks in them, counted once a frame.
    pub track_rows: u64,
    /// Frames that had been given up when the tracks were stored.
    pub lost: u64,
    /// Files whose end is torn, with the bytes that are no block.
    pub torn: Vec<(PathBuf, u64)>,
}

/// Finds the cameras that sessions belong to. `named` renames: camera in the files → camera in the plan.
///
/// # Errors
/// `Usage` when no session, or (with `strict`) not every one, is of a camera of the plan.
pub fn assign(
    plan: &Plan,
    sessions: Vec<Session>,
    named: &BTreeMap<String, String>,
    strict: bool,
) -> Result<Vec<CameraTracks>> {
    let known: Vec<&str> = plan.cameras.iter().map(|camera| camera.id.as_str()).collect();
    for (from, to) in named {
        if !known.contains(&to.as_str()) {
            return Err(Error::new(ErrorKind::Usage, format!("--camera {from}={to}: there is no camera {to}"))
                .help(format!("the pipeline has {}", known.join(", "))));
        }
        if !sessions.iter().any(|session| session.header.camera == *from) {
            return Err(Error::new(ErrorKind::Usage, format!("--camera {from}={to}: no tracks of a camera {from}")));
        }
    }
    let mut strangers: Vec<String> = Vec::new();
    let mut by_camera: BTreeMap<&str, Vec<Session>> = BTreeMap::new();
    for session in sessions {
        let of = &session.header.camera;
        let camera = named.get(of).unwrap_or(of);
        match known.iter().find(|id| *id == camera) {
            Some(id) => by_camera.entry(id).or_default().push(session),
            None if !strangers.contains(of) => strangers.push(of.clone()),
            None => {}
        }
    }
    if !strangers.is_empty() && (strict || by_camera.is_empty()) {
        let (stranger, to) = (strangers.join(", "), known.first().copied().unwrap_or("ID"));
        return Err(Error::new(
            ErrorKind::Usage,
            format!("these are tracks of camera {stranger}, not of the pipeline's"),
        )
        .help(format!(
            "the pipeline has {}; to use them for another camera: --camera {}={to}",
            known.join(", "),
            strangers.first().map_or("", String::as_str)
        )));
    }
    for stranger in strangers {
        tracing::warn!(camera = stranger, "not in the pipeline: its tracks are left out");
    }
    let mut found: Vec<CameraTracks> = Vec::new();
    for camera in &plan.cameras {
        if let Some(mut sessions) = by_camera.remove(camera.id.as_str()) {
            sessions.sort_by_key(|session| session.period);
            refuse_overlap(&camera.id, &sessions)?;
            found.push(CameraTracks { camera: camera.id.clone(), sessions });
        }
    }
    Ok(found)
}

/// Two sessions at one time are two copies of the same traffic.
fn refuse_overlap(camera: &CameraId, sessions: &[Session]) -> Result<()> {
    for pair in sessions.windows(2) {
        let [a, b] = pair else { continue };
        if b.period.0 < a.period.1 {
            let name =
                |session: &Session| session.files.first().map_or(String::new(), |(_, p)| p.display().to_string());
            return Err(Error::new(
                ErrorKind::Usage,
                format!("camera {camera}: {} and {} tell of the same time", name(a), name(b)),
            )
            .help("name one of them, or give --from and --to folders that hold one"));
        }
    }
    Ok(())
}

/// What became of one camera under one plan.
type Ran = (usize, CameraId, Result<(Vec<Event>, Read)>);

/// Runs the rules of each plan over the tracks, on all processors. `period` bounds the capture times.
///
/// # Errors
/// A rule does not fit the tracks' class names; a file cannot be read.
pub fn rerun(plans: &[&Plan], tracks: &[CameraTracks], period: Period) -> Result<Vec<Rerun>> {
    let jobs: Vec<(usize, &CameraTracks)> =
        (0..plans.len()).flat_map(|plan| tracks.iter().map(move |tracks| (plan, tracks))).collect();
    let done: Mutex<Vec<Ran>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((index, tracks)) = jobs.get(next.fetch_add(1, Relaxed)) {
            let Some(plan) = plans.get(*index) else { continue };
            let ran = run_camera(plan, tracks, period);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((*index, tracks.camera.clone(), ran));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| -> Result<()> {
        for n in 1..threads {
            std::thread::Builder::new()
                .name(format!("rules-{n}"))
                .spawn_scoped(scope, work)
                .map_err(|e| Error::new(ErrorKind::Io, "cannot start a thread").source(e))?;
        }
        work();
        Ok(())
    })?;
    let mut reruns: Vec<(BTreeMap<CameraId, Vec<Event>>, Read)> = plans.iter().map(|_| Default::default()).collect();
    for (index, camera, ran) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (events, read) = ran.map_err(|error| error.context(format!("camera {camera}")))?;
        let Some((all, sum)) = reruns.get_mut(index) else { continue };
        all.insert(camera, events);
        sum.add(read);
    }
    let finish = |(events, read)| {
        let events = in_order(events);
        Ok(Rerun { digest: digest(&events)?, events, read })
    };
    reruns.into_iter().map(finish).collect()
}

fn run_camera(plan: &Plan, tracks: &CameraTracks, period: Period) -> Result<(Vec<Event>, Read)> {
    let mut events = Vec::new();
    let mut read = Read::default();
    for session in &tracks.sessions {
        if period.from.is_some_and(|from| session.period.1 < from) || period.to.is_some_and(|to| session.period.0 >= to)
        {
            continue;
        }
        let mut judge = judge(plan, &tracks.camera, session)?;
        play(session, period, &mut read, |step| {
            events.extend(judge.play(step));
            true
        })?;
    }
    for (n, event) in events.iter_mut().enumerate() {
        event.sequence = n as u64 + 1;
    }
    Ok((events, read))
}

/// The rules of a camera of the plan, for a session's tracks.
///
/// # Errors
/// `Config` when a rule names classes that these tracks do not have.
pub fn judge(plan: &Plan, camera: &CameraId, session: &Session) -> Result<Judge> {
    let header = &session.header;
    let plan_hash = plan.hash();
    let camera: &CameraPlan = plan
        .camera(camera)
        .ok_or_else(|| Error::new(ErrorKind::Usage, format!("there is no camera {camera} in the pipeline")))?;
    let labels = Labels::new(header.labels.iter().cloned());
    let scene = scene_builder(camera, &labels);
    let rules = rules(camera, &scene(16.0 / 9.0)).map_err(|error| {
        let classes = header.labels.join(", ");
        error.context("the rules do not fit the stored tracks").help(format!("the tracks have the classes {classes}"))
    })?;
    let origin = Origin {
        camera: camera.id.clone(),
        site: camera.site.clone(),
        footage: header.session.clone(),
        model: header.model.clone(),
        pipeline: plan_hash,
        labels,
    };
    // The feed that was followed live has grown since; by then its lines have the times that the tracks need.
    let signals = camera.signals.as_deref().map(SignalFeed::recorded).transpose()?;
    Ok(Judge::new(rules, scene, origin, signals))
}

/// Gives the session's steps within `period`, in order, until `take` says no. What is missing between files or was
/// given up is a gap; where `to` cuts, the stream is over.
///
/// # Errors
/// A file cannot be read or is damaged.
pub fn play(session: &Session, period: Period, read: &mut Read, mut take: impl FnMut(&Step) -> bool) -> Result<()> {
    let mut expected = session.files.first().map_or(0, |(part, _)| *part);
    for (part, path) in &session.files {
        let mut missing = *part != expected;
        expected = part + 1;
        let mut file = TrackFile::open(path)?;
        while let Some(block) = file.next_block()? {
            read.lost += u64::from(block.lost);
            missing |= block.lost > 0;
            for step in &block.steps {
                if let Step::Frame(frame) = step {
                    let utc = frame.moment.capture.utc;
                    if period.from.is_some_and(|from| utc < from) {
                        continue;
                    }
                    if period.to.is_some_and(|to| utc >= to) {
                        take(&Step::End);
                        return Ok(());
                    }
                    if std::mem::take(&mut missing) && !take(&Step::Gap { to: frame.moment.at, ended: Vec::new() }) {
                        return Ok(());
                    }
                    if let Some(tracks) = &frame.tracks {
                        read.frames += 1;
                        read.track_rows += tracks.len() as u64;
                    }
                }
                if !take(step) {
                    return Ok(());
                }
            }
        }
        if file.torn_bytes() > 0 {
            read.torn.push((path.clone(), file.torn_bytes()));
        }
    }
    Ok(())
}

impl Read {
    fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.track_rows += other.track_rows;
        self.lost += other.lost;
        self.torn.extend(other.torn);
    }
}
