//! What the store promises while nothing goes wrong, and how it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use store_support::{SmallDisk, as_child, child, event, wait_until};
use vantage::base::{ErrorKind, Timestamp};
use vantage::scene::{Event, Phase, Position, Severity};
use vantage::store::{MediaRetention, Query, Retention, Store, StoreOptions};

fn options() -> StoreOptions {
    StoreOptions { reserve_bytes: 64 << 10, ..StoreOptions::default() }
}

fn stored(store: &Store, events: Vec<Event>) -> vantage::store::Ack {
    store.writer().submit_acked(events).unwrap().recv().unwrap()
}

fn all() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}

#[test]
fn numbers_are_per_camera_without_gaps_and_repeats_keep_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let first = stored(&store, vec![event("a", 1), event("b", 1), event("a", 2)]);
    assert_eq!((first.inserted, first.duplicates, first.position), (3, 0, Position(3)));
    let again = stored(&store, vec![event("a", 2), event("a", 3), event("a", 3)]);
    assert_eq!((again.inserted, again.duplicates, again.position), (1, 2, Position(4)));
    assert_eq!(*store.subscribe().borrow(), Position(4));
    store.close();

    let store = Store::open(folder.path(), options()).unwrap();
    assert_eq!(*store.subscribe().borrow(), Position(4), "the position survives a restart");
    let more = Event { revision: 1, ..event("a", 1) };
    assert_eq!(stored(&store, vec![more]).inserted, 1, "another revision is another record");
    let found: Vec<_> = store.reader().unwrap().events(&all()).unwrap();
    let numbers: Vec<_> =
        found.iter().map(|e| (e.position.0, e.event.camera.as_str().to_owned(), e.event.sequence)).collect();
    let expected = [(1, "a", 1), (2, "b", 1), (3, "a", 2), (4, "a", 3), (5, "a", 4)];
    assert_eq!(numbers, expected.map(|(p, c, s)| (p, c.to_owned(), s)));
    assert_eq!(found[0].event, Event { sequence: 1, ..event("a", 1) }, "the event comes back as it was");
}

#[test]
fn closing_stores_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let writer = store.writer();
    for n in 0..500 {
        writer.submit(vec![event("a", n)], n).unwrap();
    }
    store.close();
    assert!(writer.submit(vec![event("a", 501)], 0).is_err(), "a closed store takes nothing");
    assert_eq!(Store::open_reader(folder.path()).unwrap().latest().unwrap(), Position(500));
}

#[test]
fn tags_come_back_after_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (told, tags) = std::sync::mpsc::channel();
    let reader_folder = folder.path().to_owned();
    let on_durable = Box::new(move |ack: &vantage::store::Ack| {
        let visible = Store::open_reader(&reader_folder).unwrap().latest().unwrap();
        told.send((ack.tag, visible >= ack.position)).unwrap();
    });
    let store = Store::open(folder.path(), StoreOptions { on_durable: Some(on_durable), ..options() }).unwrap();
    store.writer().submit(vec![event("a", 1)], 7).unwrap();
    assert_eq!(tags.recv_timeout(Duration::from_secs(5)).unwrap(), (7, true));
}

