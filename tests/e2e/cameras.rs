//! What the sources promise, through the running program: HTTP, TLS, silence, change, other people's servers,
//! vendors' answers, passwords.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use vantage::base::Secret;
use vantage::serve::{CameraServer, LoginScheme, ServedClip};

use crate::bad_input::state_of;
use crate::clips::{self, ClipCodec, ClipSpec, Container, Mover, Scene};
use crate::http_camera::{HttpCamera, Manner};
use crate::live::{Site, serve};
use crate::ports::free_port;
use crate::program::{Running, assert_balanced, camera, run, street, street_clip, wait_for};
use crate::rtsp_server::{FakeCamera, Gate, Pace};
use crate::servers::PerlServer;
use crate::tcp_proxy::TcpProxy;
use crate::tls_door::TlsDoor;

const PASSWORD: &str = "hunter2";

fn pictures() -> Arc<Vec<Vec<u8>>> {
    let spec = ClipSpec { width: 320, height: 180, seconds: 3.0, ..ClipSpec::default() };
    Arc::new(clips::jpegs(&spec, &street(3.0)))
}

fn state(site: &Site, id: &str) -> (String, String) {
    let report = camera(&site.address, id).unwrap_or_default();
    let text = |key: &str| report["status"][key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

/// Waits for a state other than `live`; the reason, and how long it took.
fn wait_dark(site: &Site, id: &str, seconds: u64) -> (String, String, Duration) {
    let begun = Instant::now();
    let (state, reason) = wait_for(&format!("darkness of {id}"), seconds, || {
        let (state, reason) = state(site, id);
        (!state.is_empty() && state != "live").then_some((state, reason))
    });
    (state, reason, begun.elapsed())
}

fn wait_more(site: &Site, id: &str, seconds: u64) {
    let before = site.frames(id);
    wait_for(&format!("more frames of {id}"), seconds, || (site.frames(id) > before + 5).then_some(()));
}

/// Where crossings were, by camera.
fn crossings(site: &Site, id: &str) -> Vec<(f64, f64)> {
    let events = site.stored();
    let boxes = events.iter().filter(|e| e["camera"] == id && e["kind"] == "line_crossing").map(|e| e["bbox"].clone());
    boxes.map(|b| centre(&b)).collect()
}

fn centre(bbox: &Value) -> (f64, f64) {
    let side = |at: usize| bbox[at].as_f64().unwrap_or_else(|| panic!("{bbox}"));
    ((side(0) + side(2)) / 2.0, (side(1) + side(3)) / 2.0)
}

fn assert_on_the_line(at: &[(f64, f64)]) {
    assert!(!at.is_empty());
    for (x, y) in at {
        assert!((x - 0.5).abs() < 0.1 && (y - 0.45).abs() < 0.15, "the line is at 0.5, the car at 0.4: {at:?}");
    }
}

#[test]
fn motion_jpeg_over_http_with_and_without_lengths_and_logins() {
    let site = Site::new();
    let pictures = pictures();
    let basic = Gate::Basic { user: "op".to_owned(), password: PASSWORD.to_owned() };
    let digest = Gate::Digest {
        challenge: "Digest realm=\"cam\", nonce=\"98481030\", qop=\"auth\", algorithm=MD5".to_owned(),
        user: "op".to_owned(),
        password: PASSWORD.to_owned(),
    };
    let kinds =
        [("with", true, None), ("without", false, None), ("basic", true, Some(basic)), ("digest", false, Some(digest))];
    let cameras: Vec<(&str, HttpCamera, String)> = kinds
        .into_iter()
        .map(|(id, lengths, gate)| {
            let login = if gate.is_some() { format!("op:{PASSWORD}@") } else { String::new() };
            let camera = HttpCamera::start(&pictures, Manner::Stream { lengths }, gate, 0);
            let url = camera.url().replace("http://", &format!("http://{login}"));
            (id, camera, url)
        })
        .collect();
    let listed: Vec<(&str, &str)> = cameras.iter().map(|(id, _, url)| (*id, url.as_str())).collect();
    let file = site.pipeline(&listed);
    let mut program = Running::start(&file);
    for (id, _) in &listed {
        site.wait_live(id);
    }
    wait_for("a crossing of each", 30, || {
        let said = program.stdout.lock().unwrap().clone();
        listed.iter().all(|(id, _)| said.lines().any(|l| l.contains(id) && l.contains("count"))).then_some(())
    });
    for (id, _) in &listed {
        let report = camera(&site.address, id).unwrap();
        assert_eq!(report["accounting"]["frames"]["dropped"]["corrupt"], 0, "{id}: {report}");
        assert_eq!(report["status"]["runs"], 1, "{id}: {report}");
    }
    assert!(program.stop() < Duration::from_secs(2));
    for (id, _) in &listed {
        assert_on_the_line(&crossings(&site, id));
    }
    assert!(!program.log().contains(PASSWORD));
}

#[test]
fn an_http_camera_that_breaks_off_in_a_picture_is_dialled_again() {
    let site = Site::new();
    let pictures = pictures();
    let broken = HttpCamera::start(&pictures, Manner::Cut { after: 40 }, None, 0);
    let (port, url) = (broken.port(), broken.url());
    let file = site.pipeline(&[("a", &url)]);
    let mut program = Running::start(&file);
    site.wait_live("a");
    wait_for("a second dial", 20, || (camera(&site.address, "a")?["status"]["runs"].as_u64()? >= 2).then_some(()));
    drop(broken);
    // Until the next dial it says how the last one ended: the connection broke off.
    wait_for("a dial that finds nobody", 20, || {
        let (state, reason) = state(&site, "a");
        (state == "offline" && reason.contains("does not answer")).then_some(())
    });
    let _whole = HttpCamera::start(&pictures, Manner::Stream { lengths: true }, None, port);
    wait_more(&site, "a", 20);
    program.stop();
    let events = site.stored();
    assert!(events.iter().any(|e| e["rule"] == "count"));
}

#[test]
fn an_http_camera_that_does_not_stream_says_why() {
    let pictures = pictures();
    for (manner, gate, wanted, says) in [
        (Manner::Status(404), None, "offline", "404"),
        (Manner::Status(500), None, "offline", "500"),
        (Manner::Page, None, "unsupported", "text/html"),
        (Manner::Snapshot, None, "unsupported", "image/jpeg"),
        (Manner::Page, Some(Gate::Never { challenge: "Basic realm=\"cam\"".to_owned() }), "auth_failed", "401"),
    ] {
        let camera = HttpCamera::start(&pictures, manner.clone(), gate, 0);
        let url = camera.url().replace("http://", &format!("http://op:{PASSWORD}@"));
        let reason = state_of(&url, wanted, 15);
        assert!(reason.contains(says), "{manner:?}: {reason}");
        if wanted == "auth_failed" {
            assert!(camera.requests().len() <= 3, "{:?}", camera.requests());
        }
    }
    let nobody = state_of(&format!("http://127.0.0.1:{}/video.mjpg", free_port()), "offline", 15);
    assert!(nobody.contains("does not answer"), "{nobody}");
}

#[test]
fn certificates_are_checked_unless_the_pipeline_says_otherwise() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let server = serve(&clip, 0);
    // One door for all: what one camera trusts is nothing to another.
    let Some(door) = TlsDoor::to(server.port()) else { return };
    let url = |host: &str, tls: &str| {
        let tls = tls.replace("CERTIFICATE", door.certificate.to_str().unwrap());
        format!("rtsps://{host}:{}/cam{tls}", door.port)
    };
    let trusting = "\n    tls: {ca_file: CERTIFICATE}";
    let file = site.pipeline(&[
        ("strict", &url("127.0.0.1", "")),
        ("known", &url("127.0.0.1", trusting)),
        ("any", &url("127.0.0.1", "\n    tls: {insecure: true}")),
        ("other-name", &url("localhost", trusting)),
    ]);
    let mut program = Running::start(&file);
    site.wait_live("known");
    site.wait_live("any");
    for (id, says) in [("strict", "authority is not known"), ("other-name", "another name")] {
        let reason = wait_for("a reason", 10, || Some(state(&site, id).1).filter(|reason| !reason.is_empty()));
        assert!(reason.contains("certificate") && reason.contains(says), "{id}: {reason}");
        assert_eq!(site.frames(id), 0);
    }
    // A port that answers and a dial that fails: dialled ever more rarely.
    let runs = || camera(&site.address, "strict").unwrap()["status"]["runs"].as_u64().unwrap();
    let before = runs();
    std::thread::sleep(Duration::from_secs(3));
    assert!(runs() - before <= 3, "{} dials in 3 s", runs() - before);
    program.stop();
    assert!(program.log().contains("ca_file"), "the help names the way out: {}", program.log());
}

/// A resumed session would not show its certificate.
#[test]
fn who_is_trusted_less_is_looked_at_again() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let server = serve(&clip, 0);
    let pictures = pictures();
    let http = HttpCamera::start(&pictures, Manner::Stream { lengths: true }, None, 0);
    let Some((rtsp_door, http_door)) = TlsDoor::to(server.port()).zip(TlsDoor::to(http.port())) else { return };
    let urls = |tls: &str| {
        let rtsp = format!("rtsps://127.0.0.1:{}/cam{tls}", rtsp_door.port);
        let http = format!("https://127.0.0.1:{}/video.mjpg{tls}", http_door.port);
        site.pipeline(&[("rtsp", &rtsp), ("http", &http)])
    };
    let file = urls("\n    tls: {insecure: true}");
    let mut program = Running::start(&file);
    for id in ["rtsp", "http"] {
        site.wait_live(id);
    }
    urls("");
    run(&["reload", file.to_str().unwrap()]).ok();
    // What is told of HTTP does not say what is wrong with the certificate.
    for (id, says) in [("rtsp", "authority is not known"), ("http", "certificate may not be trusted")] {
        let reason = wait_for(&format!("a reason of {id}"), 15, || {
            let (state, reason) = state(&site, id);
            (state != "live" && !reason.is_empty()).then_some(reason)
        });
        assert!(reason.contains(says), "{id}: {reason}");
        assert_eq!(site.frames(id), 0, "{id}");
    }
    program.stop();
}

