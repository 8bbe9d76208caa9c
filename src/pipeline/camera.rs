//! One running camera: a source, an inlet of its lane, a tail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::conditions::ConditionsCell;
use super::events::Origin;
use super::evidence::{Recorder, Scenery, StillWriter};
use super::lane::{Job, JobOwner, Lane};
use super::output::Output;
use super::tail::{SceneBuilder, Tail, TailParts, tracking};
use crate::base::{Clock, Error, ErrorKind, Result};
use crate::config::{self, Address, CameraPlan, Which};
use crate::frame::{
    Account, Colour, Frame, FrameDrop, Inlet, Matrix, Plane, PlaneFormat, Planes, Pushed, Range, Rotation, Stages,
    WhenFull, glance,
};
use crate::rule::{self, CameraConditions, Conditions, Lane as SceneLane, Preset, RuleSet, Scene, SceneNames};
use crate::scene::{Labels, Polygon, SkipReason};
use crate::source::packets::{Link, PacketRing, PacketsOptions};
use crate::source::signals::SignalFeed;
use crate::source::{Knocker, Location, Outlet, Settings, Status, StatusCell, Supervisor, SupervisorParts};
use crate::tracklog::{Header, TrackLog};

/// What a camera shares with the others.
pub struct Shared {
    /// Where events go.
    pub output: Arc<dyn Output>,
    /// CPU time by stage.
    pub stages: Arc<Stages>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Shares out connects.
    pub knocker: Arc<Knocker>,
    /// SHA-256 of the plan.
    pub plan_hash: String,
    /// Names this start of the program in the ids of live events.
    pub start_name: String,
    /// How often recordings are read.
    pub repeat: u32,
    /// Of how many frames one is analysed; 1 analyses all.
    pub every: u64,
    /// Stores tracks.
    pub tracks: Option<Arc<TrackLog>>,
    /// What happens when more comes than can be taken.
    pub when_full: WhenFull,
}

/// A running camera.
pub struct Camera {
    /// The plan it runs by.
    pub plan: CameraPlan,
    /// Its counters.
    pub account: Arc<Account>,
    /// Its status.
    pub status: Arc<StatusCell>,
    /// Under what conditions its rules work.
    pub conditions: Arc<ConditionsCell>,
    supervisor: Supervisor,
    inlet: Arc<Inlet<Job>>,
    owner: Arc<JobOwner>,
    packets: Option<Arc<PacketRing>>,
    /// The second stream, which is only recorded.
    recording: Option<Recording>,
}

/// A stream that is recorded and not decoded.
struct Recording {
    status: Arc<StatusCell>,
    supervisor: Supervisor,
}

impl Camera {
    /// Starts a camera in `lane`.
    ///
    /// # Errors
    /// A rule does not fit the scene or the model's classes, the recording cannot be read, or a thread
    /// cannot be made.
    pub fn start(plan: CameraPlan, lane: &Lane, shared: &Shared) -> Result<Self> {
        let context = |error: Error| error.context(format!("camera {}", plan.id));
        let labels = lane.model().labels.clone();
        let scene = scene_builder(&plan, &labels);
        let rules = rules(&plan, &scene(16.0 / 9.0)).map_err(context)?;
        let settings = settings(&plan, &plan.analysis, shared.repeat);
        let footage = match settings.location.path() {
            Some(path) => {
                // Says what is wrong with the file in its own words before anything reads it.
                crate::media::container::sniff(path).map_err(context)?;
                fingerprint(path).map_err(context)?
            }
            None => shared.start_name.clone(),
        };
        let signals = match &plan.signals {
            Some(path) if plan.analysis.is_file() => Some(SignalFeed::recorded(path).map_err(context)?),
            Some(path) => Some(SignalFeed::live(path.clone())),
            None => None,
        };
        let account = Arc::new(Account::default());
        let status = Arc::new(StatusCell::default());
        let conditions = Arc::new(ConditionsCell::default());
        let header = Header::new(plan.id.as_str(), &footage, &lane.model().sha256, &shared.plan_hash, labels.names());
        let tracks = shared.tracks.as_ref().filter(|_| plan.store_tracks).map(|log| log.recorder(header));
        let packets = packets(&plan, shared);
        let evidence = shared.output.clips().zip(packets.clone());
        let clips = evidence
            .map(|(clips, ring)| Recorder::new(plan.id.clone(), ring, Arc::clone(clips), plan.recording.clone()));
        let with_stills = shared.output.wants_stills() && plan.recording.stills != Which::None;
        let masks = masks(&plan);
        let still_writer =
            || StillWriter::new(plan.recording.clone(), Scenery::of(&plan), labels.clone(), Arc::clone(&masks));
        let stills = with_stills.then(still_writer);
        let tail = Tail::new(TailParts {
            account: Arc::clone(&account),
            stages: Arc::clone(&shared.stages),
            output: Arc::clone(&shared.output),
            tracking: tracking(&plan, &labels),
            rules,
            scene,
            signals,
            origin: Origin {
                camera: plan.id.clone(),
                site: plan.site.clone(),
                footage,
                model: lane.model().sha256.clone(),
                pipeline: shared.plan_hash.clone(),
                labels,
            },
            conditions: Arc::clone(&conditions),
            tracks,
            clips,
            stills,
            masks,
        });
        let owner = Arc::new(JobOwner { id: plan.id.clone(), tail });
        let inlet = Arc::new(lane.inlet());
        let recording = record(&plan, packets.as_ref(), shared)?;
        let supervisor = Supervisor::start(SupervisorParts {
            settings,
            account: Arc::clone(&account),
            status: Arc::clone(&status),
            stages: Arc::clone(&shared.stages),
            outlet: outlet(&plan, shared, &account, &inlet, &owner),
            packets: packets.clone().filter(|_| recording.is_none()),
            decode: true,
            interrupted: interrupted(&inlet, &owner),
            clock: Arc::clone(&shared.clock),
            knocker: Arc::clone(&shared.knocker),
        })?;
        Ok(Self { plan, account, status, conditions, supervisor, inlet, owner, packets, recording })
    }

