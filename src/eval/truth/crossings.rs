//! When objects cross lines, from their places on the ground, for a truth that only states the numbers.
//!
//! An object crosses when the middle of its footprint goes from one side of the line to the other between its
//! ends (2 % beyond them is allowed for), in a frame in which it is visible: the convention of `test-media/`.

use std::collections::BTreeMap;

use super::MovementKey;

/// How far beyond an end of the line still counts, as a share of its length.
const BEYOND: f64 = 0.02;

/// A place on the ground, metres.
type Metres = [f64; 2];

/// Crossings of `line`: (frame, object) by direction. `paths` has each object's places by frame.
pub(super) fn of_line(
    name: &str,
    [from, to]: [Metres; 2],
    paths: &BTreeMap<i64, BTreeMap<u32, Metres>>,
) -> BTreeMap<MovementKey, Vec<(u32, i64)>> {
    let direction = [to[0] - from[0], to[1] - from[1]];
    let squared = direction[0] * direction[0] + direction[1] * direction[1];
    let mut found: BTreeMap<MovementKey, Vec<(u32, i64)>> = BTreeMap::new();
    if squared == 0.0 {
        return found;
    }
    // Above 0 on the left of from → to, seen from above with y to the north.
    let side = |p: &Metres| direction[0] * (p[1] - from[1]) - direction[1] * (p[0] - from[0]);
    let along = |p: &Metres| (direction[0] * (p[0] - from[0]) + direction[1] * (p[1] - from[1])) / squared;
    for (object, path) in paths {
        for ((_, before), (frame, now)) in path.iter().zip(path.iter().skip(1)) {
            let (was, is) = (side(before), side(now));
            let crossed = was != 0.0 && (was > 0.0) != (is > 0.0);
            if crossed && (-BEYOND..=1.0 + BEYOND).contains(&along(now)) {
                let way = if was > 0.0 { "forward" } else { "backward" };
                found.entry((name.to_owned(), way.to_owned())).or_default().push((*frame, *object));
            }
        }
    }
    for crossings in found.values_mut() {
        crossings.sort_unstable();
    }
    found
}
