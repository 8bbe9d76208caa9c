//! What went through a lane and stood in it during an interval, in passenger car units.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::cover::Covered;
use super::draft::{Values, number, values};

/// Projected area of the standard car, square metres (Chandra and Sikdar; see `docs/rules/motorbike_flow.md`).
const CAR_SQUARE_METRES: f64 = 5.39;

/// See the module. Averages are over the watched time.
#[derive(Debug, Default)]
pub(super) struct FlowCount {
    /// Vehicles over the line per class, either way, and their units.
    crossed: BTreeMap<String, u32>,
    crossed_pcu: f64,
    watched_seconds: f64,
    saturated_seconds: f64,
    /// Sums over time.
    pcu: f64,
    two_wheelers: f64,
    share: f64,
    square_metres: Option<f64>,
    most_share: f64,
}

impl FlowCount {
    pub(super) fn cross(&mut self, class: &str, pcu: f64) {
        *self.crossed.entry(class.to_owned()).or_default() += 1;
        self.crossed_pcu += pcu;
    }

    /// What was in the lane for the time `watched`.
    pub(super) fn stock(
        &mut self,
        watched: Duration,
        pcu: f64,
        two_wheelers: usize,
        covered: Covered,
        is_saturated: bool,
    ) {
        let time = watched.as_secs_f64();
        self.watched_seconds += time;
        self.saturated_seconds += if is_saturated { time } else { 0.0 };
        self.pcu += pcu * time;
        self.two_wheelers += two_wheelers as f64 * time;
        self.share += covered.share * time;
        self.square_metres = covered.square_metres.map(|area| self.square_metres.unwrap_or(0.0) + area * time);
        self.most_share = self.most_share.max(covered.share);
    }

    /// Whether nothing crossed the line.
    pub(super) fn is_empty(&self) -> bool {
        self.crossed.is_empty()
    }

    fn mean(&self, sum: f64) -> f64 {
        if self.watched_seconds > 0.0 { sum / self.watched_seconds } else { 0.0 }
    }

    fn per_hour(&self, count: f64, observed: Duration) -> Option<f64> {
        (!observed.is_zero()).then(|| count * 3600.0 / observed.as_secs_f64())
    }

    fn crossed_vehicles(&self) -> u32 {
        self.crossed.values().sum()
    }

    pub(super) fn measured(&self, observed: Duration, kilometres: Option<f64>, has_line: bool) -> Values {
        let rounded = |value: f64| number(value as f32);
        let pcu = self.mean(self.pcu);
        let mut measured = values([
            ("pcu_in_lane", rounded(pcu)),
            ("two_wheelers_in_lane", rounded(self.mean(self.two_wheelers))),
            ("occupied_share", rounded(self.mean(self.share))),
            ("occupied_share_most", rounded(self.most_share)),
            ("saturated_share_of_time", rounded(self.mean(self.saturated_seconds))),
        ]);
        let mut insert = |name: &str, value: Value| measured.insert(name.to_owned(), value);
        if let Some(kilometres) = kilometres.filter(|length| *length > 0.0) {
            insert("pcu_per_kilometre", rounded(pcu / kilometres));
        }
        if let Some(area) = self.square_metres {
            insert("pcu_in_lane_by_area", rounded(self.mean(area) / CAR_SQUARE_METRES));
        }
        if has_line {
            insert("counts", serde_json::to_value(&self.crossed).unwrap_or_default());
            insert("pcu", rounded(self.crossed_pcu));
            if let Some(flow) = self.per_hour(self.crossed_pcu, observed) {
                insert("pcu_per_hour", rounded(flow));
            }
            if let Some(flow) = self.per_hour(f64::from(self.crossed_vehicles()), observed) {
                insert("vehicles_per_hour", rounded(flow));
            }
        }
        measured
    }

    pub(super) fn in_words(&self, observed: Duration, has_line: bool) -> String {
        let share = self.mean(self.share) * 100.0;
        let pcu = self.mean(self.pcu);
        let flow = self.per_hour(self.crossed_pcu, observed).filter(|_| has_line);
        let flow = flow.map_or_else(String::new, |flow| format!(", {flow:.0} PCU an hour"));
        format!("{pcu:.1} PCU, {share:.0} % covered{flow}")
    }
}
