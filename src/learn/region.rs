//! From the headings in the cells of a grid to lanes.

use std::collections::{BTreeMap, BTreeSet};
use std::f32::consts::{PI, TAU};

use super::LearnedLane;
use super::path::Path;
use crate::scene::{NormPoint, Polygon, Segment};

/// Cells along the picture's height.
const ROWS: usize = 36;
/// Headings told apart: 10° each.
const HEADINGS: usize = 36;
/// A cell belongs to a region when its heading is so near the region's, radians (25°).
const SAME: f32 = 25.0 * PI / 180.0;
/// And so near that of the cell beside it, radians (20°).
const NEXT: f32 = 20.0 * PI / 180.0;
/// Share of the box's width, around the anchor, that stands for the vehicle on the ground.
const FOOTPRINT: f32 = 0.7;
/// Share of a track's cells that must lie in a region for the track to have gone along it.
const ALONG: f64 = 0.35;
/// Slices of a region along its direction, from which its outline is drawn.
const SLICES: usize = 10;

/// The cells and headings that one track left, each once.
pub(super) type Trace = BTreeSet<(usize, usize)>;

/// The grid over the picture.
#[derive(Debug)]
pub(super) struct Grid {
    columns: usize,
    aspect: f32,
}

/// Cells with the mean heading of each.
type Field = BTreeMap<usize, Cell>;

/// What tracks of about one heading left in a cell.
#[derive(Debug, Clone, Copy)]
struct Cell {
    heading: f32,
    tracks: usize,
}

impl Grid {
    pub(super) fn new(aspect: f32) -> Self {
        Self { columns: ((ROWS as f32 * aspect).round() as usize).max(1), aspect }
    }

    fn cell(&self, [x, y]: [f32; 2]) -> Option<usize> {
        let (column, row) = (x * ROWS as f32, y * ROWS as f32);
        let inside = column >= 0.0 && row >= 0.0 && (column as usize) < self.columns && (row as usize) < ROWS;
        inside.then(|| row as usize * self.columns + column as usize)
    }

    /// Middle of a cell, picture heights.
    fn middle(&self, cell: usize) -> [f32; 2] {
        [(cell % self.columns) as f32 + 0.5, (cell / self.columns) as f32 + 0.5].map(|v| v / ROWS as f32)
    }

    /// Where a track was and whither, with the width that it took up.
    pub(super) fn trace(&self, path: &Path) -> Trace {
        let mut trace = Trace::new();
        for (from, to, heading) in path.legs() {
            let bin = bin(heading);
            let steps = ((to.at[0] - from.at[0]).hypot(to.at[1] - from.at[1]) * ROWS as f32 * 2.0).ceil().max(1.0);
            for n in 0..=steps as usize {
                let share = n as f32 / steps;
                let at = |axis: usize| from.at[axis] + share * (to.at[axis] - from.at[axis]);
                let half = FOOTPRINT * (from.half_width + share * (to.half_width - from.half_width));
                let across = (half * ROWS as f32 * 2.0).ceil().max(1.0) as i32;
                for side in -across..=across {
                    let x = at(0) + half * side as f32 / across as f32;
                    trace.extend(self.cell([x, at(1)]).map(|cell| (cell, bin)));
                }
            }
        }
        trace
    }

    /// Regions with a common heading that enough tracks went along.
    pub(super) fn lanes(&self, traces: &[Trace], least: usize, length: f32) -> Vec<LearnedLane> {
        let mut counts: BTreeMap<usize, [usize; HEADINGS]> = BTreeMap::new();
        for (cell, heading) in traces.iter().flatten() {
            if let Some(count) = counts.entry(*cell).or_insert([0; HEADINGS]).get_mut(*heading) {
                *count += 1;
            }
        }
        let mut lanes = Vec::new();
        // Takes the strongest heading left, grows it, and takes its headings out, until nothing strong is left.
        while let Some((seed, cell)) = strongest(&counts).filter(|(_, cell)| cell.tracks >= least.max(2)) {
            let region = self.grow(&counts, seed, cell, (least / 3).max(2));
            let heading = mean(region.values());
            for (at, cell) in &region {
                let Some(count) = counts.get_mut(at) else { continue };
                for (n, count) in count.iter_mut().enumerate() {
                    if apart(angle(n), cell.heading) <= SAME || apart(angle(n), heading) <= SAME {
                        *count = 0;
                    }
                }
            }
            lanes.extend(self.lane(&region, heading, traces, least, length));
        }
        lanes
    }

