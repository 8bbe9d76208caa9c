//! `vantage eval run`: replays a pipeline and scores every camera whose clip has a ground truth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::cases::{IntervalArguments, MatchArguments, Scored, camera_and_file, read_truth, told};
use super::output::OutputArguments;
use super::stills::{Source, StillArguments, stills};
use crate::base::time::SystemClock;
use crate::base::{CameraId, Error, ErrorKind, Result, RunId};
use crate::cli::signals::Signals;
use crate::cli::{plan, replay as replay_command};
use crate::config::{Address, CameraPlan, Plan};
use crate::eval::events::{self, Case};
use crate::eval::tracks::mot::{Row, Rows, read_truth as read_boxes};
use crate::eval::tracks::{PixelBox, Protocol, Sequence, TrackCounts, TrackReport, USUAL_IOU};
use crate::eval::truth::Footage;
use crate::eval::{Report, Truth, counts};
use crate::frame::Ledger;
use crate::pipeline::Observed;
use crate::pipeline::pictures::recording;
use crate::pipeline::replay::{ReplayOptions, put_clips, replay};
use crate::scene::Event;

/// Arguments of `vantage eval run`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Puts a recording in place of a camera.
    #[arg(long, value_name = "CAMERA=FILE", value_parser = replay_command::clip)]
    clip: Vec<(String, PathBuf)>,
    /// Ground truth of a camera; without it the `truth.json` beside its clip.
    #[arg(long, value_name = "CAMERA=FILE", value_parser = camera_and_file)]
    truth: Vec<(Option<String>, PathBuf)>,
    #[command(flatten)]
    matching: MatchArguments,
    #[command(flatten)]
    counting: IntervalArguments,
    #[command(flatten)]
    stills: StillArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// What was seen of a camera besides its events.
#[derive(Debug, Default)]
struct Seen {
    size: Option<(u32, u32)>,
    /// Frames analysed, from 1.
    frames: BTreeSet<u32>,
    tracks: Rows,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (options, counting) = (arguments.matching.options()?, arguments.counting.options()?);
    let mut plan = plan::load(&arguments.pipeline)?;
    put_clips(&mut plan, &arguments.clip)?;
    let mut report =
        Report::new(arguments.output.title(format!("{} against ground truth", shown(&arguments.pipeline))));
    report.inputs.push(("pipeline".to_owned(), arguments.pipeline.display().to_string()));
    let truths = truths(&mut plan, &arguments.truth, &mut report.notes)?;
    arguments.matching.check_rules(&rules_and_kinds(&plan))?;
    let cameras = plan.cameras.clone();

    let seen: Arc<Mutex<BTreeMap<CameraId, Seen>>> = Arc::default();
    let (digest, events, footage) = replayed(plan, &seen)?;
    report.digest = Some(digest);
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));

    let (mut scored, mut tracks): (Vec<Scored>, Vec<(String, TrackCounts)>) = (Vec::new(), Vec::new());
    for camera in &cameras {
        let Some((_, truth)) = truths.iter().find(|(id, _)| *id == camera.id) else { continue };
        let (nothing, id) = (Seen::default(), camera.id.as_str());
        let seen = seen.get(&camera.id).unwrap_or(&nothing);
        let frames = footage.get(&camera.id).copied().unwrap_or(0);
        truth.check_footage(&Footage { frames, size: seen.size }, id)?;
        report.inputs.push((format!("truth of {id}"), truth.path.display().to_string()));
        if let Some(counts) = track_counts(truth, seen)? {
            tracks.push((id.to_owned(), counts));
        }
        if (seen.frames.len() as u64) < frames {
            let analysed = seen.frames.len();
            report
                .notes
                .push(format!("{id}: {analysed} of {frames} frames were analysed; tracks are scored on those."));
        }
        let events: Vec<&Event> = events.iter().filter(|event| event.camera == camera.id).collect();
        scored.push(told(id.to_owned(), truth.clone(), &events)?);
    }

    let cases: Vec<Case<'_>> = scored.iter().map(Scored::case).collect();
    report.events = Some(events::score(&cases, &options));
    let counted = scored.iter().map(|case| (case.camera.as_str(), &case.truth, &case.told));
    report.counts = counts::score(counted, &counting);
    report.tracks = (!tracks.is_empty()).then(|| TrackReport::new(&tracks));
    let sources =
        |camera: &CameraPlan| recording(camera).map(|settings| Source { camera: camera.id.to_string(), settings });
    let sources: Vec<Source> = cameras.iter().map(sources).collect::<Result<_>>()?;
    arguments.output.write(report, |report| stills(report, &scored, &sources, &arguments.stills))
}

