//! For the tests of the operations port: a snapshot with every figure set, a raw HTTP client, and a
//! strict reader of the OpenMetrics text format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use vantage::base::{CameraId, Stop, Timestamp};
use vantage::frame::{Account, FrameDrop, UnitDrop};
use vantage::ops::{self, Server, Snapshot};
use vantage::pipeline::CameraReport;
use vantage::pipeline::conditions::Conditions;
use vantage::pipeline::evidence::{ClipCounts, ClipFate};
use vantage::pipeline::latency::Latency;
use vantage::scene::{Position, SkipReason};
use vantage::sink::dispatch::{SinkState, SinkStatus};
use vantage::source::{State, Status};
use vantage::store::{StoreHealth, StoreStats};

/// A camera whose every term of the identity has another value; in flight are 3 units and 5 pictures.
pub fn camera(id: &str, state: State, runs: u32) -> CameraReport {
    let account = Account::default();
    let units = [(UnitDrop::BeforeKeyframe, 7), (UnitDrop::Undecodable, 2), (UnitDrop::Shutdown, 1)];
    for (reason, n) in units {
        account.units_dropped(reason, n);
    }
    (0..40).for_each(|_| account.frame_decoded());
    (0..7 + 2 + 1 + 40 + 3).for_each(|_| account.unit_received());
    (0..18).for_each(|_| account.frame_detected());
    let frames = [(FrameDrop::Overrun, 4), (FrameDrop::Expired, 3), (FrameDrop::Corrupt, 2), (FrameDrop::Shutdown, 1)];
    for (reason, n) in frames {
        (0..n).for_each(|_| account.frame_dropped(reason));
    }
    (0..6).for_each(|_| account.frame_skipped(SkipReason::Sampled));
    account.frame_skipped(SkipReason::Failed);
    let status = Status { state, reason: "says \"so\"".to_owned(), since: Timestamp(1_700_000_000_000_000_000), runs };
    let conditions = Conditions {
        blind: Some("covered"),
        paused: [("gate".to_owned(), "covered")].into(),
        held_back: [("gate".to_owned(), 3)].into(),
    };
    CameraReport { camera: CameraId::new(id), status, accounting: account.ledger(), conditions, recording: None }
}

/// The same with a second stream.
fn with_recording(mut report: CameraReport) -> CameraReport {
    report.recording = Some(Status { state: State::Live, ..report.status.clone() });
    report
}

/// Every fate another number of times.
fn clips() -> ClipCounts {
    let counts = ClipCounts::default();
    for (n, fate) in ClipFate::ALL.iter().enumerate() {
        (0..=n).for_each(|_| counts.add(*fate));
    }
    counts
}

/// Two cameras, two sinks, a store with figures.
pub fn snapshot() -> Snapshot {
    let latency = Latency::default();
    (1..=100).for_each(|ms| latency.record(Duration::from_millis(ms)));
    let sink = |state, backlog, last_ok, last_error: Option<&str>| SinkStatus {
        state,
        cursor: Position(120 - backlog),
        backlog,
        last_ok,
        last_error: last_error.map(str::to_owned),
        delivered: 90,
        rejected: 2,
        paced: Duration::from_millis(1250),
    };
    Snapshot {
        ready: Ok(()),
        live: Ok(()),
        cameras: vec![camera("gate-north", State::Live, 1), with_recording(camera("gate-south", State::Offline, 9))],
        stages: vec![("decode", Duration::from_millis(1500)), ("infer", Duration::from_millis(2250))],
        sinks: vec![
            ("archive".to_owned(), sink(SinkState::Running, 0, Some(Timestamp(1_700_000_001_500_000_000)), None)),
            ("authority".to_owned(), sink(SinkState::Retrying, 30, None, Some("connection refused"))),
        ],
        store: StoreStats {
            events: 120,
            duplicates: 4,
            commits: 33,
            disk_full: 5,
            faults: 6,
            abandoned: 7,
            events_swept: 8,
            events_swept_unconfirmed: 3,
            stills: 50,
            stills_failed: 1,
            stills_swept: 2,
            clips_swept: 4,
        },
        store_health: StoreHealth::DiskFull,
        clips: Arc::new(clips()),
        media_bytes: vec![("gate-north".to_owned(), 3_000_000), ("gate-south".to_owned(), 500)],
        latest_position: Position(120),
        durable_latency: Arc::new(latency),
        // A name that has to be escaped in a label.
        models: vec![("street \"a\\b\"\nc".to_owned(), "yolox".to_owned(), "0f".repeat(32))],
        classes: vec![("default".to_owned(), vec!["car".to_owned()])],
        reloads_ok: 2,
        reloads_failed: 1,
    }
}

