//! Alarms against true incidents.
//!
//! Each incident is detected by at most one alarm, the first that fits it; each alarm detects at most one.
//! An alarm fits when kind, place, object and time do ([`fit`]). What else fits a detected incident is a
//! repeat, what fits an incident that need not be reported is ignored, and the rest are false alarms.

pub mod fit;
mod s4;
mod scores;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::fit::{Mismatch, mismatch};
pub use self::scores::{AlarmRow, EventScores, Found, IncidentRow, Was};
use super::told::Alarm;
use super::truth::Truth;
use crate::base::assignment::Assigner;
use crate::scene::Severity;

/// How events are scored.
#[derive(Debug, Clone, PartialEq)]
pub struct EventOptions {
    /// How far before the onset or after the end an alarm still fits, seconds: how exact the truth is.
    pub tolerance_s: f64,
    /// Events of this severity and above are alarms.
    pub min_severity: Severity,
    /// Only these kinds are scored, on both sides; any when empty.
    pub kinds: BTreeSet<String>,
    /// What a rule id or a kind of event stands for in the truth.
    pub map: BTreeMap<String, String>,
    /// The IoU from which an alarm's box is on the incident's object.
    pub overlap: f64,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            tolerance_s: 2.0,
            min_severity: Severity::Warning,
            kinds: BTreeSet::new(),
            map: BTreeMap::new(),
            overlap: 0.1,
        }
    }
}

/// A camera's truth and what was told of it.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The camera.
    pub camera: &'a str,
    /// What happened.
    pub truth: &'a Truth,
    /// What was told, in order of time.
    pub alarms: &'a [Alarm],
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventReport {
    /// All cameras and kinds together.
    pub all: EventScores,
    /// F1 × (1 − NRMSE of the start), as the AI City Challenge's Track 4 scores anomalies; see `docs/evaluation.md`.
    pub s4: Option<f64>,
    /// By kind.
    pub kinds: Vec<EventScores>,
    /// By camera.
    pub cameras: Vec<EventScores>,
    /// Every incident, by camera and onset.
    pub incident_rows: Vec<IncidentRow>,
    /// Every alarm, by camera and time.
    pub alarm_rows: Vec<AlarmRow>,
}

