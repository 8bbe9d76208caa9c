//! When a camera's rules rest: schedules, maintenance, an unfit view.

use serde_json::Value;

use super::Budget;
use super::preset::{Preset, Presets};
use crate::base::{CaptureTime, MediaTime, TimeSource, Timestamp};
use crate::rule::Draft;
use crate::rule::draft::{seconds, values};
use crate::scene::schedule::{Maintenance, Schedule};
use crate::scene::{Phase, Severity};

/// Windows of maintenance that follow each other without a break are followed so far.
const MAX_WINDOWS: usize = 64;

/// Under which conditions one rule works.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// When it works; always without one.
    pub schedule: Option<Schedule>,
    /// How many happenings it may start an hour; any number without one.
    pub budget: Option<u32>,
    /// The preset that its scene was drawn for; works at any without one.
    pub preset: Option<String>,
}

/// Under which conditions all rules of a camera work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CameraConditions {
    /// When the camera is worked at.
    pub maintenance: Vec<Maintenance>,
    /// Where a camera that can be turned may stand; none for one that is fixed.
    pub presets: Vec<Preset>,
    /// How many alarms (warnings and above) its rules may start an hour together.
    pub budget: Option<u32>,
}

/// Maintenance that goes on.
struct Ongoing {
    since: MediaTime,
    reason: Option<String>,
}

/// The camera's own part of the gate.
pub(in crate::rule) struct CameraGate {
    maintenance: Vec<Maintenance>,
    pub(in crate::rule) presets: Presets,
    pub(in crate::rule) budget: Option<Budget>,
    ongoing: Option<Ongoing>,
    happenings: u32,
}

impl CameraGate {
    pub(in crate::rule) fn new(conditions: CameraConditions) -> Self {
        Self {
            presets: Presets::new(&conditions.presets),
            maintenance: conditions.maintenance,
            budget: conditions.budget.map(Budget::new),
            ongoing: None,
            happenings: 0,
        }
    }

    /// Whether maintenance is on; says so when it begins and ends. Without a clock it never is.
    pub(in crate::rule) fn is_maintained(
        &mut self,
        at: MediaTime,
        capture: &CaptureTime,
        out: &mut Vec<Draft>,
    ) -> bool {
        let known = capture.source != TimeSource::Epoch;
        let on = self.maintenance.iter().find(|window| known && window.is_on(capture.utc));
        match (on, &self.ongoing) {
            (Some(window), None) => {
                self.ongoing = Some(Ongoing { since: at, reason: window.reason.clone() });
                self.report(Phase::Start, at, out);
                self.happenings = self.happenings.saturating_add(1);
                true
            }
            (None, Some(_)) => {
                self.finish(at, out);
                false
            }
            (on, _) => on.is_some(),
        }
    }

    /// When maintenance that is on at that moment is over, one window after the other.
    pub(in crate::rule) fn maintained_until(&self, at: Timestamp) -> Option<Timestamp> {
        let mut until = None;
        for _ in 0..MAX_WINDOWS {
            let at = until.unwrap_or(at);
            let Some(window) = self.maintenance.iter().find(|window| window.is_on(at)) else { break };
            until = Some(window.ends(at)?);
        }
        until
    }

    /// Ends what goes on: maintenance, the stand at a preset.
    pub(in crate::rule) fn end(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        self.finish(at, out);
        self.presets.leave(at, out);
    }

    fn finish(&mut self, at: MediaTime, out: &mut Vec<Draft>) {
        if self.ongoing.is_some() {
            self.report(Phase::End, at, out);
            self.ongoing = None;
        }
    }

    fn report(&self, phase: Phase, at: MediaTime, out: &mut Vec<Draft>) {
        let Some(ongoing) = &self.ongoing else { return };
        let lasted = at.since(ongoing.since);
        let summary = match phase {
            Phase::End => format!("maintenance is over after {:.0} s: rules work again", lasted.as_secs_f64()),
            _ => "maintenance: all rules of the camera rest".to_owned(),
        };
        let mut measured = values([("lasted_seconds", seconds(lasted))]);
        measured.insert("reason".to_owned(), ongoing.reason.as_deref().map_or(Value::Null, Value::from));
        out.push(Draft {
            kind: "maintenance",
            phase,
            track: None,
            ordinal: self.happenings.saturating_sub(u32::from(phase == Phase::End)),
            class: None,
            bbox: None,
            severity: Severity::Info,
            summary,
            thresholds: values([]),
            measured,
            at,
        });
    }
}