#[test]
fn silence_is_seen_within_three_seconds_and_ends_what_is_open() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 6.0);
    let server = serve(&clip, 0);
    let pictures = pictures();
    let http = HttpCamera::start(&pictures, Manner::Stream { lengths: true }, None, 0);
    let (to_rtsp, to_http) = (TcpProxy::to(server.port()), TcpProxy::to(http.port()));
    let rtsp_url = format!("rtsp://127.0.0.1:{}/cam", to_rtsp.port());
    let http_url = http.url().replace(&http.port().to_string(), &to_http.port().to_string());
    let file = site.pipeline(&[("rtsp", &rtsp_url), ("http", &http_url)]);
    let mut program = Running::start(&file);
    site.wait_live("rtsp");
    site.wait_live("http");
    let dwells = |id: &str, phase: &str| {
        let events = site.stored();
        events
            .into_iter()
            .filter(|e| e["camera"] == id && e["rule"] == "wait" && e["phase"] == phase)
            .collect::<Vec<_>>()
    };
    for id in ["rtsp", "http"] {
        wait_for("a dwell", 20, || (dwells(id, "start").len() > dwells(id, "end").len()).then_some(()));
    }
    to_rtsp.freeze();
    to_http.freeze();
    for id in ["rtsp", "http"] {
        let (state, reason, took) = wait_dark(&site, id, 10);
        // Dialled again at once; the reason stays.
        assert!(state == "stalled" || state == "connecting", "{id}: {state}: {reason}");
        assert!(reason.contains("no data for"), "{id}: {reason}");
        assert!(took < Duration::from_millis(3300), "{id}: seen after {took:?}");
        // While nothing comes, not with the first frame after it.
        let end = wait_for("the end of the dwell", 5, || dwells(id, "end").pop());
        assert_eq!(end["explanation"]["measured"]["end_reason"], "gap", "{end}");
    }
    let before = site.stored().len();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(site.stored().len(), before, "nothing happens in the dark");
    to_rtsp.thaw();
    to_http.thaw();
    for id in ["rtsp", "http"] {
        wait_more(&site, id, 20);
        wait_for("live again", 5, || (state(&site, id).0 == "live").then_some(()));
        wait_for("the next dwell", 20, || (dwells(id, "start").len() > dwells(id, "end").len()).then_some(()));
    }
    assert!(program.stop() < Duration::from_secs(2));
}