    /// The latest packets, where they are kept for clips.
    #[must_use]
    pub fn packets(&self) -> Option<Arc<PacketRing>> {
        self.packets.clone()
    }

    /// What the second stream is doing, if there is one.
    #[must_use]
    pub fn recording_status(&self) -> Option<Status> {
        self.recording.as_ref().map(|recording| recording.status.get())
    }

    /// Whether the source has ended by itself (recordings do).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.supervisor.is_finished()
    }

    /// Asks the source to stop, without waiting: frames that nobody has taken yet are given up and counted.
    pub fn request_stop(&self) {
        self.supervisor.request_stop();
        if let Some(recording) = &self.recording {
            recording.supervisor.request_stop();
        }
        if let Some(packets) = &self.packets {
            packets.release();
        }
        for _job in self.inlet.close() {
            self.account.frame_dropped(FrameDrop::Shutdown);
        }
    }

    /// Waits until everything the source gave went through the rules, and ends what is open.
    ///
    /// # Errors
    /// How the recording failed.
    pub fn join(self) -> Result<()> {
        let ended = self.supervisor.join();
        self.inlet.wait_drained();
        self.owner.tail.end();
        if let Some(packets) = &self.packets {
            packets.close();
        }
        if let Some(recording) = self.recording {
            recording.supervisor.request_stop();
            if let Err(error) = recording.supervisor.join() {
                tracing::warn!(camera = %self.plan.id, %error, "the recorded stream failed");
            }
        }
        ended
    }
}

fn masks(plan: &CameraPlan) -> Arc<[Polygon]> {
    plan.masks.iter().map(|mask| mask.polygon.clone()).collect()
}

/// Where the camera's packets are kept, when an event may get a clip of them.
fn packets(plan: &CameraPlan, shared: &Shared) -> Option<Arc<PacketRing>> {
    let clips = shared.output.clips()?;
    if plan.rules.is_empty() || plan.recording.clips == Which::None {
        return None;
    }
    let link = match &plan.evidence {
        None => Link::Same,
        Some(Address::File(_)) => Link::Recorded,
        Some(Address::Network { .. }) => Link::Live,
    };
    let options = PacketsOptions {
        pre_roll: plan.recording.pre_roll,
        max_bytes: plan.recording.buffer_bytes,
        when_full: shared.when_full,
        link,
    };
    Some(Arc::new(PacketRing::new(options, clips.waker())))
}

