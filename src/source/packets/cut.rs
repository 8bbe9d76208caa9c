//! A cut: the packets of one clip, read while they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use super::stretch::Break;
use super::{LIVE_PATIENCE_NS, MOST_UNSETTLED, PacketRing, State};
use crate::base::RunId;
use crate::frame::WhenFull;
use crate::media::packet::{Format, Packet};

/// Pictures that a stream may reorder by (ITU-T H.264 A.3.1).
const MOST_REORDERED: usize = 16;

/// Where a cut begins.
#[derive(Debug, Clone)]
pub struct Cutting {
    /// The run of its event's frame.
    pub run: RunId,
    /// Its stretch.
    pub(super) stretch: u32,
    /// When its first picture is shown, nanoseconds on the packets' clock.
    pub first_ns: i64,
    /// When its event's frame is shown.
    pub event_ns: i64,
    /// What its packets share.
    pub format: Format,
}

/// How far a cut goes; shared by who knows the events and who reads the packets.
#[derive(Debug, Clone)]
pub struct Until(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    until_ns: AtomicI64,
    lost: AtomicBool,
}

impl Until {
    /// Moves the end; times are nanoseconds on the packets' clock.
    pub fn set(&self, until_ns: i64) {
        self.0.until_ns.store(until_ns, Relaxed);
    }

    /// Where the end is.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.until_ns.load(Relaxed)
    }

    /// Whether the reader has given up before that.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.lost.load(Relaxed)
    }
}

/// What a cut gives at one look.
#[derive(Debug, Default)]
pub struct Read {
    /// Packets in decoding order.
    pub packets: Vec<Packet>,
    /// Why no more come; `None` while more may.
    pub end: Option<CutEnd>,
}

/// Why a cut ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CutEnd {
    /// It is as long as was wanted.
    Complete,
    /// The stream broke.
    Broken(Break),
    /// The reader was so slow that packets had to go.
    Overrun,
}

/// The reading end of a cut. Dropped, it lets its packets go.
pub struct Cut {
    ring: Arc<PacketRing>,
    id: u64,
    cutting: Cutting,
    until: Until,
    /// Latest presentation times, for how deep the stream reorders.
    recent: Vec<i64>,
    depth: usize,
    /// Packets beyond the end that are only of use if one within it follows, which then refers to them.
    held: Vec<Packet>,
    /// Latest time given out.
    latest_ns: i64,
    ended: bool,
}

impl Cut {
    pub(super) fn new(ring: Arc<PacketRing>, id: u64, cutting: Cutting) -> Self {
        let shared = Shared { until_ns: AtomicI64::new(i64::MAX), lost: AtomicBool::new(false) };
        let until = Until(Arc::new(shared));
        let (recent, held) = (Vec::new(), Vec::new());
        Self { ring, id, cutting, until, recent, depth: 0, held, latest_ns: i64::MIN, ended: false }
    }

    /// Where it begins.
    #[must_use]
    pub fn cutting(&self) -> &Cutting {
        &self.cutting
    }

    /// How far it goes: without an end until that is set.
    #[must_use]
    pub fn until(&self) -> Until {
        self.until.clone()
    }

    /// What is there and was not given out yet. Never waits.
    pub fn read(&mut self) -> Read {
        let ring = Arc::clone(&self.ring);
        let mut state = ring.lock();
        let mut read = Read::default();
        let Some(reader) = state.cuts.iter().position(|reader| reader.id == self.id) else { return read };
        let mut next = state.cuts.get(reader).map_or(0, |reader| reader.next);
        let until_ns = self.until.get();
        self.release(until_ns, &mut read.packets);
        let lost = next < state.first;
        let mut satisfied = false;
        while let Some(kept) = usize::try_from(next - state.first.min(next)).ok().and_then(|at| state.kept.get(at)) {
            if lost || kept.stretch != self.cutting.stretch || !is_final(&state, kept.settled, kept.unit) {
                break;
            }
            let pts_ns = kept.packet.pts_ns;
            // Pictures shown before the first refer to what is not in the file.
            if pts_ns >= self.cutting.first_ns {
                if pts_ns > until_ns.max(self.latest_ns) && self.held.len() >= self.depth {
                    satisfied = true;
                    break;
                }
                self.note(pts_ns);
                self.held.push(kept.packet.clone());
                self.release(until_ns, &mut read.packets);
            }
            next += 1;
        }
        let at_end = !satisfied && next >= state.first + state.kept.len() as u64;
        let broke = state.stretches.ending(self.cutting.stretch);
        let foreign = state.kept.get(usize::try_from(next.saturating_sub(state.first)).unwrap_or(usize::MAX));
        let over = at_end || foreign.is_some_and(|kept| kept.stretch != self.cutting.stretch);
        read.end = match broke {
            _ if lost => Some(self.when_lost(until_ns)),
            _ if satisfied && self.is_passed(&state, until_ns) => Some(CutEnd::Complete),
            Some(why) if over => Some(CutEnd::Broken(why)),
            None if over && state.closed => Some(CutEnd::Broken(Break::End)),
            _ => None,
        };
        self.ended = matches!(read.end, Some(CutEnd::Complete | CutEnd::Broken(_)));
        if let Some(reader) = state.cuts.get_mut(reader) {
            reader.next = next;
            reader.idle = satisfied || read.end.is_some();
        }
        drop(state);
        ring.changed.notify_all();
        read
    }

    /// What was not given out had to go: no loss when it lay beyond the end.
    fn when_lost(&self, until_ns: i64) -> CutEnd {
        if self.latest_ns >= until_ns || !self.held.is_empty() {
            return CutEnd::Complete;
        }
        CutEnd::Overrun
    }

    /// Whether nobody can ask for more: analysis is past the end, or the stream is far beyond it.
    fn is_passed(&self, state: &State, until_ns: i64) -> bool {
        let observed = state.observed.is_some_and(|observed| observed >= (self.cutting.stretch, until_ns));
        let newest = state.kept.back().map_or(i64::MIN, |kept| kept.packet.pts_ns);
        let live = self.ring.options.when_full == WhenFull::DropOldest;
        observed || state.closed || live && newest > until_ns.saturating_add(LIVE_PATIENCE_NS)
    }

    /// Gives out what is held up to the last packet within the end: those before it are what it refers to. What is
    /// shown before the latest of them is within the end, too, so that no picture is missing in between.
    fn release(&mut self, until_ns: i64, packets: &mut Vec<Packet>) {
        let within = |goal: i64, packet: &Packet| packet.pts_ns <= goal;
        while let Some(last) = self.held.iter().rposition(|packet| within(until_ns.max(self.latest_ns), packet)) {
            for packet in self.held.drain(..=last) {
                self.latest_ns = self.latest_ns.max(packet.pts_ns);
                packets.push(packet);
            }
        }
    }

    fn note(&mut self, pts_ns: i64) {
        let later = self.recent.iter().filter(|pts| **pts > pts_ns).count();
        self.depth = self.depth.max(later);
        if self.recent.len() > MOST_REORDERED {
            self.recent.remove(0);
        }
        self.recent.push(pts_ns);
    }
}

/// Whether a packet's time will not change: it was said, or its picture will not come.
fn is_final(state: &State, settled: bool, unit: u64) -> bool {
    let newest = state.kept.back().map_or(0, |kept| kept.unit);
    settled || state.closed || state.stretches.is_between_runs() || newest.saturating_sub(unit) > MOST_UNSETTLED
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.ended {
            self.until.0.lost.store(true, Relaxed);
        }
        self.ring.lock().cuts.retain(|reader| reader.id != self.id);
        self.ring.changed.notify_all();
    }
}
