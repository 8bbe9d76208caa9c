//! The pipeline file as written: every table, key and default, declared once.
//!
//! The reader, the JSON Schema and the key lists in error messages all come from these declarations.
//! What the keys mean together is decided in `compile`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::about::Place;
use super::conditions::Preset;
use super::diagnostic::Problems;
pub(super) use super::evidence::Tracks;
use super::evidence::{Evidence, Media};
use super::node::{Entry, Node, NodeValue};
use super::plan::{Matrix, Provider, Range, Rotation, Transport};
use super::read::{Field, FromNode, Located, Table, choice, table};
use super::server::Server;
use super::text::Mark;
use crate::base::Span;
use crate::scene::NormPoint;
use crate::scene::schedule::Day;

/// The version of the document shape that this program reads.
pub(super) const VERSION: u64 = 1;

/// Default values, for the plan and the schema alike.
pub(super) mod default {
    use std::time::Duration;

    pub const STORE_PATH: &str = "./vantage-data";
    pub const KEEP_DAYS: u64 = 30;
    pub const KEEP_MAX_MIB: u64 = 2048;
    pub const TRACKS_PATH: &str = "./vantage-data/tracks";
    pub const TRACKS_KEEP_DAYS: u64 = 7;
    pub const TRACKS_KEEP_MAX_MIB: u64 = 4096;
    pub const LISTEN: &str = "127.0.0.1:9090";
    pub const WORKERS: u64 = 2;
    pub const MAX_BATCH: u64 = 1;
    pub const MAX_WAIT: Duration = Duration::from_millis(5);
    pub const MODEL: &str = "default";
    pub const LATENCY: Duration = Duration::from_millis(200);
    pub const LOST_FOR: Duration = Duration::from_secs(1);
    pub const HIGH_SCORE: f64 = 0.25;
    pub const LOW_SCORE: f64 = 0.1;
    pub const TIME_ZONE: &str = "UTC";

    /// A duration as the file writes it.
    pub fn text(duration: Duration) -> String {
        match duration.as_millis() {
            millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
            millis => format!("{millis}ms"),
        }
    }
}

table! {
    /// A Vantage pipeline: cameras, what is looked for in them, and where events go. All paths in it are relative to the file's folder.
    Document ("the file") {
        /// Version of this document's shape: 1.
        required version: u64,
        /// Where events, stills and cursors are kept on disk.
        optional store: Store,
        /// Stores what the tracker gave the rules, for `vantage backtest` and `why-not`; without this section only cameras with `store_tracks` do.
        optional tracks: Tracks,
        /// The HTTP port for health and metrics; without this section there is none.
        optional server: Server,
        /// How inference is shared among the cameras.
        optional inference: Inference,
        /// Clips and stills of events, for all cameras.
        optional evidence: Evidence,
        /// Detection models by name; a camera without `model` uses the one named `default`.
        required models: BTreeMap<String, Located<Model>>,
        /// Where events are delivered.
        optional sinks: Vec<Located<Kind>> = json!([]),
        /// The cameras.
        required cameras: Vec<Located<Camera>>,
    }
}

table! {
    /// Where events, stills and cursors are kept on disk.
    Store ("`store`") {
        /// Folder of the event store; created when it is missing.
        optional path: String = default::STORE_PATH,
        /// How much history is kept.
        optional keep: Keep,
        /// How long stills and clips are kept.
        optional media: Media,
    }
}

table! {
    /// How much history is kept: whichever limit is reached first. What a sink still waited for is logged and
    /// counted when it goes.
    Keep ("`keep`") {
        /// Days, 1 to 3650.
        optional days: u64 = default::KEEP_DAYS,
        /// Size on disk in MiB, 16 or more.
        optional max_mib: u64 = default::KEEP_MAX_MIB,
    }
}

table! {
    /// How inference is shared among the cameras.
    Inference ("`inference`") {
        /// Threads per model, each with a session of its own, 1 to 64.
        optional workers: u64 = default::WORKERS,
        /// Most pictures in one batch, 1 to 64; above 1 the model must take batches.
        optional max_batch: u64 = default::MAX_BATCH,
        /// Longest time that a picture waits for its batch to fill, up to 1s.
        optional max_wait: Span = default::text(default::MAX_WAIT),
    }
}

table! {
    /// A detection model.
    Model ("this model") {
        /// The model's folder (with `model.yaml`) or its `.onnx` file.
        required path: String,
        /// The model's family, where the folder does not say.
        optional family: String,
        /// File with one class name a line, where the folder does not say.
        optional labels: String,
        /// Lowest score of a detection, 0 to 1; the model's own where it is not given.
        optional score: f64,
        /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, 0 to 1.
        optional nms: f64,
        /// What computes: `cpu`, `cuda` or `tensorrt`.
        optional provider: Provider = "cpu",
        /// Number of the GPU; only with `cuda` or `tensorrt`.
        optional device: u64 = 0,
        /// Half precision; only with `tensorrt`.
        optional fp16: bool = false,
        /// Folder for compiled engines; only with `tensorrt`.
        optional engine_cache: String,
        /// What to use when the provider cannot start (`cpu`); without it that is an error.
        optional fallback: Fallback,
    }
}

