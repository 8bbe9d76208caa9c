//! What the program told of a camera, taken from its events: alarms, crossings, counts.
//!
//! Seconds count as in the truth: from `starts_at` by capture time, or from media time 0.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::scene::{Event, NormBox, Phase, Severity};

/// Kinds of places that rules and truths name.
pub const PLACES: [&str; 3] = ["lane", "zone", "line"];

/// One happening, told at least once.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// The event's id.
    pub id: String,
    /// Rule id in the pipeline.
    pub rule: String,
    /// Kind of the event.
    pub kind: String,
    /// The first record's severity.
    pub severity: Severity,
    /// When it was first told.
    pub at_s: f64,
    /// When its end was told.
    pub ended_s: Option<f64>,
    /// Where, by name: (`lane`, `eastbound`).
    pub place: Option<(&'static str, String)>,
    /// Where in the picture.
    pub bbox: Option<NormBox>,
    /// Class name.
    pub class: Option<String>,
    /// The explanation's sentence.
    pub summary: String,
}

/// A line passed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// The line's name.
    pub line: String,
    /// `forward` or `backward`.
    pub direction: String,
    /// Class name; empty when the event has none.
    pub class: String,
    /// When.
    pub at_s: f64,
}

/// All that was told of a camera.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// Every happening but crossings and counts, in order of time.
    pub alarms: Vec<Alarm>,
    /// Crossings in order of time, each event being one.
    pub crossings: Vec<Crossing>,
    /// The same from `line_count` records, each at the middle of its interval: for lines that report no crossings.
    pub tallied: Vec<Crossing>,
    /// Lines that were told of at all.
    pub lines: BTreeSet<String>,
    /// The latest second told of.
    pub last_s: f64,
}

impl Told {
    /// Sorts a camera's events. `starts_at` is the truth's second 0, when it has one.
    #[must_use]
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>, starts_at: Option<Timestamp>) -> Self {
        let mut told = Self::default();
        let mut ids: BTreeMap<String, Vec<(&Event, f64)>> = BTreeMap::new();
        for event in events {
            let at_s = match starts_at {
                Some(start) => event.time.utc.0.saturating_sub(start.0) as f64 * 1e-9,
                None => event.media_time.0 as f64 * 1e-9,
            };
            told.last_s = told.last_s.max(at_s);
            match event.kind.as_str() {
                "line_crossing" => told.crossing(event, at_s),
                "line_count" => told.tally(event, at_s),
                _ => ids.entry(event.id.to_string()).or_default().push((event, at_s)),
            }
        }
        for (id, mut records) in ids {
            records.sort_by_key(|(event, _)| event.revision);
            let Some((first, at_s)) = records.first().copied() else { continue };
            let end = records.iter().find(|(event, _)| event.phase == Phase::End);
            told.alarms.push(Alarm {
                id,
                rule: first.rule.clone(),
                kind: first.kind.clone(),
                severity: first.severity,
                at_s,
                ended_s: end.map(|(_, at_s)| *at_s),
                place: place(first),
                bbox: first.bbox,
                class: first.class.clone(),
                summary: first.explanation.summary.clone(),
            });
        }
        told.alarms.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then_with(|| a.id.cmp(&b.id)));
        told.crossings.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        told
    }

    fn crossing(&mut self, event: &Event, at_s: f64) {
        let Some((_, line)) = place(event) else { return };
        let direction = event.explanation.measured.get("direction").and_then(Value::as_str).unwrap_or_default();
        self.lines.insert(line.clone());
        let class = event.class.clone().unwrap_or_default();
        self.crossings.push(Crossing { line, direction: direction.to_owned(), class, at_s });
    }

    fn tally(&mut self, event: &Event, end_s: f64) {
        let Some((_, line)) = place(event) else { return };
        let measured = &event.explanation.measured;
        let length = measured.get("interval_seconds").and_then(Value::as_f64).unwrap_or(0.0);
        for (direction, classes) in measured.get("counts").and_then(Value::as_object).into_iter().flatten() {
            for (class, number) in classes.as_object().into_iter().flatten() {
                for _ in 0..number.as_u64().unwrap_or(0) {
                    let at_s = end_s - length / 2.0;
                    let (direction, class) = (direction.clone(), class.clone());
                    self.tallied.push(Crossing { line: line.clone(), direction, class, at_s });
                }
            }
        }
        self.lines.insert(line);
    }

    /// Crossings of a line in a direction: its events, or its counts when it reports only those.
    pub fn passages<'a>(&'a self, line: &'a str, direction: &'a str) -> impl Iterator<Item = &'a Crossing> {
        let of_line = move |crossing: &&Crossing| crossing.line == line;
        let (events, counts) =
            (self.crossings.iter().filter(of_line).count(), self.tallied.iter().filter(of_line).count());
        // A crossing at the very end may not be in a count any more, so equal numbers prefer the events.
        let source = if counts > events { &self.tallied } else { &self.crossings };
        source.iter().filter(of_line).filter(move |crossing| crossing.direction == direction)
    }
}

/// The place that the rule watches.
fn place(event: &Event) -> Option<(&'static str, String)> {
    let named = |kind: &'static str| Some((kind, event.explanation.thresholds.get(kind)?.as_str()?.to_owned()));
    PLACES.into_iter().find_map(named)
}

/// Reads events as the `jsonl` sink, `vantage replay` and `vantage events` write them: one JSON object a line.
///
/// A record that stands there twice, as after a repeated delivery, counts once.
///
/// # Errors
/// I/O kinds; `Corrupt` with the line for what is no event; `Corrupt` when there is none and `may_be_empty` is false.
pub fn read_events(path: &Path, may_be_empty: bool) -> Result<Vec<Event>> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut events: Vec<Event> = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let event: Event = serde_json::from_str(line).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{} line {}: no event: {e}", path.display(), index + 1))
                .help("give the lines of a `jsonl` sink or the output of `vantage replay`")
        })?;
        if seen.insert((event.camera.clone(), event.id, event.revision)) {
            events.push(event);
        }
    }
    if events.is_empty() && !may_be_empty {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: no event in it", path.display()))
            .help("if nothing was told, say so with --allow-empty"));
    }
    Ok(events)
}
