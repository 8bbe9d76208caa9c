//! Lanes and cameras, started from a plan, changed by another, stopped in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::camera::{Camera, Shared};
use super::conditions::Conditions;
use super::lane::{Lane, LaneOptions};
use super::mode::Mode;
use super::output::Output;
use crate::base::{CameraId, Clock, Error, ErrorKind, Result};
use crate::config::{self, ModelPlan, Plan, PlanDiff};
use crate::frame::{Ledger, Stages};
use crate::infer::{self, Detector, Model, ModelOptions, Provider, Runtime};
use crate::source::packets::PacketRing;
use crate::source::{Knocker, Status};
use crate::tracklog::TrackLog;

/// What an engine is made of besides the plan.
pub struct EngineParts {
    /// Live or recorded.
    pub mode: Mode,
    /// Where events go.
    pub output: Arc<dyn Output>,
    /// ONNX Runtime.
    pub runtime: &'static Runtime,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// How often recordings are read.
    pub repeat: u32,
    /// Of how many frames one is analysed.
    pub every: u64,
    /// Worker threads per model instead of the plan's, whose hash stays: results do not depend on it.
    pub workers: Option<usize>,
    /// Stores tracks; none without.
    pub tracks: Option<Arc<TrackLog>>,
}

/// One camera's state for reports.
#[derive(Debug, Clone, Serialize)]
pub struct CameraReport {
    /// The camera.
    pub camera: CameraId,
    /// What it is doing.
    pub status: Status,
    /// What became of its access units and frames.
    pub accounting: Ledger,
    /// Which of its rules rest, and why.
    pub conditions: Conditions,
    /// What its second stream is doing, which clips are cut from; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Status>,
}

/// A running pipeline.
pub struct Engine {
    plan: Plan,
    mode: Mode,
    shared: Shared,
    workers: Option<usize>,
    runtime: &'static Runtime,
    lanes: BTreeMap<String, Lane>,
    cameras: BTreeMap<CameraId, Camera>,
}

impl Engine {
    /// Loads the models and starts every camera of the plan.
    ///
    /// # Errors
    /// A model cannot be loaded, a rule does not fit, a recording cannot be read. Nothing runs then.
    pub fn start(plan: Plan, parts: EngineParts) -> Result<Self> {
        crate::source::init()?;
        let start_name = parts.clock.utc().to_string();
        let mut engine = Self {
            shared: Shared {
                output: parts.output,
                stages: Arc::new(Stages::default()),
                clock: parts.clock,
                knocker: Arc::new(Knocker::default()),
                plan_hash: plan.hash(),
                start_name,
                repeat: parts.repeat,
                every: parts.every,
                tracks: parts.tracks,
                when_full: parts.mode.when_full,
            },
            mode: parts.mode,
            workers: parts.workers,
            runtime: parts.runtime,
            lanes: BTreeMap::new(),
            cameras: BTreeMap::new(),
            plan,
        };
        let names: std::collections::BTreeSet<String> = engine.plan.cameras.iter().map(|c| c.model.clone()).collect();
        for name in names {
            engine.need_lane(&name)?;
        }
        Ok(engine)
    }

    /// Starts the cameras; apart from [`Self::start`] so that a bench can tell loading from running.
    ///
    /// # Errors
    /// As [`Camera::start`]; the cameras started before keep running until the engine is dropped.
    pub fn start_cameras(&mut self) -> Result<()> {
        for camera in self.plan.cameras.clone() {
            let lane = self
                .lanes
                .get(&camera.model)
                .ok_or_else(|| Error::new(ErrorKind::Internal, format!("no lane {}", camera.model)))?;
            let id = camera.id.clone();
            self.cameras.insert(id, Camera::start(camera, lane, &self.shared)?);
        }
        Ok(())
    }

    fn need_lane(&mut self, name: &str) -> Result<()> {
        if !self.lanes.contains_key(name) {
            let lane = self.make_lane(name)?;
            self.lanes.insert(name.to_owned(), lane);
        }
        Ok(())
    }