/// The street in another size.
fn large_street(seconds: f64) -> Scene {
    let twice = |mover: Mover| Mover { size_px: (mover.size_px.0 * 2, mover.size_px.1 * 2), ..mover };
    Scene { objects: street(seconds).objects.into_iter().map(twice).collect() }
}

#[test]
fn another_codec_and_size_behind_the_same_address() {
    let site = Site::new();
    let small = street_clip(site.folder.path(), "small", 3.0);
    let spec = ClipSpec {
        width: 640,
        height: 480,
        seconds: 3.0,
        codec: ClipCodec::H265,
        container: Container::Matroska,
        ..ClipSpec::default()
    };
    let large = clips::make(site.folder.path(), "large", &spec, &large_street(3.0));
    let server = serve(&small, 0);
    let (port, url) = (server.port(), server.url("/cam"));
    let file = site.pipeline(&[("a", &url)]);
    let mut program = Running::start(&file);
    site.wait_live("a");
    wait_for("a crossing", 30, || program.stdout.lock().unwrap().contains("count").then_some(()));
    drop(server);
    wait_dark(&site, "a", 10);
    let events_before = site.stored().len();
    let _other = serve(&large, port);
    wait_more(&site, "a", 30);
    wait_for("a crossing in the other size", 40, || {
        site.stored().iter().skip(events_before).any(|e| e["rule"] == "count").then_some(())
    });
    program.stop();
    assert_on_the_line(&crossings(&site, "a"));
    let report = site.stored();
    assert!(report.iter().all(|e| e["camera"] == "a"));
}

