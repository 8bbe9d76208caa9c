//! Runs the `vantage` binary and reads what it says.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clips::{self, ClipSpec, Colour, Mover, Scene};

/// The tiny model of the repository.
pub fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny")
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vantage"));
    command.env("NO_COLOR", "1");
    command
}

/// What a finished run said.
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", self.stdout, self.stderr))
    }
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs to the end, at most two minutes.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Said {
    let mut child = command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, said) = collect(child.stdout.take().unwrap());
    let (stderr, logged) = collect(child.stderr.take().unwrap());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("it hangs: {}", stderr.lock().unwrap());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    // The readers end with the pipes.
    said.join().unwrap();
    logged.join().unwrap();
    let text = |t: &Arc<Mutex<String>>| t.lock().unwrap().clone();
    Said { status, stdout: text(&stdout), stderr: text(&stderr) }
}

/// What a pipe gives, as it grows, and the thread that reads it to its end.
fn collect(pipe: impl std::io::Read + Send + 'static) -> (Arc<Mutex<String>>, std::thread::JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    let reader = std::thread::Builder::new()
        .spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = shared.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        })
        .unwrap();
    (text, reader)
}

/// `vantage run` in the background.
pub struct Running {
    pub child: Child,
    pub stdout: Arc<Mutex<String>>,
    pub stderr: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(pipeline: &Path) -> Self {
        let mut child = command()
            .args(["run".as_ref(), pipeline.as_os_str()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, _) = collect(child.stdout.take().unwrap());
        let (stderr, _) = collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Stops by SIGTERM; how long it took.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        let status = self.child.wait().unwrap();
        let took = begun.elapsed();
        assert!(status.success(), "{}", self.log());
        took
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the program said:\n{}", self.log());
        }
    }
}

/// Waits for a condition, at most `seconds`.
pub fn wait_for<T>(what: &str, seconds: u64, mut check: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds), "no {what} within {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A GET over plain HTTP; the body.
pub fn get(address: &str, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// One camera's report from `/api/cameras`.
pub fn camera(address: &str, id: &str) -> Option<Value> {
    let cameras: Value = serde_json::from_str(&get(address, "/api/cameras")?).ok()?;
    cameras.as_array()?.iter().find(|c| c["camera"] == id).cloned()
}

/// A red car that crosses the middle to the right, a blue person that stays: enough for every rule.
pub fn street(seconds: f64) -> Scene {
    Scene {
        objects: vec![
            Mover {
                colour: Colour::Red,
                size_px: (48, 32),
                from: (0.1, 0.4),
                to: (0.9, 0.4),
                start_s: 0.0,
                end_s: seconds,
            },
            Mover {
                colour: Colour::Blue,
                size_px: (32, 48),
                from: (0.5, 0.75),
                to: (0.5, 0.75),
                start_s: 0.0,
                end_s: seconds,
            },
        ],
    }
}

/// A clip of [`street`] of 320x180 at 25 fps.
pub fn street_clip(folder: &Path, name: &str, seconds: f64) -> PathBuf {
    let spec = ClipSpec { width: 320, height: 180, seconds, ..ClipSpec::default() };
    clips::make(folder, name, &spec, &street(seconds))
}

/// The scene's drawing for a pipeline file: a line down the middle and the whole picture as a zone.
pub const DRAWING: &str = "
    zones: [{id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}]
    lines: [{id: middle, from: [0.5, 1], to: [0.5, 0]}]
    lanes: [{id: road, polygon: [[0, 0.2], [1, 0.2], [1, 0.6], [0, 0.6]], direction: {from: [0.9, 0.4], to: [0.1, 0.4]}}]
    rules:
      - {id: count, type: line_crossing, line: middle, classes: [car, truck, person]}
      - {id: wait, type: zone_dwell, zone: all, dwell: 1s, classes: [person]}
      - {id: wrong, type: wrong_way, lane: road, classes: [car]}
";

/// Writes a pipeline of the tiny model with these cameras (`id`, `url`), each with [`DRAWING`].
pub fn pipeline(folder: &Path, head: &str, cameras: &[(&str, &str)]) -> PathBuf {
    let mut text = format!(
        "version: 1\n{head}\nmodels: {{default: {{path: {}}}}}\ncameras:\n",
        serde_json::to_string(&tiny()).unwrap()
    );
    for (id, url) in cameras {
        text.push_str(&format!("  - id: {id}\n    url: {url}{DRAWING}"));
    }
    let path = folder.join("pipeline.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Asserts the accounting identity of a report, with nothing left in flight.
pub fn assert_balanced(accounting: &Value) {
    let n = |path: &str| accounting.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}"));
    let sum = |path: &str| -> u64 {
        accounting.pointer(path).unwrap().as_object().unwrap().values().map(|v| v.as_u64().unwrap()).sum()
    };
    assert_eq!(n("/units/in_decoder"), 0, "{accounting}");
    assert_eq!(n("/frames/in_flight"), 0, "{accounting}");
    assert_eq!(n("/units/received"), n("/units/decoded") + n("/units/gated") + sum("/units/dropped"), "{accounting}");
    assert_eq!(
        n("/frames/decoded"),
        n("/frames/detected") + sum("/frames/skipped") + sum("/frames/dropped"),
        "{accounting}"
    );
    assert_eq!(n("/units/decoded"), n("/frames/decoded"), "{accounting}");
}
