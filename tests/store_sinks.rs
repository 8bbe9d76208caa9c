//! Dispatch and the JSON-lines sink: order, retry, dead letters, parking, torn tails, rotation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use store_support::{as_child, child, event, wait_until};
use vantage::base::time::SystemClock;
use vantage::base::{ErrorKind, Stop};
use vantage::scene::{InlineStill, LeftOut, Position, StoredEvent};
use vantage::sink::dispatch::{self, Dispatcher, SinkState};
use vantage::sink::{self, Delivery, Outcome, Parcel, Sink};
use vantage::store::{Query, Retention, Store, StoreOptions};

fn open(folder: &Path) -> Store {
    Store::open(folder, StoreOptions { reserve_bytes: 0, ..StoreOptions::default() }).unwrap()
}

fn submit(store: &Store, range: std::ops::Range<u64>) {
    store.writer().submit_acked(range.map(|n| event("a", n)).collect()).unwrap().recv().unwrap();
}

fn start(runtime: &tokio::runtime::Runtime, store: &Store, sink: Box<dyn Sink>, stop: &Stop) -> Dispatcher {
    let setting = dispatch::Setting {
        name: "test".to_owned(),
        latest: store.subscribe(),
        runtime: runtime.handle().clone(),
        clock: Arc::new(SystemClock),
        stop: stop.clone(),
        drain: Duration::from_secs(2),
    };
    dispatch::start(store.outbox("test").unwrap(), sink, setting).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The positions of each batch.
type Seen = Arc<Mutex<Vec<Vec<u64>>>>;

/// What came of each event's still, by position and in the order of the attempts.
type Stills = Arc<Mutex<Vec<(u64, Option<InlineStill>)>>>;

/// Answers with a script, then `Done`; notes what it was given.
#[derive(Default)]
struct Scripted {
    script: Vec<Outcome>,
    seen: Seen,
    stills: Stills,
    most_still_bytes: u64,
    hang: bool,
}

impl Sink for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }
    fn most_still_bytes(&self) -> u64 {
        self.most_still_bytes
    }
    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await; // there is a runtime
            if self.hang {
                std::future::pending::<()>().await;
            }
            self.seen.lock().unwrap().push(batch.iter().map(|parcel| parcel.stored.position.0).collect());
            let stills = batch.iter().map(|parcel| (parcel.stored.position.0, parcel.still.clone()));
            self.stills.lock().unwrap().extend(stills);
            if self.script.is_empty() { Outcome::Done } else { self.script.remove(0) }
        })
    }
}

fn scripted(script: Vec<Outcome>) -> (Box<dyn Sink>, Seen) {
    let seen = Seen::default();
    (Box::new(Scripted { script, seen: Arc::clone(&seen), ..Scripted::default() }), seen)
}

#[test]
fn batches_come_in_order_and_the_cursor_follows() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    submit(&store, 0..600);
    let (sink, seen) = scripted(vec![]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("600 delivered", Duration::from_secs(10), || running.status().delivered == 600);
    submit(&store, 600..601);
    wait_until("one more", Duration::from_secs(10), || running.status().delivered == 601);
    assert!(seen.lock().unwrap().iter().all(|batch| batch.len() <= 256));
    assert_eq!(seen.lock().unwrap().concat(), (1..=601).collect::<Vec<_>>());
    assert_eq!(store.cursor("test").unwrap(), Position(601));
    let status = running.status();
    assert_eq!((status.backlog, status.state, status.last_error), (0, SinkState::Running, None));
    assert!(status.last_ok.is_some());
    stop.request();
    running.join().unwrap();
    assert_eq!(store.stats().abandoned, 0);
}

