//! `vantage run` on real RTSP: events, isolation of cameras, reload, stop, crash, other people's servers.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vantage::serve::{CameraServer, ServedClip};

use crate::ports::free_port;
use crate::program::{DRAWING, Running, assert_balanced, camera, get, pipeline, run, street_clip, tiny, wait_for};
use crate::servers::VlcServer;

pub fn serve(clip: &Path, port: u16) -> CameraServer {
    let listen = format!("127.0.0.1:{port}").parse().unwrap();
    CameraServer::start(&[ServedClip::looping(clip, "/cam")], listen).unwrap()
}

/// A folder for one program, and the address of its port.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub address: String,
}

impl Site {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), address: format!("127.0.0.1:{}", free_port()) }
    }
    fn head(&self) -> String {
        format!("server: {{listen: '{}'}}\nsinks: [{{id: log, type: jsonl, path: events.jsonl}}]", self.address)
    }
    pub fn pipeline(&self, cameras: &[(&str, &str)]) -> std::path::PathBuf {
        pipeline(self.folder.path(), &self.head(), cameras)
    }
    pub fn frames(&self, id: &str) -> u64 {
        let report = camera(&self.address, id);
        report.and_then(|r| r["accounting"]["frames"]["detected"].as_u64()).unwrap_or(0)
    }
    pub fn wait_live(&self, id: &str) {
        wait_for(&format!("frames of {id}"), 20, || (self.frames(id) > 5).then_some(()));
    }
    pub fn stored(&self) -> Vec<Value> {
        let store = self.folder.path().join("vantage-data");
        run(&["events", "--store", store.to_str().unwrap(), "--json", "--limit", "10000"]).ok().lines()
    }
}

#[test]
fn events_reach_the_disk_the_sink_and_the_terminal() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let server = serve(&clip, 0);
    let file = site.pipeline(&[("gate", &server.url("/cam"))]);
    let mut program = Running::start(&file);
    wait_for("a crossing", 30, || program.stdout.lock().unwrap().contains("count").then_some(()));
    let metrics = get(&site.address, "/metrics").unwrap();
    assert!(metrics.contains("vantage_frames_total") || metrics.contains("vantage_frame"), "{metrics}");
    assert!(get(&site.address, "/readyz").is_some());
    assert!(program.stop() < Duration::from_secs(2));
    let stored = site.stored();
    let crossing = stored.iter().find(|e| e["kind"] == "line_crossing").expect("a crossing in the store");
    let source = crossing["time"]["source"].as_str().unwrap();
    assert!(matches!(source, "sender_report" | "arrival"), "{source}");
    let sunk = std::fs::read_to_string(site.folder.path().join("events.jsonl")).unwrap();
    assert_eq!(sunk.lines().count(), stored.len(), "the sink has every event once");
    let still = site.folder.path().join("vantage-data/media").join(crossing["still"].as_str().unwrap());
    assert!(image::open(still).is_ok());
}

#[test]
fn a_broker_that_is_away_at_the_start_is_a_growing_backlog_and_the_cameras_run() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let server = serve(&clip, 0);
    let nobody = free_port();
    let city = format!("{{id: city, type: mqtt, host: 127.0.0.1, port: {nobody}}}");
    let head = site.head().replace("sinks: [", &format!("sinks: [{city}, "));
    let file = pipeline(site.folder.path(), &head, &[("gate", &server.url("/cam"))]);
    let mut program = Running::start(&file);
    let sinks = || -> Option<Value> { serde_json::from_str(&get(&site.address, "/api/sinks")?).ok() };
    let waiting = wait_for("a backlog", 30, || sinks().filter(|all| all[0]["backlog"].as_u64() > Some(0)))[0].clone();
    assert_eq!(
        (&waiting["sink"], &waiting["state"], &waiting["delivered"]),
        (&"city".into(), &"retrying".into(), &0.into())
    );
    assert!(waiting["last_error"].as_str().unwrap().contains(&nobody.to_string()), "{waiting}");
    let grown = || sinks().filter(|all| all[0]["backlog"].as_u64() > waiting["backlog"].as_u64());
    let all = wait_for("a larger backlog", 30, grown);
    assert_eq!((&all[1]["sink"], &all[1]["state"]), (&"log".into(), &"running".into()));
    site.wait_live("gate");
    assert!(get(&site.address, "/metrics").unwrap().contains("vantage_sink_backlog{sink=\"city\"}"));
    let told = run(&["sinks", "status", file.to_str().unwrap(), "--json"]).ok().lines();
    assert_eq!((&told[0]["state"], &told[0]["cursor"]), (&"retrying".into(), &0.into()), "{told:?}");
    assert!(told[0]["last_error"].is_string() && told[0]["waiting"].as_u64() >= all[0]["backlog"].as_u64(), "{told:?}");
    program.stop();
}