table! {
    /// A camera: its stream, its scene and its rules.
    Camera ("this camera") {
        /// Its name in events and metrics: lower-case letters, digits, `-`, `_`; at most 64.
        required id: String,
        /// Its name where people read it: one line of at most 100 characters.
        optional name: String,
        /// The ward that it belongs to, an id.
        optional ward: String,
        /// Where it stands on the map.
        optional place: Place,
        /// The stream: rtsp, rtsps, http, https (MJPEG), or a recording: file: or a path.
        optional url: String,
        /// Two streams of one camera, instead of `url`.
        optional streams: Streams,
        /// Login name.
        optional username: String,
        /// File that holds the password.
        optional password_file: String,
        /// Environment variable that holds the password.
        optional password_env: String,
        /// Which certificates of rtsps and https are trusted, besides those that the system knows.
        optional tls: Tls,
        /// How rtsp carries media: `tcp`, `udp`, or `auto` (tcp, then udp).
        optional transport: Transport = "tcp",
        /// Jitter buffer of rtsp, up to 10s.
        optional latency: Span = default::text(default::LATENCY),
        /// Frame rate to assume when the stream does not tell one, above 0 to 240.
        optional assume_fps: f64,
        /// When a recording begins (RFC 3339); only for recordings.
        optional starts_at: String,
        /// Colour matrix, where the stream tells none or a wrong one.
        optional matrix: Matrix,
        /// Colour range, where the stream tells none or a wrong one.
        optional range: Range,
        /// Clockwise rotation of the picture in degrees: 0, 90, 180 or 270. Coordinates are those of the rotated picture.
        optional rotate: Rotation = 0,
        /// Frames analysed a second, above 0 to 240; every frame when not given.
        optional analyse_fps: f64,
        /// Name of the model.
        optional model: String = default::MODEL,
        /// How objects are followed.
        optional track: Track,
        /// Whether this camera's tracks are stored; as the section `tracks` says where it is not given.
        optional store_tracks: bool,
        /// Where the picture lies on the ground, in metres: for speeds and distances.
        optional calibration: Calibration,
        /// File with what traffic signals show, one report a line; followed as it grows when the camera is live.
        optional signals: String,
        /// Clips and stills of its events, where they differ from the file's `evidence`.
        optional evidence: Evidence,
        /// Areas that rules refer to.
        optional zones: Vec<Located<Zone>> = json!([]),
        /// Directed lines that rules refer to.
        optional lines: Vec<Located<Line>> = json!([]),
        /// Areas with a direction of travel that rules refer to.
        optional lanes: Vec<Located<Lane>> = json!([]),
        /// Privacy masks: areas that are painted over in every picture that is stored or shown. The camera gets no clips and no passthrough video then.
        optional masks: Vec<Located<Zone>> = json!([]),
        /// What is reported.
        optional rules: Vec<Located<Kind>> = json!([]),
        /// Where a camera that can be turned may stand; its rules rest while it stands elsewhere.
        optional presets: Vec<Located<Preset>> = json!([]),
        /// Site that it shares with other cameras: what they report of one thing there becomes one incident.
        optional site: String,
        /// IANA name of the time zone that schedules and maintenance are written in.
        optional time_zone: String = default::TIME_ZONE,
        /// When the camera is worked at: no rule reports anything then.
        optional maintenance: Vec<Located<Maintenance>> = json!([]),
        /// Most alarms (warnings and above) an hour that its rules may start together, 1 to 100000; no limit when not given.
        optional budget: u64,
    }
}

table! {
    /// When a rule works; always without it. Needs capture times: a recording without a date is taken as active.
    Schedule ("`schedule`") {
        /// IANA name of the time zone; the camera's own when not given.
        optional time_zone: String,
        /// Windows of the week in which the rule works, which must not overlap.
        required active: Vec<Located<Hours>>,
    }
}

table! {
    /// Hours on some days of the week.
    Hours ("this window") {
        /// Days that it begins on; every day when not given.
        optional days: Vec<Located<Day>>,
        /// Time of day at which it begins, such as "22:00".
        optional from: String = "00:00",
        /// Time of day at which it ends, up to "24:00"; on the next day when it is the earlier one.
        optional to: String = "24:00",
    }
}

