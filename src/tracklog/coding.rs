//! How steps become bits: each number as the difference from what was expected of it.
//!
//! Expected of a frame is that it comes as long after the last one as that after the one before; of a track,
//! that it goes on as its velocity says, and that the velocity then changes in proportion to the surprise. (It
//! comes from a Kalman filter, whose gains settle: the proportion is learnt as it goes, by least squares.)
//! All arithmetic is on whole numbers, so that every machine expects the same.
//!
//! Knows nothing at its beginning: one [`Coding`] per block, so that a block can be read without any other.

use std::collections::HashMap;

use super::bits::{Coder, Context};
use super::step::{FrameStep, Step};
use crate::base::{CaptureTime, FrameSeq, MediaTime, RunId, TimeSource, Timestamp, TrackId};
use crate::scene::grid::{PLACE_STEPS, SCORE_STEPS, VELOCITY_STEPS, of_steps, to_steps};
use crate::scene::{ClassId, Moment, NormBox, NormPoint, Track};

/// Most tracks and most ended tracks of one step; more cannot come from the tracker, only from a damaged file.
const MOST: i64 = 4096;
/// Steps of place per step of velocity and second.
const PLACE_PER_VELOCITY: i64 = (PLACE_STEPS / VELOCITY_STEPS) as i64;
/// A prediction further ahead than this is worth nothing, nanoseconds.
const FURTHEST: i64 = 10_000_000_000;
/// Fraction bits of a proportion.
const FRACTION: u32 = 16;
/// Sources of time, in the order of their numbers in the file.
const SOURCES: [TimeSource; 5] =
    [TimeSource::SenderReport, TimeSource::StartsAt, TimeSource::Container, TimeSource::Arrival, TimeSource::Epoch];

/// Everything that is expected of the next step.
#[derive(Debug)]
pub(super) struct Coding {
    /// The latest frame.
    last: Option<(Moment, i64)>,
    aspect: f32,
    /// Ids of the latest frame with tracks, in order.
    listed: Vec<u64>,
    tracks: HashMap<u64, Course>,
    /// What a new track inherits.
    contexts: [Context; COLUMNS],
    gain: Gain,
    times: [Context; 5],
    counts: [Context; 2],
    ids: Context,
    first: [Context; 8],
}

/// Columns of a track that goes on: centre x and y, width, height, velocity x and y, score.
const COLUMNS: usize = 7;

/// What is known of a track.
#[derive(Debug, Clone)]
struct Course {
    at: i64,
    /// Middle x and y, width, height, in steps of place.
    place: [i64; 4],
    velocity: [i64; 2],
    score: i64,
    class: u16,
    first_seen: i64,
    last_seen: i64,
    contexts: [Context; COLUMNS],
    gain: Gain,
}

/// How much a velocity changes with a surprise in place: sums of a least-squares fit through 0.
#[derive(Debug, Clone, Copy, Default)]
struct Gain {
    both: i64,
    squares: i64,
}

impl Gain {
    fn of(self, surprise: i64) -> i64 {
        if self.squares == 0 {
            return 0;
        }
        let proportion = i128::from(self.both) * (1 << FRACTION) / i128::from(self.squares);
        ((proportion * i128::from(surprise)) >> FRACTION).clamp(-(1 << 24), 1 << 24) as i64
    }

    fn learn(&mut self, surprise: i64, change: i64) {
        let bound = |value: i64| value.clamp(-(1 << 12), 1 << 12);
        let (surprise, change) = (bound(surprise), bound(change));
        self.both += surprise * change - self.both / 16;
        self.squares += surprise * surprise - self.squares / 16;
    }
}

