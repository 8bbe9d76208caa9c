//! Where a track stands, without the jitter of its box: the median of its last second.

use std::collections::VecDeque;
use std::time::Duration;

use super::plane::Vec2;
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
        let middle = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let x = middle(self.samples.iter().map(|(_, p)| p.x).collect());
        let y = middle(self.samples.iter().map(|(_, p)| p.y).collect());
        let time = self.samples.get(self.samples.len() / 2).map(|(time, _)| *time);
        match (time, x, y) {
            (Some(time), Some(x), Some(y)) => (time, Vec2 { x, y }),
            _ => (at, position),
        }
    }
}
