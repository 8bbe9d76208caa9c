//! SQLite files: each record once, columns and JSON agree, other databases are left alone.

use serde_json::json;
use vantage::scene::{Event, StoredEvent};
use vantage::store::{Store, StoreOptions};

use crate::far_side::{FarSide, Sqlite};
use crate::store_support::event;
use crate::{Pipeline, mistakes};

#[test]
fn columns_and_json_agree_and_repeats_change_nothing() {
    let far = Sqlite::new();
    for _ in 0..2 {
        let pipeline = Pipeline::start("sqlite", &far.params());
        pipeline.submit("a", 0..20);
        pipeline.wait_for_delivered(20);
    }
    let connection = far.connection();
    let rows: i64 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 20);
    let (camera, kind, time, summary, body) = connection
        .query_row("SELECT camera, kind, time, summary, event FROM events WHERE sequence = 3", [], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, String>(4)?,
            ))
        })
        .unwrap();
    assert_eq!((camera.as_str(), kind.as_str(), time.as_str()), ("a", "line_crossing", "2023-11-14T22:13:22Z"));
    let stored: StoredEvent = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (stored.event.explanation.summary.clone(), stored.event),
        (summary, Event { sequence: 3, ..event("a", 2) })
    );
}

/// The store's own file most of all.
#[test]
fn databases_of_others_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path(), StoreOptions::default()).unwrap().close();
    let others = rusqlite::Connection::open(folder.path().join("others.db")).unwrap();
    others.execute_batch("CREATE TABLE events (x)").unwrap();
    drop(others);
    std::fs::write(folder.path().join("text.db"), "this is a text and no database".repeat(40)).unwrap();
    for name in ["events.db", "others.db", "text.db"] {
        let path = folder.path().join(name);
        let before = std::fs::read(&path).unwrap();
        let kind = vantage::sink::find("sqlite").unwrap();
        let error = (kind.connect)(json!({"path": name}).as_object().unwrap(), folder.path()).err().unwrap();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{name}");
    }
}

#[test]
fn bad_parameters_are_all_named() {
    assert!(mistakes("sqlite", &json!({"path": "/"}))[0].contains("names no file"));
    assert!(mistakes("sqlite", &json!({}))[0].contains("`path` is missing"));
}
