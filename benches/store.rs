//! Durable events per second and the latency of the acknowledgement, beside plain SQLite.
//!
//! `cargo bench --bench store`. Everything is on the disk of the target folder, with fsync. "Plain"
//! is SQLite in WAL mode with synchronous=FULL, one table of (position, body), the same bodies, one
//! thread, and as many events per transaction as the store had on average: what the indices, the
//! numbering, the duplicates' check and the hand-over between threads cost. "PostgreSQL" is the same table, bodies and
//! batches in a server on the same disk with `synchronous_commit=on`, one multi-row INSERT a transaction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../tests/support/services.rs"]
mod services;
#[path = "../tests/store_support/mod.rs"]
mod store_support;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use store_support::event;
use vantage::scene::Event;
use vantage::store::{Store, StoreOptions};

struct Load {
    name: &'static str,
    producers: u64,
    events_per_submission: u64,
    /// Submissions a producer has under way.
    window: usize,
    submissions: u64,
}

struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    events_per_commit: f64,
}

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let loads = [
        Load {
            name: "1 producer, 1 event, waits",
            producers: 1,
            events_per_submission: 1,
            window: 1,
            submissions: 1000,
        },
        Load {
            name: "8 producers, 1 event, wait",
            producers: 8,
            events_per_submission: 1,
            window: 1,
            submissions: 500,
        },
        Load {
            name: "8 producers, 1 event, 8 under way",
            producers: 8,
            events_per_submission: 1,
            window: 8,
            submissions: 4000,
        },
        Load {
            name: "8 producers, 1 event, 16 under way",
            producers: 8,
            events_per_submission: 1,
            window: 16,
            submissions: 4000,
        },
        Load {
            name: "4 producers, 16 events, 8 under way",
            producers: 4,
            events_per_submission: 16,
            window: 8,
            submissions: 1000,
        },
        Load {
            name: "4 producers, 64 events, 8 under way",
            producers: 4,
            events_per_submission: 64,
            window: 8,
            submissions: 500,
        },
    ];
    let services = services::Services::start(&["postgresql"]);
    println!(
        "{:38} {:>10} {:>9} {:>9} {:>9} {:>12} {:>6} {:>13} {:>6}",
        "load", "events/s", "ack p50", "ack p99", "ev/commit", "plain ev/s", "ratio", "PostgreSQL/s", "ratio"
    );
    for load in &loads {
        let ours = group_commit(load);
        let total = load.producers * load.events_per_submission * load.submissions;
        let batch = ours.events_per_commit.round().max(1.0) as u64;
        let (plain, postgres) = (plain_sqlite(total, batch), postgresql(&services, total, batch));
        println!(
            "{:38} {:>10.0} {:>9.2?} {:>9.2?} {:>9.1} {:>12.0} {:>6.2} {:>13.0} {:>6.2}",
            load.name,
            ours.per_second,
            ours.p50,
            ours.p99,
            ours.events_per_commit,
            plain,
            ours.per_second / plain,
            postgres,
            ours.per_second / postgres
        );
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn group_commit(load: &Load) -> Figures {
    let folder = folder();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let prepared: Vec<Vec<Vec<Event>>> = (0..load.producers)
        .map(|p| {
            let camera = format!("camera-{p}");
            let submission = |s: u64| {
                (0..load.events_per_submission).map(|n| event(&camera, s * load.events_per_submission + n)).collect()
            };
            (0..load.submissions).map(submission).collect()
        })
        .collect();
    let start = Instant::now();
    let producers: Vec<_> = prepared
        .into_iter()
        .map(|submissions| {
            let (writer, window) = (store.writer(), load.window);
            std::thread::spawn(move || {
                let mut latencies = Vec::with_capacity(submissions.len());
                let mut under_way = VecDeque::new();
                let mut take = |under_way: &mut VecDeque<(Instant, crossbeam_channel::Receiver<_>)>| {
                    let (submitted, ack) = under_way.pop_front().unwrap();
                    let _: vantage::store::Ack = ack.recv().unwrap();
                    latencies.push(submitted.elapsed());
                };
                for events in submissions {
                    if under_way.len() == window {
                        take(&mut under_way);
                    }
                    under_way.push_back((Instant::now(), writer.submit_acked(events).unwrap()));
                }
                while !under_way.is_empty() {
                    take(&mut under_way);
                }
                latencies
            })
        })
        .collect();
    let mut latencies: Vec<Duration> = producers.into_iter().flat_map(|p| p.join().unwrap()).collect();
    let elapsed = start.elapsed();
    latencies.sort();
    let stats = store.stats();
    Figures {
        per_second: stats.events as f64 / elapsed.as_secs_f64(),
        p50: latencies[latencies.len() / 2],
        p99: latencies[latencies.len() * 99 / 100],
        events_per_commit: stats.events as f64 / stats.commits as f64,
    }
}

fn plain_sqlite(events: u64, per_commit: u64) -> f64 {
    let folder = folder();
    let mut conn = open_plain(folder.path());
    let prepared: Vec<Event> = (0..events).map(|n| event("camera-0", n)).collect();
    let start = Instant::now();
    for batch in prepared.chunks(per_commit as usize) {
        let tx = conn.transaction().unwrap();
        for event in batch {
            let body = serde_json::to_string(event).unwrap();
            tx.prepare_cached("INSERT INTO events (body) VALUES (?1)").unwrap().execute([body]).unwrap();
        }
        tx.commit().unwrap();
    }
    events as f64 / start.elapsed().as_secs_f64()
}

fn postgresql(services: &services::Services, events: u64, per_commit: u64) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(services.port("PG_PORT")).dbname("postgres").user("vantage").password("secret");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let table = "SET synchronous_commit = on; DROP TABLE IF EXISTS plain;
                     CREATE TABLE plain (position bigserial PRIMARY KEY, body text NOT NULL)";
        client.batch_execute(table).await.unwrap();
        let insert = client.prepare("INSERT INTO plain (body) SELECT * FROM unnest($1::text[])").await.unwrap();
        let prepared: Vec<Event> = (0..events).map(|n| event("camera-0", n)).collect();
        let start = Instant::now();
        for batch in prepared.chunks(per_commit as usize) {
            let bodies: Vec<String> = batch.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
            client.execute(&insert, &[&bodies]).await.unwrap();
        }
        events as f64 / start.elapsed().as_secs_f64()
    })
}

fn open_plain(folder: &Path) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(folder.join("plain.db")).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    conn.pragma_update(None, "synchronous", "full").unwrap();
    conn.execute_batch("CREATE TABLE events (position INTEGER PRIMARY KEY, body TEXT NOT NULL)").unwrap();
    conn
}