    /// Cells around the seed that go on in its direction. `least` tracks must share a cell.
    fn grow(&self, counts: &BTreeMap<usize, [usize; HEADINGS]>, seed: usize, first: Cell, least: usize) -> Field {
        let mut region = Field::from([(seed, first)]);
        let mut edge = vec![seed];
        while let Some(at) = edge.pop() {
            let Some(from) = region.get(&at).copied() else { continue };
            for next in self.beside(at) {
                if region.contains_key(&next) {
                    continue;
                }
                let cell = counts.get(&next).and_then(|count| near(count, from.heading));
                let fits = |cell: &Cell| {
                    cell.tracks >= least
                        && apart(cell.heading, from.heading) <= NEXT
                        && apart(cell.heading, first.heading) <= SAME
                };
                if let Some(cell) = cell.filter(fits) {
                    region.insert(next, cell);
                    edge.push(next);
                }
            }
        }
        region
    }

    fn beside(&self, cell: usize) -> impl Iterator<Item = usize> + use<> {
        let (columns, column, row) =
            (self.columns as isize, (cell % self.columns) as isize, (cell / self.columns) as isize);
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))).filter(|step| *step != (0, 0));
        around.filter_map(move |(dx, dy)| {
            let (x, y) = (column + dx, row + dy);
            ((0..columns).contains(&x) && (0..ROWS as isize).contains(&y)).then(|| (y * columns + x) as usize)
        })
    }

    /// The lane of a region; none when too few tracks went along it or it is too short.
    fn lane(&self, region: &Field, heading: f32, traces: &[Trace], least: usize, length: f32) -> Option<LearnedLane> {
        let holds = |(cell, bin): &&(usize, usize)| region.contains_key(cell) && apart(angle(*bin), heading) <= SAME;
        let mut headings = Vec::new();
        for trace in traces {
            let inside: Vec<f32> = trace.iter().filter(holds).map(|(_, bin)| angle(*bin)).collect();
            if inside.len() as f64 >= ALONG * trace.len() as f64 && !inside.is_empty() {
                headings.push(mean_angle(inside.into_iter().map(|heading| (heading, 1.0))));
            }
        }
        if headings.len() < least {
            return None;
        }
        let direction = mean_angle(headings.iter().map(|heading| (*heading, 1.0)));
        let variance = headings.iter().map(|h| f64::from(apart(*h, direction)).powi(2)).sum::<f64>();
        let spread_degrees = (variance / headings.len() as f64).sqrt().to_degrees();
        let (polygon, direction) = self.outline(region, direction, length)?;
        Some(LearnedLane { polygon, direction, tracks: headings.len(), spread_degrees })
    }

    /// The outline, slice by slice along the direction, and an arrow through its middle.
    fn outline(&self, region: &Field, heading: f32, length: f32) -> Option<(Polygon, Segment)> {
        let (along, across) = ([heading.cos(), heading.sin()], [-heading.sin(), heading.cos()]);
        let dot = |a: [f32; 2], b: [f32; 2]| a[0] * b[0] + a[1] * b[1];
        let half = 0.5 / ROWS as f32;
        let places: Vec<(f32, f32)> =
            region.keys().map(|cell| self.middle(*cell)).map(|p| (dot(p, along), dot(p, across))).collect();
        let low = places.iter().map(|(u, _)| *u).fold(f32::INFINITY, f32::min) - half;
        let high = places.iter().map(|(u, _)| *u).fold(f32::NEG_INFINITY, f32::max) + half;
        if high - low < length {
            return None;
        }
        let thickness = (high - low) / SLICES as f32;
        let mut sides: Vec<(f32, f32, f32)> = Vec::new();
        for slice in 0..SLICES {
            let middle = low + (slice as f32 + 0.5) * thickness;
            let reach = thickness.max(2.0 * half) / 2.0 + half;
            let inside = places.iter().filter(|(u, _)| (u - middle).abs() <= reach).map(|(_, v)| *v);
            let (left, right) = inside.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, r), v| (l.min(v), r.max(v)));
            if left <= right {
                sides.push((middle, left - half, right + half));
            }
        }
        if let (Some(first), Some(last)) = (sides.first().copied(), sides.last().copied()) {
            sides.insert(0, (low, first.1, first.2));
            sides.push((high, last.1, last.2));
        }
        let place = |u: f32, v: f32| {
            let x = (u * along[0] + v * across[0]) / self.aspect;
            let y = u * along[1] + v * across[1];
            let share = |v: f32| (v.clamp(0.0, 1.0) * 1e4).round() / 1e4;
            NormPoint::new(share(x), share(y))
        };
        let left = sides.iter().map(|(u, left, _)| place(*u, *left));
        let right = sides.iter().rev().map(|(u, _, right)| place(*u, *right));
        let mut corners: Vec<NormPoint> = left.chain(right).collect();
        corners.dedup();
        straighten(&mut corners);
        let middle = sides.iter().map(|(_, l, r)| (l + r) / 2.0).sum::<f32>() / sides.len().max(1) as f32;
        let reach = 0.8 * (high - low) / 2.0;
        let centre = (low + high) / 2.0;
        let direction = Segment { from: place(centre - reach, middle), to: place(centre + reach, middle) };
        Some((Polygon::new(corners).ok()?, direction))
    }
}

