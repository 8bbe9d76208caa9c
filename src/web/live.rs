//! Live pictures: one WebSocket per page carries every tile and the passthrough video of one camera.
//!
//! The browser says what it shows; the server sends the newest picture of each tile when its time has come and the
//! browser has taken the one before. Nothing is queued for a tile, so a slow browser gets fewer pictures and no camera
//! waits. Each picture is compressed once for each width, however many watch ([`crate::pipeline::monitor`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::app::{App, blocking};
use super::cameras::{Condition, cause, condition, reason};
use super::endpoint::{Endpoint, Gives, Need};
use super::guard::{Who, identify};
use super::problem::Problem;
use crate::access::Role;
use crate::base::{CameraId, ErrorKind, MediaTime};
use crate::config::CameraPlan;
use crate::media::fragments::Piece;
use crate::pipeline::focus::{self, Video};
use crate::pipeline::monitor::{LivePicture, WIDEST, Watching};

/// Between two looks at the tiles.
const TICK: Duration = Duration::from_millis(40);
/// Between two pictures of a live tile; a little less than a fifth of a second, so that ticks do not make it four.
const LIVE_EVERY: Duration = Duration::from_millis(180);
/// Between two pictures of an idle tile.
const IDLE_EVERY: Duration = Duration::from_secs(20);
/// Between looks at states and at whether the session still lives.
const SLOW_EVERY: Duration = Duration::from_secs(1);
/// Before passthrough video that ended is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// A browser that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);
/// Most pages that show live pictures at a time.
pub(super) const MOST_LIVES: usize = 256;
/// Most tiles.
const MOST_TILES: usize = 128;
/// Bytes of a message from the browser.
const MAX_MESSAGE: usize = 64 * 1024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let summary = "WebSocket: tiles with objects, and passthrough video of one camera; see docs/api.md.";
    let gives = Gives::Bytes("application/octet-stream");
    vec![Endpoint::new(Method::GET, "/live", Need::Role(Role::Viewer), summary, gives, any(open))]
}

/// What the browser shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    tiles: Vec<TileWish>,
    #[serde(default)]
    focus: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TileWish {
    camera: String,
    #[serde(default = "usual_width")]
    width: u16,
    #[serde(default)]
    mode: Mode,
}

fn usual_width() -> u16 {
    320
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Idle,
    Live,
}

async fn open(
    State(app): State<Arc<App>>,
    who: Who,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    same_origin(&who, &headers)?;
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", rejection.to_string()).help("open it as a WebSocket")
    })?;
    // An open socket is no longer among the port's connections, so it has a limit of its own.
    let place = Arc::clone(&app.lives).try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many",
            format!("{MOST_LIVES} pages show live pictures already"),
        )
    })?;
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).write_buffer_size(0);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _place = place;
        let session =
            Session { app, who, headers, socket, tiles: BTreeMap::new(), focus: None, states: BTreeMap::new() };
        session.run().await;
    }))
}

/// A WebSocket is opened by any page that a browser shows, cookies included, so its origin must be ours. A program with
/// a token has none.
fn same_origin(who: &Who, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = || Problem::new(StatusCode::FORBIDDEN, "origin", "this page may not open live pictures");
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) if who.principal.session.is_none() => Ok(()),
        (Some(origin), Some(host)) => {
            let of_origin = origin.split_once("://").map(|(_, rest)| rest);
            if of_origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) { Ok(()) } else { Err(foreign()) }
        }
        _ => Err(foreign()),
    }
}

