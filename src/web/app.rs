//! What every endpoint shares.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PlanCell;
use super::guard::Who;
use super::listing::Cache;
use super::live::MOST_LIVES;
use super::oidc::Oidc;
use super::problem::Problem;
use super::rates::Rates;
use crate::access::Access;
use crate::base::{CameraId, Clock, Result, Stop, Timestamp};
use crate::config::{CameraPlan, Plan, ServerPlan};
use crate::ops::{self, Snapshot};
use crate::pipeline::monitor::Monitor;
use crate::source::packets::PacketRing;
use crate::store::{Reader, Store};

/// How old the state of cameras and sinks may be that is shown.
const SNAPSHOT_AGE: Duration = Duration::from_millis(250);
/// Readers that are kept for the next request.
const KEPT_READERS: usize = 8;

/// Finds the packets of a camera.
pub type Packets = Arc<dyn Fn(&CameraId) -> Option<Arc<PacketRing>> + Send + Sync>;

/// What the port is made of.
pub struct Parts {
    /// The section of the pipeline file.
    pub plan: ServerPlan,
    /// The plan that runs.
    pub pipeline: PlanCell,
    /// The pipeline file, if there is one.
    pub file: Option<PathBuf>,
    /// Where the state of cameras and sinks comes from.
    pub source: ops::Source,
    /// Events, incidents, media.
    pub store: Arc<Store>,
    /// Who may do what; none when authentication is off.
    pub access: Option<Arc<Access>>,
    /// What cameras see now.
    pub monitor: Arc<Monitor>,
    /// The latest packets of a camera, where they are kept; for passthrough video.
    pub packets: Packets,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Reads the pipeline file again and applies it; what changed, in words.
    pub reload: Arc<dyn Fn() -> Result<String> + Send + Sync>,
    /// Closes the port.
    pub stop: Stop,
}

