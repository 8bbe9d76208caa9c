//! When to dial again: a pure function of what happened.

use std::time::Duration;

use crate::base::ErrorKind;

/// Shortest pause after a dial that was answered and failed.
pub const FIRST: Duration = Duration::from_millis(500);
/// Longest pause.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A run that lived this long resets the back-off.
pub const GOOD_RUN: Duration = Duration::from_secs(60);
/// Pause after refused credentials: cameras lock accounts. One dial already tries them twice.
pub const AFTER_REFUSALS: Duration = Duration::from_secs(300);

/// What the supervisor does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Dial after this pause.
    Dial(Duration),
    /// Knock with a bare TCP connect until somebody answers, then dial.
    Knock,
    /// The credentials were refused too often: wait this long, or for a changed secret.
    WaitForSecret(Duration),
}

/// Back-off state of one camera.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
    /// Whether the last dial followed a knock that was answered.
    knocked: bool,
}

impl Backoff {
    /// A run ended after living for `lived`, with an error of this kind (`None`: the camera ended the
    /// stream). `jitter` is a number in 0..1 that spreads cameras which failed together.
    pub fn after(&mut self, lived: Duration, error: Option<ErrorKind>, jitter: f64) -> Next {
        if lived >= GOOD_RUN {
            self.failures = 0;
        }
        if error == Some(ErrorKind::Auth) {
            self.failures = 0;
            return Next::WaitForSecret(AFTER_REFUSALS);
        }
        // Where a knock is answered and the dial still is not, knocking on would dial without a pause.
        self.knocked = error == Some(ErrorKind::Unreachable) && !self.knocked;
        if self.knocked {
            return Next::Knock;
        }
        // A live stream that broke is dialled at once; only repeated failures wait.
        if lived > Duration::ZERO && self.failures == 0 {
            self.failures = 1;
            return Next::Dial(Duration::ZERO);
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        Next::Dial(pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(lived: Duration, error: Option<ErrorKind>, n: usize) -> Vec<Next> {
        let mut backoff = Backoff::default();
        (0..n).map(|_| backoff.after(lived, error, 0.5)).collect()
    }

    #[test]
    fn answered_failures_double_up_to_thirty_seconds() {
        let seconds: Vec<f64> = pauses(Duration::ZERO, Some(ErrorKind::Unsupported), 9)
            .into_iter()
            .map(|next| match next {
                Next::Dial(pause) => pause.as_secs_f64(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (jitter, expected) in [(0.0, 0.4), (1.0, 0.6)] {
            let next = Backoff::default().after(Duration::ZERO, None, jitter);
            assert_eq!(next, Next::Dial(Duration::from_secs_f64(expected)));
        }
    }

    #[test]
    fn refused_credentials_wait_for_minutes() {
        let wait = Next::WaitForSecret(AFTER_REFUSALS);
        assert_eq!(pauses(Duration::ZERO, Some(ErrorKind::Auth), 2), [wait, wait]);
    }

    #[test]
    fn a_camera_that_is_down_is_knocked_at() {
        let seconds = |s| Next::Dial(Duration::from_secs_f64(s));
        let next = pauses(Duration::ZERO, Some(ErrorKind::Unreachable), 6);
        assert_eq!(next, [Next::Knock, seconds(0.5), Next::Knock, seconds(1.0), Next::Knock, seconds(2.0)]);
    }

    #[test]
    fn a_stream_that_broke_is_dialled_at_once_but_not_for_ever() {
        let short = Duration::from_secs(2);
        let next = pauses(short, None, 3);
        assert_eq!(next[0], Next::Dial(Duration::ZERO));
        assert_eq!(next[1], Next::Dial(Duration::from_secs(1)));
        let mut backoff = Backoff::default();
        backoff.after(short, None, 0.5);
        assert_eq!(backoff.after(GOOD_RUN, None, 0.5), Next::Dial(Duration::ZERO));
    }
}
