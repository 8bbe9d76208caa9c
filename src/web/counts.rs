//! Counts and speeds: what counting rules reported, put into steps of time, with how much of each was really watched.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::app::App;
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{cameras, json};
use super::problem::Problem;
use super::query::Params;
use crate::access::Role;
use crate::base::{Span, Timestamp};
use crate::scene::Event;
use crate::store::{EventMark, ListFilter, Reader};

/// Types of events that count.
const COUNTS: [&str; 3] = ["line_count", "turning_count", "motorbike_flow"];
/// Rows read for one answer.
const MOST_ROWS: usize = 20_000;
/// Rows of one look at the store.
const STEP_ROWS: usize = 1_000;
/// Width of a bar of the histogram of speeds, km/h.
const BAR_KMH: f64 = 5.0;

const QUERY: &[(&str, &str)] = &[
    ("camera", "id of a camera; may repeat"),
    ("ward", "a ward; may repeat"),
    ("rule", "id or type of a rule; may repeat"),
    ("from", "at or after this time (RFC 3339); an hour ago when not given"),
    ("to", "before this time (RFC 3339); now when not given"),
    ("step", "length of a step, such as 60s, 15m, 1h; 60s when not given"),
    ("by", "class, lane, movement or direction: what the keys of the counts are; direction when not given"),
];

/// Counts of one rule in one step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Row {
    /// The step's begin.
    from: Timestamp,
    /// Its end.
    to: Timestamp,
    /// The camera.
    camera: String,
    /// The rule's id.
    rule: String,
    /// The event's type.
    kind: String,
    /// Class to number, by direction, lane or movement; all under `all` by class.
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// Seconds of the step that the camera was really watched.
    observed_seconds: f64,
}

/// Counts over time.
#[derive(Serialize, JsonSchema)]
struct Counts {
    /// Length of a step.
    step_seconds: u64,
    /// Rows, the oldest first. A step that no rule reported on has none.
    items: Vec<Row>,
    /// Whether older rows were left out: too many for one answer.
    truncated: bool,
}

/// Speeds of one rule, class and step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct SpeedRow {
    /// The step's begin.
    from: Timestamp,
    /// Its end.
    to: Timestamp,
    /// The camera.
    camera: String,
    /// The rule's id.
    rule: String,
    /// Vehicles measured, by class.
    vehicles: BTreeMap<String, u64>,
    /// Mean speed of all, km/h.
    mean_kmh: f64,
    /// The speed that 85 of 100 do not exceed, km/h.
    p85_kmh: f64,
    /// The highest, km/h.
    max_kmh: f64,
    /// Vehicles by lower edge of 5 km/h.
    histogram: BTreeMap<u32, u64>,
}

/// Speeds over time.
#[derive(Serialize, JsonSchema)]
struct Speeds {
    /// Length of a step.
    step_seconds: u64,
    /// Width of a bar.
    bar_kmh: f64,
    /// Rows, the oldest first.
    items: Vec<SpeedRow>,
    /// Whether older rows were left out.
    truncated: bool,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    let counts = Gives::Json(schema_of::<Counts>);
    let summary = "What counting rules counted, by step of time, with the seconds that were watched.";
    vec![
        Endpoint::new(Method::GET, "/counts", viewer, summary, counts, get(as_json)).query(QUERY),
        Endpoint::new(
            Method::GET,
            "/counts.csv",
            viewer,
            "The same as CSV (RFC 4180), one line for each step, rule, key and class.",
            Gives::Bytes("text/csv"),
            get(as_csv),
        )
        .query(QUERY),
        Endpoint::new(
            Method::GET,
            "/speeds",
            viewer,
            "Measured speeds by step of time, with a histogram.",
            Gives::Json(schema_of::<Speeds>),
            get(speeds),
        )
        .query(QUERY),
    ]
}

/// What was asked for.
struct Asked {
    filter: ListFilter,
    step_ns: i64,
    by: String,
}

