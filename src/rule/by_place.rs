//! Stands kept by place: when the tracker loses a standing vehicle and begins a new track at the same place, it is the
//! same vehicle, and all that a rule knows of it goes on under the new track.
//!
//! A rule keeps its own state of a vehicle here and says of it whether it stands ([`Occupant`]). A vehicle whose track
//! has ended is waited for; one whose track the tracker still looks for may be found under another, and what comes under
//! the old id after that is another vehicle.

use std::time::Duration;

use super::FrameView;
use super::draft::EndReason;
use super::held::PerTrack;
use crate::base::{MediaTime, TrackId};
use crate::scene::{NormBox, Track};

/// Boxes that overlap so much (intersection over union) are at the same place.
const SAME_PLACE: f32 = 0.5;
/// A box that lies so far inside another, or holds it so far, may be a second box of the same vehicle: a lorry's cab, say.
const SECOND_BOX: f32 = 0.6;
/// More vehicles than this are not waited for once they are lost.
const MAX_LOST: usize = 64;
/// A stand as short as this may be anybody's who drives through: it leaves nothing behind, and whoever is taken for a lost
/// vehicle is looked at for so long before an alarm.
pub(super) const STANDS_AFTER: Duration = Duration::from_secs(2);

/// A rule's state of a vehicle.
pub(super) trait Occupant {
    /// Its box when it was last seen.
    fn bbox(&self) -> NormBox;
    /// Whether it stands, as of its last sight, so that whoever appears at its place is the same vehicle.
    fn stands(&self, at: MediaTime) -> bool;
    /// Whether an alarm about it is open.
    fn is_reported(&self) -> bool;
}

/// The name of a happening: that of the track under which it began, whatever tracks the vehicle has later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) track: TrackId,
    pub(super) ordinal: u32,
}

/// How a track's vehicle is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// By this track.
    Known,
    /// It is the one that stood at the place of this new track.
    FoundAgain,
    /// Not at all until now.
    New,
}

/// See the module.
#[derive(Debug)]
pub(super) struct ByPlace<S> {
    slots: PerTrack<Slot<S>>,
    lost: Vec<Lost<S>>,
    /// How long a lost vehicle is waited for; zero does not wait.
    found_again: Duration,
}

/// What there is under a track's id.
#[derive(Debug)]
struct Slot<S> {
    /// None once another track has taken over the place.
    vehicle: Option<S>,
    /// Happenings that have begun under this id.
    begun: u32,
}

/// A vehicle whose track has ended where it stood.
#[derive(Debug)]
struct Lost<S> {
    vehicle: S,
    since: MediaTime,
}

impl<S: Occupant> ByPlace<S> {
    pub(super) fn new(found_again: Duration) -> Self {
        Self { slots: PerTrack::new(), lost: Vec::new(), found_again }
    }

    /// The vehicle of an observed track, made by `fresh` when it is new.
    pub(super) fn touch(
        &mut self,
        track: &Track,
        frame: &FrameView<'_>,
        fresh: impl FnOnce() -> S,
    ) -> (&mut S, Arrival) {
        let known = self.get(track.id).is_some();
        let found = if known { None } else { self.heir(track.bbox, frame) };
        let arrival = match (known, &found) {
            (true, _) => Arrival::Known,
            (false, Some(_)) => Arrival::FoundAgain,
            (false, None) => Arrival::New,
        };
        let slot = self.slots.touch(track.id, frame.at, || Slot { vehicle: None, begun: 0 });
        if found.is_some() {
            slot.vehicle = found;
        }
        (slot.vehicle.get_or_insert_with(fresh), arrival)
    }

