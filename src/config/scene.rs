//! Zones, lines and lanes of a camera.

use super::compile::Context;
use super::plan::{LanePlan, LinePlan, ZonePlan};
use super::raw::{Camera, Corners, Point};
use super::read::{Field, Located};
use super::registry::SceneNames;
use crate::scene::{Polygon, Segment};

/// More corners than this are a tracing, not a drawing; checking for crossings is quadratic.
const MAX_CORNERS: usize = 256;
/// A line shorter than this share of the picture is a point drawn twice.
const MIN_LENGTH: f32 = 1e-3;

/// The names that rules may refer to, those of badly drawn shapes included.
pub(super) fn names(camera: &Camera) -> SceneNames {
    SceneNames {
        zones: camera.zones.get().into_iter().flatten().filter_map(|zone| zone.value.id.get().cloned()).collect(),
        lines: camera.lines.get().into_iter().flatten().filter_map(|line| line.value.id.get().cloned()).collect(),
        calibrated: camera.calibration.is_given(),
        signals: camera.signals.is_given(),
        lanes: camera.lanes.get().into_iter().flatten().filter_map(|lane| lane.value.id.get().cloned()).collect(),
    }
}

/// The camera's zones.
pub(super) fn zones(context: &mut Context<'_>, camera: &Camera) -> Vec<ZonePlan> {
    areas(context, &camera.zones, "zone")
}

/// The camera's privacy masks.
pub(super) fn masks(context: &mut Context<'_>, camera: &Camera) -> Vec<ZonePlan> {
    areas(context, &camera.masks, "mask")
}

fn areas(context: &mut Context<'_>, areas: &Field<Vec<Located<super::raw::Zone>>>, what: &str) -> Vec<ZonePlan> {
    let Some(areas) = areas.get() else { return Vec::new() };
    context.unique(areas.iter().map(|area| &area.value.id), what);
    let compile = |zone: &Located<super::raw::Zone>| {
        let polygon = polygon(context, &zone.value.polygon);
        Some(ZonePlan { id: zone.value.id.get()?.clone(), polygon: polygon? })
    };
    areas.iter().filter_map(compile).collect()
}

/// The camera's lines.
pub(super) fn lines(context: &mut Context<'_>, camera: &Camera) -> Vec<LinePlan> {
    let Some(lines) = camera.lines.get() else { return Vec::new() };
    context.unique(lines.iter().map(|line| &line.value.id), "line");
    let compile = |line: &Located<super::raw::Line>| {
        let segment = segment(context, &line.value.from, &line.value.to, "line");
        Some(LinePlan { id: line.value.id.get()?.clone(), segment: segment? })
    };
    lines.iter().filter_map(compile).collect()
}

/// The camera's lanes.
pub(super) fn lanes(context: &mut Context<'_>, camera: &Camera) -> Vec<LanePlan> {
    let Some(lanes) = camera.lanes.get() else { return Vec::new() };
    context.unique(lanes.iter().map(|lane| &lane.value.id), "lane");
    let compile = |lane: &Located<super::raw::Lane>| {
        let polygon = polygon(context, &lane.value.polygon);
        let direction = lane.value.direction.get();
        let direction = direction.and_then(|d| segment(context, &d.from, &d.to, "direction"));
        Some(LanePlan { id: lane.value.id.get()?.clone(), polygon: polygon?, direction: direction? })
    };
    lanes.iter().filter_map(compile).collect()
}

fn segment(context: &mut Context<'_>, from: &Field<Point>, to: &Field<Point>, what: &str) -> Option<Segment> {
    let (from, to) = (from.get()?.0, to.located()?);
    let segment = Segment { from, to: to.value.0 };
    if segment.length() < MIN_LENGTH {
        let message = format!("this {what} has no length: it ends where it begins");
        context.problems.error(to.mark, message, "move `to` away from `from`");
        return None;
    }
    Some(segment)
}

fn polygon(context: &mut Context<'_>, corners: &Field<Corners>) -> Option<Polygon> {
    let corners = corners.located()?;
    let points = &corners.value.0;
    if points.len() > MAX_CORNERS {
        let message = format!("this polygon has {} corners", points.len());
        context.problems.error(corners.mark, message, format!("draw it with at most {MAX_CORNERS}"));
        return None;
    }
    let help = match points.as_slice() {
        [] | [_] | [_, _] => "add corners: [[x, y], [x, y], [x, y]]",
        [first, .., last] if first == last => "remove the last corner: the polygon closes by itself",
        _ => "list the corners in the order of the outline",
    };
    Polygon::new(points.clone()).map_err(|why| context.problems.error(corners.mark, why, help)).ok()
}
