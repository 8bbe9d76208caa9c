//! What happens, as it happens: server-sent events (WHATWG HTML §9.2), resumable without a gap.
//!
//! Every message carries the place in the store up to which its reader has been told: the position of events and the
//! counter of incidents' changes. A reader who comes back with `Last-Event-ID` is told everything after that place, from
//! the store; there is no queue that could overflow. Events and incidents come from the store, so what is told is durable.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::json;

use super::app::App;
use super::cameras::{Condition, condition, reason, view};
use super::endpoint::{Endpoint, Gives, Need};
use super::guard::{Who, identify};
use super::incidents;
use super::problem::Problem;
use super::query::Params;
use crate::access::Role;
use crate::ops::states;
use crate::scene::Position;
use crate::store::Query;

/// How often the store is looked at when nobody says that there is something new.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between looks at cameras and sinks, and at whether the session still lives.
const SLOW: u32 = 10;
/// Events and incidents of one look.
const STEP: usize = 200;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let summary = "Server-sent events `event`, `incident`, `camera` and `sinks`; Last-Event-ID resumes without a gap.";
    vec![
        Endpoint::new(
            Method::GET,
            "/stream",
            Need::Role(Role::Viewer),
            summary,
            Gives::Bytes("text/event-stream"),
            get(open),
        )
        .query(&[("after", "the same as Last-Event-ID, for a client that cannot set headers")]),
    ]
}

/// How far a reader has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    position: u64,
    touched: u64,
}

impl Place {
    fn text(self) -> String {
        format!("{}-{}", self.position, self.touched)
    }

    fn parse(text: &str) -> Option<Self> {
        let (position, touched) = text.split_once('-')?;
        Some(Self { position: position.parse().ok()?, touched: touched.parse().ok()? })
    }
}

struct Reading {
    app: Arc<App>,
    who: Who,
    headers: HeaderMap,
    place: Place,
    waiting: VecDeque<Message>,
    cameras: Vec<(String, Condition, String)>,
    sinks: String,
    tick: u32,
    latest: tokio::sync::watch::Receiver<Position>,
}

async fn open(State(app): State<Arc<App>>, who: Who, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    params.only(&["after"])?;
    let asked = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = asked.or(params.one("after")?);
    let place = match asked.as_deref().map(Place::parse) {
        Some(Some(place)) => place,
        Some(None) => return Err(Problem::field("after", "this is no id of this stream")),
        None => app.read(|reader| Ok(Place { position: reader.latest()?.0, touched: reader.last_touched()? })).await?,
    };
    let latest = app.store.subscribe();
    let mut waiting = VecDeque::new();
    // Tells the reader its place at once, and the proxy that something is coming.
    waiting.push_back(Message::default().event("hello").id(place.text()).data("{}"));
    let (cameras, sinks) = (Vec::new(), String::new());
    let reading = Reading { app, who, headers, place, waiting, cameras, sinks, tick: 0, latest };
    let messages = stream::unfold(reading, |mut reading| async move {
        loop {
            if let Some(message) = reading.waiting.pop_front() {
                return Some((Ok::<_, Infallible>(message), reading));
            }
            if !reading.look().await {
                return None;
            }
        }
    });
    let mut response =
        Sse::new(messages).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

impl Reading {
    /// Waits for something new and takes it in; false when the stream is over.
    async fn look(&mut self) -> bool {
        tokio::select! {
            () = self.app.stop.wait() => return false,
            () = tokio::time::sleep(TICK) => {}
            // The position moves before a pause is over: an event is told within milliseconds.
            moved = self.latest.changed() => if moved.is_err() { return false },
        }
        self.tick = self.tick.wrapping_add(1);
        if self.tick.is_multiple_of(SLOW) && !self.slow_look().await {
            return false;
        }
        match self.told_by_the_store().await {
            Ok(()) => true,
            Err(problem) => {
                tracing::warn!(detail = problem.detail, "a stream of events ends");
                false
            }
        }
    }

    /// Events and changed incidents since the last look.
    async fn told_by_the_store(&mut self) -> Result<(), Problem> {
        let place = self.place;
        let visible = self.app.visible(&self.who);
        let eyes = visible.clone();
        let (events, changed) = self
            .app
            .read(move |reader| {
                let query = Query { after_position: Some(Position(place.position)), limit: STEP, ..Query::default() };
                let events = if reader.latest()?.0 > place.position { reader.events(&query)? } else { Vec::new() };
                Ok((events, reader.incidents_touched(place.touched, STEP, eyes.as_deref())?))
            })
            .await?;
        let plan = self.app.pipeline();
        let now = self.app.clock.utc();
        for stored in events {
            self.place.position = stored.position.0;
            let camera = stored.event.camera.as_str();
            if visible.as_ref().is_none_or(|visible| visible.iter().any(|one| one == camera)) {
                self.push("event", &stored);
            }
        }
        for (touched, listed) in changed {
            self.place.touched = self.place.touched.max(touched);
            if let Some(listed) = listed {
                self.push("incident", &incidents::view(listed, &plan, now));
            }
        }
        Ok(())
    }

    /// Cameras and sinks that do otherwise than at the last look; false when the reader may read no more.
    async fn slow_look(&mut self) -> bool {
        let principal = identify(&self.app, &self.headers).filter(|principal| !principal.must_change_password);
        let Some(principal) = principal else { return false };
        self.who.principal = principal;
        let Ok(snapshot) = self.app.snapshot().await else { return true };
        let plan = self.app.pipeline();
        let mut now = Vec::new();
        for camera in &plan.cameras {
            if !super::app::may_see(&self.who, camera) {
                continue;
            }
            let report = snapshot.cameras.iter().find(|report| report.camera == camera.id);
            let state = (camera.id.as_str().to_owned(), condition(report), reason(report));
            if !self.cameras.contains(&state) {
                let shown = view(&self.app, camera, &snapshot);
                self.push("camera", &shown);
            }
            now.push(state);
        }
        self.cameras = now;
        let sinks: Vec<_> = snapshot
            .sinks
            .iter()
            .map(|(id, status)| {
                json!({
                    "id": id, "state": states::of_sink(status.state), "backlog": status.backlog,
                    "last_error": status.last_error, "dead_letters": status.rejected,
                })
            })
            .collect();
        let sinks = json!({"sinks": sinks}).to_string();
        if sinks != self.sinks {
            self.waiting.push_back(Message::default().event("sinks").id(self.place.text()).data(sinks.clone()));
            self.sinks = sinks;
        }
        true
    }

    fn push(&mut self, name: &str, body: &impl serde::Serialize) {
        match Message::default().event(name).id(self.place.text()).json_data(body) {
            Ok(message) => self.waiting.push_back(message),
            Err(error) => tracing::error!(%error, "a message is no JSON"),
        }
    }
}