struct Session {
    app: Arc<App>,
    who: Who,
    headers: HeaderMap,
    socket: WebSocket,
    tiles: BTreeMap<(String, u16), Tile>,
    focus: Option<Focus>,
    states: BTreeMap<String, (Condition, &'static str, String)>,
}

struct Tile {
    plan: CameraPlan,
    watching: Watching,
    mode: Mode,
    due: Instant,
    sent: u64,
}

struct Focus {
    plan: CameraPlan,
    watching: Watching,
    sent: u64,
    video: Option<mpsc::Receiver<Video>>,
    retry: Instant,
    told: Option<String>,
}

/// The session is over.
struct Over;

impl Session {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut slow = tokio::time::interval(SLOW_EVERY);
        let stop = self.app.stop.clone();
        loop {
            let done = tokio::select! {
                () = stop.wait() => Err(Over),
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    _ => Err(Over),
                },
                video = next_video(&mut self.focus) => self.show_video(video).await,
                _ = ticks.tick() => self.tick().await,
                _ = slow.tick() => self.slow_tick().await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Over> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over),
        }
    }

    async fn say(&mut self, value: Value) -> Result<(), Over> {
        self.send(Message::Text(value.to_string().into())).await
    }

    /// A header and bytes.
    async fn give(&mut self, header: Value, body: &[u8]) -> Result<(), Over> {
        let header = header.to_string();
        let mut message = Vec::with_capacity(4 + header.len() + body.len());
        message.extend_from_slice(&u32::try_from(header.len()).unwrap_or(0).to_le_bytes());
        message.extend_from_slice(header.as_bytes());
        message.extend_from_slice(body);
        self.send(Message::Binary(message.into())).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), Over> {
        let wish: Wish = match message {
            Message::Text(text) => match serde_json::from_str(text.as_str()) {
                Ok(wish) => wish,
                Err(error) => return self.say(json!({"kind": "error", "detail": error.to_string()})).await,
            },
            Message::Binary(_) => {
                return self.say(json!({"kind": "error", "detail": "say what to show as JSON text"})).await;
            }
            Message::Close(_) => return Err(Over),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        if wish.tiles.len() > MOST_TILES {
            let detail = format!("at most {MOST_TILES} tiles");
            return self.say(json!({"kind": "error", "detail": detail})).await;
        }
        let now = self.app.clock.monotonic();
        let mut before = std::mem::take(&mut self.tiles);
        for wanted in wish.tiles {
            let Ok(plan) = self.app.camera(&self.who, &wanted.camera) else {
                self.say(json!({"kind": "error", "camera": wanted.camera, "detail": "there is no such camera"}))
                    .await?;
                continue;
            };
            let key = (wanted.camera, wanted.width.clamp(64, WIDEST));
            let kept = before.remove(&key).map(|mut tile| {
                if tile.mode != wanted.mode {
                    tile.due = tile.due.min(now + LIVE_EVERY);
                    tile.mode = wanted.mode;
                }
                tile
            });
            let tile = match kept {
                Some(tile) => tile,
                None => {
                    self.app.audit_view(&self.who, "camera.watch", plan.id.as_str()).await;
                    let watching = self.app.monitor.watch(&plan.id);
                    Tile { plan, watching, mode: wanted.mode, due: now, sent: 0 }
                }
            };
            self.tiles.insert(key, tile);
        }
        self.set_focus(wish.focus, now).await
    }

    async fn set_focus(&mut self, wanted: Option<String>, now: Instant) -> Result<(), Over> {
        let known = self.focus.as_ref().map(|focus| focus.plan.id.as_str().to_owned());
        if known == wanted {
            return Ok(());
        }
        self.focus = None;
        let Some(wanted) = wanted else { return Ok(()) };
        let Ok(plan) = self.app.camera(&self.who, &wanted) else {
            return self.say(json!({"kind": "error", "camera": wanted, "detail": "there is no such camera"})).await;
        };
        self.app.audit_view(&self.who, "camera.focus", plan.id.as_str()).await;
        let watching = self.app.monitor.watch_analysed(&plan.id);
        self.focus = Some(Focus { plan, watching, sent: 0, video: None, retry: now, told: None });
        Ok(())
    }

    /// Pictures that are due.
    async fn tick(&mut self) -> Result<(), Over> {
        let now = self.app.clock.monotonic();
        let due: Vec<(u16, Value, Arc<LivePicture>)> = self
            .tiles
            .iter_mut()
            .filter_map(|((_, width), tile)| {
                let picture = tile.watching.borrow().clone().filter(|picture| picture.number != tile.sent)?;
                if now < tile.due {
                    return None;
                }
                tile.sent = picture.number;
                tile.due = now + if tile.mode == Mode::Live { LIVE_EVERY } else { IDLE_EVERY };
                Some((*width, tile_header(&tile.plan, *width, &picture), picture))
            })
            .collect();
        if due.is_empty() {
            return self.tick_focus(now).await;
        }
        // All of them at once: going to another thread and back for each would cost more than a small picture does.
        let made = blocking(move || {
            let made = due.into_iter().filter_map(|(width, header, picture)| Some((header, picture.jpeg(width).ok()?)));
            Ok(made.collect::<Vec<_>>())
        });
        for (header, jpeg) in made.await.unwrap_or_default() {
            self.give(header, &jpeg).await?;
        }
        self.tick_focus(now).await
    }

    async fn tick_focus(&mut self, now: Instant) -> Result<(), Over> {
        let Some(focus) = &mut self.focus else { return Ok(()) };
        let Some(picture) = focus.watching.borrow().clone() else { return Ok(()) };
        let mut told = None;
        if focus.video.is_none() && now >= focus.retry {
            focus.retry = now + RETRY;
            let begun = if focus.plan.masks.is_empty() {
                begin(&self.app, &focus.plan.id, &picture).await
            } else {
                Err("this camera has privacy masks, which passthrough video would not have".to_owned())
            };
            match begun {
                Ok(video) => focus.video = Some(video),
                Err(why) if focus.told.as_ref() != Some(&why) => {
                    told = Some(json!({"kind": "no_video", "camera": focus.plan.id, "reason": why}));
                    focus.told = Some(why);
                }
                Err(_) => {}
            }
        }
        let fresh = picture.number != focus.sent;
        focus.sent = picture.number;
        let camera = focus.plan.id.clone();
        if let Some(told) = told {
            self.say(told).await?;
        }
        if fresh {
            let header = json!({
                "kind": "objects",
                "camera": camera,
                "pts_ns": picture.time.at.0,
                "capture": picture.time.capture.utc,
                "objects": objects(&picture),
            });
            self.give(header, &[]).await?;
        }
        Ok(())
    }

    async fn show_video(&mut self, video: Option<Video>) -> Result<(), Over> {
        let Some(focus) = &mut self.focus else { return Ok(()) };
        let Some(Video { piece, origin }) = video else {
            focus.video = None;
            return Ok(());
        };
        let camera = focus.plan.id.clone();
        let at = |ns: i64| MediaTime(origin.0.saturating_add(ns)).0;
        match piece {
            Piece::Init { mime, bytes } => {
                focus.told = None;
                let header = json!({"kind": "init", "camera": camera, "mime": mime, "pts_ns": at(0)});
                self.give(header, &bytes).await
            }
            Piece::Segment { start_ns, duration_ns, bytes } => {
                let header =
                    json!({"kind": "segment", "camera": camera, "pts_ns": at(start_ns), "duration_ns": duration_ns});
                self.give(header, &bytes).await
            }
        }
    }

    /// States of the cameras that are shown; the end when the user may look no more.
    async fn slow_tick(&mut self) -> Result<(), Over> {
        let principal = identify(&self.app, &self.headers).filter(|principal| !principal.must_change_password);
        self.who.principal = principal.ok_or(Over)?;
        let app = Arc::clone(&self.app);
        // What is drawn and masked is that of the plan that runs now.
        let refreshed = |plan: &mut CameraPlan| match app.camera(&self.who, plan.id.as_str()) {
            Ok(now) => {
                *plan = now;
                true
            }
            Err(_) => false,
        };
        self.tiles.retain(|_, tile| refreshed(&mut tile.plan));
        if self.focus.as_mut().is_some_and(|focus| !refreshed(&mut focus.plan)) {
            self.focus = None;
        }
        let Ok(snapshot) = self.app.snapshot().await else { return Ok(()) };
        let shown = self.tiles.values().map(|tile| &tile.plan).chain(self.focus.as_ref().map(|focus| &focus.plan));
        let mut ids: Vec<CameraId> = shown.map(|plan| plan.id.clone()).collect();
        ids.sort();
        ids.dedup();
        for id in ids {
            let report = snapshot.cameras.iter().find(|report| report.camera == id);
            let now = (condition(report), cause(report), reason(report));
            if self.states.get(id.as_str()) != Some(&now) {
                let told = json!({"kind": "state", "camera": id, "state": now.0, "cause": now.1, "reason": now.2});
                self.say(told).await?;
                self.states.insert(id.as_str().to_owned(), now);
            }
        }
        Ok(())
    }
}