    /// The vehicle that stood where a new track begins, and has no track in this frame.
    fn heir(&mut self, bbox: NormBox, frame: &FrameView<'_>) -> Option<S> {
        let near = |vehicle: &S| vehicle.bbox().iou(&bbox);
        let lost = self.lost.iter().enumerate().map(|(n, lost)| (n, near(&lost.vehicle)));
        let lost = lost.filter(|(_, iou)| *iou >= SAME_PLACE).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((n, _)) = lost {
            return Some(self.lost.remove(n).vehicle);
        }
        // The tracker may still look for the old track when it begins the new one.
        let unseen = |id: TrackId| !frame.tracks.iter().any(|track| track.id == id && track.observed);
        let old = self.iter().filter(|(_, vehicle)| vehicle.stands(frame.at));
        let old = old.map(|(id, vehicle)| (id, near(vehicle))).filter(|(id, iou)| *iou >= SAME_PLACE && unseen(*id));
        let (id, _) = old.max_by(|a, b| a.1.total_cmp(&b.1))?;
        self.slots.get_mut(id)?.vehicle.take()
    }

    /// Those that were not found again within the time: they are gone.
    pub(super) fn give_up(&mut self, at: MediaTime) -> Vec<S> {
        if self.lost.is_empty() {
            return Vec::new();
        }
        let (gone, kept): (Vec<_>, _) =
            std::mem::take(&mut self.lost).into_iter().partition(|lost| at.since(lost.since) > self.found_again);
        self.lost = kept;
        gone.into_iter().map(|lost| lost.vehicle).collect()
    }

    /// The tracker has ended the track: whoever is gone for good by that, and why. Only what stands is waited for.
    pub(super) fn forget(&mut self, id: TrackId, at: MediaTime) -> Option<(S, EndReason)> {
        let vehicle = self.slots.remove(id)?.vehicle?;
        if self.found_again.is_zero() || !vehicle.stands(at) {
            return Some((vehicle, EndReason::TrackEnded));
        }
        self.lost.push(Lost { vehicle, since: at });
        (self.lost.len() > MAX_LOST).then(|| (self.lost.remove(0).vehicle, EndReason::Evicted))
    }

    /// A happening begins under this track.
    pub(super) fn begin(&mut self, id: TrackId) -> Happening {
        let Some(slot) = self.slots.get_mut(id) else { return Happening { track: id, ordinal: 0 } };
        let ordinal = slot.begun;
        slot.begun = ordinal.saturating_add(1);
        Happening { track: id, ordinal }
    }

    pub(super) fn get(&self, id: TrackId) -> Option<&S> {
        self.slots.get(id).and_then(|slot| slot.vehicle.as_ref())
    }

    pub(super) fn get_mut(&mut self, id: TrackId) -> Option<&mut S> {
        self.slots.get_mut(id).and_then(|slot| slot.vehicle.as_mut())
    }

    /// Whether a track's box may be another box of somebody who is reported already, under another track: trackers follow a
    /// lorry as a lorry and its cab as a car.
    pub(super) fn is_second_box(&self, id: TrackId, bbox: NormBox) -> bool {
        let others = self.iter().filter(|(other, _)| *other != id).map(|(_, vehicle)| vehicle);
        let others = others.chain(self.lost.iter().map(|lost| &lost.vehicle));
        others.filter(|vehicle| vehicle.is_reported()).any(|vehicle| {
            let other = vehicle.bbox();
            bbox.share_inside(&other).max(other.share_inside(&bbox)) >= SECOND_BOX
        })
    }

