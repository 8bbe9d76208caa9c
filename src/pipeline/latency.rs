//! Latencies as a histogram with logarithmic buckets: bounded memory, percentiles within 3 %.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per doubling.
const PER_OCTAVE: f64 = 24.0;
/// Lowest bucket's upper edge, seconds.
const FLOOR_S: f64 = 10e-6;
/// 24 buckets for each of 24 doublings: 10 µs to 168 s.
const BUCKETS: usize = 576;

/// A histogram of durations. Written by any thread.
#[derive(Debug)]
pub struct Latency {
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum_ns: AtomicU64::new(0) }
    }
}

impl Latency {
    /// Adds one duration.
    pub fn record(&self, latency: Duration) {
        let index = ((latency.as_secs_f64() / FLOOR_S).max(1.0).log2() * PER_OCTAVE) as usize;
        if let Some(bucket) = self.buckets.get(index.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_ns.fetch_add(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|b| b.load(Relaxed)).sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Relaxed))
    }

    /// The duration that a share `q` (0 to 1) of all does not exceed; zero when there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let total = self.count();
        if total == 0 {
            return Duration::ZERO;
        }
        let rank = ((total as f64 * q).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Relaxed);
            if seen >= rank {
                return Duration::from_secs_f64(FLOOR_S * ((index as f64 + 0.5) / PER_OCTAVE).exp2());
            }
        }
        Duration::from_secs_f64(FLOOR_S * (BUCKETS as f64 / PER_OCTAVE).exp2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_three_percent() {
        let latency = Latency::default();
        for ms in 1..=1000 {
            latency.record(Duration::from_millis(ms));
        }
        for (q, ms) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let got = latency.quantile(q).as_secs_f64() * 1e3;
            assert!((got / ms - 1.0).abs() < 0.03, "{q}: {got}");
        }
        assert_eq!(latency.count(), 1000);
    }
}
