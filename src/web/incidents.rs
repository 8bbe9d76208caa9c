//! The queue of incidents, and what people do about them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use super::app::{App, blocking};
use super::cameras::Place;
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{self, FILTERS, Page, filter_names, json, json_bytes};
use super::problem::Problem;
use super::query::{Body, Params};
use crate::access::Role;
use crate::base::Timestamp;
use crate::config::Plan;
use crate::incident::work::{Action, Entry, Refused, WorkState};
use crate::incident::{IncidentId, State as Phase};
use crate::scene::event::Clip;
use crate::scene::{Severity, StoredEvent};
use crate::store::{Acted, IncidentMark, ListFilter, ListedIncident, Reader};

/// Records that come with one incident.
const MOST_EVENTS: usize = 500;

/// An incident.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct IncidentView {
    /// Its id.
    id: String,
    /// When it began.
    opened: Timestamp,
    /// Its latest sign.
    last: Timestamp,
    /// When it was found to be over.
    cleared: Option<Timestamp>,
    /// Where the happening stands.
    phase: Phase,
    /// Where people stand with it.
    state: WorkState,
    /// How many actions were taken; an action names the version that it was decided on.
    version: u32,
    /// The highest severity of its events.
    severity: Severity,
    /// Type of the rule that began it.
    rule: String,
    /// Id of the rule that began it.
    rule_id: Option<String>,
    /// Types of all its rules.
    rules: Vec<String>,
    /// Class of the object that began it.
    class: Option<String>,
    /// The camera that saw it first.
    camera: String,
    /// All cameras that saw it.
    cameras: Vec<String>,
    /// The ward of the first camera.
    ward: Option<String>,
    /// Where the first camera stands.
    place: Option<Place>,
    /// What its most severe event said.
    summary: String,
    /// Happenings in it.
    events: u64,
    /// Happenings after the first.
    repeats: u32,
    /// Whose it is.
    owner: Option<String>,
    /// The unit that was sent last.
    unit: Option<String>,
    /// The event that began it.
    first_event: Option<String>,
    /// The still with drawing, as a path below `/media/`.
    still: Option<String>,
    /// The still without.
    clean_still: Option<String>,
    /// The clip.
    clip: Option<Clip>,
    /// What people did, oldest first.
    history: Vec<Entry>,
}

/// An incident with its events.
#[derive(Serialize, JsonSchema)]
struct IncidentWhole {
    #[serde(flatten)]
    incident: IncidentView,
    /// The records of its happenings, oldest first, at most 500.
    event_items: Vec<StoredEvent>,
}

/// Where a page begins.
#[derive(Serialize, Deserialize)]
struct Mark(i64, IncidentId);

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    vec![
        Endpoint::new(
            Method::GET,
            "/incidents",
            viewer,
            "Incidents, those that began last first.",
            Gives::Json(schema_of::<Page<IncidentView>>),
            get(list),
        )
        .query(FILTERS),
        Endpoint::new(
            Method::GET,
            "/incidents/{id}",
            viewer,
            "One incident with its events.",
            Gives::Json(schema_of::<IncidentWhole>),
            get(one),
        ),
        Endpoint::new(
            Method::POST,
            "/incidents/{id}/actions",
            Need::Role(Role::Operator),
            "Takes an action; 409 with `current` when somebody acted in between, or the state does not allow it.",
            Gives::Json(schema_of::<IncidentView>),
            post(act),
        )
        .takes::<Action>(),
    ]
}

/// An incident as people see it.
pub(super) fn view(listed: ListedIncident, plan: &Plan, now: Timestamp) -> IncidentView {
    let ListedIncident { incident, work, events, whole, first, .. } = listed;
    let phase = incident.state(now);
    let first = first.map(|first| first.event);
    let cameras: Vec<String> = incident.places.keys().map(|camera| camera.as_str().to_owned()).collect();
    let camera = first.as_ref().map(|event| event.camera.as_str().to_owned()).or_else(|| cameras.first().cloned());
    let camera = camera.unwrap_or_default();
    let about = plan.cameras.iter().find(|known| known.id.as_str() == camera).map(|known| &known.about);
    let kind = first.as_ref().map(|event| event.kind.clone());
    IncidentView {
        id: incident.id.to_string(),
        opened: incident.began,
        last: incident.last,
        cleared: incident.cleared,
        phase,
        state: work.state,
        version: work.version,
        severity: incident.severity,
        rule: kind.or_else(|| incident.kinds.first().cloned()).unwrap_or_else(|| incident.group.clone()),
        rule_id: first.as_ref().map(|event| event.rule.clone()),
        class: first.as_ref().and_then(|event| event.class.clone()),
        ward: about.and_then(|about| about.ward.clone()),
        place: about.and_then(|about| about.place).map(|p| Place {
            lat: p.lat,
            lon: p.lon,
            heading: p.heading,
            reach_m: p.reach_m,
        }),
        camera,
        cameras,
        summary: incident.summary,
        rules: incident.kinds.into_iter().collect(),
        events,
        repeats: incident.happenings.saturating_sub(1),
        owner: work.owner,
        unit: work.unit,
        first_event: (whole || first.is_some()).then(|| incident.first_event.to_string()),
        still: first.as_ref().and_then(|event| event.still.clone()),
        clean_still: first.as_ref().and_then(|event| event.clean_still.clone()),
        clip: first.and_then(|event| event.clip),
        history: work.history,
    }
}