#[test]
fn a_backlog_is_paced_and_whoever_keeps_up_is_never_held_back() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    submit(&store, 0..4000);
    let (sink, seen) = scripted(vec![]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("the backlog", Duration::from_secs(30), || running.status().delivered == 4000);
    assert_eq!(seen.lock().unwrap().concat(), (1..=4000).collect::<Vec<_>>());
    let after_the_backlog = running.status().paced;
    assert!(!after_the_backlog.is_zero(), "it was held back");
    assert!(seen.lock().unwrap()[0].len() < 256, "and got small parts: {:?}", seen.lock().unwrap()[0]);

    // Bursts of two batches at most, each in one transaction, and single events: as large as they come, and at once.
    seen.lock().unwrap().clear();
    let mut next = 4000;
    for burst in [256, 1, 512, 3, 200, 256] {
        submit(&store, next..next + burst);
        next += burst;
        wait_until("a burst", Duration::from_secs(30), || running.status().delivered == next);
    }
    assert_eq!(seen.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [256, 1, 256, 256, 3, 200, 256]);
    assert_eq!(running.status().paced, after_the_backlog, "never held back");
    stop.request();
    running.join().unwrap();
}

#[test]
fn retry_brings_the_same_batch_and_refusals_become_dead_letters() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    submit(&store, 0..10);
    let after = Some(Duration::from_millis(20));
    let no = |n: u64| (Position(n), format!("no {n}"));
    let (sink, seen) = scripted(vec![
        Outcome::Retry { after, reason: "away".to_owned() },
        Outcome::Retry { after, reason: "still away".to_owned() },
        Outcome::Reject { reasons: vec![no(7), no(3), no(7), no(99)] },
    ]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("through", Duration::from_secs(10), || running.status().cursor == Position(10));
    let status = running.status();
    assert_eq!((status.delivered, status.rejected), (8, 2));
    assert_eq!(status.last_error.as_deref(), Some("still away"));
    assert_eq!(*seen.lock().unwrap(), vec![(1..=10).collect::<Vec<_>>(); 3]);
    let letters = store.reader().unwrap().dead_letters("test", 10).unwrap();
    let letters: Vec<_> = letters.into_iter().map(|l| (l.position, l.reason)).collect();
    assert_eq!(letters, [no(3), no(7)]);
    stop.request();
    running.join().unwrap();
}

#[test]
fn fatal_parks_and_keeps_the_cursor() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    submit(&store, 0..10);
    let (sink, _) = scripted(vec![Outcome::Fatal { reason: "wrong password".to_owned() }]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("parked", Duration::from_secs(10), || running.status().state == SinkState::Parked);
    assert_eq!(running.status().backlog, 10);
    assert_eq!(running.status().last_error.as_deref(), Some("wrong password"));
    stop.request();
    running.join().unwrap();
    assert_eq!(store.cursor("test").unwrap(), Position(0));
}

#[test]
fn stopping_drains_what_waits_but_not_for_ever() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    submit(&store, 0..1000);
    stop.request();
    let (sink, _) = scripted(vec![]);
    let running = start(&runtime, &store, sink, &stop);
    let status = running.watch();
    running.join().unwrap();
    assert_eq!(store.cursor("test").unwrap(), Position(1000));
    assert_eq!(status.borrow().paced, Duration::ZERO, "the deadline counts now, not the pace");

    submit(&store, 1000..1001);
    let sink = Box::new(Scripted { hang: true, ..Scripted::default() });
    let start_at = std::time::Instant::now();
    start(&runtime, &store, sink, &stop).join().unwrap();
    assert!(start_at.elapsed() < Duration::from_secs(4), "a hanging sink is left after `drain`");
    assert_eq!(store.cursor("test").unwrap(), Position(1000));
}

