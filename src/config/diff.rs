//! What a changed pipeline file changes: which cameras to start, stop and restart, and what only a restart can change.

use std::collections::BTreeSet;

use super::plan::{CameraPlan, Plan};
use crate::base::CameraId;

/// The difference between the running plan and a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanDiff {
    /// Cameras that only the new plan has.
    pub added: Vec<CameraId>,
    /// Cameras that only the old plan has.
    pub removed: Vec<CameraId>,
    /// Cameras that both have, with another setting.
    pub changed: Vec<CameraId>,
    /// Cameras that go on, with another name, ward or place.
    pub described: Vec<CameraId>,
    /// Sections outside the cameras that differ; they take effect when the program is started again:
    /// `store`, `tracks`, `server`, `inference`, `models.NAME`, `sinks.ID`, and `sinks` for a mere change of order.
    pub needs_restart: Vec<String>,
}

impl PlanDiff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two plans. The cameras' order carries no meaning.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> PlanDiff {
    let mut diff = PlanDiff::default();
    for camera in &new.cameras {
        match old.camera(&camera.id) {
            None => diff.added.push(camera.id.clone()),
            Some(before) if !works_alike(before, camera) => diff.changed.push(camera.id.clone()),
            Some(before) if before.about != camera.about => diff.described.push(camera.id.clone()),
            Some(_) => {}
        }
    }
    // Without a camera that stores tracks there is nothing that the section could change.
    let stores = |plan: &Plan| plan.cameras.iter().any(|camera| camera.store_tracks);
    let gone = old.cameras.iter().filter(|camera| new.camera(&camera.id).is_none());
    diff.removed.extend(gone.map(|camera| camera.id.clone()));
    for (section, differs) in [
        ("store", old.store != new.store),
        ("tracks", stores(new) && (!stores(old) || old.tracks != new.tracks)),
        ("server", old.server != new.server),
        ("inference", old.inference != new.inference),
    ] {
        if differs {
            diff.needs_restart.push(section.to_owned());
        }
    }
    let models: BTreeSet<&String> = old.models.keys().chain(new.models.keys()).collect();
    let models = models.into_iter().filter(|name| old.models.get(*name) != new.models.get(*name));
    diff.needs_restart.extend(models.map(|name| format!("models.{name}")));
    let sink = |plan: &Plan, id: &str| {
        plan.sinks.iter().position(|sink| sink.id == id).and_then(|at| plan.sinks.get(at).cloned())
    };
    let sinks: BTreeSet<&String> = old.sinks.iter().chain(&new.sinks).map(|sink| &sink.id).collect();
    let before = diff.needs_restart.len();
    let sinks = sinks.into_iter().filter(|id| sink(old, id) != sink(new, id));
    diff.needs_restart.extend(sinks.map(|id| format!("sinks.{id}")));
    if diff.needs_restart.len() == before && old.sinks != new.sinks {
        diff.needs_restart.push("sinks".to_owned());
    }
    diff
}

/// Whether a camera may go on: nothing differs but what it is to people.
fn works_alike(old: &CameraPlan, new: &CameraPlan) -> bool {
    CameraPlan { about: new.about.clone(), ..old.clone() } == *new
}
