//! Events, and why each was raised.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::App;
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{self, FILTERS, Page, filter_names, json};
use super::problem::Problem;
use super::query::Params;
use crate::access::Role;
use crate::base::{EventId, Timestamp};
use crate::incident::IncidentId;
use crate::scene::{Event, Phase, Position, StoredEvent};
use crate::store::EventMark;

/// Where a page begins.
#[derive(Serialize, Deserialize)]
struct Mark(i64, u64);

/// All that is known of one happening.
#[derive(Serialize, JsonSchema)]
struct EventWhole {
    /// Its first record.
    #[serde(flatten)]
    first: StoredEvent,
    /// All its records, in order of revision.
    records: Vec<StoredEvent>,
    /// The incident that it is part of.
    incident: Option<IncidentId>,
}

/// Why an event was raised.
#[derive(Serialize, JsonSchema)]
struct Why {
    /// In a sentence.
    text: String,
    /// Id of the rule.
    rule: String,
    /// Type of the rule.
    kind: String,
    /// What was measured, at the first record; units are in the names.
    measured: Value,
    /// What was measured, at the last record.
    measured_at_end: Value,
    /// What it was held against.
    thresholds: Value,
    /// When it was filmed, with the source of the time and its error.
    time: Value,
    /// From the first to the last record, seconds; `null` for what has no duration.
    lasted_seconds: Option<f64>,
    /// SHA-256 of the model.
    model: String,
    /// SHA-256 of the pipeline that was in force.
    pipeline: String,
    /// Whether that is the pipeline that runs now.
    pipeline_is_current: bool,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    vec![
        Endpoint::new(
            Method::GET,
            "/events",
            viewer,
            "Records of events, those filmed last first.",
            Gives::Json(schema_of::<Page<StoredEvent>>),
            get(list),
        )
        .query(FILTERS),
        Endpoint::new(
            Method::GET,
            "/events/{id}",
            viewer,
            "One happening with all its records.",
            Gives::Json(schema_of::<EventWhole>),
            get(one),
        ),
        Endpoint::new(
            Method::GET,
            "/events/{id}/why",
            viewer,
            "Why it was raised: what was measured and what it was held against.",
            Gives::Json(schema_of::<Why>),
            get(why),
        ),
    ]
}

async fn list(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    params.only(&filter_names())?;
    let filter = listing::filter(&app, &who, &params)?;
    if !filter.states.is_empty() {
        return Err(Problem::field("state", "events have no state; incidents do"));
    }
    let limit = listing::limit(&params)?;
    let mark: Option<Mark> = listing::mark(&params)?;
    let page = app
        .read(move |reader| {
            let mark = mark.map(|Mark(utc, position)| EventMark { utc: Timestamp(utc), position: Position(position) });
            let mut items = reader.list_events(&filter, mark, limit + 1)?;
            let more = items.len() > limit;
            items.truncate(limit);
            let last = items.last().filter(|_| more).map(|last| Mark(last.event.time.utc.0, last.position.0));
            Ok(Page { items, next: last.and_then(|mark| listing::cursor(&mark)) })
        })
        .await?;
    Ok(json(&page))
}

/// The records of a happening whose camera may be seen.
async fn records(app: &Arc<App>, who: &Who, id: &str) -> Result<Vec<StoredEvent>, Problem> {
    let id: EventId = id.parse().map(EventId).map_err(|_| Problem::absent("event"))?;
    let records = app.read(move |reader| reader.records(id)).await?;
    let visible = records.first().is_some_and(|first| app.may_see_id(who, first.event.camera.as_str()));
    if visible { Ok(records) } else { Err(Problem::absent("event")) }
}

async fn one(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    let records = records(&app, &who, &id).await?;
    let first = records.first().cloned().ok_or_else(|| Problem::absent("event"))?;
    let key = first.event.id;
    let incident = app.read(move |reader| reader.incident_of(key)).await?.map(|incident| incident.id);
    Ok(json(&EventWhole { first, records, incident }))
}

async fn why(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    let records = records(&app, &who, &id).await?;
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Err(Problem::absent("event")) };
    let (first, last): (&Event, &Event) = (&first.event, &last.event);
    let current = app.pipeline().hash();
    let explanation = &first.explanation;
    let instant = first.phase == Phase::Instant;
    Ok(json(&Why {
        text: explanation.summary.clone(),
        rule: first.rule.clone(),
        kind: first.kind.clone(),
        measured: serde_json::json!(explanation.measured),
        measured_at_end: serde_json::json!(last.explanation.measured),
        thresholds: serde_json::json!(explanation.thresholds),
        time: serde_json::json!(first.time),
        lasted_seconds: (!instant).then(|| last.media_time.seconds_since(first.media_time)),
        model: explanation.model.clone(),
        pipeline_is_current: explanation.pipeline == current,
        pipeline: explanation.pipeline.clone(),
    }))
}
