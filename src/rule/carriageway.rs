//! The part of the road that is for vehicles: zones and lanes, without the crossings.

use super::scene::Scene;
use crate::scene::{NormBox, NormPoint};

/// Where a foot point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// On the carriageway, clear of its edge and of every crossing.
    Road,
    /// At the edge, where the box's jitter decides.
    Edge,
    /// Beside the carriageway or on a crossing.
    Off,
}

/// The names of what makes a carriageway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carriageway<'a> {
    pub(super) zones: &'a [String],
    pub(super) lanes: &'a [String],
    pub(super) crossings: &'a [String],
    /// How far from the edge a foot point is clear of it, in heights of the person's box.
    pub(super) clear: f32,
    /// How far beside a crossing people still use it, in heights of the person's box.
    pub(super) crossing_margin: f32,
}

impl Carriageway<'_> {
    /// Where the person of this box stands.
    pub(super) fn spot(&self, bbox: &NormBox, scene: &Scene) -> Spot {
        let foot = bbox.anchor();
        let around = |by: f32| probes(foot, by * bbox.height(), scene.aspect);
        let on_crossing = |p: NormPoint| in_zones(p, self.crossings, scene);
        if !self.contains(foot, scene) || on_crossing(foot) || around(self.crossing_margin).any(on_crossing) {
            return Spot::Off;
        }
        if around(self.clear).all(|p| self.contains(p, scene)) { Spot::Road } else { Spot::Edge }
    }

    fn contains(&self, p: NormPoint, scene: &Scene) -> bool {
        let lanes = || self.lanes.iter().filter_map(|name| scene.lanes.get(name));
        in_zones(p, self.zones, scene) || lanes().any(|lane| lane.polygon.contains(p))
    }
}

fn in_zones(p: NormPoint, names: &[String], scene: &Scene) -> bool {
    names.iter().filter_map(|name| scene.zones.get(name)).any(|zone| zone.contains(p))
}

/// Four points around `p`, `by` picture heights to the sides and a third of that up and down: the camera looks along
/// the ground, so that depth is foreshortened.
fn probes(p: NormPoint, by: f32, aspect: f32) -> impl Iterator<Item = NormPoint> {
    let (x, y) = (by / aspect, by / 3.0);
    [(x, 0.0), (-x, 0.0), (0.0, y), (0.0, -y)].into_iter().map(move |(dx, dy)| NormPoint::new(p.x + dx, p.y + dy))
}
