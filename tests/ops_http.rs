//! The operations port over real connections: pages, limits, the stop. Nothing here needs a camera.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)] // real time; helpers of tests

mod ops_support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ops_support::{Answer, Exposition, Port, snapshot};
use vantage::base::{ErrorKind, Stop};
use vantage::ops;
use vantage::ops::server::{HEADER_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS};
use vantage::store::StoreHealth;

#[test]
fn the_exposition_is_well_formed_and_complete() {
    let port = Port::open();
    let answer = port.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].starts_with("application/openmetrics-text; version=1.0.0"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let page = Exposition::parse(&answer.body);

    assert_eq!(page.sum("vantage_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(page.sum("vantage_model_info", &[("model", "street \"a\\b\"\nc"), ("family", "yolox")]), 1.0);
    assert_eq!(page.sum("vantage_ready", &[]), 1.0);
    assert_eq!(page.sum("vantage_reloads_total", &[("outcome", "refused")]), 1.0);
    assert_eq!(page.sum("vantage_camera_runs_total", &[("camera", "gate-south")]), 9.0);
    assert_eq!(page.sum("vantage_camera_blind", &[("camera", "gate-south"), ("reason", "covered")]), 1.0);
    assert_eq!(page.sum("vantage_rule_paused", &[("camera", "gate-south"), ("rule", "gate")]), 1.0);
    assert_eq!(page.sum("vantage_alarms_held_back_total", &[("camera", "gate-south"), ("rule", "gate")]), 3.0);
    assert_eq!(page.sum("vantage_stage_cpu_seconds_total", &[("stage", "infer")]), 2.25);
    assert_eq!(page.sum("vantage_store_commit_failures_total", &[("reason", "fault")]), 6.0);
    assert_eq!(page.sum("vantage_store_stills_total", &[("outcome", "written")]), 50.0);
    assert_eq!(page.sum("vantage_clips_total", &[("outcome", "written"), ("reason", "complete")]), 1.0);
    assert_eq!(page.sum("vantage_clips_total", &[("outcome", "failed"), ("reason", "disk_full")]), 7.0);
    assert_eq!(page.sum("vantage_clips_swept_total", &[]), 4.0);
    assert_eq!(page.sum("vantage_media_bytes", &[("camera", "gate-north")]), 3e6);
    assert_eq!(page.sum("vantage_recording_state", &[("camera", "gate-south")]), 1.0);
    assert_eq!(page.sum("vantage_store_position", &[]), 120.0);
    assert_eq!(page.sum("vantage_sink_backlog", &[("sink", "authority")]), 30.0);
    assert_eq!(page.sum("vantage_sink_paced_seconds_total", &[("sink", "authority")]), 1.25);
    assert_eq!(page.sum("vantage_sink_last_success_timestamp_seconds", &[("sink", "archive")]), 1_700_000_001.5);
    let p95 = page.sum("vantage_event_durable_latency_seconds", &[("quantile", "0.95")]);
    assert!((p95 / 0.095 - 1.0).abs() < 0.04, "{p95}");
    assert_eq!(page.sum("vantage_event_durable_latency_seconds_count", &[]), 100.0);
    assert!((page.sum("vantage_event_durable_latency_seconds_sum", &[]) - 5.05).abs() < 1e-9);
    assert!(page.sum("process_resident_memory_bytes", &[]) > 1e6);
    assert!(page.sum("process_cpu_seconds_total", &[]) > 0.0);

    let allowed = "camera rule state outcome reason stage sink quantile model family sha256 version";
    let allowed: BTreeSet<&str> = allowed.split(' ').collect();
    assert_eq!(page.label_keys().difference(&allowed).count(), 0, "a label nobody agreed to");
}

#[test]
fn the_accounting_identity_holds_in_the_exported_numbers() {
    let port = Port::open();
    let page = Exposition::parse(&port.get("/metrics").body);
    for camera in ["gate-north", "gate-south"] {
        let sum = |name: &str, more: &[(&str, &str)]| page.sum(name, &[&[("camera", camera)], more].concat());
        let decided = sum("vantage_access_units_total", &[]);
        let in_decoder = sum("vantage_access_units_in_decoder", &[]);
        assert_eq!(sum("vantage_access_units_received_total", &[]), decided + in_decoder);
        assert_eq!(in_decoder, 3.0);
        assert_eq!(sum("vantage_access_units_total", &[("reason", "before_keyframe")]), 7.0);

        let decided = sum("vantage_frames_total", &[]);
        let in_flight = sum("vantage_frames_in_flight", &[]);
        let decoded = sum("vantage_frames_decoded_total", &[]);
        assert_eq!(decoded, decided + in_flight);
        assert_eq!(decoded, sum("vantage_access_units_total", &[("outcome", "decoded")]));
        assert_eq!(in_flight, 5.0);
        for (outcome, reason, n) in [
            ("skipped", "sampled", 6.0),
            ("skipped", "failed", 1.0),
            ("dropped", "overrun", 4.0),
            ("dropped", "expired", 3.0),
            ("dropped", "corrupt", 2.0),
            ("dropped", "shutdown", 1.0),
        ] {
            assert_eq!(sum("vantage_frames_total", &[("outcome", outcome), ("reason", reason)]), n);
        }
    }
}

