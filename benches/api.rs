//! Lists over a store of a million events, and the first page of incidents under load: latencies as percentiles.
//!
//! `cargo bench --bench api` fills a store (once; `BENCH_STORE=FOLDER` keeps it), asks it in the process, then starts the
//! program on it and asks that over HTTP at a fixed rate, each answer's time counted from when it was due.
//! `BENCH_EVENTS`, `BENCH_RATE` and `BENCH_SECONDS` change the sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "a bench ends by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vantage::base::{CameraId, CaptureTime, EventId, FrameSeq, MediaTime, RunId, TimeSource, Timestamp};
use vantage::scene::event::Explanation;
use vantage::scene::{Event, NormBox, Phase, Severity};
use vantage::store::{ListFilter, Reader, Store, StoreOptions};

const CAMERAS: u64 = 50;
const BEGIN_NS: i64 = 1_767_225_600_000_000_000;
const CLASSES: [&str; 5] = ["motorcycle", "car", "truck", "bus", "bicycle"];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Events as a city gives them: counts mostly, one in fifty an alarm, a class that is seldom.
fn event(n: u64) -> Event {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let alarm = mixed.is_multiple_of(50);
    let kind =
        if alarm { ["stopped_vehicle", "wrong_way", "congestion"][(mixed / 50 % 3) as usize] } else { "line_crossing" };
    let class = if mixed.is_multiple_of(9973) { "ambulance" } else { CLASSES[(mixed / 7 % 5) as usize] };
    let camera = format!("cam-{:02}", mixed % CAMERAS);
    // Far apart, so that most alarms are incidents of their own.
    let utc = Timestamp(BEGIN_NS + n as i64 * 200_000_000);
    let x = (mixed % 10) as f32 / 10.0;
    Event {
        id: EventId::derive(&[&n.to_le_bytes()]),
        revision: 0,
        phase: Phase::Instant,
        camera: CameraId::new(camera),
        site: None,
        sequence: 0,
        rule: format!("{kind}-{}", mixed % 4),
        kind: kind.to_owned(),
        severity: if alarm { Severity::Alert } else { Severity::Info },
        time: CaptureTime { utc, source: TimeSource::Arrival, error_ns: Some(1_000_000) },
        media_time: MediaTime(n as i64),
        run: RunId(0),
        frame: FrameSeq(n),
        track: None,
        class: Some(class.to_owned()),
        bbox: Some(NormBox { x1: x, y1: 0.2, x2: x + 0.05, y2: 0.3 }),
        explanation: Explanation { summary: format!("{class} at {kind}"), ..Explanation::default() },
        still: alarm.then(|| format!("cam.{n}.jpg")),
        clean_still: None,
        clip: None,
    }
}

fn fill(folder: &Path, count: u64) {
    let begun = Instant::now();
    let store = Store::open(folder, StoreOptions::default()).unwrap();
    let done = store.reader().unwrap().latest().unwrap().0;
    let writer = store.writer();
    for first in (done..count).step_by(1000) {
        writer.submit((first..(first + 1000).min(count)).map(event).collect(), 0).unwrap();
    }
    store.flush().unwrap();
    let mut incidents = store.incident_writer().unwrap();
    while incidents.step().unwrap() {}
    store.close();
    println!("store: {count} events, {:.0} s to fill", begun.elapsed().as_secs_f64());
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let rank = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
    times[rank - 1].as_secs_f64() * 1e3
}

/// Every filter alone, in pairs, those that find nothing, and whole wards.
fn filters(count: u64) -> Vec<(&'static str, ListFilter)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let ward = || Some((0..20).map(|n| format!("cam-{n:02}")).collect());
    let at = |share: f64| Some(Timestamp(BEGIN_NS + (count as f64 * share) as i64 * 200_000_000));
    let all = ListFilter::default;
    vec![
        ("everything", all()),
        ("camera", ListFilter { cameras: Some(words(&["cam-07"])), ..all() }),
        ("ward of 20 cameras", ListFilter { cameras: ward(), ..all() }),
        ("rule type", ListFilter { rules: words(&["wrong_way"]), ..all() }),
        ("rule id", ListFilter { rules: words(&["line_crossing-2"]), ..all() }),
        ("class", ListFilter { classes: words(&["bus"]), ..all() }),
        ("rare class", ListFilter { classes: words(&["ambulance"]), ..all() }),
        ("severity", ListFilter { severities: vec![Severity::Alert], ..all() }),
        ("an hour long ago", ListFilter { from: at(0.1), to: at(0.11), ..all() }),
        (
            "camera and rare class",
            ListFilter { cameras: Some(words(&["cam-07"])), classes: words(&["ambulance"]), ..all() },
        ),
        ("ward and rare class", ListFilter { cameras: ward(), classes: words(&["ambulance"]), ..all() }),
        ("ward and severity", ListFilter { cameras: ward(), severities: vec![Severity::Alert], ..all() }),
        ("rule and class", ListFilter { rules: words(&["congestion"]), classes: words(&["ambulance"]), ..all() }),
        ("class and severity", ListFilter { classes: words(&["bus"]), severities: vec![Severity::Alert], ..all() }),
        (
            "nothing: no such class on the camera",
            ListFilter { cameras: Some(words(&["cam-07"])), classes: words(&["tram"]), ..all() },
        ),
        (
            "nothing: counts that alarm",
            ListFilter { rules: words(&["line_crossing"]), severities: vec![Severity::Alert], ..all() },
        ),
        (
            "ward, rule, class, severity, time",
            ListFilter {
                cameras: ward(),
                rules: words(&["stopped_vehicle"]),
                classes: words(&["bus"]),
                severities: vec![Severity::Alert],
                from: at(0.2),
                to: at(0.9),
                ..all()
            },
        ),
    ]
}

