//! What every sink owes: all events, in order per camera, through an outage, with ids that tell a repeat.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::Pipeline;
use crate::far_side::{FarSide, Hook, Mqtt, Nats, Postgres, Record, Sqlite};

/// Each record at least once, first arrivals in the order of the camera's sequence, without a gap.
fn check(received: &[Record], expected: &BTreeMap<&str, u64>) {
    let mut seen = HashSet::new();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for record in received.iter().filter(|record| seen.insert(record.id.clone())) {
        let next = next.entry(&record.camera).or_insert(1);
        assert_eq!(record.sequence, *next, "{record:?}");
        *next += 1;
    }
    let counts: BTreeMap<&str, u64> = next.into_iter().map(|(camera, next)| (camera, next - 1)).collect();
    assert_eq!(counts, *expected);
}

fn wait_for_all(far: &dyn FarSide, expected: &BTreeMap<&str, u64>) {
    let total: u64 = expected.values().sum();
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let received = far.received();
        let distinct: HashSet<&str> = received.iter().map(|record| record.id.as_str()).collect();
        if distinct.len() as u64 >= total || Instant::now() > end {
            return check(&received, expected);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The demands, one after the other, on one running sink.
pub fn conform(mut far: impl FarSide) {
    let pipeline = Pipeline::start(far.kind(), &far.params());
    pipeline.submit("a", 0..150);
    pipeline.submit("b", 0..150);
    pipeline.wait_for_delivered(300);
    let mut expected = BTreeMap::from([("a", 150), ("b", 150)]);
    wait_for_all(&far, &expected);

    far.stop();
    pipeline.submit("a", 150..700);
    pipeline.submit("b", 150..151);
    let reason = pipeline.wait_for_retry();
    assert!(!reason.is_empty());
    assert_eq!(pipeline.status().backlog, 551);
    far.start();
    pipeline.submit("a", 700..701);
    pipeline.wait_for_delivered(852);
    expected.extend([("a", 701), ("b", 151)]);
    wait_for_all(&far, &expected);
    let status = pipeline.status();
    assert_eq!((status.backlog, status.rejected), (0, 0), "{status:?}");
}

#[test]
fn nats() {
    conform(Nats::new());
}

#[test]
fn postgres() {
    conform(Postgres::new());
}

#[test]
fn mqtt_3() {
    conform(Mqtt::new("3.1.1"));
}

#[test]
fn mqtt_5() {
    conform(Mqtt::new("5"));
}

#[test]
fn sqlite() {
    conform(Sqlite::new());
}

#[test]
fn webhook() {
    conform(Hook::willing());
}

/// A far side that is away when the program starts is a backlog and a reason, not an error.
pub fn is_awaited(mut far: impl FarSide, place: &str) {
    let params = far.params();
    far.stop();
    let pipeline = Pipeline::start(far.kind(), &params);
    pipeline.submit("a", 0..10);
    let reason = pipeline.wait_for_retry();
    assert!(reason.contains(place), "{}: {reason}", far.kind());
    assert_eq!((pipeline.status().delivered, pipeline.status().backlog), (0, 10));
    far.start();
    pipeline.wait_for_delivered(10);
    wait_for_all(&far, &BTreeMap::from([("a", 10)]));
}

#[test]
fn a_far_side_that_is_away_at_the_start_gets_all_of_it_later() {
    is_awaited(Postgres::new(), "localhost");
    is_awaited(Nats::new(), "127.0.0.1");
    is_awaited(Mqtt::new("3.1.1"), "127.0.0.1");
    is_awaited(Mqtt::new("5"), "127.0.0.1");
    is_awaited(Hook::willing(), "127.0.0.1");
}
