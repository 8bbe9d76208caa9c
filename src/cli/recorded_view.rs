//! What the store's events say of a camera's view at a time: stored tracks come without pictures, so that rules run over
//! them cannot tell whether the view was fit, nor where a camera that can be turned stood.

use std::time::Duration;

use serde_json::Value;

use crate::base::{CameraId, Result, Timestamp};
use crate::rule::Rest;
use crate::scene::{Event, Phase};
use crate::store::{Query, Reader};

/// So many of the latest records are looked through for happenings that were open.
const LATEST: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub struct RecordedView {
    /// What was wrong with it.
    faults: Vec<Rest>,
    /// The preset that the camera stood at.
    standing: Option<String>,
}

impl RecordedView {
    /// Of a camera at a time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(reader: &Reader, camera: &CameraId, at: Timestamp) -> Result<Self> {
        let mut faults = Vec::new();
        for event in open(reader, camera, "camera_unfit", at)? {
            let fault = word(&event, "fault").unwrap_or_else(|| "unfit".to_owned());
            let until = end(reader, &event, at)?;
            faults.push(Rest { why: fault.into(), about: Some(event.rule), until });
        }
        let standing = open(reader, camera, "preset", at)?.first().and_then(|event| word(event, "preset"));
        Ok(Self { faults, standing })
    }

    /// Adds what it knows to what the rules say of themselves: they find themselves astray without pictures.
    pub fn correct(&self, rests: &mut Vec<Rest>, judges_the_view: bool) {
        if let Some(standing) = &self.standing {
            rests.retain(|rest| rest.why != "preset" || rest.about.as_ref().is_some_and(|wanted| wanted != standing));
        }
        if !judges_the_view {
            rests.extend(self.faults.iter().cloned());
        }
    }
}

/// The latest record of each happening of a kind that was open at that time.
fn open(reader: &Reader, camera: &CameraId, kind: &str, at: Timestamp) -> Result<Vec<Event>> {
    let query = Query {
        camera: Some(camera.to_string()),
        kind: Some(kind.to_owned()),
        to: Some(at + Duration::from_nanos(1)),
        reverse: true,
        limit: LATEST,
        ..Query::default()
    };
    let mut latest: Vec<Event> = Vec::new();
    for stored in reader.events(&query)? {
        if latest.iter().all(|known| known.id != stored.event.id) {
            latest.push(stored.event);
        }
    }
    latest.retain(|event| matches!(event.phase, Phase::Start | Phase::Update));
    Ok(latest)
}

/// When the happening ended, if it has.
fn end(reader: &Reader, event: &Event, after: Timestamp) -> Result<Option<Timestamp>> {
    let query = Query {
        camera: Some(event.camera.to_string()),
        rule: Some(event.rule.clone()),
        phase: Some(Phase::End),
        from: Some(after),
        limit: LATEST,
        ..Query::default()
    };
    let ended = reader.events(&query)?.into_iter().find(|stored| stored.event.id == event.id);
    Ok(ended.map(|stored| stored.event.time.utc))
}

fn word(event: &Event, key: &str) -> Option<String> {
    event.explanation.measured.get(key).and_then(Value::as_str).map(str::to_owned)
}
