//! The checked pipeline: typed, complete, immutable. The rest of the program is built from this alone.
//!
//! Every default is filled in and every path is absolute. Secrets are [`Secret`](crate::base::Secret)s: printing a plan shows none.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::address::Address;
use super::oidc::OidcPlan;
use crate::base::{CameraId, Timestamp};
use crate::scene::schedule::{Maintenance, Schedule};
use crate::scene::{Ground, Polygon, Segment};

/// A whole pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The folder that relative paths were counted from.
    pub folder: PathBuf,
    /// Where events are kept.
    pub store: StorePlan,
    /// Where the tracks of cameras with `store_tracks` go, and for how long.
    pub tracks: TracksPlan,
    /// The HTTP port, if any.
    pub server: Option<ServerPlan>,
    /// How inference is shared.
    pub inference: InferencePlan,
    /// Models by name.
    pub models: BTreeMap<String, ModelPlan>,
    /// Sinks in file order.
    pub sinks: Vec<SinkPlan>,
    /// Cameras in file order; ids are unique.
    pub cameras: Vec<CameraPlan>,
}

impl Plan {
    /// The camera of an id.
    #[must_use]
    pub fn camera(&self, id: &CameraId) -> Option<&CameraPlan> {
        self.cameras.iter().find(|camera| camera.id == *id)
    }
}

/// Where events are kept and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePlan {
    /// Absolute folder.
    pub path: PathBuf,
    /// Days that an event is kept.
    pub keep_days: u32,
    /// Size on disk in MiB.
    pub keep_max_mib: u64,
    /// How long stills and clips are kept.
    pub media: MediaPlan,
}

/// How long stills and clips are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlan {
    /// Days.
    pub days: u32,
    /// Size of all in MiB.
    pub max_mib: u64,
    /// Size of one camera's in MiB.
    pub camera_max_mib: Option<u64>,
    /// Free space on the disk in MiB that they leave.
    pub min_free_mib: u64,
}

/// What is kept of a camera's events besides their records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidencePlan {
    /// Which events get a clip.
    pub clips: Which,
    /// Which events get a still.
    pub stills: Which,
    /// How long before the event a clip begins, at least.
    pub pre_roll: Duration,
    /// How long it goes on afterwards.
    pub post_roll: Duration,
    /// Longest clip.
    pub max_length: Duration,
    /// Most memory for packets that wait for an event, bytes.
    pub buffer_bytes: usize,
    /// Widest still, pixels.
    pub still_width: usize,
    /// What is blurred in stills; each once, in order.
    pub blur: Vec<Blur>,
}

/// Which events something is done for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// No event.
    None,
    /// Events that last, and those of severity `warning` and above.
    Alarms,
    /// Every event.
    All,
}

/// What is blurred in stills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blur {
    /// People, and the upper part of two-wheelers.
    Person,
    /// The lower middle of vehicles, where plates usually are.
    Plate,
}

/// Where tracks are stored and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracksPlan {
    /// Absolute folder.
    pub path: PathBuf,
    /// Days that a file is kept.
    pub keep_days: u32,
    /// Size on disk in MiB.
    pub keep_max_mib: u64,
}

/// The HTTP port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPlan {
    /// Address and port; loopback unless there are TLS and authentication, or the file said `insecure_listen`.
    pub listen: SocketAddr,
    /// Whether the page and its API are served.
    pub page: bool,
    /// Whether the page and its API ask who is there.
    pub authentication: bool,
    /// The provider by which users log in besides passwords.
    pub oidc: Option<OidcPlan>,
    /// How the port is encrypted, if it is.
    pub tls: Option<ServerTls>,
    /// Whether other machines may reach it all the same.
    pub insecure_listen: bool,
    /// Absolute path of the map page's GeoJSON outline.
    pub map_outline: Option<PathBuf>,
    /// Absolute path of the map page's PMTiles file.
    pub map_tiles: Option<PathBuf>,
    /// Name of the site, for people.
    pub site_name: Option<String>,
    /// IANA name of the time zone in which the page shows times.
    pub time_zone: Option<String>,
}

