//! Bad input gets a clear error and an exit code, and good data before and beside it is still analysed.

use std::time::{Duration, Instant};

use crate::clips::{self, ClipCodec, ClipSpec, Container};
use crate::ports::free_port;
use crate::program::{Running, camera, command, pipeline, run, street, street_clip, tiny, wait_for};
use crate::rtsp_server::{FakeCamera, Gate, Manners};

fn bench(clip: &str) -> crate::program::Said {
    run(&["bench", clip, "--model", tiny().to_str().unwrap(), "--json"])
}

#[test]
fn files_that_are_no_video_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("empty.mp4"), b"").unwrap();
    std::fs::write(path("text.mp4"), b"this is a shopping list\n").unwrap();
    std::fs::write(path("noise.ts"), [7_u8; 5000]).unwrap();
    let whole = std::fs::read(street_clip(folder.path(), "whole", 2.0)).unwrap();
    std::fs::write(path("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    let spec = ClipSpec { codec: ClipCodec::Vp8, container: Container::Matroska, ..ClipSpec::default() };
    let vp8 = clips::make(folder.path(), "vp8", &spec, &street(2.0));
    for (file, says) in [
        (path("missing.mp4"), "No such file"),
        (path("empty.mp4"), "the file is empty"),
        (path("text.mp4"), "it is text"),
        (path("noise.ts"), "match no known container"),
        (path("cut.mp4"), "damaged or cut off"),
        (vp8.to_str().unwrap().to_owned(), "not handled"),
        (folder.path().to_str().unwrap().to_owned(), "not a regular file"),
    ] {
        let said = bench(&file);
        assert!(!said.status.success(), "{file}");
        let error = said.stderr.lines().find(|l| l.starts_with("error:")).unwrap_or_default();
        assert!(error.contains(says) && error.contains(&file), "{file}: {}", said.stderr);
        assert!(said.stderr.contains("help:"), "{file}: {}", said.stderr);
    }
}

#[test]
fn a_bare_stream_needs_a_frame_rate() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("bare.264");
    // One SPS is enough to be recognised.
    std::fs::write(&clip, [0, 0, 0, 1, 0x67, 66, 0, 30]).unwrap();
    let said = bench(clip.to_str().unwrap());
    assert!(said.stderr.contains("carries no times") && said.stderr.contains("--assume-fps"), "{}", said.stderr);
}

#[test]
fn models_that_cannot_run_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 1.0);
    let corrupt = folder.path().join("corrupt.onnx");
    std::fs::write(&corrupt, b"not a model").unwrap();
    for (model, says) in [("/nowhere/model.onnx", "No such file"), (corrupt.to_str().unwrap(), "corrupt.onnx")] {
        let said = run(&["bench", clip.to_str().unwrap(), "--model", model]);
        assert!(!said.status.success() && said.stderr.contains(says), "{}", said.stderr);
    }
}

#[test]
fn a_second_instance_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = pipeline(folder.path(), "", &[("a", "rtsp://127.0.0.1:9/none")]);
    let first = Running::start(&file);
    wait_for("start", 20, || first.log().contains("ready").then_some(()));
    let begun = Instant::now();
    let said = run(&["run", file.to_str().unwrap()]);
    assert!(!said.status.success() && begun.elapsed() < Duration::from_secs(10));
    assert!(said.stderr.contains(&first.child.id().to_string()), "the owner's pid: {}", said.stderr);
}

/// The state that a live camera settles in, and its reason.
pub fn state_of(url: &str, wanted: &str, seconds: u64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let head = format!("server: {{listen: '127.0.0.1:{port}'}}");
    let file = pipeline(folder.path(), &head, &[("a", url)]);
    let mut program = Running::start(&file);
    let address = format!("127.0.0.1:{port}");
    let reason = wait_for(&format!("state {wanted} of {url}"), seconds, || {
        let report = camera(&address, "a")?;
        (report["status"]["state"] == wanted).then(|| report["status"]["reason"].as_str().unwrap().to_owned())
    });
    assert!(program.stop() < Duration::from_secs(2), "a stop takes less than 2 s whatever the camera does");
    assert!(!program.log().contains("hunter2"), "no password in any log");
    reason
}