/// An operations port with a changeable snapshot.
pub struct Port {
    pub address: SocketAddr,
    pub state: Arc<Mutex<Snapshot>>,
    pub stop: Stop,
    pub server: Server,
    pub runtime: Runtime,
}

impl Port {
    pub fn open() -> Self {
        let state = Arc::new(Mutex::new(snapshot()));
        let shown = Arc::clone(&state);
        Self::with(state, Arc::new(move || shown.lock().unwrap().clone()))
    }

    pub fn with(state: Arc<Mutex<Snapshot>>, source: ops::Source) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = Stop::new();
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = ops::serve(listen, source, stop.clone(), runtime.handle()).unwrap();
        Self { address: server.address(), state, stop, server, runtime }
    }

    pub fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.state.lock().unwrap());
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    pub fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// Reads up to the end of the connection.
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head in {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }
}

type Labels = BTreeMap<String, String>;

/// A page of OpenMetrics text, taken apart. Reading it panics at anything that the format forbids.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    pub fn parse(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("the page ends with EOF");
        assert!(text.ends_with('\n') && !text.contains("\n\n"), "no empty lines");
        let mut page = Self::default();
        let mut seen = BTreeSet::new();
        let mut helped: Option<String> = None;
        let mut family: Option<(String, String)> = None;
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help has a text");
                assert!(is_name(name) && !help.trim().is_empty(), "{line}");
                assert!(!page.families.contains_key(name), "family twice: {line}");
                assert!(helped.replace(name.to_owned()).is_none(), "two helps in a row: {line}");
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').expect("a type has a name");
                assert_eq!(helped.take().as_deref(), Some(name), "the type follows its help");
                assert!(["counter", "gauge", "info", "unknown"].contains(&kind), "{line}");
                page.families.insert(name.to_owned(), kind.to_owned());
                family = Some((name.to_owned(), kind.to_owned()));
            } else {
                assert!(!line.starts_with('#') && helped.is_none(), "{line}");
                let (name, kind) = family.as_ref().expect("a sample has a family");
                let (sample, labels, value) = sample(line);
                let suffix = match kind.as_str() {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                assert_eq!(sample, format!("{name}{suffix}"), "the name fits the family: {line}");
                assert!(value.is_finite() && (kind != "counter" || value >= 0.0), "{line}");
                assert!(seen.insert((sample.clone(), labels.clone())), "a series twice: {line}");
                page.samples.push((sample, labels, value));
            }
        }
        page
    }

    /// Names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|(name, ..)| name.as_str()).collect()
    }

    /// Keys of all labels.
    pub fn label_keys(&self) -> BTreeSet<&str> {
        self.samples.iter().flat_map(|(_, labels, _)| labels.keys().map(String::as_str)).collect()
    }

    /// The sum of all samples of that name that have these labels; panics when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |own: &Labels| labels.iter().all(|(k, v)| own.get(*k).map(String::as_str) == Some(v));
        let found: Vec<f64> =
            self.samples.iter().filter(|(own, set, _)| own == name && fits(set)).map(|(.., v)| *v).collect();
        assert!(!found.is_empty(), "no {name} with {labels:?}");
        found.iter().sum()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, after) = rest.split_once("=\"").expect("a label has a value");
            assert!(is_name(key), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(key.to_owned(), value).is_none(), "a label twice: {line}");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').expect("labels end");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("a space before the value").parse().expect("a number, nothing after it");
    (name.to_owned(), labels, value)
}

/// The text up to the closing quotation mark, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().expect("something is escaped").1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                c => panic!("no such escape: \\{c}"),
            }),
            c => value.push(c),
        }
    }
    panic!("no closing quotation mark in {text:?}");
}
