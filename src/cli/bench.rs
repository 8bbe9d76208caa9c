//! `vantage bench`: what a clip costs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::mot::{MotFile, Row};
use super::plan::{ModelArguments, for_camera};
use super::terminal::{say, say_json};
use crate::base::time::{SystemClock, process_cpu};
use crate::base::{CameraId, Clock, Error, ErrorKind, Result, RunId};
use crate::config::Plan;
use crate::frame::{Ledger, Stage};
use crate::pipeline::latency::Latency;
use crate::pipeline::output::Still;
use crate::pipeline::{Engine, EngineParts, Mode, Observed, Output};
use crate::scene::Event;

/// Arguments of `vantage bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The clip.
    clip: PathBuf,
    #[command(flatten)]
    model: ModelArguments,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
    /// Processors the whole program may use, and workers per model; all of them without it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Runs N copies of the clip as N cameras.
    #[arg(long, default_value_t = 1, value_name = "N")]
    streams: usize,
    /// Runs the detector on every K-th frame.
    #[arg(long, default_value_t = 1, value_name = "K")]
    every: u64,
    /// Reads the clip N times.
    #[arg(long = "loop", default_value_t = 1, value_name = "N")]
    repeat: u32,
    /// Writes the first stream's tracks as MOT rows: frame,id,x,y,w,h,score,class,-1,-1.
    #[arg(long, value_name = "FILE")]
    mot: Option<PathBuf>,
    /// Writes the first stream's detections, before tracking, as the same rows with the id -1.
    #[arg(long, value_name = "FILE")]
    detections: Option<PathBuf>,
    /// Colour matrix instead of the stream's: bt601 or bt709.
    #[arg(long, value_name = "NAME")]
    matrix: Option<String>,
    /// Frame rate of a stream without times.
    #[arg(long, value_name = "FPS")]
    assume_fps: Option<f64>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    clip: PathBuf,
    model: PathBuf,
    model_sha256: String,
    runtime: String,
    cpu_features: String,
    streams: usize,
    every: u64,
    threads: usize,
    frames: u64,
    seconds: f64,
    fps: f64,
    cpu_seconds: f64,
    cpu_ms_per_frame: f64,
    rss_mib: f64,
    detections: u64,
    tracks: u64,
    stages: Value,
    latency_ms: Value,
    startup_seconds: f64,
    startup_cpu_seconds: f64,
    accounting: Ledger,
}

/// Counts what the tails give, and writes the first pass of the first stream as MOT rows.
struct Meter {
    clock: SystemClock,
    first_camera: CameraId,
    detections: AtomicU64,
    tracks: AtomicU64,
    latency: Latency,
    track_rows: Option<MotFile>,
    detection_rows: Option<MotFile>,
}

impl Output for Meter {
    fn events(&self, _events: Vec<Event>, _stills: Vec<Still>, _arrived: Option<Instant>) {}

