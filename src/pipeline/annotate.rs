//! The replayed pictures with what the pipeline made of them drawn in: boxes, ids, paths, the scene, events.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::output::{Observed, Output, Still};
use crate::base::{CameraId, Error, EventId, MediaTime, Result, TrackId};
use crate::config::{CameraPlan, Plan};
use crate::frame::canvas::{Canvas, Colour};
use crate::frame::still::Snapshot;
use crate::media::mp4::Mp4Writer;
use crate::scene::{Event, NormPoint, Phase, Track};

/// The video is at most this wide, pixels.
const WIDTH: usize = 960;
/// How much of a track's way is shown.
const PATH: Duration = Duration::from_secs(3);
/// How long an instant event is shown.
const SHOWN: Duration = Duration::from_secs(2);
/// Lines of events at the foot of the picture.
const LINES: usize = 5;

/// Length of the arrow that shows a line's forward direction, picture heights.
const FORWARD: f32 = 0.08;
const ZONE: Colour = [80, 160, 255];
const LANE: Colour = [90, 220, 120];
const LINE: Colour = [255, 220, 60];
const ALARM: Colour = [255, 64, 48];
const WHITE: Colour = [240, 240, 240];

/// Writes one video per camera. Its [`Output`] goes beside the one that takes the events.
pub struct Annotator(Mutex<BTreeMap<CameraId, Screen>>);

/// One camera's video.
struct Screen {
    plan: CameraPlan,
    path: PathBuf,
    labels: Vec<String>,
    writer: Option<Mp4Writer>,
    size: (usize, usize),
    first: Option<MediaTime>,
    paths: HashMap<TrackId, VecDeque<(MediaTime, NormPoint)>>,
    /// Happenings on show, with the time after which they go; none while they go on.
    open: BTreeMap<EventId, (Event, Option<MediaTime>)>,
    latest: VecDeque<String>,
    failed: Option<Error>,
}

impl Annotator {
    /// Draws every camera of the plan: into `path`, or beside it with the camera's id in the name when there are several.
    #[must_use]
    pub fn new(plan: &Plan, path: &Path) -> Self {
        let several = plan.cameras.len() > 1;
        let screen = |camera: &CameraPlan| {
            let path = if several { named(path, camera.id.as_str()) } else { path.to_owned() };
            (camera.id.clone(), Screen::new(camera.clone(), path))
        };
        Self(Mutex::new(plan.cameras.iter().map(screen).collect()))
    }

    fn screens(&self) -> MutexGuard<'_, BTreeMap<CameraId, Screen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes the videos; their files.
    ///
    /// # Errors
    /// The first one that could not be written.
    pub fn finish(&self) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for screen in std::mem::take(&mut *self.screens()).into_values() {
            if let Some(error) = screen.failed {
                return Err(error);
            }
            if let Some(writer) = screen.writer {
                writer.finish()?;
                written.push(screen.path);
            }
        }
        Ok(written)
    }
}

/// `out.mp4` for camera `gate` is `out-gate.mp4`.
fn named(path: &Path, camera: &str) -> PathBuf {
    let stem = path.file_stem().map_or_else(|| "annotated".into(), |stem| stem.to_string_lossy());
    path.with_file_name(format!("{stem}-{camera}.mp4"))
}

impl Output for Annotator {
    fn events(&self, events: Vec<Event>, _stills: Vec<Still>, _arrived: Option<Instant>) {
        let mut screens = self.screens();
        for event in events {
            if let Some(screen) = screens.get_mut(&event.camera) {
                screen.happened(event);
            }
        }
    }

    fn observed(&self, observed: &Observed<'_>) {
        if let Some(screen) = self.screens().get_mut(observed.camera)
            && screen.failed.is_none()
            && let Err(error) = screen.show(observed)
        {
            tracing::error!(camera = %observed.camera, %error, "the annotated video ends here");
            screen.failed = Some(error);
        }
    }
}

impl Screen {
    fn new(plan: CameraPlan, path: PathBuf) -> Self {
        Self {
            plan,
            path,
            labels: Vec::new(),
            writer: None,
            size: (0, 0),
            first: None,
            paths: HashMap::new(),
            open: BTreeMap::new(),
            latest: VecDeque::new(),
            failed: None,
        }
    }

    fn happened(&mut self, event: Event) {
        let at = event.media_time;
        if event.phase != Phase::Update {
            let word = match event.phase {
                Phase::Start => "begins ",
                Phase::End => "ends ",
                Phase::Instant | Phase::Update => "",
            };
            let seconds = at.0 as f64 * 1e-9;
            let line = format!("{seconds:.1}s {}: {word}{}", event.rule, event.explanation.summary);
            self.latest.push_back(line);
            while self.latest.len() > LINES {
                self.latest.pop_front();
            }
        }
        let until = matches!(event.phase, Phase::Instant | Phase::End).then(|| at + SHOWN);
        self.open.insert(event.id, (event, until));
    }