/// The next piece of video; never without any.
async fn next_video(focus: &mut Option<Focus>) -> Option<Video> {
    match focus.as_mut().and_then(|focus| focus.video.as_mut()) {
        Some(video) => video.recv().await,
        None => std::future::pending().await,
    }
}

/// Begins passthrough video; or why there is none.
async fn begin(app: &Arc<App>, camera: &CameraId, picture: &LivePicture) -> Result<mpsc::Receiver<Video>, String> {
    let (packets, camera, time) = (Arc::clone(&app.packets), camera.clone(), picture.time);
    let begun = blocking(move || {
        let Some(ring) = packets(&camera) else {
            return Err(crate::base::Error::new(
                ErrorKind::NotFound,
                "no packets are kept of this camera: it has no rules, or `evidence.clips` is none",
            ));
        };
        focus::start(&camera, &ring, &time)
    });
    begun.await.map_err(|problem| problem.detail.clone())
}

fn tile_header(plan: &CameraPlan, width: u16, picture: &LivePicture) -> Value {
    json!({
        "kind": "tile",
        "camera": plan.id,
        "pts_ns": picture.time.at.0,
        "capture": picture.time.capture.utc,
        "width": picture.size.0,
        "height": picture.size.1,
        "tile_width": width,
        "objects": objects(picture),
        "exact": picture.exact,
        "zones_active": zones_active(plan, picture),
    })
}

fn objects(picture: &LivePicture) -> Vec<Value> {
    let object = |object: &crate::pipeline::monitor::Object| {
        let b = object.bbox;
        let score = (object.score * 1e3).round() / 1e3;
        json!({"id": object.id, "class": object.class, "score": score, "box": [b.x1, b.y1, b.x2, b.y2]})
    };
    picture.objects.iter().map(object).collect()
}

/// Zones that an object stands in.
fn zones_active(plan: &CameraPlan, picture: &LivePicture) -> Vec<String> {
    let stands = |zone: &&crate::config::ZonePlan| {
        picture.objects.iter().any(|object| zone.polygon.contains(object.bbox.anchor()))
    };
    plan.zones.iter().filter(stands).map(|zone| zone.id.clone()).collect()
}
