//! Outcomes of incidents and alarms, and the scores over them.

use serde::Serialize;

use crate::eval::statistics::{Estimate, quantile, rate, share};

/// What became of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// An alarm told of it.
    Detected,
    /// None did.
    Missed,
    /// It need not be reported.
    NotRequired,
}

/// What an alarm was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// The first of its incident.
    Hit,
    /// A further one of an incident already told.
    Repeat,
    /// Of something that need not be reported.
    Ignored,
    /// Of nothing that happened.
    False,
}

/// An incident with its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentRow {
    /// Camera.
    pub camera: String,
    /// Kind.
    pub kind: String,
    /// Place, when the truth names one.
    pub place: Option<String>,
    /// Onset.
    pub onset_s: f64,
    /// End; none when it goes on.
    pub end_s: Option<f64>,
    /// What became of it.
    pub outcome: Found,
    /// From onset to alarm.
    pub delay_s: Option<f64>,
    /// The alarm's event id.
    pub alarm: Option<String>,
    /// The truth's remark.
    pub note: Option<String>,
}

/// An alarm with its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmRow {
    /// Camera.
    pub camera: String,
    /// Event id.
    pub id: String,
    /// Rule.
    pub rule: String,
    /// Kind in the truth's terms.
    pub kind: String,
    /// When.
    pub at_s: f64,
    /// When its end was told.
    pub ended_s: Option<f64>,
    /// What it was.
    pub outcome: Was,
    /// Why it fits no incident, for a false one.
    pub why: Option<&'static str>,
    /// The event's own sentence.
    pub summary: String,
}

/// Scores of a camera, a kind, or all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventScores {
    /// Camera or kind; `all` for all.
    pub name: String,
    /// Hours of footage.
    pub hours: f64,
    /// Incidents that must be told.
    pub incidents: u64,
    /// Those told.
    pub detected: u64,
    /// Share of incidents detected, with Wilson's 95 % interval.
    pub detection_rate: Option<Estimate>,
    /// Alarms that count: hits, repeats and false ones.
    pub alarms: u64,
    /// Further alarms of incidents already told.
    pub repeats: u64,
    /// Alarms of what need not be told.
    pub ignored: u64,
    /// Alarms of nothing that happened.
    pub false_alarms: u64,
    /// False alarms an hour of one camera, with the exact Poisson interval.
    pub false_alarms_per_hour: Option<Estimate>,
    /// Share of alarms that were hits; repeats count against it.
    pub precision: Option<f64>,
    /// Harmonic mean of precision and detection rate.
    pub f1: Option<f64>,
    /// Seconds from onset to alarm, over detected incidents: median, …
    pub time_to_detect_p50_s: Option<f64>,
    /// … 95th percentile, …
    pub time_to_detect_p95_s: Option<f64>,
    /// … and the longest.
    pub time_to_detect_max_s: Option<f64>,
}

impl EventScores {
    pub(super) fn new<'a>(
        name: &str,
        hours: f64,
        incidents: impl Iterator<Item = &'a IncidentRow>,
        alarms: impl Iterator<Item = &'a AlarmRow>,
    ) -> Self {
        let required: Vec<_> = incidents.filter(|row| row.outcome != Found::NotRequired).collect();
        let delays: Vec<f64> = required.iter().filter_map(|row| row.delay_s).collect();
        let (total, detected) = (required.len() as u64, delays.len() as u64);
        let (mut hits, mut repeats, mut ignored, mut false_alarms) = (0, 0, 0, 0);
        for row in alarms {
            match row.outcome {
                Was::Hit => hits += 1,
                Was::Repeat => repeats += 1,
                Was::Ignored => ignored += 1,
                Was::False => false_alarms += 1,
            }
        }
        let counted = hits + repeats + false_alarms;
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Self {
            name: name.to_owned(),
            hours,
            incidents: total,
            detected,
            detection_rate: share(detected, total),
            alarms: counted,
            repeats,
            ignored,
            false_alarms,
            false_alarms_per_hour: rate(false_alarms, hours),
            precision: ratio(hits, counted),
            f1: ratio(2 * hits, total + counted),
            time_to_detect_p50_s: quantile(&delays, 0.5),
            time_to_detect_p95_s: quantile(&delays, 0.95),
            time_to_detect_max_s: quantile(&delays, 1.0),
        }
    }
}
