//! What a truth may say, what is refused, and the truths of the repository's own clips.

use std::path::Path;

use super::read::{parse, read};

fn refused(text: &str) -> String {
    format!("{:?}", parse(text).unwrap_err())
}

#[test]
fn a_short_hand_written_truth_is_enough() {
    let truth = parse(
        r#"{"schema": 1, "camera_id": "gate", "starts_at": "2026-01-05T08:00:00+07:00", "seconds": 3600,
            "events": [{"kind": "wrong_way", "onset_s": 600, "end_s": 612.5, "lane": "in"},
                       {"kind": "stopped_vehicle", "onset_s": 60, "required": false, "note": "a bus at its stop"}],
            "counts": {"lines": {"gate": {"forward": {"any": 412}}}}}"#,
    )
    .unwrap();
    assert_eq!(truth.incidents.len(), 2);
    assert_eq!((truth.incidents[0].onset_s, truth.incidents[0].required), (60.0, false), "in order of onset");
    assert_eq!(truth.incidents[1].place, Some(("lane", "in".to_owned())));
    let counts = truth.counts.unwrap();
    let gate = &counts.movements[&("gate".to_owned(), "forward".to_owned())];
    assert_eq!((gate.total(), gate.has_classes(), &gate.crossings), (412, false, &None));
    assert_eq!(counts.window_s, (0.0, 3600.0));
}

#[test]
fn listed_crossings_give_numbers_and_times() {
    let truth = parse(
        r#"{"schema": 1, "fps": 10, "frames": 100, "lines": [{"id": "a"}],
            "counts": {"window_frames": [10, 90], "crossings": [
              {"line": "a", "direction": "forward", "frame": 50, "class": "car"},
              {"line": "a", "direction": "forward", "at_s": 2.5, "class": "bus"}]}}"#,
    )
    .unwrap();
    let counts = truth.counts.unwrap();
    assert_eq!(counts.window_s, (1.0, 9.0));
    let forward = &counts.movements[&("a".to_owned(), "forward".to_owned())];
    assert_eq!(forward.crossings, Some(vec![(2.5, "bus".to_owned()), (5.0, "car".to_owned())]));
    let backward = &counts.movements[&("a".to_owned(), "backward".to_owned())];
    assert_eq!((backward.total(), &backward.crossings), (0, &Some(vec![])), "listed in full, so none is 0");
}

#[test]
fn mistakes_name_their_place() {
    for (text, words) in [
        ("", "line 1: the file is empty"),
        ("{\"schema\": 1,\n \"seconds\": x}", "line 2"),
        (r#"{"schema": 9, "seconds": 1}"#, "schema 9"),
        (r#"{"schema": 1}"#, "seconds: is missing"),
        (r#"{"schema": 1, "seconds": -4}"#, "no length"),
        (r#"{"schema": 1, "seconds": 4, "fps": 0}"#, "no frame rate"),
        (r#"{"schema": 1, "seconds": 4, "events": [{"kind": "x"}]}"#, "events[0]: `onset_s` or `onset_frame`"),
        (r#"{"schema": 1, "seconds": 4, "events": [{"kind": "x", "onset_frame": 3}]}"#, "without `fps`"),
        (r#"{"schema": 1, "seconds": 4, "events": [{"kind": "x", "onset_s": 5}]}"#, "outside the footage"),
        (r#"{"schema": 1, "seconds": 4, "events": [{"kind": "x", "onset_s": 3, "end_s": 1}]}"#, "before its onset"),
        (
            r#"{"schema": 1, "seconds": 4, "lanes": [{"id": "a"}], "events": [{"kind": "x", "onset_s": 3, "lane": "b"}]}"#,
            "no lane b; known are a",
        ),
        (r#"{"schema": 1, "seconds": 4, "events": [{"kind": "x", "onset_s": 3, "box": [1, 1, 9, 9]}]}"#, "`width`"),
        (
            r#"{"schema": 1, "seconds": 4, "lines": [{"id": "a"}], "counts": {"lines": {"b": {"forward": {}}}}}"#,
            "no line b",
        ),
        (r#"{"schema": 1, "seconds": 4, "counts": {"lines": {"b": {"north": {"car": 1}}}}}"#, "no direction north"),
        (r#"{"schema": 1, "seconds": 4, "counts": {"lines": {"b": {"forward": {"any": 1, "car": 1}}}}}"#, "`any`"),
        (r#"{"schema": 1, "seconds": 4, "counts": {"window_s": [3, 9]}}"#, "counts.window"),
        (
            r#"{"schema": 1, "seconds": 4, "counts": {"lines": {"b": {"forward": {"car": 2}}},
                "crossings": [{"line": "b", "direction": "forward", "at_s": 1}]}}"#,
            "1 crossings listed, 2 stated",
        ),
        (
            r#"{"schema": 1, "fps": 1, "frames": 2, "width": 9, "height": 9,
                "frame_columns": ["id", "x0", "y0", "x1", "y1"], "frames_data": [[[1, 5, 5, 4, 6]], []]}"#,
            "without area",
        ),
        (r#"{"schema": 1, "fps": 1, "frames": 3, "frames_data": [[], []]}"#, "2 lists for 3 frames"),
        (
            r#"{"schema": 1, "fps": 1, "frames": 1, "frame_columns": ["id"], "frames_data": [[[1, 2]]]}"#,
            "a row of 2 numbers",
        ),
    ] {
        let said = refused(text);
        assert!(said.contains(words), "{text}: {said}");
    }
}

/// Every clip of the repository: its crossings can be placed in time, and their numbers are the stated ones.
#[test]
fn crossings_are_derived_from_the_ground() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-media");
    let (mut with_times, mut without) = (0, Vec::new());
    for entry in std::fs::read_dir(media).unwrap() {
        let path = entry.unwrap().path().join("truth.json");
        let Ok(truth) = read(&path) else { continue };
        for (key, movement) in truth.counts.unwrap_or_default().movements {
            match &movement.crossings {
                Some(crossings) => {
                    assert_eq!(crossings.len(), movement.total() as usize);
                    with_times += 1;
                }
                None => without.push((path.clone(), key)),
            }
        }
    }
    assert!(with_times > 40 && without.len() * 20 < with_times, "{with_times} with times, without: {without:?}");
}