    fn make_lane(&self, name: &str) -> Result<Lane> {
        let plan = self
            .plan
            .models
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::Config, format!("there is no model {name}")))?;
        let options = model_options(plan);
        let context = |error: Error| error.context(format!("model {name}"));
        let model = Arc::new(Model::open(&plan.path, &options).map_err(context)?);
        let inference = &self.plan.inference;
        let workers = self.workers.unwrap_or(inference.workers).max(1);
        let detectors: Vec<Detector> = (0..workers)
            .map(|_| Detector::new(&model, &options, self.runtime))
            .collect::<Result<_>>()
            .map_err(context)?;
        let lane = LaneOptions {
            workers,
            max_batch: inference.max_batch.max(1),
            max_wait: inference.max_wait,
            mode: self.mode,
        };
        tracing::info!(model = name, family = model.family, workers, "model loaded");
        Lane::start(name, model, detectors, lane, &self.shared.stages, &self.shared.clock)
    }

    /// Applies a new plan: only cameras that differ are touched. All or nothing as far as can be told
    /// before starting: sections that need a restart, or a model that cannot be loaded, refuse the
    /// whole change and everything goes on as it was.
    ///
    /// # Errors
    /// What cannot be applied, and what still runs.
    pub fn apply(&mut self, plan: Plan) -> Result<PlanDiff> {
        let diff = config::diff(&self.plan, &plan);
        let fixed: Vec<&str> = diff
            .needs_restart
            .iter()
            .map(String::as_str)
            .filter(|section| section.strip_prefix("models.").is_none_or(|name| self.lanes.contains_key(name)))
            .collect();
        if !fixed.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{} cannot change while running; the running pipeline is untouched", fixed.join(", ")),
            )
            .help("start vantage again for these, or take them out of the change"));
        }
        let before = std::mem::replace(&mut self.plan, plan);
        let touched: Vec<CameraId> = diff.added.iter().chain(&diff.changed).cloned().collect();
        let wanted: Vec<_> = touched.iter().filter_map(|id| self.plan.camera(id).cloned()).collect();
        for camera in &wanted {
            if let Err(error) = self.need_lane(&camera.model) {
                self.plan = before;
                return Err(error.context("the change is refused; the running pipeline is untouched"));
            }
        }
        self.shared.plan_hash = self.plan.hash();
        let stopping: Vec<Camera> =
            diff.removed.iter().chain(&diff.changed).filter_map(|id| self.cameras.remove(id)).collect();
        for camera in &stopping {
            camera.request_stop();
        }
        for camera in stopping {
            if let Err(error) = camera.join() {
                tracing::warn!(%error, "a camera that was taken out had failed");
            }
        }
        let mut failed = Vec::new();
        for camera in wanted {
            let id = camera.id.clone();
            let Some(lane) = self.lanes.get(&camera.model) else { continue };
            match Camera::start(camera, lane, &self.shared) {
                Ok(running) => {
                    self.cameras.insert(id, running);
                }
                Err(error) => failed.push(error.to_string()),
            }
        }
        let used: std::collections::BTreeSet<&String> = self.plan.cameras.iter().map(|c| &c.model).collect();
        self.lanes.retain(|name, _| used.contains(name));
        if failed.is_empty() {
            return Ok(diff);
        }
        Err(Error::new(ErrorKind::Config, format!("applied, but {}; all other cameras run", failed.join("; "))))
    }

    /// The plan that runs.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// CPU time by stage.
    #[must_use]
    pub fn stages(&self) -> Arc<Stages> {
        Arc::clone(&self.shared.stages)
    }

    /// Models by lane name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Arc<Model>)> {
        self.lanes.iter().map(|(name, lane)| (name.as_str(), lane.model()))
    }

    /// Every camera's state.
    #[must_use]
    pub fn report(&self) -> Vec<CameraReport> {
        self.cameras
            .values()
            .map(|camera| CameraReport {
                camera: camera.plan.id.clone(),
                status: camera.status.get(),
                accounting: camera.account.ledger(),
                conditions: camera.conditions.get(),
                recording: camera.recording_status(),
            })
            .collect()
    }

    /// The latest packets of a camera, where they are kept for clips.
    #[must_use]
    pub fn packets(&self, camera: &CameraId) -> Option<Arc<PacketRing>> {
        self.cameras.get(camera)?.packets()
    }

    /// Whether every source has ended by itself.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cameras.values().all(Camera::is_finished)
    }

    /// Waits until every recording was read and went through the rules; each camera's report and how
    /// it ended.
    pub fn finish(&mut self) -> Vec<(CameraReport, Result<()>)> {
        std::mem::take(&mut self.cameras)
            .into_values()
            .map(|camera| {
                let (id, account, status) =
                    (camera.plan.id.clone(), Arc::clone(&camera.account), Arc::clone(&camera.status));
                let conditions = Arc::clone(&camera.conditions);
                let recording = camera.recording_status();
                let ended = camera.join();
                let report = CameraReport {
                    camera: id,
                    status: status.get(),
                    accounting: account.ledger(),
                    conditions: conditions.get(),
                    recording,
                };
                (report, ended)
            })
            .collect()
    }

    /// Stops every camera and ends what is open: all sources are told first, then awaited one by one.
    pub fn stop(&mut self) -> Vec<CameraReport> {
        for camera in self.cameras.values() {
            camera.request_stop();
        }
        self.finish().into_iter().map(|(report, _)| report).collect()
    }

    /// Waits until all sources have ended or `keep_waiting` says no.
    pub fn wait(&self, tick: Duration, mut keep_waiting: impl FnMut(&Self) -> bool) {
        while !self.is_finished() && keep_waiting(self) {
            std::thread::sleep(tick);
        }
    }

    /// Now, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.clock.monotonic()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A model's options as the plan has them.
#[must_use]
pub fn model_options(plan: &ModelPlan) -> ModelOptions {
    let device_id = i32::try_from(plan.device).unwrap_or(i32::MAX);
    ModelOptions {
        family: plan.family.clone(),
        labels: plan.labels.clone(),
        score: plan.score,
        nms: plan.nms,
        provider: match plan.provider {
            config::Provider::Cpu => Provider::Cpu,
            config::Provider::Cuda => Provider::Cuda { device_id },
            config::Provider::Tensorrt => {
                Provider::TensorRt { device_id, fp16: plan.fp16, engine_cache: plan.engine_cache.clone() }
            }
        },
        fallback_cpu: plan.fallback_to_cpu,
        intra_threads: 1,
        ..infer::ModelOptions::default()
    }
}
