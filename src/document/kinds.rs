//! What kinds of events mean to other centres: their words, and their places in CAP 1.2 and DATEX II version 3.
//!
//! Every authority runs its own profile, so the mapping is a table. Where a standard has no word for a thing, it is left
//! out rather than called something else.

use std::collections::BTreeSet;

/// A kind's record in DATEX II version 3, namespace `situation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// `Accident`.
    Accident,
    /// `VehicleObstruction` with its type, and whether it moves.
    Vehicle(&'static str, Mobility),
    /// `GeneralObstruction` with its type, and whether it moves.
    General(&'static str, Mobility),
    /// `AnimalPresenceObstruction`: whatever the kind, when the road user is an animal.
    Animal,
    /// `AbnormalTraffic`.
    Traffic,
    /// None: a violation or a note, which DATEX II situations do not have.
    None,
}

/// `MobilityTypeEnum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mobility {
    Mobile,
    Stationary,
}

/// A row.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) kind: &'static str,
    pub(super) english: &'static str,
    pub(super) vietnamese: &'static str,
    /// CAP: whether a picture alone makes it certain (`Observed`), or it is `Likely` until somebody has looked.
    pub(super) is_plain: bool,
    pub(super) record: Record,
}

const fn row(
    kind: &'static str,
    english: &'static str,
    vietnamese: &'static str,
    is_plain: bool,
    record: Record,
) -> Meaning {
    Meaning { kind, english, vietnamese, is_plain, record }
}

use Mobility::{Mobile, Stationary};

/// Most important first: an incident of several kinds is named after the first of them.
///
/// A stopped vehicle is `vehicleInDifficulty`: why it stands is not known, and `vehicleStuck` is for snow and ice.
pub(super) const TABLE: &[Meaning] = &[
    row("collision", "Traffic collision", "Va chạm giao thông", false, Record::Accident),
    row(
        "wrong_way",
        "Vehicle driving the wrong way",
        "Xe đi ngược chiều",
        true,
        Record::Vehicle("vehicleOnWrongCarriageway", Mobile),
    ),
    row(
        "pedestrian_on_road",
        "Person on the carriageway",
        "Người đi bộ dưới lòng đường",
        true,
        Record::General("peopleOnRoadway", Mobile),
    ),
    row(
        "abandoned_object",
        "Object on the road",
        "Vật thể trên đường",
        false,
        Record::General("objectOnTheRoad", Stationary),
    ),
    row(
        "stopped_vehicle",
        "Stopped vehicle",
        "Xe dừng trên làn đường",
        true,
        Record::Vehicle("vehicleInDifficulty", Stationary),
    ),
    row(
        "illegal_parking",
        "Illegally parked vehicle",
        "Xe đỗ sai quy định",
        true,
        Record::Vehicle("other", Stationary),
    ),
    row("congestion", "Congestion", "Ùn tắc giao thông", true, Record::Traffic),
    row("queue_length", "Long queue", "Hàng xe chờ dài", true, Record::Traffic),
    row("near_miss", "Near miss", "Suýt va chạm", false, Record::None),
    row("crowd", "Crowd", "Tụ tập đông người", true, Record::None),
    row("motorbike_flow", "Motorbikes out of their flow", "Xe máy đi sai luồng", true, Record::None),
    row("red_light", "Red light violation", "Vượt đèn đỏ", true, Record::None),
    row("speeding", "Speeding", "Chạy quá tốc độ", true, Record::None),
    row("zone_dwell", "Long stay in a zone", "Lưu lại lâu trong khu vực", true, Record::None),
];

/// A kind that the table does not know.
static OTHER: Meaning = row("", "Traffic incident", "Sự cố giao thông", false, Record::None);

/// What incidents of the system's own state are called: nobody outside is told of them.
pub(super) const INTERNAL: &str = "camera";

/// The meaning of an incident's kinds.
pub(super) fn meaning(kinds: &BTreeSet<String>) -> &'static Meaning {
    TABLE.iter().find(|row| kinds.contains(row.kind)).unwrap_or(&OTHER)
}

/// Classes of detectors that are animals (COCO and its like).
const ANIMALS: [&str; 12] =
    ["animal", "bird", "cat", "dog", "horse", "sheep", "cow", "buffalo", "elephant", "bear", "zebra", "giraffe"];

pub(super) fn is_animal(class: &str) -> bool {
    ANIMALS.contains(&class)
}

/// Whether a word is a level of congestion, as the rule `congestion` names them.
pub(super) fn is_level(word: &str) -> bool {
    abnormal(Some(word)) != "unspecifiedAbnormalTraffic"
}

/// `AbnormalTrafficTypeEnum` of a level of congestion.
pub(super) fn abnormal(level: Option<&str>) -> &'static str {
    match level {
        Some("stationary") => "stationaryTraffic",
        Some("queuing") => "queuingTraffic",
        Some("slow") => "slowTraffic",
        _ => "unspecifiedAbnormalTraffic",
    }
}