impl Default for Coding {
    fn default() -> Self {
        Self {
            last: None,
            aspect: 0.0,
            listed: Vec::new(),
            tracks: HashMap::new(),
            contexts: [4, 4, 4, 4, 1, 1, 3].map(Context::expecting),
            gain: Gain::default(),
            times: [2, 0, 0, 2, 2].map(Context::expecting),
            counts: [0, 0].map(Context::expecting),
            ids: Context::expecting(3),
            first: [14, 14, 11, 11, 6, 6, 6, 30].map(Context::expecting),
        }
    }
}

impl Coding {
    /// Writes the step, or reads it over what `step` holds. None when the bits are over or make no sense.
    pub(super) fn step<C: Coder>(&mut self, coder: &mut C, step: &mut Step) -> Option<()> {
        let mut kind = match step {
            Step::Frame(FrameStep { tracks: Some(_), .. }) => 0,
            Step::Frame(FrameStep { tracks: None, .. }) => 1,
            Step::Gap { .. } => 2,
            Step::End => 3,
        };
        coder.bits(&mut kind, 2)?;
        match kind {
            0 | 1 => {
                if !matches!(step, Step::Frame(_)) {
                    *step = Step::Frame(FrameStep::empty());
                }
                let Step::Frame(frame) = step else { return None };
                self.moment(coder, &mut frame.moment)?;
                self.shape(coder, &mut frame.aspect)?;
                if kind == 0 {
                    self.list(coder, frame.moment.at, frame.tracks.get_or_insert_default())?;
                } else {
                    frame.tracks = None;
                }
                self.ended(coder, &mut frame.ended)
            }
            2 => {
                if !matches!(step, Step::Gap { .. }) {
                    *step = Step::Gap { to: MediaTime(0), ended: Vec::new() };
                }
                let Step::Gap { to, ended } = step else { return None };
                let from = self.last.map_or(0, |(last, _)| last.at.0);
                let mut after = to.0.wrapping_sub(from);
                coder.number(&mut Context::expecting(33), &mut after)?;
                to.0 = from.wrapping_add(after);
                self.ended(coder, ended)?;
                self.tracks.clear();
                self.listed.clear();
                Some(())
            }
            _ => {
                *step = Step::End;
                Some(())
            }
        }
    }

    fn moment<C: Coder>(&mut self, coder: &mut C, moment: &mut Moment) -> Option<()> {
        let (last, interval) = self.last.unwrap_or((FrameStep::empty().moment, 0));
        let [at, run, seq, error, offset] = &mut self.times;
        let expected = last.at.0.wrapping_add(interval);
        let mut value = moment.at.0.wrapping_sub(expected);
        coder.number(at, &mut value)?;
        moment.at.0 = expected.wrapping_add(value);

        let mut value = i64::from(moment.run.0) - i64::from(last.run.0);
        coder.number(run, &mut value)?;
        moment.run = RunId(u32::try_from(i64::from(last.run.0).checked_add(value)?).ok()?);

        let mut value = (moment.frame.0 as i64).wrapping_sub(last.frame.0 as i64).wrapping_sub(1);
        coder.number(seq, &mut value)?;
        moment.frame = FrameSeq((last.frame.0 as i64).wrapping_add(value).wrapping_add(1) as u64);

        // The camera's clock runs beside the media time; what changes is their distance, and little.
        let expected = last.capture.utc.0.wrapping_sub(last.at.0);
        let mut value = moment.capture.utc.0.wrapping_sub(moment.at.0).wrapping_sub(expected);
        coder.number(offset, &mut value)?;
        moment.capture.utc.0 = moment.at.0.wrapping_add(expected).wrapping_add(value);

        let mut same = (moment.capture.source, moment.capture.error_ns) == (last.capture.source, last.capture.error_ns);
        coder.flag(&mut same)?;
        if same {
            (moment.capture.source, moment.capture.error_ns) = (last.capture.source, last.capture.error_ns);
        } else {
            let mut source = SOURCES.iter().position(|s| *s == moment.capture.source)? as u64;
            coder.bits(&mut source, 3)?;
            moment.capture.source = *SOURCES.get(source as usize)?;
            let mut known = moment.capture.error_ns.is_some();
            coder.flag(&mut known)?;
            let before = last.capture.error_ns.unwrap_or(0) as i64;
            let mut value = (moment.capture.error_ns.unwrap_or(0) as i64).wrapping_sub(before);
            if known {
                coder.number(error, &mut value)?;
            }
            moment.capture.error_ns = known.then(|| before.wrapping_add(value) as u64);
        }
        let interval = self.last.map_or(0, |_| moment.at.0.wrapping_sub(last.at.0));
        self.last = Some((*moment, interval));
        Some(())
    }

