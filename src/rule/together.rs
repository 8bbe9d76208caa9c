//! Who belongs together: a rider and his machine, a driver and his car, two boxes of one object.
//!
//! Two boxes that overlap and keep their places relative to each other move as one. A passer-by overlaps too, but not
//! in the same place for long.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plane::Vec2;
use super::roles::Role;
use super::scene::Scene;
use crate::base::{MediaTime, TrackId};
use crate::scene::{NormBox, Track};

/// How long two boxes must keep their places before they belong together.
const SETTLE: Duration = Duration::from_millis(700);
/// How long they still do when one of them is not detected.
const MEMORY: Duration = Duration::from_secs(2);
/// How far the places may shift, in heights of the lower box.
const SHIFT: f32 = 0.25;
/// More pairs than any picture has; beyond it the pair seen longest ago goes first.
const MAX_PAIRS: usize = 1024;

/// Pairs in order: the smaller id first.
#[derive(Debug, Default)]
pub(super) struct Together {
    bonds: BTreeMap<(TrackId, TrackId), Bond>,
}

#[derive(Debug, Clone, Copy)]
struct Bond {
    since: MediaTime,
    last: MediaTime,
    /// From the first's centre to the second's, in heights of the lower box.
    offset: Vec2,
}

/// What is known of a track's company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Company {
    /// It goes alone.
    Alone,
    /// It overlaps another, for too short a time to tell.
    Unclear,
    /// It moves with another.
    Together,
}

impl Together {
    /// Takes in the observed tracks of a frame; `overlap` says which pairs might belong together.
    pub(super) fn observe(
        &mut self,
        at: MediaTime,
        tracks: &[Track],
        scene: &Scene,
        overlap: impl Fn(&Track, &Track) -> bool,
    ) {
        // From left to right: whoever begins beyond the right edge touches nobody before him.
        let mut seen: Vec<&Track> = tracks.iter().filter(|track| track.observed).collect();
        seen.sort_by(|a, b| a.bbox.x1.total_cmp(&b.bbox.x1));
        for (n, a) in seen.iter().enumerate() {
            for b in seen.iter().skip(n + 1).take_while(|b| b.bbox.x1 < a.bbox.x2) {
                // A pair is asked for, and its offset goes, in the order of ids.
                let (a, b) = if a.id < b.id { (a, b) } else { (b, a) };
                if !touch(&a.bbox, &b.bbox) || !overlap(a, b) {
                    continue;
                }
                let height = a.bbox.height().min(b.bbox.height());
                if height <= 0.0 {
                    continue;
                }
                let between = scene.in_heights(b.bbox.centre()) - scene.in_heights(a.bbox.centre());
                let offset = Vec2 { x: between.x / height, y: between.y / height };
                let fresh = Bond { since: at, last: at, offset };
                let bond = self.bonds.entry((a.id, b.id)).or_insert(fresh);
                bond.last = at;
                if (offset - bond.offset).length() > SHIFT {
                    *bond = fresh;
                }
            }
        }
        // Both seen, and not as a pair: nothing is left of what was. One of them not seen: it may be back.
        let is_seen = |id: TrackId| tracks.iter().any(|track| track.id == id && track.observed);
        self.bonds
            .retain(|(a, b), bond| bond.last == at || (at.since(bond.last) <= MEMORY && !(is_seen(*a) && is_seen(*b))));
        while self.bonds.len() > MAX_PAIRS {
            let oldest = self.bonds.iter().min_by_key(|(key, bond)| (bond.last, **key)).map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            self.bonds.remove(&oldest);
        }
    }

    /// What is known of these two.
    pub(super) fn of_pair(&self, a: TrackId, b: TrackId) -> Company {
        self.bonds.get(&pair(a, b)).map_or(Company::Alone, Bond::company)
    }

    /// What is known of a track with any other.
    pub(super) fn of(&self, id: TrackId) -> Company {
        let with = |((a, b), _): &(&(TrackId, TrackId), &Bond)| *a == id || *b == id;
        self.bonds.iter().filter(with).map(|(_, bond)| bond.company()).max().unwrap_or(Company::Alone)
    }

    pub(super) fn forget(&mut self, id: TrackId) {
        self.bonds.retain(|(a, b), _| *a != id && *b != id);
    }

    pub(super) fn clear(&mut self) {
        self.bonds.clear();
    }
}

impl Bond {
    fn company(&self) -> Company {
        if self.last.since(self.since) >= SETTLE { Company::Together } else { Company::Unclear }
    }
}

fn pair(a: TrackId, b: TrackId) -> (TrackId, TrackId) {
    (a.min(b), a.max(b))
}

fn touch(a: &NormBox, b: &NormBox) -> bool {
    a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2
}

/// The share of the smaller box that the larger one covers, 0 to 1.
pub(super) fn covered(a: &NormBox, b: &NormBox) -> f32 {
    let width = (a.x2.min(b.x2) - a.x1.max(b.x1)).max(0.0);
    let height = (a.y2.min(b.y2) - a.y1.max(b.y1)).max(0.0);
    let smaller = a.area().min(b.area());
    if smaller > 0.0 { width * height / smaller } else { 0.0 }
}

