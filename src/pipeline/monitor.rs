//! What cameras see now, for the page: counts of every frame, and the newest picture for whoever watches.
//!
//! It sits in the tails' way out ([`Output::observed`]) and does next to nothing there: counts always, a reference to the
//! picture only while somebody watches that camera, a few times a second. The picture is scaled, masked and compressed
//! when the first watcher asks, on the watcher's thread, once for each width; a watcher who is slow gets the newest picture
//! there is then. So nobody who watches slows a camera.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::evidence::Clips;
use super::output::{Observed, Output, Still};
use crate::base::{CameraId, CaptureTime, Clock, Error, ErrorKind, MediaTime, Result, TrackId};
use crate::frame::Picture;
use crate::frame::still::Snapshot;
use crate::scene::{Event, NormBox, Polygon};
use crate::source::packets::FrameTime;

/// Pictures a second that a watcher may get, as the time between two.
const EVERY: Duration = Duration::from_millis(200);
/// A frame this much before its time is taken already, so that 25 frames a second do not become 4 pictures.
const EARLY: Duration = Duration::from_millis(25);
/// JPEG quality of what is shown.
const QUALITY: u8 = 75;
/// Widest picture that is made.
pub const WIDEST: u16 = 1920;

/// An object in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its track.
    pub id: TrackId,
    /// Its class's name.
    pub class: String,
    /// Score of its latest detection.
    pub score: f32,
    /// Where.
    pub bbox: NormBox,
}

/// What was last seen of a camera.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Place on the camera's timeline.
    pub at: MediaTime,
    /// When it was taken.
    pub capture: CaptureTime,
    /// From the arrival of the frame's last packet to the end of its analysis.
    pub latency: Duration,
    /// Size as displayed, pixels.
    pub size: (usize, usize),
    /// Objects by class.
    pub counts: BTreeMap<String, u32>,
}

/// The picture in one width, once somebody asked; `None` when it could not be made.
type Jpeg = OnceLock<Option<Arc<[u8]>>>;

/// A picture to be shown, with what was seen in it.
pub struct LivePicture {
    /// Counts up per camera.
    pub number: u64,
    /// When it was taken, on every clock.
    pub time: FrameTime,
    /// Size as displayed, pixels.
    pub size: (usize, usize),
    /// The objects in it.
    pub objects: Vec<Object>,
    picture: Picture,
    masks: Arc<[Polygon]>,
    jpegs: Mutex<BTreeMap<u16, Arc<Jpeg>>>,
}

impl LivePicture {
    /// The picture as JPEG with its privacy masks, at most `width` pixels wide; made at the first call for that width.
    ///
    /// # Errors
    /// `Internal` when it cannot be made; the log says why.
    pub fn jpeg(&self, width: u16) -> Result<Arc<[u8]>> {
        let cell = {
            let mut jpegs = self.jpegs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(jpegs.entry(width.clamp(16, WIDEST)).or_default())
        };
        let made = cell.get_or_init(|| match self.make(width) {
            Ok(jpeg) => Some(jpeg.into()),
            Err(error) => {
                tracing::warn!(%error, "a picture cannot be shown");
                None
            }
        });
        made.clone().ok_or_else(|| Error::new(ErrorKind::Internal, "the picture cannot be made"))
    }

    fn make(&self, width: u16) -> Result<Vec<u8>> {
        let width = usize::from(width.clamp(16, WIDEST));
        let mut snapshot = self.picture.read(|planes| Snapshot::take(planes, width)).and_then(|taken| taken)?;
        snapshot.mask(&self.masks);
        snapshot.encode(&[], QUALITY)
    }
}

/// The newest picture of a camera; changes while somebody holds it.
pub type Watching = watch::Receiver<Option<Arc<LivePicture>>>;

/// One camera's part.
struct View {
    seen: Mutex<Option<Seen>>,
    /// When the latest picture was given, and its number.
    given: Mutex<(Option<Instant>, u64)>,
    newest: watch::Sender<Option<Arc<LivePicture>>>,
}