/// See the module.
pub struct App {
    pub(super) plan: ServerPlan,
    pub(super) pipeline: PlanCell,
    pub(super) file: Option<PathBuf>,
    pub(super) source: ops::Source,
    pub(super) store: Arc<Store>,
    pub(super) access: Option<Arc<Access>>,
    /// The provider by which users log in besides passwords.
    pub(super) oidc: Option<Oidc>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) packets: Packets,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reload: Arc<dyn Fn() -> Result<String> + Send + Sync>,
    pub(super) stop: Stop,
    pub(super) started: Timestamp,
    /// One change of the managed file at a time.
    pub(super) editing: Arc<tokio::sync::Mutex<()>>,
    /// One preview at a time: each takes a processor for seconds.
    pub(super) previewing: Arc<tokio::sync::Mutex<()>>,
    /// Places for pages with live pictures.
    pub(super) lives: Arc<tokio::sync::Semaphore>,
    pub(super) lists: Cache,
    pub(super) rates: Rates,
    /// Footage views that the trail has already, with the moment.
    pub(super) viewed: Mutex<std::collections::HashMap<(String, String), Instant>>,
    readers: Mutex<Vec<Reader>>,
    snapshot: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl App {
    pub(super) fn new(parts: Parts) -> Result<Arc<Self>> {
        let Parts { plan, pipeline, file, source, store, access, monitor, packets, clock, reload, stop } = parts;
        let started = clock.utc();
        let oidc = Oidc::new(plan.oidc.as_ref())?;
        Ok(Arc::new(Self {
            plan,
            pipeline,
            file,
            source,
            store,
            access,
            oidc,
            monitor,
            packets,
            clock,
            reload,
            stop,
            started,
            editing: Arc::default(),
            previewing: Arc::default(),
            lives: Arc::new(tokio::sync::Semaphore::new(MOST_LIVES)),
            lists: Cache::default(),
            rates: Rates::default(),
            viewed: Mutex::default(),
            readers: Mutex::default(),
            snapshot: Mutex::default(),
        }))
    }

    /// The plan that runs now.
    pub(super) fn pipeline(&self) -> Arc<Plan> {
        Arc::clone(&self.pipeline.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` with a reader of the store, on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Problem> {
        let app = Arc::clone(self);
        blocking(move || {
            let kept = app.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = match kept {
                Some(reader) => reader,
                None => app.store.reader()?,
            };
            let done = work(&reader)?;
            let mut readers = app.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < KEPT_READERS {
                readers.push(reader);
            }
            Ok(done)
        })
        .await
    }

    /// The state of cameras and sinks, a quarter of a second old at most.
    pub(super) async fn snapshot(self: &Arc<Self>) -> std::result::Result<Arc<Snapshot>, Problem> {
        let app = Arc::clone(self);
        blocking(move || {
            // Held while the state is taken: of many who ask at once, one takes it.
            let mut kept = app.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            let now = app.clock.monotonic();
            let fresh = kept.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < SNAPSHOT_AGE);
            if let Some((_, snapshot)) = fresh {
                return Ok(Arc::clone(snapshot));
            }
            let snapshot = Arc::new((app.source)());
            *kept = Some((app.clock.monotonic(), Arc::clone(&snapshot)));
            Ok(snapshot)
        })
        .await
    }

    /// The ids of the cameras that somebody may see; `None` for all there are and were.
    pub(super) fn visible(&self, who: &Who) -> Option<Vec<String>> {
        let scope = &who.principal.scope;
        if scope.is_all() {
            return None;
        }
        let plan = self.pipeline();
        let cameras = plan.cameras.iter().filter(|camera| may_see(who, camera));
        Some(cameras.map(|camera| camera.id.as_str().to_owned()).collect())
    }

    /// Whether somebody may see a camera by its id, which may be gone from the plan.
    pub(super) fn may_see_id(&self, who: &Who, id: &str) -> bool {
        who.principal.scope.is_all()
            || self.pipeline().cameras.iter().any(|camera| camera.id.as_str() == id && may_see(who, camera))
    }

    /// A camera that somebody may see.
    pub(super) fn camera(&self, who: &Who, id: &str) -> std::result::Result<CameraPlan, Problem> {
        let plan = self.pipeline();
        let found = plan.cameras.iter().find(|camera| camera.id.as_str() == id && may_see(who, camera));
        found.cloned().ok_or_else(|| Problem::absent("camera"))
    }

    /// The book of users; there is none without authentication.
    pub(super) fn access(&self, what: &str) -> std::result::Result<Arc<Access>, Problem> {
        self.access.clone().ok_or_else(|| {
            let detail = format!("`server.authentication` is off: there are no {what}");
            Problem::new(axum::http::StatusCode::CONFLICT, "no-authentication", detail)
        })
    }

    /// Notes in the audit trail what somebody did. Waits, off the runtime's own threads, while the trail takes nothing.
    pub(super) async fn audit(&self, who: &Who, action: &str, object: &str, detail: &str) {
        let Some(access) = self.access.clone() else { return };
        let entry = access.entry(&who.principal, who.address, action, object, detail);
        let noted = blocking(move || {
            access.trail().note(entry);
            Ok(())
        });
        // Fails only when noting panicked, which is logged.
        let _ = noted.await;
    }

    /// Notes a change; it is on disk before the answer goes out.
    pub(super) async fn audit_durably(&self, who: &Who, action: &str, object: &str, detail: &str) {
        let Some(access) = self.access.clone() else { return };
        let entry = access.entry(&who.principal, who.address, action, object, detail);
        let noted = blocking(move || {
            access.trail().note_durably(entry);
            Ok(())
        });
        let _ = noted.await;
    }

    /// Notes that somebody looked at footage; once a minute for the same person and thing.
    pub(super) async fn audit_view(&self, who: &Who, action: &str, object: &str) {
        if self.is_new_view(who, action, object) {
            self.audit(who, action, object, "").await;
        }
    }

    fn is_new_view(&self, who: &Who, action: &str, object: &str) -> bool {
        const AGAIN: Duration = Duration::from_secs(60);
        const MOST: usize = 10_000;
        let now = self.clock.monotonic();
        let mut viewed = self.viewed.lock().unwrap_or_else(PoisonError::into_inner);
        if viewed.len() >= MOST {
            viewed.retain(|_, at| now.saturating_duration_since(*at) < AGAIN);
        }
        let key = (who.principal.user.clone(), format!("{action} {object}"));
        let before = viewed.get(&key).copied();
        if before.is_some_and(|at| now.saturating_duration_since(at) < AGAIN) {
            return false;
        }
        // A full memory costs a second entry, never more memory.
        if viewed.len() < MOST {
            viewed.insert(key, now);
        }
        true
    }
}

/// Whether somebody may see a camera.
pub(super) fn may_see(who: &Who, camera: &CameraPlan) -> bool {
    who.principal.scope.allows(camera.id.as_str(), camera.about.ward.as_deref())
}

/// Runs `work` on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> std::result::Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Problem::from),
        Err(error) => Err(Problem::panicked(&error)),
    }
}
