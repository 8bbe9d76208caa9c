//! From an event to its far sides, and what an outage costs.
//!
//! `cargo bench --bench delivery`. Real PostgreSQL and Mosquitto by `scripts/services.sh`, the store on the disk of the
//! target folder. First, 50 events a second: the time from `submit` to the row's commit and to an MQTT subscriber.
//! Then 200 events a second while the broker is stopped for `VANTAGE_OUTAGE_S` (default 30) seconds and started again: how
//! fast the backlog drains, and what that does to live events, by the time to their fsync and to another sink's commit.
//!
//! `VANTAGE_ROUNDS` repeats the second part, and percentiles are told over all rounds. With `VANTAGE_AT_ONCE` the events of the
//! outage are stored at once, so that rounds are short; the drain is the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../tests/support/services.rs"]
mod services;
#[path = "../tests/store_support/mod.rs"]
mod store_support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use services::Services;
use store_support::event;
use vantage::base::Stop;
use vantage::base::time::SystemClock;
use vantage::scene::Position;
use vantage::sink::dispatch::{self, Dispatcher};
use vantage::store::{Store, StoreOptions};

/// Live events a second beside the outage.
const LIVE: f64 = 200.0;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let outage = std::env::var("VANTAGE_OUTAGE_S").ok().and_then(|s| s.parse().ok()).unwrap_or(30);
    let mut bench = Bench::start();
    let live = bench.load(50.0, Duration::from_secs(10));
    println!("50 events/s for 10 s (ms)         p50     p95     p99");
    live.print();

    let rounds = std::env::var("VANTAGE_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let rounds: Vec<Round> = (0..rounds).map(|_| bench.outage(outage)).collect();
    println!("\n{} rounds together", rounds.len());
    println!("drained at {:.1} times the live rate", median(&rounds, |round| round.times_live));
    tell("on disk", &rounds, |seen| &seen.durable);
    tell("PostgreSQL commit", &rounds, |seen| &seen.postgres);
    bench.stop();
}

/// What the drains do to live events: the 99th percentile of all that came while one went on, beside that of all that came
/// before and after, since a disk that others use changes from one minute to the next.
fn tell(name: &str, rounds: &[Round], latencies: impl Fn(&Seen) -> &Vec<f64>) {
    let p99 = |of: &[&Seen]| at(&of.iter().flat_map(|seen| latencies(seen)).copied().collect::<Vec<_>>(), 0.99);
    let quiet = |round: &Round| p99(&[&round.before, &round.after]);
    let rise = median(rounds, |round| p99(&[&round.during]) / quiet(round));
    let without = p99(&rounds.iter().flat_map(|round| [&round.before, &round.after]).collect::<Vec<_>>());
    let during = p99(&rounds.iter().map(|round| &round.during).collect::<Vec<_>>());
    println!(
        "{name:20} p99 {without:.2} ms without a drain, {during:.2} with one: {:+.0} %; median of the rounds {:+.0} %",
        (during / without - 1.0) * 100.0,
        (rise - 1.0) * 100.0
    );
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    at(&rounds.iter().map(figure).collect::<Vec<_>>(), 0.5)
}

/// The value that this share of all is not above.
fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN)
}

/// Live events before a drain, while it goes on, and after it.
struct Round {
    before: Seen,
    during: Seen,
    after: Seen,
    times_live: f64,
}

/// Latencies in milliseconds.
#[derive(Default)]
struct Seen {
    durable: Vec<f64>,
    postgres: Vec<f64>,
    subscriber: Vec<f64>,
}

impl Seen {
    fn print(&self) {
        let rows =
            [("on disk", &self.durable), ("PostgreSQL commit", &self.postgres), ("MQTT subscriber", &self.subscriber)];
        for (name, latencies) in rows {
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| at(latencies, share));
            println!("{name:28} {p50:8.1} {p95:7.1} {p99:7.1}   ({} events)", latencies.len());
        }
    }
}

struct Bench {
    services: Services,
    store: Store,
    postgres: Dispatcher,
    mqtt: Dispatcher,
    stop: Stop,
    arrivals: Arc<Mutex<HashMap<String, Instant>>>,
    next: u64,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start() -> Self {
        let services = Services::start(&["mosquitto", "postgresql"]);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = Stop::new();
        let sink = |kind: &str, params: Value| {
            let setting = dispatch::Setting {
                name: kind.to_owned(),
                latest: store.subscribe(),
                runtime: runtime.handle().clone(),
                clock: Arc::new(SystemClock),
                stop: stop.clone(),
                drain: Duration::ZERO,
            };
            let sink =
                (vantage::sink::find(kind).unwrap().connect)(params.as_object().unwrap(), folder.path()).unwrap();
            dispatch::start(store.outbox(kind).unwrap(), sink, setting).unwrap()
        };
        let postgres = sink(
            "postgres",
            json!({
                "host": "localhost", "port": services.port("PG_PORT"), "database": "postgres", "username": "vantage",
                "password_file": services.password_file(), "ca_file": services.pem("ca.pem"),
            }),
        );
        let port = services.port("MQTT_PORT");
        let mqtt = sink("mqtt", json!({"host": "127.0.0.1", "port": port}));
        let arrivals = Arc::new(Mutex::new(HashMap::new()));
        runtime.spawn(subscribe(port, Arc::clone(&arrivals)));
        let mut bench = Self { services, store, postgres, mqtt, stop, arrivals, next: 0, runtime, _folder: folder };
        // Connections, tables and caches before anything is measured.
        bench.load(20.0, Duration::from_secs(2));
        bench
    }

    /// [`Self::load_while`] for so long.
    fn load(&mut self, rate: f64, how_long: Duration) -> Seen {
        self.load_while(rate, |_, elapsed| elapsed < how_long)
    }

