//! The ring of compressed pictures and the cuts from it: bounds, order, breaks, and the same packets every time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gstreamer as gst;
use proptest::prelude::*;
use vantage::base::{CaptureTime, MediaTime, RunId, TimeSource, Timestamp};
use vantage::frame::WhenFull;
use vantage::source::packets::{
    Arriving, Break, Cut, CutEnd, FrameTime, Link, NoCut, PacketRing, PacketsOptions, StreamClock,
};

const MS: i64 = 1_000_000;
const STEP: i64 = 40;

fn options(when_full: WhenFull) -> PacketsOptions {
    PacketsOptions { pre_roll: Duration::from_secs(1), max_bytes: 1 << 20, when_full, link: Link::Same }
}

fn ring(options: PacketsOptions) -> Arc<PacketRing> {
    gst::init().unwrap();
    let ring = Arc::new(PacketRing::new(options, Box::new(|| {})));
    ring.format(&caps(320));
    ring
}

fn caps(width: i32) -> gst::Caps {
    gst::Caps::builder("video/x-h264").field("width", width).field("height", 240).build()
}

/// One access unit: an IDR picture with its parameter sets, or one that needs others.
#[derive(Debug, Clone, Copy)]
struct Unit {
    ms: i64,
    key: bool,
    bytes: usize,
}

impl Unit {
    fn buffer(self) -> gst::Buffer {
        let head: &[u8] =
            if self.key { &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65] } else { &[0, 0, 1, 0x41] };
        gst::Buffer::from_slice([head, &vec![9; self.bytes]].concat())
    }
}

fn push(ring: &PacketRing, run: u32, number: u64, unit: Unit) {
    let run = RunId(run);
    let clock = StreamClock { run, first_ns: Some(0), ..StreamClock::default() };
    let buffer = unit.buffer();
    ring.push(&Arriving {
        buffer: &buffer,
        run,
        unit: number,
        pts_ns: unit.ms * MS,
        shown_ns: unit.ms * MS,
        settled: true,
        clock,
    });
}

fn at(run: u32, ms: i64) -> FrameTime {
    FrameTime {
        run: RunId(run),
        at: MediaTime(ms * MS),
        capture: CaptureTime { utc: Timestamp(ms * MS), source: TimeSource::Epoch, error_ns: None },
        by_arrival: Timestamp(ms * MS),
    }
}

/// `n` pictures with a keyframe every `gop`.
fn plain(n: i64, gop: i64, bytes: usize) -> Vec<Unit> {
    (0..n).map(|i| Unit { ms: i * STEP, key: i % gop == 0, bytes }).collect()
}

/// Times of what the cut gives until it ends or has no more, in ms.
fn drain(cut: &mut Cut) -> (Vec<i64>, Option<CutEnd>) {
    let read = cut.read();
    (read.packets.iter().map(|packet| packet.pts_ns / MS).collect(), read.end)
}

#[test]
fn a_cut_begins_at_the_keyframe_before_the_pre_roll_and_ends_after_its_time() {
    let ring = ring(options(WhenFull::Wait));
    let (mut cut, mut got) = (None, Vec::new());
    for (number, unit) in plain(150, 10, 100).into_iter().enumerate() {
        push(&ring, 0, number as u64, unit);
        if unit.ms == 3_000 {
            let begun = ring.begin(&at(0, 3_000)).unwrap();
            begun.until().set(4_000 * MS);
            cut = Some(begun);
        }
        ring.observed(&at(0, unit.ms));
        if let Some(cut) = &mut cut {
            let (times, end) = drain(cut);
            got.extend(times);
            assert!(end.is_none() || unit.ms == 4_040, "{end:?} at {}", unit.ms);
            if end.is_some() {
                assert_eq!(end, Some(CutEnd::Complete));
                break;
            }
        }
    }
    // 2000 is a keyframe (every 400 ms), and exactly the pre-roll.
    assert_eq!(got, (50..=100).map(|n| n * STEP).collect::<Vec<_>>());
}

#[test]
fn what_lies_before_the_pre_roll_goes_by_whole_groups() {
    let ring = ring(options(WhenFull::DropOldest));
    for (number, unit) in plain(500, 10, 1000).into_iter().enumerate() {
        push(&ring, 0, number as u64, unit);
        ring.observed(&at(0, unit.ms));
        // One second, and at most a group more on either side.
        assert!(ring.held_bytes() <= (25 + 10 + 1) * 1100, "{}", ring.held_bytes());
    }
    let mut cut = ring.begin(&at(0, 499 * STEP)).unwrap();
    assert_eq!(drain(&mut cut).0[0], 470 * STEP, "the last keyframe more than a second before");
}