/// See the module.
pub struct Monitor {
    clock: Arc<dyn Clock>,
    views: RwLock<BTreeMap<CameraId, Arc<View>>>,
}

impl Monitor {
    /// A monitor that has seen nothing.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, views: RwLock::default() }
    }

    fn view(&self, camera: &CameraId) -> Arc<View> {
        if let Some(view) = self.views.read().unwrap_or_else(PoisonError::into_inner).get(camera) {
            return Arc::clone(view);
        }
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || View { seen: Mutex::default(), given: Mutex::default(), newest: watch::Sender::new(None) };
        Arc::clone(views.entry(camera.clone()).or_insert_with(|| Arc::new(fresh())))
    }

    /// What was last seen of a camera.
    #[must_use]
    pub fn seen(&self, camera: &CameraId) -> Option<Seen> {
        self.view(camera).seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches a camera: pictures are taken for as long as somebody holds what is returned.
    #[must_use]
    pub fn watch(&self, camera: &CameraId) -> Watching {
        self.view(camera).newest.subscribe()
    }

    /// The camera begins anew: what it showed last may have had other masks.
    pub fn forget(&self, camera: &CameraId) {
        self.view(camera).newest.send_if_modified(|newest| newest.take().is_some());
    }

    /// Takes in a frame. Called by the camera's tail.
    pub fn observed(&self, observed: &Observed<'_>) {
        let view = self.view(observed.camera);
        let (frame, now) = (observed.frame, self.clock.monotonic());
        let size = frame.picture.displayed_size();
        let mut counts = BTreeMap::new();
        for track in observed.tracks.iter().filter(|track| track.observed) {
            *counts.entry(observed.labels.name(track.class).into_owned()).or_insert(0) += 1;
        }
        let latency = now.saturating_duration_since(frame.arrived);
        let seen = Seen { at: frame.at, capture: frame.capture, latency, size, counts };
        *view.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        if view.newest.receiver_count() == 0 {
            // The decoder gets its buffer back.
            view.newest.send_if_modified(|newest| newest.take().is_some());
            return;
        }
        let number = {
            let mut given = view.given.lock().unwrap_or_else(PoisonError::into_inner);
            if given.0.is_some_and(|last| now.saturating_duration_since(last) + EARLY < EVERY) {
                return;
            }
            *given = (Some(now), given.1 + 1);
            given.1
        };
        let object = |track: &crate::scene::Track| Object {
            id: track.id,
            class: observed.labels.name(track.class).into_owned(),
            score: track.score,
            bbox: track.bbox,
        };
        let picture = LivePicture {
            number,
            time: FrameTime::of(frame),
            size,
            objects: observed.tracks.iter().map(object).collect(),
            picture: frame.picture.clone(),
            masks: Arc::clone(observed.masks),
            jpegs: Mutex::default(),
        };
        view.newest.send_replace(Some(Arc::new(picture)));
    }
}

/// An output that shows a monitor what goes by.
pub struct Monitored<O> {
    inner: O,
    monitor: Arc<Monitor>,
}

impl<O: Output> Monitored<O> {
    /// Puts `monitor` in front of `inner`.
    pub fn new(inner: O, monitor: Arc<Monitor>) -> Self {
        Self { inner, monitor }
    }
}

impl<O: Output> Output for Monitored<O> {
    fn events(&self, events: Vec<Event>, stills: Vec<Still>, arrived: Option<Instant>) {
        self.inner.events(events, stills, arrived);
    }

    fn observed(&self, observed: &Observed<'_>) {
        self.inner.observed(observed);
        self.monitor.observed(observed);
    }

    fn wants_stills(&self) -> bool {
        self.inner.wants_stills()
    }

    fn clips(&self) -> Option<&Arc<Clips>> {
        self.inner.clips()
    }
}
