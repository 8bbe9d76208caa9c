//! The other end of a sink: what it has received, and a switch to take it away.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use crate::services::Services;

/// One record as the far side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `<happening>.<revision>`.
    pub id: String,
    pub camera: String,
    pub sequence: u64,
}

impl Record {
    pub fn of_cloud_event(body: &Value) -> Self {
        Self {
            id: body["id"].as_str().unwrap().to_owned(),
            camera: body["partitionkey"].as_str().unwrap().to_owned(),
            sequence: body["sequence"].as_str().unwrap().parse().unwrap(),
        }
    }
}

pub trait FarSide {
    fn kind(&self) -> &'static str;
    fn params(&self) -> Value;
    /// All records so far, in the order of their arrival.
    fn received(&self) -> Vec<Record>;
    fn stop(&mut self);
    fn start(&mut self);
}

pub struct Nats(pub Services);

impl Nats {
    pub fn new() -> Self {
        Self(Services::start(&["nats"]))
    }

    /// Makes the stream before the sink can, for messages of at most so many bytes.
    pub fn make_stream(&self, largest: i32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(self.0.get("NATS_URL")).await.unwrap();
            let config = async_nats::jetstream::stream::Config {
                name: "CITY".to_owned(),
                subjects: vec!["city.events.>".to_owned()],
                max_message_size: largest,
                ..Default::default()
            };
            async_nats::jetstream::new(client).create_stream(config).await.unwrap();
        });
    }
}

impl Nats {
    /// Every message of the stream, with its subject, in the order in which the server took them.
    pub fn messages(&self) -> Vec<(String, Value)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(self.0.get("NATS_URL")).await.unwrap();
            let mut stream = async_nats::jetstream::new(client).get_stream("CITY").await.unwrap();
            let last = stream.info().await.unwrap().state.last_sequence;
            let mut messages = Vec::new();
            for sequence in 1..=last {
                let message = stream.get_raw_message(sequence).await.unwrap();
                messages.push((message.subject.to_string(), serde_json::from_slice(&message.payload).unwrap()));
            }
            messages
        })
    }
}

impl FarSide for Nats {
    fn kind(&self) -> &'static str {
        "nats"
    }
    fn params(&self) -> Value {
        json!({"url": self.0.get("NATS_URL"), "stream": "CITY", "prefix": "city.events"})
    }
    fn received(&self) -> Vec<Record> {
        let records = self.messages().into_iter().map(|(subject, body)| {
            let record = Record::of_cloud_event(&body);
            assert_eq!(subject, format!("city.events.{}.line_crossing", record.camera));
            record
        });
        records.collect()
    }
    fn stop(&mut self) {
        self.0.stop("nats");
    }
    fn start(&mut self) {
        self.0.start_again("nats");
    }
}

pub struct Postgres(pub Services);

impl Postgres {
    pub fn new() -> Self {
        Self(Services::start(&["postgresql"]))
    }

    /// What psql prints, a row a line, columns divided by `|`.
    pub fn ask(&self, query: &str) -> String {
        let output = Command::new("psql")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                self.0.get("PG_PORT"),
                "-U",
                "vantage",
                "-d",
                "postgres",
                "-At",
                "-c",
                query,
            ])
            .env("PGPASSWORD", "secret")
            .output()
            .unwrap();
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl FarSide for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }
    fn params(&self) -> Value {
        json!({
            "host": "localhost", "port": self.0.port("PG_PORT"), "database": "postgres", "username": "vantage",
            "password_file": self.0.password_file(), "ca_file": self.0.pem("ca.pem"),
        })
    }
    fn received(&self) -> Vec<Record> {
        // A batch is one transaction, and its commit the moment of arrival. Where the rows lie says nothing of it: a
        // connection fills pages that an earlier one left.
        let rows = self.ask(
            "SELECT id || '.' || revision, camera, sequence FROM vantage_events
             ORDER BY pg_xact_commit_timestamp(xmin), sequence",
        );
        rows.lines()
            .map(|row| {
                let columns: Vec<&str> = row.split('|').collect();
                Record {
                    id: columns[0].to_owned(),
                    camera: columns[1].to_owned(),
                    sequence: columns[2].parse().unwrap(),
                }
            })
            .collect()
    }
    fn stop(&mut self) {
        self.0.stop("postgresql");
    }
    fn start(&mut self) {
        self.0.start_again("postgresql");
    }
}

/// A file, read by another connection while the sink writes it. It is taken away by a lock, as another program's long
/// transaction would.
pub struct Sqlite {
    folder: tempfile::TempDir,
    lock: Option<rusqlite::Connection>,
}

impl Sqlite {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lock: None }
    }

    pub fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("out/events.db")).unwrap()
    }
}

