//! The last seconds of a camera's compressed pictures, for clips.
//!
//! The streaming thread [pushes](PacketRing::push) every access unit; the tail says how far analysis
//! [has come](PacketRing::observed) and [begins](PacketRing::begin) a [`Cut`] at an event; a clip's writer reads the
//! cut while it grows. Invariants:
//! - What is kept begins with an entry point and is dropped by whole groups of pictures, oldest first: those that no
//!   cut needs and that lie further than the pre-roll behind analysis. Never more than `max_bytes` are kept: live the
//!   oldest packets go even if a cut has not read them (it then ends there), recorded footage waits for its reader.
//! - Packets are numbered without gaps, and belong to one unbroken *stretch*: of one run, one format, one clock. A
//!   cut never leaves its stretch.
//! - For recorded footage the packets of a cut follow from the footage and the events alone, for groups are dropped
//!   by how far analysis has come and not by what was read ahead. (A stream whose packets between decoder and
//!   analysis alone exceed `max_bytes` is the exception.)

mod cut;
mod link;
mod stretch;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;

pub use self::cut::{Cut, CutEnd, Cutting, Read, Until};
pub use self::link::{FrameTime, Link, StreamClock};
pub use self::stretch::Break;
use self::stretch::Stretches;
use crate::base::RunId;
use crate::frame::WhenFull;
use crate::media::packet::{Head, Packet};

/// Share of `max_bytes` that the pre-roll may take; the rest is for packets that wait for analysis or a writer.
const PRE_ROLL_SHARE: f64 = 0.75;
/// Packets without a final time are given up on after so many: no decoder holds back more.
const MOST_UNSETTLED: u64 = 40;
/// A live cut ends when the stream is so far beyond it, wherever analysis stands.
const LIVE_PATIENCE_NS: i64 = 10_000_000_000;
/// How far a second recording is read ahead of analysis.
const READ_AHEAD_NS: i64 = 2_000_000_000;
/// How long an event of recorded footage waits for the second recording.
const REACH_PATIENCE: Duration = Duration::from_secs(5);
/// How often those who wait look again.
const TICK: Duration = Duration::from_millis(20);

/// How much is kept, and what happens beyond.
#[derive(Debug, Clone, Copy)]
pub struct PacketsOptions {
    /// How far before an event a cut begins, at least, where there is that much.
    pub pre_roll: Duration,
    /// Most memory.
    pub max_bytes: usize,
    /// What a full ring does while a cut has not read it.
    pub when_full: WhenFull,
    /// How the packets' times relate to those of the analysed frames.
    pub link: Link,
}

/// One camera's packets. See the module.
pub struct PacketRing {
    options: PacketsOptions,
    state: Mutex<State>,
    /// Somebody who waits should look again.
    changed: Condvar,
    /// Asks the reader of cuts to look at once.
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State {
    kept: VecDeque<Kept>,
    /// Number of the first one kept.
    first: u64,
    bytes: usize,
    stretches: Stretches,
    clock: StreamClock,
    /// How far analysis has come: a stretch and a time in it.
    observed: Option<(u32, i64)>,
    /// Up to where a second recording may be read, nanoseconds on its clock.
    wanted_ns: i64,
    cuts: Vec<Reader>,
    next_cut: u64,
    /// Nobody waits any more.
    released: bool,
    closed: bool,
}

struct Kept {
    packet: Packet,
    /// What the decoder's guard calls it; 0 without a decoder.
    unit: u64,
    stretch: u32,
    /// Whether its time is final.
    settled: bool,
}

struct Reader {
    id: u64,
    next: u64,
    /// It has all that is wanted so far.
    idle: bool,
}

/// An access unit on its way into the ring.
pub struct Arriving<'a> {
    /// The access unit.
    pub buffer: &'a gst::Buffer,
    /// The run that it belongs to.
    pub run: RunId,
    /// Its number in the run, with which [`PacketRing::shown`] names it again.
    pub unit: u64,
    /// Its time on the run's clock, nanoseconds.
    pub pts_ns: i64,
    /// When it is shown, nanoseconds on the packets' clock: the camera's timeline where the stream is analysed, else
    /// the run's own.
    pub shown_ns: i64,
    /// Whether that is final; otherwise [`PacketRing::shown`] says it.
    pub settled: bool,
    /// Its clocks.
    pub clock: StreamClock,
}

