//! The tap on a running graph: counts, times and checks what flows, and hands frames out.
//!
//! Three places are watched: RTP packets (sender reports), access units between parser and decoder,
//! and decoded pictures at the appsink. All state is behind one lock that is never contended: parser,
//! decoder and appsink run on one streaming thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::fault::FaultCell;
use super::graph::Offer;
use super::integrity::{Decision, Guard};
use super::packets::{Arriving, PacketRing, StreamClock};
use super::timeline::{LiveClock, RecordingClock, Timeline};
use super::{Outlet, Settings};
use crate::base::time::thread_cpu;
use crate::base::{Clock, Error, ErrorKind, FrameSeq, MediaTime, Result, RunId, TimeSource, Timestamp};
use crate::frame::{Account, Frame, FrameDrop, Picture, PictureLayout, Rotation, Stage, Stages, UnitDrop};
use crate::media::Codec;

/// Access units a decoder may hold back for reordering: 16 pictures (H.264 A.3.1), and room to spare.
const MOST_IN_DECODER: usize = 32;
/// Access units without a time before the stream is refused.
const UNTIMED_PATIENCE: u32 = 8;
/// Larger pictures are refused before a decoder allocates for them.
const MOST_PIXELS: i64 = 4096 * 2304;

/// What a run needs from outside.
pub struct TapParts {
    /// The camera.
    pub settings: Settings,
    /// Number of this run.
    pub run: RunId,
    /// Media time of its first picture.
    pub base: MediaTime,
    /// The camera's counters.
    pub account: Arc<Account>,
    /// CPU time by stage.
    pub stages: Arc<Stages>,
    /// Where frames go.
    pub outlet: Outlet,
    /// Where access units are kept for clips, if they are.
    pub packets: Option<Arc<PacketRing>>,
    /// Whether access units are decoded; otherwise they are only kept.
    pub decode: bool,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// See the module.
pub struct Tap {
    parts: TapParts,
    live: bool,
    /// Zero of `arrived_ns` and of `last_unit_ns`.
    epoch: Instant,
    fault: FaultCell,
    offers: Mutex<Vec<Offer>>,
    chosen: AtomicBool,
    closed: AtomicBool,
    units: AtomicU64,
    pictures: AtomicU64,
    last_unit_ns: AtomicI64,
    unit_interval_ns: AtomicI64,
    state: Mutex<TapState>,
}

struct TapState {
    waiting: VecDeque<Unit>,
    unit_index: u64,
    untimed: u32,
    seq: u64,
    timeline: Timeline,
    live_clock: LiveClock,
    recording_clock: RecordingClock,
    /// Time of the first access unit kept.
    first_ns: Option<i64>,
    rotation: Option<Rotation>,
    tagged: bool,
    layout: Option<(gst::Caps, gst_video::VideoInfo, PictureLayout)>,
    guard: Guard,
    cpu_mark: Duration,
    /// The books are closed: what a graph that is slow to stop still brings is nobody's.
    finished: bool,
}

struct Unit {
    /// The guard's number, which the picture brings back.
    number: u64,
    /// The time the decoder was given.
    pts_ns: Option<i64>,
    /// The place in display order of a stream without times.
    stamp_ns: Option<i64>,
    arrived: Instant,
}

impl Tap {
    pub fn new(parts: TapParts) -> Result<Arc<Self>> {
        let live = parts.settings.location.is_live();
        let (start, source) = match parts.settings.starts_at {
            Some(at) => (at, TimeSource::StartsAt),
            None => (Timestamp::EPOCH, TimeSource::Epoch),
        };
        let epoch = parts.clock.monotonic();
        let timeline = Timeline::new(parts.base, live);
        let rotation = parts.settings.rotate;
        Ok(Arc::new(Self {
            parts,
            live,
            epoch,
            fault: FaultCell::default(),
            offers: Mutex::default(),
            chosen: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            units: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            last_unit_ns: AtomicI64::new(0),
            unit_interval_ns: AtomicI64::new(0),
            state: Mutex::new(TapState {
                waiting: VecDeque::with_capacity(MOST_IN_DECODER),
                unit_index: 0,
                untimed: 0,
                seq: 0,
                timeline,
                live_clock: LiveClock::default(),
                recording_clock: RecordingClock { start, source },
                first_ns: None,
                rotation,
                tagged: false,
                layout: None,
                guard: Guard::new()?,
                cpu_mark: Duration::ZERO,
                finished: false,
            }),
        }))
    }

