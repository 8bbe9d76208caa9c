//! `vantage run`: cameras live, until told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use clap::Args;

use super::page;
use super::plan::{self, ModelArguments};
use super::reload;
use super::signals::Signals;
use super::terminal::say;
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result, Stop};
use crate::config::{MediaPlan, Plan, SinkPlan};
use crate::frame::Stage;
use crate::ops;
use crate::pipeline::evidence::ClipCounts;
use crate::pipeline::latency::Latency;
use crate::pipeline::live::{DurableLatency, StoreOutput};
use crate::pipeline::monitor::{Monitor, Monitored};
use crate::pipeline::{Engine, EngineParts, Mode, Output};
use crate::scene::{Event, Phase};
use crate::sink::dispatch::{self, Dispatcher, Setting};
use crate::store::{MediaRetention, Query, Retention, ShedMedia, Store, StoreOptions};
use crate::tracklog::{Keep, LogOptions, TrackLog, WhenBehind};
use crate::web::PlanCell;

/// How long sinks may go on delivering after the stop.
const DRAIN: Duration = Duration::from_millis(800);
/// Stored tracks that a full disk gives up at a time, bytes.
const SHED_BYTES: u64 = 64 << 20;
/// How often the loop looks for signals and new events.
const TICK: Duration = Duration::from_millis(100);

/// Arguments of `vantage run`.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["pipeline", "camera"]))]
pub struct Arguments {
    /// The pipeline file.
    pipeline: Option<PathBuf>,
    /// One camera without a file: every object that appears becomes an event.
    #[arg(long, value_name = "URL")]
    camera: Option<String>,
    #[command(flatten)]
    model: ModelArguments,
    /// Port for metrics and health, instead of the file's.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Prints no events.
    #[arg(long)]
    quiet: bool,
}

impl Arguments {
    fn plan(&self) -> Result<Plan> {
        let mut plan = match (&self.pipeline, &self.camera) {
            (Some(path), _) => plan::load(path)?,
            (None, Some(url)) => plan::for_camera(url, &self.model)?,
            (None, None) => return Err(Error::new(ErrorKind::Usage, "a pipeline file or --camera is needed")),
        };
        if let Some(listen) = self.listen {
            let server = plan.server.get_or_insert_with(|| crate::config::ServerPlan::at(listen));
            server.listen = listen;
            if let Some(message) = server.exposure().filter(|_| !server.insecure_listen) {
                return Err(Error::new(ErrorKind::Usage, format!("--listen: {message}")).help(
                    "give an address of this machine only, such as 127.0.0.1:9090, or write `server` in a file",
                ));
            }
        }
        Ok(plan)
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let begun = clock.monotonic();
    let plan = arguments.plan()?;
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tasks")
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
    let signals = Signals::listen(tasks.handle())?;
    let latency = Arc::new(Latency::default());
    let durable = DurableLatency::new(Arc::clone(&clock), Arc::clone(&latency));
    let epoch = durable.epoch();
    let tracks = track_log(&plan, &clock)?;
    let shed = tracks.clone();
    let store = Arc::new(Store::open(
        &plan.store.path,
        StoreOptions {
            clock: Arc::clone(&clock),
            events: Retention {
                max_age: Some(Duration::from_secs(u64::from(plan.store.keep_days) * 86_400)),
                max_bytes: Some(plan.store.keep_max_mib << 20),
            },
            shed_media: shed.map(|log| -> ShedMedia { Box::new(move || log.shed(SHED_BYTES)) }),
            media: media_retention(&plan.store.media),
            on_durable: Some(Box::new(move |ack| durable.durable(ack.tag))),
            ..StoreOptions::default()
        },
    )?);
    reload::forget(&plan.store.path);
    let monitor = Arc::new(Monitor::new(Arc::clone(&clock)));
    let stored = StoreOutput::new(store.writer(), &store.media(), Arc::clone(&clock), epoch)?;
    let output: Arc<dyn Output> = Arc::new(Monitored::new(stored, Arc::clone(&monitor)));
    let clip_counts = output.clips().map(|clips| Arc::clone(clips.counts())).unwrap_or_default();
    let runtime = crate::infer::runtime::load(None)?;
    let folder = plan.store.path.clone();
    let (port, sinks) = (plan.server.clone(), plan.sinks.clone());
    let cell: PlanCell = Arc::new(RwLock::new(Arc::new(plan.clone())));
    let parts = EngineParts {
        mode: Mode::live(),
        output,
        runtime,
        clock: Arc::clone(&clock),
        repeat: 1,
        every: 1,
        workers: None,
        tracks,
    };
    let mut engine = Engine::start(plan, parts)?;
    let sink_stop = Stop::new();
    let incidents = crate::pipeline::incidents::start(store.incident_writer()?)?;
    let dispatchers = sinks
        .iter()
        .map(|sink| start_sink(sink, &store, &clock, &sink_stop, tasks.handle()))
        .collect::<Result<Vec<_>>>()?;
    engine.start_cameras()?;
    let engine = Arc::new(Mutex::new(engine));
    let counts = Arc::new(Reloads::default());
    let dispatchers = Arc::new(dispatchers);
    let ops_stop = Stop::new();
    let reload = {
        let (arguments, engine, cell, counts, monitor) =
            (arguments.clone(), Arc::clone(&engine), Arc::clone(&cell), Arc::clone(&counts), Arc::clone(&monitor));
        // The file is read and applied in one go, or of two at once the older might stay.
        let turn = Mutex::new(());
        Arc::new(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = reload_plan(&arguments, &engine, &cell, &monitor);
            counts.count(&outcome);
            outcome
        })
    };
    let source = snapshot_source(&engine, &store, &dispatchers, &latency, &counts, clip_counts);
    if let Some(plan) = port {
        let parts = page::Parts {
            plan,
            pipeline: Arc::clone(&cell),
            file: arguments.pipeline.clone(),
            source,
            store: Arc::clone(&store),
            monitor,
            packets: {
                let engine = Arc::clone(&engine);
                Arc::new(move |camera: &crate::base::CameraId| lock(&engine).packets(camera))
            },
            clock: Arc::clone(&clock),
            reload: Arc::clone(&reload) as page::Reload,
            stop: ops_stop.clone(),
        };
        page::open(parts, tasks.handle())?;
    }
    tracing::info!(ready_ms = (clock.monotonic() - begun).as_millis(), "ready");

