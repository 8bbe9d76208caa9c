//! What is drawn on a still besides the event's box: the shapes of its rule and the path of its track.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::base::{MediaTime, TrackId};
use crate::config::{CameraPlan, LanePlan};
use crate::frame::still::Shape;
use crate::scene::{NormPoint, Track};

/// Colour of zones, lines and lanes.
const SHAPE_COLOUR: [u8; 3] = [0, 208, 255];
/// How far back a path goes.
const PATH_NS: i64 = 10_000_000_000;
/// Positions of a path, and the least time between two.
const PATH_POINTS: usize = 64;
const PATH_STEP_NS: i64 = PATH_NS / PATH_POINTS as i64;
/// Length of a lane's arrow, a share of the picture.
const ARROW: f32 = 0.12;

/// The shapes that each rule of a camera names.
#[derive(Debug, Default)]
pub struct Scenery(HashMap<String, Vec<Shape>>);

impl Scenery {
    /// Finds them: a rule names its zones, lines and lanes in its parameters.
    #[must_use]
    pub fn of(plan: &CameraPlan) -> Self {
        let shapes = |rule: &crate::config::RulePlan| {
            let mut shapes = Vec::new();
            for (key, value) in &rule.params {
                named(plan, key, value, &mut shapes);
            }
            (rule.id.clone(), shapes)
        };
        Self(plan.rules.iter().map(shapes).collect())
    }

    /// The shapes of a rule.
    #[must_use]
    pub fn of_rule(&self, rule: &str) -> &[Shape] {
        self.0.get(rule).map_or(&[], Vec::as_slice)
    }
}

/// The shapes that the texts in a parameter name. The key says which sort is meant, where it says one.
fn named(plan: &CameraPlan, key: &str, value: &Value, shapes: &mut Vec<Shape>) {
    match value {
        Value::String(name) => {
            let is =
                |sort: &str| key.contains(sort) || !["zone", "line", "lane", "class"].iter().any(|s| key.contains(s));
            let zone = plan.zones.iter().find(|zone| is("zone") && zone.id == *name);
            let line = plan.lines.iter().find(|line| is("line") && line.id == *name);
            let lane = plan.lanes.iter().find(|lane| is("lane") && lane.id == *name);
            let colour = SHAPE_COLOUR;
            shapes.extend(zone.map(|zone| Shape::Area {
                corners: zone.polygon.corners().to_vec(),
                label: Some(zone.id.clone()),
                colour,
            }));
            shapes.extend(line.map(|line| Shape::Arrow {
                from: line.segment.from,
                to: line.segment.to,
                label: Some(line.id.clone()),
                colour,
            }));
            if let Some(lane) = lane {
                let corners = lane.polygon.corners().to_vec();
                shapes.push(Shape::Area { corners, label: Some(lane.id.clone()), colour });
                shapes.extend(arrow(lane));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(plan, key, item, shapes)),
        Value::Object(inner) => inner.iter().for_each(|(key, value)| named(plan, key, value, shapes)),
        _ => {}
    }
}

/// A lane's direction, drawn in its middle.
fn arrow(lane: &LanePlan) -> Option<Shape> {
    let corners = lane.polygon.corners();
    let n = corners.len() as f32;
    let (x, y) = corners.iter().fold((0.0, 0.0), |(x, y), corner| (x + corner.x / n, y + corner.y / n));
    let direction = &lane.direction;
    let (dx, dy) = (direction.to.x - direction.from.x, direction.to.y - direction.from.y);
    let half = ARROW / 2.0 / dx.hypot(dy);
    half.is_finite().then(|| Shape::Arrow {
        from: NormPoint::new(x - dx * half, y - dy * half),
        to: NormPoint::new(x + dx * half, y + dy * half),
        label: None,
        colour: SHAPE_COLOUR,
    })
}

/// Where each track has been lately. Bounded per track, and dropped with it.
#[derive(Debug, Default)]
pub struct Paths(HashMap<TrackId, VecDeque<(MediaTime, NormPoint)>>);

impl Paths {
    /// Adds the positions of one frame.
    pub fn observe(&mut self, at: MediaTime, tracks: &[Track]) {
        for track in tracks {
            let path = self.0.entry(track.id).or_default();
            if path.back().is_some_and(|(last, _)| at.0.saturating_sub(last.0) < PATH_STEP_NS) {
                continue;
            }
            while path.len() >= PATH_POINTS
                || path.front().is_some_and(|(first, _)| at.0.saturating_sub(first.0) > PATH_NS)
            {
                path.pop_front();
            }
            path.push_back((at, track.anchor()));
        }
    }

    /// The tracker has ended the track.
    pub fn forget(&mut self, id: TrackId) {
        self.0.remove(&id);
    }

    /// All tracks are over.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The path of a track, oldest position first, up to where it is now.
    #[must_use]
    pub fn of(&self, id: TrackId, now: Option<NormPoint>) -> Vec<NormPoint> {
        let past = self.0.get(&id).into_iter().flatten().map(|(_, point)| *point);
        past.chain(now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{ClassId, NormBox};

    fn track(id: u64, x: f32) -> Track {
        Track {
            id: TrackId(id),
            class: ClassId(0),
            score: 1.0,
            bbox: NormBox { x1: x, y1: 0.2, x2: x + 0.1, y2: 0.4 },
            velocity: NormPoint::new(0.0, 0.0),
            observed: true,
            first_seen: MediaTime(0),
            last_seen: MediaTime(0),
        }
    }

    #[test]
    fn a_path_is_bounded_and_ends_where_the_track_is() {
        let mut paths = Paths::default();
        for frame in 0..2_000_i64 {
            paths.observe(MediaTime(frame * 40_000_000), &[track(1, frame as f32 * 1e-4), track(2, 0.5)]);
        }
        let path = paths.of(TrackId(1), Some(NormPoint::new(0.9, 0.9)));
        assert!((40..=PATH_POINTS + 1).contains(&path.len()), "{}", path.len());
        assert!(path.windows(2).all(|pair| pair[0].x < pair[1].x), "oldest first");
        assert_eq!(path.last(), Some(&NormPoint::new(0.9, 0.9)));
        paths.forget(TrackId(1));
        assert!(paths.of(TrackId(1), None).is_empty());
        assert!(!paths.of(TrackId(2), None).is_empty());
    }
}
