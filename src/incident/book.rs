//! The state machine: which incident an event belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::{CONFIRM_AFTER, Incident, IncidentId, group_of};
use crate::base::Timestamp;
use crate::scene::{Event, NormBox, Phase, Position, Severity, StoredEvent};

/// Incidents that may go on at a time; beyond it the one quiet for longest is cleared. More are a fault of rules.
const MAX_ONGOING: usize = 1024;
/// Boxes are taken as touching when they do so after each side has grown by this share: a track's box is not the lorry.
const REACH: f32 = 0.5;

/// What an event changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// The incident that the event belongs to; none for a note.
    pub incident: Option<IncidentId>,
    /// Incidents as they are now, those that were cleared included, in order of id.
    pub changed: Vec<Incident>,
}

/// The incidents that are going on.
#[derive(Debug, Clone, Default)]
pub struct Book {
    ongoing: BTreeMap<IncidentId, Incident>,
}

impl Book {
    /// A book that goes on from the incidents that were not cleared.
    #[must_use]
    pub fn resume(ongoing: impl IntoIterator<Item = Incident>) -> Self {
        Self { ongoing: ongoing.into_iter().map(|incident| (incident.id, incident)).collect() }
    }

    /// How many incidents are going on.
    #[must_use]
    pub fn ongoing(&self) -> usize {
        self.ongoing.len()
    }

    /// Takes in the next event of the store.
    pub fn take(&mut self, stored: &StoredEvent) -> Change {
        let StoredEvent { position, event } = stored;
        let now = event.time.utc;
        let mut changed: BTreeSet<IncidentId> = BTreeSet::new();
        let mut cleared = self.clear(now);
        let incident = self.incident_of(event, *position);
        changed.extend(incident);
        while self.ongoing.len() > MAX_ONGOING {
            let quietest = self.ongoing.values().min_by_key(|i| (i.last, i.id)).map(|i| i.id);
            let Some(mut given_up) = quietest.and_then(|id| self.ongoing.remove(&id)) else { break };
            given_up.cleared = Some(now);
            cleared.push(given_up);
        }
        cleared.extend(changed.iter().filter_map(|id| self.ongoing.get(id).cloned()));
        cleared.sort_by_key(|incident| incident.id);
        Change { incident, changed: cleared }
    }

    /// Takes out what is over by now. Cameras' clocks differ, so time may step back; nothing is cleared by that.
    fn clear(&mut self, now: Timestamp) -> Vec<Incident> {
        let over = |incident: &Incident| incident.is_over(now);
        let mut cleared: Vec<Incident> =
            self.ongoing.extract_if(.., |_, incident| over(incident)).map(|(_, i)| i).collect();
        cleared.iter_mut().for_each(|incident| incident.cleared = Some(now));
        cleared
    }

    fn incident_of(&mut self, event: &Event, position: Position) -> Option<IncidentId> {
        let group = group_of(&event.kind)?;
        // A record of a happening that is in an incident stays there, whatever it says now.
        let known = self.ongoing.values().find(|incident| incident.open.contains(&event.id)).map(|i| i.id);
        if known.is_none() && (event.severity < Severity::Warning || event.phase == Phase::End) {
            return None;
        }
        let begins = known.is_none();
        let id = known.or_else(|| self.matching(event, group)).unwrap_or_else(|| IncidentId::begun_by(event.id));
        let incident = self.ongoing.entry(id).or_insert_with(|| fresh(id, group, event, position));
        note(incident, event, position, begins);
        Some(id)
    }

    /// The latest ongoing incident of that sort and site at that place.
    fn matching(&self, event: &Event, group: &str) -> Option<IncidentId> {
        let site = site_of(event);
        let fits =
            |incident: &&Incident| incident.group == group && incident.site == site && is_same_place(incident, event);
        self.ongoing.values().filter(fits).max_by_key(|incident| (incident.last, incident.id)).map(|i| i.id)
    }
}

/// The site of an event: its own, or its camera, which cannot be mistaken for a site of the same name.
fn site_of(event: &Event) -> String {
    event.site.clone().unwrap_or_else(|| format!("camera:{}", event.camera))
}

fn fresh(id: IncidentId, group: &str, event: &Event, position: Position) -> Incident {
    Incident {
        id,
        group: group.to_owned(),
        site: site_of(event),
        confirmed: false,
        severity: event.severity,
        kinds: BTreeSet::new(),
        places: BTreeMap::new(),
        began: event.time.utc,
        last: event.time.utc,
        cleared: None,
        happenings: 0,
        open: BTreeSet::new(),
        first_event: event.id,
        summary: event.explanation.summary.clone(),
        position,
    }
}

