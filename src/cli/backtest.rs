//! `vantage backtest`: the rules again over stored tracks, and what other settings would change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::plan;
use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};
use crate::config::{Plan, Setting};
use crate::infer::Model;
use crate::pipeline::compare::{Change, Comparison, Difference, Totals, compare};
use crate::pipeline::engine::model_options;
use crate::pipeline::replay::json_line;
use crate::pipeline::rerun::{CameraTracks, Period, Read, Rerun, assign, rerun};
use crate::tracklog;

/// Arguments of `vantage backtest`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    tracks: TrackArguments,
    /// A rule's parameter takes another value: rules.ID.PARAM=VALUE, or cameras.CAMERA.rules.ID.PARAM=VALUE.
    #[arg(long, value_name = "RULES.ID.PARAM=VALUE")]
    set: Vec<Setting>,
    /// Compares with this pipeline file instead of the same one without --set.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Filmed at or after this time, such as 2026-01-31T07:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = super::events::time)]
    from: Option<Timestamp>,
    /// Filmed before this time.
    #[arg(long, value_name = "TIME", value_parser = super::events::time)]
    to: Option<Timestamp>,
    /// One JSON object on stdout.
    #[arg(long, conflicts_with = "events")]
    json: bool,
    /// Prints the events as JSON lines, as `vantage replay` does, instead of what changes.
    #[arg(long)]
    events: bool,
}

/// Which tracks, on the command line.
#[derive(Debug, Args)]
pub struct TrackArguments {
    /// Tracks files, or folders of them; without it, the folder of the pipeline's `tracks` section.
    #[arg(long, value_name = "FILE|FOLDER", num_args = 1..)]
    pub tracks: Vec<PathBuf>,
    /// Takes the tracks of one camera for another: CAMERA of the tracks = CAMERA of the pipeline.
    #[arg(long = "camera-map", visible_alias = "map", value_name = "FROM=TO", value_parser = pair)]
    pub map: Vec<(String, String)>,
}

pub fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("write CAMERA-OF-THE-TRACKS=CAMERA-OF-THE-PIPELINE")?;
    Ok((from.to_owned(), to.to_owned()))
}

impl TrackArguments {
    /// The stored tracks of the plan's cameras.
    pub fn find(&self, plan: &Plan) -> Result<Vec<CameraTracks>> {
        let given = !self.tracks.is_empty();
        if !given && !plan.tracks.path.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, format!("no tracks are stored: {} is no folder", plan.tracks.path.display()))
                .help("add a `tracks:` section to the pipeline and run it, or name tracks with --tracks (`vantage replay --tracks FOLDER` stores those of a recording)"));
        }
        let paths = if given { self.tracks.clone() } else { vec![plan.tracks.path.clone()] };
        let sessions = tracklog::find(&paths)?;
        if sessions.is_empty() {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{}: no whole block of tracks in it", names.join(", ")),
            )
            .help("a file gets its first block after ten seconds"));
        }
        let named: BTreeMap<String, String> = self.map.iter().cloned().collect();
        // A folder may hold tracks of cameras that another pipeline has; a file that was named is meant.
        let strict = paths.iter().any(|path| path.is_file());
        let tracks = assign(plan, sessions, &named, strict)?;
        labels_fit(plan, &tracks)?;
        Ok(tracks)
    }
}