/// Scores the cameras.
#[must_use]
pub fn score(cases: &[Case<'_>], options: &EventOptions) -> EventReport {
    let mut incident_rows = Vec::new();
    let mut alarm_rows = Vec::new();
    let mut starts = s4::Starts::default();
    for case in cases {
        let judged = Judged::new(case, options);
        starts.add(&judged, options);
        judged.rows(&mut incident_rows, &mut alarm_rows);
    }
    let hours_of = |camera: Option<&str>| -> f64 {
        let seconds =
            cases.iter().filter(|case| camera.is_none_or(|c| c == case.camera)).map(|case| case.truth.seconds);
        seconds.sum::<f64>() / 3600.0
    };
    let scores = |name: &str, hours: f64, of: &dyn Fn(&str, &str) -> bool| {
        EventScores::new(
            name,
            hours,
            incident_rows.iter().filter(|row: &&IncidentRow| of(&row.camera, &row.kind)),
            alarm_rows.iter().filter(|row: &&AlarmRow| of(&row.camera, &row.kind)),
        )
    };
    let kinds: BTreeSet<&str> = incident_rows
        .iter()
        .map(|row| row.kind.as_str())
        .chain(alarm_rows.iter().map(|row| row.kind.as_str()))
        .collect();
    EventReport {
        all: scores("all", hours_of(None), &|_, _| true),
        s4: starts.score(),
        kinds: kinds.iter().map(|name| scores(name, hours_of(None), &|_, kind| kind == *name)).collect(),
        cameras: cases
            .iter()
            .map(|case| scores(case.camera, hours_of(Some(case.camera)), &|camera, _| camera == case.camera))
            .collect(),
        incident_rows,
        alarm_rows,
    }
}

/// A camera's incidents and alarms that are scored, with their kinds in the truth's terms, and who belongs to whom.
struct Judged<'a> {
    case: &'a Case<'a>,
    incidents: Vec<&'a super::truth::Incident>,
    alarms: Vec<(&'a Alarm, &'a str)>,
    /// For each incident its alarm.
    detected_by: Vec<Option<usize>>,
    outcomes: Vec<(Was, Option<&'static str>)>,
}

impl<'a> Judged<'a> {
    fn new(case: &'a Case<'a>, options: &'a EventOptions) -> Self {
        let wanted = |kind: &str| options.kinds.is_empty() || options.kinds.contains(kind);
        let incidents: Vec<_> = case.truth.incidents.iter().filter(|incident| wanted(&incident.kind)).collect();
        let named: BTreeSet<&str> = incidents.iter().map(|incident| incident.kind.as_str()).collect();
        let alarms: Vec<(&Alarm, &str)> = case
            .alarms
            .iter()
            .map(|alarm| (alarm, stands_for(alarm, options)))
            .filter(|(alarm, kind)| {
                let counts = alarm.severity >= options.min_severity || named.contains(kind) || *kind != alarm.kind;
                counts && wanted(kind)
            })
            .collect();
        let fits = |incident: &super::truth::Incident, (alarm, kind): (&Alarm, &str)| {
            mismatch(incident, alarm, kind, case.truth, options).is_none()
        };
        let mut assigner = Assigner::default();
        assigner.begin(alarms.len(), f64::from(u32::MAX));
        for incident in &incidents {
            assigner.row();
            for (index, alarm) in alarms.iter().enumerate() {
                if incident.required && fits(incident, *alarm) {
                    // Most incidents first, then the earliest alarms.
                    assigner.pair(index, alarm.0.at_s);
                }
            }
        }
        let detected_by = assigner.solve().to_vec();
        let outcomes = (0..)
            .zip(&alarms)
            .map(|(index, alarm)| {
                if detected_by.contains(&Some(index)) {
                    return (Was::Hit, None);
                }
                let fitting = incidents.iter().filter(|incident| fits(incident, *alarm));
                match fitting.map(|incident| incident.required).max() {
                    None => (Was::False, Some(why(&incidents, *alarm, case.truth, options))),
                    Some(true) => (Was::Repeat, None),
                    Some(false) => (Was::Ignored, None),
                }
            })
            .collect();
        Self { case, incidents, alarms, detected_by, outcomes }
    }

    fn rows(&self, incidents: &mut Vec<IncidentRow>, alarms: &mut Vec<AlarmRow>) {
        for (incident, by) in self.incidents.iter().zip(&self.detected_by) {
            let alarm = by.and_then(|index| self.alarms.get(index)).map(|(alarm, _)| *alarm);
            incidents.push(IncidentRow {
                camera: self.case.camera.to_owned(),
                kind: incident.kind.clone(),
                place: incident.place.as_ref().map(|(_, name)| name.clone()),
                onset_s: incident.onset_s,
                end_s: incident.end_s,
                outcome: match alarm {
                    _ if !incident.required => Found::NotRequired,
                    Some(_) => Found::Detected,
                    None => Found::Missed,
                },
                delay_s: alarm.map(|alarm| alarm.at_s - incident.onset_s),
                alarm: alarm.map(|alarm| alarm.id.clone()),
                note: incident.note.clone(),
            });
        }
        for ((alarm, kind), (outcome, why)) in self.alarms.iter().zip(&self.outcomes) {
            alarms.push(AlarmRow {
                camera: self.case.camera.to_owned(),
                id: alarm.id.clone(),
                rule: alarm.rule.clone(),
                kind: (*kind).to_owned(),
                at_s: alarm.at_s,
                ended_s: alarm.ended_s,
                outcome: *outcome,
                why: *why,
                summary: alarm.summary.clone(),
            });
        }
    }
}

/// The truth's name for what an alarm tells.
fn stands_for<'a>(alarm: &'a Alarm, options: &'a EventOptions) -> &'a str {
    options.map.get(&alarm.rule).or_else(|| options.map.get(&alarm.kind)).unwrap_or(&alarm.kind)
}

/// What keeps the alarm from the incident that it comes nearest to.
fn why(
    incidents: &[&super::truth::Incident],
    (alarm, kind): (&Alarm, &str),
    truth: &Truth,
    options: &EventOptions,
) -> &'static str {
    let all = incidents.iter().filter_map(|incident| mismatch(incident, alarm, kind, truth, options));
    all.max().unwrap_or(Mismatch::Kind).as_str()
}