impl FarSide for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }
    fn params(&self) -> Value {
        json!({"path": self.folder.path().join("out/events.db")})
    }
    fn received(&self) -> Vec<Record> {
        let connection = self.connection();
        let sql = "SELECT id || '.' || revision, camera, sequence FROM events ORDER BY rowid";
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| {
            Ok(Record { id: row.get(0)?, camera: row.get(1)?, sequence: row.get::<_, u32>(2)?.into() })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
    fn stop(&mut self) {
        let connection = self.connection();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.lock = Some(connection);
    }
    fn start(&mut self) {
        self.lock = None;
    }
}

/// Mosquitto, with `mosquitto_sub` as the subscriber: its session outlives the broker's outage.
pub struct Mqtt {
    pub services: Services,
    version: &'static str,
    subscriber: Child,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl Mqtt {
    pub fn new(version: &'static str) -> Self {
        let services = Services::start(&["mosquitto"]);
        let (subscriber, lines) = subscribe(services.get("MQTT_PORT"), "vantage/events/#");
        Self { services, version, subscriber, lines }
    }
}

impl Mqtt {
    /// The bodies of all messages, in the order of their arrival.
    pub fn bodies(&self) -> Vec<Value> {
        messages(&self.lines).iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
}

/// Starts mosquitto_sub; its messages come as `TOPIC BODY` lines.
pub fn subscribe(port: &str, topic: &str) -> (Child, Arc<Mutex<Vec<u8>>>) {
    // Line by line, also into a pipe.
    let mut child = Command::new("stdbuf")
        .args([
            "-oL",
            "mosquitto_sub",
            "-p",
            port,
            "-i",
            "test-subscriber",
            "-c",
            "-q",
            "1",
            "-t",
            topic,
            "-F",
            "%t %p",
            "-d",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let mut out = child.stdout.take().unwrap();
    let sink = Arc::clone(&lines);
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(n @ 1..) = out.read(&mut buffer) {
            sink.lock().unwrap().extend_from_slice(&buffer[..n]);
        }
    });
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !String::from_utf8_lossy(&lines.lock().unwrap()).contains("Subscribed") {
        assert!(std::time::Instant::now() < end, "mosquitto_sub has not subscribed");
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, lines)
}

/// The messages among what mosquitto_sub said.
pub fn messages(lines: &Mutex<Vec<u8>>) -> Vec<(String, String)> {
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let messages = whole.lines().filter(|line| !line.starts_with("Client ") && !line.starts_with("Subscribed"));
    messages.filter_map(|line| line.split_once(' ')).map(|(topic, body)| (topic.to_owned(), body.to_owned())).collect()
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        let _ = self.subscriber.kill();
        let _ = self.subscriber.wait();
    }
}

impl FarSide for Mqtt {
    fn kind(&self) -> &'static str {
        "mqtt"
    }
    fn params(&self) -> Value {
        json!({"host": "127.0.0.1", "port": self.services.port("MQTT_PORT"), "version": self.version})
    }
    fn received(&self) -> Vec<Record> {
        let records = messages(&self.lines).into_iter().map(|(topic, body)| {
            let record = Record::of_cloud_event(&serde_json::from_str(&body).unwrap());
            assert_eq!(topic, format!("vantage/events/{}/line_crossing", record.camera));
            record
        });
        records.collect()
    }
    fn stop(&mut self) {
        self.services.stop("mosquitto");
    }
    fn start(&mut self) {
        self.services.start_again("mosquitto");
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Decides the answer to a request.
pub type Answer = Arc<dyn Fn(&Request, usize) -> (StatusCode, HeaderMap) + Send + Sync>;

/// An HTTP server that keeps what it confirms.
pub struct Hook {
    pub address: std::net::SocketAddr,
    pub confirmed: Arc<Mutex<Vec<Request>>>,
    answer: Answer,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hook {
    pub fn new(answer: Answer) -> Self {
        let mut hook = Self { address: ([127, 0, 0, 1], 0).into(), confirmed: Arc::default(), answer, runtime: None };
        hook.start();
        hook
    }

    pub fn willing() -> Self {
        Self::new(Arc::new(|_, _| (StatusCode::NO_CONTENT, HeaderMap::new())))
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }
}

impl FarSide for Hook {
    fn kind(&self) -> &'static str {
        "webhook"
    }
    fn params(&self) -> Value {
        json!({"url": self.url(), "allow_private": true})
    }
    fn received(&self) -> Vec<Record> {
        let requests = self.confirmed.lock().unwrap();
        requests.iter().map(|r| Record::of_cloud_event(&serde_json::from_slice(&r.body).unwrap())).collect()
    }
    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
    fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (confirmed, answer) = (Arc::clone(&self.confirmed), Arc::clone(&self.answer));
        let count = Arc::new(Mutex::new(0));
        let handler = post(move |headers: HeaderMap, body: Bytes| async move {
            let request = Request { headers, body };
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count
            };
            let (status, headers) = answer(&request, number);
            if status.is_success() {
                confirmed.lock().unwrap().push(request);
            }
            (status, headers)
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, Router::new().route("/events", handler)).await });
        self.runtime = Some(runtime);
    }
}
