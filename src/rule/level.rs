//! A condition of an area as a whole that begins and ends slowly: high for a time, then low for a time.

use std::time::Duration;

use crate::base::MediaTime;

/// What a step changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has been high long enough, since then.
    Begins(MediaTime),
    /// It has been low long enough, since then.
    Ends(MediaTime),
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Level {
    rise: Duration,
    /// How long it may be lower while it rises.
    dip: Duration,
    fall: Duration,
    high: bool,
    /// Since when it is above the upper threshold, dips aside; once it is high, since when it rose.
    since: Option<MediaTime>,
    last_above: MediaTime,
    below_since: Option<MediaTime>,
}

impl Level {
    pub(super) fn new(rise: Duration, dip: Duration, fall: Duration) -> Self {
        Self { rise, dip, fall, high: false, since: None, last_above: MediaTime::default(), below_since: None }
    }

    /// Takes in whether the value is above the upper threshold, and whether it is below the lower one.
    pub(super) fn step(&mut self, at: MediaTime, above: bool, below: bool) -> Turn {
        if self.high {
            if !below {
                self.below_since = None;
                return Turn::Nothing;
            }
            let since = *self.below_since.get_or_insert(at);
            if at.since(since) < self.fall {
                return Turn::Nothing;
            }
            self.reset();
            return Turn::Ends(since);
        }
        if !above {
            if self.since.is_some() && at.since(self.last_above) > self.dip {
                self.since = None;
            }
            return Turn::Nothing;
        }
        self.last_above = at;
        let since = *self.since.get_or_insert(at);
        if at.since(since) < self.rise {
            return Turn::Nothing;
        }
        self.high = true;
        Turn::Begins(since)
    }

    /// Since when it has risen, while it is high.
    pub(super) fn high_since(&self) -> Option<MediaTime> {
        self.since.filter(|_| self.high)
    }

    /// For how long it has been above.
    pub(super) fn lasted(&self, at: MediaTime) -> Duration {
        self.since.map_or(Duration::ZERO, |since| at.since(since))
    }

    pub(super) fn reset(&mut self) {
        (self.high, self.since, self.below_since) = (false, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value a second: `#` above, `-` between the thresholds, `.` below.
    fn turns(pattern: &str) -> String {
        let second = Duration::from_secs;
        let mut level = Level::new(second(3), second(1), second(2));
        let mut told = String::new();
        for (n, value) in pattern.chars().enumerate() {
            match level.step(MediaTime::from_seconds(n as f64), value == '#', value == '.') {
                Turn::Begins(since) => told += &format!("{n}+{} ", since.0 / 1_000_000_000),
                Turn::Ends(since) => told += &format!("{n}-{} ", since.0 / 1_000_000_000),
                Turn::Nothing => {}
            }
        }
        told.trim_end().to_owned()
    }

    #[test]
    fn it_begins_and_ends_slowly() {
        for (pattern, told) in [
            ("....", ""),
            ("..###..", ""),
            ("..####", "5+2"),
            ("..#.##", "5+2"),
            ("..#..####", "8+5"),
            ("####---.--.-", "3+0"),
            ("####.-..#", "3+0"),
            ("####...", "3+0 6-4"),
            ("####...####", "3+0 6-4 10+7"),
        ] {
            assert_eq!(turns(pattern), told, "{pattern}");
        }
    }
}
