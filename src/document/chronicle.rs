//! From stored events to the chapters of incidents: begun, changed, cleared.
//!
//! Only confirmed incidents are told of; a candidate that is cleared was never told. A pure function of the events in
//! the order of the store, and of when one asks: memory is that of the incidents that are going on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kinds;
use crate::base::{CameraId, CaptureTime, Timestamp};
use crate::incident::{Book, Incident, IncidentId, QUIET_FOR, SILENT_FOR, State};
use crate::scene::{Event, Severity, StoredEvent};

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It became certain.
    Began,
    /// Its severity, its kinds or the cameras that see it changed.
    Changed,
    /// It is over.
    Cleared,
}

/// What documents say of an incident that it does not know itself: taken from its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The camera of its latest event.
    pub camera: CameraId,
    /// When that event was filmed, with source and error.
    pub time: CaptureTime,
    /// Class of the road user, by vote.
    pub class: Option<String>,
    /// Level of congestion: `slow`, `queuing` or `stationary`.
    pub level: Option<String>,
    /// Length of the queue in metres.
    pub queue_metres: Option<f64>,
}

/// One version of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Chapter {
    /// The incident as it stood.
    pub incident: Incident,
    /// Its version, from 1.
    pub number: u32,
    /// What happened.
    pub step: Step,
    /// When, in capture time.
    pub at: Timestamp,
    /// More of it.
    pub detail: Detail,
}

struct Told {
    /// 0 until something was told.
    number: u32,
    incident: Incident,
    severity: Severity,
    kinds: BTreeSet<String>,
    cameras: BTreeSet<CameraId>,
    detail: Detail,
}

/// See the module.
#[derive(Default)]
pub struct Chronicle {
    book: Book,
    told: BTreeMap<IncidentId, Told>,
}

impl Chronicle {
    /// Takes the next event of the store; the chapters that it writes.
    pub fn take(&mut self, stored: &StoredEvent) -> Vec<Chapter> {
        let change = self.book.take(stored);
        let mut chapters = Vec::new();
        for incident in change.changed {
            let is_of_event = change.incident == Some(incident.id);
            let event = is_of_event.then_some(&stored.event);
            chapters.extend(self.write(incident, event));
        }
        chapters
    }

    fn write(&mut self, incident: Incident, event: Option<&Event>) -> Option<Chapter> {
        let id = incident.id;
        if let Some(cleared) = incident.cleared {
            let told = self.told.remove(&id)?;
            return chapter(&told, incident, Step::Cleared, cleared);
        }
        let event = event?;
        let told = self.told.entry(id).or_insert_with(|| Told {
            number: 0,
            incident: incident.clone(),
            severity: incident.severity,
            kinds: BTreeSet::new(),
            cameras: BTreeSet::new(),
            detail: Detail {
                camera: event.camera.clone(),
                time: event.time,
                class: None,
                level: None,
                queue_metres: None,
            },
        });
        told.detail.note(event);
        told.incident = incident.clone();
        if !incident.confirmed {
            return None;
        }
        let cameras: BTreeSet<CameraId> = incident.places.keys().cloned().collect();
        let step = if told.number == 0 { Step::Began } else { Step::Changed };
        let differs = told.severity != incident.severity || told.kinds != incident.kinds || told.cameras != cameras;
        if step == Step::Changed && !differs {
            return None;
        }
        (told.severity, told.kinds, told.cameras) = (incident.severity, incident.kinds.clone(), cameras);
        told.number += 1;
        Some(Chapter { number: told.number, step, at: event.time.utc, detail: told.detail.clone(), incident })
    }

    /// No more events: clears what is over by `now` though nothing has come since that would say so. What is left goes on.
    pub fn finish(self, now: Timestamp) -> Vec<Chapter> {
        let over = self.told.into_values().filter(|told| told.incident.state(now) == State::Cleared);
        over.filter_map(|told| {
            let patience = if told.incident.open.is_empty() { QUIET_FOR } else { SILENT_FOR };
            let at = told.incident.last + patience;
            let incident = Incident { cleared: Some(at), ..told.incident.clone() };
            chapter(&told, incident, Step::Cleared, at)
        })
        .collect()
    }
}

/// The next chapter of an incident of which something was told.
fn chapter(told: &Told, incident: Incident, step: Step, at: Timestamp) -> Option<Chapter> {
    (told.number > 0).then(|| Chapter { number: told.number + 1, step, at, detail: told.detail.clone(), incident })
}

impl Detail {
    fn note(&mut self, event: &Event) {
        (self.camera, self.time) = (event.camera.clone(), event.time);
        if event.class.is_some() {
            self.class.clone_from(&event.class);
        }
        let measured = &event.explanation.measured;
        if let Some(level) = measured.get("level").and_then(Value::as_str).filter(|level| kinds::is_level(level)) {
            self.level = Some(level.to_owned());
        }
        if let Some(metres) = measured.get("queue_metres").and_then(Value::as_f64) {
            self.queue_metres = Some(metres);
        }
    }
}
