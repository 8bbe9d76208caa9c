//! A camera's zones, lines, lanes and masks, and its rules: read, changed, and tried on what was just filmed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post, put};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json as value};

use super::app::App;
use super::editing::{Files, Parts, aside, matches, tag};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::json;
use super::problem::Problem;
use super::query::Body;
use crate::access::Role;
use crate::base::Timestamp;
use crate::config;
use crate::pipeline::registry::registry;
use crate::pipeline::rerun::{Period, assign, rerun};
use crate::scene::{self, Event};
use crate::tracklog;

/// The keys of a scene, as the pipeline file calls them.
const SCENE: [&str; 5] = ["zones", "lines", "lanes", "masks", "calibration"];
/// Longest preview.
const MOST_MINUTES: u32 = 120;
/// Events of a preview.
const MOST_EVENTS: usize = 500;

/// A point: shares of the picture, (0, 0) top left.
type Point = [f64; 2];

/// An area.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Area {
    /// Its id, once per camera.
    id: String,
    /// Shown for it; the id, and ignored when it is sent.
    #[serde(default)]
    name: Option<String>,
    /// Its corners.
    points: Vec<Point>,
}

/// A directed line: forward is from its left to its right, seen along it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Its id, once per camera.
    id: String,
    /// Shown for it; the id, and ignored when it is sent.
    #[serde(default)]
    name: Option<String>,
    /// Where it begins and where it ends.
    points: [Point; 2],
    /// Which way is forward: always `left_to_right`, seen along the line; swap the points to turn it. Ignored when sent.
    #[serde(default)]
    direction: Option<String>,
}

/// From where to where.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Heading {
    /// Where it begins.
    from: Point,
    /// Where it points to.
    to: Point,
}

/// An area with a direction of travel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lane {
    /// Its id, once per camera.
    id: String,
    /// Shown for it; the id, and ignored when it is sent.
    #[serde(default)]
    name: Option<String>,
    /// Its corners.
    points: Vec<Point>,
    /// The direction of travel.
    direction: Heading,
}

/// What is drawn on a camera's picture.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Scene {
    /// Areas that rules refer to.
    zones: Vec<Area>,
    /// Lines that rules refer to.
    lines: Vec<Line>,
    /// Lanes that rules refer to.
    lanes: Vec<Lane>,
    /// Privacy masks.
    masks: Vec<Area>,
    /// The ground plane; `null` when the camera is not calibrated. Left out of what is put, it stays as it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    ground: Option<Option<Ground>>,
}

/// A value that is there, `null` being one.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Ground>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Where the picture lies on the ground: `points` or `homography`, checked as `vantage check` does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ground {
    /// Standard error of a place on the ground, metres.
    error_m: f64,
    /// Places known both in the picture and on the ground, 4 to 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<Vec<Known>>,
    /// From shares of the picture to metres, row by row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    homography: Option<Vec<[f64; 3]>>,
}

/// A place known both in the picture and on the ground.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Where it is in the picture.
    picture: Point,
    /// Where it is on the ground, metres.
    metres: [f64; 2],
}

/// A camera's rules, as the pipeline file has them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Each with `id`, `type` and the parameters of that type; see `/rules/schema`.
    items: Vec<Map<String, Value>>,
}

/// What to try.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreviewAsked {
    /// The scene instead of the one in force.
    #[serde(default)]
    scene: Option<Scene>,
    /// A rule (with `id` and `type`) besides those in force or instead of the one of that id, or the id of one in force;
    /// all rules when not given.
    #[serde(default)]
    rule: Option<Value>,
    /// Over how many of the latest minutes: 1 to 120.
    minutes: u32,
}