    fn show(&mut self, observed: &Observed<'_>) -> Result<()> {
        let frame = observed.frame;
        let mut snapshot = frame.picture.read(|planes| Snapshot::take(planes, WIDTH))??;
        snapshot.mask(observed.masks);
        let mut canvas = Canvas::from(&snapshot);
        if self.writer.is_none() {
            self.size = canvas.size();
            self.writer = Some(Mp4Writer::create(&self.path, self.size)?);
            self.labels = observed.labels.names().to_vec();
        }
        if canvas.size() != self.size {
            // A stream that changes its size is drawn up to there: an MP4 has one size.
            return Ok(());
        }
        let first = *self.first.get_or_insert(frame.at);
        self.remember(frame.at, observed.tracks);
        self.draw(&mut canvas, observed.tracks);
        canvas.caption(0, &format!("{} {}", self.plan.id, frame.capture.utc), WHITE);
        let at_ns = frame.at.0.saturating_sub(first.0);
        self.writer.as_mut().map_or(Ok(()), |writer| writer.add(at_ns, canvas.into_rgb()))
    }

    fn remember(&mut self, now: MediaTime, tracks: &[Track]) {
        for track in tracks.iter().filter(|track| track.observed) {
            self.paths.entry(track.id).or_default().push_back((now, track.anchor()));
        }
        for path in self.paths.values_mut() {
            while path.front().is_some_and(|(at, _)| now.since(*at) > PATH) {
                path.pop_front();
            }
        }
        self.paths.retain(|_, path| !path.is_empty());
        self.open.retain(|_, (_, until)| until.is_none_or(|until| now <= until));
    }

    fn draw(&self, canvas: &mut Canvas, tracks: &[Track]) {
        draw_scene(canvas, &self.plan);
        let alarmed =
            |id: TrackId| self.open.values().find(|(event, _)| event.track == Some(id)).map(|(event, _)| event);
        for track in tracks {
            let event = alarmed(track.id);
            let colour = if event.is_some() { ALARM } else { colour_of(track.id) };
            let path: Vec<NormPoint> = self.paths.get(&track.id).into_iter().flatten().map(|(_, p)| *p).collect();
            canvas.polyline(&path, 1, colour);
            canvas.frame(track.bbox, if event.is_some() { 3 } else { 1 }, colour);
            let class = self.labels.get(usize::from(track.class.0)).map_or("?", String::as_str);
            let unseen = if track.observed { "" } else { "?" };
            let label = match event {
                Some(event) => format!("{} {}{unseen} {}", track.id, class, event.rule),
                None => format!("{} {class}{unseen}", track.id),
            };
            canvas.text(NormPoint::new(track.bbox.x1, track.bbox.y1), &label, colour);
        }
        for (n, line) in self.latest.iter().rev().enumerate() {
            canvas.caption(-1 - n as i32, line, if n == 0 { ALARM } else { WHITE });
        }
    }
}

/// Zones, lanes with their direction, lines with an arrow that shows which way is forward.
pub fn draw_scene(canvas: &mut Canvas, plan: &CameraPlan) {
    let first = |corners: &[NormPoint]| corners.first().copied().unwrap_or_default();
    for zone in &plan.zones {
        canvas.outline(zone.polygon.corners(), 1, ZONE);
        canvas.text(first(zone.polygon.corners()), &zone.id, ZONE);
    }
    for lane in &plan.lanes {
        canvas.outline(lane.polygon.corners(), 1, LANE);
        canvas.arrow(lane.direction.from, lane.direction.to, 1, LANE);
        canvas.text(first(lane.polygon.corners()), &lane.id, LANE);
    }
    let (width, height) = canvas.size();
    let aspect = width as f32 / height.max(1) as f32;
    for line in &plan.lines {
        let (from, to) = (line.segment.from, line.segment.to);
        canvas.line(from, to, 2, LINE);
        let (dx, dy) = ((to.x - from.x) * aspect, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt().max(1e-6);
        let middle = NormPoint::new((from.x + to.x) / 2.0, (from.y + to.y) / 2.0);
        let ahead = NormPoint::new(middle.x - FORWARD * dy / length / aspect, middle.y + FORWARD * dx / length);
        canvas.arrow(middle, ahead, 1, LINE);
        canvas.text(line.segment.from, &line.id, LINE);
    }
}

/// A colour of its own for each of a few tracks that follow each other.
fn colour_of(id: TrackId) -> Colour {
    const COLOURS: [Colour; 8] = [
        [255, 170, 60],
        [80, 200, 255],
        [200, 120, 255],
        [120, 255, 180],
        [255, 130, 180],
        [200, 220, 90],
        [130, 150, 255],
        [255, 255, 255],
    ];
    COLOURS[(id.0 % COLOURS.len() as u64) as usize]
}
