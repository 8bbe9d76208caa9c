//! Which way a road user has gone of late: its anchors of the last seconds, thinned.

use std::collections::VecDeque;
use std::time::Duration;

use super::plane::Vec2;
use crate::base::MediaTime;

const SPACING: Duration = Duration::from_millis(200);
const MEMORY: Duration = Duration::from_secs(5);
const CAPACITY: usize = 26;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Course {
    places: VecDeque<(MediaTime, Vec2)>,
    newest: Option<(MediaTime, Vec2)>,
}

impl Course {
    /// Takes in an observed place, picture heights.
    pub(super) fn push(&mut self, at: MediaTime, place: Vec2) {
        if self.places.back().is_none_or(|(last, _)| at.since(*last) >= SPACING) {
            if self.places.len() >= CAPACITY {
                self.places.pop_front();
            }
            self.places.push_back((at, place));
        }
        while self.places.front().is_some_and(|(first, _)| at.since(*first) > MEMORY) {
            self.places.pop_front();
        }
        self.newest = Some((at, place));
    }

    /// The way from the oldest place to the newest, and the time it took.
    pub(super) fn whole(&self) -> Option<(Vec2, Duration)> {
        let ((since, from), (at, to)) = (self.places.front()?, self.newest?);
        Some((to - *from, at.since(*since)))
    }

    /// The way since the last place that is `length` old or older.
    pub(super) fn last(&self, length: Duration) -> Option<Vec2> {
        let (at, to) = self.newest?;
        let (_, from) = self.places.iter().rev().find(|(then, _)| at.since(*then) >= length)?;
        Some(to - *from)
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.newest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_knows_the_last_seconds() {
        let mut course = Course::default();
        for n in 0..2000u16 {
            let t = f64::from(n) / 50.0;
            course.push(MediaTime::from_seconds(t), Vec2 { x: t as f32, y: 0.0 });
            assert!(course.places.len() <= CAPACITY);
        }
        let (way, took) = course.whole().unwrap();
        assert!((way.x - 5.0).abs() < 0.25 && (4.7..=5.0).contains(&took.as_secs_f64()), "{way:?} {took:?}");
        let way = course.last(Duration::from_secs(2)).unwrap();
        assert!((2.0..2.25).contains(&way.x), "{way:?}");
        assert_eq!(course.last(Duration::from_secs(9)), None);
        course.clear();
        assert_eq!(course.whole(), None);
    }
}
