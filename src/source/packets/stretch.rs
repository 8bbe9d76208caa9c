//! Unbroken stretches of a stream: one run, one format, one clock. A file holds packets of one of them.

use std::collections::VecDeque;

use gstreamer as gst;

use crate::base::RunId;
use crate::media::Codec;
use crate::media::packet::{Format, Head};

/// A pause or a fall of the clock of less than this is none.
const LEAST_BREAK_NS: i64 = 2_000_000_000;
/// Usual intervals that make a pause, and a fall (pictures are reordered by at most 16).
const PAUSE_INTERVALS: i64 = 8;
const FALL_INTERVALS: i64 = 20;

/// Why a stretch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Break {
    /// The connection was lost, or nothing came for a while.
    Gap,
    /// Codec, size or parameter sets changed.
    Format,
    /// The stream's clock leapt back.
    Clock,
    /// The footage is over, or the camera was stopped.
    End,
}

/// The stretches of the packets kept, and the one that goes on.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    all: VecDeque<Stretch>,
    next: u32,
    /// What the parser said last, with the codec.
    format: Option<Format>,
    latest_ns: Option<i64>,
    usual_ns: i64,
    between_runs: bool,
}

#[derive(Debug)]
struct Stretch {
    id: u32,
    run: RunId,
    format: Format,
    ended: Option<Break>,
}

impl Stretches {
    /// The stream has this format from now on.
    pub(super) fn format(&mut self, caps: &gst::CapsRef) {
        self.format = Format::of_caps(caps);
    }

    /// The codec now.
    pub(super) fn codec(&self) -> Option<&'static Codec> {
        self.format.as_ref().map(|format| format.codec)
    }

    /// The stretch of the next access unit.
    pub(super) fn place(&mut self, run: RunId, pts_ns: i64, head: &Head) -> u32 {
        let ahead = self.latest_ns.map_or(0, |latest| pts_ns - latest);
        let broken = self.is_broken(run, pts_ns, head);
        if ahead > 0 {
            self.usual_ns = match (self.usual_ns, broken) {
                (0, _) => ahead,
                (usual, None) => usual + (ahead - usual) / 8,
                // One pause is no rhythm, or the next fall of the clock would look small; several are.
                (usual, Some(_)) => ahead.min(usual * 2),
            };
        }
        if broken.is_none()
            && let Some(stretch) = self.all.back_mut()
        {
            self.latest_ns = self.latest_ns.max(Some(pts_ns));
            if stretch.format.sets.is_empty() {
                stretch.format.sets.clone_from(&head.sets);
            }
            return stretch.id;
        }
        if let (Some(last), Some(why)) = (self.all.back_mut(), broken) {
            last.ended.get_or_insert(why);
        }
        let id = self.next;
        self.next += 1;
        self.between_runs = false;
        self.latest_ns = Some(pts_ns);
        if let Some(format) = &self.format {
            // Within a run parameter sets hold until others come.
            let before = self.all.back().filter(|last| last.run == run && head.sets.is_empty());
            let sets = before.map_or_else(|| head.sets.clone(), |last| last.format.sets.clone());
            self.all.push_back(Stretch { id, run, format: Format { sets, ..format.clone() }, ended: None });
        }
        id
    }

    /// Why the next access unit cannot follow the one before.
    fn is_broken(&self, run: RunId, pts_ns: i64, head: &Head) -> Option<Break> {
        let current = self.all.back()?;
        if self.between_runs || current.run != run {
            return Some(Break::Gap);
        }
        let sets = &current.format.sets;
        let other_sets = !head.sets.is_empty() && !sets.is_empty() && carries_sps(head, sets) && head.sets != *sets;
        let other_caps = self.format.as_ref().is_some_and(|format| !current.format.continues_as(&format.caps));
        if other_sets || other_caps {
            return Some(Break::Format);
        }
        let ahead = pts_ns - self.latest_ns?;
        let limit = |intervals: i64| LEAST_BREAK_NS.max(self.usual_ns.saturating_mul(intervals));
        if ahead > limit(PAUSE_INTERVALS) {
            return Some(Break::Gap);
        }
        (ahead < -limit(FALL_INTERVALS)).then_some(Break::Clock)
    }

    /// The run is over.
    pub(super) fn end_run(&mut self, why: Break) {
        self.between_runs = true;
        if let Some(last) = self.all.back_mut() {
            last.ended.get_or_insert(why);
        }
    }

    /// Whether one run has ended and no packet of the next has come.
    pub(super) fn is_between_runs(&self) -> bool {
        self.between_runs
    }

    /// The stretches before this one are of no interest; all are without it, except for the last.
    pub(super) fn forget_before(&mut self, id: Option<u32>) {
        while self.all.len() > 1 && self.all.front().is_some_and(|first| id.is_none_or(|id| first.id < id)) {
            self.all.pop_front();
        }
    }

    pub(super) fn run_of(&self, id: u32) -> Option<RunId> {
        self.find(id).map(|stretch| stretch.run)
    }

    pub(super) fn format_of(&self, id: u32) -> Option<Format> {
        self.find(id).map(|stretch| stretch.format.clone())
    }

    /// Why a stretch ended; `None` while it goes on.
    pub(super) fn ending(&self, id: u32) -> Option<Break> {
        match self.find(id) {
            Some(stretch) => stretch.ended,
            None => Some(Break::Gap),
        }
    }

    fn find(&self, id: u32) -> Option<&Stretch> {
        self.all.iter().find(|stretch| stretch.id == id)
    }
}

