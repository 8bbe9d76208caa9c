//! `vantage why`: an event's explanation, for people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::plan;
use super::terminal::{say, say_json};
use crate::base::{CaptureTime, Error, ErrorKind, Result, TimeSource};
use crate::config;
use crate::scene::{Event, Phase};
use crate::store::{Query, Reader, Store};

/// Fewer letters than this match too much.
const SHORTEST: usize = 4;

/// Arguments of `vantage why`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The event's id, or the beginning of it.
    event: String,
    /// The store's folder, or a pipeline file that names it.
    #[arg(long, default_value = "vantage-data", value_name = "FOLDER|PIPELINE")]
    store: PathBuf,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (folder, pipeline) = if arguments.store.is_file() {
        let plan = plan::load(&arguments.store)?;
        (plan.store.path.clone(), Some(plan.hash()))
    } else {
        (arguments.store.clone(), None)
    };
    let reader = Store::open_reader(&folder)?;
    let records = find(&reader, &arguments.event)?;
    let media = media(&folder, &records);
    if arguments.json {
        say_json(&json!({"id": records.first().map(|event| event.id), "records": records, "media": media}))?;
    } else {
        say(text(&records, &media, pipeline.as_deref()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The records of the one event whose id begins so.
fn find(reader: &Reader, id: &str) -> Result<Vec<Event>> {
    let wanted: String = id.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
    if !wanted.chars().all(|c| c.is_ascii_hexdigit()) || wanted.len() > 32 {
        return Err(Error::new(ErrorKind::Usage, format!("{id} is no event id"))
            .help("an id looks like 3f6c0f0e-7a1b-8c2d-9e3f-0123456789ab; `vantage events --json` lists them"));
    }
    if wanted.len() < SHORTEST {
        return Err(Error::new(ErrorKind::Usage, format!("{id} is too short: give at least {SHORTEST} digits")));
    }
    let mut found: Vec<Event> = reader.begins_with(&wanted)?.into_iter().map(|stored| stored.event).collect();
    let mut ids: Vec<String> = found.iter().map(|event| event.id.to_string()).collect();
    ids.dedup();
    match ids.as_slice() {
        [] => {
            let latest = reader.events(&Query { reverse: true, limit: 1000, ..Query::default() })?;
            let mut known: Vec<String> = latest.iter().map(|stored| stored.event.id.to_string()).collect();
            known.dedup();
            let help = match config::nearest(id, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None if known.is_empty() => "the store holds no event yet".to_owned(),
                None => {
                    format!("the latest events are {}", known.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
                }
            };
            Err(Error::new(ErrorKind::NotFound, format!("there is no event {id} in the store")).help(help))
        }
        [_] => {
            found.sort_by_key(|event| event.revision);
            Ok(found)
        }
        many => Err(Error::new(ErrorKind::Usage, format!("{} events begin with {id}", many.len()))
            .help(format!("they are {}", many.iter().take(5).cloned().collect::<Vec<_>>().join(", ")))),
    }
}

/// A file that shows the event.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    /// `false` when retention or a lack of room has taken it, or it is still being written.
    kept: bool,
    /// Where in a clip the first record's picture is, seconds after the clip's beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_s: Option<f64>,
}

/// Stills and clips that the records name, each once, in the order of the records.
fn media(folder: &Path, records: &[Event]) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for event in records {
        let stills = [&event.still, &event.clean_still].into_iter().flatten().map(|name| (name, None));
        let clips = event.clip.iter().map(|clip| (&clip.file, Some(clip.offset_s)));
        for (name, offset_s) in stills.chain(clips) {
            let file = folder.join("media").join(name);
            if shown.iter().all(|other| other.file != file) {
                shown.push(Shown { kept: file.is_file(), file, offset_s });
            }
        }
    }
    shown
}

fn text(records: &[Event], media: &[Shown], pipeline: Option<&str>) -> String {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return String::new() };
    let mut rows = vec![
        format!("{}", first.explanation.summary),
        row("event", &first.id.to_string()),
        row("rule", &format!("{} ({}), severity {}", first.rule, first.kind, word(&json!(first.severity)))),
        row("camera", &format!("{}, sequence {}", first.camera, first.sequence)),
        row("filmed", &captured(&first.time)),
    ];
    if let Some(track) = first.track {
        rows.push(row("track", &format!("{track} ({})", first.class.as_deref().unwrap_or("no class"))));
    }
    if let Some(b) = first.bbox {
        rows.push(row("place", &format!("x {:.3} to {:.3}, y {:.3} to {:.3} of the picture", b.x1, b.x2, b.y1, b.y2)));
    }
    rows.push("measured, at its first record".to_owned());
    rows.extend(first.explanation.measured.iter().map(|(name, value)| row(name, &word(value))));
    if records.len() > 1 {
        rows.push("measured, at its last record".to_owned());
        rows.extend(last.explanation.measured.iter().map(|(name, value)| row(name, &word(value))));
    }
    rows.push("held against".to_owned());
    rows.extend(first.explanation.thresholds.iter().map(|(name, value)| row(name, &word(value))));
    rows.push("records".to_owned());
    for event in records {
        let phase = match event.phase {
            Phase::Instant => "instant",
            Phase::Start => "start",
            Phase::Update => "update",
            Phase::End => "end",
        };
        let media_s = event.media_time.0 as f64 * 1e-9;
        let place =
            format!("{}, frame {} of run {}, media time {media_s:.3} s", event.time.utc, event.frame, event.run);
        rows.push(row(phase, &place));
    }
    rows.push("made by".to_owned());
    rows.push(row("model", &first.explanation.model));
    let same = match pipeline {
        Some(hash) if hash == first.explanation.pipeline => " (as the file is now)",
        Some(_) => " (the file has changed since)",
        None => "",
    };
    rows.push(row("pipeline", &format!("{}{same}", first.explanation.pipeline)));
    rows.push("evidence".to_owned());
    if media.is_empty() {
        rows.push(row("files", "none was taken"));
    }
    rows.extend(media.iter().map(|shown| {
        let offset = shown.offset_s.map_or_else(String::new, |seconds| format!(", {seconds:.3} s into it"));
        let gone = if shown.kept { "" } else { " (not there: still being written, or no longer kept)" };
        row("file", &format!("{}{offset}{gone}", shown.file.display()))
    }));
    rows.join("\n")
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<28} {value}")
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A capture time with its source and error, in words.
fn captured(time: &CaptureTime) -> String {
    let source = match time.source {
        TimeSource::SenderReport => "by the camera's clock (RTCP)",
        TimeSource::StartsAt => "by `starts_at` of the pipeline file",
        TimeSource::Container => "by the recording's creation time",
        TimeSource::Arrival => "by its arrival here",
        TimeSource::Epoch => "counted from 1970: the recording has no date",
    };
    match time.error_ns {
        Some(ns) => format!("{}, {source}, ± {:.3} s", time.utc, ns as f64 * 1e-9),
        None => format!("{}, {source}, error unknown", time.utc),
    }
}
