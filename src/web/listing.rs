//! Lists: filters from a query, cursors, pages, and answers that are kept for as long as nothing changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
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
use crate::store::{ListFilter, Reader};

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
        eyes: app.visible(who),
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
/// list. Of many who ask at once one looks into the store, and the others wait for what it finds: when all looked, each
/// would wait for all the others on a machine of few processors.
#[derive(Default)]
pub(super) struct Cache {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// Counts what people did; an answer that was begun before is not kept.
    changes: AtomicU64,
}

/// One question.
#[derive(Default)]
struct Slot {
    /// Held by the one who looks.
    looking: tokio::sync::Mutex<()>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    version: u64,
    /// When it was made.
    made: Instant,
    /// When it was last found to be still good.
    checked: Instant,
    body: Bytes,
}

impl Slot {
    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, if it is so fresh that nobody need look for a newer one.
    fn fresh(&self, now: Instant) -> Option<Bytes> {
        let fresh = |kept: &&Kept| now.saturating_duration_since(kept.checked) < Cache::FRESH;
        self.kept().as_ref().filter(fresh).map(|kept| kept.body.clone())
    }

    /// The answer, if nothing has changed since.
    fn good(&self, version: u64, now: Instant) -> Option<Bytes> {
        let mut kept = self.kept();
        let good = |kept: &&mut Kept| kept.version == version && now.saturating_duration_since(kept.made) < Cache::AGE;
        kept.as_mut().filter(good).map(|kept| {
            kept.checked = now;
            kept.body.clone()
        })
    }
}

impl Cache {
    /// What depends on the clock (whether an incident is over) may be so old.
    const AGE: Duration = Duration::from_secs(1);
    /// Within this no newer answer is looked for: a blink.
    const FRESH: Duration = Duration::from_millis(100);
    const MOST: usize = 256;

    /// The answer to a question about incidents; `make` is asked for it when none is kept that is still good.
    pub(super) async fn answer(
        &self,
        app: &Arc<App>,
        question: String,
        make: impl FnOnce(&Reader) -> crate::base::Result<Bytes> + Send + 'static,
    ) -> Result<Bytes, Problem> {
        let slot = self.slot(question, app.clock.monotonic());
        if let Some(body) = slot.fresh(app.clock.monotonic()) {
            return Ok(body);
        }
        let _looking = slot.looking.lock().await;
        if let Some(body) = slot.fresh(app.clock.monotonic()) {
            return Ok(body);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let (inner, place) = (Arc::clone(app), Arc::clone(&slot));
        app.read(move |reader| {
            let (version, now) = (reader.last_touched()?, inner.clock.monotonic());
            if let Some(body) = place.good(version, now) {
                return Ok(body);
            }
            let body = make(reader)?;
            let mut kept = place.kept();
            if inner.lists.changes.load(Ordering::SeqCst) == changes {
                *kept = Some(Kept { version, made: now, checked: now, body: body.clone() });
            }
            Ok(body)
        })
        .await
    }

    /// The place of a question; one that is kept nowhere when there are too many.
    fn slot(&self, question: String, now: Instant) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&question) {
            return Arc::clone(slot);
        }
        if slots.len() >= Self::MOST {
            let young = |kept: &Kept| now.saturating_duration_since(kept.made) < Self::AGE;
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.kept().as_ref().is_some_and(young));
        }
        let slot = Arc::<Slot>::default();
        if slots.len() < Self::MOST {
            slots.insert(question, Arc::clone(&slot));
        }
        slot
    }

    /// Forgets all: somebody has changed something and will look at it.
    pub(super) fn clear(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for slot in self.slots.lock().unwrap_or_else(PoisonError::into_inner).values() {
            slot.kept().take();
        }
    }
}

/// The name under which an answer is kept: the question and whose eyes.
pub(super) fn question(who: &Who, filter: &ListFilter, rest: &str) -> String {
    format!("{:?} {filter:?} {rest}", who.principal.scope)
}