table! {
    /// When a camera is worked at: once, or every week.
    Maintenance ("this maintenance window") {
        /// Days of the week that it begins on; every day when not given. Only with times of day.
        optional days: Vec<Located<Day>>,
        /// When it begins: a time of day ("22:00"), or a date and time (RFC 3339) for once.
        required from: String,
        /// When it ends, written the same way.
        required to: String,
        /// Why, for the record.
        optional reason: String,
    }
}

table! {
    /// Which certificates of a camera are trusted. Without it: those that the system's authorities vouch for.
    Tls ("`tls`") {
        /// PEM file of the authority, or of the camera's own certificate. Nothing else is trusted then.
        optional ca_file: String,
        /// Takes any certificate: the connection is encrypted, and nobody knows to whom.
        optional insecure: bool = false,
    }
}

table! {
    /// Two streams of one camera.
    Streams ("`streams`") {
        /// The stream that is analysed; a small one saves decoding.
        required analysis: String,
        /// The stream that clips are cut from; it is recorded and not decoded.
        optional evidence: String,
    }
}

table! {
    /// How objects are followed from picture to picture.
    Track ("`track`") {
        /// How long an object may be unseen and still be the same, above 0 to 60s.
        optional lost_for: Span = default::text(default::LOST_FOR),
        /// Score from which a detection may begin a track, 0 to 1.
        optional high_score: f64 = default::HIGH_SCORE,
        /// Score from which a detection may continue a track, 0 to `high_score`.
        optional low_score: f64 = default::LOW_SCORE,
    }
}

table! {
    /// The ground plane: four points or more, or a homography.
    Calibration ("`calibration`") {
        /// Places known both in the picture and on the ground, 4 to 32, not on one line.
        optional points: Vec<Located<GroundControl>>,
        /// 3x3 matrix from [x, y, 1] in shares of the picture to metres, row by row; instead of `points`.
        optional homography: Vec<Located<[f64; 3]>>,
        /// Standard error of a place on the ground in metres, above 0 to 100.
        optional error: f64 = crate::scene::Ground::DEFAULT_ERROR_M,
    }
}

table! {
    /// A place known both in the picture and on the ground.
    GroundControl ("this point") {
        /// Where it is in the picture.
        required picture: Point,
        /// Where it is on the ground: [x, y] in metres from an origin of your choice.
        required metres: [f64; 2],
    }
}

table! {
    /// An area.
    Zone ("this zone") {
        /// Its name, once per camera.
        required id: String,
        /// Its corners in order, 3 to 256, not crossing itself.
        required polygon: Corners,
    }
}

table! {
    /// A directed line.
    Line ("this line") {
        /// Its name, once per camera.
        required id: String,
        /// Where it begins.
        required from: Point,
        /// Where it ends.
        required to: Point,
    }
}

table! {
    /// An area with a direction of travel.
    Lane ("this lane") {
        /// Its name, once per camera.
        required id: String,
        /// Its corners in order, 3 to 256, not crossing itself.
        required polygon: Corners,
        /// The direction of travel.
        required direction: Direction,
    }
}

table! {
    /// A direction, from one point to another.
    Direction ("`direction`") {
        /// Where it begins.
        required from: Point,
        /// Where it points to.
        required to: Point,
    }
}

/// A point within the picture.
#[derive(Clone, Copy)]
pub(super) struct Point(pub NormPoint);

impl FromNode for Point {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        const HELP: &str = "write [x, y], each from 0 (left, top) to 1 (right, bottom)";
        let NodeValue::List(items) = &node.value else {
            problems.error(node.mark, format!("`{name}` must be a point, this is {}", node.sort()), HELP);
            return None;
        };
        let [x, y] = items.as_slice() else {
            problems.error(node.mark, format!("a point has 2 coordinates, this one has {}", items.len()), HELP);
            return None;
        };
        // Both are read before either can fail, so that both are reported.
        let (x, y) = (coordinate(x, "x", problems), coordinate(y, "y", problems));
        Some(Self(NormPoint::new(x?, y?)))
    }
}

fn coordinate(node: &Node, name: &str, problems: &mut Problems) -> Option<f32> {
    let value = f64::from_node(node, name, problems)?;
    if (0.0..=1.0).contains(&value) {
        return Some(value as f32);
    }
    let help = if value > 1.0 {
        "coordinates are shares of the picture, 0 to 1: divide pixels by its width or height"
    } else {
        "coordinates are shares of the picture, 0 to 1"
    };
    problems.error(node.mark, format!("{name} = {value} lies outside the picture"), help);
    None
}

impl JsonSchema for Point {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Point".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "[x, y] as shares of the displayed picture; (0, 0) is the top left corner.",
            "type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 2, "maxItems": 2,
        })
    }
}

/// The corners of a polygon; bad as a whole when one of them is, because the rest makes another shape.
#[derive(Clone)]
pub(super) struct Corners(pub Vec<NormPoint>);

