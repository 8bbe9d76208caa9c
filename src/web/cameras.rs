//! Cameras: what each is, how it does, and its picture now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::app::{App, blocking, may_see};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{Page, json};
use super::problem::Problem;
use super::query::Params;
use crate::access::Role;
use crate::base::{TimeSource, Timestamp};
use crate::config::{Address, CameraPlan, Scheme, TlsTrust};
use crate::ops::Snapshot;
use crate::pipeline::CameraReport;
use crate::probe;
use crate::source::State as SourceState;

/// How long a still waits for the next picture.
const PATIENCE: Duration = Duration::from_secs(3);
/// Width of stills, pixels.
const STILL_WIDTH: u16 = 1280;

/// Where a camera stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Place {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Where it looks, degrees clockwise from north.
    pub heading: Option<f64>,
    /// How far it sees, metres.
    pub reach_m: f64,
}

/// Pixels.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Size {
    width: usize,
    height: usize,
}

/// Frames a second.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Fps {
    /// Access units that came.
    received: f64,
    /// Pictures that the decoder gave.
    decoded: f64,
    /// Pictures that the detector saw.
    analysed: f64,
}

/// Where capture times come from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct ClockView {
    /// The source of the latest picture's time.
    source: TimeSource,
    /// How wrong it may be; `null` when nobody knows.
    error_seconds: Option<f64>,
}

/// How a camera does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Condition {
    /// It is being dialled.
    Connecting,
    /// Pictures come and are analysed.
    Running,
    /// Pictures come, and nothing can be told from them; `unfit` says why.
    Unfit,
    /// No picture comes; `reason` says why.
    Lost,
    /// Its stream is something that this program does not handle.
    Unsupported,
    /// It is not watched: a recording that has ended.
    Stopped,
}

/// A camera.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct CameraView {
    /// Its id.
    pub id: String,
    /// Its name; the id where it has none.
    pub name: String,
    /// Its ward.
    pub ward: Option<String>,
    /// Its site.
    pub site: Option<String>,
    /// Where it stands.
    pub place: Option<Place>,
    /// How it does.
    pub state: Condition,
    /// What its connection does: `connecting`, `live`, `stalled`, `auth_failed`, `unsupported`, `offline`, `finished`, or
    /// `not_started`.
    pub cause: &'static str,
    /// Why, for people, in English; empty when there is nothing to say.
    pub reason: String,
    /// What is wrong with the view.
    pub unfit: Vec<String>,
    /// Since when the connection is as it is.
    since: Option<Timestamp>,
    /// Size of its picture as displayed.
    picture: Option<Size>,
    /// How many frames a second, over the last five seconds.
    fps: Fps,
    /// Of the decoded frames, the share that was lost over the last five seconds.
    loss_share: f64,
    /// From the latest frame's last packet to the end of its analysis.
    latency_ms: Option<f64>,
    /// Where capture times come from.
    clock: Option<ClockView>,
    /// Objects in the latest picture, by class.
    counts_now: BTreeMap<String, u32>,
    /// The model's name in the pipeline file.
    model: String,
    /// Classes that the model knows.
    classes: Vec<String>,
    /// Whether the picture has privacy masks; there is no passthrough video then.
    masked: bool,
    /// Rules that rest, with the reason.
    paused_rules: BTreeMap<String, String>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    vec![
        Endpoint::new(
            Method::GET,
            "/cameras",
            viewer,
            "The cameras one may see, in the order of the pipeline file.",
            Gives::Json(schema_of::<Page<CameraView>>),
            get(list),
        ),
        Endpoint::new(
            Method::GET,
            "/cameras/{id}",
            viewer,
            "One camera.",
            Gives::Json(schema_of::<CameraView>),
            get(one),
        ),
        Endpoint::new(
            Method::GET,
            "/cameras/{id}/still",
            viewer,
            "The picture now, with privacy masks; ETag.",
            Gives::Bytes("image/jpeg"),
            get(still),
        )
        .query(&[("width", "widest, pixels: 16 to 1920; 1280 when not given")]),
        Endpoint::new(
            Method::GET,
            "/cameras/{id}/probe",
            Need::Role(Role::Engineer),
            "Examines the camera: reach, login, codec, frame rate, keyframes, clock, loss. Takes up to some 20 s.",
            Gives::Json(schema_of::<Value>),
            get(examine),
        ),
    ]
}

