//! kill -9 at random moments under load, while the far sides of three sinks come and go at random as well.
//!
//! Everybody writes down what they saw, as in Jepsen: the program which events it was told are durable (`*.history`), the
//! far sides what arrived. Afterwards: nothing announced is missing anywhere, a repeat has the id it had, and each
//! camera's events first arrive in their order, without a gap.
//!
//! `VANTAGE_KILLS=1000 cargo test --test sinks kills` for the long run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use vantage::base::Stop;
use vantage::base::time::SystemClock;
use vantage::sink::dispatch::{self, Dispatcher};
use vantage::store::{Query, Store, StoreOptions};

use crate::far_side::{FarSide, Mqtt, Nats, Postgres, Record};
use crate::store_support::{Killed, as_child, child, event, wait_until};

const NAME: &str = "kills::nothing_is_lost_to_kill_9_while_the_far_sides_come_and_go";
const CAMERAS: [&str; 3] = ["north", "south", "west"];
const KILLS: u64 = 50;

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(below) % below
}

/// The store in `folder` with the sinks of `sinks.json` at work on it.
fn start(folder: &Path, runtime: &tokio::runtime::Runtime, stop: &Stop) -> (Store, Vec<Dispatcher>) {
    let store =
        Store::open(&folder.join("store"), StoreOptions { reserve_bytes: 0, ..StoreOptions::default() }).unwrap();
    let sinks: Value = serde_json::from_slice(&std::fs::read(folder.join("sinks.json")).unwrap()).unwrap();
    let dispatchers = sinks.as_object().unwrap().iter().map(|(kind, params)| {
        let sink = (vantage::sink::find(kind).unwrap().connect)(params.as_object().unwrap(), folder).unwrap();
        let setting = dispatch::Setting {
            name: kind.clone(),
            latest: store.subscribe(),
            runtime: runtime.handle().clone(),
            clock: Arc::new(SystemClock),
            stop: stop.clone(),
            drain: Duration::from_secs(2),
        };
        dispatch::start(store.outbox(kind).unwrap(), sink, setting).unwrap()
    });
    let dispatchers = dispatchers.collect();
    (store, dispatchers)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Submits, and notes what was announced, until killed. Each camera begins with its last three events again, as a rerun
/// would.
fn load(folder: &Path) {
    let runtime = runtime();
    let (store, _dispatchers) = start(folder, &runtime, &Stop::new());
    std::thread::scope(|scope| {
        for camera in CAMERAS {
            let store = &store;
            scope.spawn(move || {
                let newest = Query { camera: Some(camera.to_owned()), limit: 1, reverse: true, ..Query::default() };
                let stored = store.reader().unwrap().events(&newest).unwrap().first().map_or(0, |e| e.event.sequence);
                let path = folder.join(format!("{camera}.history"));
                let mut history = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
                let mut next = stored.saturating_sub(3);
                loop {
                    let size = 1 + next % 4;
                    let events: Vec<_> = (next..next + size).map(|n| event(camera, n)).collect();
                    let lines: String = events.iter().map(|event| format!("{}.0\n", event.id)).collect();
                    store.writer().submit_acked(events).unwrap().recv().unwrap();
                    history.write_all(lines.as_bytes()).unwrap();
                    next += size;
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
}

/// What one far side owes. Returns how many repeats it saw.
fn check(
    name: &str,
    received: &[Record],
    announced: &HashSet<String>,
    stored: &HashMap<String, (String, u64)>,
) -> usize {
    let mut seen = HashSet::new();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for record in received {
        let (camera, sequence) = stored.get(&record.id).unwrap_or_else(|| panic!("{name} made up {record:?}"));
        assert_eq!((&record.camera, record.sequence), (camera, *sequence), "{name}: the id that it had");
        if seen.insert(record.id.as_str()) {
            let next = next.entry(&record.camera).or_insert(1);
            assert_eq!(record.sequence, *next, "{name}: out of order or missing: {record:?}");
            *next += 1;
        }
    }
    let lost = announced.iter().filter(|id| !seen.contains(id.as_str())).count();
    assert_eq!(lost, 0, "{name}: announced and never delivered");
    assert_eq!(seen.len(), stored.len(), "{name}");
    received.len() - seen.len()
}

#[test]
fn nothing_is_lost_to_kill_9_while_the_far_sides_come_and_go() {
    if let Some(folder) = as_child("load") {
        return load(&folder);
    }
    let kills = std::env::var("VANTAGE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let (nats, mqtt, postgres) = (Nats::new(), Mqtt::new("5"), Postgres::new());
    let sinks = [nats.kind(), mqtt.kind(), postgres.kind()].into_iter().map(str::to_owned);
    let sinks: serde_json::Map<_, _> = sinks.zip([nats.params(), mqtt.params(), postgres.params()]).collect();
    std::fs::write(folder.path().join("sinks.json"), Value::Object(sinks).to_string()).unwrap();

    let over = AtomicBool::new(false);
    let mut far_sides: [Box<dyn FarSide + Send>; 3] = [Box::new(nats), Box::new(mqtt), Box::new(postgres)];
    let (mut died_early, mut outages) = (0, 0);
    std::thread::scope(|scope| {
        let flapping: Vec<_> = far_sides
            .iter_mut()
            .map(|far| {
                let over = &over;
                scope.spawn(move || {
                    let mut outages = 0;
                    while !over.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(500 + random(2500)));
                        far.stop();
                        std::thread::sleep(Duration::from_millis(random(1500)));
                        far.start();
                        outages += 1;
                    }
                    outages
                })
            })
            .collect();
        for _ in 0..kills {
            let mut load = Killed(child(NAME, "load", folder.path()).spawn().unwrap());
            std::thread::sleep(Duration::from_millis(150 + random(900)));
            died_early += u32::from(load.0.try_wait().unwrap().is_some());
        }
        over.store(true, Ordering::Relaxed);
        outages = flapping.into_iter().map(|thread| thread.join().unwrap()).sum();
    });
    assert_eq!(died_early, 0, "a child ended by itself");

    let (runtime, stop) = (runtime(), Stop::new());
    let (store, dispatchers) = start(folder.path(), &runtime, &stop);
    wait_until("the backlogs are delivered", Duration::from_secs(120), || {
        let newest = *store.subscribe().borrow();
        dispatchers.iter().all(|dispatcher| dispatcher.status().cursor == newest)
    });
    stop.request();
    for dispatcher in dispatchers {
        assert_eq!(dispatcher.status().rejected, 0);
        dispatcher.join().unwrap();
    }

    let stored = store.reader().unwrap().events(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    let stored: HashMap<String, (String, u64)> = stored
        .iter()
        .map(|e| (format!("{}.{}", e.event.id, e.event.revision), (e.event.camera.to_string(), e.event.sequence)))
        .collect();
    let announced: HashSet<String> = CAMERAS
        .iter()
        .flat_map(|camera| {
            let history = std::fs::read_to_string(folder.path().join(format!("{camera}.history"))).unwrap();
            // The kill may tear a line of the history itself, and the next child appends to the piece.
            history.lines().filter(|line| line.len() == 38).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let missing = announced.iter().filter(|id| !stored.contains_key(*id)).count();
    assert_eq!(missing, 0, "announced and not stored");
    eprintln!(
        "{kills} kills, {outages} outages: {} events stored, {} announced, 0 lost",
        stored.len(),
        announced.len()
    );
    for far in &far_sides {
        // The broker has them; its subscriber may need a moment.
        wait_until("arrival", Duration::from_secs(60), || {
            far.received().iter().map(|record| record.id.clone()).collect::<HashSet<_>>().len() >= stored.len()
        });
        let repeats = check(far.kind(), &far.received(), &announced, &stored);
        eprintln!("{}: all of them in order, {repeats} repeats, each with its id", far.kind());
    }
    assert!(announced.len() as u64 > 20 * kills && outages > 3, "the load and the outages must have been real");
}
