//! What cameras see now, for the page: counts of every frame, and the newest picture for whoever watches.
//!
//! It sits in the tails' way out ([`Output::observed`]) and does next to nothing there: counts always, a reference to the
//! picture only while somebody watches that camera, a few times a second. The picture is scaled, masked and compressed
//! when the first watcher asks, on the watcher's thread, once for each width; a watcher who is slow gets the newest picture
//! there is then. So nobody who watches slows a camera.
//!
//! A picture that was analysed is shown with exactly what was found in it. Where the analysis gives fewer pictures than a
//! watcher may get, because the machine is busy or the plan says so, decoded pictures fill in ([`Output::decoded`]), with
//! what was found last moved on by its last pace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::evidence::Clips;
use super::output::{Observed, Output, Still};
use crate::base::{CameraId, CaptureTime, Clock, Error, ErrorKind, MediaTime, Result, TrackId};
use crate::frame::still::Snapshot;
use crate::frame::{Frame, Picture};
use crate::scene::{Event, NormBox, Polygon};
use crate::source::packets::FrameTime;

/// Pictures a second that a watcher may get, as the time between two.
const EVERY: Duration = Duration::from_millis(200);
/// A frame this much before its time is taken already, so that 25 frames a second do not become 4 pictures.
const EARLY: Duration = Duration::from_millis(25);
/// After so long without an analysed picture to show, decoded ones are shown.
const PATIENCE: Duration = Duration::from_millis(300);
/// Objects are moved on for so long at most, then they stand.
const MOVED_FOR_S: f64 = 0.5;
/// Objects found so long before a picture are not shown in it.
const STALE_S: f64 = 2.0;
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
    /// Whether they were found in this very picture; otherwise a moment before, and moved on since.
    pub exact: bool,
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
    given: Mutex<Given>,
    newest: watch::Sender<Option<Arc<LivePicture>>>,
    analysed: watch::Sender<Option<Arc<LivePicture>>>,
}