/// Whether `head` has at least as many parameter sets as those known: a lone picture parameter set is an addition
/// that the pictures themselves carry along.
fn carries_sps(head: &Head, known: &[u8]) -> bool {
    let count = |sets: &[u8]| sets.windows(4).filter(|window| *window == [0, 0, 0, 1]).count();
    count(&head.sets) >= count(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn caps(width: i32) -> gst::Caps {
        gst::Caps::builder("video/x-h264").field("width", width).field("height", 240).build()
    }

    fn stretches() -> Stretches {
        gst::init().unwrap();
        let mut stretches = Stretches::default();
        stretches.format(&caps(320));
        stretches
    }

    fn head(sets: &[u8]) -> Head {
        Head { entry: true, sets: [&[0, 0, 0, 1], sets].concat() }
    }

    #[test]
    fn a_stretch_goes_on_until_something_breaks_it() {
        let mut all = stretches();
        let bare = Head::default();
        let mut place = |run, ms: i64, head: &Head| all.place(RunId(run), ms * MS, head);
        assert_eq!(place(0, 0, &head(&[0x67, 1])), 0);
        for ms in [120, 40, 80, 240, 160, 200] {
            assert_eq!(place(0, ms, &bare), 0, "reordered pictures break nothing");
        }
        assert_eq!(place(0, 280, &head(&[0x67, 1])), 0, "the same sets again");
        assert_eq!(place(0, 320, &head(&[0x67, 2])), 1, "other sets");
        assert_eq!(place(0, 6_000, &bare), 2, "a pause");
        assert_eq!(place(0, 1_000, &bare), 3, "a clock that falls back");
        assert_eq!(place(1, 1_040, &bare), 4, "another run");
        for (id, why) in [(0, Break::Format), (1, Break::Gap), (2, Break::Clock), (3, Break::Gap)] {
            assert_eq!(all.ending(id), Some(why), "{id}");
        }
        assert_eq!(all.ending(4), None);
    }

    #[test]
    fn another_size_is_another_stretch_and_a_slow_stream_is_none() {
        let mut all = stretches();
        let bare = Head::default();
        for n in 0..4 {
            // The first interval of five seconds looks like a pause; then it is the rhythm.
            assert_eq!(all.place(RunId(0), n * 5_000 * MS, &bare), u32::from(n > 0));
        }
        all.format(&caps(640));
        assert_eq!(all.place(RunId(0), 20_000 * MS, &bare), 2);
        assert_eq!(all.ending(1), Some(Break::Format));
    }

    #[test]
    fn the_end_of_a_run_ends_its_stretch_at_once() {
        let mut all = stretches();
        let bare = Head::default();
        all.place(RunId(0), 0, &bare);
        all.end_run(Break::End);
        assert_eq!(all.ending(0), Some(Break::End));
        assert!(all.is_between_runs());
        assert_eq!(all.place(RunId(0), 40 * MS, &bare), 1, "even if the next is called the same");
        assert!(!all.is_between_runs());
    }
}