#[test]
fn a_picture_size_may_change_within_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    for container in [Container::Ts, Container::Bare] {
        let part = |name: &str, width, height, scene: &Scene| {
            let spec = ClipSpec { width, height, seconds: 3.0, container, ..ClipSpec::default() };
            std::fs::read(clips::make(folder.path(), name, &spec, scene)).unwrap()
        };
        let bytes = [part("small", 320, 240, &street(3.0)), part("large", 640, 480, &large_street(3.0))].concat();
        let clip = folder.path().join(if container == Container::Ts { "both.ts" } else { "both.264" });
        std::fs::write(&clip, bytes).unwrap();
        let fps = if container == Container::Bare { "\n    assume_fps: 25" } else { "" };
        let file = crate::program::pipeline(folder.path(), "", &[("a", &format!("{}{fps}", clip.display()))]);
        let said = run(&["replay", "--report", file.to_str().unwrap()]).ok();
        let report: Value = said.stderr.lines().find_map(|l| serde_json::from_str(l).ok()).unwrap();
        assert_balanced(&report["accounting"]);
        assert_eq!(report["accounting"]["frames"]["dropped"]["corrupt"], 0, "{container:?}: {report}");
        assert_eq!(report["accounting"]["frames"]["detected"], 150, "{container:?}: {report}");
        let events = said.lines();
        let at: Vec<(f64, f64)> =
            events.iter().filter(|e| e["kind"] == "line_crossing").map(|e| centre(&e["bbox"])).collect();
        assert_on_the_line(&at);
        assert_eq!(at.len(), 2, "a crossing in each size, {container:?}: {at:?}");
        assert!(at.iter().all(|(_, y)| (y - at[0].1).abs() < 0.02), "{at:?}");
    }
}

#[test]
fn the_perl_server_plays_over_udp_and_tests_the_way_to_it() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let Some(server) = PerlServer::start(&clip) else { return };
    let (fixed, found) =
        (format!("{}\n    transport: udp", server.url()), format!("{}\n    transport: auto", server.url()));
    let file = site.pipeline(&[("fixed", &fixed), ("found", &found)]);
    let mut program = Running::start(&file);
    for id in ["fixed", "found"] {
        wait_for(&format!("frames of {id}"), 40, || (site.frames(id) > 25).then_some(()));
    }
    assert!(program.log().contains("trying the other transport"), "{}", program.log());
    wait_for("a crossing", 30, || program.stdout.lock().unwrap().contains("count").then_some(()));
    program.stop();
}

/// A recording of RTSP, or `None` without the shared data.
fn shared_rtsp(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join("data/footage/rtsp").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    bytes
}

