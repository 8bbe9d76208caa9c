//! Stills of an event: a clean one, and one with box, path and the shapes of its rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::scenery::{Paths, Scenery};
use super::{is_alarm, is_meant};
use crate::base::{Error, ErrorKind, Result};
use crate::config::{Blur, EvidencePlan};
use crate::frame::still::{Overlay, Shape, Snapshot};
use crate::frame::{Frame, WhenFull};
use crate::scene::{Detection, Event, Labels, NormBox, Polygon, Track};
use crate::store::Media;

/// Pixels that may wait for the encoder, bytes; more are given up, for events do not wait for them.
const WAITING_BYTES: usize = 24 << 20;
/// JPEG quality.
const QUALITY: u8 = 85;
/// Colours of the box and of the path.
const BOX_COLOUR: [u8; 3] = [255, 64, 32];
const PATH_COLOUR: [u8; 3] = [255, 224, 0];

/// A still to be written beside its event.
pub struct Still {
    /// File name, as in the event's `still`.
    pub name: String,
    /// File name of the same without drawing, as in the event's `clean_still`.
    pub clean_name: Option<String>,
    /// The pixels, already scaled down.
    pub snapshot: Snapshot,
    /// What is made unrecognisable in both.
    pub blur: Vec<NormBox>,
    /// What is drawn below the box.
    pub shapes: Vec<Shape>,
    /// What to draw on them.
    pub overlays: Vec<Overlay>,
}

/// What a frame shows, for stills of it.
pub struct Seen<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// What the detector found.
    pub detections: &'a [Detection],
    /// The tracks.
    pub tracks: &'a [Track],
}

/// Composes a camera's stills.
pub struct StillWriter {
    plan: EvidencePlan,
    scenery: Scenery,
    labels: Labels,
    masks: Arc<[Polygon]>,
    /// Where tracks have been.
    pub paths: Paths,
}

impl StillWriter {
    /// One camera's; `masks` are painted over before anything else is done with a picture.
    #[must_use]
    pub fn new(plan: EvidencePlan, scenery: Scenery, labels: Labels, masks: Arc<[Polygon]>) -> Self {
        Self { plan, scenery, labels, masks, paths: Paths::default() }
    }

    /// The stills of one frame's events, which are named in them.
    pub fn take(&self, events: &mut [Event], seen: &Seen<'_>) -> Vec<Still> {
        let mut taken: Option<Snapshot> = None;
        let mut stills = Vec::new();
        for event in events.iter_mut() {
            if !is_meant(self.plan.stills, event) {
                continue;
            }
            if taken.is_none() {
                let width = self.plan.still_width;
                match seen.frame.picture.read(|planes| Snapshot::take(planes, width)).and_then(|taken| taken) {
                    Ok(mut snapshot) => {
                        snapshot.mask(&self.masks);
                        taken = Some(snapshot);
                    }
                    Err(error) => {
                        tracing::warn!(camera = %event.camera, %error, "no still");
                        return stills;
                    }
                }
            }
            if let Some(snapshot) = taken.clone() {
                let still = self.compose(event, seen, snapshot);
                event.still = Some(still.name.clone());
                event.clean_still.clone_from(&still.clean_name);
                stills.push(still);
            }
        }
        stills
    }

    fn compose(&self, event: &Event, seen: &Seen<'_>, snapshot: Snapshot) -> Still {
        let mut shapes = self.scenery.of_rule(&event.rule).to_vec();
        if let Some(track) = event.track {
            let now = event.bbox.map(|bbox| bbox.anchor());
            shapes.push(Shape::Path { points: self.paths.of(track, now), colour: PATH_COLOUR });
        }
        let label = format!("{} {}", event.class.as_deref().unwrap_or("object"), event.rule);
        let overlay = |bbox| Overlay { bbox, label: Some(label), colour: BOX_COLOUR };
        let base = format!("{}.{}", event.camera, event.id);
        Still {
            name: format!("{base}.jpg"),
            clean_name: is_alarm(event).then(|| format!("{base}.clean.jpg")),
            snapshot,
            blur: self.blurred(seen),
            shapes,
            overlays: event.bbox.map(overlay).into_iter().collect(),
        }
    }

