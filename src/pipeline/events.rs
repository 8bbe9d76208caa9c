//! From a rule's draft to an event: identity, time, place, explanation.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::{CameraId, EventId, TrackId};
use crate::rule::Draft;
use crate::scene::event::Explanation;
use crate::scene::{Event, Labels, Moment, Phase};

/// What all events of a camera share.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The camera.
    pub camera: CameraId,
    /// Its site, if it has one.
    pub site: Option<String>,
    /// What the ids hang on besides the plan: the recording's fingerprint, or this start of the program.
    pub footage: String,
    /// SHA-256 of the model file.
    pub model: String,
    /// SHA-256 of the plan.
    pub pipeline: String,
    /// Class names.
    pub labels: Labels,
}

type Happening = (Arc<str>, &'static str, Option<TrackId>, u32);

/// Gives drafts their identity. Remembers only happenings that are still open.
#[derive(Debug)]
pub struct Minter {
    origin: Origin,
    open: HashMap<Happening, u32>,
}

impl Minter {
    /// A minter for one camera.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { origin, open: HashMap::new() }
    }

    /// What the camera's events share.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Makes the event of `draft`, written by `rule` at `moment`.
    ///
    /// The id hangs on (plan, camera, footage, rule, kind, track, ordinal): all records of one
    /// happening share it, and a rerun over the same footage gives the same.
    pub fn mint(&mut self, rule: &Arc<str>, draft: Draft, moment: &Moment) -> Event {
        let origin = &self.origin;
        let track = draft.track.map_or(0, |t| t.0).to_le_bytes();
        let id = EventId::derive(&[
            origin.pipeline.as_bytes(),
            origin.camera.as_str().as_bytes(),
            origin.footage.as_bytes(),
            rule.as_bytes(),
            draft.kind.as_bytes(),
            &track,
            &draft.ordinal.to_le_bytes(),
        ]);
        let happening = (Arc::clone(rule), draft.kind, draft.track, draft.ordinal);
        let revision = match draft.phase {
            Phase::Instant => 0,
            Phase::Start => {
                self.open.insert(happening, 0);
                0
            }
            Phase::Update => {
                let revision = self.open.entry(happening).or_insert(0);
                *revision += 1;
                *revision
            }
            Phase::End => self.open.remove(&happening).map_or(0, |revision| revision + 1),
        };
        Event {
            id,
            revision,
            phase: draft.phase,
            camera: origin.camera.clone(),
            site: origin.site.clone(),
            sequence: 0,
            rule: rule.to_string(),
            kind: draft.kind.to_owned(),
            severity: draft.severity,
            time: moment.capture,
            media_time: draft.at,
            run: moment.run,
            frame: moment.frame,
            track: draft.track,
            class: draft.class.map(|class| origin.labels.name(class).into_owned()),
            bbox: draft.bbox,
            explanation: Explanation {
                summary: draft.summary,
                thresholds: draft.thresholds,
                measured: draft.measured,
                model: origin.model.clone(),
                pipeline: origin.pipeline.clone(),
            },
            still: None,
            clean_still: None,
            clip: None,
        }
    }
}