    fn shape<C: Coder>(&mut self, coder: &mut C, aspect: &mut f32) -> Option<()> {
        let mut same = aspect.to_bits() == self.aspect.to_bits();
        coder.flag(&mut same)?;
        if same {
            *aspect = self.aspect;
        } else {
            let mut bits = u64::from(aspect.to_bits());
            coder.bits(&mut bits, 32)?;
            *aspect = f32::from_bits(u32::try_from(bits).ok()?);
            self.aspect = *aspect;
        }
        Some(())
    }

    fn ended<C: Coder>(&mut self, coder: &mut C, ended: &mut Vec<TrackId>) -> Option<()> {
        let mut count = ended.len() as i64;
        coder.number(&mut self.counts[0], &mut count)?;
        resize(ended, count, TrackId(0))?;
        for id in ended {
            let mut value = id.0 as i64;
            coder.number(&mut self.ids, &mut value)?;
            id.0 = value as u64;
            self.tracks.remove(&id.0);
        }
        Some(())
    }

    /// The tracks of a frame. What is usual of all of them together is told once.
    fn list<C: Coder>(&mut self, coder: &mut C, at: MediaTime, tracks: &mut Vec<Track>) -> Option<()> {
        let mut same = tracks.iter().map(|t| t.id.0).eq(self.listed.iter().copied());
        coder.flag(&mut same)?;
        if same {
            resize(tracks, self.listed.len() as i64, nothing())?;
            for (track, id) in tracks.iter_mut().zip(&self.listed) {
                track.id.0 = *id;
            }
        } else {
            self.ids(coder, tracks)?;
        }
        let mut all_observed = tracks.iter().all(|t| t.observed);
        coder.flag(&mut all_observed)?;
        let mut usual = tracks.iter().all(|track| self.is_usual(track, at));
        coder.flag(&mut usual)?;
        for track in tracks {
            track.observed |= all_observed;
            if !all_observed {
                coder.flag(&mut track.observed)?;
            }
            match self.tracks.remove(&track.id.0) {
                Some(mut course) => {
                    course.go_on(coder, at.0, usual, track, (&mut self.contexts, &mut self.gain))?;
                    self.tracks.insert(track.id.0, course);
                }
                None => self.begin(coder, at.0, track)?,
            }
        }
        Some(())
    }

    /// Class, first and last sight as they were; of a new track nothing is usual, and that is usual.
    fn is_usual(&self, track: &Track, at: MediaTime) -> bool {
        self.tracks.get(&track.id.0).is_none_or(|course| {
            let last_seen = if track.observed { at.0 } else { course.last_seen };
            (course.class, course.first_seen, last_seen) == (track.class.0, track.first_seen.0, track.last_seen.0)
        })
    }