#[test]
fn states_are_one_hot() {
    let port = Port::open();
    port.change(|now| now.store_health = StoreHealth::Critical { reason: "input/output error".to_owned() });
    let page = Exposition::parse(&port.get("/metrics").body);
    for (name, labels, state) in [
        ("vantage_camera_state", vec![("camera", "gate-north")], "live"),
        ("vantage_camera_state", vec![("camera", "gate-south")], "offline"),
        ("vantage_sink_state", vec![("sink", "authority")], "retrying"),
        ("vantage_store_health", vec![], "critical"),
    ] {
        assert_eq!(page.sum(name, &labels), 1.0, "{name} {labels:?}");
        assert_eq!(page.sum(name, &[labels.as_slice(), &[("state", state)]].concat()), 1.0, "{name} {labels:?}");
    }
}

#[test]
fn an_empty_program_still_gives_a_well_formed_page() {
    let port = Port::open();
    port.change(|now| {
        now.cameras.clear();
        now.sinks.clear();
        now.models.clear();
        now.stages.clear();
        now.durable_latency = Arc::default();
    });
    let page = Exposition::parse(&port.get("/metrics").body);
    assert_eq!(page.sum("vantage_event_durable_latency_seconds_count", &[]), 0.0);
    assert_eq!(port.get("/api/cameras").body, "[]");
    assert_eq!(port.get("/api/sinks").body, "[]");
}

/// `docs/metrics.md` names every family, and neither it, nor the dashboard, nor the alerts name a
/// figure that does not exist.
#[test]
fn the_documents_and_the_exposition_agree() {
    let port = Port::open();
    let page = Exposition::parse(&port.get("/metrics").body);
    let documents = ["docs/metrics.md", "docs/grafana/vantage.json", "docs/alerts.yaml"].map(|name| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        (name, std::fs::read_to_string(path).unwrap())
    });
    for (name, text) in &documents {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: BTreeSet<&str> = words.filter(|w| w.starts_with("vantage_") || w.starts_with("process_")).collect();
        let unknown: Vec<&&str> = named.iter().filter(|word| !page.names().contains(**word)).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
        if *name == "docs/metrics.md" {
            let missing: Vec<&str> = page.names().difference(&named).copied().collect();
            assert!(missing.is_empty(), "{name} lacks {missing:?}");
        } else {
            assert!(named.len() > 10, "{name} was not read right");
        }
    }
}