    /// What is blurred in this frame. Every detection counts, however weak, and every track that goes on unseen.
    fn blurred(&self, seen: &Seen<'_>) -> Vec<NormBox> {
        let detections = seen.detections.iter().map(|detection| (detection.class, detection.bbox));
        let tracks = seen.tracks.iter().map(|track| (track.class, track.bbox));
        detections
            .chain(tracks)
            .flat_map(|(class, bbox)| {
                let name = self.labels.name(class);
                self.plan.blur.iter().filter_map(move |blur| region(*blur, &name, bbox)).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// The part of an object's box that is blurred. There is no detector of faces or plates behind it: of two-wheelers
/// the upper part, where riders are; plates are taken to be in the lower middle of every vehicle.
fn region(blur: Blur, class: &str, bbox: NormBox) -> Option<NormBox> {
    let class = class.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| class.contains(word));
    let person = is(&["person", "pedestrian", "people", "rider", "man", "child"]);
    let two_wheeler = is(&["motor", "bike", "bicycle", "cycl", "scooter", "moped"]);
    let vehicle = is(&["car", "truck", "bus", "van", "lorry", "vehicle", "taxi", "pickup", "trailer", "rickshaw"]);
    let (x1, y1, x2, y2) = match blur {
        Blur::Person if person => (-0.05, -0.05, 1.05, 1.05),
        Blur::Person if two_wheeler => (-0.05, -0.1, 1.05, 0.6),
        Blur::Plate if two_wheeler => (0.15, 0.35, 0.85, 1.0),
        Blur::Plate if vehicle => (0.1, 0.45, 0.9, 1.02),
        _ => return None,
    };
    let (width, height) = (bbox.width(), bbox.height());
    let part = NormBox {
        x1: bbox.x1 + x1 * width,
        y1: bbox.y1 + y1 * height,
        x2: bbox.x1 + x2 * width,
        y2: bbox.y1 + y2 * height,
    };
    Some(part.clamped())
}

/// The `stills` thread: blurs, draws, encodes, writes. Dropping it writes what waits.
pub struct Stills {
    queue: Option<Sender<Still>>,
    waiting_bytes: Arc<AtomicUsize>,
    when_full: WhenFull,
    media: Media,
    thread: Option<JoinHandle<()>>,
}

impl Stills {
    /// Starts the thread, which writes into `media`.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(media: Media, when_full: WhenFull) -> Result<Self> {
        // Bounded by bytes below.
        #[allow(clippy::disallowed_methods)]
        let (queue, stills) = unbounded();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::Builder::new()
            .name("stills".to_owned())
            .spawn({
                let (media, waiting_bytes) = (media.clone(), Arc::clone(&waiting_bytes));
                move || write_all(&stills, &media, &waiting_bytes)
            })
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the still encoder").source(e))?;
        Ok(Self { queue: Some(queue), waiting_bytes, when_full, media, thread: Some(thread) })
    }

    /// Takes a still. Live it is given up when too many wait; for recorded footage it is written here and now then.
    pub fn put(&self, still: Still) {
        let bytes = still.snapshot.rgb().len();
        let Some(queue) = &self.queue else { return };
        if self.waiting_bytes.load(Relaxed) + bytes <= WAITING_BYTES {
            self.waiting_bytes.fetch_add(bytes, Relaxed);
            if queue.send(still).is_err() {
                tracing::error!("the still encoder is gone");
            }
        } else if self.when_full == WhenFull::Wait {
            write(still, &self.media);
        } else {
            tracing::warn!(still = still.name, "too many stills at once, this one is given up");
        }
    }
}

impl Drop for Stills {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the still encoder panicked");
        }
    }
}

fn write_all(stills: &Receiver<Still>, media: &Media, waiting_bytes: &AtomicUsize) {
    for still in stills {
        let bytes = still.snapshot.rgb().len();
        write(still, media);
        waiting_bytes.fetch_sub(bytes, Relaxed);
    }
}

fn write(still: Still, media: &Media) {
    let Still { name, clean_name, mut snapshot, blur, shapes, overlays } = still;
    for part in &blur {
        snapshot.blur(part);
    }
    let put = |name: &str, jpeg: Result<Vec<u8>>| {
        if let Err(error) = jpeg.and_then(|jpeg| media.put(name, &jpeg)) {
            tracing::warn!(still = name, %error, "no still");
        }
    };
    if let Some(clean) = &clean_name {
        put(clean, snapshot.clone().encode(&[], QUALITY));
    }
    for shape in &shapes {
        snapshot.draw_shape(shape);
    }
    put(&name, snapshot.encode(&overlays, QUALITY));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_blurred_depends_on_the_class() {
        let bbox = NormBox { x1: 0.2, y1: 0.2, x2: 0.4, y2: 0.6 };
        let part = |blur, class| region(blur, class, bbox);
        let person = part(Blur::Person, "person").unwrap();
        assert!(person.x1 < bbox.x1 && person.y2 > bbox.y2, "all of a person");
        let rider = part(Blur::Person, "motorcycle").unwrap();
        assert!(rider.y1 < bbox.y1 && rider.y2 < 0.5, "the upper part of a two-wheeler");
        let plate = part(Blur::Plate, "car").unwrap();
        assert!(plate.y1 > 0.35 && plate.y2 > bbox.y2 - 1e-6 && plate.x1 > bbox.x1, "the lower middle of a car");
        assert_eq!(part(Blur::Person, "car"), None);
        assert_eq!(part(Blur::Plate, "person"), None);
        assert_eq!(part(Blur::Plate, "dog"), None);
    }
}
