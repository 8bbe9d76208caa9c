//! `vantage why-not`: how far every rule of a camera was from firing at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::backtest::{TrackArguments, stored, warn};
use super::plan;
use super::recorded_view::RecordedView;
use super::terminal::{say, say_json};
use crate::base::{Error, ErrorKind, Result, Timestamp, TrackId};
use crate::config::Plan;
use crate::pipeline::rerun::{CameraTracks, Period, Read, judge, play};
use crate::rule::{Bound, Margin, Rest};
use crate::scene::{Event, Phase, Track};
use crate::store::{Reader, Store};
use crate::tracklog::{Session, Step};

/// Tracks shown of each rule; the nearest to firing come first.
const SHOWN: usize = 5;

/// Arguments of `vantage why-not`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The camera.
    #[arg(long, value_name = "ID")]
    camera: String,
    /// When: a capture time such as 2026-01-31T07:00:00Z, or a time since the first stored frame such as 12.5s.
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: When,
    /// Only this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only this track.
    #[arg(long, value_name = "NUMBER")]
    track: Option<u64>,
    /// Every track, not only the nearest to firing.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    tracks: TrackArguments,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
enum When {
    Filmed(Timestamp),
    Since(std::time::Duration),
}

fn when(text: &str) -> std::result::Result<When, String> {
    let seconds = text.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
    if let Some(since) = seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok()) {
        return Ok(When::Since(since));
    }
    text.parse().map(When::Filmed).map_err(|_| "write 2026-01-31T07:00:00Z, or 12.5s since the first frame".to_owned())
}

