//! Incidents in the store: kept up with the events, through restarts, found by their events, gone with them.
#![allow(clippy::unwrap_used)]

mod store_support;

use std::collections::BTreeMap;
use std::time::Duration;

use store_support::event;
use vantage::base::{EventId, Timestamp};
use vantage::incident::{Incident, IncidentId};
use vantage::scene::{Event, Phase, Severity};
use vantage::store::{IncidentQuery, Query, Retention, Store, StoreOptions};

const ALL: IncidentQuery = IncidentQuery { ongoing: false, site: None, limit: usize::MAX };

/// Alarms of two cameras: happenings that begin, go on, end and come again, and notes in between.
fn alarm(n: u64) -> Event {
    let mut event = event(["a", "b"][(n % 2) as usize], n);
    if n % 5 == 4 {
        return event;
    }
    event.id = EventId::derive(&[b"happening", &(n / 6).to_le_bytes(), event.camera.as_str().as_bytes()]);
    event.revision = (n % 6 / 2) as u32;
    event.phase = [Phase::Start, Phase::Update, Phase::End][(n % 6 / 2) as usize];
    event.severity = Severity::Alert;
    event.kind = "stopped_vehicle".to_owned();
    event.time.utc = Timestamp(1_700_000_000_000_000_000 + n as i64 * 45_000_000_000);
    event
}

fn store(folder: &std::path::Path) -> Store {
    Store::open(folder, StoreOptions::default()).unwrap()
}

fn catch_up(store: &Store) {
    let mut writer = store.incident_writer().unwrap();
    while writer.step().unwrap() {}
}

fn all(store: &Store) -> BTreeMap<IncidentId, Incident> {
    store.reader().unwrap().incidents(&ALL).unwrap().into_iter().map(|i| (i.id, i)).collect()
}

#[test]
fn a_store_that_is_closed_anywhere_comes_to_the_same_incidents() {
    let whole = tempfile::tempdir().unwrap();
    let expected = {
        let store = store(whole.path());
        store.writer().submit((0..300).map(alarm).collect(), 0).unwrap();
        store.flush().unwrap();
        catch_up(&store);
        all(&store)
    };
    assert!(expected.len() > 1 && expected.values().any(|i| i.happenings > 1), "{}", expected.len());
    let cut = tempfile::tempdir().unwrap();
    for from in (0..300).step_by(37) {
        let store = store(cut.path());
        store.writer().submit((from..(from + 37).min(300)).map(alarm).collect(), 0).unwrap();
        store.flush().unwrap();
        // Every second start does not get to it: the next one has more to do.
        if from % 2 == 0 {
            catch_up(&store);
        }
    }
    let store = store(cut.path());
    catch_up(&store);
    assert_eq!(all(&store), expected);
}

#[test]
fn an_event_leads_to_its_incident() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.writer().submit((0..60).map(alarm).collect(), 0).unwrap();
    store.flush().unwrap();
    catch_up(&store);
    let reader = Store::open_reader(folder.path()).unwrap();
    let first = reader.incident_of(alarm(0).id).unwrap().unwrap();
    assert_eq!(first.id, IncidentId::begun_by(alarm(0).id));
    assert!(reader.incident_of(alarm(4).id).unwrap().is_none(), "a crossing is no incident");
    let of_a = IncidentQuery { site: Some("camera:a".to_owned()), ..ALL };
    assert!(reader.incidents(&of_a).unwrap().iter().all(|incident| incident.site == "camera:a"));
    assert_eq!(reader.incidents(&IncidentQuery { limit: 1, ..ALL }).unwrap().len(), 1);
}

#[test]
fn the_number_of_changes_never_steps_back() {
    let folder = tempfile::tempdir().unwrap();
    let (touched, before) = {
        let store = store(folder.path());
        // Long after the last alarm something else happens, so that all are over.
        let later = ["a", "b"].map(|camera| event(camera, 100_000));
        store.writer().submit((0..60).map(alarm).chain(later).collect(), 0).unwrap();
        store.flush().unwrap();
        catch_up(&store);
        (store.reader().unwrap().last_touched().unwrap(), all(&store).len())
    };
    assert!(touched > 0);
    // Retention takes every event, and with them the incidents that are over.
    let events = Retention { max_age: Some(Duration::ZERO), max_bytes: None };
    let sweep_every = Duration::from_millis(50);
    let store = Store::open(folder.path(), StoreOptions { events, sweep_every, ..StoreOptions::default() }).unwrap();
    store.writer().submit(vec![event("a", 1000)], 0).unwrap();
    store.flush().unwrap();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(50));
        if store.reader().unwrap().events(&Query::default()).unwrap().is_empty() {
            break;
        }
    }
    assert!(all(&store).len() < before, "some were over");
    assert!(store.reader().unwrap().last_touched().unwrap() >= touched, "readers go by it");
}

#[test]
fn a_store_of_an_earlier_release_has_none_until_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).close();
    let file = folder.path().join("events.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    // The file as the first release made it.
    conn.execute_batch(
        "DROP TABLE incidents; DROP TABLE incident_events; DROP TABLE incident_progress; DROP TABLE incident_facets;
         DROP INDEX events_by_camera; DROP INDEX events_by_rule; DROP INDEX events_by_kind; DROP INDEX events_by_class;
         DROP INDEX events_by_severity; DROP INDEX events_by_time;
         CREATE INDEX events_rule     ON events (rule);
         CREATE INDEX events_kind     ON events (kind);
         CREATE INDEX events_class    ON events (class) WHERE class IS NOT NULL;
         CREATE INDEX events_severity ON events (severity) WHERE severity <> 'info';
         CREATE INDEX events_time     ON events (utc_ns);
         PRAGMA user_version = 1",
    )
    .unwrap();
    drop(conn);
    assert!(Store::open_reader(folder.path()).unwrap().incidents(&ALL).unwrap().is_empty());
    let store = store(folder.path());
    store.writer().submit(vec![alarm(0)], 0).unwrap();
    store.flush().unwrap();
    catch_up(&store);
    assert_eq!(all(&store).len(), 1);
}
