//! The operations port: metrics for Prometheus, health for supervisors, reports for people.
//!
//! It looks and never touches: every answer is made from one [`Snapshot`], so the figures of one page
//! belong together and nothing can be changed through the port. There is no login, so the default
//! address is loopback (`config` refuses another one without `insecure_listen`).
//!
//! [`server`] is the transport with its limits, `routes` the pages, [`metrics`] the exposition.

pub mod metrics;
mod routes;
pub mod server;
pub mod states;

use std::sync::Arc;
use std::time::Duration;

pub use self::routes::pages;
pub use self::server::{Server, serve};
use crate::pipeline::CameraReport;
use crate::pipeline::evidence::ClipCounts;
use crate::pipeline::latency::Latency;
use crate::scene::Position;
use crate::sink::dispatch::SinkStatus;
use crate::store::{StoreHealth, StoreStats};

/// Everything the port tells, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whether the program does its work, or why not yet (`/readyz`).
    pub ready: Result<(), String>,
    /// Whether a restart would not help, or what is beyond repair (`/livez`).
    pub live: Result<(), String>,
    /// Every camera, each id once.
    pub cameras: Vec<CameraReport>,
    /// CPU time by stage label, each label once.
    pub stages: Vec<(&'static str, Duration)>,
    /// Every sink with its id in the pipeline file, each id once.
    pub sinks: Vec<(String, SinkStatus)>,
    /// The store's counts.
    pub store: StoreStats,
    /// The store's disk.
    pub store_health: StoreHealth,
    /// What became of clips.
    pub clips: Arc<ClipCounts>,
    /// Bytes of each camera's stills and clips, each camera once.
    pub media_bytes: Vec<(String, u64)>,
    /// The newest durable position.
    pub latest_position: Position,
    /// From a frame's last packet to its events on disk.
    pub durable_latency: Arc<Latency>,
    /// Name, family and SHA-256 (hex) of every loaded model, each name once.
    pub models: Vec<(String, String, String)>,
    /// Class names of every loaded model, each name once.
    pub classes: Vec<(String, Vec<String>)>,
    /// Changed pipeline files that were applied.
    pub reloads_ok: u64,
    /// Changed pipeline files that were refused.
    pub reloads_failed: u64,
}

/// Where snapshots come from. Called on a blocking thread, one call at a time. It should not wait for a
/// lock that is held for long (a reload that loads a model): `/livez` fails when it takes over 5 s.
pub type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;
