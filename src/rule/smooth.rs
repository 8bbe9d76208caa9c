//! Where a track stands, without the jitter of its box: the median of its last second.

use std::collections::VecDeque;
use std::time::Duration;

use super::plane::Vec2;
use super::quantiles::median;
use crate::base::MediaTime;

/// Anchors within this time of the newest are averaged.
const WINDOW: Duration = Duration::from_secs(1);
/// Anchors nearer in time than this add nothing; so the window holds at most [`CAPACITY`].
const SPACING: Duration = Duration::from_millis(100);
const CAPACITY: usize = 9;

/// The last second of a track's observed anchors, thinned.
#[derive(Debug, Default)]
pub(super) struct Recent {
    samples: VecDeque<(MediaTime, Vec2)>,
}

impl Recent {
    /// Takes in an observed anchor, and gives the median position with the time it stands for.
    pub(super) fn push(&mut self, at: MediaTime, position: Vec2) -> (MediaTime, Vec2) {
        let is_news = self.samples.back().is_none_or(|(last, _)| at.since(*last) >= SPACING);
        if is_news {
            while self.samples.len() >= CAPACITY {
                self.samples.pop_front();
            }
            self.samples.push_back((at, position));
        }
        while self.samples.front().is_some_and(|(first, _)| at.since(*first) > WINDOW) {
            self.samples.pop_front();
        }
        let middle = |of: fn(&Vec2) -> f32| median::<CAPACITY>(self.samples.iter().map(|(_, p)| f64::from(of(p))));
        let (x, y) = (middle(|p| p.x), middle(|p| p.y));
        let time = self.samples.get(self.samples.len() / 2).map(|(time, _)| *time);
        match (time, x, y) {
            (Some(time), Some(x), Some(y)) => (time, Vec2 { x: x as f32, y: y as f32 }),
            _ => (at, position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_bad_box_moves_nothing_and_the_window_is_bounded() {
        let mut recent = Recent::default();
        for n in 0..1000 {
            let bad = n % 25 == 24;
            let place = Vec2 { x: if bad { 9.0 } else { 1.0 }, y: 2.0 };
            let (since, smooth) = recent.push(MediaTime(n * 40_000_000), place);
            assert_eq!(smooth, Vec2 { x: 1.0, y: 2.0 }, "frame {n}");
            assert!(recent.samples.len() <= CAPACITY);
            assert!(MediaTime(n * 40_000_000).since(since) <= Duration::from_millis(600));
        }
    }

    #[test]
    fn after_a_pause_only_the_new_counts() {
        let mut recent = Recent::default();
        recent.push(MediaTime(0), Vec2 { x: 1.0, y: 1.0 });
        let (since, place) = recent.push(MediaTime(5_000_000_000), Vec2 { x: 3.0, y: 3.0 });
        assert_eq!((since, place), (MediaTime(5_000_000_000), Vec2 { x: 3.0, y: 3.0 }));
    }
}
