//! Parameters: every mistake at once, with the parameter's name and a suggestion; schemas; defaults.

#![allow(clippy::unwrap_used)] // a test may fail so

mod rules_support;

use rules_support::*;
use serde_json::{Value, json};
use vantage::rule::{SceneNames, TABLE, find, schema};
use vantage::scene::Labels;

/// The mistakes as `param: message (help)`, sorted.
fn mistakes(kind: &str, params: &Value) -> Vec<String> {
    mistakes_with(kind, params, &SceneNames::from(&scene()))
}

fn mistakes_with(kind: &str, params: &Value, names: &SceneNames) -> Vec<String> {
    match (find(kind).unwrap().compile)(params, names) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            let mut all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            all.sort();
            all
        }
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let params = json!({
        "line": "gaet",
        "hysteresis": 3,
        "anchor": "top",
        "interval": 60,
        "max_frame_step": "0s",
        "report": [],
        "cooldwon": "3s",
        "classes": ["cat", "person", "motorcycles"],
        "severity": "loud",
        "min_track_age": "1 week",
    });
    let told = mistakes("line_crossing", &params);
    let expected = [
        "anchor: unknown variant `top`, expected `bottom` or `centre`",
        "classes: the model has no class `cat` (did you mean `car`?)",
        "classes: the model has no class `motorcycles` (did you mean `motorcycle`?)",
        "cooldwon: no such parameter (did you mean `cooldown`?)",
        "hysteresis: 3 is out of range: 0 to 0.25",
        "interval: invalid type: integer `60`, expected a length of time with its unit, such as `1500ms`, `3s`, `5m` or `1h`",
        "line: there is no tripwire `gaet` (did you mean `gate`?)",
        "max_frame_step: 0s is too short: at least 1ms",
        "min_track_age: `1 week` is no length of time: write a number and one of ms, s, m, h, d, such as `1500ms` or `2m`",
        "report: is empty: the rule would say nothing",
        "severity: unknown variant `loud`, expected one of `info`, `warning`, `alert`",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_mistakes_of_each_rule() {
    for (kind, params, expected) in [
        ("line_crossing", json!({}), vec!["line: is missing"]),
        ("line_crossing", Value::Null, vec!["line: is missing"]),
        ("line_crossing", json!([1]), vec!["parameters are `name: value` pairs"]),
        ("line_crossing", json!({ "line": 5 }), vec!["line: invalid type: integer `5`, expected a string"]),
        (
            "zone_dwell",
            json!({ "zone": "nowhere at all" }),
            vec!["zone: there is no zone `nowhere at all` (there are `box`)"],
        ),
        ("zone_dwell", json!({ "zone": "box", "dwell": "0s" }), vec!["dwell: 0s is too short: at least 100ms"]),
        ("stopped_vehicle", json!({}), vec!["lane: is missing: give `lane` or `zone`"]),
        (
            "stopped_vehicle",
            json!({ "lane": "east", "zone": "box" }),
            vec!["zone: give either `lane` or `zone`, not both"],
        ),
        (
            "stopped_vehicle",
            json!({ "lane": "esat", "max_move": 0, "queue_min": -1, "stopped_for": "1s" }),
            vec![
                "lane: there is no lane `esat` (did you mean `east`?)",
                "max_move: 0 is out of range: 0.01 to 2",
                "queue_min: invalid value: integer `-1`, expected u32",
                "stopped_for: 1s is too short: at least 2s",
            ],
        ),
        (
            "pedestrian_on_road",
            json!({ "crossings": ["boxx"], "clear": 3 }),
            vec![
                "clear: 3 is out of range: 0 to 2",
                "crossings: there is no zone `boxx` (did you mean `box`?)",
                "zones: is missing: give `zones` or `lanes` that are carriageway",
            ],
        ),
        (
            "crowd",
            json!({ "zone": "box", "density": 2, "crowded_for": "10ms" }),
            vec![
                "crowded_for: 10ms is too short: at least 1s",
                "density: needs a camera with a calibration (add `calibration:` to the camera, or leave this parameter out)",
            ],
        ),
        (
            "near_miss",
            json!({ "zone": "bx", "ttc": "11s", "pet": "4s" }),
            vec![
                "pet: 4s is too long: at most 3s",
                "ttc: 11s is too long: at most 10s",
                "zone: there is no zone `bx` (did you mean `box`?)",
            ],
        ),
        ("collision", json!({ "stop_within": "2m" }), vec!["stop_within: 2m is too long: at most 1m"]),
        (
            "red_light",
            json!({ "line": "gate", "direction": "up" }),
            vec!["direction: unknown variant `up`, expected `forward` or `backward`", "signal: is missing"],
        ),
        (
            "motorbike_flow",
            json!({ "lane": "east", "pavements": ["box", "kerb"], "pavement_for": "5s" }),
            vec!["pavement_for: 5s is too long: at most 4s", "pavements: there is no zone `kerb` (there are `box`)"],
        ),
        (
            "wrong_way",
            json!({ "angle": 45, "straightness": 1.5, "duration": "0s" }),
            vec![
                "angle: 45 is out of range: 90 to 170",
                "duration: 0s is too short: at least 100ms",
                "lane: is missing",
                "straightness: 1.5 is out of range: 0 to 1",
            ],
        ),
    ] {
        assert_eq!(mistakes(kind, &params), expected, "{kind} {params}");
    }
}

#[test]
fn class_names_are_checked_only_against_a_known_model() {
    let mut names = SceneNames::from(&scene());
    names.labels = None;
    let params = json!({ "lane": "east", "classes": ["xe buýt"] });
    assert!(mistakes_with("wrong_way", &params, &names).is_empty());
    assert_eq!(mistakes("wrong_way", &params).len(), 1);
}

#[test]
fn a_model_without_known_vehicles_needs_a_list() {
    let mut names = SceneNames::from(&scene());
    names.labels = Some(Labels::new(["xe máy", "người"]));
    let told = mistakes_with("wrong_way", &json!({ "lane": "east" }), &names);
    assert_eq!(
        told,
        ["classes: the model names no class that is known to be a vehicle: list them (there are `xe máy`, `người`)"]
    );
    assert!(mistakes_with("wrong_way", &json!({ "lane": "east", "classes": ["xe máy"] }), &names).is_empty());
    assert!(mistakes_with("line_crossing", &json!({ "line": "gate" }), &names).is_empty());
}

#[test]
fn a_signal_needs_a_feed_and_people_need_their_class() {
    let mut names = SceneNames { signals: false, ..SceneNames::from(&scene()) };
    let params = json!({ "line": "gate", "signal": "main" });
    let told = mistakes_with("red_light", &params, &names);
    assert_eq!(told, ["signal: needs a camera with a feed of traffic signals (add `signals:` to the camera)"]);
    names.labels = Some(Labels::new(["xe máy"]));
    let told = mistakes_with("crowd", &json!({ "zone": "box" }), &names);
    assert_eq!(
        told,
        ["classes: the model names no class that is known to be a person: list them (there are `xe máy`)"]
    );
}

#[test]
fn compiled_parameters_write_every_default_out() {
    let names = SceneNames::from(&scene());
    let compiled = (find("wrong_way").unwrap().compile)(&json!({ "lane": "east", "angle": 150 }), &names);
    let params = compiled.unwrap_or_else(|errors| panic!("{errors:?}")).params;
    assert_eq!(
        params,
        json!({
            "lane": "east", "angle": 150.0, "distance": 0.08, "box_heights": 0.5, "observations": 5,
            "duration": "800ms", "straightness": 0.7, "exit_after": "1s",
            "classes": [], "severity": "alert", "cooldown": "0s", "min_track_age": "0s",
        })
    );
}

#[test]
fn schemas_describe_every_parameter_and_bind_what_is_checked() {
    let names = SceneNames::from(&scene());
    for kind in TABLE {
        let schema = schema(kind);
        assert_eq!(schema["additionalProperties"], json!(false), "{}", kind.name);
        let properties = schema["properties"].as_object().unwrap();
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{} {name} has no description", kind.name);
            let is_required = kind.required.contains(&name.as_str());
            assert_eq!(property.get("default").is_none(), is_required, "{} {name}: default", kind.name);
            for (bound, step) in [("minimum", -1.0), ("maximum", 1.0)] {
                if let Some(limit) = property[bound].as_f64().filter(|limit| limit + step >= 0.0) {
                    let value =
                        if property["type"] == "integer" { json!((limit + step) as u64) } else { json!(limit + step) };
                    let errors = (kind.compile)(&json!({ name.as_str(): value }), &names).err().unwrap();
                    assert!(errors.iter().any(|e| e.param == *name && e.message.contains("out of range")), "{name}");
                }
            }
        }
        assert_eq!(schema["required"].as_array().map_or(0, Vec::len), kind.required.len());
    }
}

#[test]
fn the_documents_name_every_parameter_with_its_default() {
    for kind in TABLE {
        let path = format!("{}/docs/rules/{}.md", env!("CARGO_MANIFEST_DIR"), kind.name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let schema = schema(kind);
        for (name, property) in schema["properties"].as_object().unwrap() {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{path} has no row for `{name}`"));
            let Some(default) = property.get("default") else {
                assert!(row.contains("| required |"), "{path}: {row}");
                continue;
            };
            let default = match default {
                Value::String(text) => format!("`{text}`"),
                Value::Null => "—".to_owned(),
                Value::Array(items) if items.is_empty() => "`[]`".to_owned(),
                Value::Array(items) => {
                    let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                    format!("`[{}]`", items.join(", "))
                }
                Value::Number(number) => format!("`{}`", number.as_f64().unwrap()),
                other => format!("`{other}`"),
            };
            assert!(row.contains(&default), "{path}: the row of `{name}` lacks {default}: {row}");
        }
    }
}