/// What was known at that time.
struct Standing {
    at: Timestamp,
    margins: Vec<(String, Vec<Margin>)>,
    /// Why rules start nothing, whatever they measure.
    rests: BTreeMap<String, Vec<Rest>>,
    tracks: Vec<Track>,
    labels: Vec<String>,
    /// The latest record of every happening that was open, by rule.
    open: BTreeMap<String, Vec<Event>>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let plan = plan::load(&arguments.pipeline)?;
    let Some(camera) = plan.cameras.iter().find(|camera| camera.id.as_str() == arguments.camera) else {
        let known: Vec<&str> = plan.cameras.iter().map(|camera| camera.id.as_str()).collect();
        return Err(Error::new(ErrorKind::Usage, format!("there is no camera {}", arguments.camera))
            .help(format!("the pipeline has {}", known.join(", "))));
    };
    if let Some(rule) = arguments.rule.as_ref().filter(|rule| !camera.rules.iter().any(|known| known.id == **rule)) {
        let known: Vec<&str> = camera.rules.iter().map(|rule| rule.id.as_str()).collect();
        return Err(Error::new(ErrorKind::Usage, format!("camera {} has no rule {rule}", camera.id))
            .help(format!("it has {}", known.join(", "))));
    }
    let found = arguments.tracks.find(&plan)?;
    let of_camera = found.iter().find(|tracks| tracks.camera == camera.id);
    let none = || {
        Error::new(ErrorKind::NotFound, format!("no tracks of camera {} are stored for that time", camera.id))
            .help(format!("tracks are stored {}", stored(&found)))
    };
    let tracks = of_camera.ok_or_else(none)?;
    let mut standing = standing(&plan, tracks, arguments.at)?.ok_or_else(none)?;
    if let Some(reader) = reader(&plan)? {
        let view = RecordedView::read(&reader, &camera.id, standing.at)?;
        for (id, rests) in &mut standing.rests {
            let judges = camera.rules.iter().any(|rule| rule.id == *id && rule.kind == "camera_unfit");
            view.correct(rests, judges);
        }
    }
    let rules: Vec<Value> = standing
        .margins
        .iter()
        .filter(|(rule, _)| arguments.rule.as_ref().is_none_or(|wanted| wanted == rule))
        .map(|(rule, margins)| about(rule, margins, &standing, arguments))
        .collect();
    if arguments.json {
        say_json(&json!({"camera": camera.id, "at": standing.at, "tracks": standing.tracks.len(), "rules": rules}))?;
    } else {
        say(format!("{} at {}: {} tracks in the picture", camera.id, standing.at, standing.tracks.len()))?;
        for rule in &rules {
            say(text(rule))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pipeline's events, if there is a store of them.
fn reader(plan: &Plan) -> Result<Option<Reader>> {
    match Store::open_reader(&plan.store.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Runs the rules up to that time; none when no frame was stored then.
fn standing(plan: &Plan, tracks: &CameraTracks, at: When) -> Result<Option<Standing>> {
    let first = tracks.sessions.iter().map(|session| session.period.0).min().unwrap_or_default();
    let at = match at {
        When::Filmed(at) => at,
        When::Since(span) => first + span,
    };
    let holds = |session: &&Session| session.period.0 <= at && at <= session.period.1;
    let Some(session) = tracks.sessions.iter().find(holds) else { return Ok(None) };
    let mut judge = judge(plan, &tracks.camera, session)?;
    let mut standing = Standing {
        at,
        margins: Vec::new(),
        rests: BTreeMap::new(),
        tracks: Vec::new(),
        labels: session.header.labels.clone(),
        open: BTreeMap::new(),
    };
    let mut read = Read::default();
    play(session, Period::default(), &mut read, |step| {
        if let Step::Frame(frame) = step {
            if frame.moment.capture.utc > at {
                return false;
            }
            standing.at = frame.moment.capture.utc;
            if let Some(tracks) = &frame.tracks {
                standing.tracks.clone_from(tracks);
            }
        }
        for event in judge.play(step) {
            let open = standing.open.entry(event.rule.clone()).or_default();
            open.retain(|known| known.id != event.id);
            if matches!(event.phase, Phase::Start | Phase::Update) {
                open.push(event);
            }
        }
        true
    })?;
    warn(&read);
    standing.margins = judge.margins().into_iter().map(|(rule, margins)| (rule.to_string(), margins)).collect();
    standing.rests = judge.rests().into_iter().map(|(rule, rests)| (rule.to_string(), rests)).collect();
    Ok(Some(standing))
}

/// What there is to say of a rule.
fn about(rule: &str, margins: &[Margin], standing: &Standing, arguments: &Arguments) -> Value {
    let mut by_track: BTreeMap<Option<TrackId>, Vec<&Margin>> = BTreeMap::new();
    for margin in margins {
        by_track.entry(margin.track).or_default().push(margin);
    }
    let mut tracks: Vec<(f64, Option<TrackId>, Vec<&Margin>)> = by_track
        .into_iter()
        .filter(|(track, _)| arguments.track.is_none_or(|wanted| track.is_some_and(|t| t.0 == wanted)))
        .map(|(track, margins)| (margins.iter().map(|m| missing(m)).sum(), track, margins))
        .collect();
    tracks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = tracks.len();
    tracks.truncate(if arguments.all { all } else { SHOWN });
    let shown: Vec<Value> = tracks.iter().map(|(_, track, margins)| of_track(*track, margins, standing)).collect();
    let open: Vec<Value> = standing
        .open
        .get(rule)
        .into_iter()
        .flatten()
        .map(|event| json!({"id": event.id, "track": event.track, "summary": event.explanation.summary}))
        .collect();
    let rests = standing.rests.get(rule).map_or(&[][..], Vec::as_slice);
    json!({"rule": rule, "rests": rests, "firing": open, "followed": all, "nearest": shown})
}

/// The share of its threshold that a condition lacks; 0 when it is met, 1 at most.
fn missing(margin: &Margin) -> f64 {
    if margin.met() {
        return 0.0;
    }
    ((margin.measured - margin.threshold).abs() / margin.threshold.abs().max(1e-9)).min(1.0)
}

fn of_track(id: Option<TrackId>, margins: &[&Margin], standing: &Standing) -> Value {
    let seen = standing.tracks.iter().find(|track| Some(track.id) == id);
    let class = seen.and_then(|track| standing.labels.get(usize::from(track.class.0)));
    let conditions: Vec<Value> = margins
        .iter()
        .map(|m| {
            json!({
                "quantity": m.quantity, "measured": m.measured, "bound": m.bound, "threshold": m.threshold, "met": m.met(),
            })
        })
        .collect();
    json!({"track": id, "class": class, "in_picture": seen.is_some(), "conditions": conditions})
}

fn text(rule: &Value) -> String {
    let mut rows = vec![format!("{}", rule["rule"].as_str().unwrap_or_default())];
    for rest in rule["rests"].as_array().into_iter().flatten() {
        rows.push(format!("  RESTS   {}", resting(rest)));
    }
    for event in rule["firing"].as_array().into_iter().flatten() {
        rows.push(format!("  has fired: {} ({})", event["summary"].as_str().unwrap_or_default(), plain(&event["id"])));
    }
    let nearest = rule["nearest"].as_array().map_or(&[][..], Vec::as_slice);
    if nearest.is_empty() {
        rows.push("  follows no track that could fire it".to_owned());
    }
    for track in nearest {
        let who = match (track["track"].as_u64(), track["class"].as_str()) {
            (Some(id), Some(class)) => format!("track {id} ({class})"),
            (Some(id), None) => format!("track {id} (not in the picture now)"),
            (None, _) => "the area as a whole".to_owned(),
        };
        rows.push(format!("  {who}"));
        for condition in track["conditions"].as_array().into_iter().flatten() {
            let sign = if condition["met"].as_bool() == Some(true) { "met    " } else { "LACKING" };
            let bound = if condition["bound"] == json!(Bound::AtLeast) { "at least" } else { "at most" };
            let number = |key: &str| condition[key].as_f64().map_or_else(|| "?".to_owned(), rounded);
            rows.push(format!(
                "    {sign} {:<28} {:>10}  {bound} {}",
                plain(&condition["quantity"]),
                number("measured"),
                number("threshold")
            ));
        }
    }
    let more = rule["followed"].as_u64().unwrap_or(0).saturating_sub(nearest.len() as u64);
    if more > 0 {
        rows.push(format!("  and {more} more tracks, farther from it (--all shows them)"));
    }
    rows.join("\n")
}

/// Why a rule starts nothing, and until when, in words.
fn resting(rest: &Value) -> String {
    let about = rest["about"].as_str();
    let why = match (rest["why"].as_str().unwrap_or_default(), about) {
        ("maintenance", _) => "the camera is under maintenance".to_owned(),
        ("schedule", Some(hours)) => format!("outside its schedule, {hours}"),
        ("preset", Some(wanted)) => format!("the camera does not stand at preset {wanted}"),
        ("preset", None) => "the camera stands at none of its presets".to_owned(),
        ("cooldown", _) => "its cool-down after the last start".to_owned(),
        ("budget", Some(size)) => format!("its budget of {size} is used up"),
        ("camera_budget", Some(size)) => format!("the camera's budget of {size} is used up"),
        (fault, _) => format!("the view is unfit: {fault}"),
    };
    let until = rest["until"].as_str().map_or_else(|| "nobody knows until when".to_owned(), |at| format!("until {at}"));
    format!("{why}; {until}")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rounded(value: f64) -> String {
    format!("{}", (value * 1e3).round() / 1e3)
}
