//! placeholder
use crate::base::{Result, Stop};
use std::sync::Arc;
use std::time::Duration;
pub struct Snapshot {
    pub ready: std::result::Result<(), String>,
    pub live: std::result::Result<(), String>,
    pub cameras: Vec<crate::pipeline::CameraReport>,
    pub stages: Vec<(&'static str, Duration)>,
    pub sinks: Vec<(String, crate::sink::dispatch::SinkStatus)>,
    pub store: crate::store::StoreStats,
    pub store_health: crate::store::StoreHealth,
    pub latest_position: crate::store::Position,
    pub durable_latency: Arc<crate::pipeline::latency::Latency>,
    pub models: Vec<(String, String, String)>,
    pub reloads_ok: u64,
    pub reloads_failed: u64,
}
pub type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;
pub struct Server(std::net::SocketAddr);
impl Server {
    pub fn address(&self) -> std::net::SocketAddr {
        self.0
    }
}
pub fn serve(l: std::net::SocketAddr, _: Source, _: Stop, _: &tokio::runtime::Handle) -> Result<Server> {
    Ok(Server(l))
}