/// A recorded answer, or `None` without the shared data.
fn recorded(name: &str) -> Option<Vec<u8>> {
    let bytes = shared_rtsp(name)?;
    if bytes.starts_with(b"RTSP/") {
        return Some(bytes);
    }
    let head = format!("RTSP/1.0 200 OK\r\nCSeq: {{cseq}}\r\nContent-Length: {}\r\n\r\n", bytes.len());
    Some([head.into_bytes(), bytes].concat())
}

#[test]
fn vendors_answers_give_a_state_with_a_reason_and_disturb_nobody() {
    // Description, SETUP and PLAY of the same maker where they were recorded, and what SETUP must name.
    const VENDORS: [(&str, &str, &str, &str); 13] = [
        ("anjvision", "", "", "/live/trackID=1"),
        ("dahua_describe_h264_aac_onvif", "dahua_setup", "dahua_play", "/live/trackID=0"),
        ("dahua_describe_h265_pcma", "dahua_setup", "dahua_play", "/live/trackID=0"),
        ("foscam", "", "", "/live/track1"),
        ("gw_main", "gw_main_setup_video", "gw_main_play", "/live/video"),
        ("gw_sub", "gw_sub_setup", "gw_sub_play", "/live/video"),
        ("h264dvr", "h264dvr_setup_video", "h264dvr_play", "/live/trackID=3"),
        ("hikvision", "hikvision_setup", "hikvision_play", "/Streaming/Channels/101/trackID=1"),
        ("hikvision", "hikvision_setup_ssrc_space", "hikvision_play", "/Streaming/Channels/101/trackID=1"),
        ("ipcam", "luckfox_rkipc_setup_tcp", "laureii_play", "/live/trackID=1"),
        ("ipcam", "luckfox_rkipc_setup_udp", "laureii_play", "/live/trackID=1"),
        ("reolink", "reolink_setup", "reolink_play", "/live/trackID=1"),
        ("reolink_describe_control_first", "reolink_setup", "reolink_play", "/live/trackID=1"),
    ];
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let steady = serve(&clip, 0);
    let mut cameras: Vec<(String, FakeCamera)> = Vec::new();
    for (at, (describe, setup, play, _)) in VENDORS.into_iter().enumerate() {
        let describe =
            if describe.contains("describe") { format!("{describe}.txt") } else { format!("{describe}_describe.txt") };
        let Some(answer) = recorded(&describe) else { return };
        let mut builder = FakeCamera::builder().answer("DESCRIBE", answer);
        for (method, name) in [("SETUP", setup), ("PLAY", play)] {
            if !name.is_empty() {
                builder = builder.answer(method, recorded(&format!("{name}.txt")).unwrap());
            }
        }
        cameras.push((format!("v{at}"), builder.start()));
    }
    let urls: Vec<String> =
        cameras.iter().map(|(_, c)| c.url("/live").replace("rtsp://", &format!("rtsp://admin:{PASSWORD}@"))).collect();
    let mut listed: Vec<(&str, &str)> =
        cameras.iter().zip(&urls).map(|((id, _), url)| (id.as_str(), url.as_str())).collect();
    let steady_url = steady.url("/cam");
    listed.push(("steady", &steady_url));
    let file = site.pipeline(&listed);
    let mut program = Running::start(&file);
    site.wait_live("steady");
    let decoded = || camera(&site.address, "steady").unwrap()["accounting"]["frames"]["decoded"].as_u64().unwrap();
    let before = decoded();
    let begun = Instant::now();
    for ((id, fake), (vendor, setup, _, control)) in cameras.iter().zip(VENDORS) {
        let (state, reason) = wait_for(&format!("a reason for {vendor}"), 40, || {
            let (state, reason) = state(&site, id);
            (!reason.is_empty()).then_some((state, reason))
        });
        eprintln!("{vendor} {setup}: {state}: {reason} {:?}", fake.requests());
        assert_ne!(state, "live");
        let asked = fake.requests();
        assert!(asked.iter().any(|line| line.starts_with("SETUP") && line.contains(control)), "{vendor}: {asked:?}");
    }
    let report = camera(&site.address, "steady").unwrap();
    let expected = begun.elapsed().as_secs_f64() * 25.0;
    // Decoded, not detected: how many of them a busy machine analyses is not what the others may disturb.
    assert!(decoded() as f64 > before as f64 + expected * 0.5, "{report}");
    assert_eq!(report["status"]["runs"], 1, "{report}");
    assert!(program.stop() < Duration::from_secs(3));
    assert!(!program.log().contains(PASSWORD) && !program.log().contains("panicked"), "{}", program.log());
}

