//! The frame ring on loom: every interleaving of small programs keeps its invariants.
//!
//! The ring's source is included as it is; only its `sync` module is loom's.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

mod sync {
    pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
}

#[path = "../src/frame/ring.rs"]
#[allow(dead_code)]
mod ring;

use loom::thread;
use ring::{Inlet, InletOptions, Pushed, Ring, Take, WhenFull};

/// All interleavings with at most two preemptions (more takes minutes and has found nothing further).
fn model(program: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(program);
}

fn options(capacity: usize, permits: usize, when_full: WhenFull) -> InletOptions {
    InletOptions { capacity, permits, when_full }
}

/// A worker that takes until the ring ends; returns (ticket, item) pairs.
fn drain(ring: &Ring<u32>) -> Vec<(u64, u32)> {
    let (seat, mut seen) = (ring.seat(), Vec::new());
    while let Take::Item(taken) = seat.take(None) {
        seen.push((taken.ticket, taken.item));
    }
    seen
}

fn push_all(inlet: &Inlet<u32>, items: std::ops::Range<u32>) -> (Vec<u32>, Vec<u32>) {
    let (mut displaced, mut refused) = (Vec::new(), Vec::new());
    for item in items {
        match inlet.push(item) {
            Pushed::Stored => {}
            Pushed::Displaced(old) => displaced.push(old),
            Pushed::Refused(back) => refused.push(back),
        }
    }
    (displaced, refused)
}

#[test]
fn live_loses_only_the_oldest_and_says_which() {
    model(|| {
        let ring = Ring::new();
        let inlet = ring.inlet(options(1, 1, WhenFull::DropOldest));
        let worker = {
            let ring = ring.clone();
            thread::spawn(move || drain(&ring))
        };
        let (displaced, refused) = push_all(&inlet, 0..3);
        ring.shut_down();
        let taken = worker.join().unwrap();
        assert!(refused.is_empty());
        let mut all: Vec<u32> = taken.iter().map(|(_, item)| *item).chain(displaced).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2], "each item exactly once");
        assert!(taken.iter().map(|(_, item)| item).is_sorted(), "in order");
        assert!(taken.iter().enumerate().all(|(i, (ticket, _))| *ticket == i as u64), "tickets without gaps");
        assert_eq!(taken.last().map(|(_, item)| *item), Some(2), "the newest is never the one that is lost");
    });
}

#[test]
fn recorded_waits_and_loses_nothing() {
    model(|| {
        let ring = Ring::new();
        let inlet = ring.inlet(options(1, 1, WhenFull::Wait));
        let worker = {
            let ring = ring.clone();
            thread::spawn(move || drain(&ring))
        };
        let (displaced, refused) = push_all(&inlet, 0..2);
        inlet.wait_drained();
        ring.shut_down();
        assert_eq!(worker.join().unwrap(), [(0, 0), (1, 1)]);
        assert!(displaced.is_empty() && refused.is_empty());
    });
}

#[test]
fn closing_frees_a_waiting_pusher_and_hands_everything_back() {
    model(|| {
        let ring: Ring<u32> = Ring::new();
        let inlet = loom::sync::Arc::new(ring.inlet(options(1, 1, WhenFull::Wait)));
        let pusher = {
            let inlet = loom::sync::Arc::clone(&inlet);
            thread::spawn(move || push_all(&inlet, 0..2))
        };
        let left = inlet.close();
        let (_, refused) = pusher.join().unwrap();
        let mut all: Vec<u32> = left.into_iter().chain(refused).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1], "nothing vanished and nobody hangs");
    });
}

#[test]
fn a_permit_keeps_a_second_worker_off_until_it_returns() {
    model(|| {
        let ring = Ring::new();
        let inlet = ring.inlet(options(2, 1, WhenFull::DropOldest));
        push_all(&inlet, 0..2);
        let worker = {
            let ring = ring.clone();
            thread::spawn(move || match ring.seat().take(None) {
                Take::Item(taken) => taken.item,
                _ => panic!("there are two items"),
            })
        };
        let Take::Item(mine) = ring.seat().take(None) else { panic!("there are two items") };
        let item = mine.item;
        drop(mine);
        assert_eq!(worker.join().unwrap() + item, 1);
    });
}

#[test]
fn no_call_is_lost_between_two_workers() {
    model(|| {
        let ring = Ring::new();
        let inlet = ring.inlet(options(2, 2, WhenFull::DropOldest));
        // Each takes one item and goes: an item whose call was lost would be waited for for ever.
        let workers = [(), ()].map(|()| {
            let ring = ring.clone();
            thread::spawn(move || match ring.seat().take(None) {
                Take::Item(taken) => taken.item,
                _ => panic!("there is an item for each"),
            })
        });
        push_all(&inlet, 0..2);
        let mut all = workers.map(|worker| worker.join().unwrap());
        all.sort_unstable();
        assert_eq!(all, [0, 1]);
    });
}