/// Whether the tracks name the classes of the models that the plan has for their cameras. A model that is not here
/// cannot be asked.
fn labels_fit(plan: &Plan, tracks: &[CameraTracks]) -> Result<()> {
    for CameraTracks { camera, sessions } in tracks {
        let entry = plan.camera(camera).and_then(|c| Some((c.model.as_str(), plan.models.get(&c.model)?)));
        let Some((name, entry)) = entry else { continue };
        let Ok(model) = Model::open(&entry.path, &model_options(entry)) else { continue };
        if let Some(session) = sessions.iter().find(|session| session.header.labels != model.labels.names()) {
            let file = session.files.first().map_or_else(String::new, |(_, path)| path.display().to_string());
            let what = format!("{file}: these tracks have other classes than model {name} of camera {camera}");
            let (theirs, ours) = (session.header.labels.join(", "), model.labels.names().join(", "));
            return Err(Error::new(ErrorKind::Config, what)
                .help(format!("they have {theirs}; the model has {ours}: name the model that was in force then")));
        }
    }
    Ok(())
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let clock = SystemClock;
    let begun = clock.monotonic();
    let after = plan::load_with(&arguments.pipeline, &arguments.set)?;
    let before = match &arguments.against {
        Some(path) => Some(plan::load(path)?),
        None if arguments.set.is_empty() => None,
        None => Some(plan::load(&arguments.pipeline)?),
    };
    let tracks = arguments.tracks.find(&after)?;
    let period = Period { from: arguments.from, to: arguments.to };
    let before = before.filter(|_| !arguments.events);
    let plans: Vec<&Plan> = std::iter::once(&after).chain(&before).collect();
    let mut runs = rerun(&plans, &tracks, period)?.into_iter();
    let after = runs.next().unwrap_or_default();
    let before = runs.next();
    let seconds = (clock.monotonic() - begun).as_secs_f64();
    warn(&after.read);
    if after.read.frames == 0 {
        return Err(Error::new(ErrorKind::NotFound, "no stored frame lies between --from and --to")
            .help(format!("tracks are stored {}", stored(&tracks))));
    }
    if arguments.events {
        for event in &after.events {
            say(json_line(event)?)?;
        }
        eprintln!("digest sha256:{} ({} events)", after.digest, after.events.len());
        return Ok(ExitCode::SUCCESS);
    }
    let comparison = compare(before.as_ref().map_or(&after.events, |before| &before.events), &after.events);
    if arguments.json {
        say_json(&report(&comparison, before.as_ref(), &after, seconds))?;
        return Ok(ExitCode::SUCCESS);
    }
    for change in &comparison.changes {
        say(line(change))?;
    }
    say(table(&comparison, before.is_some()))?;
    eprintln!(
        "{} frames, {} track rows in {seconds:.1} s; digest sha256:{}",
        after.read.frames, after.read.track_rows, after.digest
    );
    Ok(ExitCode::SUCCESS)
}

/// From when to when there are tracks.
pub fn stored(tracks: &[CameraTracks]) -> String {
    let of = |tracks: &CameraTracks| {
        let from = tracks.sessions.iter().map(|session| session.period.0).min().unwrap_or_default();
        let to = tracks.sessions.iter().map(|session| session.period.1).max().unwrap_or_default();
        format!("of {} from {from} to {to}", tracks.camera)
    };
    tracks.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Says what is not there.
pub fn warn(read: &Read) {
    if read.lost > 0 {
        tracing::warn!(frames = read.lost, "tracks were given up when they were to be stored: a gap each time");
    }
    for (path, bytes) in &read.torn {
        tracing::warn!(path = %Path::new(path).display(), bytes, "the end of the file is torn: the last block is missing");
    }
}

fn report(comparison: &Comparison, before: Option<&Rerun>, after: &Rerun, seconds: f64) -> Value {
    let run = |run: &Rerun| json!({"events": run.events.len(), "digest": format!("sha256:{}", run.digest)});
    json!({
        "before": before.map(run),
        "after": run(after),
        "total": comparison.total,
        "rules": comparison.rules,
        "changes": comparison.changes,
        "frames": after.read.frames,
        "track_rows": after.read.track_rows,
        "lost_frames": after.read.lost,
        "torn_files": after.read.torn.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
        "seconds": (seconds * 1e3).round() / 1e3,
    })
}

fn line(change: &Difference) -> String {
    let sign = match change.change {
        Change::Added => '+',
        Change::Gone => '-',
        Change::Changed => '~',
    };
    let mut text = format!("{sign} {}  {:<12} {}: {}", change.time, change.camera, change.rule, change.summary);
    for (name, [was, is]) in &change.values {
        text.push_str(&format!("\n      {name}: {} -> {}", short(was), short(is)));
    }
    text
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn table(comparison: &Comparison, compared: bool) -> String {
    let width = comparison.rules.keys().map(String::len).max().unwrap_or(0).max(6);
    if !compared {
        let mut rows = vec![format!("{:<width$} {:>10}", "rule", "happenings")];
        rows.extend(comparison.rules.iter().map(|(name, t)| format!("{name:<width$} {:>10}", t.after)));
        rows.push(format!("{:<width$} {:>10}", "total", comparison.total.after));
        return rows.join("\n");
    }
    let row = |name: &str, t: &Totals| {
        format!("{name:<width$} {:>8} {:>8} {:>8} {:>8} {:>8}", t.before, t.after, t.added, t.gone, t.changed)
    };
    let mut rows = vec![format!(
        "{:<width$} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "rule", "before", "after", "added", "gone", "changed"
    )];
    rows.extend(comparison.rules.iter().map(|(name, totals)| row(name, totals)));
    rows.push(row("total", &comparison.total));
    rows.join("\n")
}