/// Whether the person's box lies as that of somebody on or in the vehicle.
///
/// On two wheels: over the machine, the feet between its upper edge and its wheels. In a vehicle: within its box, the
/// lower edge well above the wheels; whoever stands before it has his feet lower.
pub(super) fn may_ride(person: &NormBox, vehicle: &NormBox, role: Role) -> bool {
    let height = vehicle.height();
    if role.is_two_wheeler() {
        let width = (person.x2.min(vehicle.x2) - person.x1.max(vehicle.x1)).max(0.0);
        let feet = person.y2 > vehicle.y1 && person.y2 <= vehicle.y2 + 0.15 * height;
        return feet && width >= 0.5 * person.width().min(vehicle.width());
    }
    covered(person, vehicle) >= 0.8 && person.area() < vehicle.area() && person.y2 <= vehicle.y2 - 0.15 * height
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{ClassId, Labels, NormPoint};

    fn scene() -> Scene {
        Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground: None,
            labels: Labels::new(["person"]),
            aspect: 1.0,
        }
    }

    fn track(id: u64, x: f32, y: f32) -> Track {
        Track {
            id: TrackId(id),
            class: ClassId(0),
            score: 1.0,
            bbox: NormBox { x1: x, y1: y, x2: x + 0.05, y2: y + 0.1 },
            velocity: NormPoint::default(),
            observed: true,
            first_seen: MediaTime(0),
            last_seen: MediaTime(0),
        }
    }

    fn company(moves: impl Fn(f32) -> (f32, f32), frames: u16) -> Company {
        let (mut together, scene) = (Together::default(), scene());
        for n in 0..frames {
            let t = f32::from(n) / 10.0;
            let (a, b) = moves(t);
            let tracks = [track(1, a, 0.5), track(2, b, 0.52)];
            together.observe(MediaTime::from_seconds(f64::from(t)), &tracks, &scene, |_, _| true);
        }
        assert_eq!(together.of_pair(TrackId(2), TrackId(1)), together.of(TrackId(1)));
        together.of(TrackId(1))
    }

    #[test]
    fn what_moves_as_one_belongs_together() {
        assert_eq!(company(|t| (0.1 * t, 0.1 * t + 0.01), 20), Company::Together);
        assert_eq!(company(|_| (0.3, 0.31), 20), Company::Together);
        assert_eq!(company(|_| (0.3, 0.31), 5), Company::Unclear);
    }

    #[test]
    fn who_is_left_of_whom_may_change() {
        let (mut together, scene) = (Together::default(), scene());
        for n in 0..20i64 {
            // One above the other; the box of the first jitters to either side of the second's.
            let x = if n % 2 == 0 { 0.298 } else { 0.302 };
            together.observe(MediaTime(n * 100_000_000), &[track(1, x, 0.5), track(2, 0.3, 0.53)], &scene, |_, _| true);
        }
        assert_eq!(together.of_pair(TrackId(1), TrackId(2)), Company::Together);
    }

    #[test]
    fn who_passes_by_does_not() {
        // A walker passes a parked machine at a box height a second.
        assert_eq!(company(|t| (0.1 * t, 0.1), 12), Company::Unclear);
        assert_eq!(company(|t| (0.1 * t, 0.1), 30), Company::Alone);
    }

    #[test]
    fn a_missed_detection_parts_nobody() {
        let (mut together, scene) = (Together::default(), scene());
        let at = |n: i64| MediaTime(n * 100_000_000);
        for n in 0..10 {
            together.observe(at(n), &[track(1, 0.3, 0.5), track(2, 0.31, 0.5)], &scene, |_, _| true);
        }
        together.observe(at(15), &[track(1, 0.3, 0.5)], &scene, |_, _| true);
        assert_eq!(together.of(TrackId(1)), Company::Together);
        together.observe(at(40), &[track(1, 0.3, 0.5)], &scene, |_, _| true);
        assert_eq!(together.of(TrackId(1)), Company::Alone);
    }

    #[test]
    fn riders_sit_on_machines_and_in_vehicles() {
        let rider = NormBox { x1: 0.50, y1: 0.40, x2: 0.54, y2: 0.52 };
        let machine = NormBox { x1: 0.49, y1: 0.45, x2: 0.56, y2: 0.55 };
        assert!(may_ride(&rider, &machine, Role::Motorcycle));
        let before = NormBox { y1: 0.50, y2: 0.62, ..rider };
        assert!(!may_ride(&before, &machine, Role::Motorcycle), "feet below the wheels");
        let car = NormBox { x1: 0.4, y1: 0.3, x2: 0.7, y2: 0.6 };
        assert!(may_ride(&NormBox { y1: 0.35, y2: 0.45, ..rider }, &car, Role::Car));
        assert!(!may_ride(&NormBox { y1: 0.40, y2: 0.59, ..rider }, &car, Role::Car), "stands before it");
    }

    #[test]
    fn pairs_are_bounded() {
        let (mut together, scene) = (Together::default(), scene());
        let tracks: Vec<Track> = (0..80).map(|id| track(id, 0.3, 0.5)).collect();
        together.observe(MediaTime(0), &tracks, &scene, |_, _| true);
        assert_eq!(together.bonds.len(), MAX_PAIRS);
        together.forget(TrackId(79));
        together.clear();
        assert!(together.bonds.is_empty());
    }
}
