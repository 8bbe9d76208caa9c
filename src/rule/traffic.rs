//! The road users of a camera as bodies on the plane, and which pairs of them can meet.

use std::time::Duration;

use super::FrameView;
use super::draft::Sight;
use super::held::PerTrack;
use super::params::Common;
use super::reach::Reach;
use super::roles::Role;
use super::together::{Company, Together, covered};
use super::trace::Trace;
use crate::base::{MediaTime, TrackId};

/// Boxes that cover each other so much may belong to one object.
const MAY_BE_ONE: f32 = 0.3;
/// A box so much covered by another that is not older than this is taken for a second box of one object.
const TWIN: f32 = 0.7;
const NEW: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Traffic {
    traces: PerTrack<Trace>,
    together: Together,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { traces: PerTrack::new(), together: Together::default() }
    }

    /// Takes in a frame; the tracks that had to make room.
    pub(super) fn observe(&mut self, frame: &FrameView<'_>, common: &Common) -> Vec<TrackId> {
        let takes = |class| common.takes(class, &frame.scene.labels);
        self.together.observe(frame.at, frame.tracks, frame.scene, |a, b| {
            covered(&a.bbox, &b.bbox) >= MAY_BE_ONE && takes(a.class) && takes(b.class)
        });
        for track in frame.tracks.iter().filter(|track| track.observed && takes(track.class)) {
            let sight = Sight::new(track, frame.at);
            let role = || Role::of(&frame.scene.labels.name(track.class));
            let trace = self.traces.touch(track.id, frame.at, || Trace::new(sight, role()));
            let role = if trace.sight.class == track.class { trace.role } else { role() };
            trace.push(sight, role, frame.scene);
        }
        std::iter::from_fn(|| self.traces.take_excess()).map(|trace| trace.sight.id).collect()
    }

    /// The road users seen at `at`, in order of id.
    pub(super) fn present(&self, at: MediaTime) -> impl Iterator<Item = (TrackId, &Trace)> {
        self.traces.iter().filter(move |(_, trace)| trace.sight.at == at)
    }

    pub(super) fn get(&self, id: TrackId) -> Option<&Trace> {
        self.traces.get(id)
    }

    /// The pairs seen at `at` that pass `may_matter`, of which at least one is a vehicle and that are two objects, the
    /// smaller id first. `memory` is how far back `may_matter` looks.
    ///
    /// Whoever rides on or in another is left out: the machine stands for both.
    pub(super) fn pairs(
        &self,
        at: MediaTime,
        memory: Duration,
        may_matter: impl Fn((&Trace, &Reach), (&Trace, &Reach)) -> bool,
    ) -> Vec<(&Trace, &Trace)> {
        let alone =
            |id: TrackId, trace: &Trace| trace.role != Role::Person || self.together.of(id) != Company::Together;
        let users: Vec<(&Trace, Reach)> = self
            .present(at)
            .filter_map(|(id, trace)| Some((trace, Reach::of(trace, memory)?)).filter(|_| alone(id, trace)))
            .collect();
        let mut pairs = Vec::new();
        for (n, (a, a_reach)) in users.iter().enumerate() {
            for (b, b_reach) in users.iter().skip(n + 1) {
                let has_vehicle = a.role != Role::Person || b.role != Role::Person;
                if has_vehicle && may_matter((*a, a_reach), (*b, b_reach)) && !is_one(&self.together, a, b) {
                    pairs.push((*a, *b));
                }
            }
        }
        pairs
    }

    pub(super) fn forget(&mut self, id: TrackId) {
        self.together.forget(id);
        self.traces.remove(id);
    }

    pub(super) fn clear(&mut self) {
        self.together.clear();
        self.traces = PerTrack::new();
    }

    pub(super) fn len(&self) -> usize {
        self.traces.len()
    }
}

/// Whether the two are probably one object, detected twice, or a machine and its load.
fn is_one(together: &Together, a: &Trace, b: &Trace) -> bool {
    let at = a.sight.at;
    let is_new = at.since(a.since) < NEW || at.since(b.since) < NEW;
    (is_new && covered(&a.sight.bbox, &b.sight.bbox) >= TWIN)
        || together.of_pair(a.sight.id, b.sight.id) == Company::Together
}
