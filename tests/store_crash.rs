//! kill -9 at random moments under load: nothing announced is lost, nothing is numbered twice, the
//! JSON-lines file holds each event exactly once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use store_support::{Killed, as_child, child, event, wait_until};
use vantage::base::Stop;
use vantage::base::time::SystemClock;
use vantage::scene::{Position, StoredEvent};
use vantage::sink::{self, dispatch};
use vantage::store::{Query, Store, StoreOptions};

const NAME: &str = "no_announced_event_is_lost_to_kill_9";
const CAMERAS: [&str; 3] = ["north", "south", "west"];
const KILLS: u32 = 60;

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("store"), StoreOptions { reserve_bytes: 64 << 10, ..StoreOptions::default() }).unwrap()
}

fn deliver(store: &Store, folder: &Path, stop: &Stop) -> dispatch::Dispatcher {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap());
    let params = json!({ "path": "events.jsonl", "max_mib": 1, "keep_files": 10_000 });
    let sink = (sink::find("jsonl").unwrap().connect)(params.as_object().unwrap(), folder).unwrap();
    let setting = dispatch::Setting {
        name: "lines".to_owned(),
        latest: store.subscribe(),
        runtime: runtime.handle().clone(),
        clock: Arc::new(SystemClock),
        stop: stop.clone(),
        drain: Duration::from_secs(60),
    };
    dispatch::start(store.outbox("lines").unwrap(), sink, setting).unwrap()
}

/// Submits and notes what was announced, until killed. Each camera resubmits its last three events
/// first, as a replay would.
fn load(folder: &Path) {
    let store = open(folder);
    let _delivering = deliver(&store, folder, &Stop::new());
    std::thread::scope(|scope| {
        for camera in CAMERAS {
            let store = &store;
            scope.spawn(move || submit_for_ever(camera, store, folder));
        }
    });
}

fn submit_for_ever(camera: &str, store: &Store, folder: &Path) {
    let newest = Query { camera: Some(camera.to_owned()), limit: 1, reverse: true, ..Query::default() };
    let stored = store.reader().unwrap().events(&newest).unwrap().first().map_or(0, |e| e.event.sequence);
    let path = folder.join(format!("{camera}.history"));
    let mut history = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let mut next = stored.saturating_sub(3);
    loop {
        let size = 1 + next % 5;
        let ack = store.writer().submit_acked((next..next + size).map(|n| event(camera, n)).collect()).unwrap();
        ack.recv().unwrap();
        let lines: String = (next..next + size).map(|n| format!("{}\n", event(camera, n).id)).collect();
        history.write_all(lines.as_bytes()).unwrap();
        next += size;
    }
}

#[test]
fn no_announced_event_is_lost_to_kill_9() {
    if let Some(folder) = as_child("load") {
        return load(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut died_early = 0;
    for kill in 0..KILLS {
        let mut load = Killed(child(NAME, "load", folder.path()).spawn().unwrap());
        let pause = 50 + RandomState::new().hash_one(kill) % 300;
        std::thread::sleep(Duration::from_millis(pause));
        died_early += u32::from(load.0.try_wait().unwrap().is_some());
    }
    assert_eq!(died_early, 0, "a child ended by itself");

    let store = open(folder.path());
    let stop = Stop::new();
    let delivering = deliver(&store, folder.path(), &stop);
    wait_until("the backlog is delivered", Duration::from_secs(60), || {
        let status = delivering.status();
        status.cursor == *store.subscribe().borrow() && status.backlog == 0
    });
    stop.request();
    delivering.join().unwrap();

    let stored = store.reader().unwrap().events(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    let ids: HashSet<String> = stored.iter().map(|e| e.event.id.to_string()).collect();
    assert_eq!(ids.len(), stored.len(), "no event is stored twice");
    let announced: Vec<String> = CAMERAS
        .iter()
        .filter_map(|camera| std::fs::read_to_string(folder.path().join(format!("{camera}.history"))).ok())
        .flat_map(|history| history.lines().map(str::to_owned).collect::<Vec<_>>())
        // The kill may tear a line of the history itself, and the next child appends to the piece.
        .filter(|line| line.len() == 36)
        .collect();
    let lost = announced.iter().filter(|id| !ids.contains(*id)).count();

    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (index, e) in stored.iter().enumerate() {
        assert_eq!(e.position, Position(index as u64 + 1), "positions have no gap");
        let count = counts.entry(e.event.camera.as_str()).or_default();
        assert_eq!(e.event.explanation.measured["counter"], *count, "{}: in the order of submission", e.event.camera);
        *count += 1;
        assert_eq!(e.event.sequence, *count, "{}: no gap", e.event.camera);
    }

    let mut lines: HashMap<String, u32> = HashMap::new();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("events.jsonl") {
            files += 1;
            for line in std::fs::read_to_string(file).unwrap().lines() {
                let line: StoredEvent = serde_json::from_str(line).unwrap();
                *lines.entry(line.event.id.to_string()).or_default() += 1;
            }
        }
    }
    let twice = lines.values().filter(|n| **n > 1).count();
    eprintln!(
        "{KILLS} kills: {} stored, {} announced, {lost} lost; {} lines in {files} files, {twice} twice",
        stored.len(),
        announced.len(),
        lines.len()
    );
    assert!(announced.len() > 1000, "the load must have run");
    assert_eq!((lost, twice), (0, 0));
    assert_eq!(lines.len(), stored.len());
}