    fn state(&self) -> MutexGuard<'_, TapState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a failure; the run ends with it.
    pub fn fail(&self, error: Error) {
        self.fault.set(error);
    }

    /// Takes the failure noted, if any.
    pub fn take_fault(&self) -> Option<Error> {
        self.fault.take()
    }

    /// A stream is on offer; true when this one is to be used: the first that we can decode.
    pub fn offer(&self, offer: &Offer) -> bool {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner).push(offer.clone());
        offer.codec.is_some() && !self.chosen.swap(true, Relaxed)
    }

    /// All streams were offered: complains when none was chosen.
    pub fn no_more_streams(&self) {
        if let Some(error) = self.nothing_chosen() {
            self.fail(error);
        }
    }

    /// Why no stream was chosen; `None` when one was.
    pub fn nothing_chosen(&self) -> Option<Error> {
        if self.chosen.load(Relaxed) {
            return None;
        }
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let location = &self.parts.settings.location;
        let videos: Vec<&str> = offers.iter().filter(|o| o.media == "video").map(|o| o.encoding.as_str()).collect();
        Some(if videos.is_empty() {
            Error::new(ErrorKind::Unsupported, format!("{location}: there is no video in it"))
                .help("choose an address or a file with a video stream")
        } else {
            Error::new(ErrorKind::Unsupported, format!("{location}: video codec {} is not handled", videos.join(", ")))
                .help(format!("known are {}; set the camera to one of them, or convert the file", Codec::names()))
        })
    }

