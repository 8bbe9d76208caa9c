//! The tracker: ByteTrack (Zhang et al., ECCV 2022) over media time.
//!
//! Each observation: forget what has been lost for too long; predict every object to now; match
//! 1. confirmed objects, lost ones too, with high-score detections by IoU × score;
//! 2. those still tracked but unmatched, and lost ones that stood still, with low-score detections, and high ones that are
//!    left, by IoU;
//! 3. tentative objects with what is left of the high ones by IoU × score;
//! 4. what is still unmatched and not lost with the rest of the high ones by the motion filter's
//!    likelihood: at 5 frames a second a motorbike leaves its own box between two frames, and IoU is 0;
//!
//! then begin new objects with the rest. Matching is exact ([`crate::base::assignment`]). Step 4 is ours, and
//! so are lost objects in step 2 (a standing vehicle that the detector hardly sees keeps its score: one missed frame
//! would lose it for good) and high detections there (what is near enough for a faint box is so for a clear one, however
//! much the box shakes), a parked object's memory, class affinity, and that a second box of a tracked object begins
//! nothing.
//!
//! Bounded: [`MAX_TRACKS`] objects, [`MAX_DETECTIONS`] detections per frame, the best-scored first.
//! Detections that are not numbers, lie far outside the picture or have no area are passed over.

use super::object::{Object, Stage};
use super::params::Params;
use crate::base::assignment::Assigner;
use crate::base::{MediaTime, TrackId};
use crate::scene::{Detection, Track};

/// Objects followed at once, tentative and lost ones included; further ones are not begun.
pub const MAX_TRACKS: usize = 512;
/// Detections looked at per frame; the lowest-scored beyond it are passed over.
pub const MAX_DETECTIONS: usize = 1024;

/// Turns one camera's detections into tracks.
#[derive(Debug)]
pub struct Tracker {
    params: Params,
    /// Picture width over height.
    aspect: f32,
    /// The latest time observed or skipped; times before it count as it.
    now: Option<MediaTime>,
    /// The time that the objects are predicted to.
    predicted: Option<MediaTime>,
    /// Whether the next observation is the first of its run.
    fresh: bool,
    last_id: u64,
    objects: Vec<Object>,
    visible: Vec<Track>,
    ended: Vec<TrackId>,
    scratch: Scratch,
}

