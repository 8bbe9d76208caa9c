//! The table `counts`: what rules report by interval, one row for each figure.
//!
//! A record is a count when it tells `interval_seconds` and `observed_seconds`. Its other figures lie in `measured`, in
//! objects by class, direction, movement or level; the row names the figure (`measure`), the keys that lead to it
//! (`part`), and the class where one of those keys is one. An empty tally gives a row with 0, so that an interval in which
//! nothing passed is there, with the seconds that were watched: a blind camera never looks like an empty road.

use serde_json::{Map, Value};

use super::table::Type::{Int, Real, Text, Time};
use super::table::{Cell, Table, column, nullable};
use crate::base::Timestamp;
use crate::scene::StoredEvent;

/// See the module.
pub const COUNTS: Table = Table {
    name: "counts",
    columns: &[
        column("position", Int, "the record's place in the store, as in `events`"),
        nullable("site", Text, "site that the camera shares with others"),
        column("rule", Text, "the rule's id in the pipeline file"),
        column("kind", Text, "sort of record, such as `line_count`"),
        nullable("area", Text, "the line, lane or zone that was watched"),
        column("start", Time, "when the interval began"),
        column("end", Time, "when it ended"),
        column("interval_s", Real, "its length, seconds"),
        column("observed_s", Real, "how much of it was watched, seconds"),
        column("measure", Text, "name of the figure, such as `counts` or `mean_speed_kmh`"),
        nullable("part", Text, "direction, movement, lane or level, such as `forward`; keys joined by `/`"),
        nullable("class", Text, "class of road users"),
        column("value", Real, "the figure; its unit is in `measure` or `part`, else it is a number of road users"),
    ],
};

/// Where the class stands among the keys of a figure, from 0, and whether an empty object means none were counted.
const KEYED: &[(&str, &str, usize, bool)] = &[
    ("line_count", "counts", 1, true),
    ("line_count", "lanes", 2, true),
    ("turning_count", "counts", 1, true),
    ("turning_count", "entered", 1, true),
    ("turning_count", "unfinished", 1, true),
    ("turning_count", "not_entered", 1, true),
    ("motorbike_flow", "counts", 0, true),
    ("speed_count", "speeds", 0, false),
];

/// The rows of a record; none when it is no count.
#[must_use]
pub fn count_rows(stored: &StoredEvent) -> Vec<Vec<Cell>> {
    let event = &stored.event;
    let measured = &event.explanation.measured;
    let seconds = |name: &str| measured.get(name).and_then(Value::as_f64);
    let (Some(interval), Some(observed)) = (seconds("interval_seconds"), seconds("observed_seconds")) else {
        return Vec::new();
    };
    let end = event.time.utc;
    let start = Timestamp(end.0.saturating_sub((interval * 1e9).round() as i64));
    let named = |name: &str| event.explanation.thresholds.get(name).and_then(Value::as_str);
    let area = ["line", "lane", "zone", "stop_line"].into_iter().find_map(named);
    let row = |figure: Figure| {
        vec![
            Cell::count(stored.position.0),
            event.site.as_deref().into(),
            event.rule.as_str().into(),
            event.kind.as_str().into(),
            area.into(),
            Cell::time(start),
            Cell::time(end),
            interval.into(),
            observed.into(),
            figure.measure.into(),
            Some(figure.part.join("/")).filter(|part| !part.is_empty()).map_or(Cell::Null, Cell::Text),
            figure.class.map_or(Cell::Null, Cell::Text),
            figure.value.into(),
        ]
    };
    let told = measured.iter().filter(|(name, _)| !matches!(name.as_str(), "interval_seconds" | "observed_seconds"));
    let mut figures = Vec::new();
    for (name, value) in told {
        let keyed = KEYED.iter().find(|(kind, measure, ..)| *kind == event.kind && measure == name);
        let class_at = keyed.map(|(_, _, at, _)| *at);
        let is_tally = keyed.is_some_and(|(.., tally)| *tally);
        flatten(name, value, &mut Vec::new(), class_at, is_tally, &mut figures);
    }
    if figures.is_empty() {
        // Nothing was measured, and it was watched.
        figures.push(Figure { measure: "observed_seconds", part: Vec::new(), class: None, value: observed });
    }
    figures.into_iter().map(row).collect()
}

struct Figure<'a> {
    measure: &'a str,
    part: Vec<String>,
    class: Option<String>,
    value: f64,
}