/// Takes out corners that lie on the line of their neighbours, within half a cell.
fn straighten(corners: &mut Vec<NormPoint>) {
    let mut n = 0;
    while corners.len() > 4 && n < corners.len() {
        let at = |k: usize| corners.get(k % corners.len()).copied().unwrap_or_default();
        let (before, here, after) = (at(n + corners.len() - 1), at(n), at(n + 1));
        let chord = Segment { from: before, to: after };
        if chord.side(here).abs() < chord.length() * 0.5 / ROWS as f32 {
            corners.remove(n);
        } else {
            n += 1;
        }
    }
}

/// The heading that most tracks share anywhere.
fn strongest(counts: &BTreeMap<usize, [usize; HEADINGS]>) -> Option<(usize, Cell)> {
    let best = |(at, count): (&usize, &[usize; HEADINGS])| {
        let bins = (0..HEADINGS).filter_map(|n| near(count, angle(n)));
        bins.max_by_key(|cell| cell.tracks).map(|cell| (*at, cell))
    };
    counts.iter().filter_map(best).max_by(|a, b| a.1.tracks.cmp(&b.1.tracks).then(b.0.cmp(&a.0)))
}

/// What tracks with about that heading left in a cell.
fn near(count: &[usize; HEADINGS], heading: f32) -> Option<Cell> {
    let within = || count.iter().enumerate().filter(|(n, _)| apart(angle(*n), heading) <= NEXT);
    let tracks = within().map(|(_, count)| count).sum();
    let mean = mean_angle(within().map(|(n, count)| (angle(n), *count as f32)));
    (tracks > 0).then_some(Cell { heading: mean, tracks })
}

fn mean<'c>(cells: impl Iterator<Item = &'c Cell>) -> f32 {
    mean_angle(cells.map(|cell| (cell.heading, cell.tracks as f32)))
}

/// Mean of directions with weights (Mardia and Jupp, *Directional Statistics*, 2000, §2.2).
fn mean_angle(angles: impl Iterator<Item = (f32, f32)>) -> f32 {
    let (x, y) = angles.fold((0.0, 0.0), |(x, y), (a, weight)| (x + weight * a.cos(), y + weight * a.sin()));
    y.atan2(x)
}

fn bin(heading: f32) -> usize {
    ((heading.rem_euclid(TAU) / TAU * HEADINGS as f32) as usize).min(HEADINGS - 1)
}

fn angle(bin: usize) -> f32 {
    (bin as f32 + 0.5) / HEADINGS as f32 * TAU
}

/// The angle between two directions, 0 to π.
fn apart(a: f32, b: f32) -> f32 {
    let off = (a - b).rem_euclid(TAU);
    off.min(TAU - off)
}
