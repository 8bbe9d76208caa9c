//! Good pipeline files: defaults, paths, hash, difference, schema, and the example that ships.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

mod config_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config_support::{FOLDER, REGISTRY, camera, compile, good, model, top};
use vantage::base::{CameraId, ErrorKind, Timestamp};
use vantage::config::{
    self, AboutPlan, Address, Blur, EvidencePlan, Matrix, PlacePlan, Plan, Provider, Range, Rotation, Scheme, Severity,
    Transport, Which, diff,
};
use vantage::scene::NormPoint;

#[test]
fn every_default_is_filled_in() {
    let plan = good(&camera("url: rtsp://h/a")).plan;
    assert_eq!(plan.store.path, Path::new("/etc/vantage/./vantage-data"));
    assert_eq!((plan.store.keep_days, plan.store.keep_max_mib), (30, 2048));
    assert!(plan.server.is_none() && plan.sinks.is_empty());
    assert_eq!((plan.inference.workers, plan.inference.max_batch), (2, 1));
    assert_eq!(plan.inference.max_wait, Duration::from_millis(5));
    let model = &plan.models["default"];
    assert_eq!((model.path.as_path(), model.provider), (Path::new("/etc/vantage/m"), Provider::Cpu));
    assert_eq!(
        (model.score, model.nms, model.device, model.fp16, model.fallback_to_cpu),
        (None, None, 0, false, false)
    );
    let camera = &plan.cameras[0];
    assert_eq!((camera.transport, camera.latency), (Transport::Tcp, Duration::from_millis(200)));
    assert_eq!((camera.rotate, camera.model.as_str()), (Rotation::None, "default"));
    assert_eq!((camera.analyse_fps, camera.assume_fps, camera.starts_at), (None, None, None));
    assert_eq!(camera.track.lost_for, Duration::from_secs(1));
    assert_eq!((camera.track.high_score, camera.track.low_score), (0.25, 0.1));
    let recording = &camera.recording;
    assert_eq!(*recording, EvidencePlan::default());
    assert_eq!((recording.clips, recording.stills, recording.blur.len()), (Which::Alarms, Which::All, 0));
    assert_eq!((recording.pre_roll, recording.max_length), (Duration::from_secs(5), Duration::from_secs(60)));
    let media = &plan.store.media;
    assert_eq!((media.days, media.max_mib, media.camera_max_mib, media.min_free_mib), (30, 10_240, None, 512));
    assert_eq!(good(&top("server: {}")).plan.server.unwrap().listen.to_string(), "127.0.0.1:9090");
}