impl PacketRing {
    /// An empty ring. `wake` is called, on any thread, when a reader of cuts should look at once; it must be quick.
    #[must_use]
    pub fn new(options: PacketsOptions, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let state = State {
            kept: VecDeque::new(),
            first: 0,
            bytes: 0,
            stretches: Stretches::default(),
            clock: StreamClock::default(),
            observed: None,
            wanted_ns: i64::MIN,
            cuts: Vec::new(),
            next_cut: 0,
            released: false,
            closed: false,
        };
        Self { options, state: Mutex::new(state), changed: Condvar::new(), wake }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Memory kept now, bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The stream has this format from now on.
    pub fn format(&self, caps: &gst::CapsRef) {
        self.lock().stretches.format(caps);
    }

    /// Keeps an access unit. Waits only for recorded footage, and only while a reader is behind.
    pub fn push(&self, arriving: &Arriving<'_>) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let Some(codec) = state.stretches.codec() else { return };
        let flagged = !arriving.buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let head = match arriving.buffer.map_readable() {
            Ok(bytes) => Head::read(codec, &bytes, flagged),
            Err(_) => return,
        };
        let stretch = state.stretches.place(arriving.run, arriving.pts_ns, &head);
        state.clock = arriving.clock;
        let begun = state.kept.back().is_some_and(|last| last.stretch == stretch);
        if !begun && !head.entry {
            return; // a stretch begins with an entry point
        }
        let packet = Packet::new(arriving.buffer, arriving.shown_ns, &head);
        state = self.make_room(state, packet.held_bytes(), arriving.shown_ns);
        if state.kept.is_empty() && !head.entry {
            return; // its group had to go
        }
        state.bytes += packet.held_bytes();
        state.kept.push_back(Kept { packet, unit: arriving.unit, stretch, settled: arriving.settled });
        drop(state);
        self.changed.notify_all();
    }

    fn make_room<'a>(&'a self, mut state: MutexGuard<'a, State>, bytes: usize, pts_ns: i64) -> MutexGuard<'a, State> {
        if self.options.link == Link::Recorded {
            let start = state.clock.first_ns.unwrap_or(pts_ns).saturating_add(READ_AHEAD_NS);
            while pts_ns > state.wanted_ns.max(start) && !state.released {
                state = self.wait(state);
            }
        }
        while state.bytes + bytes > self.options.max_bytes && !state.kept.is_empty() {
            let group_end = state.first + state.group_length() as u64;
            let behind = state.cuts.iter().any(|cut| cut.next < group_end && !cut.idle);
            if behind && self.options.when_full == WhenFull::Wait && !state.released {
                (self.wake)();
                state = self.wait(state);
            } else {
                state.drop_group();
            }
        }
        state
    }

    /// The access unit `unit` of the run in progress is shown at this time. Counts where it was not known before.
    pub fn shown(&self, unit: u64, pts_ns: i64) {
        let mut state = self.lock();
        let kept = state.kept.iter_mut().rev().find(|kept| kept.unit == unit);
        if let Some(kept) = kept.filter(|kept| !kept.settled) {
            kept.packet.pts_ns = pts_ns;
            kept.settled = true;
        }
    }

    /// The run is over: what comes next is another stretch.
    pub fn run_ended(&self, why: Break) {
        self.lock().stretches.end_run(why);
        self.changed.notify_all();
        (self.wake)();
    }

    /// Analysis has come as far as this frame, its events included: what lies further behind than the pre-roll goes.
    pub fn observed(&self, at: &FrameTime) {
        let mut state = self.lock();
        let Some(target) = self.options.link.target(at, &state.clock) else { return };
        state.want(target.pts_ns);
        let Some(stretch) = state.stretch_of(target) else { return };
        state.observed = Some((stretch, target.pts_ns));
        let soft = (self.options.max_bytes as f64 * PRE_ROLL_SHARE) as usize;
        state.trim(stretch, target.pts_ns, nanos(self.options.pre_roll), soft);
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody waits from now on: the camera is told to stop.
    pub fn release(&self) {
        self.lock().released = true;
        self.changed.notify_all();
        (self.wake)();
    }

    /// No packet comes any more and no event: cuts end with what is there.
    pub fn close(&self) {
        let mut state = self.lock();
        state.released = true;
        state.closed = true;
        drop(state);
        self.changed.notify_all();
        (self.wake)();
    }

    /// Begins a cut for the event that this frame raised: at the last entry point before the pre-roll, or the
    /// earliest there is.
    ///
    /// # Errors
    /// Why there is nothing to cut from.
    pub fn begin(self: &Arc<Self>, at: &FrameTime) -> Result<Cut, NoCut> {
        self.begin_before(at, self.options.pre_roll)
    }

    /// Begins a cut for somebody who watches: at the last entry point before the frame, without pre-roll.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn follow(self: &Arc<Self>, at: &FrameTime) -> Result<Cut, NoCut> {
        self.begin_before(at, Duration::ZERO)
    }

    fn begin_before(self: &Arc<Self>, at: &FrameTime, pre_roll: Duration) -> Result<Cut, NoCut> {
        let mut state = self.lock();
        if self.options.link == Link::Recorded {
            state = self.reach(state, at);
        }
        let target = self.options.link.target(at, &state.clock).ok_or(NoCut::NoPackets)?;
        let stretch = state.stretch_of(target).ok_or(NoCut::NoPackets)?;
        let wanted = target.pts_ns.saturating_sub(nanos(pre_roll));
        let entries = || state.kept.iter().enumerate().filter(|(_, k)| k.stretch == stretch && k.packet.entry);
        let before = |limit: i64| entries().take_while(move |(_, kept)| kept.packet.pts_ns <= limit).last();
        let (index, first) = before(wanted)
            .or_else(|| entries().find(|(_, kept)| kept.packet.pts_ns <= target.pts_ns))
            .ok_or(NoCut::NoKeyframe)?;
        let first_ns = first.packet.pts_ns;
        let format = state.stretches.format_of(stretch).ok_or(NoCut::NoPackets)?;
        let (id, next) = (state.next_cut, state.first + index as u64);
        state.next_cut += 1;
        state.cuts.push(Reader { id, next, idle: false });
        drop(state);
        let cutting = Cutting { run: at.run, stretch, first_ns, event_ns: target.pts_ns, format };
        Ok(Cut::new(Arc::clone(self), id, cutting))
    }

    /// Where the frame lies on the clock of the packets; `None` outside of the stretch of `cutting`.
    #[must_use]
    pub fn place(&self, at: &FrameTime, cutting: &Cutting) -> Option<i64> {
        let state = self.lock();
        let target = self.options.link.target(at, &state.clock)?;
        (cutting.run == at.run && state.stretch_of(target) == Some(cutting.stretch)).then_some(target.pts_ns)
    }

    /// Waits until the second recording was read up to the frame.
    fn reach<'a>(&'a self, mut state: MutexGuard<'a, State>, at: &FrameTime) -> MutexGuard<'a, State> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(target) = self.options.link.target(at, &state.clock) {
                state.want(target.pts_ns);
                if state.kept.back().is_some_and(|last| last.packet.pts_ns >= target.pts_ns) {
                    return state;
                }
            }
            if state.released || state.stretches.is_between_runs() || waited > REACH_PATIENCE {
                return state;
            }
            self.changed.notify_all();
            state = self.wait(state);
            waited += TICK;
        }
    }
}

