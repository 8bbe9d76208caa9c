//! What a scoring found, in one value: the JSON output as it is, the text and the page as views of it.

use serde::Serialize;

use super::counts::CountReport;
use super::events::EventReport;
use super::gate::GateResult;
use super::tracks::TrackReport;

/// The shape of the JSON.
pub const SCHEMA: u32 = 1;

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the program.
    pub vantage: &'static str,
    /// What was scored, for the heading.
    pub title: String,
    /// Files that were read, as (role, path).
    pub inputs: Vec<(String, String)>,
    /// SHA-256 over the replay's events, when one was made.
    pub digest: Option<String>,
    /// Events against incidents.
    pub events: Option<EventReport>,
    /// Counts.
    pub counts: Option<CountReport>,
    /// Tracks.
    pub tracks: Option<TrackReport>,
    /// Conditions of `--require`.
    pub gates: Vec<GateResult>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA,
            vantage: env!("CARGO_PKG_VERSION"),
            title: title.into(),
            inputs: Vec::new(),
            digest: None,
            events: None,
            counts: None,
            tracks: None,
            gates: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The numbers that conditions may name; none where there was nothing to measure.
    #[must_use]
    pub fn measures(&self) -> Vec<(&'static str, Option<f64>)> {
        let mut all = Vec::new();
        if let Some(events) = &self.events {
            let scores = &events.all;
            let (found, wrong) = (scores.detection_rate, scores.false_alarms_per_hour);
            all.extend([
                ("detection_rate", found.map(|e| e.value)),
                ("detection_rate_low", found.map(|e| e.low)),
                ("false_alarms_per_hour", wrong.map(|e| e.value)),
                ("false_alarms_per_hour_high", wrong.map(|e| e.high)),
                ("false_alarms", Some(scores.false_alarms as f64)),
                ("repeats", Some(scores.repeats as f64)),
                ("missed", Some((scores.incidents - scores.detected) as f64)),
                ("time_to_detect_p50_s", scores.time_to_detect_p50_s),
                ("time_to_detect_p95_s", scores.time_to_detect_p95_s),
                ("time_to_detect_max_s", scores.time_to_detect_max_s),
                ("precision", scores.precision),
                ("f1", scores.f1),
                ("s4", events.s4),
            ]);
        }
        if let Some(counts) = &self.counts {
            all.extend([
                ("count_error", Some(f64::from(counts.absolute_error))),
                ("count_error_by_class", Some(f64::from(counts.absolute_error_by_class))),
                ("count_accuracy", counts.accuracy),
                ("nw_rmse", counts.nw_rmse),
                ("geh_below_5", counts.geh_below_5),
                ("geh_max", counts.geh_max),
            ]);
        }
        if let Some(tracks) = &self.tracks {
            let scores = &tracks.combined;
            all.extend([
                ("hota", scores.hota.map(|h| h.hota)),
                ("deta", scores.hota.map(|h| h.deta)),
                ("assa", scores.hota.map(|h| h.assa)),
                ("idf1", scores.idf1),
                ("mota", scores.mota),
                ("motp", scores.motp),
                ("identity_switches", Some(scores.switches as f64)),
            ]);
        }
        all
    }

    /// Whether every condition is met.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.gates.iter().all(|gate| gate.met)
    }
}