    /// The broker stops for so many seconds of events, and comes back.
    fn outage(&mut self, seconds: u64) -> Round {
        println!("\n200 events/s, broker stopped for {seconds} s (ms)");
        let before = self.load(LIVE, Duration::from_secs(10));
        println!("before                            p50     p95     p99");
        before.print();
        self.services.stop("mosquitto");
        if std::env::var_os("VANTAGE_AT_ONCE").is_some() {
            for _ in 0..seconds {
                let events = (0..LIVE as u64).map(|n| event("gate", self.next + n)).collect();
                self.next += LIVE as u64;
                self.store.writer().submit_acked(events).unwrap().recv().unwrap();
            }
            while self.postgres.status().backlog > 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
        } else {
            self.load(LIVE, Duration::from_secs(seconds));
        }
        let from = self.mqtt.status().cursor.0;
        self.services.start_again("mosquitto");
        self.load_while(LIVE, |bench, _| bench.mqtt.status().cursor.0 == from);
        let (from, backlog) = (self.mqtt.status().cursor.0, self.mqtt.status().backlog);
        let mut drained = (0.0, 0);
        let during = self.load_while(LIVE, |bench, elapsed| {
            let status = bench.mqtt.status();
            drained = (elapsed.as_secs_f64(), status.cursor.0 - from);
            status.backlog > 20
        });
        let rate = drained.1 as f64 / drained.0;
        println!("while {backlog} events drain in {:.1} s", drained.0);
        during.print();
        println!("drained at {rate:.0} events/s: {:.1} times the live rate", rate / LIVE);
        let after = self.load(LIVE, Duration::from_secs(10));
        println!("after");
        after.print();
        Round { before, during, after, times_live: rate / LIVE }
    }

    /// Single events at `rate`, paced by the clock whatever the answers take; returns when all of the sinks that are there
    /// have them, or a second later.
    fn load_while(&mut self, rate: f64, mut goes_on: impl FnMut(&Self, Duration) -> bool) -> Seen {
        let begun = Instant::now();
        let mut sent: Vec<(String, Instant, crossbeam_channel::Receiver<vantage::store::Ack>)> = Vec::new();
        let watch = self.watch();
        while goes_on(self, begun.elapsed()) {
            let due = begun + Duration::from_secs_f64(sent.len() as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let one = event("gate", self.next);
            self.next += 1;
            let id = one.id.to_string();
            sent.push((id, Instant::now(), self.store.writer().submit_acked(vec![one]).unwrap()));
        }
        let (durable, committed) = watch.finish(self.next);
        let mut seen = Seen::default();
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        for (id, at, ack) in sent {
            let position = ack.recv().unwrap().position;
            seen.durable.extend(first(&durable, position).map(|then| ms(at, then)));
            seen.postgres.extend(first(&committed, position).map(|then| ms(at, then)));
            seen.subscriber.extend(self.arrivals.lock().unwrap().get(&id).map(|then| ms(at, *then)));
        }
        seen
    }

    /// Notes when positions became durable and were committed by PostgreSQL.
    fn watch(&self) -> Watch {
        let (mut latest, mut status) = (self.store.subscribe(), self.postgres.watch());
        let (mut durable, mut committed) = (Steps::default(), Steps::default());
        let (goal, mut goals) = tokio::sync::watch::channel(u64::MAX);
        let task = self.runtime.spawn(async move {
            let mut end = None;
            loop {
                let left = async {
                    match end {
                        Some(end) => tokio::time::sleep_until(end).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = latest.changed() => durable.push((*latest.borrow(), Instant::now())),
                    _ = status.changed() => committed.push((status.borrow().cursor, Instant::now())),
                    Ok(()) = goals.changed() => end = Some(tokio::time::Instant::now() + Duration::from_secs(1)),
                    () = left => break,
                }
                if end.is_some() && committed.last().is_some_and(|(position, _)| position.0 >= *goals.borrow()) {
                    break;
                }
            }
            (durable, committed)
        });
        Watch { goal, task, runtime: self.runtime.handle().clone() }
    }

    fn stop(self) {
        self.stop.request();
        self.postgres.join().unwrap();
        self.mqtt.join().unwrap();
    }
}

type Steps = Vec<(Position, Instant)>;

struct Watch {
    goal: tokio::sync::watch::Sender<u64>,
    task: tokio::task::JoinHandle<(Steps, Steps)>,
    runtime: tokio::runtime::Handle,
}

impl Watch {
    fn finish(self, goal: u64) -> (Steps, Steps) {
        self.goal.send_replace(goal);
        self.runtime.block_on(self.task).unwrap()
    }
}

/// When `position` was first covered.
fn first(steps: &Steps, position: Position) -> Option<Instant> {
    steps.get(steps.partition_point(|(covered, _)| *covered < position)).map(|(_, at)| *at)
}

/// A subscriber that notes first arrivals, and connects again after an outage.
async fn subscribe(port: u16, arrivals: Arc<Mutex<HashMap<String, Instant>>>) {
    let mut options = mqtt4::MqttOptions::new("subscriber", ("127.0.0.1", port));
    options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = mqtt4::AsyncClient::builder(options).capacity(10).build();
    events.network_options.set_tcp_nodelay(true);
    client.subscribe("vantage/events/#", mqtt4::QoS::AtLeastOnce).await.unwrap();
    loop {
        match events.poll().await {
            Ok(mqtt4::Event::Incoming(mqtt4::Packet::Publish(message))) => {
                let now = Instant::now();
                let body: Value = serde_json::from_slice(&message.payload).unwrap();
                let id = body["subject"].as_str().unwrap().to_owned();
                arrivals.lock().unwrap().entry(id).or_insert(now);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
