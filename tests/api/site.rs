//! A running program with a store that has a past, and clients who are logged in.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use vantage::base::{CameraId, CaptureTime, EventId, FrameSeq, MediaTime, RunId, TimeSource, Timestamp};
use vantage::scene::event::Explanation;
use vantage::scene::{Event, NormBox, Phase, Severity};
use vantage::store::{Store, StoreOptions};

use crate::ports::free_port;
use crate::program::{DRAWING, Running, tiny, wait_for};

/// The password that every client ends up with.
pub const PASSWORD: &str = "a password that is long";
/// A camera's password, which must never be seen again.
pub const CAMERA_PASSWORD: &str = "hunter2-of-the-camera";

/// An event of the past.
pub fn event(camera: &str, n: u64, kind: &str, severity: Severity, class: &str) -> Event {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let utc = Timestamp(i64::try_from(now.as_nanos()).unwrap() - 600_000_000_000 + n as i64 * 1_000_000);
    let id = EventId::derive(&[camera.as_bytes(), &n.to_le_bytes()]);
    Event {
        id,
        revision: 0,
        phase: Phase::Instant,
        camera: CameraId::new(camera),
        site: None,
        sequence: 0,
        rule: format!("{kind}-rule"),
        kind: kind.to_owned(),
        severity,
        time: CaptureTime { utc, source: TimeSource::Arrival, error_ns: None },
        media_time: MediaTime(n as i64),
        run: RunId(0),
        frame: FrameSeq(n),
        track: None,
        class: Some(class.to_owned()),
        bbox: Some(NormBox { x1: 0.1, y1: 0.1, x2: 0.2, y2: 0.2 }),
        explanation: Explanation { summary: format!("{kind} {n}"), ..Explanation::default() },
        still: Some(format!("{camera}.{id}.jpg")),
        clean_still: None,
        clip: None,
    }
}

/// A program with cameras `gate` (ward north) and `yard` (ward south), each with one incident in its past.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    pub address: String,
    pub program: Running,
    pub events: Vec<Event>,
}

impl Site {
    /// Starts it; `gate` watches `url`, or nothing that answers.
    pub fn start(url: Option<&str>) -> Self {
        Self::start_after(url, Vec::new())
    }

    /// The same, with more events in its past.
    pub fn start_after(url: Option<&str>, more: Vec<Event>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let nowhere = format!("rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:1/cam");
        let camera = |id: &str, ward: &str, url: &str| {
            format!("  - id: {id}\n    name: Camera {id}\n    ward: {ward}\n    url: {url}{DRAWING}")
        };
        let text = format!(
            "# The user's own comment.\nversion: 1\nserver: {{listen: '{address}', site_name: Quận 1, time_zone: Asia/Ho_Chi_Minh}}\ntracks: {{path: ./tracks}}\n\
             models: {{default: {{path: {}}}}}\ncameras:\n{}{}",
            serde_json::to_string(&tiny()).unwrap(),
            camera("gate", "north", url.unwrap_or(&nowhere)),
            camera("yard", "south", &nowhere),
        );
        let file = folder.path().join("pipeline.yaml");
        std::fs::write(&file, text).unwrap();
        let events = past(folder.path(), more);
        let program = Running::start(&file);
        wait_for("the page", 30, || program.log().contains("one-time password").then_some(()));
        Self { folder, file, address, program, events }
    }

    /// The administrator, who has changed the one-time password.
    pub fn admin(&self) -> Client {
        let log = self.program.log();
        let line = log.lines().find(|line| line.starts_with("first login")).unwrap();
        let password = line.rsplit(' ').next().unwrap();
        Client::new(&self.address).log_in("admin", password)
    }

    /// A new user who has logged in and changed the password.
    pub fn user(&self, admin: &Client, name: &str, role: &str, wards: Option<&[&str]>) -> Client {
        let made = admin.post("/users", &json!({"name": name, "role": role, "wards": wards}));
        assert_eq!(made.status, 201, "{}", made.text());
        Client::new(&self.address).log_in(name, made.json()["one_time_password"].as_str().unwrap())
    }

    /// The first incident of a camera.
    pub fn incident(&self, client: &Client, camera: &str) -> Value {
        wait_for("an incident", 20, || {
            client.get(&format!("/incidents?camera={camera}")).json()["items"].get(0).cloned()
        })
    }
}

fn past(folder: &std::path::Path, more: Vec<Event>) -> Vec<Event> {
    let store = Store::open(&folder.join("vantage-data"), StoreOptions::default()).unwrap();
    let mut events = Vec::new();
    for camera in ["gate", "yard"] {
        events.push(event(camera, 0, "stopped_vehicle", Severity::Alert, "truck"));
        events.extend((1..8).map(|n| event(camera, n, "line_crossing", Severity::Info, "car")));
    }
    events.extend(more);
    store.writer().submit_acked(events.clone()).unwrap().recv().unwrap();
    for event in &events {
        store.put_still(event.still.as_ref().unwrap(), b"\xff\xd8not really a picture\xff\xd9").unwrap();
    }
    store.close();
    events
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

/// Somebody at a browser.
#[derive(Clone)]
pub struct Client {
    pub agent: ureq::Agent,
    pub base: String,
    pub cookie: Option<String>,
    pub csrf: String,
}

impl Client {
    pub fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .allow_non_standard_methods(true)
            .build();
        Self { agent: config.new_agent(), base: format!("http://{address}"), cookie: None, csrf: String::new() }
    }

    /// Logs in and changes the one-time password.
    pub fn log_in(mut self, user: &str, password: &str) -> Self {
        self.enter(user, password);
        let changed =
            self.send("PUT", "/api/v1/session/password", &[], Some(&json!({"old": password, "new": PASSWORD})));
        assert_eq!(changed.status, 200, "{}", changed.text());
        self
    }

    /// Logs in.
    pub fn enter(&mut self, user: &str, password: &str) -> Answer {
        let answer = self.send("POST", "/api/v1/session", &[], Some(&json!({"user": user, "password": password})));
        if answer.status == 200 {
            self.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
            self.csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
        }
        answer
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let body = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
        self.send_raw(method, path, headers, body)
    }

    pub fn send_raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if !self.csrf.is_empty() && !headers.iter().any(|(name, _)| *name == "x-csrf-token") {
            request = request.header("x-csrf-token", &self.csrf);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(body).unwrap()).unwrap();
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(64 << 20).read_to_vec().unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("/api/v1{path}"), &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/api/v1{path}"), &[], Some(body))
    }
}