/// How a camera that somebody may see does.
pub(super) fn view(app: &App, plan: &CameraPlan, snapshot: &Snapshot) -> CameraView {
    let report = snapshot.cameras.iter().find(|report| report.camera == plan.id);
    let seen = app.monitor.seen(&plan.id);
    let rate = app.rates.of(&plan.id);
    let about = &plan.about;
    let blind = report.and_then(|report| report.conditions.blind);
    let classes = snapshot.classes.iter().find(|(name, _)| *name == plan.model).map(|(_, classes)| classes.clone());
    CameraView {
        id: plan.id.as_str().to_owned(),
        name: about.name.clone().unwrap_or_else(|| plan.id.as_str().to_owned()),
        ward: about.ward.clone(),
        site: plan.site.clone(),
        place: about.place.map(|p| Place { lat: p.lat, lon: p.lon, heading: p.heading, reach_m: p.reach_m }),
        state: condition(report),
        cause: cause(report),
        reason: reason(report),
        unfit: blind.into_iter().map(str::to_owned).collect(),
        since: report.map(|report| report.status.since),
        picture: seen.as_ref().map(|seen| Size { width: seen.size.0, height: seen.size.1 }),
        fps: Fps { received: rate.received, decoded: rate.decoded, analysed: rate.analysed },
        loss_share: rate.loss_share,
        latency_ms: seen.as_ref().map(|seen| (seen.latency.as_secs_f64() * 1e5).round() / 1e2),
        clock: seen.as_ref().map(|seen| ClockView {
            source: seen.capture.source,
            error_seconds: seen.capture.error_ns.map(|ns| ns as f64 * 1e-9),
        }),
        counts_now: seen.map(|seen| seen.counts).unwrap_or_default(),
        model: plan.model.clone(),
        classes: classes.unwrap_or_default(),
        masked: !plan.masks.is_empty(),
        paused_rules: report
            .map(|report| report.conditions.paused.iter().map(|(id, why)| (id.clone(), (*why).to_owned())).collect())
            .unwrap_or_default(),
    }
}

pub(super) fn condition(report: Option<&CameraReport>) -> Condition {
    let Some(report) = report else { return Condition::Stopped };
    match report.status.state {
        SourceState::Connecting => Condition::Connecting,
        SourceState::Live if report.conditions.blind.is_some() => Condition::Unfit,
        SourceState::Live => Condition::Running,
        SourceState::Stalled | SourceState::AuthFailed | SourceState::Offline => Condition::Lost,
        SourceState::Unsupported => Condition::Unsupported,
        SourceState::Finished => Condition::Stopped,
    }
}

pub(super) fn cause(report: Option<&CameraReport>) -> &'static str {
    report.map_or("not_started", |report| report.status.state.as_str())
}

pub(super) fn reason(report: Option<&CameraReport>) -> String {
    let Some(report) = report else { return "it was not started; the log says why".to_owned() };
    match report.conditions.blind {
        Some(blind) if report.status.state == SourceState::Live => blind.to_owned(),
        _ => report.status.reason.clone(),
    }
}

async fn list(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    params.only(&[])?;
    let snapshot = app.snapshot().await?;
    let plan = app.pipeline();
    let cameras = plan.cameras.iter().filter(|camera| may_see(&who, camera));
    Ok(json(&Page::whole(cameras.map(|camera| view(&app, camera, &snapshot)).collect())))
}

async fn one(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    let camera = app.camera(&who, &id)?;
    let snapshot = app.snapshot().await?;
    Ok(json(&view(&app, &camera, &snapshot)))
}

async fn still(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["width"])?;
    let camera = app.camera(&who, &id)?;
    let width = params.number("width", 16, 1920, usize::from(STILL_WIDTH))?;
    let width = u16::try_from(width).unwrap_or(STILL_WIDTH);
    let mut watching = app.monitor.watch(&camera.id);
    let fresh = async {
        // What was kept from an earlier watcher may be old.
        watching.mark_unchanged();
        let _ = watching.changed().await;
        watching.borrow().clone()
    };
    let picture = tokio::time::timeout(PATIENCE, fresh).await.ok().flatten().ok_or_else(|| {
        let mut problem =
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-picture", format!("camera {id} gives no picture now"));
        problem.retry_after = Some(5);
        problem
    })?;
    let tag = format!("\"{}-{}-{width}\"", picture.time.at.0, picture.number);
    app.audit_view(&who, "camera.still", &id).await;
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let captured = picture.time.capture.utc.to_string();
    let jpeg = blocking(move || picture.jpeg(width)).await?;
    let head = [
        (header::CONTENT_TYPE, "image/jpeg".to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::ETAG, tag),
        (header::HeaderName::from_static("x-captured-at"), captured),
    ];
    Ok((head, jpeg.to_vec()).into_response())
}

async fn examine(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    let camera = app.camera(&who, &id)?;
    let Address::Network { scheme: Scheme::Rtsp | Scheme::Rtsps, url, credentials } = camera.analysis else {
        let detail = "only rtsp cameras can be examined while they run";
        return Err(Problem::new(StatusCode::CONFLICT, "not-rtsp", detail));
    };
    app.audit(&who, "camera.probe", &id, "").await;
    let login = credentials.map(|login| (login.username, login.password));
    let options = probe::Options { insecure_tls: camera.tls == TlsTrust::Any, ..probe::Options::default() };
    let report = probe::probe(url.as_str(), login, &options, Some(probe::DEFAULT_LOOK), app.clock.as_ref()).await;
    Ok(json(&report))
}