#[test]
fn cameras_that_misbehave_get_a_state_with_a_reason() {
    let refused = format!("rtsp://127.0.0.1:{}/none", free_port());
    assert!(state_of(&refused, "offline", 15).contains("does not answer"));

    let locked =
        FakeCamera::builder().gate(Gate::Never { challenge: "Digest realm=\"cam\", nonce=\"1\"".to_owned() }).start();
    let url = locked.url("/live").replace("rtsp://", "rtsp://admin:hunter2@");
    assert!(state_of(&url, "auth_failed", 15).contains("401"));

    let missing = FakeCamera::builder().status("DESCRIBE", 404, "").start();
    assert!(state_of(&missing.url("/live"), "offline", 15).contains("404"));

    let silent = FakeCamera::builder()
        .describe("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\n")
        .start();
    assert!(state_of(&silent.url("/live"), "unsupported", 15).contains("no video"));

    let drip = FakeCamera::builder().manners(Manners::Slow(Duration::from_secs(1))).start();
    assert!(state_of(&drip.url("/live"), "offline", 25).contains("no video within 10 s"));
}

#[test]
fn a_wrong_password_is_tried_twice_and_then_left_alone() {
    let camera =
        FakeCamera::builder().gate(Gate::Never { challenge: "Digest realm=\"cam\", nonce=\"1\"".to_owned() }).start();
    let folder = tempfile::tempdir().unwrap();
    let url = camera.url("/live").replace("rtsp://", "rtsp://admin:hunter2@");
    let file = pipeline(folder.path(), "", &[("a", &url)]);
    let _program = Running::start(&file);
    // Each dial asks once without an answer to the challenge, which is no refusal, and once with it.
    let asked = || camera.requests().len();
    wait_for("refusals", 20, || (asked() >= 3).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    let settled = asked();
    assert!(settled <= 4, "{:?}", camera.requests());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(asked(), settled, "five minutes of peace: {:?}", camera.requests());
}

#[test]
fn check_warns_of_a_model_without_a_licence() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    std::fs::copy(tiny().join("tiny.onnx"), model.join("tiny.onnx")).unwrap();
    let yaml = std::fs::read_to_string(tiny().join("model.yaml")).unwrap();
    std::fs::write(model.join("model.yaml"), yaml.replace("licence: Apache-2.0\n", "")).unwrap();
    let file = folder.path().join("p.yaml");
    let text = format!(
        "version: 1\nmodels: {{default: {{path: {}}}}}\ncameras:\n  - {{id: a, url: \"rtsp://127.0.0.1/a\"}}\n",
        model.display()
    );
    std::fs::write(&file, text).unwrap();
    let said = run(&["check", file.to_str().unwrap()]).ok();
    assert!(said.stderr.contains("warning: ") && said.stderr.contains("no licence is stated"), "{}", said.stderr);
    assert!(said.stdout.contains("1 warnings"), "{}", said.stdout);
    let json = run(&["check", "--json", file.to_str().unwrap()]).ok().json();
    assert_eq!(json["diagnostics"][0]["severity"], "warning");
    assert!(json["diagnostics"][0]["file"].as_str().unwrap().ends_with("tiny.onnx"), "{json}");
}

#[test]
fn check_shows_every_mistake_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(
        &file,
        "version: 1\nmodels: {default: {path: m, scor: 0.3}}\ncameras:\n  - id: a\n    url: rtsp://h/x\n    latency: 200\n    \
         rules: [{id: r, type: line_crossing, line: gate}]\n  - {id: a, url: rtsp://h/y}\n",
    )
    .unwrap();
    let said = run(&["check", file.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(78));
    for part in ["scor", "score", "needs a unit", "gate", "bad.yaml:6"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let json = run(&["check", "--json", file.to_str().unwrap()]).json();
    assert!(json["errors"].as_u64().unwrap() >= 4, "{json}");
    assert!(json["diagnostics"][0]["line"].is_u64(), "{json}");
}

#[test]
fn the_tools_answer() {
    assert!(run(&["doctor"]).stdout.contains("GStreamer"));
    assert!(run(&["schema", "record"]).ok().json()["properties"]["camera"].is_object());
    assert!(run(&["schema", "config"]).ok().stdout.contains("line_crossing"));
    let model = tiny();
    let inspected = run(&["models", "inspect", model.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(inspected["detector"]["family"], "yolox");
    assert!(run(&["models", "test", model.to_str().unwrap()]).ok().stdout.contains("cpu"));
    let listed = run(&["models", "list", model.parent().unwrap().to_str().unwrap(), "--json"]).ok().json();
    let classes =
        |name: &str| listed.as_array().unwrap().iter().find(|m| m["name"] == name).unwrap()["classes"].clone();
    assert_eq!((classes("tiny"), classes("street")), (3.into(), 6.into()));
    assert!(command().arg("--version").output().unwrap().status.success());
}
