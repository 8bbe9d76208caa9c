//! Lists: filters from a query, cursors, pages, and answers that are kept for as long as nothing changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::app::App;
use super::guard::Who;
use super::problem::Problem;
use super::query::Params;
use crate::incident::work::WorkState;
use crate::scene::Severity;
use crate::store::ListFilter;

/// Items of a page, unless the request says otherwise.
const USUAL: usize = 50;
/// Most items of a page.
const MOST: usize = 200;
/// Values of one filter.
const MOST_VALUES: usize = 200;

/// A page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    /// The items, the newest first unless the endpoint says otherwise.
    pub items: Vec<T>,
    /// What to give as `cursor` for the next page; `null` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A whole list as one page.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// The filters that lists of events and incidents share, for the description.
pub(super) const FILTERS: &[(&str, &str)] = &[
    ("camera", "id of a camera; may repeat"),
    ("ward", "a ward; may repeat"),
    ("rule", "id or type of a rule; may repeat"),
    ("class", "class of the object; may repeat"),
    ("severity", "info, warning or alert; may repeat"),
    ("state", "state of people's work (incidents only); may repeat"),
    ("from", "at or after this time (RFC 3339)"),
    ("to", "before this time (RFC 3339)"),
    ("cursor", "`next` of the page before"),
    ("limit", "items of a page, 1 to 200; 50 when not given"),
];

/// The names among [`FILTERS`].
pub(super) fn filter_names() -> Vec<&'static str> {
    FILTERS.iter().map(|(name, _)| *name).collect()
}

/// The filter of a request, narrowed to what its user may see.
pub(super) fn filter(app: &App, who: &Who, params: &Params) -> Result<ListFilter, Problem> {
    let severity = |word: &str| match word {
        "info" => Some(Severity::Info),
        "warning" => Some(Severity::Warning),
        "alert" => Some(Severity::Alert),
        _ => None,
    };
    let filter = ListFilter {
        cameras: cameras(app, who, params)?,
        rules: params.all("rule"),
        classes: params.all("class"),
        severities: params.words("severity", severity, "info, warning, alert")?,
        states: params.words("state", WorkState::parse, "new, acknowledged, dispatched, resolved, false_alarm")?,
        from: params.time("from")?,
        to: params.time("to")?,
    };
    if filter.rules.len().max(filter.classes.len()) > MOST_VALUES {
        return Err(Problem::field("rule", format!("at most {MOST_VALUES} values of one filter")));
    }
    Ok(filter)
}

/// The cameras that `camera` and `ward` name and the user may see; `None` for all.
pub(super) fn cameras(app: &App, who: &Who, params: &Params) -> Result<Option<Vec<String>>, Problem> {
    let (named, wards) = (params.all("camera"), params.all("ward"));
    if named.len().max(wards.len()) > MOST_VALUES {
        return Err(Problem::field("camera", format!("at most {MOST_VALUES} values of one filter")));
    }
    let visible = app.visible(who);
    if named.is_empty() && wards.is_empty() {
        return Ok(visible);
    }
    let plan = app.pipeline();
    let of_wards: Vec<String> = plan
        .cameras
        .iter()
        .filter(|camera| camera.about.ward.as_ref().is_some_and(|ward| wards.contains(ward)))
        .map(|camera| camera.id.as_str().to_owned())
        .collect();
    let mut wanted = match (named.is_empty(), wards.is_empty()) {
        (false, true) => named,
        (true, false) => of_wards,
        _ => named.into_iter().filter(|camera| of_wards.contains(camera)).collect(),
    };
    if let Some(visible) = visible {
        wanted.retain(|camera| visible.contains(camera));
    }
    wanted.sort();
    wanted.dedup();
    Ok(Some(wanted))
}

/// How many items the page has.
pub(super) fn limit(params: &Params) -> Result<usize, Problem> {
    params.number("limit", 1, MOST, USUAL)
}

/// The mark in a cursor, as [`cursor`] wrote it.
pub(super) fn mark<T: DeserializeOwned>(params: &Params) -> Result<Option<T>, Problem> {
    let Some(cursor) = params.one("cursor")? else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(&cursor).ok();
    let mark = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    mark.map(Some).ok_or_else(|| Problem::field("cursor", "this is no cursor of ours"))
}

/// A cursor.
pub(super) fn cursor(mark: &impl Serialize) -> Option<String> {
    serde_json::to_vec(mark).ok().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// JSON that is never kept by anybody between here and the reader.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => json_bytes(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer is no JSON");
            Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal", "this failed here").into_response()
        }
    }
}

/// The same of bytes that are JSON already.
pub(super) fn json_bytes(bytes: impl Into<axum::body::Body>) -> Response {
    let head = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (head, bytes.into()).into_response()
}

/// Answers to the same question of the same eyes, as long as nothing has changed: a room full of operators looks at one
/// list.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Kept>>);

struct Kept {
    version: u64,
    at: Instant,
    body: axum::body::Bytes,
}

impl Cache {
    /// What depends on the clock (whether an incident is over) may be so old.
    const AGE: Duration = Duration::from_secs(1);
    /// Within this no newer answer is looked for: a blink.
    const FRESH: Duration = Duration::from_millis(100);
    const MOST: usize = 256;

    /// The answer, if it is still good.
    pub(super) fn get(&self, question: &str, version: u64, now: Instant) -> Option<axum::body::Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let good = |kept: &&Kept| kept.version == version && now.saturating_duration_since(kept.at) < Self::AGE;
        kept.get(question).filter(good).map(|kept| kept.body.clone())
    }

    /// The answer, if it is so fresh that nobody need look for a newer one.
    pub(super) fn fresh(&self, question: &str, now: Instant) -> Option<axum::body::Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |kept: &&Kept| now.saturating_duration_since(kept.at) < Self::FRESH;
        kept.get(question).filter(fresh).map(|kept| kept.body.clone())
    }

    /// Forgets all: somebody has changed something and will look at it.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Keeps an answer.
    pub(super) fn put(&self, question: String, version: u64, now: Instant, body: axum::body::Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= Self::MOST {
            kept.retain(|_, kept| now.saturating_duration_since(kept.at) < Self::AGE);
        }
        if kept.len() < Self::MOST {
            kept.insert(question, Kept { version, at: now, body });
        }
    }
}

/// The name under which an answer is kept: the question and whose eyes.
pub(super) fn question(who: &Who, filter: &ListFilter, rest: &str) -> String {
    format!("{:?} {filter:?} {rest}", who.principal.scope)
}
