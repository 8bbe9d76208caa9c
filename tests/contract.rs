//! The contract with receivers: the published schema, the AsyncAPI page, and the checker, each against what sinks send.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::path::Path;

use serde_json::{Value, json};
use store_support::event;
use vantage::contract::{CHANNELS, Checker, Envelope, Rating, Summary, asyncapi, event_schema, record_schema};
use vantage::scene::{Event, InlineStill, Phase, Position, StoredEvent};
use vantage::sink::cloud_event;

/// Envelopes of a good stream: two cameras, instants, and a happening with start, update and end on the first.
fn stream() -> Vec<Value> {
    let mut events: Vec<Event> = Vec::new();
    for n in 1..=4 {
        events.push(event("gate-1", n));
        events.push(event("gate-2", n));
    }
    for (revision, phase) in [Phase::Start, Phase::Update, Phase::End].into_iter().enumerate() {
        let mut record = event("gate-1", 9);
        (record.revision, record.phase, record.kind) = (revision as u32, phase, "stopped_vehicle".to_owned());
        record.time.utc.0 += revision as i64 * 1_000_000_000;
        events.push(record);
    }
    let mut numbers = std::collections::BTreeMap::new();
    let stored = events.into_iter().zip(1..).map(|(mut event, position)| {
        let number: &mut u64 = numbers.entry(event.camera.clone()).or_default();
        *number += 1;
        event.sequence = *number;
        StoredEvent { position: Position(position), event }
    });
    stored.map(|stored| serde_json::from_slice(&cloud_event(&stored).unwrap()).unwrap()).collect()
}

fn check(lines: &[Value]) -> Summary {
    let mut checker = Checker::new().unwrap();
    lines.iter().for_each(|line| checker.take(line.to_string().as_bytes()));
    checker.finish()
}

/// Errors as (check, line), in order of lines.
fn errors(summary: &Summary) -> Vec<(&'static str, u64)> {
    summary.findings.iter().filter(|f| f.rating == Rating::Error).map(|f| (f.check, f.line)).collect()
}

#[test]
fn what_sinks_send_keeps_the_contract() {
    let summary = check(&stream());
    assert!(summary.ok, "{:#?}", summary.findings);
    assert_eq!((summary.lines, summary.records, summary.repeats, summary.sources), (11, 11, 0, 2));
    assert_eq!((summary.open, summary.findings.len()), (0, 0));
}

#[test]
fn an_envelope_is_read_as_it_was_written() {
    for line in stream() {
        let envelope: Envelope = serde_json::from_value(line.clone()).unwrap();
        // By text: 0.1 of 32 bits is another number than 0.1 of 64.
        let again: Value = serde_json::from_str(&serde_json::to_string(&envelope.data).unwrap()).unwrap();
        assert_eq!(again, line["data"]);
        // The receiver's view names every attribute that is sent.
        let sent: Vec<&String> = line.as_object().unwrap().keys().collect();
        let schema = event_schema();
        assert!(sent.iter().all(|name| schema["properties"].get(name.as_str()).is_some()), "{sent:?}");
    }
}

#[test]
fn repeats_are_no_errors() {
    let mut lines = stream();
    let again = [&lines[3..], &lines[..2]].concat();
    lines.extend(again);
    let summary = check(&lines);
    assert!(summary.ok, "{:#?}", summary.findings);
    assert_eq!((summary.records, summary.repeats), (11, 10));
}

/// A message and its repeat differ when the still was written, deleted or refused in between.
#[test]
fn a_repeat_with_another_still_is_the_same_record() {
    let jpeg = [0xff, 0xd8, 1, 2, 3, 0xff, 0xd9];
    let with = |still: Value| {
        let mut line = stream()[0].clone();
        line["data"]["still"] = json!("gate-1.x.jpg");
        if !still.is_null() {
            line["data"]["still_inline"] = still;
        }
        line
    };
    let carried = serde_json::to_value(InlineStill::carried(&jpeg)).unwrap();
    let summary = check(&[with(carried.clone()), with(json!(null)), with(json!({"left_out": "missing"}))]);
    assert!(summary.ok, "{:#?}", summary.findings);
    assert_eq!((summary.records, summary.repeats), (1, 2));
    let mut other = with(json!(null));
    other["data"]["rule"] = json!("another");
    assert_eq!(errors(&check(&[with(carried.clone()), other])), [("repeats", 2)]);

    let broken = |change: fn(&mut Value)| {
        let mut line = with(carried.clone());
        change(&mut line["data"]);
        errors(&check(&[line]))
    };
    assert_eq!(broken(|data| data["still_inline"]["bytes"] = json!(8)), [("agreement", 1)]);
    assert_eq!(broken(|data| data["still_inline"]["base64"] = json!("AAAA")), [("agreement", 1)]);
    assert_eq!(broken(|data| drop(data.as_object_mut().unwrap().remove("still"))), [("agreement", 1)]);
    assert_eq!(broken(|data| data["still_inline"] = json!({"left_out": "hidden"})), [("schema", 1)]);
    assert_eq!(broken(|data| data["still_inline"]["media_type"] = json!("image/png")), [("schema", 1)]);
}