/// Starts the second stream, if there is one and somewhere to keep it.
fn record(plan: &CameraPlan, packets: Option<&Arc<PacketRing>>, shared: &Shared) -> Result<Option<Recording>> {
    let (Some(address), Some(packets)) = (&plan.evidence, packets) else { return Ok(None) };
    let status = Arc::new(StatusCell::default());
    let supervisor = Supervisor::start(SupervisorParts {
        settings: settings(plan, address, shared.repeat),
        account: Arc::new(Account::default()),
        status: Arc::clone(&status),
        stages: Arc::clone(&shared.stages),
        outlet: Arc::new(|_| true),
        packets: Some(Arc::clone(packets)),
        decode: false,
        interrupted: Arc::new(|| {}),
        clock: Arc::clone(&shared.clock),
        knocker: Arc::clone(&shared.knocker),
    })?;
    Ok(Some(Recording { status, supervisor }))
}

/// Where the source's frames go: shown to whoever watches, sampled, then into the lane's ring.
fn outlet(
    plan: &CameraPlan,
    shared: &Shared,
    account: &Arc<Account>,
    inlet: &Arc<Inlet<Job>>,
    owner: &Arc<JobOwner>,
) -> Outlet {
    let (account, inlet, owner) = (Arc::clone(account), Arc::clone(inlet), Arc::clone(owner));
    let sampler = Sampler::new(plan.analyse_fps, shared.every);
    let output = Arc::clone(&shared.output);
    let masks = masks(plan);
    Arc::new(move |frame| {
        output.decoded(&owner.id, &frame, &masks);
        if !sampler.wants(&frame) {
            account.frame_skipped(SkipReason::Sampled);
            return true;
        }
        match inlet.push(Job { frame, camera: Arc::clone(&owner) }) {
            Pushed::Stored => true,
            Pushed::Displaced(_) => {
                account.frame_dropped(FrameDrop::Overrun);
                true
            }
            Pushed::Refused(_) => {
                account.frame_dropped(FrameDrop::Shutdown);
                false
            }
        }
    })
}

/// What follows when the signal is lost: once the last frame went through the rules, what is open ends, for the
/// next frame may be hours away.
fn interrupted(inlet: &Arc<Inlet<Job>>, owner: &Arc<JobOwner>) -> Arc<dyn Fn() + Send + Sync> {
    let (inlet, owner) = (Arc::clone(inlet), Arc::clone(owner));
    Arc::new(move || {
        inlet.wait_drained();
        owner.tail.interrupt();
    })
}

/// Picks the frames that are analysed: by media time, never by count of arrivals.
struct Sampler {
    step_ns: Option<u64>,
    every: u64,
    /// The next wanted slot of `step_ns`; 0 at the start.
    next_slot: AtomicU64,
}

impl Sampler {
    fn new(analyse_fps: Option<f64>, every: u64) -> Self {
        let step_ns = analyse_fps.filter(|fps| *fps > 0.0).map(|fps| (1e9 / fps) as u64);
        Self { step_ns, every: every.max(1), next_slot: AtomicU64::new(0) }
    }

    fn wants(&self, frame: &Frame) -> bool {
        if !frame.seq.0.is_multiple_of(self.every) {
            return false;
        }
        let Some(step) = self.step_ns.filter(|step| *step > 0) else { return true };
        // Half a step early counts: a 25 fps camera sampled at 10 must not alternate between 8 and 12.
        let slot = (u64::try_from(frame.at.0).unwrap_or(0) + step / 4) / step;
        if slot < self.next_slot.load(Relaxed) {
            return false;
        }
        self.next_slot.store(slot + 1, Relaxed);
        true
    }
}

pub(super) fn scene_builder(plan: &CameraPlan, labels: &Labels) -> SceneBuilder {
    let (plan, labels) = (plan.clone(), labels.clone());
    Box::new(move |aspect| scene(&plan, &labels, aspect))
}

/// The drawn scene of a camera on a picture `aspect` times as wide as high.
#[must_use]
pub fn scene(plan: &CameraPlan, labels: &Labels, aspect: f32) -> Scene {
    Scene {
        tripwires: plan.lines.iter().map(|l| (l.id.clone(), l.segment)).collect(),
        zones: plan.zones.iter().map(|z| (z.id.clone(), z.polygon.clone())).collect(),
        lanes: plan
            .lanes
            .iter()
            .filter_map(|l| Some((l.id.clone(), SceneLane::new(l.polygon.clone(), &l.direction, aspect)?)))
            .collect::<BTreeMap<_, _>>(),
        ground: plan.ground.clone(),
        labels: labels.clone(),
        aspect,
    }
}

/// Whether a camera's rules fit a model's class names.
///
/// # Errors
/// The first rule that does not.
pub fn rules_fit(plan: &CameraPlan, labels: &Labels) -> Result<()> {
    rules(plan, &scene(plan, labels, 16.0 / 9.0))
        .map(drop)
        .map_err(|error| error.context(format!("camera {}", plan.id)))
}