#[test]
fn health_follows_the_snapshot() {
    let port = Port::open();
    assert_eq!((port.get("/readyz").status, port.get("/livez").status), (200, 200));
    port.change(|now| now.ready = Err("models are loading".to_owned()));
    let answer = port.get("/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "not ready: models are loading\n"));
    assert_eq!(port.get("/livez").status, 200, "not ready is no reason to restart");
    assert_eq!(Exposition::parse(&port.get("/metrics").body).sum("vantage_ready", &[]), 0.0);
    port.change(|now| now.live = Err("the event writer ended".to_owned()));
    let answer = port.get("/livez");
    assert_eq!((answer.status, answer.body.as_str()), (503, "not live: the event writer ended\n"));
}

#[test]
fn the_reports_are_json() {
    let port = Port::open();
    let answer = port.get("/api/cameras");
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    let cameras: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(cameras[1]["camera"], "gate-south");
    assert_eq!(cameras[1]["status"]["state"], "offline");
    assert_eq!(cameras[1]["status"]["reason"], "says \"so\"");
    assert_eq!(cameras[1]["accounting"]["units"]["in_decoder"], 3);
    let sinks: serde_json::Value = serde_json::from_str(&port.get("/api/sinks").body).unwrap();
    let expected = serde_json::json!([
        {"sink": "archive", "state": "running", "cursor": 120, "backlog": 0,
         "last_ok": "2023-11-14T22:13:21.5Z", "last_error": null, "delivered": 90, "rejected": 2},
        {"sink": "authority", "state": "retrying", "cursor": 90, "backlog": 30,
         "last_ok": null, "last_error": "connection refused", "delivered": 90, "rejected": 2},
    ]);
    assert_eq!(sinks, expected);
}

#[test]
fn wrong_requests_are_told_so() {
    let port = Port::open();
    let index = port.get("/");
    assert_eq!(index.status, 200);
    assert!(index.body.contains("/metrics") && index.body.contains("/api/sinks"));
    assert_eq!(port.get("/nothing").status, 404);
    assert_eq!(port.get("/api/cameras/../..").status, 404);
    let post = port.send("POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!((post.status, post.headers["allow"].as_str()), (405, "GET,HEAD"));
    let head = port.send("HEAD /livez HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(port.send("this is not HTTP\r\n\r\n").status, 400);
}

#[test]
fn oversized_heads_are_refused() {
    let port = Port::open();
    let long = "x".repeat(MAX_HEAD_BYTES);
    assert_eq!(port.send(&format!("GET / HTTP/1.1\r\nHost: test\r\nA: {long}")).status, 431);
    let many = "A: b\r\n".repeat(MAX_HEADERS + 1);
    assert_eq!(port.send(&format!("GET / HTTP/1.1\r\n{many}\r\n")).status, 431);
    assert_eq!(port.get("/").status, 200, "others are served on");
}

/// A client that sends a byte now and then ("slowloris") is closed all the same.
#[test]
fn a_slow_client_is_closed() {
    let port = Port::open();
    let mut stream = port.connect();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nA: ").unwrap();
    let mut writer = stream.try_clone().unwrap();
    let (closed, is_closed) = mpsc::channel::<()>();
    let drip = std::thread::spawn(move || {
        while is_closed.recv_timeout(Duration::from_millis(500)) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = writer.write_all(b"x");
        }
    });
    // A close with unread bytes behind it may come as a reset.
    let _ = stream.read_to_end(&mut Vec::new());
    let took = began.elapsed();
    drop(closed);
    drip.join().unwrap();
    assert!(took > HEADER_TIMEOUT / 2 && took < HEADER_TIMEOUT + Duration::from_secs(4), "{took:?}");
}

/// Silent clients take all places; the next request waits, and is answered when they are closed.
#[test]
fn silent_clients_do_not_keep_the_port() {
    let port = Port::open();
    let silent: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| port.connect()).collect();
    let began = Instant::now();
    let answer = port.get("/livez");
    let took = began.elapsed();
    assert_eq!(answer.status, 200);
    assert!(took > HEADER_TIMEOUT / 2 && took < HEADER_TIMEOUT + Duration::from_secs(4), "{took:?}");
    drop(silent);
}

#[test]
fn a_taken_port_is_told_so() {
    let port = Port::open();
    let source: ops::Source = Arc::new(snapshot);
    let error = ops::serve(port.address, source, Stop::new(), port.runtime.handle()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&port.address.to_string()), "{error}");
    assert!(error.advice().is_some_and(|help| help.contains("server.listen")));
}

#[test]
fn an_address_of_another_machine_is_told_so() {
    let port = Port::open();
    // TEST-NET-1 (RFC 5737): nobody's.
    let listen = "192.0.2.1:9464".parse().unwrap();
    let error = ops::serve(listen, Arc::new(snapshot), Stop::new(), port.runtime.handle()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
}

#[test]
fn the_stop_ends_it_with_connections_open() {
    let port = Port::open();
    let silent = port.connect();
    let mut half = port.connect();
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost:").unwrap();
    assert_eq!(port.get("/livez").status, 200);
    let began = Instant::now();
    port.stop.request();
    let Port { server, runtime, address, .. } = port;
    runtime.block_on(server.ended()).unwrap();
    for mut stream in [silent, half] {
        let _ = stream.read_to_end(&mut Vec::new());
        let _ = stream.shutdown(Shutdown::Both);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(TcpStream::connect(address).is_err(), "the port is closed");
}

/// An answer in progress at the stop still arrives.
#[test]
fn the_stop_lets_an_answer_finish() {
    let (asked, is_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let state = Arc::new(Mutex::new(snapshot()));
    let source: ops::Source = Arc::new(move || {
        asked.lock().unwrap().send(()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        snapshot()
    });
    let port = Port::with(state, source);
    let mut stream = port.connect();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    is_asked.recv().unwrap();
    port.stop.request();
    assert_eq!(Answer::read(&mut stream).status, 200);
}

#[test]
fn a_source_that_hangs_or_panics_does_not_take_the_port_along() {
    let state = Arc::new(Mutex::new(snapshot()));
    let first = Mutex::new(true);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let source: ops::Source = Arc::new(move || {
        if std::mem::take(&mut *first.lock().unwrap()) {
            panic!("a defect of the source (this test wants it)");
        }
        let _ = released.lock().unwrap().recv();
        snapshot()
    });
    let port = Port::with(state, source);
    assert_eq!(port.get("/livez").status, 500);
    let began = Instant::now();
    let answer = port.get("/livez");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(port.get("/").status, 200, "pages without a snapshot go on");
    drop(release);
    assert_eq!(port.get("/livez").status, 200, "and the others when it is back");
}
