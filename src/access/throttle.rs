//! The login limit: after some wrong passwords, a growing wait for that user name and for that address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords that cost no wait.
const FREE: u32 = 5;
/// The first wait; it doubles with each further failure.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(900);
/// After so long without a failure all is forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// Names and addresses that are remembered; beyond it the oldest goes.
const MOST: usize = 10_000;

/// Counts failures by user name and by address.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<String, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// How long this login must wait, if it must.
    pub(super) fn wait(&self, user: &str, address: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |key: String| {
            let failures = known.get(&key).filter(|f| f.count >= FREE)?;
            let pause = FIRST.saturating_mul(1 << (failures.count - FREE).min(16)).min(LONGEST);
            pause.checked_sub(now.saturating_duration_since(failures.last)).filter(|left| !left.is_zero())
        };
        keys(user, address).into_iter().filter_map(left).max()
    }

    /// A wrong password.
    pub(super) fn failed(&self, user: &str, address: IpAddr, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, failures| now.saturating_duration_since(failures.last) < FORGET);
        for key in keys(user, address) {
            let failures = known.entry(key).or_insert(Failures { count: 0, last: now });
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        while known.len() > MOST {
            let Some(oldest) = known.iter().min_by_key(|(_, f)| f.last).map(|(key, _)| key.clone()) else { return };
            known.remove(&oldest);
        }
    }

    /// The right password: the user's failures are forgotten; those of the address count on.
    pub(super) fn succeeded(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&user_key(user));
    }
}

fn user_key(user: &str) -> String {
    format!("user {}", user.chars().take(64).collect::<String>())
}

fn keys(user: &str, address: IpAddr) -> [String; 2] {
    [user_key(user), format!("address {address}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::base::time::SystemClock;

    #[test]
    fn waits_grow_and_end() {
        let (throttle, here) = (Throttle::default(), IpAddr::from([10, 0, 0, 1]));
        let there = IpAddr::from([10, 0, 0, 2]);
        let now = SystemClock.monotonic();
        for _ in 0..FREE {
            assert_eq!(throttle.wait("an", here, now), None);
            throttle.failed("an", here, now);
        }
        assert_eq!(throttle.wait("an", here, now), Some(FIRST));
        assert_eq!(throttle.wait("an", there, now), Some(FIRST), "the user is guarded from anywhere");
        assert_eq!(throttle.wait("binh", here, now), Some(FIRST), "the address is held for any user");
        assert_eq!(throttle.wait("binh", there, now), None);
        assert_eq!(throttle.wait("an", here, now + FIRST), None);
        throttle.failed("an", here, now + FIRST);
        assert_eq!(throttle.wait("an", here, now + FIRST), Some(FIRST * 2));
        for _ in 0..40 {
            throttle.failed("an", here, now);
        }
        assert_eq!(throttle.wait("an", here, now), Some(LONGEST));
    }
}
