//! `vantage replay`: recorded footage through the whole pipeline.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::bench::bound_threads;
use super::plan;
use super::signals::Signals;
use super::terminal::say;
use crate::base::time::SystemClock;
use crate::base::{Error, ErrorKind, Result};
use crate::frame::Ledger;
use crate::pipeline::Output;
use crate::pipeline::annotate::Annotator;
use crate::pipeline::replay::{ReplayOptions, json_line, put_clips, replay};

/// Arguments of `vantage replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Puts a recording in place of a camera.
    #[arg(long, value_name = "CAMERA=FILE", value_parser = clip)]
    clip: Vec<(String, PathBuf)>,
    /// Frame rate of recordings without times.
    #[arg(long, value_name = "FPS")]
    assume_fps: Option<f64>,
    /// Writes a still of every event into this folder.
    #[arg(long, value_name = "FOLDER")]
    stills: Option<PathBuf>,
    /// Stores the tracks in this folder, for `vantage backtest`.
    #[arg(long, value_name = "FOLDER")]
    tracks: Option<PathBuf>,
    /// Writes the pictures with boxes, tracks, scene and events drawn in, as MP4; one per camera when there are several.
    #[arg(long, value_name = "FILE")]
    annotate: Option<PathBuf>,
    /// Processors the whole program may use, and workers per model; the events are the same whatever it is.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Writes the clips of alarms into this folder, as the pipeline's `evidence` says.
    #[arg(long, value_name = "FOLDER")]
    clips: Option<PathBuf>,
    /// Prints each camera's counters, then the digest and what it hangs on, as JSON on stderr.
    #[arg(long)]
    report: bool,
}

/// `CAMERA=FILE`.
pub(super) fn clip(text: &str) -> std::result::Result<(String, PathBuf), String> {
    let (camera, file) = text.split_once('=').ok_or("write CAMERA=FILE")?;
    Ok((camera.to_owned(), PathBuf::from(file)))
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let workers = arguments.threads.map(|threads| bound_threads(Some(threads))).transpose()?;
    let mut plan = plan::load(&arguments.pipeline)?;
    put_clips(&mut plan, &arguments.clip)?;
    if arguments.assume_fps.is_some() {
        for camera in &mut plan.cameras {
            camera.assume_fps = arguments.assume_fps;
        }
    }
    let runtime = crate::infer::runtime::load(None)?;
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
    let signals = Signals::listen(tasks.handle())?;
    let bar = progress_bar();
    let annotator = arguments.annotate.as_ref().map(|path| Arc::new(Annotator::new(&plan, path)));
    let options = ReplayOptions {
        stills: arguments.stills,
        clips: arguments.clips,
        tracks: arguments.tracks,
        workers,
        observer: None,
        beside: annotator.clone().map(|annotator| annotator as Arc<dyn Output>),
    };
    let replayed = replay(plan, runtime, Arc::new(SystemClock), options, |reports| {
        let total: Ledger = reports.iter().map(|r| r.accounting).sum();
        bar.set_position(total.frames.decoded - total.frames.in_flight);
        !signals.stop.requested()
    });
    bar.finish_and_clear();
    let replayed = replayed?;
    if let Some(annotator) = annotator {
        for path in annotator.finish()? {
            eprintln!("annotated {}", path.display());
        }
    }
    for event in &replayed.events {
        say(json_line(event)?)?;
    }
    let mut failure = None;
    for (report, ended) in replayed.cameras {
        if arguments.report {
            let text = serde_json::to_string(&report)
                .map_err(|e| Error::new(ErrorKind::Internal, "cannot write JSON").source(e))?;
            eprintln!("{text}");
        }
        if let Err(error) = ended {
            failure.get_or_insert(error);
        }
    }
    if arguments.report {
        let whole = json!({
            "digest": format!("sha256:{}", replayed.digest),
            "events": replayed.events.len(),
            "made_with": replayed.made_with,
        });
        eprintln!("{whole}");
    }
    eprintln!("digest sha256:{} ({} events)", replayed.digest, replayed.events.len());
    eprintln!("made with {}", replayed.made_with);
    match failure {
        // Everything readable was analysed and is on stdout; the exit code still tells of the damage.
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Frames and their rate, when a person watches.
pub(super) fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} frames, {per_sec}, {elapsed}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