/// Each camera's truth; cameras without one leave the plan.
fn truths(
    plan: &mut Plan,
    given: &[(Option<String>, PathBuf)],
    notes: &mut Vec<String>,
) -> Result<Vec<(CameraId, Truth)>> {
    for (camera, path) in given {
        if !plan.cameras.iter().any(|known| camera.as_deref() == Some(known.id.as_str())) {
            let known: Vec<&str> = plan.cameras.iter().map(|camera| camera.id.as_str()).collect();
            let what = format!("--truth {}: of which camera?", path.display());
            return Err(Error::new(ErrorKind::Usage, what).help(format!(
                "write CAMERA={}; the pipeline has {}",
                path.display(),
                known.join(", ")
            )));
        }
    }
    let mut truths = Vec::new();
    let mut without = Vec::new();
    for camera in &plan.cameras {
        let Address::File(clip) = &camera.analysis else {
            without.push(camera.id.clone());
            continue;
        };
        let given =
            given.iter().find(|(id, _)| id.as_deref() == Some(camera.id.as_str())).map(|(_, path)| path.clone());
        let truth = match given.clone().or_else(|| Truth::beside(clip)) {
            Some(path) => Some(read_truth(camera.id.as_str(), &path)?),
            None => None,
        };
        // One that merely lies in the same folder may be about another clip.
        match truth.filter(|truth| given.is_some() || truth.names(clip)) {
            Some(truth) => {
                truth.check_clip(clip)?;
                truths.push((camera.id.clone(), truth));
            }
            None => without.push(camera.id.clone()),
        }
    }
    if truths.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no camera of the pipeline has a ground truth")
            .help("put a truth.json beside a clip, or give --truth CAMERA=FILE; docs/evaluation.md describes it"));
    }
    if !without.is_empty() {
        let names: Vec<String> = without.iter().map(ToString::to_string).collect();
        notes.push(format!("Not scored, for want of a recording with ground truth: {}.", names.join(", ")));
        plan.cameras.retain(|camera| !without.contains(&camera.id));
    }
    Ok(truths)
}

fn rules_and_kinds(plan: &Plan) -> BTreeSet<&str> {
    let rules = plan.cameras.iter().flat_map(|camera| &camera.rules);
    rules.flat_map(|rule| [rule.id.as_str(), rule.kind.as_str()]).collect()
}

type Replayed = (String, Vec<Event>, BTreeMap<CameraId, u64>);

/// Replays the plan: digest, events, frames decoded by camera.
fn replayed(plan: Plan, seen: &Arc<Mutex<BTreeMap<CameraId, Seen>>>) -> Result<Replayed> {
    let runtime = crate::infer::runtime::load(None)?;
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
    let signals = Signals::listen(tasks.handle())?;
    let bar = replay_command::progress_bar();
    let into = Arc::clone(seen);
    let observer = Box::new(move |observed: &Observed<'_>| {
        into.lock().unwrap_or_else(PoisonError::into_inner).entry(observed.camera.clone()).or_default().add(observed);
    });
    let options = ReplayOptions { observer: Some(observer), ..ReplayOptions::default() };
    let replayed = replay(plan, runtime, Arc::new(SystemClock), options, |reports| {
        let total: Ledger = reports.iter().map(|r| r.accounting).sum();
        bar.set_position(total.frames.decoded - total.frames.in_flight);
        !signals.stop.requested()
    });
    bar.finish_and_clear();
    let replayed = replayed?;
    let mut footage = BTreeMap::new();
    for (report, ended) in replayed.cameras {
        ended.map_err(|error| error.context(format!("camera {}", report.camera)))?;
        footage.insert(report.camera, report.accounting.frames.decoded);
    }
    Ok((replayed.digest, replayed.events, footage))
}

impl Seen {
    fn add(&mut self, observed: &Observed<'_>) {
        let (width, height) = observed.frame.picture.displayed_size();
        self.size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
        let frame = u32::try_from(observed.frame.seq.0 + 1).ok().filter(|_| observed.frame.run == RunId(0));
        let Some(frame) = frame else { return };
        self.frames.insert(frame);
        let row = |track: &crate::scene::Track| {
            let [x1, y1, x2, y2] = <[f32; 4]>::from(track.bbox).map(f64::from);
            let (width, height) = (width as f64, height as f64);
            let bbox = PixelBox::from_corners([x1 * width, y1 * height, x2 * width, y2 * height]);
            Row { id: i64::try_from(track.id.0).unwrap_or(i64::MAX), bbox, required: true, class: None }
        };
        let rows: Vec<Row> = observed.tracks.iter().filter(|track| track.observed).map(row).collect();
        if !rows.is_empty() {
            self.tracks.insert(frame, rows);
        }
    }
}

/// Tracking scores where a `gt.txt` lies beside the truth.
fn track_counts(truth: &Truth, seen: &Seen) -> Result<Option<TrackCounts>> {
    let path = truth.path.with_file_name("gt.txt");
    if !path.is_file() {
        return Ok(None);
    }
    let boxes = read_boxes(&path)?;
    let analysed = |frame: u32| seen.frames.contains(&frame);
    let sequence = Sequence::new(&boxes, &seen.tracks, Protocol::Ignore, &[], analysed);
    Ok(Some(TrackCounts::of(&sequence, USUAL_IOU)))
}

fn shown(pipeline: &Path) -> String {
    pipeline.file_stem().map_or_else(|| pipeline.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}