async fn list(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    params.only(&filter_names())?;
    let filter = listing::filter(&app, &who, &params)?;
    let limit = listing::limit(&params)?;
    let mark: Option<Mark> = listing::mark(&params)?;
    let cursor = params.one("cursor")?.unwrap_or_default();
    let question = listing::question(&who, &filter, &format!("incidents {limit} {cursor}"));
    let (plan, clock) = (app.pipeline(), Arc::clone(&app.clock));
    let make = move |reader: &Reader| {
        let page = page(reader, &filter, mark, limit, &plan, clock.utc())?;
        Ok(serde_json::to_vec(&page).map(axum::body::Bytes::from).unwrap_or_default())
    };
    Ok(json_bytes(app.lists.answer(&app, question, make).await?))
}

fn page(
    reader: &Reader,
    filter: &ListFilter,
    mark: Option<Mark>,
    limit: usize,
    plan: &Plan,
    now: Timestamp,
) -> crate::base::Result<Page<IncidentView>> {
    let mark = mark.map(|Mark(began, id)| IncidentMark { began: Timestamp(began), id });
    let mut found = reader.list_incidents(filter, mark, limit + 1)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|last| Mark(last.mark.began.0, last.mark.id));
    let items = found.into_iter().map(|listed| view(listed, plan, now)).collect();
    Ok(Page { items, next: last.and_then(|mark| listing::cursor(&mark)) })
}

/// The id in a path.
fn id_of(text: &str) -> Result<IncidentId, Problem> {
    text.parse().map(IncidentId).map_err(|_| Problem::absent("incident"))
}

async fn one(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let (plan, visible, now) = (app.pipeline(), app.visible(&who), app.clock.utc());
    let whole = app
        .read(move |reader| {
            let Some(listed) = reader.listed_incident(id, visible.as_deref())? else { return Ok(None) };
            let mut event_items = reader.events_of_incident(id, MOST_EVENTS)?;
            event_items.retain(|stored| {
                visible.as_ref().is_none_or(|visible| visible.iter().any(|one| one == stored.event.camera.as_str()))
            });
            Ok(Some(IncidentWhole { incident: view(listed, &plan, now), event_items }))
        })
        .await?;
    Ok(json(&whole.ok_or_else(|| Problem::absent("incident"))?))
}

async fn act(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<String>,
    Body(action): Body<Action>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let current = current(&app, &who, id).await?;
    let (writer, by, taken) = (app.store.writer(), who.principal.user.clone(), action.clone());
    let acted = blocking(move || writer.act(id, taken, &by)).await?;
    let conflict = |kind: &str, detail: &str| Problem::new(StatusCode::CONFLICT, kind, detail);
    match acted {
        Acted::Taken => {
            app.lists.clear();
            let detail = serde_json::to_string(&action).unwrap_or_default();
            app.audit_durably(&who, "incident.action", &id.to_string(), &detail).await;
            Ok(json(&self::current(&app, &who, id).await?))
        }
        Acted::Unknown => Err(Problem::absent("incident")),
        Acted::Refused(Refused::Incomplete(field, what)) => Err(Problem::field(field, what)),
        Acted::Refused(Refused::NotNow(why)) => Err(conflict("step", &why).with("current", value!(current))),
        Acted::Refused(Refused::Outdated) => {
            let now = self::current(&app, &who, id).await?;
            let detail = format!("somebody acted in between: it is at version {} now", now.version);
            Err(conflict("outdated", &detail).with("current", value!(now)))
        }
    }
}

async fn current(app: &Arc<App>, who: &Who, id: IncidentId) -> Result<IncidentView, Problem> {
    let (plan, visible, now) = (app.pipeline(), app.visible(who), app.clock.utc());
    let listed = app
        .read(move |reader| {
            let listed = reader.listed_incident(id, visible.as_deref())?;
            Ok(listed.map(|listed| view(listed, &plan, now)))
        })
        .await?;
    listed.ok_or_else(|| Problem::absent("incident"))
}