/// Builds the rules against the scene and the model's real class names.
///
/// # Errors
/// The first rule that does not fit them.
pub fn rules(plan: &CameraPlan, scene: &Scene) -> Result<RuleSet> {
    let names = SceneNames::from(scene);
    let mut rules = Vec::new();
    for rule in &plan.rules {
        let kind = rule::find(&rule.kind)
            .ok_or_else(|| Error::new(ErrorKind::Config, format!("rule {}: unknown type {}", rule.id, rule.kind)))?;
        let params = serde_json::Value::Object(rule.params.clone());
        let compiled = (kind.compile)(&params, &names).map_err(|errors| {
            let all: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.param, e.message)).collect();
            Error::new(ErrorKind::Config, format!("rule {}: {}", rule.id, all.join("; ")))
                .help("run `vantage check` on the pipeline file")
        })?;
        let conditions =
            Conditions { schedule: rule.schedule.clone(), budget: rule.budget, preset: rule.preset.clone() };
        rules.push((Arc::from(rule.id.as_str()), compiled.rule, conditions));
    }
    let presets = plan.presets.iter().map(preset).collect::<Result<_>>()?;
    let camera = CameraConditions { maintenance: plan.maintenance.clone(), presets, budget: plan.budget };
    Ok(RuleSet::with_conditions(rules, camera))
}

/// A preset with the picture of its view.
fn preset(plan: &config::PresetPlan) -> Result<Preset> {
    let failed = |error: image::ImageError| {
        Error::new(ErrorKind::Config, format!("preset {}: {}: {error}", plan.id, plan.reference.display()))
            .help("name a PNG or JPEG picture of the view from this preset")
            .source(error)
    };
    let grey = image::open(&plan.reference).map_err(failed)?.into_luma8();
    let size = (grey.width() as usize, grey.height() as usize);
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
    let plane = Plane { data: grey.as_raw(), stride: size.0 };
    let planes = Planes::new(size, PlaneFormat::Gray8, &[plane], colour, Rotation::None)?;
    Ok(Preset { id: plan.id.clone(), view: glance::take(&planes) })
}

pub(super) fn settings(plan: &CameraPlan, address: &Address, repeat: u32) -> Settings {
    let (location, credentials) = match address {
        Address::File(path) => (Location::File(path.clone()), None),
        Address::Network { scheme, url, credentials } => {
            let location = match scheme {
                config::Scheme::Rtsp | config::Scheme::Rtsps => Location::Rtsp(url.clone()),
                config::Scheme::Http | config::Scheme::Https => Location::HttpMjpeg(url.clone()),
            };
            (location, credentials.clone())
        }
    };
    Settings {
        credentials,
        tls: plan.tls.clone(),
        transport: plan.transport,
        latency: plan.latency,
        assume_fps: plan.assume_fps,
        starts_at: plan.starts_at,
        matrix: plan.matrix.map(|matrix| match matrix {
            config::Matrix::Bt601 => crate::frame::Matrix::Bt601,
            config::Matrix::Bt709 => crate::frame::Matrix::Bt709,
        }),
        range: plan.range.map(|range| match range {
            config::Range::Limited => crate::frame::Range::Limited,
            config::Range::Full => crate::frame::Range::Full,
        }),
        rotate: match plan.rotate {
            config::Rotation::None => None,
            config::Rotation::Quarter => Some(crate::frame::Rotation::Cw90),
            config::Rotation::Half => Some(crate::frame::Rotation::Cw180),
            config::Rotation::ThreeQuarters => Some(crate::frame::Rotation::Cw270),
        },
        repeat,
        ..Settings::new(plan.id.clone(), location)
    }
}

/// Names a recording by its size and three samples of its bytes: quick for a file of any length, and
/// two different recordings never share one by accident.
fn fingerprint(path: &std::path::Path) -> Result<String> {
    use sha2::{Digest, Sha256};
    use std::io::{Read, Seek, SeekFrom};
    const SAMPLE: u64 = 256 * 1024;
    let io = |e| Error::io(path, e).help("check the path of the recording");
    let mut file = std::fs::File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    for start in [0, (size / 2).saturating_sub(SAMPLE / 2), size.saturating_sub(SAMPLE)] {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        file.by_ref().take(SAMPLE).read_to_end(&mut bytes).map_err(io)?;
        hash.update(&bytes);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