    fn observed(&self, observed: &Observed<'_>) {
        self.latency.record(self.clock.monotonic().saturating_duration_since(observed.frame.arrived));
        self.detections.fetch_add(observed.detections.map_or(0, <[_]>::len) as u64, Relaxed);
        if let Some(last) = observed.tracks.iter().map(|t| t.id.0).max() {
            self.tracks.fetch_max(last, Relaxed);
        }
        if observed.frame.run != RunId(0) || *observed.camera != self.first_camera {
            return;
        }
        if let Some(file) = &self.track_rows {
            file.add(observed.frame, observed.tracks.iter().filter(|track| track.observed).map(Row::from));
        }
        if let Some(file) = &self.detection_rows {
            file.add(observed.frame, observed.detections.unwrap_or_default().iter().map(Row::from));
        }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let clock = SystemClock;
    let (begun, begun_cpu) = (clock.monotonic(), process_cpu());
    let threads = bound_threads(arguments.threads)?;
    let plan = plan(arguments, threads)?;
    let first_camera = plan.cameras.first().map(|c| c.id.clone());
    let meter = Arc::new(Meter {
        clock,
        first_camera: first_camera.unwrap_or_else(|| CameraId::new("none")),
        detections: AtomicU64::new(0),
        tracks: AtomicU64::new(0),
        latency: Latency::default(),
        track_rows: arguments.mot.as_deref().map(MotFile::create).transpose()?,
        detection_rows: arguments.detections.as_deref().map(MotFile::create).transpose()?,
    });
    let runtime = crate::infer::runtime::load(None)?;
    let mut engine = Engine::start(
        plan,
        EngineParts {
            mode: Mode::recorded(),
            output: Arc::clone(&meter) as Arc<dyn Output>,
            runtime,
            clock: Arc::new(clock),
            repeat: arguments.repeat,
            every: arguments.every,
            workers: None,
            tracks: None,
        },
    )?;
    let model = engine.models().next().map(|(_, model)| Arc::clone(model));
    let stages = engine.stages();
    let (started, started_cpu) = (clock.monotonic(), process_cpu());
    engine.start_cameras()?;
    let cameras = engine.finish();
    let (seconds, cpu) = ((clock.monotonic() - started).as_secs_f64(), process_cpu() - started_cpu);
    drop(engine);
    for file in [&meter.track_rows, &meter.detection_rows].into_iter().flatten() {
        file.close()?;
    }
    let accounting: Ledger = cameras.iter().map(|(report, _)| report.accounting).sum();
    let frames = accounting.frames.decoded;
    let report = Report {
        clip: arguments.clip.clone(),
        model: model.as_ref().map(|m| m.path.clone()).unwrap_or_default(),
        model_sha256: model.as_ref().map(|m| m.sha256.clone()).unwrap_or_default(),
        runtime: runtime.version.clone(),
        cpu_features: crate::base::cpu::features(),
        streams: arguments.streams,
        every: arguments.every,
        threads,
        frames,
        seconds: rounded(seconds),
        fps: rounded(frames as f64 / seconds.max(1e-9)),
        cpu_seconds: rounded(cpu.as_secs_f64()),
        cpu_ms_per_frame: rounded(cpu.as_secs_f64() * 1e3 / frames.max(1) as f64),
        rss_mib: rounded(peak_rss_mib().unwrap_or(0.0)),
        detections: meter.detections.load(Relaxed),
        tracks: meter.tracks.load(Relaxed),
        stages: stages_json(cpu, |stage| stages.get(stage), frames),
        latency_ms: json!({
            "p50": rounded(meter.latency.quantile(0.50).as_secs_f64() * 1e3),
            "p95": rounded(meter.latency.quantile(0.95).as_secs_f64() * 1e3),
            "p99": rounded(meter.latency.quantile(0.99).as_secs_f64() * 1e3),
        }),
        startup_seconds: rounded((started - begun).as_secs_f64()),
        startup_cpu_seconds: rounded((started_cpu - begun_cpu).as_secs_f64()),
        accounting,
    };
    if arguments.json {
        say_json(&report)?;
    } else {
        say(table(&report))?;
    }
    for (_, ended) in cameras {
        ended?;
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(arguments: &Arguments, threads: usize) -> Result<Plan> {
    let clip = arguments.clip.to_string_lossy();
    let mut plan = for_camera(&clip, &arguments.model)?;
    plan.inference.workers = threads;
    let Some(mut camera) = plan.cameras.pop() else { return Ok(plan) };
    camera.rules.clear();
    camera.assume_fps = arguments.assume_fps;
    camera.matrix = match arguments.matrix.as_deref() {
        None => None,
        Some("bt601") => Some(crate::config::Matrix::Bt601),
        Some("bt709") => Some(crate::config::Matrix::Bt709),
        Some(other) => {
            return Err(Error::new(ErrorKind::Usage, format!("--matrix {other}: no such matrix"))
                .help("known are bt601 and bt709"));
        }
    };
    for stream in 0..arguments.streams.max(1) {
        let mut copy = camera.clone();
        copy.id = CameraId::new(format!("stream-{stream}"));
        plan.cameras.push(copy);
    }
    Ok(plan)
}

/// Keeps the process to `wanted` processors, so that no thread of any library works besides; says how
/// many there are.
pub fn bound_threads(wanted: Option<usize>) -> Result<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let failed = |e| Error::new(ErrorKind::Io, "cannot read or set the processors").source(e);
    let mine = sched_getaffinity(None).map_err(failed)?;
    let available = mine.count() as usize;
    let Some(wanted) = wanted else { return Ok(available) };
    if wanted == 0 {
        return Err(Error::new(ErrorKind::Usage, "--threads 0: at least one is needed"));
    }
    if wanted < available {
        let mut fewer = CpuSet::new();
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| mine.is_set(*cpu)).take(wanted) {
            fewer.set(cpu);
        }
        sched_setaffinity(None, &fewer).map_err(failed)?;
    }
    Ok(wanted.min(available))
}

fn stages_json(total: Duration, of: impl Fn(Stage) -> Duration, frames: u64) -> Value {
    let per_frame =
        |cpu: Duration| json!({"cpu_ms_per_frame": rounded(cpu.as_secs_f64() * 1e3 / frames.max(1) as f64)});
    let mut stages: serde_json::Map<String, Value> =
        Stage::ALL.iter().map(|stage| (stage.as_str().to_owned(), per_frame(of(*stage)))).collect();
    let known: Duration = Stage::ALL.iter().map(|stage| of(*stage)).sum();
    stages.insert("other".to_owned(), per_frame(total.saturating_sub(known)));
    Value::Object(stages)
}

/// Peak resident memory, from the kernel's own count.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn table(report: &Report) -> String {
    let mut lines = vec![
        format!("{} with {}", report.clip.display(), report.model.display()),
        format!(
            "  {} frames in {:.2} s: {:.1} fps on {} processors, {} streams",
            report.frames, report.seconds, report.fps, report.threads, report.streams
        ),
        format!(
            "  {:.3} CPU ms a frame, {:.0} MiB at most, started in {:.2} s",
            report.cpu_ms_per_frame, report.rss_mib, report.startup_seconds
        ),
        format!("  {} detections, {} tracks", report.detections, report.tracks),
    ];
    if let Value::Object(stages) = &report.stages {
        for (stage, cost) in stages {
            lines.push(format!("  {stage:<12}{:>9.3} ms", cost["cpu_ms_per_frame"].as_f64().unwrap_or(0.0)));
        }
    }
    let ms = |q: &str| report.latency_ms[q].as_f64().unwrap_or(0.0);
    lines.push(format!("  latency p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", ms("p50"), ms("p95"), ms("p99")));
    lines.join("\n")
}