impl ServerPlan {
    /// A port at `listen` with every default.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            page: true,
            authentication: true,
            oidc: None,
            tls: None,
            insecure_listen: false,
            map_outline: None,
            map_tiles: None,
            site_name: None,
            time_zone: None,
        }
    }

    /// Why other machines must not reach this port, if they could.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        let lacks = match (self.page && self.authentication, self.tls.is_some()) {
            _ if self.listen.ip().is_loopback() => return None,
            (true, true) => return None,
            (false, _) if !self.page => "the port has no login",
            (false, _) => "`authentication` is off",
            (true, false) => "passwords would cross the network in the clear: there is no `tls`",
        };
        Some(format!("{} can be reached from other machines, and {lacks}", self.listen))
    }
}

/// How the port is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTls {
    /// With a certificate and its key; absolute paths of PEM files.
    Files {
        /// The certificate and those that vouch for it.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// With a certificate that the program makes for itself.
    SelfSigned,
}

impl ServerTls {
    /// The file of the certificate, for a store in `store`: one of the program's own making is kept there.
    #[must_use]
    pub fn certificate(&self, store: &Path) -> PathBuf {
        match self {
            Self::Files { certificate, .. } => certificate.clone(),
            Self::SelfSigned => store.join("tls-cert.pem"),
        }
    }
}

/// How inference is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferencePlan {
    /// Worker threads per model.
    pub workers: usize,
    /// Most pictures in one batch.
    pub max_batch: usize,
    /// Longest wait for a batch to fill.
    pub max_wait: Duration,
}

/// A model and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPlan {
    /// Absolute path of the model's folder or `.onnx` file.
    pub path: PathBuf,
    /// Its family, if the file says.
    pub family: Option<String>,
    /// Absolute path of a file of class names, if the file says.
    pub labels: Option<PathBuf>,
    /// Lowest score of a detection, 0 to 1; `None`: the model's own.
    pub score: Option<f32>,
    /// IoU above which the weaker of two boxes is dropped, 0 to 1.
    pub nms: Option<f32>,
    /// What computes.
    pub provider: Provider,
    /// Number of the GPU.
    pub device: u32,
    /// Half precision (TensorRT).
    pub fp16: bool,
    /// Absolute folder of compiled engines (TensorRT).
    pub engine_cache: Option<PathBuf>,
    /// Whether the CPU stands in when the provider cannot start.
    pub fallback_to_cpu: bool,
}

/// Execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The CPU.
    Cpu,
    /// CUDA.
    Cuda,
    /// TensorRT.
    Tensorrt,
}

impl Provider {
    /// The word that the file uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Tensorrt => "tensorrt",
        }
    }
}

/// A sink: its kind and the kind's own parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkPlan {
    /// Its id.
    pub id: String,
    /// Its kind, one of the registry's.
    pub kind: String,
    /// The kind's parameters, validated by the kind, paths absolute.
    pub params: Map<String, Value>,
}

/// A camera. Two plans that differ in [`CameraPlan::about`] at most need no restart.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraPlan {
    /// Its id.
    pub id: CameraId,
    /// The stream that is analysed.
    pub analysis: Address,
    /// The stream that clips are cut from, if it is another.
    pub evidence: Option<Address>,
    /// Which certificates are trusted, of rtsps and https.
    pub tls: TlsTrust,
    /// How rtsp carries media.
    pub transport: Transport,
    /// Jitter buffer of rtsp.
    pub latency: Duration,
    /// Frame rate to assume when the stream tells none, frames a second.
    pub assume_fps: Option<f64>,
    /// When a recording begins.
    pub starts_at: Option<Timestamp>,
    /// Colour matrix that overrides the stream's.
    pub matrix: Option<Matrix>,
    /// Colour range that overrides the stream's.
    pub range: Option<Range>,
    /// Rotation of the picture.
    pub rotate: Rotation,
    /// Frames analysed a second; every frame when `None`.
    pub analyse_fps: Option<f64>,
    /// Name of its model, a key of [`Plan::models`].
    pub model: String,
    /// How objects are followed.
    pub track: TrackPlan,
    /// Whether its tracks are stored.
    pub store_tracks: bool,
    /// The ground plane, when the camera is calibrated.
    pub ground: Option<Ground>,
    /// Absolute path of the file that tells what traffic signals show, if any.
    pub signals: Option<PathBuf>,
    /// What is kept of its events.
    pub recording: EvidencePlan,
    /// Zones in file order.
    pub zones: Vec<ZonePlan>,
    /// Lines in file order.
    pub lines: Vec<LinePlan>,
    /// Lanes in file order.
    pub lanes: Vec<LanePlan>,
    /// Privacy masks in file order. A camera with any has no clips: they could not be masked without transcoding.
    pub masks: Vec<ZonePlan>,
    /// Rules in file order.
    pub rules: Vec<RulePlan>,
    /// Where it may stand, if it can be turned.
    pub presets: Vec<PresetPlan>,
    /// The site that it shares with other cameras.
    pub site: Option<String>,
    /// When the camera is worked at.
    pub maintenance: Vec<Maintenance>,
    /// Most alarms an hour of all its rules together.
    pub budget: Option<u32>,
    /// What it is to people.
    pub about: AboutPlan,
}

