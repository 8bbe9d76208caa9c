//! Which kinds of events speak of the same sort of thing.

/// Kinds that different rules give one thing, by the name of the sort. A kind that is not listed is a sort by itself.
const GROUPS: &[(&str, &[&str])] = &[
    ("obstruction", &["stopped_vehicle", "illegal_parking", "abandoned_object", "debris", "zone_dwell"]),
    ("congestion", &["congestion", "queue_length", "spillback", "traffic_jam"]),
    ("person", &["pedestrian_on_road", "person_on_road", "fallen_person", "loitering"]),
    ("conflict", &["near_miss", "collision"]),
    ("camera", &["camera_unfit"]),
];

/// Records about the system rather than the road, which are nobody's incident.
const NOTES: &[&str] = &["alarms_held_back", "maintenance", "preset", "line_count"];

/// The sort of thing that an event of this kind speaks of; `None` for notes.
#[must_use]
pub fn group_of(kind: &str) -> Option<&str> {
    if NOTES.contains(&kind) {
        return None;
    }
    let listed = GROUPS.iter().find(|(_, kinds)| kinds.contains(&kind));
    Some(listed.map_or(kind, |(group, _)| group))
}