#[test]
fn every_key_arrives_in_the_plan() {
    let text = "
version: 1
store: {path: /data, keep: {days: 7, max_mib: 100}, media: {days: 3, max_mib: 200, camera_max_mib: 50, min_free_mib: 0}}
evidence: {clips: all, pre_roll: 2s, blur: [plate, person, plate]}
server: {listen: 0.0.0.0:80, insecure_listen: true}
inference: {workers: 4, max_batch: 8, max_wait: 10ms}
models:
  big: {path: big.onnx, family: dfine, labels: coco.txt, score: 0.2, nms: 0.6, provider: tensorrt, device: 1, fp16: true, engine_cache: /cache, fallback: cpu}
sinks: [{id: log, type: jsonl, path: events.jsonl, max_mib: 5}]
cameras:
  - id: gate-1
    name: ' Nguyễn Huệ – Lê Lợi, north '
    ward: ward-5
    place: {lat: 10.7741, lon: 106.7036, heading: 350, reach: 80}
    streams: {analysis: rtsps://h/sub, evidence: rtsps://h/main}
    username: admin
    password_env: GATE_PASSWORD
    transport: tcp
    latency: 0ms
    assume_fps: 25
    matrix: bt709
    range: full
    rotate: 270
    analyse_fps: 12.5
    model: big
    track: {lost_for: 3s, high_score: 0.6, low_score: 0.2}
    calibration: {homography: [[20, 0, -10], [0, -6, 12], [0, 1, 0.2]], error: 0.5}
    evidence: {stills: none, post_roll: 3s, max_length: 20s, buffer_mib: 4, still_width: 640, blur: [person]}
    signals: phases.csv
    zones: [{id: z, polygon: [[0, 0], [1, 0], [1, 1]]}]
    lines: [{id: l, from: [0.1, 0.2], to: [0.3, 0.4]}]
    lanes: [{id: n, polygon: [[0, 0], [1, 0], [1, 1]], direction: {from: [0, 0], to: [0, 1]}}]
    rules: [{id: r, type: line_crossing, line: l, classes: [car]}]
  - {id: clip, url: clips/a.mp4, starts_at: 2026-01-01T07:00:00+07:00, model: big}
";
    let loaded = good(text);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let plan = loaded.plan;
    assert_eq!(
        (plan.store.path.as_path(), plan.store.keep_days, plan.store.keep_max_mib),
        (Path::new("/data"), 7, 100)
    );
    let media = &plan.store.media;
    assert_eq!((media.days, media.max_mib, media.camera_max_mib, media.min_free_mib), (3, 200, Some(50), 0));
    assert_eq!(plan.server.unwrap().listen.to_string(), "0.0.0.0:80");
    assert_eq!((plan.inference.workers, plan.inference.max_batch), (4, 8));
    let model = &plan.models["big"];
    assert_eq!((model.family.as_deref(), model.provider, model.device), (Some("dfine"), Provider::Tensorrt, 1));
    assert_eq!(model.labels.as_deref(), Some(Path::new("/etc/vantage/coco.txt")));
    assert_eq!(model.engine_cache.as_deref(), Some(Path::new("/cache")));
    assert!(model.fp16 && model.fallback_to_cpu);
    assert_eq!(plan.sinks[0].params["path"], "/etc/vantage/events.jsonl");
    assert_eq!(plan.sinks[0].params["max_mib"], 5);
    let gate = &plan.cameras[0];
    let Address::Network { scheme, url, credentials } = &gate.analysis else { panic!("network") };
    assert_eq!((*scheme, url.as_str()), (Scheme::Rtsps, "rtsps://h/sub"));
    let login = credentials.as_ref().unwrap();
    assert_eq!((login.username.as_str(), login.password.expose()), ("admin", "hunter2-from-env"));
    let Some(Address::Network { credentials: Some(login), .. }) = &gate.evidence else { panic!("login") };
    assert_eq!(login.username, "admin");
    assert_eq!(
        (gate.matrix, gate.range, gate.rotate),
        (Some(Matrix::Bt709), Some(Range::Full), Rotation::ThreeQuarters)
    );
    assert_eq!((gate.latency, gate.assume_fps, gate.analyse_fps), (Duration::ZERO, Some(25.0), Some(12.5)));
    assert_eq!(gate.lines[0].segment.to, NormPoint::new(0.3, 0.4));
    assert_eq!((gate.zones[0].id.as_str(), gate.lanes[0].id.as_str()), ("z", "n"));
    assert_eq!((gate.rules[0].kind.as_str(), &gate.rules[0].params["line"]), ("line_crossing", &"l".into()));
    assert!(!gate.rules[0].params.contains_key("id"));
    let [gate_kept, clip_kept] = [&plan.cameras[0].recording, &plan.cameras[1].recording];
    assert_eq!((gate_kept.clips, gate_kept.stills), (Which::All, Which::None), "the camera's keys over the file's");
    assert_eq!((gate_kept.pre_roll, gate_kept.post_roll), (Duration::from_secs(2), Duration::from_secs(3)));
    assert_eq!((gate_kept.max_length, gate_kept.buffer_bytes), (Duration::from_secs(20), 4 << 20));
    assert_eq!((gate_kept.still_width, gate_kept.blur.as_slice()), (640, [Blur::Person].as_slice()));
    assert_eq!((clip_kept.stills, clip_kept.blur.as_slice()), (Which::All, [Blur::Person, Blur::Plate].as_slice()));
    assert_eq!(gate.signals.as_deref(), Some(Path::new("/etc/vantage/phases.csv")));
    let about = &gate.about;
    assert_eq!((about.name.as_deref(), about.ward.as_deref()), (Some("Nguyễn Huệ – Lê Lợi, north"), Some("ward-5")));
    assert_eq!(about.place, Some(PlacePlan { lat: 10.7741, lon: 106.7036, heading: Some(350.0), reach_m: 80.0 }));
    let clip = &plan.cameras[1];
    assert_eq!(clip.about, AboutPlan::default());
    assert_eq!(clip.analysis, Address::File("/etc/vantage/clips/a.mp4".into()));
    assert_eq!(clip.starts_at, Some("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()));
}

#[test]
fn anchors_and_quotes_are_plain_yaml() {
    let text = "
version: 1
models: {default: {path: m}}
cameras:
  - {id: a, url: 'a.mp4', zones: &zones [{id: z, polygon: [[0, 0], [1, 0], [1, 1]]}]}
  - {id: \"007\", url: \"b.mp4\", zones: *zones}
";
    let plan = good(text).plan;
    assert_eq!(plan.cameras[0].zones, plan.cameras[1].zones);
    assert_eq!(plan.cameras[1].id.as_str(), "007");
}

#[test]
fn files_from_windows_are_read() {
    let text = camera("url: a.mp4\nlatency: 5");
    let (unix, dos) = (compile(&text).unwrap_err(), compile(&text.replace('\n', "\r\n")).unwrap_err());
    assert_eq!(unix.to_json(), dos.to_json());
    let with_mark = compile(&format!("\u{feff}{text}")).unwrap_err();
    assert_eq!(unix.diagnostics()[0].position(), with_mark.diagnostics()[0].position());
    assert_eq!(good(&format!("\u{feff}{}", camera("url: a.mp4").replace('\n', "\r\n"))).plan.cameras.len(), 1);
}

#[test]
fn a_password_in_the_address_is_a_warning() {
    let loaded = good(&camera("url: rtsp://admin:x@h/a"));
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!((loaded.warnings[0].severity(), loaded.warnings[0].position()), (Severity::Warning, Some((5, 10))));
}

#[test]
fn a_user_in_the_address_goes_with_a_password_elsewhere() {
    let plan = good(&camera("url: rtsp://admin@h/a\npassword_env: GATE_PASSWORD")).plan;
    let Address::Network { url, credentials: Some(login), .. } = &plan.cameras[0].analysis else { panic!("login") };
    assert_eq!((url.as_str(), login.username.as_str()), ("rtsp://h/a", "admin"));
    assert_eq!(login.password.expose(), "hunter2-from-env");
}

#[test]
fn a_key_for_either_stream_is_not_ignored() {
    let plan = good(&camera("streams: {analysis: http://h/a, evidence: rtsp://h/b}\nlatency: 1s")).plan;
    assert_eq!(plan.cameras[0].latency, Duration::from_secs(1));
}

#[test]
fn password_files_lose_their_line_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pw"), "hunter 2\n").unwrap();
    let file = folder.path().join("site.yaml");
    std::fs::write(&file, camera("url: rtsp://h/a\nusername: a\npassword_file: pw")).unwrap();
    let plan = config::load(&file, &REGISTRY).unwrap().plan;
    let Address::Network { credentials: Some(login), .. } = &plan.cameras[0].analysis else { panic!("login") };
    assert_eq!(login.password.expose(), "hunter 2");
    std::fs::write(folder.path().join("pw"), "\n").unwrap();
    assert!(config::load(&file, &REGISTRY).unwrap_err().to_string().contains("\"pw\" is empty"));
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = config::load(&folder.path().join("no.yaml"), &REGISTRY).unwrap_err();
    assert!(missing.to_string().contains("no.yaml"), "{missing}");
    assert_eq!(vantage::base::Error::from(missing).kind(), ErrorKind::NotFound);
    for (bytes, fragment) in [(vec![b' '; (1 << 20) + 1], "too large"), (vec![0xff, 0xfe], "UTF-8")] {
        let file = folder.path().join("bad.yaml");
        std::fs::write(&file, bytes).unwrap();
        let report = config::load(&file, &REGISTRY).unwrap_err();
        assert!(report.diagnostics()[0].message().contains(fragment), "{report}");
        assert_eq!(report.diagnostics()[0].position(), None);
        assert_eq!(vantage::base::Error::from(report).kind(), ErrorKind::Config);
    }
}

#[test]
fn the_example_loads_cleanly() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/example.yaml");
    let loaded = config::load(&example, &REGISTRY).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.plan.cameras[0].rules.len(), 1);
}

#[test]
fn the_reference_names_every_key_and_its_example_loads() {
    let reference =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let schema = config::schema(&REGISTRY);
    for (table, definition) in schema["$defs"].as_object().unwrap() {
        let keys = definition["properties"].as_object().into_iter().flatten();
        for (key, schema) in keys.filter(|_| table != "Rule" && table != "Sink") {
            let named = [format!("`{key}`"), format!(".{key}`")];
            let mut lines = reference.lines().filter(|line| named.iter().any(|name| line.contains(name)));
            let default = match &schema["default"] {
                serde_json::Value::String(text) => format!("`{text}`"),
                value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => format!("`{value}`"),
                _ => String::new(),
            };
            assert!(lines.any(|line| line.contains(&default)), "docs: `{key}` of {table}, default {default}");
        }
    }
    let example = reference.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    good(example);
}

#[test]
fn the_hash_tells_settings_apart_and_nothing_else() {
    let base = "url: rtsp://admin@h/a?token=1\npassword_env: GATE_PASSWORD";
    let hash = |text: &str| good(text).plan.hash();
    let first = hash(&camera(base));
    assert_eq!(first.len(), 64);
    assert!(first.chars().all(|c| c.is_ascii_hexdigit()));
    // Written differently, kept elsewhere, another secret: the same.
    assert_eq!(first, hash(&camera(&format!("{base}\nlatency: 0.2s\nmodel: default # x"))));
    assert_eq!(first, hash(&(camera(base) + "store: {path: /elsewhere}\n")));
    // What is kept of an event does not change it.
    assert_eq!(first, hash(&camera(&format!("{base}\nevidence: {{clips: none, blur: [person]}}"))));
    assert_eq!(first, hash(&(camera(base) + "store: {media: {days: 1}}\n")));
    assert_eq!(first, hash(&camera(&base.replace("token=1", "token=2"))));
    // Nor does what people call the camera, and where it stands.
    assert_eq!(first, hash(&camera(&format!("{base}\nname: North\nward: w5\nplace: {{lat: 1, lon: 2}}"))));
    let elsewhere = config::compile(&camera(base), "x", Path::new("/srv"), &REGISTRY, &|_| Some("other".into()));
    assert_eq!(first, elsewhere.unwrap().plan.hash());
    // Any setting: another.
    let mut seen = vec![first];
    for change in [
        "latency: 300ms",
        "rotate: 90",
        "analyse_fps: 5",
        "assume_fps: 5",
        "matrix: bt601",
        "range: full",
        "transport: udp",
        "track: {lost_for: 2s}",
        "zones: [{id: z, polygon: [[0,0],[1,0],[1,1]]}]",
        "lines: [{id: z, from: [0,0], to: [1,1]}]",
        "rules: [{id: r, type: dwell}]",
        "rules: [{id: r, type: dwell, longer_than: 3s}]",
    ] {
        let hash = hash(&camera(&format!("{base}\n{change}")));
        assert!(!seen.contains(&hash), "{change}");
        seen.push(hash);
    }
    for text in [top("sinks: [{id: a, type: jsonl, path: x}]"), top("inference: {workers: 3}"), model("score: 0.4")] {
        let hash = hash(&text);
        assert!(!seen.contains(&hash), "{text}");
        seen.push(hash);
    }
}

fn fleet(cameras: &[(&str, &str)], rest: &str) -> Plan {
    let cameras: String =
        cameras.iter().map(|(id, more)| format!("  - {{id: {id}, url: rtsp://h/{id}{more}}}\n")).collect();
    good(&format!("version: 1\nmodels: {{default: {{path: m}}}}\n{rest}cameras:\n{cameras}")).plan
}

#[test]
fn the_difference_names_cameras_and_sections() {
    let old = fleet(
        &[("a", ""), ("b", ""), ("c", "")],
        "sinks: [{id: s, type: jsonl, path: x}, {id: t, type: jsonl, path: y}]\n",
    );
    assert!(diff(&old, &old).is_empty());
    let new = fleet(
        &[("c", ""), ("b", ", evidence: {clips: all}"), ("d", "")],
        "store: {path: other}\nserver: {}\nsinks: [{id: t, type: jsonl, path: z}, {id: u, type: jsonl, path: y}]\n",
    );
    let found = diff(&old, &new);
    let ids = |ids: &[&str]| ids.iter().map(|id| CameraId::new(*id)).collect::<Vec<_>>();
    assert_eq!((found.added, found.removed, found.changed), (ids(&["d"]), ids(&["a"]), ids(&["b"])));
    assert_eq!(found.needs_restart, ["store", "server", "sinks.s", "sinks.t", "sinks.u"]);
    let reordered = fleet(
        &[("a", ""), ("b", ""), ("c", "")],
        "sinks: [{id: t, type: jsonl, path: y}, {id: s, type: jsonl, path: x}]\n",
    );
    assert_eq!(diff(&old, &reordered).needs_restart, ["sinks"]);
    let model = good(&model("score: 0.4")).plan;
    assert_eq!(diff(&good(&top("")).plan, &model).needs_restart, ["models.default"]);
}

#[test]
fn a_camera_that_is_described_anew_goes_on() {
    let old = fleet(&[("a", ""), ("b", ", name: B"), ("c", ", name: C")], "");
    let new = fleet(&[("a", ", place: {lat: 1, lon: 2}"), ("b", ", name: B, latency: 1s"), ("c", ", name: C")], "");
    let found = diff(&old, &new);
    assert_eq!((found.described, found.changed), (vec![CameraId::new("a")], vec![CameraId::new("b")]));
    assert_eq!(
        good(&camera("url: a.mp4\nplace: {lat: 1, lon: 2}")).plan.cameras[0].about.place.unwrap().reach_m,
        100.0
    );
}

#[test]
fn a_new_password_changes_its_camera() {
    let text = camera("url: rtsp://h/a\nusername: a\npassword_env: GATE_PASSWORD");
    let old = good(&text).plan;
    let new = config::compile(&text, "x", Path::new(FOLDER), &REGISTRY, &|_| Some("rotated".into())).unwrap().plan;
    assert_eq!(diff(&old, &new).changed.len(), 1);
    assert_eq!(old.hash(), new.hash());
}

#[test]
fn one_camera_from_the_command_line() {
    let plan = |url: &str, family| {
        Plan::for_camera_url(url, Path::new("models/yolox"), family, Provider::Cpu, Path::new("/work dir"), &REGISTRY)
    };
    let good = plan("rtsp://admin:hunter2@h/a", Some("yolox")).unwrap();
    assert_eq!(good.models["default"].path, PathBuf::from("/work dir/models/yolox"));
    assert_eq!((good.cameras.len(), good.cameras[0].id.as_str()), (1, "camera"));
    assert!(plan("clip \"1\".mp4", None).unwrap().cameras[0].analysis.is_file());
    let error = plan("rtps://h/a", None).unwrap_err();
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Usage, Some("did you mean \"rtsp\"?")));
    assert!(plan("a.mp4", Some("yolo")).unwrap_err().to_string().contains("no model family"));
}