fn flatten<'a>(
    measure: &'a str,
    value: &Value,
    keys: &mut Vec<String>,
    class_at: Option<usize>,
    is_tally: bool,
    figures: &mut Vec<Figure<'a>>,
) {
    let mut tell = |keys: &[String], value: f64| {
        let mut part = keys.to_vec();
        let class = class_at.filter(|at| *at < part.len()).map(|at| part.remove(at));
        figures.push(Figure { measure, part, class, value });
    };
    match value {
        Value::Number(number) => tell(keys, number.as_f64().unwrap_or(f64::NAN)),
        // Only where classes would stand: a rule without lanes has no lane with nothing in it.
        Value::Object(inner) if inner.is_empty() && is_tally && class_at == Some(keys.len()) => tell(keys, 0.0),
        Value::Object(inner) => each(measure, inner, keys, class_at, is_tally, figures),
        // Text and lists are no figures; the record in `events` has them.
        _ => {}
    }
}

fn each<'a>(
    measure: &'a str,
    inner: &Map<String, Value>,
    keys: &mut Vec<String>,
    class_at: Option<usize>,
    is_tally: bool,
    figures: &mut Vec<Figure<'a>>,
) {
    for (key, value) in inner {
        keys.push(key.clone());
        flatten(measure, value, keys, class_at, is_tally, figures);
        keys.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Measure, part, class and value of a record's rows, and their seconds.
    fn rows(kind: &str, measured: &Value) -> Vec<(String, f64)> {
        let event = json!({
            "position": 1, "id": "00000000-0000-8000-8000-000000000000", "revision": 0, "phase": "instant", "camera": "a",
            "sequence": 1, "rule": "r", "kind": kind, "severity": "info",
            "time": {"utc": "2026-01-05T01:00:00Z", "source": "arrival", "error_ns": null}, "media_time": 0, "run": 0, "frame": 0,
            "explanation": {"summary": "", "thresholds": {"lane": "north"}, "measured": measured, "model": "", "pipeline": ""},
        });
        let rows = count_rows(&serde_json::from_value(event).unwrap());
        let told = rows.into_iter().map(|row| {
            assert_eq!((row.len(), &row[4]), (COUNTS.columns.len(), &Cell::Text("north".to_owned())));
            assert_eq!((&row[5], &row[6]), (&Cell::Time(1_767_574_740_000_000), &Cell::Time(1_767_574_800_000_000)));
            assert_eq!((&row[7], &row[8]), (&Cell::Real(60.0), &Cell::Real(52.0)));
            let Cell::Real(value) = row[12] else { panic!("{row:?}") };
            (
                row[9..12]
                    .iter()
                    .map(|cell| cell.text().unwrap_or_else(|| "-".to_owned()))
                    .collect::<Vec<_>>()
                    .join(" "),
                value,
            )
        });
        told.collect()
    }

    fn with_seconds(mut measured: Value) -> Value {
        measured["interval_seconds"] = json!(60.0);
        measured["observed_seconds"] = json!(52.0);
        measured
    }

    #[test]
    fn each_kind_of_count_is_laid_out_by_part_and_class() {
        let told = |kind, measured| rows(kind, &with_seconds(measured));
        let row = |name: &str, value: f64| (name.to_owned(), value);
        assert_eq!(
            told("turning_count", json!({"counts": {"north>east": {"car": 2}}, "unfinished": {}})),
            [row("counts north>east car", 2.0)]
        );
        assert_eq!(
            told("speed_count", json!({"speeds": {"car": {"vehicles": 3, "mean_kmh": 41.5, "p85_kmh": null}}})),
            [row("speeds mean_kmh car", 41.5), row("speeds vehicles car", 3.0)]
        );
        assert_eq!(
            told("line_count", json!({"counts": {"forward": {}}, "lanes": {"left": {"forward": {"bus": 1}}}})),
            [row("counts forward -", 0.0), row("lanes left/forward bus", 1.0)]
        );
        assert_eq!(
            told("traffic_state", json!({"vehicles_mean": 4.5, "level_seconds": {"slow": 12.0}})),
            [row("level_seconds slow -", 12.0), row("vehicles_mean - -", 4.5)]
        );
        // Nothing could be measured, and it was watched: that is a row as well.
        assert_eq!(told("speed_count", json!({"speeds": {}})), [row("observed_seconds - -", 52.0)]);
    }

    #[test]
    fn a_record_without_its_seconds_is_no_count() {
        assert_eq!(rows("line_crossing", &json!({"counts": {"forward": 3}})), []);
    }
}