#[test]
fn memory_is_bounded_whatever_comes() {
    for when_full in [WhenFull::DropOldest, WhenFull::Wait] {
        let small = PacketsOptions { max_bytes: 50_000, pre_roll: Duration::from_secs(60), ..options(when_full) };
        let kept = ring(small);
        for (number, unit) in plain(300, 10, 2_000).into_iter().enumerate() {
            push(&kept, 0, number as u64, unit);
            assert!(kept.held_bytes() <= 50_000, "{when_full:?}: {}", kept.held_bytes());
            if number % 7 == 0 {
                kept.observed(&at(0, unit.ms));
            }
        }
        assert!(kept.held_bytes() > 20_000, "and something is kept: {}", kept.held_bytes());
        // A group that does not fit leaves nothing to begin with.
        let endless = ring(small);
        for (number, unit) in plain(300, 1_000, 2_000).into_iter().enumerate() {
            push(&endless, 0, number as u64, unit);
            endless.observed(&at(0, unit.ms));
            assert!(endless.held_bytes() <= 50_000);
        }
        assert_eq!(endless.begin(&at(0, 299 * STEP)).err(), Some(NoCut::NoPackets));
    }
}

#[test]
fn a_live_reader_that_is_too_slow_loses_and_says_so_while_recorded_footage_waits_for_it() {
    let small = |when_full| PacketsOptions { max_bytes: 60_000, ..options(when_full) };
    let live = ring(small(WhenFull::DropOldest));
    let units = plain(200, 5, 2_000);
    push(&live, 0, 0, units[0]);
    let mut cut = live.begin(&at(0, 0)).unwrap();
    for (number, unit) in units.iter().enumerate().skip(1) {
        push(&live, 0, number as u64, *unit);
    }
    let until = cut.until();
    assert_eq!(drain(&mut cut).1, Some(CutEnd::Overrun));
    drop(cut);
    assert!(until.is_lost());

    let recorded = ring(small(WhenFull::Wait));
    push(&recorded, 0, 0, units[0]);
    let mut cut = recorded.begin(&at(0, 0)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let source = std::thread::spawn({
        let (ring, units, done) = (Arc::clone(&recorded), units.clone(), Arc::clone(&done));
        move || {
            for (number, unit) in units.iter().enumerate().skip(1) {
                push(&ring, 0, number as u64, *unit);
            }
            done.store(true, Ordering::SeqCst);
            ring.run_ended(Break::End);
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(!done.load(Ordering::SeqCst), "it waits for the reader");
    let mut got = Vec::new();
    let end = loop {
        let (times, end) = drain(&mut cut);
        got.extend(times);
        if let Some(end) = end {
            break end;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    source.join().unwrap();
    assert_eq!(end, CutEnd::Broken(Break::End));
    assert_eq!(got, units.iter().map(|unit| unit.ms).collect::<Vec<_>>(), "every packet");
}

#[test]
fn recorded_footage_does_not_wait_for_a_reader_that_has_all_it_wants() {
    let ring = ring(PacketsOptions { max_bytes: 60_000, ..options(WhenFull::Wait) });
    let units = plain(300, 5, 2_000);
    push(&ring, 0, 0, units[0]);
    let mut cut = ring.begin(&at(0, 0)).unwrap();
    cut.until().set(5 * STEP * MS);
    let mut got = Vec::new();
    for (number, unit) in units.iter().enumerate().skip(1) {
        // Would hang here.
        push(&ring, 0, number as u64, *unit);
        got.extend(drain(&mut cut).0);
    }
    assert_eq!(got, (0..=5).map(|n| n * STEP).collect::<Vec<_>>());
    ring.observed(&at(0, 299 * STEP));
    assert_eq!(drain(&mut cut).1, Some(CutEnd::Complete));
}

#[test]
fn a_cut_ends_where_the_stream_breaks_and_says_how() {
    type Breaker = fn(&PacketRing) -> Vec<Unit>;
    let cases: [(Break, Breaker); 4] = [
        (Break::Gap, |_| vec![Unit { ms: 60_000, key: true, bytes: 10 }]),
        (Break::Clock, |_| vec![Unit { ms: -60_000, key: true, bytes: 10 }]),
        (Break::Format, |ring| {
            ring.format(&caps(640));
            vec![Unit { ms: 25 * STEP, key: true, bytes: 10 }]
        }),
        (Break::Gap, |ring| {
            ring.run_ended(Break::Gap);
            Vec::new()
        }),
    ];
    for (why, breaker) in cases {
        let ring = ring(options(WhenFull::DropOldest));
        for (number, unit) in plain(25, 5, 100).into_iter().enumerate() {
            push(&ring, 0, number as u64, unit);
        }
        let mut cut = ring.begin(&at(0, 24 * STEP)).unwrap();
        cut.until().set(90_000 * MS);
        for (number, unit) in breaker(&ring).into_iter().enumerate() {
            push(&ring, 0, 25 + number as u64, unit);
        }
        let (times, end) = drain(&mut cut);
        assert_eq!(end, Some(CutEnd::Broken(why)));
        assert_eq!(times.last(), Some(&(24 * STEP)), "{why:?}");
    }
}

#[test]
fn a_stream_joined_in_the_middle_has_nothing_before_its_first_keyframe() {
    let ring = ring(options(WhenFull::DropOldest));
    for n in 0..10 {
        push(&ring, 0, n, Unit { ms: n as i64 * STEP, key: false, bytes: 10 });
    }
    assert_eq!(ring.held_bytes(), 0);
    assert_eq!(ring.begin(&at(0, 9 * STEP)).err(), Some(NoCut::NoPackets));
    push(&ring, 0, 10, Unit { ms: 10 * STEP, key: true, bytes: 10 });
    assert_eq!(ring.begin(&at(0, 9 * STEP)).err(), Some(NoCut::NoPackets), "the event was before it");
    assert!(ring.begin(&at(0, 10 * STEP)).is_ok());
    assert_eq!(ring.begin(&at(1, 10 * STEP)).err(), Some(NoCut::NoPackets), "another run");
}

#[test]
fn a_time_that_only_the_decoder_knows_is_waited_for() {
    let ring = ring(options(WhenFull::Wait));
    let clock = StreamClock::default();
    // Decoded I P B B, stamped in that order; shown I B B P.
    for (unit, stamp) in [(1, 0), (2, 40), (3, 80), (4, 120)] {
        let buffer = Unit { ms: 0, key: unit == 1, bytes: 10 }.buffer();
        ring.push(&Arriving {
            buffer: &buffer,
            run: RunId(0),
            unit,
            pts_ns: stamp * MS,
            shown_ns: stamp * MS,
            settled: false,
            clock,
        });
    }
    ring.shown(1, 0);
    let mut cut = ring.begin(&at(0, 0)).unwrap();
    assert_eq!(drain(&mut cut).0, [0]);
    ring.shown(3, 40 * MS);
    assert!(drain(&mut cut).0.is_empty(), "the second is not known yet");
    ring.shown(4, 80 * MS);
    ring.shown(2, 120 * MS);
    assert_eq!(drain(&mut cut).0, [120, 40, 80]);
}

/// A stream in decoding order: groups of the given sizes, each reference picture followed by `b` that are shown
/// before it.
fn reordered(groups: &[usize], b: usize) -> Vec<Unit> {
    let (mut units, mut shown) = (Vec::new(), 0);
    for group in groups {
        units.push(Unit { ms: shown * STEP, key: true, bytes: 300 });
        shown += 1;
        for _ in 0..*group {
            let reference = shown + b as i64;
            units.push(Unit { ms: reference * STEP, key: false, bytes: 200 });
            units.extend((shown..reference).map(|n| Unit { ms: n * STEP, key: false, bytes: 100 }));
            shown = reference + 1;
        }
    }
    units
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_packets_of_a_cut_follow_from_the_events_alone(
        groups in proptest::collection::vec(1_usize..12, 8..20),
        b in 0_usize..4,
        event in 0.2_f64..0.8,
        roll in 0_i64..40,
        ahead in proptest::collection::vec(1_usize..30, 2..4),
    ) {
        let units = reordered(&groups, b);
        let last = units.iter().map(|unit| unit.ms).max().unwrap();
        let event = (event * last as f64) as i64 / STEP * STEP;
        let until = event + roll * STEP;
        let run = |ahead: usize, read_every: usize| {
            let ring = ring(options(WhenFull::Wait));
            let (mut cut, mut got, mut end, mut pushed) = (None, Vec::new(), None, 0);
            for shown in 0..=last / STEP {
                // The source is ahead of analysis by some pictures, the reader looks now and then.
                let so_far = |pushed: usize| units[..pushed].iter().filter(|unit| unit.ms <= shown * STEP).count() as i64;
                while pushed < units.len() && (so_far(pushed) <= shown || pushed < shown as usize + ahead) {
                    push(&ring, 0, pushed as u64, units[pushed]);
                    pushed += 1;
                }
                if shown * STEP == event {
                    let begun = ring.begin(&at(0, event)).unwrap();
                    begun.until().set(until * MS);
                    cut = Some(begun);
                }
                ring.observed(&at(0, shown * STEP));
                if let Some(cut) = cut.as_mut().filter(|_| end.is_none() && (shown as usize).is_multiple_of(read_every)) {
                    let (times, ended) = drain(cut);
                    got.extend(times);
                    end = ended;
                }
            }
            ring.close();
            if end.is_none() {
                let (times, ended) = drain(cut.as_mut().unwrap());
                got.extend(times);
                end = ended;
            }
            (got, end)
        };
        let (got, end) = run(ahead[0], 1);
        prop_assert!(end.is_some());
        for ahead in &ahead[1..] {
            prop_assert_eq!(&run(*ahead, 5).0, &got);
        }
        // It begins with the keyframe, holds every picture from there to its end, and the event's.
        let keys: Vec<i64> = units.iter().filter(|unit| unit.key).map(|unit| unit.ms).collect();
        let first = keys.iter().rev().find(|key| **key <= event - 1_000).unwrap_or(&keys[0]);
        prop_assert_eq!(got[0], *first);
        let mut shown = got.clone();
        shown.sort_unstable();
        prop_assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == STEP), "a hole: {:?}", shown);
        prop_assert!(shown.contains(&event));
        let to = *shown.last().unwrap();
        prop_assert!(to >= until.min(last) && to <= until + b as i64 * STEP, "{} {} {}", to, until, last);
    }
}