/// Buffers kept between frames.
#[derive(Debug, Default)]
struct Scratch {
    assigner: Assigner,
    detections: Vec<Detection>,
    /// For each of `objects`: matched in this observation.
    object_matched: Vec<bool>,
    /// For each of `detections`: matched in this observation.
    detection_matched: Vec<bool>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Tracker {
    /// A tracker without tracks. `aspect` is the displayed picture's width over its height.
    #[must_use]
    pub fn new(params: Params, aspect: f32) -> Self {
        Self {
            params,
            aspect: usable(aspect).unwrap_or(1.0),
            now: None,
            predicted: None,
            fresh: true,
            last_id: 0,
            objects: Vec::new(),
            visible: Vec::new(),
            ended: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Takes a new picture shape (a resolution change within a run); tracks keep their normalised
    /// boxes. A shape that is not a positive number is ignored.
    pub fn set_aspect(&mut self, aspect: f32) {
        let Some(aspect) = usable(aspect) else { return };
        for object in &mut self.objects {
            object.rescale_x(aspect / self.aspect);
        }
        self.aspect = aspect;
    }

    /// Takes in a frame's detections, possibly none, and returns the confirmed tracks that rules may
    /// see in it, in order of id: those observed in this frame, and those last observed no more than
    /// [`Params::coast_seconds`] ago (`observed == false`, the box predicted). A time before the latest
    /// one counts as the latest.
    pub fn observe(&mut self, at: MediaTime, detections: &[Detection]) -> &[Track] {
        let now = self.advance(at);
        let dt = self.predicted.map_or(0.0, |from| now.seconds_since(from)) as f32;
        self.predicted = Some(now);
        for object in &mut self.objects {
            object.predict(dt, self.aspect, &self.params);
        }
        self.take(detections);
        self.associate(now);
        self.retire();
        self.begin(now);
        self.drop_duplicates();
        self.show(now)
    }

    /// Notes a frame that was not inferred. Nothing is learnt of any object; only those that have been
    /// lost for too long by now end.
    pub fn skip(&mut self, at: MediaTime) {
        self.advance(at);
    }

    /// Ends all tracks, at a gap in the stream. Ids go on.
    pub fn reset(&mut self) {
        self.ended.extend(self.objects.drain(..).filter_map(|o| o.id));
        self.visible.clear();
        self.now = None;
        self.predicted = None;
        self.fresh = true;
    }

    /// The confirmed tracks that ended since the last call, in the order in which they ended; drains
    /// the list, so call it after each [`Tracker::observe`], [`Tracker::skip`] and [`Tracker::reset`].
    pub fn ended(&mut self) -> impl Iterator<Item = TrackId> + '_ {
        self.ended.drain(..)
    }

    /// Moves the time on and ends what has been lost for too long.
    fn advance(&mut self, at: MediaTime) -> MediaTime {
        let now = self.now.map_or(at, |latest| latest.max(at));
        self.now = Some(now);
        let (params, ended) = (&self.params, &mut self.ended);
        self.objects.retain(|object| {
            let keep = !object.is_expired(now, params);
            if !keep {
                ended.extend(object.id);
            }
            keep
        });
        now
    }

    /// Copies the usable detections, best first. The full order makes the result independent of the
    /// detector's order.
    fn take(&mut self, detections: &[Detection]) {
        let low_score = self.params.low_score;
        let taken = &mut self.scratch.detections;
        taken.clear();
        let usable = |d: &&Detection| {
            let b = &d.bbox;
            let near = [b.x1, b.y1, b.x2, b.y2].iter().all(|v| (-1.0..=2.0).contains(v));
            near && b.x2 > b.x1 && b.y2 > b.y1 && d.score >= low_score
        };
        // A score may exceed 1 by rounding.
        let capped = |d: &Detection| Detection { score: d.score.min(1.0), ..*d };
        taken.extend(detections.iter().filter(usable).map(capped));
        taken.sort_unstable_by(|a, b| {
            let corners = |d: &Detection| <[f32; 4]>::from(d.bbox);
            let by_corner = corners(a).into_iter().zip(corners(b)).map(|(a, b)| a.total_cmp(&b));
            b.score
                .total_cmp(&a.score)
                .then(by_corner.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then))
                .then(a.class.cmp(&b.class))
        });
        taken.truncate(MAX_DETECTIONS);
    }

    fn associate(&mut self, now: MediaTime) {
        let params = &self.params;
        let scratch = &mut self.scratch;
        scratch.object_matched.clear();
        scratch.object_matched.resize(self.objects.len(), false);
        scratch.detection_matched.clear();
        scratch.detection_matched.resize(scratch.detections.len(), false);
        let groups = &params.class_groups;
        let high = |d: &Detection| d.score >= params.high_score;
        let fused = |o: &Object, d: &Detection| match o.bbox.iou(&d.bbox) {
            iou if iou > 0.0 => iou * d.score * groups.affinity(o.vote.leader(), d.class),
            _ => 0.0,
        };

        let mut stage =
            Matching { now, aspect: self.aspect, objects: &mut self.objects, scratch, last_id: &mut self.last_id };
        stage.run(
            |o| o.stage != Stage::Tentative,
            high,
            params.match_similarity,
            |o, d| {
                if o.is_parked_memory(now, params) && o.bbox.iou(&d.bbox) < params.parked_iou {
                    0.0
                } else {
                    fused(o, d)
                }
            },
        );
        stage.run(
            |o| o.stage == Stage::Tracked || (o.stage == Stage::Lost && o.is_still()),
            |_| true,
            params.low_match_iou,
            |o, d| if groups.affinity(o.vote.leader(), d.class) > 0.0 { o.bbox.iou(&d.bbox) } else { 0.0 },
        );
        stage.run(|o| o.stage == Stage::Tentative, high, params.tentative_similarity, fused);
        let aspect = self.aspect;
        stage.run(
            |o| o.stage != Stage::Lost,
            high,
            params.motion_similarity,
            |o, d| {
                if groups.same_object(o.vote.leader(), d.class) { o.motion_similarity(now, d, aspect) } else { 0.0 }
            },
        );
    }

    /// Unmatched objects: confirmed ones become lost, tentative ones were nothing.
    fn retire(&mut self) {
        let mut matched = self.scratch.object_matched.iter();
        self.objects.retain_mut(|object| {
            if matched.next().copied().unwrap_or(false) {
                return true;
            }
            let keep = object.stage != Stage::Tentative;
            if keep {
                object.lose(self.aspect, &self.params);
            }
            keep
        });
    }

    /// Begins an object with each detection left. In the first frame of a run all is there at once,
    /// so nothing waits for a second look (as in ByteTrack).
    fn begin(&mut self, now: MediaTime) {
        let first = std::mem::take(&mut self.fresh);
        let left = self.scratch.detections.iter().zip(&self.scratch.detection_matched).filter(|(_, m)| !**m);
        for (detection, _) in left {
            if detection.score < self.params.new_track_score || self.objects.len() >= MAX_TRACKS {
                break;
            }
            let groups = &self.params.class_groups;
            let twin = |o: &Object| {
                o.stage != Stage::Lost
                    && groups.same_object(o.vote.leader(), detection.class)
                    && o.bbox.iou(&detection.bbox) > self.params.twin_iou
            };
            if self.objects.iter().any(twin) {
                continue;
            }
            let mut object = Object::new(now, detection, self.aspect);
            if first {
                object.stage = Stage::Tracked;
                object.id = Some(next_id(&mut self.last_id));
            }
            self.objects.push(object);
        }
    }

    /// Of a seen and a lost object in the same place the one seen for longer stays.
    fn drop_duplicates(&mut self) {
        let dropped = &mut self.scratch.object_matched;
        dropped.clear();
        dropped.resize(self.objects.len(), false);
        for (i, lost) in self.objects.iter().enumerate().filter(|(_, o)| o.stage == Stage::Lost) {
            for (j, seen) in self.objects.iter().enumerate().filter(|(_, o)| o.stage != Stage::Lost) {
                if lost.bbox.iou(&seen.bbox) > self.params.duplicate_iou {
                    let younger = if lost.seen_for() < seen.seen_for() { i } else { j };
                    if let Some(flag) = dropped.get_mut(younger) {
                        *flag = true;
                    }
                }
            }
        }
        let mut dropped = dropped.iter();
        let ended = &mut self.ended;
        self.objects.retain(|object| {
            let drop = dropped.next().copied().unwrap_or(false);
            if drop {
                ended.extend(object.id);
            }
            !drop
        });
    }

    fn show(&mut self, now: MediaTime) -> &[Track] {
        self.visible.clear();
        self.visible.extend(self.objects.iter().filter_map(|o| o.visible(now, self.aspect, &self.params)));
        self.visible.sort_unstable_by_key(|t| t.id);
        &self.visible
    }
}

/// One observation's associations, stage by stage.
struct Matching<'a> {
    now: MediaTime,
    aspect: f32,
    objects: &'a mut [Object],
    scratch: &'a mut Scratch,
    last_id: &'a mut u64,
}