#[test]
fn a_sink_goes_on_after_what_retention_deleted() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let events = Retention { max_age: Some(Duration::ZERO), max_bytes: None };
    let sweep_every = Duration::from_millis(10);
    let options = StoreOptions { events, sweep_every, reserve_bytes: 0, ..StoreOptions::default() };
    let store = Store::open(folder.path(), options).unwrap();
    submit(&store, 0..100);
    wait_until("all gone", Duration::from_secs(5), || store.stats().events_swept == 100);
    store.close();
    let store = open(folder.path());
    let (sink, seen) = scripted(vec![]);
    let running = start(&runtime, &store, sink, &stop);
    std::thread::sleep(Duration::from_millis(100));
    submit(&store, 100..103);
    wait_until("the rest", Duration::from_secs(5), || running.status().delivered == 3);
    assert_eq!(seen.lock().unwrap().concat(), [101, 102, 103]);
    stop.request();
    running.join().unwrap();
}

fn lines(params: &Value, base: &Path) -> vantage::base::Result<Box<dyn Sink>> {
    (sink::find("jsonl").unwrap().connect)(params.as_object().unwrap(), base)
}

/// Delivers directly, as the dispatcher would.
fn deliver(sink: &mut dyn Sink, batch: &[StoredEvent]) {
    let batch: Vec<Parcel> = batch.iter().cloned().map(Parcel::from).collect();
    assert_eq!(runtime().block_on(sink.deliver(&batch)), Outcome::Done);
}

fn numbered(range: std::ops::Range<u64>) -> Vec<StoredEvent> {
    range.map(|n| StoredEvent { position: Position(n), event: event("a", n) }).collect()
}

fn positions(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str::<StoredEvent>(line).unwrap().position.0).collect()
}

#[test]
fn a_torn_tail_is_cut_and_written_lines_are_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("e.jsonl");
    let params = json!({ "path": "e.jsonl" });
    deliver(&mut *lines(&params, folder.path()).unwrap(), &numbered(1..4));
    let whole = fs::read(&file).unwrap();
    // Wherever the crash tore the second batch, what is whole stays and what is torn comes again.
    deliver(&mut *lines(&params, folder.path()).unwrap(), &numbered(4..7));
    let both = fs::read(&file).unwrap();
    for cut in (whole.len()..both.len()).step_by(97).chain([both.len() - 1, both.len()]) {
        fs::write(&file, &both[..cut]).unwrap();
        let mut sink = lines(&params, folder.path()).unwrap();
        assert!(fs::read(&file).unwrap().ends_with(b"\n"));
        deliver(&mut *sink, &numbered(4..9));
        deliver(&mut *sink, &numbered(9..10));
        assert_eq!(positions(&file), (1..10).collect::<Vec<_>>(), "cut at {cut}");
    }
    // A power cut may leave zeros instead of data.
    fs::write(&file, &whole).unwrap();
    let mut torn = fs::OpenOptions::new().append(true).open(&file).unwrap();
    torn.write_all(&[0; 600_000]).unwrap();
    deliver(&mut *lines(&params, folder.path()).unwrap(), &numbered(4..5));
    assert_eq!(positions(&file), [1, 2, 3, 4]);
}

#[test]
fn somebody_elses_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["name,value\n1,2\n", "{\"level\":\"info\"}\n{\"level\":\"warn\"}\n"] {
        let file = folder.path().join("other");
        fs::write(&file, content).unwrap();
        let error = lines(&json!({ "path": "other" }), folder.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
    let first = lines(&json!({ "path": "shared" }), folder.path()).unwrap();
    assert_eq!(lines(&json!({ "path": "shared" }), folder.path()).err().unwrap().kind(), ErrorKind::Busy);
    drop(first);
}

#[test]
fn rotation_keeps_the_newest_files_and_loses_no_line_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let params = json!({ "path": "e.jsonl", "max_mib": 1, "keep_files": 3 });
    let mut sink = lines(&params, folder.path()).unwrap();
    let batches = 30;
    for n in 0..batches {
        deliver(&mut *sink, &numbered(n * 250..(n + 1) * 250));
    }
    drop(sink);
    let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["e.jsonl", "e.jsonl.1", "e.jsonl.2", "e.jsonl.3"]);
    assert!(files.iter().all(|f| fs::metadata(f).unwrap().len() <= 1 << 20));
    let kept: Vec<u64> = files[1..].iter().rev().chain([&files[0]]).flat_map(|f| positions(f)).collect();
    let first = kept[0];
    assert!(first > 0, "the oldest went");
    assert_eq!(kept, (first..batches * 250).collect::<Vec<_>>());

    // A crash just after a rotation, before the confirmation: the repeat is recognised in the older file.
    fs::rename(&files[2], &files[3]).unwrap();
    fs::rename(&files[1], &files[2]).unwrap();
    fs::rename(&files[0], &files[1]).unwrap();
    let last = (batches - 1) * 250;
    deliver(&mut *lines(&params, folder.path()).unwrap(), &numbered(last..last + 256));
    assert_eq!(positions(&files[0]), (last + 250..last + 256).collect::<Vec<_>>());
}