/// What would have been reported.
#[derive(Debug, Serialize, JsonSchema)]
struct Preview {
    /// The events, oldest first, the latest 500 at most.
    events: Vec<Event>,
    /// Events by rule and type.
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// How much of the time tracks are stored of.
    observed_seconds: f64,
    /// Pictures that were looked at.
    frames: u64,
    /// From when.
    from: Timestamp,
    /// Until when.
    to: Timestamp,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (viewer, engineer) = (Need::Role(Role::Viewer), Need::Role(Role::Engineer));
    let scene = || Gives::Json(schema_of::<Scene>);
    let rules = || Gives::Json(schema_of::<Rules>);
    vec![
        Endpoint::new(
            Method::GET,
            "/cameras/{id}/scene",
            viewer,
            "What is drawn on its picture; ETag.",
            scene(),
            get(read_scene),
        ),
        Endpoint::new(
            Method::PUT,
            "/cameras/{id}/scene",
            engineer,
            "Draws anew; If-Match. Checked as `vantage check` does, saved in the managed file, applied at once.",
            scene(),
            put(write_scene),
        )
        .takes::<Scene>(),
        Endpoint::new(Method::GET, "/cameras/{id}/rules", viewer, "Its rules; ETag.", rules(), get(read_rules)),
        Endpoint::new(
            Method::PUT,
            "/cameras/{id}/rules",
            engineer,
            "Sets its rules; If-Match. Checked, saved and applied as the scene.",
            rules(),
            put(write_rules),
        )
        .takes::<Rules>(),
        Endpoint::new(
            Method::POST,
            "/cameras/{id}/preview",
            engineer,
            "What rules would have reported in the last minutes, from stored tracks; changes nothing.",
            Gives::Json(schema_of::<Preview>),
            post(preview),
        )
        .takes::<PreviewAsked>(),
        Endpoint::new(
            Method::GET,
            "/rules/schema",
            viewer,
            "JSON Schema of a rule of every type.",
            Gives::Json(schema_of::<Value>),
            get(async || json(&rule_schema())),
        ),
    ]
}

fn rule_schema() -> Value {
    let whole = config::schema(registry());
    let rule = whole.pointer("/$defs/Rule").cloned().unwrap_or_default();
    value!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/Rule", "$defs": {
        "Rule": rule,
        "Schedule": whole.pointer("/$defs/Schedule"),
        "Hours": whole.pointer("/$defs/Hours"),
        "Day": whole.pointer("/$defs/Day"),
        "Span": whole.pointer("/$defs/Span"),
        "Point": whole.pointer("/$defs/Point"),
    }})
}

/// A list of a camera's parts; items that cannot be read are left out (`check` has told of them).
fn items<T>(parts: &Parts, key: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    parts.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(read).collect()
}

fn point(value: &Value) -> Option<Point> {
    Some([value.get(0)?.as_f64()?, value.get(1)?.as_f64()?])
}

fn corners(value: &Value) -> Option<Vec<Point>> {
    value.get("polygon")?.as_array()?.iter().map(point).collect()
}

fn name(value: &Value) -> Option<String> {
    value.get("id")?.as_str().map(str::to_owned)
}

fn ground_of(calibration: &Value) -> Option<Ground> {
    let error = calibration.as_object()?.get("error").and_then(Value::as_f64);
    let read = |key: &str| calibration.get(key).cloned();
    Some(Ground {
        error_m: error.unwrap_or(scene::Ground::DEFAULT_ERROR_M),
        points: read("points").and_then(|points| serde_json::from_value(points).ok()),
        homography: read("homography").and_then(|rows| serde_json::from_value(rows).ok()),
    })
}

fn calibration_of(ground: &Ground) -> Value {
    let mut calibration = Map::from_iter([("error".to_owned(), Value::from(ground.error_m))]);
    calibration.extend(ground.points.iter().map(|points| ("points".to_owned(), value!(points))));
    calibration.extend(ground.homography.iter().map(|rows| ("homography".to_owned(), value!(rows))));
    Value::Object(calibration)
}