#[test]
fn a_sample_from_the_middle_is_noted() {
    let lines = stream();
    let summary = check(&lines[9..]);
    assert!(summary.ok, "{:#?}", summary.findings);
    let notes: Vec<&str> = summary.findings.iter().map(|finding| finding.check).collect();
    assert_eq!(notes, ["gaps", "phases"], "begins at a later number, and a happening began before");
    assert_eq!(check(&lines[..10]).open, 1);
}

/// Each breaks the stream in one way, and the checker tells in which and where.
#[test]
fn every_break_of_the_contract_is_found_at_its_line() {
    type Break = fn(&mut Vec<Value>);
    type Case = (&'static str, Break, &'static [(&'static str, u64)]);
    let cases: [Case; 19] = [
        (
            "no source of the time",
            |l| drop(l[2]["data"]["time"].as_object_mut().unwrap().remove("source")),
            &[("schema", 3)],
        ),
        (
            "no error of the time",
            |l| drop(l[2]["data"]["time"].as_object_mut().unwrap().remove("error_ns")),
            &[("schema", 3)],
        ),
        ("another specversion", |l| l[0]["specversion"] = json!("0.3"), &[("schema", 1)]),
        ("id of another shape", |l| l[1]["id"] = json!("7"), &[("schema", 2)]),
        ("no date", |l| l[1]["time"] = json!("yesterday"), &[("schema", 2)]),
        ("a number as a word", |l| l[4]["data"]["revision"] = json!("0"), &[("schema", 5)]),
        ("an unknown phase", |l| l[4]["data"]["phase"] = json!("middle"), &[("schema", 5)]),
        ("no data", |l| drop(l[4].as_object_mut().unwrap().remove("data")), &[("schema", 5)]),
        ("no object", |l| l[4] = json!([1, 2]), &[("schema", 5)]),
        ("a bare record", |l| l[0] = l[0]["data"].clone(), &[("schema", 1)]),
        ("subject of another", |l| l[5]["subject"] = l[4]["subject"].clone(), &[("agreement", 6)]),
        ("kind of another", |l| l[5]["type"] = json!("vantage.event.speeding.v1"), &[("agreement", 6)]),
        (
            "other content",
            |l| {
                let mut x = l[3].clone();
                x["data"]["summary"] = json!(1);
                l.push(x);
            },
            &[("repeats", 12)],
        ),
        ("a lost record", |l| drop(l.remove(2)), &[("gaps", 4)]),
        ("two exchanged", |l| l.swap(2, 4), &[("order", 5)]),
        ("no start", |l| drop(l.remove(8)), &[("gaps", 9)]),
        ("end before update", |l| l.swap(9, 10), &[("phases", 10), ("order", 11), ("phases", 11)]),
        (
            "time goes back",
            |l| {
                let t = json!("2001-01-01T00:00:00Z");
                l[9]["time"] = t.clone();
                l[9]["data"]["time"]["utc"] = t;
            },
            &[("times", 10)],
        ),
        ("nothing at all", Vec::clear, &[("json", 1)]),
    ];
    for (what, damage, expected) in cases {
        let mut lines = stream();
        damage(&mut lines);
        let summary = check(&lines);
        let mut found = errors(&summary);
        found.dedup();
        // A record that was refused is missing afterwards; that is told as well.
        if expected[0].0 == "schema" {
            found.retain(|(check, _)| *check == "schema");
        }
        assert_eq!(found, expected, "{what}: {:#?}", summary.findings);
        assert!(!summary.ok && summary.findings.iter().all(|finding| !finding.help.is_empty()), "{what}");
    }
}

#[test]
fn torn_and_foreign_lines_are_told_and_do_not_panic() {
    let good = stream()[0].to_string();
    for torn in 0..good.len() {
        let mut checker = Checker::new().unwrap();
        checker.take(&good.as_bytes()[..torn]);
        checker.take(b"");
        assert!(!checker.finish().ok, "{torn}");
    }
    let mut checker = Checker::new().unwrap();
    checker.take(b"\xff\xfe");
    assert_eq!(errors(&checker.finish()), [("json", 1)]);
}

#[test]
fn the_asyncapi_page_is_what_the_program_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asyncapi.json");
    let now = format!("{:#}\n", asyncapi());
    if std::env::var_os("VANTAGE_WRITE_PAGES").is_some() {
        std::fs::write(&page, &now).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == now, "run: cargo run -- schema asyncapi > docs/asyncapi.json");
    assert!(CHANNELS.len() > 3);
}

/// A change of what leaves is seen in review: the published schemas are committed.
#[test]
fn the_published_schemas_are_what_the_program_prints() {
    for (name, schema) in [("event", event_schema()), ("record", record_schema())] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.schema.json"));
        let now = format!("{schema:#}\n");
        if std::env::var_os("VANTAGE_WRITE_PAGES").is_some() {
            std::fs::create_dir_all(page.parent().unwrap()).unwrap();
            std::fs::write(&page, &now).unwrap();
        }
        let written = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(written == now, "run: cargo run -- schema {name} > docs/schema/{name}.schema.json");
    }
}