/// The incident as somebody sees it who sees only these of its events, which are in the order of the store: severity,
/// kinds, times, counts and words are those of what is seen. Its id, and whether it is over, are everybody's. `None` when
/// none of the events speaks of it.
#[must_use]
pub fn seen_in(whole: &Incident, events: &[StoredEvent]) -> Option<Incident> {
    let mut seen: Option<Incident> = None;
    for StoredEvent { position, event } in events {
        let goes_on = seen.as_ref().is_some_and(|incident| incident.open.contains(&event.id));
        if !goes_on && (event.severity < Severity::Warning || event.phase == Phase::End) {
            continue;
        }
        let fresh = || Incident { site: whole.site.clone(), ..fresh(whole.id, &whole.group, event, *position) };
        note(seen.get_or_insert_with(fresh), event, *position, !goes_on);
    }
    seen.map(|seen| Incident { cleared: whole.cleared, ..seen })
}

fn note(incident: &mut Incident, event: &Event, position: Position, begins: bool) {
    incident.position = position;
    incident.last = incident.last.max(event.time.utc);
    incident.kinds.insert(event.kind.clone());
    // The end of a happening may have no place of its own; where it was is where it was.
    match (incident.places.get_mut(&event.camera), event.bbox) {
        (Some(place), Some(bbox)) => *place = Some(bbox),
        (Some(_), None) => {}
        (None, bbox) => drop(incident.places.insert(event.camera.clone(), bbox)),
    }
    if begins {
        incident.happenings = incident.happenings.saturating_add(1);
    }
    if event.severity > incident.severity {
        incident.severity = event.severity;
        incident.summary.clone_from(&event.explanation.summary);
    }
    match event.phase {
        Phase::Start | Phase::Update => drop(incident.open.insert(event.id)),
        Phase::End => drop(incident.open.remove(&event.id)),
        Phase::Instant => {}
    }
    let lasted = incident.last - incident.began;
    let speaks = incident.severity == Severity::Alert || incident.happenings > 1 || lasted >= CONFIRM_AFTER;
    incident.confirmed = incident.confirmed || speaks;
}

/// Whether the event lies where its camera saw the incident. A camera that has not seen it yet has no place to compare
/// with: there the site is what they share.
fn is_same_place(incident: &Incident, event: &Event) -> bool {
    match incident.places.get(&event.camera) {
        Some(Some(place)) => event.bbox.is_none_or(|bbox| is_near(place, &bbox)),
        Some(None) | None => true,
    }
}

fn is_near(a: &NormBox, b: &NormBox) -> bool {
    let near = |a1: f32, a2: f32, b1: f32, b2: f32| {
        let (grown_a, grown_b) = ((a2 - a1) * REACH, (b2 - b1) * REACH);
        a1 - grown_a <= b2 + grown_b && b1 - grown_b <= a2 + grown_a
    };
    near(a.x1, a.x2, b.x1, b.x2) && near(a.y1, a.y2, b.y1, b.y2)
}

