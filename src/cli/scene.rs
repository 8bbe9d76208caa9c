//! `vantage scene learn`: lanes as traffic shows them, for somebody to confirm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, Subcommand};
use serde_json::json;

use super::backtest::TrackArguments;
use super::plan;
use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result};
use crate::config::{Address, CameraPlan, Plan};
use crate::frame::canvas::Canvas;
use crate::learn::{LearnedLane, Learner, Limits};
use crate::pipeline::annotate::draw_scene;
use crate::pipeline::pictures::first_picture;
use crate::pipeline::replay::{ReplayOptions, put_clips, replay};
use crate::pipeline::rerun::{Period, Read, play};
use crate::rule::VEHICLES;
use crate::scene::{ClassId, Labels, NormPoint};
use crate::tracklog::{self, Session, Step};

/// Width of the picture, pixels.
const WIDTH: usize = 1280;
/// Of proposals on the picture.
const PROPOSED: [u8; 3] = [255, 64, 200];

/// Arguments of `vantage scene`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Learns lanes and their directions from tracks, and prints them for the pipeline file.
    Learn(Learn),
}

#[derive(Debug, Args)]
struct Learn {
    /// The pipeline file; its recordings are analysed when no tracks are stored.
    #[arg(required_unless_present = "tracks")]
    pipeline: Option<PathBuf>,
    #[command(flatten)]
    tracks: TrackArguments,
    /// Only this camera.
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Puts a recording in place of a camera.
    #[arg(long, value_name = "CAMERA=FILE", value_parser = super::backtest::pair)]
    clip: Vec<(String, String)>,
    /// Draws the lanes, those of the pipeline file too, on the camera's first picture.
    #[arg(long, value_name = "FILE.jpg", requires = "pipeline")]
    picture: Option<PathBuf>,
    /// Tracks that make a lane, at least; and at least 4 % of all.
    #[arg(long, default_value_t = 5, value_name = "N")]
    min_tracks: usize,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Command::Learn(learn) = &arguments.command;
    let mut plan = learn.pipeline.as_deref().map(plan::load).transpose()?;
    if let Some(plan) = &mut plan {
        let clips: Vec<_> = learn.clip.iter().map(|(camera, file)| (camera.clone(), PathBuf::from(file))).collect();
        put_clips(plan, &clips)?;
    }
    let mut learners = learners(learn, plan.as_ref())?;
    if let Some(wanted) = &learn.camera {
        let known: Vec<String> = learners.keys().cloned().collect();
        learners.retain(|camera, _| camera == wanted);
        if learners.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, format!("there are no tracks of camera {wanted}"))
                .help(format!("there are tracks of {}", known.join(", "))));
        }
    }
    let limits = Limits { tracks: learn.min_tracks, ..Limits::default() };
    let several = learners.len() > 1;
    for (camera, mut learner) in learners {
        let moved = learner.moved();
        let lanes = learner.lanes(&limits);
        if learn.json {
            say_json(
                &json!({"camera": camera, "tracks": moved, "lanes": lanes.iter().map(json_of).collect::<Vec<_>>()}),
            )?;
        } else {
            say(yaml(&camera, moved, &lanes))?;
        }
        let plan = plan.as_ref().and_then(|plan| plan.cameras.iter().find(|known| known.id.as_str() == camera));
        if let (Some(path), Some(plan)) = (&learn.picture, plan) {
            let path = if several { named(path, &camera) } else { path.clone() };
            draw(plan, &lanes, &path)?;
            eprintln!("drawn {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(path: &Path, camera: &str) -> PathBuf {
    let stem = path.file_stem().map_or_else(|| "lanes".into(), |stem| stem.to_string_lossy());
    path.with_file_name(format!("{stem}-{camera}.jpg"))
}

/// A learner per camera that has taken in all tracks there are.
fn learners(learn: &Learn, plan: Option<&Plan>) -> Result<BTreeMap<String, Learner>> {
    let mut learners = BTreeMap::new();
    let stored = !learn.tracks.tracks.is_empty();
    match plan {
        Some(plan) if !stored && plan.cameras.iter().all(|camera| camera.analysis.is_file()) => return analysed(plan),
        Some(plan) => {
            for tracks in learn.tracks.find(plan)? {
                learners.insert(tracks.camera.to_string(), taken_in(&tracks.sessions)?);
            }
        }
        None => {
            let mut by_camera: BTreeMap<String, Vec<Session>> = BTreeMap::new();
            for session in tracklog::find(&learn.tracks.tracks)? {
                by_camera.entry(session.header.camera.clone()).or_default().push(session);
            }
            for (camera, sessions) in by_camera {
                learners.insert(camera, taken_in(&sessions)?);
            }
        }
    }
    Ok(learners)
}

/// Whether tracks of a class count: vehicles; all of them when the model names none.
fn vehicles(labels: &Labels) -> impl Fn(ClassId) -> bool + use<> {
    let is = |name: &String| VEHICLES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let known: Vec<bool> = labels.names().iter().map(is).collect();
    let any = known.contains(&true);
    move |class| !any || known.get(usize::from(class.0)) == Some(&true)
}

fn taken_in(sessions: &[Session]) -> Result<Learner> {
    let mut learner: Option<Learner> = None;
    for session in sessions {
        let wanted = vehicles(&Labels::new(session.header.labels.iter().cloned()));
        play(session, Period::default(), &mut Read::default(), |step| {
            match step {
                Step::Frame(frame) => {
                    let learner = learner.get_or_insert_with(|| Learner::new(frame.aspect));
                    learner.observe(frame.tracks.iter().flatten().filter(|track| wanted(track.class)));
                    learner.forget(&frame.ended);
                }
                Step::Gap { .. } | Step::End => learner.iter_mut().for_each(Learner::gap),
            }
            true
        })?;
        learner.iter_mut().for_each(Learner::gap);
    }
    Ok(learner.unwrap_or_else(|| Learner::new(16.0 / 9.0)))
}

/// Analyses the plan's recordings, without their rules.
fn analysed(plan: &Plan) -> Result<BTreeMap<String, Learner>> {
    let mut plan = plan.clone();
    for camera in &mut plan.cameras {
        camera.rules.clear();
    }
    let learners: Arc<Mutex<BTreeMap<String, Learner>>> = Arc::default();
    let shared = Arc::clone(&learners);
    let options = ReplayOptions {
        observer: Some(Box::new(move |observed| {
            let (width, height) = observed.frame.picture.displayed_size();
            let mut learners = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let learner = learners
                .entry(observed.camera.to_string())
                .or_insert_with(|| Learner::new(width as f32 / height.max(1) as f32));
            let wanted = vehicles(observed.labels);
            learner.observe(observed.tracks.iter().filter(|track| wanted(track.class)));
        })),
        ..ReplayOptions::default()
    };
    let runtime = crate::infer::runtime::load(None)?;
    let replayed = replay(plan, runtime, Arc::new(SystemClock), options, |_| true)?;
    for (_, ended) in replayed.cameras {
        ended?;
    }
    let learners = std::mem::take(&mut *learners.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(learners)
}

fn corners(points: &[NormPoint]) -> String {
    let points: Vec<String> = points.iter().map(|p| format!("[{:.4}, {:.4}]", p.x, p.y)).collect();
    format!("[{}]", points.join(", "))
}

fn yaml(camera: &str, moved: usize, lanes: &[LearnedLane]) -> String {
    let mut rows =
        vec![format!("    # camera {camera}: learned from {moved} tracks; look at each lane before you use it")];
    if lanes.is_empty() {
        rows.push("    # no way that enough tracks share: give it more tracks, or a smaller --min-tracks".to_owned());
        return rows.join("\n");
    }
    rows.push("    lanes:".to_owned());
    for (n, lane) in lanes.iter().enumerate() {
        let arrow = corners(&[lane.direction.from, lane.direction.to]);
        let (from, to) = arrow.trim_matches(['[', ']']).split_once("], [").unwrap_or_default();
        rows.push(format!(
            "      - id: lane-{}                      # {} tracks, headings spread by {:.0} degrees",
            n + 1,
            lane.tracks,
            lane.spread_degrees
        ));
        rows.push(format!("        polygon: {}", corners(lane.polygon.corners())));
        rows.push(format!("        direction: {{from: [{from}], to: [{to}]}}"));
    }
    rows.join("\n")
}

fn json_of(lane: &LearnedLane) -> serde_json::Value {
    json!({
        "polygon": lane.polygon.corners(),
        "direction": {"from": lane.direction.from, "to": lane.direction.to},
        "tracks": lane.tracks,
        "spread_degrees": (lane.spread_degrees * 10.0).round() / 10.0,
    })
}

fn draw(plan: &CameraPlan, lanes: &[LearnedLane], path: &Path) -> Result<()> {
    if let Address::Network { .. } = &plan.analysis {
        tracing::info!(camera = %plan.id, "a picture is fetched from the camera");
    }
    let snapshot = first_picture(plan, WIDTH, &(Arc::new(SystemClock) as Arc<dyn Clock>))?;
    let mut canvas = Canvas::from(&snapshot);
    for lane in lanes {
        canvas.shade(lane.polygon.corners(), PROPOSED, 60);
    }
    draw_scene(&mut canvas, plan);
    for (n, lane) in lanes.iter().enumerate() {
        canvas.outline(lane.polygon.corners(), 2, PROPOSED);
        canvas.arrow(lane.direction.from, lane.direction.to, 3, PROPOSED);
        canvas.text(lane.direction.from, &format!("lane-{}: {} tracks", n + 1, lane.tracks), PROPOSED);
    }
    std::fs::write(path, canvas.jpeg(90)?).map_err(|e| Error::io(path, e))
}
