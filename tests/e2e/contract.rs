//! Every event that the shipped pipelines give, in its envelope: the published schema and the contract hold.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use vantage::contract::record_schema;
use vantage::scene::{Event, Position, StoredEvent};
use vantage::sink::cloud_event;

use crate::program::run;

#[test]
fn the_events_of_every_shipped_pipeline_keep_the_contract() {
    let record = jsonschema::draft202012::options().should_validate_formats(true).build(&record_schema()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sample = folder.path().join("sample.jsonl");
    let mut file = std::fs::File::create(&sample).unwrap();
    let mut kinds = BTreeSet::new();
    let mut position = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        // The commented example names a model and cameras that its reader brings.
        if path.ends_with("example.yaml") || path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in run(&["replay", path.to_str().unwrap()]).ok().lines() {
            let mut event: Event = serde_json::from_value(line).unwrap();
            // One camera id may stand in several pipelines; here each pipeline is a site.
            event.site.get_or_insert_with(|| name.clone());
            position += 1;
            kinds.insert(event.kind.clone());
            let stored = StoredEvent { position: Position(position), event };
            let value = serde_json::to_value(&stored).unwrap();
            let mistakes: Vec<String> = record.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(mistakes.is_empty(), "{name}: {mistakes:?} {value}");
            file.write_all(&cloud_event(&stored).unwrap()).unwrap();
            file.write_all(b"\n").unwrap();
        }
    }
    eprintln!("{position} records of kinds {kinds:?}");
    assert!(position > 50 && kinds.len() > 10, "{position} {kinds:?}");
    let said = run(&["sinks", "contract", sample.to_str().unwrap(), "--json"]);
    let summary = said.json();
    assert!(said.status.success(), "{summary:#}");
    assert_eq!((summary["ok"].as_bool(), summary["records"].as_u64()), (Some(true), Some(position)));

    // The same with one record taken out of the middle of its camera's: it is missed, and the exit code says so.
    let text = std::fs::read_to_string(&sample).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let sources: Vec<String> = lines.iter().map(|line| source(line)).collect();
    let among = |at: usize| sources[..at].contains(&sources[at]) && sources[at + 1..].contains(&sources[at]);
    let taken = (0..lines.len()).find(|at| among(*at)).unwrap();
    let kept: Vec<&str> = [&lines[..taken], &lines[taken + 1..]].concat();
    std::fs::write(&sample, kept.join("\n")).unwrap();
    let said = run(&["sinks", "contract", sample.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stdout);
    assert!(said.stdout.contains("error (gaps)") && said.stdout.contains("help: "), "{}", said.stdout);
}

/// The attribute `source` of an envelope as it stands in the line.
fn source(line: &str) -> String {
    let at = line.find("\"source\":\"/").unwrap();
    line[at..].split(',').next().unwrap().to_owned()
}