    /// Whether the far side offered any stream at all.
    pub fn was_offered(&self) -> bool {
        !self.offers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Where access units are kept.
    pub fn packets(&self) -> Option<Arc<PacketRing>> {
        self.parts.packets.clone()
    }

    /// Whether access units are decoded.
    pub fn decodes(&self) -> bool {
        self.parts.decode
    }

    /// Access units and pictures so far; what is only kept counts as both.
    pub fn progress(&self) -> (u64, u64) {
        (self.units.load(Relaxed), self.pictures.load(Relaxed))
    }

    /// How long ago the last access unit came, and the usual interval between two.
    pub fn silence(&self) -> (Duration, Duration) {
        let now = self.elapsed_ns();
        let nanos = |ns: i64| Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
        (nanos(now - self.last_unit_ns.load(Relaxed)), nanos(self.unit_interval_ns.load(Relaxed)))
    }

    /// Whether the outlet refused a frame: nobody wants more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Ends the run's books: what the decoder still holds will not come. Returns where a following run
    /// of the same recording begins.
    pub fn finish(&self, stopped: bool) -> MediaTime {
        let mut state = self.state();
        state.finished = true;
        self.closed.store(true, Relaxed);
        let left = state.waiting.len() as u64;
        state.waiting.clear();
        if !self.parts.decode {
            return state.timeline.end();
        }
        let reason = if stopped {
            UnitDrop::Shutdown
        } else if self.pictures.load(Relaxed) == 0 {
            UnitDrop::BeforeKeyframe
        } else {
            UnitDrop::Undecodable
        };
        self.parts.account.units_dropped(reason, left);
        state.timeline.end()
    }

    fn elapsed_ns(&self) -> i64 {
        i64::try_from((self.parts.clock.monotonic() - self.epoch).as_nanos()).unwrap_or(i64::MAX)
    }

    /// Watches RTP packets for the camera's clock.
    pub fn watch_packets(self: &Arc<Self>, pad: &gst::Pad) {
        let tap = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer()
                && let (Some(pts), Some(meta)) = (buffer.pts(), buffer.meta::<gst::ReferenceTimestampMeta>())
                && let Some(ntp) = unix_from_ntp(meta.timestamp())
            {
                tap.state().live_clock.sender_report(pts.nseconds() as i64, ntp);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Watches access units on their way to the decoder.
    pub fn watch_units(self: &Arc<Self>, pad: &gst::Pad) {
        let tap = Arc::clone(self);
        let kind = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kind, move |_, info| match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                tap.on_unit(buffer);
                if tap.is_closed() { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
            }
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    tap.on_unit_caps(caps.caps());
                    if let Some(packets) = &tap.parts.packets {
                        packets.format(caps.caps());
                    }
                }
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }

    fn on_unit_caps(&self, caps: &gst::CapsRef) {
        let Some(structure) = caps.structure(0) else { return };
        let side = |name: &str| i64::from(structure.get::<i32>(name).unwrap_or(0));
        let (width, height) = (side("width"), side("height"));
        if self.parts.decode && width * height > MOST_PIXELS {
            self.fail(
                Error::new(
                    ErrorKind::Unsupported,
                    format!("{}: pictures of {width}x{height} are too large", self.parts.settings.location),
                )
                .help("the limit is 4096x2304; use the camera's sub-stream"),
            );
            self.closed.store(true, Relaxed);
        }
        let mut state = self.state();
        state.tagged = structure.has_field("colorimetry");
        state.guard.caps(structure);
    }

    fn on_unit(&self, buffer: &mut gst::Buffer) {
        let arrived = self.parts.clock.monotonic();
        let arrived_ns = i64::try_from((arrived - self.epoch).as_nanos()).unwrap_or(i64::MAX);
        let mut state = self.state();
        if state.finished {
            return;
        }
        let first = self.units.fetch_add(1, Relaxed) == 0;
        let before = self.last_unit_ns.swap(arrived_ns, Relaxed);
        if !first {
            let usual = self.unit_interval_ns.load(Relaxed);
            self.unit_interval_ns.store(usual + (arrived_ns - before - usual) / 8, Relaxed);
        }
        if self.parts.decode {
            self.parts.account.unit_received();
            if state.cpu_mark.is_zero() {
                state.cpu_mark = thread_cpu();
            }
        }
        let index = state.unit_index;
        state.unit_index += 1;
        let mut stamp_ns = None;
        if let Some(fps) = self.parts.settings.assume_fps {
            let ns = (index as f64 * 1e9 / fps) as i64;
            stamp_ns = Some(ns);
            let stamp = gst::ClockTime::from_nseconds(ns.unsigned_abs());
            let buffer = buffer.make_mut();
            buffer.set_pts(stamp);
            buffer.set_dts(stamp);
        } else if self.live && buffer.pts().is_none() && buffer.dts().is_none() {
            // Motion JPEG over HTTP has no times: arrival is the best there is.
            buffer.make_mut().set_pts(gst::ClockTime::from_nseconds(arrived_ns.unsigned_abs()));
        } else if buffer.pts().is_none() && buffer.dts().is_none() {
            state.untimed += 1;
            if state.untimed == UNTIMED_PATIENCE {
                self.fail(
                    Error::new(
                        ErrorKind::Unsupported,
                        format!("{}: the stream carries no times", self.parts.settings.location),
                    )
                    .help("give its frame rate: `assume_fps: 25` in the pipeline file, or --assume-fps 25"),
                );
            }
        } else {
            state.untimed = 0;
        }
        let pts_ns = buffer.pts().or(buffer.dts()).map(|pts| pts.nseconds() as i64);
        if self.live
            && let Some(pts) = pts_ns
        {
            let now = self.parts.clock.utc();
            state.live_clock.arrival(pts, now);
        }
        let number = if self.parts.decode {
            let number = state.guard.unit(buffer);
            self.wait_for_picture(&mut state, Unit { number, pts_ns, stamp_ns, arrived });
            number
        } else {
            self.pictures.fetch_add(1, Relaxed);
            index + 1
        };
        let clock = StreamClock {
            run: self.parts.run,
            first_ns: pts_ns.map(|pts| *state.first_ns.get_or_insert(pts)),
            reported_ns: state.live_clock.reported_ns(),
            arrival_ns: state.live_clock.arrival_ns(),
        };
        let decode = self.parts.decode;
        let shown_ns = pts_ns.map(|pts| if decode { state.timeline.project(pts).0 } else { pts });
        drop(state);
        if let (Some(packets), Some(pts_ns), Some(shown_ns)) = (&self.parts.packets, pts_ns, shown_ns) {
            // Order and time of pictures are sure once they are decoded: AVI tells decoding times, bare streams none,
            // and those of a live stream waver with its packets.
            let settled = !decode;
            packets.push(&Arriving { buffer, run: self.parts.run, unit: number, pts_ns, shown_ns, settled, clock });
        }
    }

    /// Books an access unit that goes to the decoder.
    fn wait_for_picture(&self, state: &mut TapState, unit: Unit) {
        if state.waiting.len() == MOST_IN_DECODER {
            state.waiting.pop_front();
            let reason =
                if self.pictures.load(Relaxed) == 0 { UnitDrop::BeforeKeyframe } else { UnitDrop::Undecodable };
            self.parts.account.units_dropped(reason, 1);
        }
        state.waiting.push_back(unit);
    }

    /// Watches tags (rotation, date) that reach the appsink before the first picture.
    pub fn watch_tags(self: &Arc<Self>, pad: &gst::Pad) {
        let tap = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && let gst::EventView::Tag(tags) = event.view()
            {
                tap.on_tags(tags.tag());
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn on_tags(&self, tags: &gst::TagListRef) {
        let mut state = self.state();
        if self.parts.settings.rotate.is_none()
            && let Some(orientation) = tags.get::<gst::tags::ImageOrientation>()
        {
            let rotation = match orientation.get() {
                "rotate-90" => Rotation::Cw90,
                "rotate-180" => Rotation::Cw180,
                "rotate-270" => Rotation::Cw270,
                _ => Rotation::None,
            };
            state.rotation = Some(rotation);
            state.layout = None;
        }
        if state.recording_clock.source == TimeSource::Epoch
            && let Some(start) = tags.get::<gst::tags::DateTime>().and_then(|t| utc_of(&t.get()))
        {
            state.recording_clock = RecordingClock { start, source: TimeSource::Container };
        }
    }

    /// The appsink's callbacks.
    pub fn callbacks(self: &Arc<Self>) -> gst_app::AppSinkCallbacks {
        let tap = Arc::clone(self);
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                match tap.on_picture(&sample) {
                    Ok(true) => Ok(gst::FlowSuccess::Ok),
                    Ok(false) => {
                        tap.closed.store(true, Relaxed);
                        Err(gst::FlowError::Eos)
                    }
                    Err(error) => {
                        tap.fail(error);
                        Err(gst::FlowError::Error)
                    }
                }
            })
            .build()
    }

    /// Books one decoded picture and hands it out; false when nobody wants it.
    fn on_picture(&self, sample: &gst::Sample) -> Result<bool> {
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else { return Ok(true) };
        let frame = {
            let mut state = self.state();
            if state.finished {
                return Ok(false);
            }
            self.pictures.fetch_add(1, Relaxed);
            self.parts.account.frame_decoded();
            let (number, decision) = state.guard.picture(&buffer);
            let unit = state.claim(number);
            let unit_number = unit.as_ref().map(|unit| unit.number);
            let seq = state.seq;
            state.seq += 1;
            if let Decision::Drop(reason) = decision {
                tracing::debug!(camera = %self.parts.settings.camera, seq, reason, "damaged picture");
                None
            } else {
                let arrived = unit.as_ref().map_or_else(|| self.parts.clock.monotonic(), |unit| unit.arrived);
                let arrived_ns = i64::try_from((arrived - self.epoch).as_nanos()).unwrap_or(i64::MAX);
                let stamp_ns = unit.as_ref().and_then(|unit| unit.stamp_ns);
                let own_ns = buffer.pts().map(|pts| pts.nseconds() as i64);
                let pts_ns = stamp_ns.or(own_ns).or(unit.and_then(|unit| unit.pts_ns)).unwrap_or(arrived_ns);
                let place = state.timeline.place(pts_ns, arrived_ns);
                if let (Some(packets), Some(number)) = (&self.parts.packets, unit_number) {
                    packets.shown(number, place.at.0);
                }
                if let Some(jump) = place.jump_ns {
                    tracing::warn!(camera = %self.parts.settings.camera, jump_ms = jump / 1_000_000, "the stream's clock jumped");
                }
                let capture = if self.live {
                    state.live_clock.capture(pts_ns)
                } else {
                    state.recording_clock.capture(place.at, state.timeline.jumped())
                };
                let by_arrival =
                    state.live_clock.arrival_ns().map_or(capture.utc, |ns| Timestamp(pts_ns.saturating_add(ns)));
                let (info, layout) = state.layout(&caps, &self.parts.settings)?;
                Some(Frame {
                    run: self.parts.run,
                    seq: FrameSeq(seq),
                    at: place.at,
                    capture,
                    by_arrival,
                    arrived,
                    picture: Picture::new(buffer, info, layout),
                })
            }
        };
        let now = thread_cpu();
        {
            let mut state = self.state();
            self.parts.stages.add(Stage::Decode, now.saturating_sub(state.cpu_mark));
            state.cpu_mark = now;
        }
        let Some(frame) = frame else {
            self.parts.account.frame_dropped(FrameDrop::Corrupt);
            return Ok(true);
        };
        let wanted = (self.parts.outlet)(frame);
        self.state().cpu_mark = thread_cpu();
        Ok(wanted)
    }
}

impl TapState {
    /// Takes out the access unit of a decoded picture: by its number, else the oldest. For streams
    /// without times pictures come in display order, so each gets the smallest stamp there is.
    fn claim(&mut self, number: Option<u64>) -> Option<Unit> {
        let index = number.and_then(|n| self.waiting.iter().position(|unit| unit.number == n)).unwrap_or(0);
        let least = self.waiting.iter().filter_map(|unit| unit.stamp_ns).min();
        let mut unit = self.waiting.remove(index)?;
        if unit.stamp_ns != least
            && let Some(other) = self.waiting.iter_mut().find(|other| other.stamp_ns == least)
        {
            std::mem::swap(&mut other.stamp_ns, &mut unit.stamp_ns);
        }
        Some(unit)
    }

    fn layout(&mut self, caps: &gst::Caps, settings: &Settings) -> Result<(gst_video::VideoInfo, PictureLayout)> {
        if let Some((known, info, layout)) = &self.layout
            && known == caps
        {
            return Ok((info.clone(), *layout));
        }
        let info = gst_video::VideoInfo::from_caps(caps)
            .map_err(|e| Error::new(ErrorKind::Unsupported, format!("cannot read picture caps {caps}")).source(e))?;
        let layout = PictureLayout::from_info(
            &info,
            self.tagged,
            settings.matrix,
            settings.range,
            self.rotation.unwrap_or_default(),
        )?;
        self.layout = Some((caps.clone(), info.clone(), layout));
        Ok((info, layout))
    }
}

/// Seconds from the NTP epoch (1900) to the Unix epoch (RFC 5905 §6).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

fn unix_from_ntp(ntp: gst::ClockTime) -> Option<Timestamp> {
    let unix = ntp.nseconds().checked_sub(NTP_TO_UNIX_S * 1_000_000_000)?;
    i64::try_from(unix).ok().map(Timestamp)
}

fn utc_of(date: &gst::DateTime) -> Option<Timestamp> {
    let text = date.to_iso8601_string().ok()?;
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_string() };
    let at: Timestamp = text.parse().ok()?;
    // Recorders without a clock write the container's own epoch, 1904 or 1970.
    (at.0 > 86_400_000_000_000).then_some(at)
}
