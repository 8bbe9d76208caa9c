//! The table `events`: one row for each record of an event.

use serde::Serialize;

use super::table::Type::{Int, Real, Text, Time};
use super::table::{Cell, Table, column, nullable};
use crate::scene::{Phase, Severity, StoredEvent};

/// See the module.
pub const EVENTS: Table = Table {
    name: "events",
    columns: &[
        column("position", Int, "place in the store, growing"),
        column("id", Text, "the happening; its start, updates and end share it"),
        column("revision", Int, "0 for the happening's first record, then 1, 2, …; `(id, revision)` is unique"),
        column("sequence", Int, "the camera's records, from 1 without gaps"),
        nullable("site", Text, "site that the camera shares with others"),
        column("rule", Text, "the rule's id in the pipeline file"),
        column("kind", Text, "sort of record, such as `stopped_vehicle` or `line_count`"),
        column("phase", Text, "`instant`, `start`, `update` or `end`"),
        column("severity", Text, "`info`, `warning` or `alert`"),
        column("time", Time, "when the picture behind it was taken"),
        column("time_source", Text, "`sender_report`, `starts_at`, `container`, `arrival` or `epoch`"),
        nullable(
            "time_error_s",
            Real,
            "half-width of the interval that the true time lies in, seconds; null when unknown",
        ),
        column("media_time_s", Real, "the same on the camera's own timeline, seconds"),
        column("run", Int, "the unbroken connection it was seen in"),
        column("frame", Int, "the frame it was seen in, within the run"),
        nullable("track", Int, "the track behind it"),
        nullable("class", Text, "class of the track, by vote"),
        nullable("x1", Real, "left side of the box, share of the picture's width"),
        nullable("y1", Real, "upper side of the box, share of the picture's height"),
        nullable("x2", Real, "right side of the box"),
        nullable("y2", Real, "lower side of the box"),
        column("summary", Text, "one sentence for people"),
        column("thresholds", Text, "JSON object: the rule's parameters that mattered"),
        column("measured", Text, "JSON object: what was measured"),
        column("model", Text, "SHA-256 of the model"),
        column("pipeline", Text, "SHA-256 of the pipeline's settings"),
        nullable("still", Text, "file name of the still"),
        nullable("clip", Text, "file name of the clip"),
        nullable("clip_offset_s", Real, "where in the clip, seconds after its first picture"),
    ],
};

/// The row of a record.
#[must_use]
pub fn event_row(stored: &StoredEvent) -> Vec<Cell> {
    let event = &stored.event;
    let side = |side: fn(&crate::scene::NormBox) -> f32| Cell::from(event.bbox.as_ref().map(|b| f64::from(side(b))));
    vec![
        Cell::count(stored.position.0),
        Cell::Text(event.id.to_string()),
        Cell::Int(event.revision.into()),
        Cell::count(event.sequence),
        event.site.as_deref().into(),
        event.rule.as_str().into(),
        event.kind.as_str().into(),
        phase(event.phase).into(),
        severity(event.severity).into(),
        Cell::time(event.time.utc),
        Cell::Text(word(&event.time.source)),
        event.time.error_ns.map(|ns| ns as f64 * 1e-9).into(),
        (event.media_time.0 as f64 * 1e-9).into(),
        Cell::Int(event.run.0.into()),
        Cell::count(event.frame.0),
        event.track.map_or(Cell::Null, |track| Cell::count(track.0)),
        event.class.as_deref().into(),
        side(|b| b.x1),
        side(|b| b.y1),
        side(|b| b.x2),
        side(|b| b.y2),
        event.explanation.summary.as_str().into(),
        Cell::Text(json(&event.explanation.thresholds)),
        Cell::Text(json(&event.explanation.measured)),
        event.explanation.model.as_str().into(),
        event.explanation.pipeline.as_str().into(),
        event.still.as_deref().into(),
        event.clip.as_ref().map(|clip| clip.file.as_str()).into(),
        event.clip.as_ref().map(|clip| clip.offset_s).into(),
    ]
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Instant => "instant",
        Phase::Start => "start",
        Phase::Update => "update",
        Phase::End => "end",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Alert => "alert",
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A word as the event's JSON spells it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