#[test]
fn parameters_are_checked_by_name() {
    let check = |kind: &str, params: Value| {
        let mistakes = (sink::find(kind).unwrap().validate)(params.as_object().unwrap());
        mistakes.into_iter().map(|m| m.param).collect::<Vec<_>>()
    };
    assert_eq!(check("jsonl", json!({ "path": "x.jsonl" })), [""; 0]);
    assert_eq!(check("jsonl", json!({})), ["path"]);
    assert_eq!(check("jsonl", json!({ "path": 3, "max_mib": 0, "colour": "red" })), ["colour", "max_mib", "path"]);
    assert_eq!(check("jsonl", json!({ "path": "" })), ["path"]);
    assert_eq!(check("jsonl", json!({ "path": "x", "keep_files": 1.5 })), ["keep_files"]);
    assert_eq!(check("stdout", json!({})), [""; 0]);
    assert_eq!(check("stdout", json!({ "path": "x" })), ["path"]);
    assert!(sink::find("carrier_pigeon").is_none());
    // A kind of other builds is known, and cannot be used whatever its parameters.
    #[cfg(not(feature = "kafka"))]
    assert_eq!(check("kafka", json!({ "brokers": "k:9092" })), ["type"]);
    for kind in sink::TABLE {
        assert!((kind.schema)().is_object(), "{}", kind.name);
    }
}

#[test]
fn standard_output_gets_a_line_per_event() {
    const NAME: &str = "standard_output_gets_a_line_per_event";
    if as_child("stdout").is_some() {
        let mut sink = (sink::find("stdout").unwrap().connect)(&serde_json::Map::new(), Path::new(".")).unwrap();
        deliver(&mut *sink, &numbered(1..4));
        return;
    }
    let done = child(NAME, "stdout", Path::new(".")).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let found: Vec<u64> = text
        .lines()
        // The test harness begins the first line with its own words.
        .filter_map(|line| serde_json::from_str::<StoredEvent>(&line[line.find('{')?..]).ok())
        .map(|e| e.position.0)
        .collect();
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_stored_event_survives_its_json() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    submit(&store, 0..1);
    let stored = store.reader().unwrap().events(&Query::default()).unwrap().remove(0);
    let line = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<StoredEvent>(&line).unwrap(), stored);
}

const JPEG: [u8; 7] = [0xff, 0xd8, 1, 2, 3, 0xff, 0xd9];

/// Events 0, 1, … of which those in `named` name a still.
fn submit_with_stills(store: &Store, numbers: std::ops::Range<u64>, named: &[u64]) {
    let events = numbers.map(|n| {
        let mut event = event("a", n);
        event.still = named.contains(&n).then(|| format!("a.{n}.jpg"));
        event
    });
    store.writer().submit_acked(events.collect()).unwrap().recv().unwrap();
}

fn carrying(script: Vec<Outcome>) -> (Box<dyn Sink>, Seen, Stills) {
    let sink = Scripted { script, most_still_bytes: JPEG.len() as u64, ..Scripted::default() };
    let (seen, stills) = (Arc::clone(&sink.seen), Arc::clone(&sink.stills));
    (Box::new(sink), seen, stills)
}

