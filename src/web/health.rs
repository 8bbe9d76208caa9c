//! How the whole program does.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::app::{App, may_see};
use super::cameras::{CameraView, view};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::json;
use super::problem::Problem;
use crate::access::Role;
use crate::base::Timestamp;
use crate::ops::states;

/// How the program does.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// The program's version.
    version: &'static str,
    /// Since the start.
    uptime_seconds: f64,
    /// The machine's time now.
    now: Timestamp,
    /// Every camera that one may see.
    cameras: Vec<CameraView>,
    /// Every sink.
    sinks: Vec<SinkView>,
    /// What inference does.
    inference: Inference,
    /// What is on the disk.
    disk: Disk,
    /// Every loaded model.
    models: Vec<ModelView>,
    /// The event store.
    store: StoreView,
}

#[derive(Serialize, JsonSchema)]
struct SinkView {
    /// Its id in the pipeline file.
    id: String,
    /// Its type.
    kind: String,
    /// running, retrying, parked or stopped.
    state: &'static str,
    /// Events that wait for it.
    backlog: u64,
    /// How old the oldest of them is, at most.
    oldest_seconds: Option<f64>,
    /// When it last took events.
    last_ok: Option<Timestamp>,
    /// Why it last did not.
    last_error: Option<String>,
    /// Events that it took since the start.
    delivered: u64,
    /// Events that it will never take.
    dead_letters: u64,
}

#[derive(Serialize, JsonSchema)]
struct Inference {
    /// Frames analysed a second, of all cameras.
    frames_per_second: f64,
    /// Frames lost a second for want of time, as a share of those decoded.
    loss_share: f64,
    /// Worker threads per model.
    workers: usize,
    /// CPU seconds by stage since the start.
    cpu_seconds: Value,
    /// Latency from a frame's last packet to its events on disk, milliseconds: the median and the 95th percentile.
    durable_ms: Option<[f64; 2]>,
}

#[derive(Serialize, JsonSchema)]
struct Disk {
    /// Free bytes where the store is.
    free_bytes: u64,
    /// What stills and clips leave free.
    floor_bytes: u64,
    /// Bytes of stills and clips.
    media_bytes: u64,
    /// ok, disk_full or critical.
    state: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct ModelView {
    /// Its name in the pipeline file.
    id: String,
    /// Its family.
    family: String,
    /// SHA-256 of its file.
    sha256: String,
    /// What computes.
    provider: String,
}

#[derive(Serialize, JsonSchema)]
struct StoreView {
    /// The newest position.
    position: u64,
    /// Events stored since the start.
    events: u64,
    /// Changed pipeline files that were applied.
    reloads: u64,
    /// Changed pipeline files that were refused.
    reloads_refused: u64,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let gives = Gives::Json(schema_of::<Health>);
    let summary = "Cameras, sinks, inference, disk, models, versions.";
    vec![Endpoint::new(Method::GET, "/health", Need::Role(Role::Viewer), summary, gives, get(health))]
}

async fn health(State(app): State<Arc<App>>, who: Who) -> Result<Response, Problem> {
    let snapshot = app.snapshot().await?;
    let (plan, now) = (app.pipeline(), app.clock.utc());
    let cameras: Vec<CameraView> =
        plan.cameras.iter().filter(|camera| may_see(&who, camera)).map(|c| view(&app, c, &snapshot)).collect();
    let sinks = snapshot.sinks.iter().map(|(id, status)| SinkView {
        id: id.clone(),
        kind: plan.sinks.iter().find(|sink| sink.id == *id).map(|sink| sink.kind.clone()).unwrap_or_default(),
        state: states::of_sink(status.state),
        backlog: status.backlog,
        oldest_seconds: (status.backlog > 0).then(|| status.last_ok.map(|at| (now - at).as_secs_f64())).flatten(),
        last_ok: status.last_ok,
        last_error: status.last_error.clone(),
        delivered: status.delivered,
        dead_letters: status.rejected,
    });
    let rates: Vec<_> = snapshot.cameras.iter().map(|camera| app.rates.of(&camera.camera)).collect();
    let sum = |of: fn(&super::rates::Rate) -> f64| rates.iter().map(of).sum::<f64>();
    let decoded = sum(|rate| rate.decoded);
    let cpu: serde_json::Map<String, Value> =
        snapshot.stages.iter().map(|(stage, spent)| ((*stage).to_owned(), spent.as_secs_f64().into())).collect();
    let model = |(id, family, sha256): &(String, String, String)| ModelView {
        id: id.clone(),
        family: family.clone(),
        sha256: sha256.clone(),
        provider: plan.models.get(id).map(|model| model.provider.as_str().to_owned()).unwrap_or_default(),
    };
    let health = Health {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: (now - app.started).as_secs_f64(),
        now,
        cameras,
        sinks: sinks.collect(),
        inference: Inference {
            frames_per_second: sum(|rate| rate.analysed),
            loss_share: if decoded > 0.0 { sum(|rate| rate.loss_share * rate.decoded) / decoded } else { 0.0 },
            workers: plan.inference.workers,
            cpu_seconds: Value::Object(cpu),
            durable_ms: (snapshot.durable_latency.count() > 0)
                .then(|| [0.5, 0.95].map(|q| snapshot.durable_latency.quantile(q).as_secs_f64() * 1e3)),
        },
        disk: Disk {
            free_bytes: app.store.free_bytes(),
            floor_bytes: plan.store.media.min_free_mib << 20,
            media_bytes: snapshot.media_bytes.iter().map(|(_, bytes)| bytes).sum(),
            state: states::of_store(&snapshot.store_health),
        },
        models: snapshot.models.iter().map(model).collect(),
        store: StoreView {
            position: snapshot.latest_position.0,
            events: snapshot.store.events,
            reloads: snapshot.reloads_ok,
            reloads_refused: snapshot.reloads_failed,
        },
    };
    Ok(json(&health))
}
