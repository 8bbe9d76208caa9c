//! Exports, read by the programs of their users: DuckDB, pandas, an XML schema validator.
//!
//! The readers are in `.vantage/test-python` (`scripts/setup.sh --tests`); without them a test says so and passes.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use store_support::event;
use vantage::base::{CameraId, Timestamp};
use vantage::config::{AboutPlan, PlacePlan};
use vantage::document::Publisher;
use vantage::export::{self, Days};
use vantage::scene::{Event, NormBox, Phase, Severity};
use vantage::store::{Reader, Store, StoreOptions};
use vantage::warehouse::{Format, TABLES};

/// 2026-01-05T16:59:00Z, a minute before midnight in Ho Chi Minh City.
const BEGIN: i64 = 1_767_632_340_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn at(camera: &str, n: u64, second: i64, kind: &str, phase: Phase, severity: Severity) -> Event {
    let mut event = event(camera, n);
    event.time.utc = Timestamp(BEGIN + second * SECOND);
    (event.kind, event.phase, event.severity) = (kind.to_owned(), phase, severity);
    event
}

/// An interval's counts that end at `second`.
fn count(camera: &str, n: u64, second: i64, cars: u64) -> Event {
    let mut event = at(camera, n, second, "line_count", Phase::Instant, Severity::Info);
    let forward = if cars > 0 { json!({"car": cars, "motorbike": cars * 9}) } else { json!({}) };
    event.class = None;
    event.bbox = None;
    event.explanation.measured = serde_json::from_value(json!({
        "counts": {"forward": forward, "backward": {}}, "interval_seconds": 60.0, "observed_seconds": 52.0, "lanes": {},
    }))
    .unwrap();
    event.explanation.thresholds = serde_json::from_value(json!({"line": "stop", "interval_seconds": 60.0})).unwrap();
    event
}

/// A happening's start, update and end.
fn happening(camera: &str, n: u64, second: i64, kind: &str, class: &str, lasts: i64) -> Vec<Event> {
    let phases = [(Phase::Start, 0), (Phase::Update, lasts / 2), (Phase::End, lasts)];
    let records = phases.into_iter().zip(0..).map(|((phase, after), revision)| {
        let mut event = at(camera, n, second + after, kind, phase, Severity::Alert);
        event.revision = revision;
        event.class = Some(class.to_owned());
        event.explanation.summary = format!("a {class} & <more> \"quoted\" \u{1} – dừng lại");
        event
    });
    records.collect()
}

struct Filled {
    folder: tempfile::TempDir,
    store: Store,
}

impl Filled {
    fn new(events: Vec<Event>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let filled = Self { folder, store };
        filled.add(events);
        filled
    }

    fn add(&self, events: Vec<Event>) {
        self.store.writer().submit(events, 0).unwrap();
        self.store.flush().unwrap();
    }

    fn reader(&self) -> Reader {
        Store::open_reader(self.folder.path()).unwrap()
    }
}

/// Two days of two cameras, one of which has an id that looks like a number.
fn two_days() -> Vec<Event> {
    let mut events = vec![count("007", 1, 0, 3), count("007", 2, 60, 2), count("007", 3, 120, 0)];
    events
        .extend((10..15).map(|n| at("gate", n, n as i64 * 30 - 300, "line_crossing", Phase::Instant, Severity::Info)));
    events.extend(happening("gate", 20, 40, "stopped_vehicle", "truck", 30));
    events
}

fn local() -> Days {
    Days { from: None, to: None, zone: TimeZone::get("Asia/Ho_Chi_Minh").unwrap(), camera: None }
}

fn plan(folder: &Path) -> vantage::config::Plan {
    let file = folder.join("site.yaml");
    let text = "version: 1\nmodels: {default: {path: m}}\ncameras:\n  \
                - {id: '007', url: rtsp://h/a, name: Cầu Thủ Thiêm, ward: ward-5, place: {lat: 10.7741, lon: 106.7036, heading: 90}}\n  \
                - {id: gate, url: rtsp://h/b}\n";
    std::fs::write(&file, text).unwrap();
    vantage::config::load(&file, vantage::pipeline::registry::registry()).unwrap().plan
}

