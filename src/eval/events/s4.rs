//! The AI City Challenge's anomaly score: S4 = F1 × (1 − NRMSE).
//!
//! A hit is an alarm within 10 s of an incident's onset, one to one; NRMSE is the root mean square error of the
//! hits' starts over 300 s, at most 1. Our alarms wait for their thresholds on purpose, and the wait counts here
//! as an error of the start: "S4-style".

use super::{EventOptions, Judged, Was};
use crate::base::assignment::Assigner;
use crate::eval::events::fit::mismatch;

/// How far from the onset a start may lie, seconds.
const NEAR_S: f64 = 10.0;
/// The error at which nothing is left of the score, seconds.
const WORST_S: f64 = 300.0;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Starts {
    errors: Vec<f64>,
    incidents: usize,
    alarms: usize,
}

impl Starts {
    pub(super) fn add(&mut self, judged: &Judged<'_>, options: &EventOptions) {
        let alarms: Vec<_> =
            judged.alarms.iter().zip(&judged.outcomes).filter(|(_, o)| o.0 != Was::Ignored).map(|(a, _)| *a).collect();
        let incidents: Vec<_> = judged.incidents.iter().filter(|incident| incident.required).collect();
        let mut assigner = Assigner::default();
        // A pair more is worth any error.
        assigner.begin(alarms.len(), f64::from(u32::MAX));
        let wide = EventOptions { tolerance_s: NEAR_S, ..options.clone() };
        for incident in &incidents {
            assigner.row();
            for (index, (alarm, kind)) in alarms.iter().enumerate() {
                let error = (alarm.at_s - incident.onset_s).abs();
                if error <= NEAR_S && mismatch(incident, alarm, kind, judged.case.truth, &wide).is_none() {
                    assigner.pair(index, error);
                }
            }
        }
        for (incident, alarm) in incidents.iter().zip(assigner.solve()) {
            if let Some((alarm, _)) = alarm.and_then(|index| alarms.get(index)) {
                self.errors.push(alarm.at_s - incident.onset_s);
            }
        }
        self.incidents += incidents.len();
        self.alarms += alarms.len();
    }

    /// The score; none where nothing happened.
    pub(super) fn score(&self) -> Option<f64> {
        if self.incidents == 0 {
            return None;
        }
        let f1 = 2.0 * self.errors.len() as f64 / (self.incidents + self.alarms) as f64;
        let squares: f64 = self.errors.iter().map(|error| error * error).sum();
        let rmse = (squares / self.errors.len().max(1) as f64).sqrt();
        Some(f1 * (1.0 - (rmse / WORST_S).min(1.0)))
    }
}