fn asked(app: &App, who: &Who, params: &Params) -> Result<Asked, Problem> {
    params.only(&QUERY.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let to = params.time("to")?.unwrap_or_else(|| app.clock.utc());
    let from = params.time("from")?.unwrap_or(Timestamp(to.0 - 3_600_000_000_000));
    let step = params.one("step")?.unwrap_or_else(|| "60s".to_owned());
    let step: Span = step.parse().map_err(|_| Problem::field("step", "write a length of time, such as 60s or 15m"))?;
    let step_ns = i64::try_from(step.duration().as_nanos()).unwrap_or(i64::MAX);
    if !(1_000_000_000..=31 * 86_400_000_000_000).contains(&step_ns) {
        return Err(Problem::field("step", "it is 1s to 31 days"));
    }
    let by = params.one("by")?.unwrap_or_else(|| "direction".to_owned());
    if !["class", "lane", "movement", "direction"].contains(&by.as_str()) {
        return Err(Problem::field("by", "it is one of class, lane, movement, direction"));
    }
    let cameras = cameras(app, who, params)?;
    let filter =
        ListFilter { cameras, rules: params.all("rule"), from: Some(from), to: Some(to), ..ListFilter::default() };
    Ok(Asked { filter, step_ns, by })
}

/// The events of these kinds, the oldest first, and whether there were more.
fn events(reader: &Reader, asked: &Asked, kinds: &[&str]) -> crate::base::Result<(Vec<Event>, bool)> {
    let mut filter = asked.filter.clone();
    let wanted = std::mem::replace(&mut filter.rules, kinds.iter().map(|kind| (*kind).to_owned()).collect());
    let (mut found, mut mark, mut read) = (Vec::new(), None, 0);
    loop {
        let page = reader.list_events(&filter, mark, STEP_ROWS)?;
        let whole = page.len() == STEP_ROWS;
        read += page.len();
        mark = page.last().map(|last| EventMark { utc: last.event.time.utc, position: last.position });
        let fits = |event: &Event| wanted.is_empty() || wanted.contains(&event.rule) || wanted.contains(&event.kind);
        found.extend(page.into_iter().map(|stored| stored.event).filter(fits));
        if !whole || read >= MOST_ROWS {
            found.reverse();
            return Ok((found, whole));
        }
    }
}

fn number(event: &Event, name: &str) -> f64 {
    event.explanation.measured.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

fn step_of(at: Timestamp, step_ns: i64) -> (Timestamp, Timestamp) {
    let from = at.0.div_euclid(step_ns) * step_ns;
    (Timestamp(from), Timestamp(from + step_ns))
}

fn count(events: &[Event], asked: &Asked) -> Vec<Row> {
    let mut rows: BTreeMap<(Timestamp, String, String), Row> = BTreeMap::new();
    for event in events {
        // A report tells of the time before it.
        let (from, to) = step_of(Timestamp(event.time.utc.0 - 1), asked.step_ns);
        let key = (from, event.camera.as_str().to_owned(), event.rule.clone());
        let row = rows.entry(key).or_insert_with(|| Row {
            from,
            to,
            camera: event.camera.as_str().to_owned(),
            rule: event.rule.clone(),
            kind: event.kind.clone(),
            counts: BTreeMap::new(),
            observed_seconds: 0.0,
        });
        row.observed_seconds += number(event, "observed_seconds");
        let part = if asked.by == "lane" { "lanes" } else { "counts" };
        let Some(Value::Object(groups)) = event.explanation.measured.get(part) else { continue };
        for (key, classes) in groups {
            let key = if asked.by == "class" { "all" } else { key };
            add(classes, row.counts.entry(key.to_owned()).or_default());
        }
    }
    rows.into_values().collect()
}

/// Adds numbers by class; what lies deeper (both ways of a lane) is added up.
fn add(classes: &Value, sums: &mut BTreeMap<String, u64>) {
    for (class, number) in classes.as_object().into_iter().flatten() {
        match number.as_u64() {
            Some(number) => *sums.entry(class.clone()).or_default() += number,
            None => add(number, sums),
        }
    }
}

async fn counted(app: &Arc<App>, who: &Who, params: &Params) -> Result<Counts, Problem> {
    let asked = asked(app, who, params)?;
    app.read(move |reader| {
        let (events, truncated) = events(reader, &asked, &COUNTS)?;
        let step_seconds = asked.step_ns.unsigned_abs() / 1_000_000_000;
        Ok(Counts { step_seconds, items: count(&events, &asked), truncated })
    })
    .await
}

async fn as_json(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    Ok(json(&counted(&app, &who, &params).await?))
}

async fn as_csv(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    let counts = counted(&app, &who, &params).await?;
    app.audit(&who, "counts.export", "counts.csv", &format!("{:?}", params.0)).await;
    let mut text = String::from("from,to,camera,rule,type,key,class,count,observed_seconds\r\n");
    for row in &counts.items {
        let mut line = |key: &str, class: &str, count: u64| {
            let Row { from, to, camera, rule, kind, observed_seconds, .. } = row;
            // Ids hold no comma; class names may. Writing into a text cannot fail.
            let _ = write!(
                text,
                "{from},{to},{camera},{rule},{kind},{},{},{count},{observed_seconds:.3}\r\n",
                quoted(key),
                quoted(class)
            );
        };
        if row.counts.values().all(BTreeMap::is_empty) {
            line("", "", 0);
        }
        for (key, classes) in &row.counts {
            classes.iter().for_each(|(class, count)| line(key, class, *count));
        }
    }
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"counts.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, text).into_response())
}

/// A field of CSV. What a spreadsheet would take for a formula is told as text.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

async fn speeds(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    let asked = asked(&app, &who, &params)?;
    let speeds = app
        .read(move |reader| {
            let (events, truncated) = events(reader, &asked, &["vehicle_speed"])?;
            let step_seconds = asked.step_ns.unsigned_abs() / 1_000_000_000;
            Ok(Speeds { step_seconds, bar_kmh: BAR_KMH, items: measured(&events, &asked), truncated })
        })
        .await?;
    Ok(json(&speeds))
}

fn measured(events: &[Event], asked: &Asked) -> Vec<SpeedRow> {
    let mut groups: BTreeMap<(Timestamp, String, String), Vec<&Event>> = BTreeMap::new();
    for event in events {
        let (from, _) = step_of(event.time.utc, asked.step_ns);
        groups.entry((from, event.camera.as_str().to_owned(), event.rule.clone())).or_default().push(event);
    }
    let row = |((from, camera, rule), events): ((Timestamp, String, String), Vec<&Event>)| {
        let mut speeds: Vec<f64> = events.iter().map(|event| number(event, "speed_kmh")).collect();
        speeds.sort_by(f64::total_cmp);
        let (mut vehicles, mut histogram) = (BTreeMap::new(), BTreeMap::new());
        for event in &events {
            *vehicles.entry(event.class.clone().unwrap_or_default()).or_default() += 1;
        }
        for speed in &speeds {
            *histogram.entry((speed / BAR_KMH).floor().max(0.0) as u32 * BAR_KMH as u32).or_default() += 1;
        }
        let rank = (speeds.len() as f64 * 0.85).ceil() as usize;
        SpeedRow {
            from,
            to: Timestamp(from.0 + asked.step_ns),
            camera,
            rule,
            vehicles,
            mean_kmh: speeds.iter().sum::<f64>() / speeds.len().max(1) as f64,
            p85_kmh: speeds.get(rank.saturating_sub(1)).copied().unwrap_or(0.0),
            max_kmh: speeds.last().copied().unwrap_or(0.0),
            histogram,
        }
    };
    groups.into_iter().map(row).collect()
}