/// Runs `tests/readers/read.py`; `None`, after saying so, where its libraries are missing.
fn read(arguments: &[&str]) -> Option<Value> {
    let libraries =
        std::env::var_os("VANTAGE_TEST_PYTHON").map_or_else(|| root().join(".vantage/test-python"), PathBuf::from);
    if !libraries.join("requirements.txt").is_file() {
        eprintln!("skipped: no Python readers in {}; run scripts/setup.sh --tests", libraries.display());
        return None;
    }
    let told = Command::new("python3")
        .arg(root().join("tests/readers/read.py"))
        .args(arguments)
        .env("PYTHONPATH", &libraries)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(told.status.success(), "{arguments:?}");
    Some(serde_json::from_slice(&told.stdout).unwrap())
}

/// Every file below a folder, relative to it, in order.
fn files(folder: &Path) -> Vec<String> {
    fn visit(folder: &Path, base: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, base, found);
            } else {
                found.push(path.strip_prefix(base).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    visit(folder, folder, &mut found);
    found.sort();
    found
}

#[test]
fn duckdb_and_pandas_read_the_tables() {
    let filled = Filled::new(two_days());
    for format in [Format::Parquet, Format::Csv] {
        let out = tempfile::tempdir().unwrap();
        let plan = plan(out.path());
        let done = export::tables(&filled.reader(), Some(&plan), &local(), format, out.path()).unwrap();
        assert_eq!((done.rows, done.kept.len()), (2 + 11 + 8, 0), "{format:?}");
        let folder = out.path().to_str().unwrap();
        let Some(told) = read(&["duckdb", folder, format.extension()]) else { return };
        for table in TABLES.iter().filter(|table| table.name != "cameras") {
            for column in table.columns {
                let found = told["columns"][table.name][column.name].as_str().unwrap_or("missing");
                // CSV has no types: DuckDB guesses, and an empty column becomes text.
                assert!(
                    found == column.sort.as_sql() || format == Format::Csv,
                    "{} {}: {found}",
                    table.name,
                    column.name
                );
            }
        }
        assert_eq!(told["columns"]["events"]["time"], "TIMESTAMP WITH TIME ZONE", "{format:?}");
        // The local midnight lies at 17:00 UTC: what came before and after it are two days.
        assert_eq!(
            told["events"],
            json!([
                ["2026-01-05", "007", "1"],
                ["2026-01-05", "gate", "4"],
                ["2026-01-06", "007", "2"],
                ["2026-01-06", "gate", "4"]
            ]),
        );
        assert_eq!(told["time"], json!([["2026-01-05 16:59:00+00", "2026-01-05 17:01:00+00"]]), "{format:?}");
        assert_eq!(told["boxes"], json!([["8", "0.2"]]), "counts have no box");
        assert_eq!(told["json"][0][0], json!("120"), "the measured values of events");
        // An interval without a vehicle is there with its seconds, as is a direction without one.
        assert_eq!(
            told["flow"],
            json!([
                ["backward", null, "0.0", "156.0"],
                ["forward", "car", "5.0", "104.0"],
                ["forward", "motorbike", "45.0", "104.0"],
                ["forward", null, "0.0", "52.0"]
            ]),
        );
        assert_eq!(told["watched"], json!([["3", "52.0"]]));
        assert_eq!(told["cameras"][0][1], "Cầu Thủ Thiêm");
        assert_eq!(told["cameras"][1][4], Value::Null);
        let told = read(&["pandas", folder, format.extension()]).unwrap();
        assert_eq!((told["rows"].as_u64(), told["unknown_errors"].as_u64()), (Some(11), Some(0)));
        assert_eq!(told["first"], "2026-01-05T16:59:00+00:00");
        assert_eq!(told["types"]["time"], "datetime64[us, UTC]", "{format:?} {told}");
        assert_eq!(told["types"]["x1"], "float64");
        assert!(told["summaries"].to_string().contains("dừng lại"), "{told}");
    }
}

#[test]
fn a_later_export_replaces_days_and_takes_nothing_away() {
    let filled = Filled::new(two_days());
    let out = tempfile::tempdir().unwrap();
    let run = |filled: &Filled, days: &Days| export::tables(&filled.reader(), None, days, Format::Parquet, out.path());
    let first = run(&filled, &local()).unwrap();
    let before = files(out.path());
    assert_eq!(
        before,
        [
            "counts/day=2026-01-05/camera=007/counts.parquet",
            "counts/day=2026-01-06/camera=007/counts.parquet",
            "events/day=2026-01-05/camera=007/events.parquet",
            "events/day=2026-01-05/camera=gate/events.parquet",
            "events/day=2026-01-06/camera=007/events.parquet",
            "events/day=2026-01-06/camera=gate/events.parquet",
            "export.json",
        ]
    );
    let bytes = std::fs::read(out.path().join(&before[0])).unwrap();
    // The same again is the same bytes.
    assert_eq!(run(&filled, &local()).unwrap(), first);
    assert_eq!((files(out.path()), std::fs::read(out.path().join(&before[0])).unwrap()), (before, bytes));
    // One more event of the second day: that day's file has it, and only that day is written.
    filled.add(vec![at("gate", 50, 300, "line_crossing", Phase::Instant, Severity::Info)]);
    let one_day = Days { from: Some(date(2026, 1, 6)), to: Some(date(2026, 1, 7)), ..local() };
    let done = run(&filled, &Days { camera: Some(CameraId::new("gate")), ..one_day }).unwrap();
    assert_eq!((done.files, done.rows), (1, 5));
    // A store that retention has emptied of most: what is there stays.
    let younger = Filled::new(vec![at("gate", 50, 300, "line_crossing", Phase::Instant, Severity::Info)]);
    let done = run(&younger, &local()).unwrap();
    assert_eq!((done.files, done.kept), (0, vec![PathBuf::from("events/day=2026-01-06/camera=gate/events.parquet")]));
    // Days of another zone would overlap these.
    let error = run(&filled, &Days { zone: TimeZone::UTC, ..local() }).unwrap_err();
    assert!(error.to_string().contains("by days of Asia/Ho_Chi_Minh"), "{error}");
}

/// Killed at any moment, an export leaves whole files only; the next one is as if nothing had happened.
#[test]
fn a_killed_export_leaves_no_half_file() {
    let many: Vec<Event> = (0..12)
        .flat_map(|day| (0..60).map(move |n| (day, n)))
        .map(|(day, n)| count(if n % 2 == 0 { "a" } else { "b" }, day * 100 + n, day as i64 * 86_400 + n as i64, n))
        .collect();
    let filled = Filled::new(many);
    let out = tempfile::tempdir().unwrap();
    let whole = export::tables(&filled.reader(), None, &local(), Format::Csv, out.path()).unwrap();
    let sizes: Vec<(String, u64)> = files(out.path())
        .into_iter()
        .map(|name| (name.clone(), std::fs::metadata(out.path().join(name)).unwrap().len()))
        .collect();
    assert_eq!(whole.files as usize + 1, sizes.len());
    let mut broken_off = 0;
    for round in 0..6 {
        let torn = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vantage"))
            .args(["export", "--format", "csv", "--time-zone", "Asia/Ho_Chi_Minh", "--store"])
            .arg(filled.folder.path())
            .arg("--out")
            .arg(torn.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // After some files, another number each time.
        let begun = std::time::Instant::now();
        while child.try_wait().unwrap().is_none()
            && files(torn.path()).len() < round * 7 + 3
            && begun.elapsed().as_secs() < 60
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let found: Vec<String> = files(torn.path()).into_iter().filter(|name| !name.ends_with(".part")).collect();
        broken_off += usize::from(found.len() < sizes.len());
        // The manifest names nothing that is not there whole.
        if let Ok(text) = std::fs::read_to_string(torn.path().join("export.json")) {
            let manifest: Value = serde_json::from_str(&text).unwrap();
            for name in manifest["files"].as_object().unwrap().keys() {
                assert!(found.contains(name), "{name}: {found:?}");
            }
        }
        for (name, size) in sizes.iter().filter(|(name, _)| *name != "export.json") {
            if found.contains(name) {
                assert_eq!(std::fs::metadata(torn.path().join(name)).unwrap().len(), *size, "{name}");
            }
        }
        let again = export::tables(&filled.reader(), None, &local(), Format::Csv, torn.path()).unwrap();
        assert_eq!(again, whole);
        assert_eq!(files(torn.path()).len(), sizes.len(), "no draft is left");
    }
    assert!(broken_off >= 3, "{broken_off}");
}

fn publisher(exercise: bool) -> Publisher {
    let about = |lat: f64| AboutPlan {
        name: Some("Nguyễn Huệ & Lê Lợi".to_owned()),
        ward: Some("ward-5".to_owned()),
        place: Some(PlacePlan { lat, lon: 106.7036, heading: None, reach_m: 80.0 }),
    };
    Publisher {
        sender: "vantage@traffic.example".to_owned(),
        country: "vn".to_owned(),
        exercise,
        zone: TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
        cameras: [
            ("gate", about(10.77)),
            ("bridge-1", about(10.78)),
            ("bridge-2", about(10.79)),
            ("bare", AboutPlan::default()),
        ]
        .map(|(id, about)| (CameraId::new(id), about))
        .into(),
    }
}

/// Incidents of every sort: one that grows over two cameras, an animal, a queue, one without a place, one nobody is told of.
fn incidents() -> Vec<Event> {
    let mut events = happening("bridge-1", 1, 0, "near_miss", "truck", 60);
    events.extend(happening("bridge-2", 2, 20, "collision", "car", 90));
    events.iter_mut().for_each(|event| event.site = Some("bridge".to_owned()));
    events.extend(happening("gate", 3, 10, "pedestrian_on_road", "cow", 20));
    events.extend(happening("gate", 4, 15, "wrong_way", "motorbike", 20));
    let mut queue = happening("gate", 5, 30, "queue_length", "car", 40);
    for record in &mut queue {
        record.explanation.measured.insert("queue_metres".to_owned(), json!(61.7));
    }
    let mut jam = happening("gate", 6, 31, "congestion", "car", 40);
    for record in &mut jam {
        record.explanation.measured.insert("level".to_owned(), json!("stationary"));
    }
    events.extend(queue.into_iter().chain(jam));
    events.extend(happening("gate", 7, 33, "abandoned_object", "suitcase", 20));
    events.extend(happening("bare", 8, 34, "stopped_vehicle", "car", 20));
    events.extend(happening("gate", 9, 35, "camera_unfit", "", 20));
    events.sort_by_key(|event| event.time.utc);
    for event in &mut events {
        event.bbox = Some(NormBox { x1: 0.1, y1: 0.1, x2: 0.2, y2: 0.2 });
    }
    events
}

/// The text of every element of that name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

#[test]
fn cap_messages_are_valid_and_refer_to_each_other() {
    let filled = Filled::new(incidents());
    let now = Timestamp(BEGIN + 86_400 * SECOND);
    for exercise in [false, true] {
        let out = tempfile::tempdir().unwrap();
        let publisher = publisher(exercise);
        let written = export::cap(&filled.reader(), &publisher, (None, None), now, out.path()).unwrap();
        let names = files(out.path());
        assert_eq!(names.len() as u64, written);
        let messages: Vec<String> =
            names.iter().map(|name| std::fs::read_to_string(out.path().join(name)).unwrap()).collect();
        let of = |kind: &str| messages.iter().filter(|xml| texts(xml, "msgType") == [kind]).count();
        assert_eq!(of("Alert"), of("Cancel"), "every incident began and is over");
        assert!(of("Alert") >= 6 && of("Update") >= 1, "{} {}", of("Alert"), of("Update"));
        let status = if exercise { "Exercise" } else { "Actual" };
        assert!(messages.iter().all(|xml| texts(xml, "status") == [status]));
        assert!(messages.iter().all(|xml| !xml.contains("camera_unfit")), "the system's own state is nobody's alarm");
        // The one that two cameras saw: named after the collision, with a circle around each, and a chain of references.
        let collision = messages.iter().find(|xml| xml.contains("Traffic collision")).unwrap();
        let same = |xml: &&String| texts(xml, "incidents") == texts(collision, "incidents");
        let bridge: Vec<&String> = messages.iter().filter(same).collect();
        assert!(bridge.iter().any(|xml| xml.contains("Near miss")), "as which it began");
        let cancel = bridge.iter().find(|xml| texts(xml, "msgType") == ["Cancel"]).unwrap();
        let references = texts(cancel, "references").remove(0);
        let earlier: Vec<&str> = references.split(' ').collect();
        assert_eq!(earlier.len(), bridge.len() - 1);
        for reference in earlier {
            let [sender, identifier, sent] = reference.split(',').collect::<Vec<_>>()[..] else {
                panic!("{reference}")
            };
            let message = messages.iter().find(|xml| texts(xml, "identifier") == [identifier]).unwrap();
            assert_eq!((texts(message, "sender")[0].as_str(), texts(message, "sent")[0].as_str()), (sender, sent));
        }
        // Two cameras, in two languages.
        let last = bridge.iter().find(|xml| texts(xml, "circle").len() == 4).expect("both places");
        assert!(texts(last, "circle").iter().any(|circle| circle == "10.780000,106.703600 0.080"), "{last}");
        assert!(texts(last, "event").contains(&"Va chạm giao thông".to_owned()));
        assert!(texts(last, "sent")[0].ends_with("+07:00"));
        let paths: Vec<String> = names.iter().map(|name| out.path().join(name).display().to_string()).collect();
        let arguments: Vec<&str> = ["validate", "CAP"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let Some(told) = read(&arguments) else { continue };
        for (file, mistakes) in told.as_object().unwrap() {
            assert_eq!(*mistakes, json!([]), "{file}");
        }
        assert_eq!(told.as_object().unwrap().len(), names.len());
    }
}

#[test]
fn the_same_events_give_the_same_messages_and_utc_is_written_as_cap_wants_it() {
    let filled = Filled::new(incidents());
    let now = Timestamp(BEGIN + 86_400 * SECOND);
    let publisher = Publisher { zone: TimeZone::UTC, ..publisher(false) };
    let written = |range| {
        let out = tempfile::tempdir().unwrap();
        export::cap(&filled.reader(), &publisher, range, now, out.path()).unwrap();
        let read = |name: &String| (name.clone(), std::fs::read_to_string(out.path().join(name)).unwrap());
        files(out.path()).iter().map(read).collect::<Vec<_>>()
    };
    let all = written((None, None));
    assert_eq!(all, written((None, None)));
    assert!(all.iter().all(|(_, xml)| texts(xml, "sent")[0].ends_with("-00:00")));
    // A later range has the later messages, with the same references.
    let late = written((Some(Timestamp(BEGIN + 100 * SECOND)), None));
    assert!(!late.is_empty() && late.len() < all.len() && late.iter().all(|message| all.contains(message)));
}

#[test]
fn datex_situations_are_valid_and_say_what_happened() {
    let filled = Filled::new(incidents());
    let publisher = publisher(false);
    let folder = tempfile::tempdir().unwrap();
    let written = |now: i64, name: &str| {
        let file = folder.path().join(name);
        let range = (None, None);
        let told = export::datex(&filled.reader(), &publisher, range, Timestamp(BEGIN + now * SECOND), &file).unwrap();
        (told, std::fs::read_to_string(&file).unwrap(), file.display().to_string())
    };
    let ((situations, unplaced), later, file) = written(86_400, "later.xml");
    assert_eq!((situations, unplaced), (5, 1), "{later}");
    assert_eq!(later.matches("<sit:situation id=").count(), 5);
    for expected in [
        "xsi:type=\"sit:Accident\"",
        "<sit:accidentType>collision<",
        "xsi:type=\"sit:AnimalPresenceObstruction\"",
        "<sit:vehicleObstructionType>vehicleOnWrongCarriageway<",
        "<sit:abnormalTrafficType>stationaryTraffic<",
        "<sit:queueLength>62<",
        "<sit:obstructionType>objectOnTheRoad<",
        "<com:informationStatus>real<",
        "<loc:latitude>10.77",
    ] {
        assert!(later.contains(expected), "{expected} in {later}");
    }
    assert_eq!(later.matches("<com:overallEndTime>").count(), 5, "all are over a day later");
    let (_, early, early_file) = written(130, "early.xml");
    assert_eq!(early.matches("<com:validityStatus>active<").count(), 5, "none is over yet");
    // Broken on purpose, the validator sees it: it does look.
    let broken = folder.path().join("broken.xml");
    std::fs::write(&broken, later.replace("<sit:severity>high</sit:severity>", "<sit:severity>grave</sit:severity>"))
        .unwrap();
    let schema = root().join("tests/datex/payload.xsd");
    let arguments = ["validate", schema.to_str().unwrap(), &file, &early_file, broken.to_str().unwrap()];
    let Some(told) = read(&arguments) else { return };
    assert_eq!((&told[&file], &told[&early_file]), (&json!([]), &json!([])), "{later}");
    assert!(!told[broken.to_str().unwrap()].as_array().unwrap().is_empty());
}

#[test]
fn geojson_has_longitude_first_and_null_for_what_has_no_place() {
    let mut events = two_days();
    events.extend(happening("007", 30, 50, "wrong_way", "car", 20));
    let filled = Filled::new(events);
    let mut writer = filled.store.incident_writer().unwrap();
    while writer.step().unwrap() {}
    filled.store.flush().unwrap();
    let out = tempfile::tempdir().unwrap();
    let plan = plan(out.path());
    let publisher = Publisher { cameras: Publisher::cameras_of(&plan), ..publisher(false) };
    let done = export::tables(&filled.reader(), Some(&plan), &local(), Format::GeoJson, out.path()).unwrap();
    let now = Timestamp(BEGIN + 86_400 * SECOND);
    assert_eq!(export::geojson(&filled.reader(), &plan, &publisher, now, out.path()).unwrap(), 2);
    assert!(done.files > 5);
    let read = |name: &str| -> Value {
        let value: Value = serde_json::from_str(&std::fs::read_to_string(out.path().join(name)).unwrap()).unwrap();
        assert_eq!(value["type"], "FeatureCollection");
        assert!(
            value["features"].as_array().unwrap().iter().all(|f| f["type"] == "Feature" && f.get("geometry").is_some())
        );
        value
    };
    let cameras = read("cameras.geojson");
    assert_eq!(cameras["features"][0]["geometry"], json!({"type": "Point", "coordinates": [106.7036, 10.7741]}));
    assert_eq!(cameras["features"][1]["geometry"], Value::Null);
    let incidents = read("incidents.geojson");
    let shapes: Vec<&Value> = incidents["features"].as_array().unwrap().iter().map(|f| &f["geometry"]).collect();
    assert!(shapes.contains(&&Value::Null) && shapes.iter().any(|shape| shape["type"] == "Point"), "{incidents}");
    assert_eq!(incidents["features"][0]["properties"]["state"], "cleared");
    let events = read("events/day=2026-01-06/camera=007/events.geojson");
    assert_eq!(events["features"][0]["geometry"]["coordinates"][0], 106.7036);
    assert_eq!(events["features"][0]["properties"]["kind"], "line_count");
}

#[test]
fn a_sample_of_envelopes_keeps_the_contract() {
    let filled = Filled::new(incidents());
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("sample.jsonl");
    let count = export::samples(&filled.reader(), None, (None, None), &file).unwrap();
    let mut checker = vantage::contract::Checker::new().unwrap();
    std::fs::read_to_string(&file).unwrap().lines().for_each(|line| checker.take(line.as_bytes()));
    let summary = checker.finish();
    assert!(summary.ok && summary.records == count && count > 20, "{summary:#?}");
}

/// The page that describes the columns names each with its type and meaning.
#[test]
fn the_page_lists_every_column() {
    let page = std::fs::read_to_string(root().join("docs/export.md")).unwrap();
    for table in TABLES {
        for column in table.columns {
            let null = if column.nullable { "yes" } else { "" };
            let row = format!("| `{}` | {} | {null} | {} |", column.name, column.sort.as_sql(), column.about);
            assert!(page.contains(&row.replace("|  |", "| |")), "docs/export.md lacks\n{}", row.replace("|  |", "| |"));
        }
    }
}
