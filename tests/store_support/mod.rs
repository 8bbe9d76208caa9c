//! Events, folders and child processes for the store's tests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vantage::base::{CameraId, CaptureTime, EventId, FrameSeq, MediaTime, RunId, TimeSource, Timestamp};
use vantage::scene::event::Explanation;
use vantage::scene::{Event, NormBox, Phase, Severity};

/// The `n`th event of a camera; the same arguments give the same event.
pub fn event(camera: &str, n: u64) -> Event {
    Event {
        id: EventId::derive(&[camera.as_bytes(), &n.to_le_bytes()]),
        revision: 0,
        phase: Phase::Instant,
        camera: CameraId::new(camera),
        site: None,
        sequence: 0,
        rule: "gate".to_owned(),
        kind: "line_crossing".to_owned(),
        severity: Severity::Info,
        time: CaptureTime {
            utc: Timestamp(1_700_000_000_000_000_000 + n as i64 * 1_000_000_000),
            source: TimeSource::SenderReport,
            error_ns: Some(1_000_000),
        },
        media_time: MediaTime(n as i64 * 1_000_000_000),
        run: RunId(0),
        frame: FrameSeq(n),
        track: None,
        class: Some("car".to_owned()),
        bbox: Some(NormBox { x1: 0.1, y1: 0.2, x2: 0.3, y2: 0.4 }),
        explanation: Explanation {
            summary: "a car crossed the line gate from left to right".to_owned(),
            thresholds: BTreeMap::from([("min_track_age_s".to_owned(), 0.5.into())]),
            measured: BTreeMap::from([("counter".to_owned(), n.into())]),
            model: "0".repeat(64),
            pipeline: "1".repeat(64),
        },
        still: None,
        clean_still: None,
        clip: None,
    }
}

/// Runs `test` of this very test executable as a child, with `VANTAGE_TEST_CHILD` set to `role`.
pub fn child(test: &str, role: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("VANTAGE_TEST_CHILD", role)
        .env("VANTAGE_TEST_FOLDER", folder)
        .stdout(Stdio::null());
    command
}

/// The folder, when this process is the child in `role`.
pub fn as_child(role: &str) -> Option<std::path::PathBuf> {
    (std::env::var("VANTAGE_TEST_CHILD").ok()? == role).then(|| std::env::var_os("VANTAGE_TEST_FOLDER").unwrap().into())
}

/// Polls until it holds; panics with `what` after `limit`.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the child (SIGKILL) when the test is done with it.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A small tmpfs for as long as it lives; `None` when this user may not mount.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|s| s.success()).then_some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.path()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
