//! Which of the waiting workers the frame ring calls: the one that began to wait last.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use vantage::frame::{InletOptions, Pushed, Ring, Take, WhenFull};

#[test]
fn the_last_to_wait_is_called_first() {
    let ring = Ring::new();
    let inlet = ring.inlet(InletOptions { capacity: 4, permits: 4, when_full: WhenFull::Wait });
    let (tell, told) = channel();
    let workers: Vec<JoinHandle<()>> = (0..3).map(|number| waiting_worker(&ring, number, tell.clone())).collect();
    for (item, expected) in [(7, 2), (8, 1), (9, 0)] {
        assert_eq!(inlet.push(item), Pushed::Stored);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), (expected, item));
    }
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

/// A worker that takes one item and tells its number with it. It sleeps at the ring when this returns.
fn waiting_worker(ring: &Ring<u32>, number: u32, tell: Sender<(u32, u32)>) -> JoinHandle<()> {
    let (seat, (id, thread_id)) = (ring.seat(), channel());
    let thread = std::thread::spawn(move || {
        id.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let Take::Item(taken) = seat.take(None) else { panic!("the ring ended") };
        tell.send((number, taken.item)).unwrap();
    });
    until_asleep(&thread_id);
    thread
}

/// Waits until the thread that sends its id sleeps: its lock is free, so it can only be at the ring.
fn until_asleep(thread_id: &Receiver<i32>) {
    let id = thread_id.recv().unwrap();
    let sleeps = || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('S')
    };
    while !sleeps() {
        std::thread::yield_now();
    }
}
