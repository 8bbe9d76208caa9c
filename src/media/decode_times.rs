//! Decoding times out of presentation times.
//!
//! Cameras send none, and containers disagree about theirs. In decoding order the n-th picture is decoded when the
//! n-th earliest picture is shown, moved ahead so far that none is decoded after it is shown. That is what an
//! encoder does, so the result is its own up to a constant.

use std::collections::VecDeque;

/// Pictures that a stream may reorder by: 16 (ITU-T H.264 A.3.1), and the present one.
const WINDOW: usize = 17;

/// Gives each picture of a stream its decoding time, up to 17 pictures later.
#[derive(Debug)]
pub struct DecodeTimes<T> {
    /// In decoding order, not yet given out.
    waiting: VecDeque<(i64, T)>,
    /// The earliest presentation times not yet given out as decoding times, ascending.
    times: Vec<i64>,
    /// How far decoding is ahead; known with the first full window.
    ahead_ns: Option<i64>,
    last_ns: Option<i64>,
    step_ns: i64,
}

/// A picture with its times, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed<T> {
    /// When it is shown.
    pub pts_ns: i64,
    /// When it is decoded: rising from picture to picture, never after `pts_ns` as long as the stream reorders as
    /// much as in its beginning.
    pub dts_ns: i64,
    /// How long until the next one is decoded.
    pub duration_ns: i64,
    /// The picture.
    pub item: T,
}

impl<T> Default for DecodeTimes<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), times: Vec::new(), ahead_ns: None, last_ns: None, step_ns: 40_000_000 }
    }
}

impl<T> DecodeTimes<T> {
    /// Takes the next picture in decoding order; gives an earlier one once its time is sure.
    pub fn push(&mut self, pts_ns: i64, item: T) -> Option<Timed<T>> {
        self.waiting.push_back((pts_ns, item));
        let at = self.times.partition_point(|time| *time <= pts_ns);
        self.times.insert(at, pts_ns);
        if self.waiting.len() <= WINDOW { None } else { self.next() }
    }

    /// The pictures left, when no more come.
    pub fn finish(mut self) -> impl Iterator<Item = Timed<T>> {
        std::iter::from_fn(move || self.next())
    }

    fn next(&mut self) -> Option<Timed<T>> {
        let ahead = *self.ahead_ns.get_or_insert_with(|| {
            let late = self.waiting.iter().zip(&self.times).map(|((pts, _), time)| time - pts);
            late.max().unwrap_or(0).max(0)
        });
        let (pts_ns, item) = self.waiting.pop_front()?;
        let time = self.times.remove(0);
        if let Some(next) = self.times.first() {
            self.step_ns = (next - time).max(1);
        }
        // Two pictures of one time, or deeper reordering than at first: decoding times still rise.
        let dts_ns = (time - ahead).max(self.last_ns.map_or(i64::MIN, |last| last + 1));
        self.last_ns = Some(dts_ns);
        Some(Timed { pts_ns, dts_ns, duration_ns: self.step_ns, item })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(pts: &[i64]) -> Vec<(i64, i64)> {
        let mut times = DecodeTimes::default();
        let mut all: Vec<Timed<()>> = pts.iter().filter_map(|pts| times.push(*pts, ())).collect();
        all.extend(times.finish());
        all.iter().map(|timed| (timed.pts_ns, timed.dts_ns)).collect()
    }

    #[test]
    fn without_reordering_both_times_are_one() {
        let pts: Vec<i64> = (0..40).map(|n| n * 40).collect();
        assert!(run(&pts).iter().all(|(pts, dts)| pts == dts));
        assert_eq!(run(&[]), []);
    }

    #[test]
    fn reordered_pictures_are_decoded_before_they_are_shown() {
        // I P B B P B B, 40 apart.
        let all = run(&[0, 120, 40, 80, 240, 160, 200]);
        assert_eq!(all.iter().map(|(_, dts)| *dts).collect::<Vec<_>>(), [-40, 0, 40, 80, 120, 160, 200]);
    }

    proptest! {
        #[test]
        fn times_rise_and_nothing_is_lost(swaps in proptest::collection::vec(0_usize..16, 1..80)) {
            let mut pts: Vec<i64> = (0..swaps.len() as i64).map(|n| n * 1000).collect();
            for (at, by) in swaps.iter().enumerate() {
                let other = (at + by).min(pts.len() - 1);
                if at % 16 == 0 { pts.swap(at, other); }
            }
            let all = run(&pts);
            prop_assert_eq!(all.iter().map(|(pts, _)| *pts).collect::<Vec<_>>(), pts);
            prop_assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
    }
}