    /// Which of those listed before are still there, and who is new. Ids are in order.
    fn ids<C: Coder>(&mut self, coder: &mut C, tracks: &mut Vec<Track>) -> Option<()> {
        let before = std::mem::take(&mut self.listed);
        let mut ids: Vec<u64> = Vec::new();
        for id in &before {
            let mut stays = tracks.binary_search_by_key(id, |t| t.id.0).is_ok();
            coder.flag(&mut stays)?;
            if stays {
                ids.push(*id);
            }
        }
        let mut new: Vec<u64> = tracks.iter().map(|t| t.id.0).filter(|id| before.binary_search(id).is_err()).collect();
        let mut count = new.len() as i64;
        coder.number(&mut self.counts[1], &mut count)?;
        resize(&mut new, count, 0)?;
        let mut last = before.last().copied().unwrap_or(0);
        for id in &mut new {
            let mut value = (*id as i64).wrapping_sub(last as i64);
            coder.number(&mut self.ids, &mut value)?;
            *id = (last as i64).wrapping_add(value) as u64;
            last = *id;
        }
        ids.extend(new);
        ids.sort_unstable();
        resize(tracks, ids.len() as i64, nothing())?;
        for (track, id) in tracks.iter_mut().zip(&ids) {
            track.id.0 = *id;
        }
        self.listed = ids;
        Some(())
    }

    /// A track that nothing is known of.
    fn begin<C: Coder>(&mut self, coder: &mut C, at: i64, track: &mut Track) -> Option<()> {
        let mut course = Course::of(track, at, self.contexts.map(|context| context.heir()), self.gain);
        let mut class = u64::from(course.class);
        coder.bits(&mut class, 16)?;
        course.class = class as u16;
        let [x, y, width, height, vx, vy, score, age] = &mut self.first;
        let [to_x, to_y, to_width, to_height] = &mut course.place;
        let [to_vx, to_vy] = &mut course.velocity;
        let numbers = [(x, to_x), (y, to_y), (width, to_width), (height, to_height), (vx, to_vx), (vy, to_vy)];
        for (context, value) in numbers {
            coder.number(context, value)?;
        }
        coder.number(score, &mut course.score)?;
        for seen in [&mut course.first_seen, &mut course.last_seen] {
            let mut ago = at.wrapping_sub(*seen);
            coder.number(age, &mut ago)?;
            *seen = at.wrapping_sub(ago);
        }
        course.put(track)?;
        if self.tracks.len() >= MOST as usize {
            self.tracks.clear();
        }
        self.tracks.insert(track.id.0, course);
        Some(())
    }
}

impl Course {
    fn of(track: &Track, at: i64, contexts: [Context; COLUMNS], gain: Gain) -> Self {
        let [x1, y1, x2, y2] = <[f32; 4]>::from(track.bbox).map(|v| i64::from(to_steps(v, PLACE_STEPS)));
        let (width, height) = (x2 - x1, y2 - y1);
        Self {
            at,
            place: [x1 + (width >> 1), y1 + (height >> 1), width, height],
            velocity: [track.velocity.x, track.velocity.y].map(|v| i64::from(to_steps(v, VELOCITY_STEPS))),
            score: i64::from(to_steps(track.score, SCORE_STEPS)),
            class: track.class.0,
            first_seen: track.first_seen.0,
            last_seen: track.last_seen.0,
            contexts,
            gain,
        }
    }

    /// Puts the numbers into the track.
    fn put(&self, track: &mut Track) -> Option<()> {
        let [x, y, width, height] = self.place;
        let (x1, y1) = (x.checked_sub(width >> 1)?, y.checked_sub(height >> 1)?);
        let place = |v: i64| i32::try_from(v).ok().map(|v| of_steps(v, PLACE_STEPS));
        let speed = |v: i64| i32::try_from(v).ok().map(|v| of_steps(v, VELOCITY_STEPS));
        let (x2, y2) = (x1.checked_add(width)?, y1.checked_add(height)?);
        track.bbox = NormBox { x1: place(x1)?, y1: place(y1)?, x2: place(x2)?, y2: place(y2)? };
        let [vx, vy] = self.velocity;
        track.velocity = NormPoint::new(speed(vx)?, speed(vy)?);
        track.score = of_steps(i32::try_from(self.score).ok()?, SCORE_STEPS);
        track.class = ClassId(self.class);
        (track.first_seen, track.last_seen) = (MediaTime(self.first_seen), MediaTime(self.last_seen));
        Some(())
    }