fn scene_of(parts: &Parts) -> Scene {
    let area = |item: &Value| Some(Area { id: name(item)?, name: name(item), points: corners(item)? });
    Scene {
        zones: items(parts, "zones", area),
        masks: items(parts, "masks", area),
        lines: items(parts, "lines", |item| {
            let points = [point(item.get("from")?)?, point(item.get("to")?)?];
            Some(Line { id: name(item)?, name: name(item), points, direction: Some("left_to_right".to_owned()) })
        }),
        lanes: items(parts, "lanes", |item| {
            let heading = item.get("direction")?;
            let direction = Heading { from: point(heading.get("from")?)?, to: point(heading.get("to")?)? };
            Some(Lane { id: name(item)?, name: name(item), points: corners(item)?, direction })
        }),
        ground: Some(parts.get("calibration").and_then(ground_of)),
    }
}

fn parts_of(scene: &Scene) -> Parts {
    let area = |area: &Area| value!({"id": area.id, "polygon": area.points});
    let line = |line: &Line| value!({"id": line.id, "from": line.points[0], "to": line.points[1]});
    let lane = |lane: &Lane| value!({"id": lane.id, "polygon": lane.points, "direction": {"from": lane.direction.from, "to": lane.direction.to}});
    let mut parts = Map::from_iter([
        ("zones".to_owned(), scene.zones.iter().map(area).collect()),
        ("lines".to_owned(), scene.lines.iter().map(line).collect()),
        ("lanes".to_owned(), scene.lanes.iter().map(lane).collect()),
        ("masks".to_owned(), scene.masks.iter().map(area).collect()),
    ]);
    if let Some(ground) = &scene.ground {
        parts.insert("calibration".to_owned(), ground.as_ref().map_or(Value::Null, calibration_of));
    }
    parts
}

fn rules_of(parts: &Parts) -> Rules {
    Rules { items: items(parts, "rules", |item| item.as_object().cloned()) }
}

fn rule_parts(rules: &Rules) -> Parts {
    let items = rules.items.iter().cloned().map(Value::Object).collect();
    Map::from_iter([("rules".to_owned(), Value::Array(items))])
}