#[test]
fn a_recorded_session_is_played_through_to_its_end() {
    let parts = ["bunny_describe.txt", "bunny_setup.txt", "bunny_play.txt"].map(recorded);
    let [Some(describe), Some(setup), Some(play)] = parts else { return };
    let Some(stream) = shared_rtsp("bunny_interleaved_session.rtsp.bin") else { return };
    // Recorded with the sound on the first two channels; the video is the second media.
    let setup = String::from_utf8(setup).unwrap().replace("interleaved=0-1", "interleaved=2-3");
    let times: Vec<u32> = rtp_times(&stream, 2);
    let pictures = times.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
    assert!(pictures > 100, "{pictures}");
    let fake = FakeCamera::builder()
        .answer("DESCRIBE", describe)
        .answer("SETUP", setup)
        .answer("PLAY", play)
        .stream(stream)
        .paced(Pace { channel: 2, hertz: 90_000 })
        .start();
    let site = Site::new();
    let file = site.pipeline(&[("bunny", &fake.url("/vod"))]);
    let mut program = Running::start(&file);
    // All of the first session, which ends in silence; then it is dialled again.
    let (report, reason) = wait_for("the end of the session", 60, || {
        let report = camera(&site.address, "bunny")?;
        let received = report["accounting"]["units"]["received"].as_u64()?;
        let reason = report["status"]["reason"].as_str()?.to_owned();
        (received >= pictures - 1 && reason.contains("no data")).then_some((report, reason))
    });
    eprintln!("{pictures} pictures sent, {reason}: {}", report["accounting"]);
    let frames = &report["accounting"]["frames"];
    let (decoded, dropped) = (frames["decoded"].as_u64().unwrap(), &frames["dropped"]);
    assert!(decoded >= pictures - 2, "{report}");
    assert_eq!(dropped["corrupt"], 0, "{report}");
    // How many, depends on how fast this machine is; the others are counted as overrun.
    assert!(frames["detected"].as_u64().unwrap() > 10, "{report}");
    let asked = fake.requests();
    assert!(asked.iter().any(|line| line.starts_with("SETUP") && line.contains("trackID=2")), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("trackID=1")), "no sound: {asked:?}");
    program.stop();
}

/// The RTP times of a channel's packets.
fn rtp_times(stream: &[u8], channel: u8) -> Vec<u32> {
    let (mut times, mut at) = (Vec::new(), 0);
    while let Some(head) = stream.get(at..at + 4) {
        let end = at + 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[1] == channel {
            times.push(u32::from_be_bytes(stream[at + 8..at + 12].try_into().unwrap()));
        }
        at = end;
    }
    times
}

#[test]
fn a_changed_password_file_ends_the_wait() {
    let site = Site::new();
    let clip = street_clip(site.folder.path(), "street", 3.0);
    let served = ServedClip::looping(&clip, "/cam").with_login("op", Secret::new(PASSWORD), LoginScheme::Digest);
    let server = CameraServer::start(&[served], "127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = TcpProxy::to(server.port());
    let secret: PathBuf = site.folder.path().join("password");
    std::fs::write(&secret, "wrong-one\n").unwrap();
    let url = format!("rtsp://127.0.0.1:{}/cam\n    username: op\n    password_file: password", proxy.port());
    let file = site.pipeline(&[("a", &url)]);
    let mut program = Running::start(&file);
    wait_for("the refusal", 20, || (state(&site, "a").0 == "auth_failed").then_some(()));
    let tries = || proxy.said().matches("Authorization:").count();
    let refused = tries();
    assert!((1..=2).contains(&refused), "{refused} answers to challenges: {}", proxy.said());
    // The same password again is no news.
    std::fs::write(&secret, "wrong-one\n").unwrap();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(tries(), refused, "peace while nothing changes");
    std::fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    let changed = Instant::now();
    site.wait_live("a");
    assert!(changed.elapsed() < Duration::from_secs(10), "live after {:?}", changed.elapsed());
    program.stop();
    assert!(!program.log().contains(PASSWORD) && !program.log().contains("wrong-one"), "{}", program.log());
}
