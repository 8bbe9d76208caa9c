//! Knocking at cameras that are down: bare TCP connects, few in all however many cameras vanished.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::{Clock, Stop};

/// Connects per second over all cameras of the process.
const PER_SECOND: u32 = 50;
/// How long one connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two knocks at one camera, before jitter.
const INTERVAL: Duration = Duration::from_millis(1500);

/// Shares out the process's connects.
#[derive(Debug, Default)]
pub struct Knocker(Mutex<Option<Instant>>);

impl Knocker {
    /// Knocks at `host:port` every 1 to 2 s until somebody answers (true) or the stop comes (false).
    /// `jitter` gives numbers in 0..1.
    pub fn wait_for(
        &self,
        host: &str,
        port: u16,
        clock: &dyn Clock,
        stop: &Stop,
        mut jitter: impl FnMut() -> f64,
    ) -> bool {
        loop {
            if stop.wait_timeout(self.turn(clock.monotonic())) {
                return false;
            }
            if answers(host, port) {
                return true;
            }
            if stop.wait_timeout(INTERVAL.mul_f64(2.0 / 3.0 + 2.0 / 3.0 * jitter().clamp(0.0, 1.0))) {
                return false;
            }
        }
    }

    /// Reserves the next free slot and says how far away it is.
    fn turn(&self, now: Instant) -> Duration {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = next.map_or(now, |at| at.max(now));
        *next = Some(slot + Duration::from_secs(1) / PER_SECOND);
        slot - now
    }
}

/// Whether somebody accepts a TCP connection there within a second.
pub fn answers(host: &str, port: u16) -> bool {
    let Ok(addresses) = (host, port).to_socket_addrs() else { return false };
    addresses.take(4).any(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::SystemClock;

    #[test]
    fn two_hundred_cameras_knock_at_most_fifty_times_a_second() {
        let knocker = Knocker::default();
        let now = SystemClock.monotonic();
        let last = (0..200).map(|_| knocker.turn(now)).max().unwrap();
        assert!(last >= Duration::from_millis(3900), "{last:?}");
        assert_eq!(knocker.turn(now + Duration::from_secs(10)), Duration::ZERO);
    }
}