fn tagged(value: &impl Serialize, tag: &str) -> Response {
    let mut response = json(value);
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

async fn read_scene(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    app.camera(&who, &id)?;
    let parts = aside(&app, None, move |app| Files::read(app)?.parts(&id)).await?;
    Ok(tagged(&scene_of(&parts), &tag(&parts, &SCENE)))
}

async fn read_rules(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<Response, Problem> {
    app.camera(&who, &id)?;
    let parts = aside(&app, None, move |app| Files::read(app)?.parts(&id)).await?;
    Ok(tagged(&rules_of(&parts), &tag(&parts, &["rules"])))
}

async fn write_scene(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(scene): Body<Scene>,
) -> Result<Response, Problem> {
    app.camera(&who, &id)?;
    let key = id.clone();
    let parts = aside(&app, Some(&app.editing), move |app| {
        let files = Files::read(app)?;
        let now = files.parts(&key)?;
        matches(&headers, &tag(&now, &SCENE), || value!(scene_of(&now)))?;
        let mut wanted = parts_of(&scene);
        // Sent back as it was read, the calibration stays where it is written: in the pipeline file, most often.
        if wanted.get("calibration").is_some_and(|sent| is_same_ground(sent, &now)) {
            wanted.remove("calibration");
        }
        let (_, text) = files.with(&key, &wanted)?;
        files.apply(app, &text)?;
        Files::read(app)?.parts(&key)
    })
    .await?;
    app.audit_durably(&who, "scene.change", &id, &value!(scene_of(&parts)).to_string()).await;
    Ok(tagged(&scene_of(&parts), &tag(&parts, &SCENE)))
}

/// Whether a calibration that was sent says what is in force.
fn is_same_ground(sent: &Value, now: &Parts) -> bool {
    let in_force = now.get("calibration").and_then(ground_of).map_or(Value::Null, |ground| calibration_of(&ground));
    *sent == in_force
}

async fn write_rules(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(rules): Body<Rules>,
) -> Result<Response, Problem> {
    app.camera(&who, &id)?;
    let key = id.clone();
    let parts = aside(&app, Some(&app.editing), move |app| {
        let files = Files::read(app)?;
        let now = files.parts(&key)?;
        matches(&headers, &tag(&now, &["rules"]), || value!(rules_of(&now)))?;
        let (_, text) = files.with(&key, &rule_parts(&rules))?;
        files.apply(app, &text)?;
        Files::read(app)?.parts(&key)
    })
    .await?;
    app.audit_durably(&who, "rules.change", &id, &value!(rules_of(&parts)).to_string()).await;
    Ok(tagged(&rules_of(&parts), &tag(&parts, &["rules"])))
}

async fn preview(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<String>,
    Body(asked): Body<PreviewAsked>,
) -> Result<Response, Problem> {
    app.camera(&who, &id)?;
    if !(1..=MOST_MINUTES).contains(&asked.minutes) {
        return Err(Problem::field("minutes", format!("it is a number from 1 to {MOST_MINUTES}")));
    }
    let preview = aside(&app, Some(&app.previewing), move |app| run_preview(app, &id, &asked)).await?;
    Ok(json(&preview))
}

fn run_preview(app: &App, id: &str, asked: &PreviewAsked) -> Result<Preview, Problem> {
    let files = Files::read(app)?;
    let mut parts = files.parts(id)?;
    if let Some(scene) = &asked.scene {
        parts.extend(parts_of(scene));
    }
    let only = match &asked.rule {
        None => None,
        Some(Value::String(rule)) => Some(rule.clone()),
        Some(Value::Object(rule)) => {
            let rule_id =
                rule.get("id").and_then(Value::as_str).ok_or_else(|| Problem::field("rule", "it has no id"))?;
            let mut rules = rules_of(&parts);
            rules.items.retain(|known| known.get("id").and_then(Value::as_str) != Some(rule_id));
            rules.items.push(rule.clone());
            parts.extend(rule_parts(&rules));
            Some(rule_id.to_owned())
        }
        Some(_) => return Err(Problem::field("rule", "it is a rule's id, or a rule")),
    };
    let (mut loaded, _) = files.with(id, &parts)?;
    let plan = &mut loaded.plan;
    plan.cameras.retain(|camera| camera.id.as_str() == id);
    if let (Some(only), Some(camera)) = (&only, plan.cameras.first_mut()) {
        camera.rules.retain(|rule| rule.id == *only);
        if camera.rules.is_empty() {
            return Err(Problem::field("rule", format!("there is no rule {only}")));
        }
    }
    let none = || {
        let detail = format!("no tracks of camera {id} are stored of these minutes");
        Problem::new(StatusCode::CONFLICT, "no-tracks", detail)
            .help("the pipeline needs a `tracks:` section, or the camera `store_tracks: true`; the first are there after ten seconds")
    };
    let to = app.clock.utc();
    let from = Timestamp(to.0 - i64::from(asked.minutes) * 60_000_000_000);
    if !plan.tracks.path.is_dir() {
        return Err(none());
    }
    let mut sessions = tracklog::find(std::slice::from_ref(&plan.tracks.path)).map_err(|_| none())?;
    sessions.retain(|session| session.header.camera == id && session.period.1 >= from && session.period.0 < to);
    if sessions.is_empty() {
        return Err(none());
    }
    let overlap = |session: &tracklog::Session| session.period.1.min(to) - session.period.0.max(from);
    let observed: Duration = sessions.iter().map(overlap).sum();
    let tracks = assign(plan, sessions, &BTreeMap::new(), false)?;
    let run = rerun(&[plan], &tracks, Period { from: Some(from), to: Some(to) })?.pop().unwrap_or_default();
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for event in &run.events {
        *counts.entry(event.rule.clone()).or_default().entry(event.kind.clone()).or_default() += 1;
    }
    let skip = run.events.len().saturating_sub(MOST_EVENTS);
    let events = run.events.into_iter().skip(skip).collect();
    Ok(Preview { events, counts, observed_seconds: observed.as_secs_f64(), frames: run.read.frames, from, to })
}