#[test]
fn the_schema_describes_every_table() {
    let schema = config::schema(&REGISTRY);
    assert_eq!(schema["$ref"], "#/$defs/Document");
    let definitions = &schema["$defs"];
    let camera = &definitions["Camera"];
    assert_eq!(camera["additionalProperties"], false);
    assert_eq!(camera["required"], serde_json::json!(["id"]));
    assert_eq!(camera["properties"]["latency"]["default"], "200ms");
    assert!(camera["properties"]["latency"]["description"].as_str().unwrap().contains("10s"));
    assert_eq!(definitions["Rule"]["oneOf"][0]["properties"]["type"]["const"], "line_crossing");
    assert_eq!(definitions["Sink"]["oneOf"][0]["additionalProperties"], false);
    assert_eq!(definitions["Sink"]["oneOf"][0]["required"], serde_json::json!(["path", "id", "type"]));
    assert_eq!(definitions["Model"]["properties"]["family"]["enum"][0], "yolox");
    // Every reference leads somewhere.
    let text = schema.to_string();
    for part in text.split("#/$defs/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(definitions.get(name).is_some(), "{name} is not defined");
    }
}

#[test]
fn many_cameras_compile_fast_enough() {
    let cameras: String = (0..2_000)
        .map(|i| {
            format!("  - {{id: c{i}, url: rtsp://h/{i}, zones: [{{id: z, polygon: [[0,0],[1,0],[1,1],[0,1]]}}]}}\n")
        })
        .collect();
    let text = format!("version: 1\nmodels: {{default: {{path: m}}}}\ncameras:\n{cameras}");
    assert_eq!(compile(&text).unwrap().plan.cameras.len(), 2_000);
}