#[test]
fn one_camera_dies_and_comes_back_while_the_other_loses_nothing() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let steady = serve(&clip, 0);
    let port = free_port();
    let shaky = serve(&clip, port);
    let file = site.pipeline(&[("steady", &steady.url("/cam")), ("shaky", &shaky.url("/cam"))]);
    let mut program = Running::start(&file);
    site.wait_live("steady");
    site.wait_live("shaky");
    let before = camera(&site.address, "steady").unwrap();
    drop(shaky);
    let gone = Instant::now();
    wait_for("the fault to be seen", 10, || {
        let state = camera(&site.address, "shaky")?["status"]["state"].as_str()?.to_owned();
        (state != "live").then_some(())
    });
    assert!(gone.elapsed() < Duration::from_secs(5), "seen after {:?}", gone.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    let frames = site.frames("shaky");
    let _back = serve(&clip, port);
    let returned = Instant::now();
    wait_for("frames again", 15, || (site.frames("shaky") > frames).then_some(()));
    assert!(returned.elapsed() < Duration::from_secs(6), "back after {:?}", returned.elapsed());
    let after = camera(&site.address, "steady").unwrap();
    assert_eq!(after["status"]["runs"], before["status"]["runs"], "never reconnected");
    for reason in ["corrupt", "shutdown"] {
        assert_eq!(after["accounting"]["frames"]["dropped"][reason], 0, "{after}");
    }
    assert!(site.frames("steady") > before["accounting"]["frames"]["detected"].as_u64().unwrap() + 50);
    program.stop();
}

#[test]
fn reload_touches_only_what_changed_and_refuses_what_it_cannot() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let server = serve(&clip, 0);
    let url = server.url("/cam");
    let file = site.pipeline(&[("kept", &url), ("goes", &url)]);
    let mut program = Running::start(&file);
    site.wait_live("kept");
    // Who joins a running stream in the middle of a GOP gets some pictures that refer to what came before.
    let lost = || {
        let kept = camera(&site.address, "kept").unwrap();
        let dropped = &kept["accounting"]["frames"]["dropped"];
        (dropped["shutdown"].clone(), dropped["corrupt"].clone(), kept["status"]["runs"].clone())
    };
    let before = lost();
    let reload = || run(&["reload", file.to_str().unwrap()]);

    site.pipeline(&[("kept", &url), ("comes", &url)]);
    let said = reload().ok();
    assert!(said.stdout.contains("added comes") && said.stdout.contains("removed goes"), "{}", said.stdout);
    site.wait_live("comes");
    assert!(camera(&site.address, "goes").is_none());

    std::fs::write(&file, "version: 1\ncameras: [{id: kept, url: 7}]\n").unwrap();
    let refused = run(&["reload", "--store", site.folder.path().join("vantage-data").to_str().unwrap()]);
    assert!(!refused.status.success() && refused.stderr.contains("error:"), "{}", refused.stderr);

    let head = format!("store: {{path: elsewhere}}\n{}", site.head());
    pipeline(site.folder.path(), &head, &[("kept", &url)]);
    let refused = run(&["reload", "--store", site.folder.path().join("vantage-data").to_str().unwrap()]);
    assert!(refused.stderr.contains("store") && refused.stderr.contains("untouched"), "{}", refused.stderr);

    assert_eq!(lost(), before, "frames lost to a reload, corrupt ones among them, and dials");
    assert_eq!(before.2, 1, "dialled once");
    program.stop();
}

#[test]
fn kill_9_loses_no_event_that_was_announced() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let server = serve(&clip, 0);
    let file = site.pipeline(&[("a", &server.url("/cam")), ("b", &server.url("/cam"))]);
    let announced = |text: &str| text.lines().count();
    let mut total = 0;
    for _ in 0..3 {
        let mut program = Running::start(&file);
        wait_for("events", 30, || (announced(&program.stdout.lock().unwrap()) >= 3).then_some(()));
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        total += announced(&program.stdout.lock().unwrap());
        let stored = site.stored();
        assert!(stored.len() >= total, "{} stored, {total} announced", stored.len());
        for id in ["a", "b"] {
            let sequence: Vec<u64> =
                stored.iter().filter(|e| e["camera"] == id).map(|e| e["sequence"].as_u64().unwrap()).collect();
            assert!(sequence.windows(2).all(|w| w[1] == w[0] + 1), "gapless: {sequence:?}");
        }
    }
}

#[test]
fn a_camera_needs_no_file() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let server = serve(&clip, 0);
    let mut child = crate::program::command()
        .current_dir(site.folder.path())
        .args(["run", "--camera", &server.url("/cam"), "--model", tiny().to_str().unwrap()])
        .args(["--listen", &site.address])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    site.wait_live("camera");
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(site.stored().iter().any(|e| e["rule"] == "seen"), "every object that appears is an event");
}

#[test]
fn a_server_that_only_knows_udp_is_reached_by_the_other_transport() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 8.0);
    let Some(vlc) = VlcServer::start(&clip) else {
        eprintln!("skipped: VLC is not installed");
        return;
    };
    let file = site.pipeline(&[("vlc", &format!("{}\n    transport: auto", vlc.url()))]);
    let mut program = Running::start(&file);
    site.wait_live("vlc");
    assert!(program.log().contains("trying the other transport"), "{}", program.log());
    program.stop();
}

#[test]
fn after_a_stop_the_books_balance() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let file = site.pipeline(&[("clip", clip.to_str().unwrap())]);
    assert!(DRAWING.contains("count"));
    let said = run(&["replay", "--report", file.to_str().unwrap()]).ok();
    let report: Value = said.stderr.lines().find_map(|l| serde_json::from_str(l).ok()).unwrap();
    assert_balanced(&report["accounting"]);
}