fn lists(reader: &Reader, count: u64) {
    println!("{:<40} {:>9} {:>9} {:>9} {:>9}", "list of 50, ms", "events", "p95", "incidents", "p95");
    let (mut all_events, mut all_incidents) = (Vec::new(), Vec::new());
    for (name, filter) in filters(count) {
        let (mut events, mut incidents) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let begun = Instant::now();
            reader.list_events(&filter, None, 51).unwrap();
            events.push(begun.elapsed());
            let begun = Instant::now();
            reader.list_incidents(&filter, None, 51).unwrap();
            incidents.push(begun.elapsed());
        }
        println!(
            "{name:<40} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            percentile(&mut events, 0.5),
            percentile(&mut events, 0.95),
            percentile(&mut incidents, 0.5),
            percentile(&mut incidents, 0.95)
        );
        all_events.extend(events);
        all_incidents.extend(incidents);
    }
    println!(
        "all: events p95 {:.2} ms, incidents p95 {:.2} ms",
        percentile(&mut all_events, 0.95),
        percentile(&mut all_incidents, 0.95)
    );
}

/// A connection that stays, and its user.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn ask(&mut self, request: &str) -> (u16, String, Vec<u8>) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            head.push_str(&line);
            line.clear();
            self.0.read_line(&mut line).unwrap();
        }
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head, body)
    }
}

fn load(address: &str, cookie: &str, path: &str, rate: u64, seconds: u64) {
    const CONNECTIONS: u64 = 16;
    let begun = Instant::now() + Duration::from_millis(200);
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let request = format!("GET /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n");
            let mut connection = Connection(BufReader::new(TcpStream::connect(address).unwrap()));
            connection.0.get_ref().set_nodelay(true).unwrap();
            std::thread::Builder::new()
                .spawn(move || {
                    let mut times = Vec::new();
                    for n in (worker..rate * seconds).step_by(CONNECTIONS as usize) {
                        let due = begun + Duration::from_secs_f64(n as f64 / rate as f64);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        assert_eq!(connection.ask(&request).0, 200);
                        times.push(due.elapsed());
                    }
                    times
                })
                .unwrap()
        })
        .collect();
    let mut times: Vec<Duration> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    println!(
        "GET {path} at {rate}/s for {seconds} s: {} answers, p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        times.len(),
        percentile(&mut times, 0.5),
        percentile(&mut times, 0.95),
        percentile(&mut times, 0.99)
    );
}

fn main() {
    let count = setting("BENCH_EVENTS", 1_000_000);
    let temporary = tempfile::tempdir().unwrap();
    let site = std::env::var_os("BENCH_STORE").map_or_else(|| temporary.path().to_owned(), Into::into);
    let folder = site.join("vantage-data");
    fill(&folder, count);
    lists(&Store::open_reader(&folder).unwrap(), count);

    let address = "127.0.0.1:9187";
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let cameras: String = (0..CAMERAS)
        .map(|n| format!("  - {{id: cam-{n:02}, ward: ward-{}, url: 'rtsp://127.0.0.1:1/x'}}\n", n % 5))
        .collect();
    let text = format!(
        "version: 1\nstore: {{keep: {{days: 3650, max_mib: 100000}}}}\nserver: {{listen: '{address}'}}\nmodels: {{default: {{path: {}}}}}\ncameras:\n{cameras}",
        serde_json::to_string(&model).unwrap()
    );
    let file = site.join("pipeline.yaml");
    std::fs::write(&file, text).unwrap();
    let _ = std::fs::remove_file(folder.join("access.db"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_vantage"))
        .args(["--log", "error", "run", "--quiet", file.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(program.stderr.take().unwrap()).lines().map_while(Result::ok);
    let first = said.find(|line| line.starts_with("first login")).expect("a one-time password");
    let password = first.rsplit(' ').next().unwrap().to_owned();
    let mut connection = Connection(BufReader::new(TcpStream::connect(address).unwrap()));
    let post = |method: &str, path: &str, more: &str, body: &str| {
        format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\n{more}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (_, head, body) =
        connection.ask(&post("POST", "/session", "", &format!(r#"{{"user":"admin","password":"{password}"}}"#)));
    let cookie = head
        .lines()
        .find_map(|l| l.to_lowercase().starts_with("set-cookie").then(|| l[12..].split(';').next().unwrap().to_owned()))
        .unwrap();
    let csrf = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["csrf"].as_str().unwrap().to_owned();
    let more = format!("cookie: {cookie}\r\nx-csrf-token: {csrf}\r\n");
    let change = format!(r#"{{"old":"{password}","new":"a long bench password"}}"#);
    assert_eq!(connection.ask(&post("PUT", "/session/password", &more, &change)).0, 200);
    let (rate, seconds) = (setting("BENCH_RATE", 1000), setting("BENCH_SECONDS", 10));
    load(address, &cookie, "/incidents", rate, seconds);
    load(address, &cookie, "/incidents?ward=ward-1&severity=alert", rate, seconds);
    load(address, &cookie, "/events?class=bus&severity=alert", rate / 10, seconds);
    program.kill().unwrap();
    program.wait().unwrap();
}