/// Why an event has no clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoCut {
    /// No packet of the event's time is there: the stream is down, or its clock is not known yet.
    NoPackets,
    /// There are packets but no keyframe before the event.
    NoKeyframe,
}

impl State {
    fn want(&mut self, pts_ns: i64) {
        self.wanted_ns = self.wanted_ns.max(pts_ns.saturating_add(READ_AHEAD_NS));
    }

    /// The stretch of a time: of the packet shown then, or of the last one before it.
    fn stretch_of(&self, target: link::Target) -> Option<u32> {
        let of_run = || {
            let fits = |kept: &&Kept| self.stretches.run_of(kept.stretch) == Some(target.run);
            self.kept.iter().rev().filter(fits)
        };
        let exact = of_run().find(|kept| kept.packet.pts_ns == target.pts_ns);
        let near = || of_run().find(|kept| kept.packet.pts_ns <= target.pts_ns);
        exact.or_else(near).map(|kept| kept.stretch)
    }

    /// Packets of the oldest group: up to the next entry point.
    fn group_length(&self) -> usize {
        let next = self.kept.iter().enumerate().skip(1).find(|(_, kept)| kept.packet.entry);
        next.map_or(self.kept.len(), |(index, _)| index)
    }

    fn drop_group(&mut self) {
        for _ in 0..self.group_length() {
            let Some(gone) = self.kept.pop_front() else { return };
            self.bytes -= gone.packet.held_bytes();
            self.first += 1;
        }
        let stretch = self.kept.front().map(|kept| kept.stretch);
        self.stretches.forget_before(stretch);
    }

    /// Drops the groups that neither the pre-roll nor a cut needs.
    fn trim(&mut self, stretch: u32, pts_ns: i64, pre_roll_ns: i64, soft_bytes: usize) {
        loop {
            let length = self.group_length();
            let pinned = self.cuts.iter().any(|cut| cut.next < self.first + length as u64);
            let Some(next) = self.kept.get(length).filter(|_| !pinned) else { return };
            let seen = |kept: &Kept| (kept.stretch, kept.packet.pts_ns) <= (stretch, pts_ns);
            if !seen(next) {
                return;
            }
            let bytes = || self.kept.iter().filter(|k| seen(k)).map(|k| k.packet.held_bytes()).sum::<usize>();
            let over = self.bytes > soft_bytes && bytes() > soft_bytes;
            let of_stretch = self.kept.front().is_some_and(|kept| kept.stretch == stretch);
            let in_pre_roll = of_stretch && next.packet.pts_ns > pts_ns.saturating_sub(pre_roll_ns);
            if in_pre_roll && !over {
                return;
            }
            self.drop_group();
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
