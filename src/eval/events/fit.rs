//! Whether an alarm tells of an incident.

use super::EventOptions;
use crate::eval::told::Alarm;
use crate::eval::tracks::PixelBox;
use crate::eval::truth::{Incident, Truth};

/// What keeps them apart, in the order in which it is looked at: later ones are nearer misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// Nothing of this kind happens.
    Kind,
    /// It happens in another place.
    Place,
    /// It happens at another time.
    Time,
    /// Another object is behind it.
    Object,
}

impl Mismatch {
    /// In words, of an alarm.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "nothing of this kind happens here",
            Self::Place => "it happens in another place",
            Self::Time => "it happens at another time",
            Self::Object => "something else is behind it",
        }
    }
}

/// What keeps an alarm, which stands for `kind`, from an incident; none when it fits.
///
/// - The place is compared where both name one of the same sort and the truth knows the alarm's name too.
/// - The time lies from the onset to the end, both widened by the tolerance.
/// - The object is compared where both are known: the alarm's box overlaps the object's at that time, or its
///   ground point lies in the incident's region.
#[must_use]
pub fn mismatch(
    incident: &Incident,
    alarm: &Alarm,
    kind: &str,
    truth: &Truth,
    options: &EventOptions,
) -> Option<Mismatch> {
    if incident.kind != kind {
        return Some(Mismatch::Kind);
    }
    if elsewhere(incident, alarm, truth) {
        return Some(Mismatch::Place);
    }
    let end = incident.end_s.unwrap_or(truth.seconds) + options.tolerance_s;
    if alarm.at_s < incident.onset_s - options.tolerance_s || alarm.at_s > end {
        return Some(Mismatch::Time);
    }
    another_object(incident, alarm, truth, options.overlap).then_some(Mismatch::Object)
}

fn elsewhere(incident: &Incident, alarm: &Alarm, truth: &Truth) -> bool {
    let (Some((sort, name)), Some((alarm_sort, alarm_name))) = (&incident.place, &alarm.place) else { return false };
    sort == alarm_sort && name != alarm_name && truth.places.get(sort).is_some_and(|known| known.contains(alarm_name))
}

fn another_object(incident: &Incident, alarm: &Alarm, truth: &Truth, overlap: f64) -> bool {
    let Some(bbox) = alarm.bbox.and_then(|bbox| truth.pixels(&bbox)) else { return false };
    let boxes: Vec<PixelBox> = incident.objects.iter().filter_map(|object| truth.box_at(*object, alarm.at_s)).collect();
    if !boxes.is_empty() {
        return boxes.iter().all(|of_object| of_object.iou(&bbox) < overlap);
    }
    let ground = (bbox.left + bbox.width / 2.0, bbox.top + bbox.height);
    incident.region.as_ref().is_some_and(|corners| !inside(corners, ground))
}

/// Whether a point lies in a polygon, by the even-odd rule.
fn inside(corners: &[[f64; 2]], (x, y): (f64, f64)) -> bool {
    let next = corners.iter().cycle().skip(1);
    let crossed = corners
        .iter()
        .zip(next)
        .filter(|([ax, ay], [bx, by])| (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax);
    crossed.count() % 2 == 1
}
