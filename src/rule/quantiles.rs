//! Mean, maximum and percentiles of values, in bounded memory.

/// Beyond so many values every second one is dropped, and then only every second one is taken, and so on.
const CAPACITY: usize = 4096;

/// A sample of values: all of them while there are few, evenly thinned when there are many.
#[derive(Debug, Default)]
pub(super) struct Quantiles {
    kept: Vec<f64>,
    /// Values to let pass between two that are kept, as a power of two less one.
    skip: u32,
    seen: u32,
    sum: f64,
    max: f64,
}

impl Quantiles {
    /// Takes in a value; one that is no number is none.
    pub(super) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.max = if self.seen == 0 { value } else { self.max.max(value) };
        self.sum += value;
        if self.seen & self.skip == 0 {
            self.kept.push(value);
        }
        self.seen = self.seen.saturating_add(1);
        if self.kept.len() >= CAPACITY {
            let mut keep = false;
            self.kept.retain(|_| {
                keep = !keep;
                keep
            });
            self.skip = self.skip << 1 | 1;
        }
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u32 {
        self.seen
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.seen > 0).then(|| self.sum / f64::from(self.seen))
    }

    pub(super) fn max(&self) -> Option<f64> {
        (self.seen > 0).then_some(self.max)
    }

    /// The smallest value that at least `share` of them do not exceed (the nearest rank).
    pub(super) fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

/// The median of at most `N` values, of an even number the upper one; none of none. What is beyond is left out.
pub(super) fn median<const N: usize>(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut kept, mut count) = ([0.0; N], 0);
    for (place, value) in kept.iter_mut().zip(values) {
        (*place, count) = (value, count + 1);
    }
    let kept = kept.get_mut(..count).filter(|kept| !kept.is_empty())?;
    Some(*kept.select_nth_unstable_by(count / 2, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact_and_many_bounded() {
        let mut few = Quantiles::default();
        assert_eq!((few.mean(), few.max(), few.percentile(0.5)), (None, None, None));
        for value in [40.0, 10.0, f64::NAN, 30.0, 20.0] {
            few.push(value);
        }
        assert_eq!((few.count(), few.mean(), few.max()), (4, Some(25.0), Some(40.0)));
        assert_eq!(
            (few.percentile(0.5), few.percentile(0.85), few.percentile(0.0)),
            (Some(20.0), Some(40.0), Some(10.0))
        );

        let mut many = Quantiles::default();
        for n in 0..100_000 {
            many.push(f64::from(n % 1000));
            assert!(many.kept.len() < CAPACITY);
        }
        assert_eq!(many.max(), Some(999.0));
        let half = many.percentile(0.5).unwrap();
        assert!((half - 500.0).abs() < 25.0, "{half}");
    }
}