impl Matching<'_> {
    /// Matches the unmatched objects and detections of a kind so that the sum of
    /// (similarity − `least`) is greatest, and updates the matched ones.
    fn run(
        &mut self,
        wants: impl Fn(&Object) -> bool,
        offered: impl Fn(&Detection) -> bool,
        least: f32,
        similarity: impl Fn(&Object, &Detection) -> f32,
    ) {
        let Scratch { assigner, detections, object_matched, detection_matched, rows, columns } = &mut *self.scratch;
        let unmatched = |matched: &[bool], i: usize| matched.get(i) == Some(&false);
        rows.clear();
        rows.extend(
            (0..self.objects.len())
                .filter(|&i| unmatched(object_matched, i) && self.objects.get(i).is_some_and(&wants)),
        );
        columns.clear();
        columns.extend(
            (0..detections.len())
                .filter(|&j| unmatched(detection_matched, j) && detections.get(j).is_some_and(&offered)),
        );
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        assigner.begin(columns.len(), f64::from(1.0 - least));
        for object in rows.iter().filter_map(|&i| self.objects.get(i)) {
            assigner.row();
            for (column, detection) in columns.iter().filter_map(|&j| detections.get(j)).enumerate() {
                let similarity = similarity(object, detection);
                if similarity > 0.0 {
                    assigner.pair(column, f64::from(1.0 - similarity));
                }
            }
        }
        for (&row, column) in rows.iter().zip(assigner.solve()) {
            let Some(&j) = column.and_then(|c| columns.get(c)) else { continue };
            let (Some(object), Some(detection)) = (self.objects.get_mut(row), detections.get(j)) else { continue };
            object.update(self.now, detection, self.aspect);
            if object.id.is_none() {
                object.id = Some(next_id(self.last_id));
            }
            if let (Some(o), Some(d)) = (object_matched.get_mut(row), detection_matched.get_mut(j)) {
                (*o, *d) = (true, true);
            }
        }
    }
}

fn next_id(last: &mut u64) -> TrackId {
    *last += 1;
    TrackId(*last)
}

fn usable(aspect: f32) -> Option<f32> {
    (aspect.is_finite() && aspect > 0.0).then_some(aspect)
}