impl View {
    fn new() -> Self {
        let (newest, analysed) = (watch::Sender::new(None), watch::Sender::new(None));
        Self { seen: Mutex::default(), given: Mutex::default(), newest, analysed }
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the decoder its buffers back.
    fn let_go(&self) {
        for shown in [&self.newest, &self.analysed] {
            shown.send_if_modified(|picture| picture.take().is_some());
        }
    }
}

/// What watchers were given.
#[derive(Default)]
struct Given {
    /// The latest picture's number.
    number: u64,
    /// When it was given, and its place on the camera's timeline.
    latest: Option<(Instant, MediaTime)>,
    /// When the latest analysed one was given, among all of them and to those who want no other.
    analysed: Option<Instant>,
    analysed_alone: Option<Instant>,
    /// What was found last, whether it was shown or not.
    found: Option<Found>,
}

impl Given {
    /// Whether a picture would come too soon after the one before it, or show an earlier moment.
    fn refuses(&self, now: Instant, at: MediaTime) -> bool {
        self.latest.is_some_and(|(given, shown)| {
            // A camera that begins anew may count its time anew.
            is_too_soon(Some(given), now) || (at <= shown && now.saturating_duration_since(given) < PATIENCE)
        })
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

fn is_too_soon(given: Option<Instant>, now: Instant) -> bool {
    given.is_some_and(|given| now.saturating_duration_since(given) + EARLY < EVERY)
}

/// Objects of an analysed picture, with their pace: shares of the picture a second for each side of the box.
struct Found {
    at: MediaTime,
    objects: Vec<(Object, [f64; 4])>,
}

impl Found {
    fn new(at: MediaTime, objects: &[Object], before: Option<&Self>) -> Self {
        let pace = |object: &Object| {
            let before = before?;
            let elapsed = at.seconds_since(before.at);
            let (known, _) = before.objects.iter().find(|(known, _)| known.id == object.id)?;
            let (old, new) = (sides(&known.bbox), sides(&object.bbox));
            (elapsed > 0.0 && elapsed <= STALE_S)
                .then(|| std::array::from_fn(|side| f64::from(new[side] - old[side]) / elapsed))
        };
        Self { at, objects: objects.iter().map(|o| (o.clone(), pace(o).unwrap_or_default())).collect() }
    }

    /// Where the objects are likely to be at that moment; none when too much time has passed.
    fn moved_to(&self, at: MediaTime) -> Vec<Object> {
        let elapsed = at.seconds_since(self.at);
        if !(0.0..=STALE_S).contains(&elapsed) {
            return Vec::new();
        }
        let moved = |(object, pace): &(Object, [f64; 4])| {
            let [x1, y1, x2, y2] = sides(&object.bbox);
            let by = |side: f32, pace: f64| (f64::from(side) + pace * elapsed.min(MOVED_FOR_S)).clamp(0.0, 1.0) as f32;
            let bbox = NormBox { x1: by(x1, pace[0]), y1: by(y1, pace[1]), x2: by(x2, pace[2]), y2: by(y2, pace[3]) };
            Object { bbox, ..object.clone() }
        };
        let is_inside = |object: &Object| object.bbox.x1 < object.bbox.x2 && object.bbox.y1 < object.bbox.y2;
        self.objects.iter().map(moved).filter(is_inside).collect()
    }
}

fn sides(bbox: &NormBox) -> [f32; 4] {
    [bbox.x1, bbox.y1, bbox.x2, bbox.y2]
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
        Arc::clone(views.entry(camera.clone()).or_insert_with(|| Arc::new(View::new())))
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

    /// The same for analysed pictures only.
    #[must_use]
    pub fn watch_analysed(&self, camera: &CameraId) -> Watching {
        self.view(camera).analysed.subscribe()
    }

    /// The camera begins anew: what it showed last may have had other masks.
    pub fn forget(&self, camera: &CameraId) {
        let view = self.view(camera);
        view.let_go();
        let mut given = view.given();
        *given = Given { number: given.number, ..Given::default() };
    }

    /// Takes in a frame that was decoded. Called on the camera's streaming thread.
    pub fn decoded(&self, camera: &CameraId, frame: &Frame, masks: &Arc<[Polygon]>) {
        let view = self.view(camera);
        if view.newest.receiver_count() == 0 {
            if view.analysed.receiver_count() == 0 {
                view.let_go();
            }
            return;
        }
        let now = self.clock.monotonic();
        let (number, objects) = {
            let mut given = view.given();
            let keeps_up = given.analysed.is_some_and(|at| now.saturating_duration_since(at) < PATIENCE);
            if keeps_up || given.refuses(now, frame.at) {
                return;
            }
            let objects = given.found.as_ref().map(|found| found.moved_to(frame.at)).unwrap_or_default();
            given.latest = Some((now, frame.at));
            (given.next_number(), objects)
        };
        view.newest.send_replace(Some(Arc::new(shown(frame, masks, number, objects, false))));
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
        let (tiles, focus) = (view.newest.receiver_count() > 0, view.analysed.receiver_count() > 0);
        if !tiles && !focus {
            // The decoder gets its buffer back.
            view.let_go();
            return;
        }
        let object = |track: &crate::scene::Track| Object {
            id: track.id,
            class: observed.labels.name(track.class).into_owned(),
            score: track.score,
            bbox: track.bbox,
        };
        let objects: Vec<Object> = observed.tracks.iter().map(object).collect();
        let (to_tiles, to_focus, number) = {
            let mut given = view.given();
            given.found = Some(Found::new(frame.at, &objects, given.found.as_ref()));
            let to_tiles = tiles && !given.refuses(now, frame.at);
            let to_focus = focus && !is_too_soon(given.analysed_alone, now);
            if to_tiles {
                given.analysed = Some(now);
                given.latest = Some((now, frame.at));
            }
            if to_focus {
                given.analysed_alone = Some(now);
            }
            (to_tiles, to_focus, given.next_number())
        };
        if !to_tiles && !to_focus {
            return;
        }
        let picture = Arc::new(shown(frame, observed.masks, number, objects, true));
        if to_focus {
            view.analysed.send_replace(Some(Arc::clone(&picture)));
        }
        if to_tiles {
            view.newest.send_replace(Some(picture));
        }
    }
}

fn shown(frame: &Frame, masks: &Arc<[Polygon]>, number: u64, objects: Vec<Object>, exact: bool) -> LivePicture {
    LivePicture {
        number,
        time: FrameTime::of(frame),
        size: frame.picture.displayed_size(),
        objects,
        exact,
        picture: frame.picture.clone(),
        masks: Arc::clone(masks),
        jpegs: Mutex::default(),
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

    fn decoded(&self, camera: &CameraId, frame: &Frame, masks: &Arc<[Polygon]>) {
        self.inner.decoded(camera, frame, masks);
        self.monitor.decoded(camera, frame, masks);
    }

    fn wants_stills(&self) -> bool {
        self.inner.wants_stills()
    }

    fn clips(&self) -> Option<&Arc<Clips>> {
        self.inner.clips()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: u64, x1: f32, x2: f32) -> Object {
        let bbox = NormBox { x1, y1: 0.4, x2, y2: 0.6 };
        Object { id: TrackId(id), class: "car".to_owned(), score: 0.9, bbox }
    }

    fn at(seconds: f64) -> MediaTime {
        MediaTime::from_seconds(seconds)
    }

    #[test]
    fn objects_are_moved_on_for_a_moment_then_stand_then_go() {
        let first = Found::new(at(10.0), &[object(1, 0.1, 0.2), object(3, 0.95, 1.0)], None);
        let seen = [object(1, 0.2, 0.3), object(2, 0.5, 0.6), object(3, 0.98, 1.03)];
        let found = Found::new(at(11.0), &seen, Some(&first));
        let left = |seconds: f64, id: u64| {
            found.moved_to(at(seconds)).iter().find(|o| o.id == TrackId(id)).map(|o| (o.bbox.x1 * 1e3).round() / 1e3)
        };
        assert_eq!((left(11.0, 1), left(11.3, 1)), (Some(0.2), Some(0.23)));
        assert_eq!((left(11.5, 1), left(12.9, 1)), (Some(0.25), Some(0.25)), "no farther than half a second");
        assert_eq!((left(11.3, 2), left(13.1, 1), left(10.9, 1)), (Some(0.5), None, None));
        // One that leaves the picture leaves it.
        assert_eq!((left(11.0, 3), left(11.5, 3)), (Some(0.98), Some(0.995)));
        let last =
            Found::new(at(11.0), &[object(1, 0.9, 0.99)], Some(&Found::new(at(10.9), &[object(1, 0.8, 0.89)], None)));
        assert!(last.moved_to(at(11.5)).is_empty(), "{:?}", last.moved_to(at(11.5)));
    }

    #[test]
    fn a_watcher_never_goes_back_in_time_nor_faster_than_it_may() {
        let begun = crate::base::time::SystemClock.monotonic();
        let later = |ms: u64| begun + Duration::from_millis(ms);
        let mut given = Given::default();
        assert!(!given.refuses(begun, at(1.0)));
        given.latest = Some((begun, at(1.0)));
        assert!(given.refuses(later(100), at(1.1)), "too soon");
        assert!(given.refuses(later(200), at(0.9)), "an earlier moment");
        assert!(!given.refuses(later(200), at(1.2)));
        assert!(!given.refuses(later(400), at(0.2)), "the camera began anew");
    }
}