    /// Those that have a track, with it, in order of id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TrackId, &S)> {
        self.slots.iter().filter_map(|(id, slot)| Some((id, slot.vehicle.as_ref()?)))
    }

    /// Those that have a track, in order of its id.
    pub(super) fn tracked(&self) -> impl Iterator<Item = &S> {
        self.slots.states().filter_map(|slot| slot.vehicle.as_ref())
    }

    /// Those that have a track, in order of its id.
    pub(super) fn tracked_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.slots.states_mut().filter_map(|slot| slot.vehicle.as_mut())
    }

    /// Takes out those beyond what is remembered at once.
    pub(super) fn take_excess(&mut self) -> Vec<S> {
        std::iter::from_fn(|| self.slots.take_excess()).filter_map(|slot| slot.vehicle).collect()
    }

    /// Takes out everybody: first those that have a track, in order of its id.
    pub(super) fn take_all(&mut self) -> Vec<S> {
        let tracked = self.slots.take_all().filter_map(|slot| slot.vehicle);
        let lost = std::mem::take(&mut self.lost).into_iter().map(|lost| lost.vehicle);
        tracked.chain(lost).collect()
    }

    /// How many tracks and lost vehicles are remembered.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.lost.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Scene;
    use super::super::held::MAX_TRACKS;
    use super::*;
    use crate::base::{CaptureTime, TimeSource, Timestamp};
    use crate::scene::{ClassId, Labels, NormPoint};

    /// Who it is, where it was seen, whether it stands there, and whether that is told.
    #[derive(Debug, PartialEq)]
    struct Car {
        name: u64,
        bbox: NormBox,
        stands: bool,
        reported: bool,
    }

    impl Occupant for Car {
        fn bbox(&self) -> NormBox {
            self.bbox
        }
        fn stands(&self, _at: MediaTime) -> bool {
            self.stands
        }
        fn is_reported(&self) -> bool {
            self.reported
        }
    }

    fn at(seconds: f64) -> MediaTime {
        MediaTime::from_seconds(seconds)
    }

    fn track(id: u64, x: f32) -> Track {
        Track {
            id: TrackId(id),
            class: ClassId(0),
            score: 1.0,
            bbox: NormBox { x1: x, y1: 0.5, x2: x + 0.1, y2: 0.6 },
            velocity: NormPoint::default(),
            observed: true,
            first_seen: MediaTime(0),
            last_seen: MediaTime(0),
        }
    }

    /// Shows a frame with these tracks; gives who each of them is and how it is known. New cars stand, and are named by
    /// their track.
    fn show(cars: &mut ByPlace<Car>, seconds: f64, tracks: &[Track]) -> Vec<(u64, Arrival)> {
        let scene = Scene {
            tripwires: BTreeMap::new(),
            zones: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ground: None,
            labels: Labels::new(["car"]),
            aspect: 1.0,
        };
        let capture = CaptureTime { utc: Timestamp(0), source: TimeSource::Epoch, error_ns: None };
        let frame = FrameView { at: at(seconds), capture, tracks, scene: &scene, signals: &[], glance: None };
        let mut known = Vec::new();
        for track in tracks.iter().filter(|track| track.observed) {
            let fresh = || Car { name: track.id.0, bbox: track.bbox, stands: true, reported: false };
            let (car, arrival) = cars.touch(track, &frame, fresh);
            car.bbox = track.bbox;
            known.push((car.name, arrival));
        }
        known
    }

    fn cars() -> ByPlace<Car> {
        ByPlace::new(Duration::from_secs(10))
    }

    #[test]
    fn a_new_track_at_the_place_of_a_lost_one_is_the_same_vehicle() {
        let mut cars = cars();
        assert_eq!(show(&mut cars, 0.0, &[track(1, 0.2)]), [(1, Arrival::New)]);
        assert_eq!(show(&mut cars, 1.0, &[track(1, 0.2)]), [(1, Arrival::Known)]);
        assert_eq!(cars.forget(TrackId(1), at(2.0)), None, "it is waited for");
        // A third of a box aside is the same place, the half is not.
        assert_eq!(show(&mut cars, 3.0, &[track(2, 0.25)]), [(2, Arrival::New)]);
        assert_eq!(show(&mut cars, 4.0, &[track(3, 0.23)]), [(1, Arrival::FoundAgain)]);
        // It is there only once.
        let both = [track(3, 0.23), track(4, 0.2)];
        assert_eq!(show(&mut cars, 5.0, &both), [(1, Arrival::Known), (4, Arrival::New)]);
        assert!(cars.give_up(at(60.0)).is_empty());
    }

    #[test]
    fn who_is_not_found_in_time_is_gone_and_so_is_who_did_not_stand() {
        let mut cars = cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        assert_eq!(cars.forget(TrackId(1), at(1.0)), None);
        assert!(cars.give_up(at(11.0)).is_empty());
        assert_eq!(cars.give_up(at(11.1)).len(), 1);
        assert_eq!(show(&mut cars, 11.2, &[track(2, 0.2)]), [(2, Arrival::New)]);
        cars.get_mut(TrackId(2)).unwrap().stands = false;
        assert_eq!(cars.forget(TrackId(2), at(12.0)).unwrap().1, EndReason::TrackEnded);
        let mut impatient: ByPlace<Car> = ByPlace::new(Duration::ZERO);
        show(&mut impatient, 0.0, &[track(1, 0.2)]);
        assert!(impatient.forget(TrackId(1), at(1.0)).is_some());
    }

    #[test]
    fn a_track_that_is_still_looked_for_hands_its_place_over() {
        let mut cars = cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        let predicted = Track { observed: false, ..track(1, 0.2) };
        assert_eq!(show(&mut cars, 1.0, &[predicted, track(2, 0.2)]), [(1, Arrival::FoundAgain)]);
        // The old track shows somebody else now, and its end is nobody's.
        assert_eq!(show(&mut cars, 2.0, &[track(2, 0.2), track(1, 0.6)]), [(1, Arrival::Known), (1, Arrival::New)]);
        let mut cars = self::cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        show(&mut cars, 1.0, &[track(2, 0.2)]);
        assert_eq!(cars.forget(TrackId(1), at(2.0)), None);
        assert_eq!((cars.iter().count(), cars.len()), (1, 1));
    }

    #[test]
    fn two_that_are_both_seen_are_two_and_so_is_one_that_moves() {
        let mut cars = cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        assert_eq!(show(&mut cars, 1.0, &[track(1, 0.2), track(2, 0.2)]), [(1, Arrival::Known), (2, Arrival::New)]);
        let mut cars = self::cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        cars.get_mut(TrackId(1)).unwrap().stands = false;
        assert_eq!(show(&mut cars, 1.0, &[track(2, 0.2)]), [(2, Arrival::New)]);
    }

    #[test]
    fn a_second_box_of_somebody_is_known_for_one_seen_or_lost() {
        let mut cars = cars();
        show(&mut cars, 0.0, &[track(1, 0.2), track(2, 0.22), track(3, 0.3)]);
        let is_second = |cars: &ByPlace<Car>, id, x| cars.is_second_box(TrackId(id), track(id, x).bbox);
        assert!(!is_second(&cars, 2, 0.22), "only of whoever is reported");
        cars.get_mut(TrackId(1)).unwrap().reported = true;
        assert!(is_second(&cars, 2, 0.22), "beside it");
        assert!(!is_second(&cars, 1, 0.2), "not of itself");
        assert!(!is_second(&cars, 3, 0.3), "elsewhere");
        cars.forget(TrackId(1), at(1.0));
        assert!(is_second(&cars, 2, 0.22), "and where it was lost");
    }

    #[test]
    fn happenings_are_named_by_the_track_they_began_under() {
        let mut cars = cars();
        show(&mut cars, 0.0, &[track(1, 0.2)]);
        let name = |id, ordinal| Happening { track: TrackId(id), ordinal };
        assert_eq!((cars.begin(TrackId(1)), cars.begin(TrackId(1))), (name(1, 0), name(1, 1)));
        // The place goes to another track, the numbers do not.
        show(&mut cars, 1.0, &[track(2, 0.2)]);
        show(&mut cars, 2.0, &[track(2, 0.2), track(1, 0.6)]);
        assert_eq!((cars.begin(TrackId(1)), cars.begin(TrackId(2))), (name(1, 2), name(2, 0)));
    }

    #[test]
    fn it_is_bounded() {
        let mut cars = cars();
        let mut gone = 0;
        for id in 0..2000u64 {
            show(&mut cars, id as f64 / 1000.0, &[track(id, id as f32)]);
            if id < 200 {
                gone += usize::from(cars.forget(TrackId(id), at(0.3)).is_some());
            }
            gone += cars.take_excess().len();
        }
        assert!(gone > 0 && cars.len() <= MAX_TRACKS + MAX_LOST, "{gone} {}", cars.len());
        assert_eq!(cars.take_all().len() + gone, 2000, "nobody vanishes");
    }
}