fn left_out(left_out: LeftOut) -> Option<InlineStill> {
    Some(InlineStill::LeftOut { left_out })
}

#[test]
fn stills_go_with_their_events_and_what_is_missing_is_said() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    store.put_still("a.1.jpg", &JPEG).unwrap();
    store.put_still("a.2.jpg", &[&JPEG[..], &JPEG].concat()).unwrap();
    // Stored before the sink began: nobody writes the missing one any more.
    submit_with_stills(&store, 0..6, &[1, 2, 3]);
    let (sink, seen, stills) = carrying(vec![]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("six delivered", Duration::from_secs(10), || running.status().delivered == 6);
    let expected =
        [None, Some(InlineStill::carried(&JPEG)), left_out(LeftOut::TooLarge), left_out(LeftOut::Missing), None, None];
    assert_eq!(stills.lock().unwrap().iter().map(|(_, still)| still.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(*seen.lock().unwrap(), [vec![1], vec![2], vec![3], vec![4], vec![5, 6]], "one picture at a time");
    assert_eq!(store.cursor("test").unwrap(), Position(6));

    // Fresh events: one still is written after its event, one never.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            submit_with_stills(&store, 6..8, &[6]);
            std::thread::sleep(Duration::from_millis(100));
            store.put_still("a.6.jpg", &JPEG).unwrap();
        });
    });
    wait_until("eight delivered", Duration::from_secs(10), || running.status().delivered == 8);
    submit_with_stills(&store, 8..9, &[8]);
    wait_until("nine delivered", Duration::from_secs(10), || running.status().delivered == 9);
    let expected = [Some(InlineStill::carried(&JPEG)), None, left_out(LeftOut::NotYet)];
    assert_eq!(stills.lock().unwrap()[6..].iter().map(|(_, still)| still.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(seen.lock().unwrap().concat(), (1..=9).collect::<Vec<_>>(), "in order all the same");
    stop.request();
    running.join().unwrap();
}

#[test]
fn an_event_goes_without_its_picture_before_it_is_given_up() {
    let (folder, runtime, stop) = (tempfile::tempdir().unwrap(), runtime(), Stop::new());
    let store = open(folder.path());
    (0..4).for_each(|n| store.put_still(&format!("a.{n}.jpg"), &JPEG).unwrap());
    submit_with_stills(&store, 0..4, &[0, 1, 2, 3]);
    let no = |n: u64| Outcome::Reject { reasons: vec![(Position(n), "too large".to_owned())] };
    let broken = || Outcome::Retry { after: None, reason: "broken".to_owned() };
    let wait = || Outcome::Retry { after: Some(Duration::ZERO), reason: "busy".to_owned() };
    let (sink, _, stills) = carrying(vec![
        // 1: refused with the picture, taken without.
        no(1),
        Outcome::Done,
        // 2: refused either way.
        no(2),
        no(2),
        // 3: the connection breaks three times.
        broken(),
        broken(),
        broken(),
        Outcome::Done,
        // 4: the far side is busy, which is not the picture's fault.
        wait(),
        wait(),
        wait(),
        wait(),
    ]);
    let running = start(&runtime, &store, sink, &stop);
    wait_until("all four", Duration::from_secs(30), || running.status().delivered == 3);
    let carried: Vec<(u64, bool)> =
        stills.lock().unwrap().iter().map(|(n, still)| (*n, still.as_ref().unwrap().is_carried())).collect();
    let (with, without) = (true, false);
    let expected = [(1, with), (1, without), (2, with), (2, without), (3, with), (3, with), (3, with), (3, without)];
    assert_eq!(carried[..8], expected);
    assert_eq!(carried[8..], [(4, with); 5]);
    assert_eq!(stills.lock().unwrap()[1].1, left_out(LeftOut::NotTaken));
    let letters = store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [2]);
    stop.request();
    running.join().unwrap();
}