    /// The next row of a known track. `shared` is what tracks to come inherit.
    #[allow(clippy::needless_pass_by_value, clippy::needless_range_loop)]
    fn go_on<C: Coder>(
        &mut self,
        coder: &mut C,
        at: i64,
        usual: bool,
        track: &mut Track,
        shared: (&mut [Context; COLUMNS], &mut Gain),
    ) -> Option<()> {
        // What is written; when reading, numbers without meaning that are overwritten one by one.
        let mut next = Self::of(track, at, self.contexts, self.gain);
        let dt = at.saturating_sub(self.at).clamp(0, FURTHEST);
        let ahead = |speed: i64| speed.clamp(-(1 << 24), 1 << 24) * PLACE_PER_VELOCITY * dt / 1_000_000_000;
        let [vx, vy] = self.velocity;
        let mut surprises = [0; 4];
        for (n, speed) in [vx, vy, 0, 0].into_iter().enumerate() {
            let expected = self.place[n].wrapping_add(ahead(speed));
            surprises[n] = next.place[n].wrapping_sub(expected);
            coder.number(&mut next.contexts[n], &mut surprises[n])?;
            next.place[n] = expected.wrapping_add(surprises[n]);
        }
        for n in 0..2 {
            let expected = self.velocity[n].wrapping_add(self.gain.of(surprises[n]));
            let mut value = next.velocity[n].wrapping_sub(expected);
            coder.number(&mut next.contexts[4 + n], &mut value)?;
            next.velocity[n] = expected.wrapping_add(value);
        }
        let mut value = next.score.wrapping_sub(self.score);
        coder.number(&mut next.contexts[6], &mut value)?;
        next.score = self.score.wrapping_add(value);
        for n in 0..2 {
            let change = next.velocity[n].wrapping_sub(self.velocity[n]);
            next.gain.learn(surprises[n], change);
            shared.1.learn(surprises[n], change);
        }
        self.usual(coder, usual, track.observed, &mut next)?;
        shared.0.copy_from_slice(&next.contexts);
        *self = next;
        self.put(track)
    }

    /// Class, first and last sight of the next row.
    fn usual<C: Coder>(&self, coder: &mut C, usual: bool, observed: bool, next: &mut Self) -> Option<()> {
        let last_seen = if observed { next.at } else { self.last_seen };
        if usual {
            (next.class, next.first_seen, next.last_seen) = (self.class, self.first_seen, last_seen);
            return Some(());
        }
        let mut class = u64::from(next.class);
        coder.bits(&mut class, 16)?;
        next.class = class as u16;
        let mut age = Context::expecting(2);
        for (seen, expected) in [(&mut next.first_seen, self.first_seen), (&mut next.last_seen, last_seen)] {
            let mut off = seen.wrapping_sub(expected);
            coder.number(&mut age, &mut off)?;
            *seen = expected.wrapping_add(off);
        }
        Some(())
    }
}

impl FrameStep {
    /// What reading begins with.
    fn empty() -> Self {
        let capture = CaptureTime { utc: Timestamp(0), source: TimeSource::Epoch, error_ns: None };
        Self {
            moment: Moment { run: RunId(0), frame: FrameSeq(0), capture, at: MediaTime(0) },
            aspect: 0.0,
            tracks: None,
            ended: Vec::new(),
        }
    }
}

fn nothing() -> Track {
    Track {
        id: TrackId(0),
        class: ClassId(0),
        score: 0.0,
        bbox: NormBox::default(),
        velocity: NormPoint::default(),
        observed: false,
        first_seen: MediaTime(0),
        last_seen: MediaTime(0),
    }
}

/// Makes the list as long as was read; None for a length that only damage explains.
fn resize<T: Clone>(list: &mut Vec<T>, length: i64, with: T) -> Option<()> {
    let length = usize::try_from(length).ok().filter(|_| length <= MOST)?;
    list.resize(length, with);
    Some(())
}
