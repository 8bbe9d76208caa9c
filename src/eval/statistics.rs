//! Intervals, quantiles and count scores, each with its source.

use serde::Serialize;

/// The 97.5 % point of the normal distribution: both sides leave out 5 % together.
const Z: f64 = 1.959_963_984_540_054;
/// What each side of a 95 % interval leaves out.
const TAIL: f64 = 0.025;

/// A measured value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A share `hits` of `trials` with Wilson's score interval (E. B. Wilson, JASA 22, 1927); none without trials.
#[must_use]
pub fn share(hits: u64, trials: u64) -> Option<Estimate> {
    if trials == 0 {
        return None;
    }
    let (p, n) = (hits as f64 / trials as f64, trials as f64);
    let shrink = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // The ends at no hit and at nothing but hits are 0 and 1 exactly.
    let low = if hits == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if hits >= trials { 1.0 } else { (middle + half).min(1.0) };
    Some(Estimate { value: p, low, high })
}

/// A rate of `count` events in `exposure` hours with the exact Poisson interval (F. Garwood, Biometrika 28,
/// 1936); none without exposure.
#[must_use]
pub fn rate(count: u64, exposure: f64) -> Option<Estimate> {
    if exposure.is_nan() || exposure <= 0.0 {
        return None;
    }
    // The mean at which `count` or more, or `count` or fewer, are as rare as a tail.
    let low = if count == 0 { 0.0 } else { mean_where(|mean| 1.0 - poisson_at_most(count - 1, mean) < TAIL, count) };
    let high = mean_where(|mean| poisson_at_most(count, mean) > TAIL, count);
    Some(Estimate { value: count as f64 / exposure, low: low / exposure, high: high / exposure })
}

/// The largest mean for which `below` holds, by bisection.
fn mean_where(below: impl Fn(f64) -> bool, count: u64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * count as f64 + 20.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Probability of at most `count` events at this mean.
fn poisson_at_most(count: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    // In logarithms: the terms of large means leave the range of numbers.
    let (mut log_term, mut sum) = (-mean, (-mean).exp());
    for n in 1..=count {
        log_term += mean.ln() - (n as f64).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

/// Of the values the smallest that `share` of them do not exceed (nearest rank); none of none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

/// The GEH statistic of two hourly flows, √(2 (m − c)² / (m + c)) (UK Design Manual for Roads and Bridges,
/// volume 12a): below 5 a count is called good. 0 when both are 0.
#[must_use]
pub fn geh(measured_per_hour: f64, true_per_hour: f64) -> f64 {
    let sum = measured_per_hour + true_per_hour;
    if sum <= 0.0 { 0.0 } else { (2.0 * (measured_per_hour - true_per_hour).powi(2) / sum).sqrt() }
}

/// The AI City Challenge's counting score (Track 1, 2020 and 2021), 1 when right, never below 0.
///
/// `steps` are (counted, true) cumulative numbers at the ends of equal segments; later segments weigh more:
/// w_i = 2i / (k (k + 1)), score = 1 − √(Σ w_i (x̂_i − x_i)²) / x_k. None when nothing was to be counted.
#[must_use]
pub fn nw_rmse(steps: &[(f64, f64)]) -> Option<f64> {
    let k = steps.len() as f64;
    let total = steps.last().map(|step| step.1).filter(|total| *total > 0.0)?;
    let weighted: f64 = (1..)
        .zip(steps)
        .map(|(i, (counted, true_))| 2.0 * f64::from(i) / (k * (k + 1.0)) * (counted - true_).powi(2))
        .sum();
    Some((1.0 - weighted.sqrt() / total).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-4, "{a} instead of {b}");
    }

    #[test]
    fn wilson_as_published() {
        // 81 of 263: Newcombe, Statistics in Medicine 17, 1998, table I: 0.2553 to 0.3662.
        let e = share(81, 263).unwrap();
        near(e.low, 0.2553);
        near(e.high, 0.3662);
        // The same table, 0 of 20 and 1 of 29.
        near(share(0, 20).unwrap().high, 0.1611);
        near(share(1, 29).unwrap().low, 0.0061);
        near(share(1, 29).unwrap().high, 0.1718);
        assert_eq!(share(5, 5).map(|e| (e.value, e.high)), Some((1.0, 1.0)));
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn poisson_as_tabled() {
        // Garwood's 95 % limits of a count: 0: 0 to 3.689; 1: 0.0253 to 5.572; 10: 4.795 to 18.390;
        // 100: 81.36 to 121.63.
        for (count, low, high) in [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)] {
            let e = rate(count, 1.0).unwrap();
            near(e.low, low);
            near(e.high, high);
        }
        let e = rate(100, 2.0).unwrap();
        assert_eq!(e.value, 50.0);
        assert!((e.low - 81.36 / 2.0).abs() < 0.01 && (e.high - 121.63 / 2.0).abs() < 0.01, "{e:?}");
        assert!(rate(5000, 1.0).unwrap().low > 4800.0, "large counts stay within numbers");
        assert_eq!(rate(3, 0.0), None);
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.95), Some(4.0));
        assert_eq!(quantile(&[7.0], 0.05), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn geh_and_nw_rmse_by_hand() {
        // 1100 counted of 1000: sqrt(2 * 100^2 / 2100) = 3.086.
        near(geh(1100.0, 1000.0), 3.0861);
        assert_eq!(geh(0.0, 0.0), 0.0);
        // k = 2: weights 1/3 and 2/3. Counted 1 then 4, true 2 then 4: sqrt(1/3) / 4 = 0.1443.
        near(nw_rmse(&[(1.0, 2.0), (4.0, 4.0)]).unwrap(), 1.0 - 0.1443);
        assert_eq!(nw_rmse(&[(9.0, 0.0), (40.0, 4.0)]), Some(0.0), "never below 0");
        assert_eq!(nw_rmse(&[(1.0, 0.0)]), None);
        assert_eq!(nw_rmse(&[(2.0, 2.0)]), Some(1.0));
    }
}