    let mut printer = Printer::new(&store, arguments.quiet)?;
    loop {
        let stopping = signals.stop.wait_timeout(TICK);
        printer.print()?;
        if signals.take_reload() {
            reload::answer(&folder, &reload());
        }
        if stopping || lock(&engine).is_finished() {
            break;
        }
    }
    let reports = lock(&engine).stop();
    store.flush()?;
    drop(incidents);
    sink_stop.request();
    ops_stop.request();
    if let Some(dispatchers) = Arc::into_inner(dispatchers) {
        for (_, dispatcher) in dispatchers {
            dispatcher.join()?;
        }
    }
    printer.print()?;
    for report in reports {
        let frames = report.accounting.frames;
        tracing::info!(
            camera = %report.camera,
            decoded = frames.decoded,
            detected = frames.detected,
            dropped = frames.dropped.overrun + frames.dropped.expired + frames.dropped.corrupt,
            "stopped"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The writer of tracks, when a camera stores any.
fn track_log(plan: &Plan, clock: &Arc<dyn Clock>) -> Result<Option<Arc<TrackLog>>> {
    if !plan.cameras.iter().any(|camera| camera.store_tracks) {
        return Ok(None);
    }
    let keep = Keep {
        max_age: Duration::from_secs(u64::from(plan.tracks.keep_days) * 86_400),
        max_bytes: plan.tracks.keep_max_mib << 20,
    };
    let options = LogOptions {
        folder: plan.tracks.path.clone(),
        keep: Some(keep),
        when_behind: WhenBehind::GiveUp,
        clock: Arc::clone(clock),
    };
    TrackLog::open(options).map(|log| Some(Arc::new(log)))
}

fn media_retention(plan: &MediaPlan) -> MediaRetention {
    MediaRetention {
        max_age: Some(Duration::from_secs(u64::from(plan.days) * 86_400)),
        max_bytes: Some(plan.max_mib << 20),
        max_bytes_per_camera: plan.camera_max_mib.map(|mib| mib << 20),
        min_free_bytes: plan.min_free_mib << 20,
    }
}

fn lock(engine: &Mutex<Engine>) -> std::sync::MutexGuard<'_, Engine> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start_sink(
    plan: &SinkPlan,
    store: &Arc<Store>,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
    tasks: &tokio::runtime::Handle,
) -> Result<(String, Dispatcher)> {
    let context = |error: Error| error.context(format!("sink {}", plan.id));
    let kind = crate::sink::find(&plan.kind)
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("sink {}: unknown type {}", plan.id, plan.kind)))?;
    let folder = std::env::current_dir().map_err(|e| Error::io(".", e))?;
    let sink = (kind.connect)(&plan.params, &folder).map_err(context)?;
    let setting = Setting {
        name: plan.id.clone(),
        latest: store.subscribe(),
        runtime: tasks.clone(),
        clock: Arc::clone(clock),
        stop: stop.clone(),
        drain: DRAIN,
    };
    Ok((plan.id.clone(), dispatch::start(store.outbox(&plan.id)?, sink, setting).map_err(context)?))
}