#[test]
fn a_second_instance_is_refused_with_the_owners_pid() {
    const NAME: &str = "a_second_instance_is_refused_with_the_owners_pid";
    if let Some(folder) = as_child("second") {
        let error = Store::open(&folder, options()).err().expect("the folder is taken");
        assert_eq!(error.kind(), ErrorKind::Busy);
        std::fs::write(folder.join("refusal"), error.to_string()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let start = Instant::now();
    assert!(child(NAME, "second", folder.path()).status().unwrap().success());
    eprintln!("refused after {:?}, the start of the process included", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
    let refusal = std::fs::read_to_string(folder.path().join("refusal")).unwrap();
    assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
    assert!(refusal.contains(folder.path().to_str().unwrap()), "{refusal}");
    store.close();
    Store::open(folder.path(), options()).expect("the lock goes with its owner");
}

#[test]
fn a_newer_schema_and_a_foreign_database_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path(), options()).unwrap().close();
    let file = folder.path().join("events.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = std::fs::read(&file).unwrap();
    for error in [Store::open(folder.path(), options()).err(), Store::open_reader(folder.path()).err()] {
        assert_eq!(error.unwrap().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let foreign = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(foreign.path().join("events.db")).unwrap();
    conn.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 3").unwrap();
    assert_eq!(Store::open(foreign.path(), options()).err().unwrap().kind(), ErrorKind::Config);
}

#[test]
fn a_damaged_database_is_corrupt_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    stored(&store, (0..2000).map(|n| event("a", n)).collect());
    store.close();
    let path = folder.path().join("events.db");
    let pristine = std::fs::read(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in (10..60).step_by(5) {
        file.write_at(&[0xA5; 4096], page * 4096).unwrap();
    }
    let error = Store::open(folder.path(), options()).err().expect("pages are damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(error.advice().unwrap().contains(".recover"));
    let read = Store::open_reader(folder.path()).and_then(|r| r.events(&all()));
    assert_eq!(read.err().unwrap().kind(), ErrorKind::Corrupt);

    file.write_at(b"this is no database at all", 0).unwrap();
    assert_eq!(Store::open(folder.path(), options()).err().unwrap().kind(), ErrorKind::Corrupt);
    std::fs::write(&path, pristine).unwrap();
    Store::open(folder.path(), options()).expect("refusing did not change the file");
}

#[test]
fn a_read_only_folder_can_be_read_but_not_opened() {
    let Some(disk) = SmallDisk::mount("size=8m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let folder = disk.path().join("store");
    let store = Store::open(&folder, options()).unwrap();
    stored(&store, vec![event("a", 1)]);
    store.close();
    disk.remount("ro");
    assert_eq!(Store::open(&folder, options()).err().unwrap().kind(), ErrorKind::Permission);
    assert_eq!(Store::open(&disk.path().join("new"), options()).err().unwrap().kind(), ErrorKind::Permission);
    assert_eq!(Store::open_reader(&folder).unwrap().events(&all()).unwrap().len(), 1);
}

#[test]
fn no_store_here_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Store::open_reader(folder.path()).err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn filters_order_and_paging() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let mut events = Vec::new();
    for n in 0..400 {
        let mut e = event(if n % 4 == 0 { "b" } else { "a" }, n);
        e.rule = if n % 3 == 0 { "zone" } else { "gate" }.to_owned();
        e.kind = if n % 3 == 0 { "dwell" } else { "line_crossing" }.to_owned();
        e.phase = [Phase::Instant, Phase::Start, Phase::Update, Phase::End][n as usize % 4];
        e.severity = if n % 50 == 0 { Severity::Alert } else { Severity::Info };
        e.class = (n % 5 != 0).then(|| if n % 7 == 0 { "bus" } else { "car" }.to_owned());
        events.push(e);
    }
    stored(&store, events.clone());
    let reader = store.reader().unwrap();
    let check = |query: Query, holds: &dyn Fn(&Event) -> bool| {
        let found: Vec<_> = reader.events(&query).unwrap().into_iter().map(|e| e.event.id).collect();
        let expected: Vec<_> = events.iter().filter(|e| holds(e)).map(|e| e.id).collect();
        assert!(!expected.is_empty() && found == expected, "{query:?}: {} for {}", found.len(), expected.len());
    };
    let text = |s: &str| Some(s.to_owned());
    check(Query { camera: text("b"), ..all() }, &|e| e.camera.as_str() == "b");
    check(Query { rule: text("zone"), ..all() }, &|e| e.rule == "zone");
    check(Query { kind: text("dwell"), ..all() }, &|e| e.kind == "dwell");
    check(Query { phase: Some(Phase::Update), ..all() }, &|e| e.phase == Phase::Update);
    check(Query { class: text("bus"), ..all() }, &|e| e.class.as_deref() == Some("bus"));
    check(Query { severity: Some(Severity::Alert), ..all() }, &|e| e.severity == Severity::Alert);
    check(Query { severity: Some(Severity::Info), ..all() }, &|e| e.severity == Severity::Info);
    let (from, to) = (events[100].time.utc, events[200].time.utc);
    check(Query { from: Some(from), to: Some(to), ..all() }, &|e| (from..to).contains(&e.time.utc));
    check(Query { camera: text("a"), kind: text("dwell"), class: text("car"), from: Some(from), ..all() }, &|e| {
        e.camera.as_str() == "a" && e.kind == "dwell" && e.class.as_deref() == Some("car") && e.time.utc >= from
    });
    let page = |after, reverse| {
        let query = Query { after_position: after, limit: 3, reverse, ..Query::default() };
        reader.events(&query).unwrap().iter().map(|e| e.position.0).collect::<Vec<_>>()
    };
    assert_eq!(page(None, false), [1, 2, 3]);
    assert_eq!(page(Some(Position(3)), false), [4, 5, 6]);
    assert_eq!(page(None, true), [400, 399, 398]);
    assert_eq!(page(Some(Position(398)), true), [397, 396, 395]);
    assert_eq!(page(Some(Position(400)), false), [0; 0]);
}

#[test]
fn a_hundred_thousand_rows_answer_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    for start in (0..100_000).step_by(1000) {
        let batch = (start..start + 1000).map(|n| {
            let severity = if n % 10_000 == 0 { Severity::Alert } else { Severity::Info };
            Event { severity, ..event(["a", "b", "c", "d"][n as usize % 4], n) }
        });
        store.writer().submit(batch.collect(), 0).unwrap();
    }
    store.flush().unwrap();
    let reader = store.reader().unwrap();
    let from = event("a", 99_000).time.utc;
    let queries = [
        ("newest 100", Query { reverse: true, ..Query::default() }, 100),
        ("newest 100 of a camera", Query { camera: Some("c".into()), reverse: true, ..Query::default() }, 100),
        ("alerts", Query { severity: Some(Severity::Alert), ..Query::default() }, 10),
        ("a class nobody saw", Query { class: Some("tram".into()), ..Query::default() }, 0),
        ("the last 1000 s of a camera", Query { camera: Some("b".into()), from: Some(from), ..all() }, 250),
        ("from the beginning of time", Query { from: Some(Timestamp(0)), ..Query::default() }, 100),
        ("a phase nobody saw", Query { phase: Some(Phase::End), ..Query::default() }, 0),
    ];
    for (name, query, expected) in queries {
        let start = Instant::now();
        assert_eq!(reader.events(&query).unwrap().len(), expected, "{name}");
        eprintln!("100,000 rows, {name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_reader_in_another_process_sees_growth_without_a_gap() {
    const NAME: &str = "a_reader_in_another_process_sees_growth_without_a_gap";
    if let Some(folder) = as_child("reader") {
        let reader = Store::open_reader(&folder).unwrap();
        let mut seen = 0;
        let start = Instant::now();
        while seen < 2000 {
            assert!(start.elapsed() < Duration::from_secs(30));
            let query = Query { after_position: Some(Position(seen)), limit: 300, ..Query::default() };
            for e in reader.events(&query).unwrap() {
                assert_eq!(e.position.0, seen + 1);
                seen += 1;
            }
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    stored(&store, vec![event("a", 0)]);
    let mut reading = child(NAME, "reader", folder.path()).stderr(Stdio::inherit()).spawn().unwrap();
    for n in 1..2000 {
        stored(&store, vec![event("a", n)]);
    }
    assert!(reading.wait().unwrap().success());
}

#[test]
fn cursors_never_go_back_and_survive() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    assert_eq!(store.cursor("x").unwrap(), Position(0));
    store.confirm("x", Position(5)).unwrap();
    store.confirm("x", Position(3)).unwrap();
    store.confirm("y", Position(1)).unwrap();
    store.close();
    let reader = Store::open_reader(folder.path()).unwrap();
    assert_eq!(reader.cursors().unwrap(), [("x".to_owned(), Position(5)), ("y".to_owned(), Position(1))]);
}

#[test]
fn retention_drops_the_oldest_and_counts_what_a_live_sink_lost() {
    let folder = tempfile::tempdir().unwrap();
    let events = Retention { max_age: None, max_bytes: Some(1 << 20) };
    let sweep_every = Duration::from_millis(50);
    let store = Store::open(folder.path(), StoreOptions { events, sweep_every, ..options() }).unwrap();
    let _live = store.outbox("slow").unwrap();
    store.confirm("slow", Position(700)).unwrap();
    store.confirm("gone", Position(1)).unwrap();
    for start in (0..4000).step_by(100) {
        stored(&store, (start..start + 100).map(|n| event("a", n)).collect());
    }
    let reader = store.reader().unwrap();
    let oldest = || reader.events(&Query { limit: 1, ..Query::default() }).unwrap()[0].position.0;
    wait_until("old events go", Duration::from_secs(10), || oldest() > 1500);
    wait_until("it stops", Duration::from_secs(10), || {
        let before = store.stats().events_swept;
        std::thread::sleep(Duration::from_millis(300));
        store.stats().events_swept == before
    });
    let stats = store.stats();
    assert_eq!(stats.events_swept, oldest() - 1);
    assert_eq!(stats.events_swept_unconfirmed, oldest() - 1 - 700, "only the live sink counts");
    assert_eq!(reader.latest().unwrap(), Position(4000));
    let next = stored(&store, vec![event("a", 4000)]);
    assert_eq!(next.position, Position(4001));
    let newest = reader.events(&Query { limit: 1, reverse: true, ..Query::default() }).unwrap();
    assert_eq!(newest[0].event.sequence, 4001, "numbering goes on");
}

#[test]
fn retention_by_age_counts_from_storing() {
    let folder = tempfile::tempdir().unwrap();
    let events = Retention { max_age: Some(Duration::from_secs(2)), max_bytes: None };
    let sweep_every = Duration::from_millis(50);
    let store = Store::open(folder.path(), StoreOptions { events, sweep_every, ..options() }).unwrap();
    stored(&store, vec![event("a", 1)]); // filmed in 2023
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(store.stats().events_swept, 0);
    wait_until("it gets old", Duration::from_secs(5), || store.stats().events_swept == 1);
}

#[test]
fn stills_are_whole_bounded_and_never_fail_events() {
    let folder = tempfile::tempdir().unwrap();
    let media = MediaRetention { max_bytes: Some(10_000), ..MediaRetention::default() };
    let store = Store::open(folder.path(), StoreOptions { media, ..options() }).unwrap();
    for n in 0..20 {
        store.put_still(&format!("{n:02}.jpg"), &[n; 1000]).unwrap();
    }
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("media"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let newest: Vec<_> = (10..20).map(|n| format!("{n:02}.jpg")).collect();
    wait_until("the oldest go", Duration::from_secs(5), || names() == newest);
    assert_eq!(std::fs::read(store.media().path("15.jpg")).unwrap(), [15; 1000]);
    for bad in ["", "../x.jpg", "a/b.jpg", ".hidden"] {
        assert!(store.put_still(bad, b"x").is_err());
    }
    std::fs::remove_dir_all(folder.path().join("media")).unwrap();
    assert!(store.put_still("21.jpg", b"x").is_err());
    assert_eq!(store.stats().stills_failed, 5);
    assert_eq!(stored(&store, vec![event("a", 1)]).inserted, 1);
    store.close();

    std::fs::create_dir_all(folder.path().join("media")).unwrap();
    std::fs::write(folder.path().join("media/.half.jpg.tmp"), b"x").unwrap();
    std::fs::write(folder.path().join("media/empty.jpg"), b"").unwrap();
    std::fs::write(folder.path().join("media/whole.jpg"), b"xyz").unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    assert_eq!(names(), ["whole.jpg"]);
    assert_eq!(store.media().total_bytes(), 3);
}

#[test]
fn a_box_that_json_cannot_hold_does_not_poison_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let mut broken = event("a", 1);
    broken.bbox.as_mut().unwrap().x2 = f32::NAN;
    stored(&store, vec![broken]);
    let found = store.reader().unwrap().events(&all()).unwrap();
    assert_eq!(found[0].event.bbox, None);
}

#[test]
fn the_schema_describes_every_field() {
    let schema = vantage::contract::record_schema();
    let value = serde_json::to_value(event("a", 1)).unwrap();
    for name in value.as_object().unwrap().keys() {
        assert!(schema["properties"].get(name).is_some(), "{name} is missing in {schema}");
    }
}

/// Wall time that a test sets; intervals run on.
struct Stepping(std::sync::atomic::AtomicI64);

impl vantage::base::Clock for Stepping {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
    fn utc(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

#[test]
fn a_clock_that_is_set_by_a_day_changes_no_order_and_loses_nothing_within_its_keep() {
    const DAY_NS: i64 = 86_400_000_000_000;
    let noon = 1_700_000_000_000_000_000;
    let clock = std::sync::Arc::new(Stepping(noon.into()));
    let set = |ns: i64| clock.0.store(ns, std::sync::atomic::Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let events = Retention { max_age: Some(Duration::from_secs(2 * 86_400)), max_bytes: None };
    let sweep_every = Duration::from_millis(10);
    let store =
        Store::open(folder.path(), StoreOptions { events, sweep_every, clock: clock.clone(), ..options() }).unwrap();
    let sink = store.outbox("slow").unwrap();
    for (n, now) in [noon, noon + DAY_NS, noon - DAY_NS, noon].into_iter().enumerate() {
        set(now);
        let ack = stored(&store, vec![event("a", n as u64)]);
        assert_eq!((ack.inserted, ack.position), (1, Position(n as u64 + 1)));
        // Time for several sweeps.
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = store.reader().unwrap().events(&all()).unwrap();
    let numbers: Vec<_> = found.iter().map(|e| (e.position.0, e.event.sequence)).collect();
    assert_eq!(numbers, [(1, 1), (2, 2), (3, 3), (4, 4)], "order is that of submission, whatever the clock says");
    // A clock far ahead ends their keep: they go, and that is counted.
    set(noon + 10 * DAY_NS);
    stored(&store, vec![event("a", 4)]);
    wait_until("their age is over", Duration::from_secs(5), || store.stats().events_swept == 4);
    assert_eq!(store.stats().events_swept_unconfirmed, 4);
    drop(sink);
}
