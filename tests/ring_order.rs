//! Which of the waiting workers the frame ring calls: the one that began to wait last.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use vantage::frame::{InletOptions, Pushed, Ring, Seat, Take, Taken, WhenFull};

#[test]
fn the_last_to_wait_is_called_first() {
    let ring = Ring::new();
    let inlet = ring.inlet(InletOptions { capacity: 4, permits: 4, when_full: WhenFull::Wait });
    let (tell, told) = channel();
    let workers: Vec<JoinHandle<()>> = (0..3).map(|number| waiting_worker(&ring, number, tell.clone())).collect();
    for (item, expected) in [(7, 2), (8, 1), (9, 0)] {
        assert_eq!(inlet.push(item), Pushed::Stored);
        let (number, taken) = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((number, taken.item), (expected, item));
    }
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

#[test]
fn a_permit_returned_while_the_called_one_wakes_calls_nobody_else() {
    for _ in 0..200 {
        let ring = Ring::new();
        let inlet = ring.inlet(InletOptions { capacity: 4, permits: 4, when_full: WhenFull::Wait });
        let (tell, told) = channel();
        let workers: Vec<JoinHandle<()>> = (0..3).map(|number| waiting_worker(&ring, number, tell.clone())).collect();
        let mut in_hand = None;
        for expected in [2, 1, 0] {
            assert_eq!(inlet.push(expected), Pushed::Stored);
            drop(in_hand.take());
            let (number, taken) = told.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(number, expected);
            in_hand = Some(taken);
        }
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}

#[test]
fn with_little_to_do_one_worker_does_it_all() {
    let ring = Ring::new();
    let inlet = ring.inlet(InletOptions { capacity: 4, permits: 1, when_full: WhenFull::Wait });
    let (tell, told) = channel();
    let workers: Vec<JoinHandle<()>> = (0..2).map(|number| lasting_worker(&ring, number, tell.clone())).collect();
    for item in 0..20 {
        assert_eq!(inlet.push(item), Pushed::Stored);
        let (number, thread) = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(number, 1, "the return of a permit calls nobody when nothing waits");
        until_asleep(thread);
    }
    ring.shut_down();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

/// A worker that takes one item and hands it over with its number. It sleeps at the ring when this returns.
fn waiting_worker(ring: &Ring<u32>, number: u32, tell: Sender<(u32, Taken<u32>)>) -> JoinHandle<()> {
    at_the_ring(ring, move |seat, _| {
        let Take::Item(taken) = seat.take(None) else { panic!("the ring ended") };
        tell.send((number, taken)).unwrap();
    })
}

/// A worker that takes until the ring ends and tells its number and thread for each item, its permit returned.
fn lasting_worker(ring: &Ring<u32>, number: u32, tell: Sender<(u32, i32)>) -> JoinHandle<()> {
    at_the_ring(ring, move |seat, thread| {
        while let Take::Item(taken) = seat.take(None) {
            drop(taken);
            tell.send((number, thread)).unwrap();
        }
    })
}

/// Starts a worker and returns when it sleeps at the ring.
fn at_the_ring(ring: &Ring<u32>, work: impl FnOnce(&Seat<u32>, i32) + Send + 'static) -> JoinHandle<()> {
    let (seat, (begun, began)) = (ring.seat(), channel());
    let thread = std::thread::spawn(move || {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        begun.send(id).unwrap();
        work(&seat, id);
    });
    until_asleep(began.recv().unwrap());
    thread
}

/// Waits until that thread sleeps: nobody holds a lock for long, so it can only be at the ring.
fn until_asleep(thread: i32) {
    let sleeps = || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('S')
    };
    while !sleeps() {
        std::thread::yield_now();
    }
}
