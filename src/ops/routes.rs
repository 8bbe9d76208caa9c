//! The pages. All are `GET` (and so `HEAD`), take nothing, and are never cached.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Snapshot, Source, metrics, states};
use crate::base::Timestamp;
use crate::scene::Position;
use crate::sink::dispatch::SinkStatus;

/// How long a page waits for its snapshot.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(5);

const INDEX: &str = concat!(
    "vantage ",
    env!("CARGO_PKG_VERSION"),
    "\n\n\
     /metrics      figures in the OpenMetrics text format\n\
     /livez        200, or 503 with the reason when only a restart helps\n\
     /readyz       200, or 503 with the reason while it does not do its work\n\
     /api/cameras  every camera's state and accounting, as JSON\n\
     /api/sinks    every sink's state and backlog, as JSON\n"
);

/// All pages over `source`.
pub fn router(source: Source) -> Router {
    Router::new()
        .route("/", get(async || text(StatusCode::OK, INDEX.to_owned())))
        .route("/metrics", get(exposition))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/api/cameras", get(cameras))
        .route("/api/sinks", get(sinks))
        .fallback(async || text(StatusCode::NOT_FOUND, "no such page; / lists them\n".to_owned()))
        .with_state(Observer { source, one_at_a_time: Arc::new(Semaphore::new(1)) })
}

/// The pages for another router: those that tell nothing but a state in a word, and those that name cameras.
pub fn pages(source: Source) -> (Router, Router) {
    let observer = Observer { source, one_at_a_time: Arc::new(Semaphore::new(1)) };
    let open = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/healthz", get(live))
        .with_state(observer.clone());
    let closed = Router::new()
        .route("/metrics", get(exposition))
        .route("/api/cameras", get(cameras))
        .route("/api/sinks", get(sinks))
        .with_state(observer);
    (open, closed)
}

/// Takes snapshots, one at a time, so that requests cannot pile up threads on a source that hangs.
#[derive(Clone)]
struct Observer {
    source: Source,
    one_at_a_time: Arc<Semaphore>,
}

impl Observer {
    /// The state now, or the answer that there is none.
    async fn snapshot(self) -> Result<Snapshot, Response> {
        let Self { source, one_at_a_time } = self;
        let taken = async {
            let turn = one_at_a_time.acquire_owned().await;
            // The turn goes along: it ends when the source returns, not when the request gives up.
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                source()
            })
            .await
        };
        match timeout(SNAPSHOT_WAIT, taken).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(error)) => {
                tracing::error!(%error, "the state could not be read for the operations port");
                Err(text(StatusCode::INTERNAL_SERVER_ERROR, "the state could not be read; see the log\n".to_owned()))
            }
            Err(_) => {
                let reason = format!("the state could not be read within {} s\n", SNAPSHOT_WAIT.as_secs());
                Err(text(StatusCode::SERVICE_UNAVAILABLE, reason))
            }
        }
    }
}

async fn exposition(State(observer): State<Observer>) -> Result<Response, Response> {
    let snapshot = observer.snapshot().await?;
    match metrics::render(snapshot, &metrics::Process::read()) {
        Ok(body) => Ok(page(StatusCode::OK, metrics::CONTENT_TYPE, body)),
        Err(_) => Err(text(StatusCode::INTERNAL_SERVER_ERROR, "the figures could not be written as text\n".to_owned())),
    }
}

async fn live(State(observer): State<Observer>) -> Result<Response, Response> {
    Ok(health("live", observer.snapshot().await?.live))
}

async fn ready(State(observer): State<Observer>) -> Result<Response, Response> {
    Ok(health("ready", observer.snapshot().await?.ready))
}

async fn cameras(State(observer): State<Observer>) -> Result<Response, Response> {
    Ok(json(&observer.snapshot().await?.cameras))
}

async fn sinks(State(observer): State<Observer>) -> Result<Response, Response> {
    let snapshot = observer.snapshot().await?;
    Ok(json(&snapshot.sinks.iter().map(|(name, status)| SinkReport::of(name, status)).collect::<Vec<_>>()))
}

/// A sink's figures as `/api/sinks` tells them.
#[derive(Serialize)]
struct SinkReport<'a> {
    sink: &'a str,
    state: &'static str,
    cursor: Position,
    backlog: u64,
    last_ok: Option<Timestamp>,
    last_error: Option<&'a str>,
    delivered: u64,
    rejected: u64,
}

impl<'a> SinkReport<'a> {
    fn of(sink: &'a str, status: &'a SinkStatus) -> Self {
        Self {
            sink,
            state: states::of_sink(status.state),
            cursor: status.cursor,
            backlog: status.backlog,
            last_ok: status.last_ok,
            last_error: status.last_error.as_deref(),
            delivered: status.delivered,
            rejected: status.rejected,
        }
    }
}

fn health(what: &str, state: Result<(), String>) -> Response {
    match state {
        Ok(()) => text(StatusCode::OK, format!("{what}\n")),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not {what}: {reason}\n")),
    }
}

fn json(value: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

fn text(status: StatusCode, body: String) -> Response {
    page(status, "text/plain; charset=utf-8", body)
}

fn page(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
