//! A snapshot as OpenMetrics text. `docs/metrics.md` explains every family; `tests/ops_http.rs` holds
//! the two together.
//!
//! Names begin with `vantage_` (the process's own with `process_`, as is the custom), values are in
//! seconds and bytes. Nothing is counted here: every figure is somebody else's, read at the scrape.

mod cameras;
mod page;
mod process;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::page::Page;
pub use self::process::Process;
use super::{Snapshot, states};
use crate::pipeline::evidence::ClipFate;

/// The media type of [`render`]'s text (OpenMetrics 1.0, "Overall Structure").
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)];

/// The exposition.
///
/// # Errors
/// Only what the encoder refuses; never for want of anything in the snapshot.
pub fn render(snapshot: Snapshot, process: &Process) -> Result<String, fmt::Error> {
    let mut ours = Registry::with_prefix("vantage");
    ours.register_collector(Box::new(snapshot));
    let mut theirs = Registry::with_prefix("process");
    theirs.register_collector(Box::new(*process));
    let mut body = String::new();
    text::encode_registry(&mut body, &ours)?;
    text::encode_registry(&mut body, &theirs)?;
    text::encode_eof(&mut body)?;
    Ok(body)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let page = &mut Page(encoder);
        program(page, self)?;
        cameras::write(page, &self.cameras)?;
        page.counter(
            "stage_cpu_seconds",
            "CPU time by processing stage, all threads",
            self.stages.iter().map(|(stage, cpu)| (vec![("stage", *stage)], cpu.as_secs_f64())),
        )?;
        store(page, self)?;
        media(page, self)?;
        latency(page, self)?;
        sinks(page, self)
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let page = &mut Page(encoder);
        page.one_counter("cpu_seconds", "User and system CPU time", &self.cpu.as_secs_f64())?;
        if let Some(bytes) = self.resident_bytes {
            page.one_gauge("resident_memory_bytes", "Resident memory", &bytes)?;
        }
        if let Some(fds) = self.open_fds {
            page.one_gauge("open_fds", "Open file descriptors", &fds)?;
        }
        if let Some(fds) = self.max_fds {
            page.one_gauge("max_fds", "Soft limit on open file descriptors", &fds)?;
        }
        if let Some(seconds) = self.started_s {
            page.one_gauge("start_time_seconds", "Start of the process, Unix time", &seconds)?;
        }
        Ok(())
    }
}

fn program(page: &mut Page, now: &Snapshot) -> fmt::Result {
    page.info("build", "The running version", [vec![("version", env!("CARGO_PKG_VERSION"))]])?;
    page.info(
        "model",
        "Loaded models",
        now.models.iter().map(|(name, family, sha256)| {
            vec![("model", name.as_str()), ("family", family.as_str()), ("sha256", sha256.as_str())]
        }),
    )?;
    page.one_gauge("ready", "1 when /readyz says so", &u64::from(now.ready.is_ok()))?;
    page.counter(
        "reloads",
        "Changed pipeline files by what became of them",
        [(vec![("outcome", "applied")], now.reloads_ok), (vec![("outcome", "refused")], now.reloads_failed)],
    )
}

fn store(page: &mut Page, now: &Snapshot) -> fmt::Result {
    let stats = &now.store;
    page.one_counter("store_events", "Events stored", &stats.events)?;
    page.one_counter("store_duplicates", "Repeated events that were stored already", &stats.duplicates)?;
    page.one_counter("store_commits", "Transactions on disk", &stats.commits)?;
    page.counter(
        "store_commit_failures",
        "Transactions that failed and are tried again",
        [(vec![("reason", "disk_full")], stats.disk_full), (vec![("reason", "fault")], stats.faults)],
    )?;
    page.one_counter("store_abandoned", "Events given up at the stop because the disk took none", &stats.abandoned)?;
    page.one_counter("store_swept", "Events deleted by retention", &stats.events_swept)?;
    page.one_counter(
        "store_swept_unconfirmed",
        "Events deleted by retention before every sink had them",
        &stats.events_swept_unconfirmed,
    )?;
    page.one_gauge("store_position", "The newest durable position", &now.latest_position.0)?;
    let health = states::of_store(&now.store_health);
    page.gauge(
        "store_health",
        "1 for the state that the store is in, 0 for the others",
        states::STORE.map(|state| (vec![("state", state)], u64::from(state == health))),
    )
}

fn media(page: &mut Page, now: &Snapshot) -> fmt::Result {
    let stats = &now.store;
    page.counter(
        "store_stills",
        "Stills by what became of them",
        [
            (vec![("outcome", "written")], stats.stills),
            (vec![("outcome", "failed")], stats.stills_failed),
            (vec![("outcome", "swept")], stats.stills_swept),
        ],
    )?;
    page.counter(
        "clips",
        "Clips by what became of them",
        ClipFate::ALL.iter().map(|fate| {
            let (outcome, reason) = fate.labels();
            (vec![("outcome", outcome), ("reason", reason)], now.clips.get(*fate))
        }),
    )?;
    page.one_counter("clips_swept", "Clips deleted by retention or to make room for events", &stats.clips_swept)?;
    page.gauge(
        "media_bytes",
        "Stills and clips on disk",
        now.media_bytes.iter().map(|(camera, bytes)| (vec![("camera", camera.as_str())], *bytes)),
    )
}

fn latency(page: &mut Page, now: &Snapshot) -> fmt::Result {
    const NAME: &str = "event_durable_latency_seconds";
    let latency = &now.durable_latency;
    page.gauge(
        NAME,
        "Time from a frame's last packet to its events on disk, quantiles since the start",
        QUANTILES.map(|(label, q)| (vec![("quantile", label)], latency.quantile(q).as_secs_f64())),
    )?;
    page.bare_total(&format!("{NAME}_sum"), "Sum of these times", &latency.sum().as_secs_f64())?;
    page.bare_total(&format!("{NAME}_count"), "Number of these times", &latency.count())
}

fn sinks(page: &mut Page, now: &Snapshot) -> fmt::Result {
    let sinks = &now.sinks;
    page.gauge(
        "sink_state",
        "1 for the state that the sink is in, 0 for the others",
        sinks.iter().flat_map(|(name, status)| {
            states::SINK.map(|state| {
                let labels = vec![("sink", name.as_str()), ("state", states::of_sink(state))];
                (labels, u64::from(state == status.state))
            })
        }),
    )?;
    page.gauge(
        "sink_backlog",
        "Durable events that the sink has not confirmed",
        sinks.iter().map(|(name, status)| (vec![("sink", name.as_str())], status.backlog)),
    )?;
    page.counter(
        "sink_delivered",
        "Events that the sink confirmed",
        sinks.iter().map(|(name, status)| (vec![("sink", name.as_str())], status.delivered)),
    )?;
    page.counter(
        "sink_rejected",
        "Events that the sink refused for good",
        sinks.iter().map(|(name, status)| (vec![("sink", name.as_str())], status.rejected)),
    )?;
    page.counter(
        "sink_paced_seconds",
        "Time that the sink was held back so that its backlog did not delay live events",
        sinks.iter().map(|(name, status)| (vec![("sink", name.as_str())], status.paced.as_secs_f64())),
    )?;
    page.gauge(
        "sink_last_success_timestamp_seconds",
        "When the sink last confirmed a batch, Unix time; absent before the first",
        sinks
            .iter()
            .filter_map(|(name, status)| status.last_ok.map(|at| (vec![("sink", name.as_str())], at.0 as f64 * 1e-9))),
    )
}
