//! Lanes learned from tracks: where traffic goes one way, and which.
//!
//! Every track leaves the headings of its path in the cells of a grid over the picture, once per cell and heading
//! however long it stands there. Cells next to each other with about the same heading grow into a region; a region
//! that enough tracks went along is proposed as a lane. Vehicles that turn leave headings of their own, which
//! few share, and one that goes the wrong way is one: neither makes a lane.
//!
//! What is proposed is for somebody to look at and confirm: nothing is put in force.

mod path;
mod region;

use std::collections::HashMap;

use crate::base::TrackId;
use crate::scene::{NormPoint, Polygon, Segment, Track};

use self::path::Path;
use self::region::{Grid, Trace};

/// Tracks remembered; more than an hour of a dense junction.
const MOST_TRACKS: usize = 50_000;

/// What makes a lane.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Tracks that went along it, at least.
    pub tracks: usize,
    /// The same as a share of all tracks that moved.
    pub share: f64,
    /// Length along its direction, picture heights.
    pub length: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tracks: 5, share: 0.04, length: 0.15 }
    }
}

/// A lane as traffic shows it.
#[derive(Debug, Clone)]
pub struct LearnedLane {
    /// Its outline.
    pub polygon: Polygon,
    /// Its direction of travel, through its middle.
    pub direction: Segment,
    /// Tracks that went along it.
    pub tracks: usize,
    /// Standard deviation of their headings, degrees on the screen.
    pub spread_degrees: f64,
}

/// Takes in the tracks of one camera.
#[derive(Debug)]
pub struct Learner {
    aspect: f32,
    open: HashMap<TrackId, Path>,
    grid: Grid,
    traces: Vec<Trace>,
}

impl Learner {
    /// A learner for pictures `aspect` times as wide as high.
    #[must_use]
    pub fn new(aspect: f32) -> Self {
        Self { aspect, open: HashMap::new(), grid: Grid::new(aspect), traces: Vec::new() }
    }

    /// Takes in the tracks of a frame that are to count: vehicles.
    pub fn observe<'t>(&mut self, tracks: impl IntoIterator<Item = &'t Track>) {
        for track in tracks.into_iter().filter(|track| track.observed) {
            self.open.entry(track.id).or_default().push(track.bbox, self.aspect);
        }
    }

    /// These tracks have ended.
    pub fn forget(&mut self, ended: &[TrackId]) {
        for id in ended {
            if let Some(path) = self.open.remove(id) {
                self.close(&path);
            }
        }
    }

    /// All tracks end: a gap, or another session, whose ids begin anew.
    pub fn gap(&mut self) {
        let mut open: Vec<(TrackId, Path)> = self.open.drain().collect();
        open.sort_by_key(|(id, _)| *id);
        open.iter().for_each(|(_, path)| self.close(path));
    }

    fn close(&mut self, path: &Path) {
        let trace = self.grid.trace(path);
        if !trace.is_empty() && self.traces.len() < MOST_TRACKS {
            self.traces.push(trace);
        }
    }

    /// How many tracks moved far enough to tell a heading, those that still go on included.
    #[must_use]
    pub fn moved(&mut self) -> usize {
        self.gap();
        self.traces.len()
    }

    /// The lanes, those with most tracks first.
    #[must_use]
    pub fn lanes(mut self, limits: &Limits) -> Vec<LearnedLane> {
        self.gap();
        let least = limits.tracks.max((limits.share * self.traces.len() as f64).ceil() as usize);
        let mut lanes = self.grid.lanes(&self.traces, least, limits.length);
        lanes.sort_by(|a, b| b.tracks.cmp(&a.tracks).then(a.direction.from.x.total_cmp(&b.direction.from.x)));
        lanes
    }
}

/// A point in picture heights on both axes.
fn in_heights(p: NormPoint, aspect: f32) -> [f32; 2] {
    [p.x * aspect, p.y]
}
