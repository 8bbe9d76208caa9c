//! Rates with their intervals, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::score::{Scored, Verdict};

/// Wilson's 95 % interval of a share (JASA 22, 1927).
pub fn wilson(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (of as f64, 1.959_964);
    let p = hits as f64 / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (middle - half, middle + half)
}

/// The 95 % interval of a count's mean, exact (Garwood, Biometrika 28, 1936), found by bisection.
pub fn poisson(count: usize) -> (f64, f64) {
    // P(X ≤ count) for a mean.
    let below = |mean: f64, count: usize| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=count {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    let solve = |goal: f64, count: usize| {
        let (mut low, mut high) = (0.0, count as f64 * 3.0 + 20.0);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if below(middle, count) > goal { low = middle } else { high = middle }
        }
        low
    };
    let low = if count == 0 { 0.0 } else { solve(0.975, count - 1) };
    (low, solve(0.025, count))
}

/// One row of the table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub incidents: usize,
    pub found: usize,
    /// Incidents whose object the detector found in at least half of the frames.
    pub visible: usize,
    pub visible_found: usize,
    pub false_alarms: usize,
    pub repeats: usize,
    pub hours: f64,
    /// Seconds from the threshold to the alarm, sorted.
    pub late_s: Vec<f64>,
}

impl Row {
    pub fn p(&self, share: f64) -> f64 {
        let at = (share * (self.late_s.len().max(1) - 1) as f64).round() as usize;
        self.late_s.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Rows by kind, and `all`.
pub fn rows<'a>(scored: impl IntoIterator<Item = &'a Scored>) -> BTreeMap<String, Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for camera in scored {
        for kind in camera.kinds.iter().map(String::as_str).chain(["all"]) {
            let row = rows.entry(kind.to_owned()).or_default();
            row.hours += camera.hours;
            let mine = |k: &str| kind == "all" || k == kind;
            for outcome in camera.outcomes.iter().filter(|o| mine(&o.incident.kind)) {
                row.incidents += 1;
                row.found += usize::from(outcome.after_s.is_some());
                row.visible += usize::from(outcome.watched.found_share() >= 0.5);
                row.visible_found += usize::from(outcome.watched.found_share() >= 0.5 && outcome.after_s.is_some());
                row.late_s.extend(outcome.after_s.map(|after| after - outcome.threshold_s));
            }
            for alarm in camera.alarms.iter().filter(|a| mine(&a.kind)) {
                row.false_alarms += usize::from(alarm.verdict == Verdict::False);
                row.repeats += usize::from(alarm.verdict == Verdict::Again);
            }
        }
    }
    rows.values_mut().for_each(|row| row.late_s.sort_by(f64::total_cmp));
    rows
}

/// The rows as Markdown.
pub fn table(rows: &BTreeMap<String, Row>) -> String {
    let mut text = String::from(
        "| Rule | Incidents | Found | Rate, 95 % | Found of those that the detector saw half of the time | False alarms | A camera-hour, 95 % | Hours | Repeated | Later than its threshold, p50 / p95 |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (kind, row) in rows {
        let (low, high) = wilson(row.found, row.incidents);
        let (few, many) = poisson(row.false_alarms);
        let _ = writeln!(
            text,
            "| {kind} | {} | {} | {:.1} % ({:.1}–{:.1}) | {} of {} | {} | {:.2} ({:.2}–{:.2}) | {:.1} | {} | {:.1} s / {:.1} s |",
            row.incidents,
            row.found,
            100.0 * row.found as f64 / row.incidents.max(1) as f64,
            100.0 * low,
            100.0 * high,
            row.visible_found,
            row.visible,
            row.false_alarms,
            row.false_alarms as f64 / row.hours,
            few / row.hours,
            many / row.hours,
            row.hours,
            row.repeats,
            row.p(0.5),
            row.p(0.95),
        );
    }
    text
}