/// What a camera is to people. Nothing of it changes what is seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AboutPlan {
    /// Its name where people read it.
    pub name: Option<String>,
    /// The ward that it belongs to.
    pub ward: Option<String>,
    /// Where it stands.
    pub place: Option<PlacePlan>,
}

/// Where a camera stands on the Earth (WGS 84), and where it looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacePlan {
    /// Degrees north, -90 to 90.
    pub lat: f64,
    /// Degrees east, -180 to 180.
    pub lon: f64,
    /// Where it looks, in degrees clockwise from north, 0 to 360.
    pub heading: Option<f64>,
    /// How far it sees, in metres.
    pub reach_m: f64,
}

/// How rtsp carries media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// TCP, then datagrams when the camera refuses it.
    Auto,
}

/// Which certificates of a camera are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TlsTrust {
    /// Those that the system's authorities vouch for, for the address's own name.
    #[default]
    System,
    /// Those that a certificate of this PEM file vouches for, or is, for the address's own name. Absolute path.
    CaFile(PathBuf),
    /// Any: the connection is encrypted, and nobody knows to whom.
    Any,
}

/// Colour matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// Colour range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// Luma 16 to 235.
    Limited,
    /// Luma 0 to 255.
    Full,
}

/// Clockwise rotation that makes the picture upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// As it comes.
    None,
    /// 90° clockwise.
    Quarter,
    /// 180°.
    Half,
    /// 270° clockwise.
    ThreeQuarters,
}

impl Rotation {
    /// Clockwise degrees.
    #[must_use]
    pub fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    pub(super) fn from_degrees(degrees: u64) -> Option<Self> {
        [Self::None, Self::Quarter, Self::Half, Self::ThreeQuarters]
            .into_iter()
            .find(|rotation| u64::from(rotation.degrees()) == degrees)
    }
}

/// How objects are followed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPlan {
    /// How long an object may be unseen and still be the same.
    pub lost_for: Duration,
    /// Score from which a detection may begin a track, 0 to 1.
    pub high_score: f32,
    /// Score from which a detection may continue a track, 0 to `high_score`.
    pub low_score: f32,
}

/// An area, in normalised coordinates of the displayed picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ZonePlan {
    /// Its id, once per camera.
    pub id: String,
    /// Its outline.
    pub polygon: Polygon,
}

/// A directed line, in normalised coordinates of the displayed picture.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlan {
    /// Its id, once per camera.
    pub id: String,
    /// From where to where.
    pub segment: Segment,
}

/// An area with a direction of travel, in normalised coordinates of the displayed picture.
#[derive(Debug, Clone, PartialEq)]
pub struct LanePlan {
    /// Its id, once per camera.
    pub id: String,
    /// Its outline.
    pub polygon: Polygon,
    /// The direction of travel; only its direction counts.
    pub direction: Segment,
}

/// A rule: its kind and the kind's own parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RulePlan {
    /// Its id, once per camera.
    pub id: String,
    /// Its kind, one of the registry's.
    pub kind: String,
    /// The kind's parameters, validated by the kind, paths absolute.
    pub params: Map<String, Value>,
    /// When it works; always without one.
    pub schedule: Option<Schedule>,
    /// Most happenings an hour that it may start.
    pub budget: Option<u32>,
    /// The preset that it is for.
    pub preset: Option<String>,
}

/// A position that a camera is turned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetPlan {
    /// Its id, once per camera.
    pub id: String,
    /// Absolute path of a picture of the view.
    pub reference: PathBuf,
}