fn reload_plan(arguments: &Arguments, engine: &Mutex<Engine>, cell: &PlanCell, monitor: &Monitor) -> Result<String> {
    let plan = arguments.plan()?;
    let applied = {
        let mut engine = lock(engine);
        let applied = engine.apply(plan);
        // Whatever became of it: a picture that is kept may have been taken under other masks.
        for camera in &engine.plan().cameras {
            monitor.forget(&camera.id);
        }
        *cell.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine.plan().clone());
        applied
    };
    let diff = applied?;
    let list = |ids: &[crate::base::CameraId]| {
        let names: Vec<&str> = ids.iter().map(crate::base::CameraId::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let text = format!(
        "applied: added {}; changed {}; removed {}; described anew {}; all others untouched",
        list(&diff.added),
        list(&diff.changed),
        list(&diff.removed),
        list(&diff.described)
    );
    Ok(text)
}

/// How reloads went.
#[derive(Default)]
struct Reloads {
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Reloads {
    fn count(&self, outcome: &Result<String>) {
        match outcome {
            Ok(what) => {
                self.applied.fetch_add(1, Relaxed);
                tracing::info!("{what}");
            }
            Err(error) => {
                self.refused.fetch_add(1, Relaxed);
                tracing::error!(%error, help = error.advice(), "the changed pipeline was refused");
            }
        }
    }
}

fn snapshot_source(
    engine: &Arc<Mutex<Engine>>,
    store: &Arc<Store>,
    dispatchers: &Arc<Vec<(String, Dispatcher)>>,
    latency: &Arc<Latency>,
    reloads: &Arc<Reloads>,
    clips: Arc<ClipCounts>,
) -> ops::Source {
    let (engine, store, latency, reloads) =
        (Arc::clone(engine), Arc::clone(store), Arc::clone(latency), Arc::clone(reloads));
    // Weak: the last owner joins the sinks' threads.
    let dispatchers = Arc::downgrade(dispatchers);
    Arc::new(move || {
        let engine = lock(&engine);
        let stages = engine.stages();
        ops::Snapshot {
            ready: Ok(()),
            live: Ok(()),
            cameras: engine.report(),
            stages: Stage::ALL.iter().map(|stage| (stage.as_str(), stages.get(*stage))).collect(),
            sinks: dispatchers
                .upgrade()
                .map(|all| all.iter().map(|(id, d)| (id.clone(), d.status())).collect())
                .unwrap_or_default(),
            store: store.stats(),
            store_health: store.health().borrow().clone(),
            clips: Arc::clone(&clips),
            media_bytes: store.media().bytes_by_camera(),
            latest_position: *store.subscribe().borrow(),
            durable_latency: Arc::clone(&latency),
            models: engine
                .models()
                .map(|(name, model)| (name.to_owned(), model.family.to_owned(), model.sha256.clone()))
                .collect(),
            classes: engine.models().map(|(name, model)| (name.to_owned(), model.labels.names().to_vec())).collect(),
            reloads_ok: reloads.applied.load(Relaxed),
            reloads_failed: reloads.refused.load(Relaxed),
        }
    })
}

/// Prints durable events, one line each, as they come.
struct Printer {
    reader: crate::store::Reader,
    query: Query,
    quiet: bool,
}

impl Printer {
    fn new(store: &Store, quiet: bool) -> Result<Self> {
        let reader = store.reader()?;
        let query = Query { after_position: Some(reader.latest()?), limit: 1000, ..Query::default() };
        Ok(Self { reader, query, quiet })
    }

    fn print(&mut self) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        for stored in self.reader.events(&self.query)? {
            self.query.after_position = Some(stored.position);
            say(line(&stored.event))?;
        }
        Ok(())
    }
}

/// An event as one line for people.
pub fn line(event: &Event) -> String {
    let phase = match event.phase {
        Phase::Instant => "",
        Phase::Start => " start",
        Phase::Update => " update",
        Phase::End => " end",
    };
    format!("{}  {:<12} {}{phase}: {}", event.time.utc, event.camera, event.rule, event.explanation.summary)
}