/// The events of a store's incidents, derived anew: what a book that has seen them all says.
#[cfg(test)]
fn derived(events: &[StoredEvent]) -> (Vec<Option<IncidentId>>, BTreeMap<IncidentId, Incident>) {
    let (mut book, mut all, mut of) = (Book::default(), BTreeMap::new(), Vec::new());
    for event in events {
        let change = book.take(event);
        of.push(change.incident);
        all.extend(change.changed.into_iter().map(|incident| (incident.id, incident)));
    }
    (of, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CameraId, CaptureTime, EventId, FrameSeq, MediaTime, RunId, TimeSource};
    use crate::incident::State;
    use crate::scene::event::Explanation;

    const LEFT: NormBox = NormBox { x1: 0.1, y1: 0.5, x2: 0.2, y2: 0.6 };
    const RIGHT: NormBox = NormBox { x1: 0.7, y1: 0.5, x2: 0.8, y2: 0.6 };

    struct Events(Vec<StoredEvent>);

    impl Events {
        #[allow(clippy::too_many_arguments)]
        fn add(&mut self, at_s: i64, camera: &str, happening: u64, kind: &str, phase: Phase, bbox: Option<NormBox>) {
            let position = Position(self.0.len() as u64 + 1);
            let utc = Timestamp(1_700_000_000_000_000_000 + at_s * 1_000_000_000);
            let severity = if kind == "near_miss" { Severity::Warning } else { Severity::Alert };
            let event = Event {
                id: EventId::derive(&[&happening.to_le_bytes()]),
                revision: 0,
                phase,
                camera: CameraId::new(camera),
                site: camera.starts_with("bridge").then(|| "bridge".to_owned()),
                sequence: 0,
                rule: "r".to_owned(),
                kind: kind.to_owned(),
                severity,
                time: CaptureTime { utc, source: TimeSource::Arrival, error_ns: None },
                media_time: MediaTime(0),
                run: RunId(0),
                frame: FrameSeq(0),
                track: None,
                class: None,
                bbox,
                explanation: Explanation::default(),
                still: None,
                clean_still: None,
                clip: None,
            };
            self.0.push(StoredEvent { position, event });
        }
    }

    fn later(incident: &Incident, seconds: u64) -> State {
        incident.state(incident.last + std::time::Duration::from_secs(seconds))
    }

    #[test]
    fn repeated_alarms_on_one_stopped_lorry_are_one_incident() {
        let mut events = Events(Vec::new());
        for (n, at) in [0, 60, 130, 300].into_iter().enumerate() {
            // The tracker loses it and finds it again, a little off; once another rule speaks of it.
            let bbox = NormBox { x1: 0.1 + n as f32 * 0.02, ..LEFT };
            let kind = if n == 2 { "illegal_parking" } else { "stopped_vehicle" };
            events.add(at, "a", n as u64, kind, Phase::Start, Some(bbox));
            events.add(at + 30, "a", n as u64, kind, Phase::End, Some(bbox));
        }
        let (of, all) = derived(&events.0);
        assert_eq!(all.len(), 1);
        let incident = all.values().next().unwrap();
        assert!(of.iter().all(|id| *id == Some(incident.id)));
        assert_eq!((incident.happenings, incident.open.len(), incident.kinds.len()), (4, 0, 2));
        assert_eq!((later(incident, 180), later(incident, 181)), (State::Confirmed, State::Cleared));
    }

    #[test]
    fn place_sort_and_time_keep_incidents_apart() {
        let mut events = Events(Vec::new());
        events.add(0, "a", 1, "stopped_vehicle", Phase::Start, Some(LEFT));
        events.add(1, "a", 2, "stopped_vehicle", Phase::Start, Some(RIGHT));
        events.add(2, "a", 3, "wrong_way", Phase::Start, Some(LEFT));
        events.add(3, "b", 4, "stopped_vehicle", Phase::Start, Some(LEFT));
        events.add(4, "a", 1, "stopped_vehicle", Phase::End, Some(LEFT));
        // Long after, at the same place: another lorry. It also clears the first.
        events.add(400, "a", 5, "stopped_vehicle", Phase::Start, Some(LEFT));
        let (_, all) = derived(&events.0);
        assert_eq!(all.len(), 5);
        assert_eq!(all.values().filter(|incident| incident.cleared.is_some()).count(), 1);
    }

    #[test]
    fn cameras_of_one_site_see_one_incident() {
        let mut events = Events(Vec::new());
        events.add(0, "bridge-east", 1, "stopped_vehicle", Phase::Start, Some(LEFT));
        events.add(5, "bridge-west", 2, "abandoned_object", Phase::Start, Some(RIGHT));
        let (of, all) = derived(&events.0);
        assert_eq!((all.len(), of[0]), (1, of[1]));
        assert_eq!(all.values().next().unwrap().places.len(), 2);
    }

    #[test]
    fn a_lone_warning_stays_a_candidate_and_notes_are_nobodys() {
        let mut events = Events(Vec::new());
        events.add(0, "a", 1, "near_miss", Phase::Instant, Some(LEFT));
        events.add(1, "a", 2, "line_count", Phase::Instant, None);
        events.add(2, "a", 9, "stopped_vehicle", Phase::End, Some(LEFT));
        let (of, all) = derived(&events.0);
        assert_eq!((of[1], of[2], all.len()), (None, None, 1));
        assert_eq!(later(all.values().next().unwrap(), 0), State::Candidate);
        events.add(20, "a", 3, "near_miss", Phase::Instant, Some(LEFT));
        let (_, all) = derived(&events.0);
        assert_eq!(later(all.values().next().unwrap(), 0), State::Confirmed);
    }

    #[test]
    fn a_book_that_resumes_goes_on_as_if_it_had_not_stopped() {
        let mut events = Events(Vec::new());
        for n in 0..200u64 {
            let bbox = if n % 3 == 0 { LEFT } else { RIGHT };
            let camera = ["a", "b", "bridge-1", "bridge-2"][n as usize % 4];
            let kind = ["stopped_vehicle", "wrong_way", "near_miss"][(n / 2) as usize % 3];
            let phase = [Phase::Start, Phase::End, Phase::Update][n as usize % 3];
            events.add(n as i64 * 37, camera, n / 3, kind, phase, Some(bbox));
        }
        let (_, whole) = derived(&events.0);
        for cut in [1, 77, 199] {
            let (mut book, mut all) = (Book::default(), BTreeMap::new());
            for (n, event) in events.0.iter().enumerate() {
                if n == cut {
                    let ongoing = all.values().filter(|i: &&Incident| i.cleared.is_none()).cloned();
                    book = Book::resume(ongoing.collect::<Vec<_>>());
                }
                all.extend(book.take(event).changed.into_iter().map(|i| (i.id, i)));
            }
            assert_eq!(all, whole, "cut at {cut}");
        }
    }
}
