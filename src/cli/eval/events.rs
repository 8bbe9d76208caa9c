//! `vantage eval events` and `vantage eval counts`: events that were told before, against ground truth.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::cases::{IntervalArguments, MatchArguments, Scored, assign, camera_and_file};
use super::output::OutputArguments;
use super::stills::{Source, StillArguments, stills};
use crate::base::{CameraId, Error, ErrorKind, Result};
use crate::eval::counts;
use crate::eval::events::{self, Case};
use crate::eval::told::read_events;
use crate::eval::{Report, Truth};
use crate::source::{Location, Settings};

/// What both read.
#[derive(Debug, Args)]
struct Inputs {
    /// Ground truth (truth.json) of a camera; several times for several.
    #[arg(long, required = true, value_name = "[CAMERA=]FILE", value_parser = camera_and_file)]
    truth: Vec<(Option<String>, PathBuf)>,
    /// Events as JSON lines: a `jsonl` sink's file, or the output of `vantage replay`.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// A camera that told nothing is no mistake.
    #[arg(long)]
    allow_empty: bool,
}

/// Arguments of `vantage eval events`.
#[derive(Debug, Args)]
pub struct EventArguments {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    matching: MatchArguments,
    /// The footage, for pictures on the page; without it the clip that the truth names, beside the truth.
    #[arg(long, value_name = "[CAMERA=]FILE", value_parser = camera_and_file)]
    clip: Vec<(Option<String>, PathBuf)>,
    #[command(flatten)]
    stills: StillArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Arguments of `vantage eval counts`.
#[derive(Debug, Args)]
pub struct CountArguments {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    counting: IntervalArguments,
    #[command(flatten)]
    output: OutputArguments,
}

impl Inputs {
    fn read(&self, title: String) -> Result<(Report, Vec<Scored>)> {
        let mut report = Report::new(title);
        let events = read_events(&self.events, self.allow_empty)?;
        let scored = assign(&self.truth, &events, self.allow_empty, &mut report.notes)?;
        report.inputs.push(("events".to_owned(), self.events.display().to_string()));
        for case in &scored {
            report.inputs.push((format!("truth of {}", case.camera), case.truth.path.display().to_string()));
        }
        Ok((report, scored))
    }
}

/// Runs `vantage eval events`.
pub fn events(arguments: &EventArguments) -> Result<ExitCode> {
    let options = arguments.matching.options()?;
    let (mut report, scored) = arguments.inputs.read(arguments.output.title("Events against ground truth"))?;
    let cases: Vec<Case<'_>> = scored.iter().map(Scored::case).collect();
    report.events = Some(events::score(&cases, &options));
    let pictures = arguments.output.html.is_some() || !arguments.clip.is_empty();
    let sources = if pictures { sources(&arguments.clip, &scored)? } else { Vec::new() };
    arguments.output.write(report, |report| stills(report, &scored, &sources, &arguments.stills))
}

/// Runs `vantage eval counts`.
pub fn counts(arguments: &CountArguments) -> Result<ExitCode> {
    let options = arguments.counting.options()?;
    let (mut report, scored) = arguments.inputs.read(arguments.output.title("Counts against ground truth"))?;
    let cases = scored.iter().map(|case| (case.camera.as_str(), &case.truth, &case.told));
    report.counts = counts::score(cases, &options);
    if report.counts.is_none() {
        let files: Vec<String> = scored.iter().map(|case| case.truth.path.display().to_string()).collect();
        return Err(Error::new(ErrorKind::Usage, format!("{}: no counts in it", files.join(", ")))
            .help("docs/evaluation.md describes `counts` of the ground truth"));
    }
    arguments.output.write(report, |_| Ok(Vec::new()))
}

/// The footage of each camera: what was given, else what the truth names.
fn sources(clips: &[(Option<String>, PathBuf)], scored: &[Scored]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (camera, clip) in clips {
        let case = match (camera, scored) {
            (Some(camera), _) => scored.iter().find(|case| case.camera == *camera),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(case) = case else {
            let known: Vec<&str> = scored.iter().map(|case| case.camera.as_str()).collect();
            return Err(Error::new(ErrorKind::Usage, format!("--clip {}: of which camera?", clip.display()))
                .help(format!("write CAMERA={}; known are {}", clip.display(), known.join(", "))));
        };
        case.truth.check_clip(clip)?;
        sources.push(source(case, clip.clone()));
    }
    for case in scored {
        if sources.iter().all(|source| source.camera != case.camera)
            && let Some(clip) = named_clip(&case.truth)
        {
            case.truth.check_clip(&clip)?;
            sources.push(source(case, clip));
        }
    }
    Ok(sources)
}

/// The clip that a truth names, when it lies where it should.
fn named_clip(truth: &Truth) -> Option<PathBuf> {
    let path = truth.path.parent()?.join(truth.clip.as_ref()?);
    path.is_file().then_some(path)
}

fn source(case: &Scored, clip: PathBuf) -> Source {
    let settings = Settings::new(CameraId::new(case.camera.as_str()), Location::File(clip));
    Source { camera: case.camera.clone(), settings }
}