impl FromNode for Corners {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let corners = Vec::<Located<Point>>::from_node(node, name, problems)?;
        let all = matches!(&node.value, NodeValue::List(items) if items.len() == corners.len());
        all.then(|| Self(corners.iter().map(|corner| corner.value.0).collect()))
    }
}

impl JsonSchema for Corners {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Corners".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": generator.subschema_for::<Point>(), "minItems": 3, "maxItems": 256})
    }
}

/// A rule or a sink: `id`, `type`, and the parameters of that type.
#[derive(Clone)]
pub(super) struct Kind {
    pub id: Field<String>,
    pub kind: Field<String>,
    /// Of rules only, whatever their type.
    pub schedule: Field<Schedule>,
    /// Of rules only, whatever their type.
    pub budget: Field<u64>,
    /// Of rules only, whatever their type.
    pub preset: Field<String>,
    pub params: Vec<Param>,
}

/// A parameter with its place, and those of the values within it.
#[derive(Clone)]
pub(super) struct Param {
    pub key: String,
    pub key_mark: Mark,
    pub json: serde_json::Value,
    pub marks: Marks,
}

/// Places of a value and of the values within it.
#[derive(Clone)]
pub(super) struct Marks {
    pub mark: Mark,
    /// Key or index, place of the key (of the item, in a list), and the value's places.
    pub inner: Vec<(String, Mark, Marks)>,
}

impl Kind {
    const SINK_KEYS: &'static [&'static str] = &["id", "type"];
    const RULE_KEYS: &'static [&'static str] = &["id", "type", "schedule", "budget", "preset"];
}

impl FromNode for Kind {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let is_rule = name != "sinks";
        let (what, keys) = if is_rule { ("this rule", Self::RULE_KEYS) } else { ("this sink", Self::SINK_KEYS) };
        let table = Table::open_any(node, what, problems)?;
        Some(Self {
            id: table.required("id", problems),
            kind: table.required("type", problems),
            schedule: if is_rule { table.optional("schedule", problems) } else { Field::Absent },
            budget: if is_rule { table.optional("budget", problems) } else { Field::Absent },
            preset: if is_rule { table.optional("preset", problems) } else { Field::Absent },
            params: table.others(keys).map(Param::from).collect(),
        })
    }
}

impl From<&Entry> for Param {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.clone(),
            key_mark: entry.key_mark,
            json: entry.value.to_json(),
            marks: Marks::from(&entry.value),
        }
    }
}

impl From<&Node> for Marks {
    fn from(node: &Node) -> Self {
        let inner = match &node.value {
            NodeValue::List(items) => {
                items.iter().enumerate().map(|(i, item)| (i.to_string(), item.mark, Self::from(item))).collect()
            }
            NodeValue::Map(entries) => {
                entries.iter().map(|e| (e.key.clone(), e.key_mark, Self::from(&e.value))).collect()
            }
            _ => Vec::new(),
        };
        Self { mark: node.mark, inner }
    }
}

impl JsonSchema for Kind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Kind".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "properties": {"id": {"type": "string"}, "type": {"type": "string"}}, "required": ["id", "type"],
        })
    }
}

/// What stands in for a provider that cannot start.
#[derive(Clone, Copy, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fallback {
    Cpu,
}

/// Reads an enum by the words that the file uses for it.
macro_rules! words {
    ($name:ident: $($word:literal => $value:ident),+) => {
        impl FromNode for $name {
            fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
                choice(node, name, &[$(($word, Self::$value)),+], problems)
            }
        }
    };
}

words!(Fallback: "cpu" => Cpu);
words!(Provider: "cpu" => Cpu, "cuda" => Cuda, "tensorrt" => Tensorrt);
words!(Transport: "tcp" => Tcp, "udp" => Udp, "auto" => Auto);
words!(Day: "mon" => Mon, "tue" => Tue, "wed" => Wed, "thu" => Thu, "fri" => Fri, "sat" => Sat, "sun" => Sun);
words!(Matrix: "bt601" => Bt601, "bt709" => Bt709);
words!(Range: "limited" => Limited, "full" => Full);

impl FromNode for Rotation {
    fn from_node(node: &Node, name: &str, problems: &mut Problems) -> Option<Self> {
        let degrees = u64::from_node(node, name, problems)?;
        let rotation = Self::from_degrees(degrees);
        if rotation.is_none() {
            problems.error(
                node.mark,
                format!("`{name}` cannot be {degrees}"),
                "known here: 0, 90, 180, 270 (clockwise)",
            );
        }
        rotation
    }
}

impl JsonSchema for Day {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": Self::ALL.map(Self::as_str)})
    }
}

impl JsonSchema for Rotation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rotation".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": [0, 90, 180, 270]})
    }
}
