//! `vantage sinks`: what it says of a store and its sinks, and that it sends what it was asked to send.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vantage::scene::Outbox;
use vantage::scene::{Position, Rejected};
use vantage::store::{MediaRetention, Store, StoreOptions};

use crate::far_side::{FarSide, Hook, Request};
use crate::stills::{check, picture, with_still};
use crate::store_support::{event, wait_until};

fn vantage(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vantage")).args(["--log", "error"]).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A pipeline with sinks `log` (a file) and `hook`, and a store of 40 events of which `hook` has 10 and refused two.
fn pipeline(folder: &Path, hook: &Hook) -> String {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let text = format!(
        "version: 1\nstore: {{path: data}}\nmodels: {{tiny: {{path: {}}}}}\nsinks:\n  - {{id: log, type: jsonl, path: \
         e.jsonl}}\n  - {{id: hook, type: webhook, url: '{}', allow_private: true}}\ncameras:\n  - {{id: a, url: \
         'rtsp://127.0.0.1:9/x', model: tiny}}\n",
        tiny.display(),
        hook.url()
    );
    let file = folder.join("pipeline.yaml");
    std::fs::write(&file, text).unwrap();
    let store = Store::open(&folder.join("data"), StoreOptions::default()).unwrap();
    store.writer().submit_acked((0..40).map(|n| event("a", n)).collect()).unwrap().recv().unwrap();
    let refused = [3, 7].map(|n| Rejected { position: Position(n), reason: format!("answered 422 to {n}") });
    store.outbox("hook").unwrap().confirm(Position(10), refused.to_vec()).unwrap();
    store.close();
    file.display().to_string()
}

#[test]
fn status_dead_letters_and_replay() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let output = vantage(&["sinks", "status", &file, "--json"]);
    let lines: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let figures: Vec<[&Value; 4]> =
        lines.iter().map(|l| [&l["sink"], &l["cursor"], &l["waiting"], &l["dead_letters"]]).collect();
    assert_eq!(figures[0], [&json!("log"), &json!(0), &json!(40), &json!(0)], "{}", said(&output));
    assert_eq!(figures[1], [&json!("hook"), &json!(10), &json!(30), &json!(2)]);
    assert!(lines[0]["confirmed_at"].is_null() && lines[1]["confirmed_at"].is_string());
    let table = said(&vantage(&["sinks", "status", &file]));
    assert!(table.contains("never") && table.contains("not known: the pipeline has no `server`"), "{table}");

    let letters = said(&vantage(&["sinks", "dead-letters", &file, "hook"]));
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains(" hook 3 a gate ") && letters.contains("answered 422 to 7"), "{letters}");

    let replayed = said(&vantage(&["sinks", "replay", &file, "hook", "--dead-letters"]));
    assert!(replayed.contains("2 events confirmed, 0 refused"), "{replayed}");
    let sequences = |hook: &Hook| hook.received().iter().map(|record| record.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(&hook), [3, 7]);
    assert_eq!(hook.received()[0].id, format!("{}.0", event("a", 2).id), "the id that it had");

    let from = event("a", 20).time.utc.to_string();
    let to = event("a", 25).time.utc.to_string();
    vantage(&["sinks", "replay", &file, "hook", "--from", &from, "--to", &to]);
    assert_eq!(sequences(&hook)[2..], [21, 22, 23, 24, 25]);
    // Nothing in the store has changed by it.
    let reader = Store::open_reader(&folder.path().join("data")).unwrap();
    assert_eq!(reader.cursor("hook").unwrap(), Position(10));
}

#[test]
fn test_sends_one_event_to_each_and_fails_with_the_reason() {
    let (folder, mut hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let output = vantage(&["sinks", "test", &file]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("confirmed event").count(), 2);
    let body: Value = serde_json::from_slice(&hook.confirmed.lock().unwrap()[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["camera"]), (&json!("vantage.event.test.v1"), &json!("test")));
    hook.stop();
    let output = vantage(&["sinks", "test", &file, "hook"]);
    assert!(!output.status.success());
    assert!(said(&output).contains("hook: FAILED:"), "{}", said(&output));
    let output = vantage(&["sinks", "test", &file, "hok"]);
    assert!(!output.status.success() && said(&output).contains("it has log, hook"), "{}", said(&output));
    assert!(!vantage(&["sinks", "replay", &file, "hook"]).status.success(), "replay wants to be told what");
}

#[test]
fn every_answer_is_json_on_request() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), refusing("21"));
    let file = pipeline(folder.path(), &hook);
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let output = vantage(arguments);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", said(&output))))
            .collect()
    };
    let tested = lines(&["sinks", "test", &file, "--json"]);
    assert_eq!(tested.iter().map(|told| &told["sink"]).collect::<Vec<_>>(), [&json!("log"), &json!("hook")]);
    assert!(tested.iter().all(|told| told["confirmed"] == true && told["reason"].is_null()), "{tested:?}");
    let body: Value = serde_json::from_slice(&hook.confirmed.lock().unwrap()[0].body).unwrap();
    assert_eq!(tested[1]["event"], body["data"]["id"], "the event that was sent");
    let replayed = lines(&["sinks", "replay", &file, "hook", "--after", "19", "--json"]);
    assert_eq!(replayed.len(), 1);
    let refused = replayed[0]["refused"].as_array().unwrap();
    assert_eq!((&replayed[0]["sink"], &replayed[0]["confirmed"], refused.len()), (&json!("hook"), &json!(20), 1));
    assert_eq!(refused[0]["position"], 21);
    assert!(refused[0]["reason"].as_str().unwrap().contains("422"), "{refused:?}");
    let letters = lines(&["sinks", "dead-letters", &file, "--json"]);
    assert_eq!(letters.iter().map(|letter| &letter["event"]["sequence"]).collect::<Vec<_>>(), [&json!(3), &json!(7)]);
    assert_eq!((&letters[0]["sink"], &letters[0]["reason"]), (&json!("hook"), &json!("answered 422 to 3")));
}

/// A server that never takes the record of that sequence number.
fn refusing(sequence: &'static str) -> Hook {
    Hook::new(Arc::new(move |request: &Request, _| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let refused = body["sequence"] == sequence;
        (if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, HeaderMap::new())
    }))
}

#[test]
fn a_replay_carries_the_stills_that_the_store_still_has() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, written.replace("allow_private: true", "allow_private: true, inline_still_kib: 40")).unwrap();
    let store = |media| {
        let sweep_every = Duration::from_millis(20);
        let options = StoreOptions { media, sweep_every, reserve_bytes: 0, ..StoreOptions::default() };
        Store::open(&folder.path().join("data"), options).unwrap()
    };
    let replay = || {
        hook.confirmed.lock().unwrap().clear();
        let said = said(&vantage(&["sinks", "replay", &file, "hook", "--after", "40"]));
        assert!(said.contains("4 events confirmed, 0 refused"), "{said}");
        let bodies: Vec<Value> = hook
            .confirmed
            .lock()
            .unwrap()
            .iter()
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect();
        assert_eq!(bodies.iter().map(|body| &body["sequence"]).collect::<Vec<_>>(), ["41", "42", "43", "44"]);
        bodies
    };
    // Two stills that fit, one that is too large, one event without.
    let (old, new, large) = (picture(128, 96), picture(120, 90), picture(320, 240));
    let running = store(MediaRetention::default());
    let events = vec![with_still(40), with_still(41), event("a", 42), with_still(43)];
    running.writer().submit_acked(events).unwrap().recv().unwrap();
    for (n, jpeg) in [(40, &old), (41, &new), (43, &large)] {
        running.put_still(&format!("a.{n}.jpg"), jpeg).unwrap();
    }
    let no = |why: &str| Some(Err(why.to_owned()));
    // Beside the running program.
    check(&replay(), &[Some(Ok(old.clone())), Some(Ok(new.clone())), None, no("too_large")]);
    running.close();

    // Retention takes the oldest.
    let two = (new.len() + large.len()) as u64;
    let running = store(MediaRetention { max_bytes: Some(two), ..MediaRetention::default() });
    wait_until("the oldest goes", Duration::from_secs(10), || running.stats().stills_swept == 1);
    check(&replay(), &[no("missing"), Some(Ok(new)), None, no("too_large")]);
    running.close();
}

/// A certificate of one's own and its key, as `NAME.pem` and `NAME.key`.
fn certificate(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec!["camera.example".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

/// A port with TLS that answers as the running program does to whoever brings the token.
fn tls_port(folder: &Path, name: &str, token: &'static str) -> (u16, tokio::runtime::Runtime) {
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(socket).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let Ok(byte) = tls.read_u8().await else { break };
                request.push(byte);
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            assert!(request.starts_with("get /api/sinks http/1.1"), "{request}");
            let (status, body) = if request.contains(&format!("authorization: bearer {token}\r\n")) {
                let hook = json!({"sink": "hook", "state": "retrying", "last_error": "answered 503", "backlog": 30});
                ("200 OK", json!([{"sink": "log", "state": "running", "last_error": null}, hook]).to_string())
            } else {
                ("401 Unauthorized", "{}".to_owned())
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.shutdown().await;
        }
    });
    (port, runtime)
}

#[test]
fn status_asks_a_port_with_tls_by_the_pipelines_own_certificate() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let written = std::fs::read_to_string(&file).unwrap();
    ["own", "other"].iter().for_each(|name| certificate(folder.path(), name));
    let token = folder.path().join("token");
    std::fs::write(&token, "vantage_abc\n").unwrap();
    let ask = |shown: &str, extra: &[&str]| {
        let (port, _runtime) = tls_port(folder.path(), shown, "vantage_abc");
        let server = format!("server: {{listen: '127.0.0.1:{port}', tls: {{certificate: own.pem, key: own.key}}}}\n");
        std::fs::write(&file, format!("{written}{server}")).unwrap();
        said(&vantage(&[&["sinks", "status", file.as_str()], extra].concat()))
    };
    let token = token.display().to_string();
    let table = ask("own", &["--token-file", &token]);
    assert!(table.contains("retrying: answered 503") && table.contains(" running"), "{table}");
    let table = ask("own", &[]);
    assert!(table.contains("the port asks who is there: give --token-file"), "{table}");
    // Somebody else's port learns no token.
    let table = ask("other", &["--token-file", &token]);
    assert!(table.contains("no answer from a running program") && table.contains("ertificate"), "{table}");
    let table = ask("own", &["--token-file", "/nowhere"]);
    assert!(table.contains("--token-file: /nowhere"), "{table}");
}

#[cfg(not(feature = "kafka"))]
#[test]
fn a_sink_that_this_build_lacks_says_how_to_get_it() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), Hook::willing());
    let file = pipeline(folder.path(), &hook);
    let written = std::fs::read_to_string(&file).unwrap();
    let kafka = "sinks:\n  - {id: bus, type: kafka, brokers: 'k:9092', topic: city, tls: true}\n";
    std::fs::write(&file, written.replacen("sinks:\n", kafka, 1)).unwrap();
    let output = vantage(&["check", &file]);
    let text = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!output.status.success() && text.contains("built without the feature `kafka`"), "{text}");
    assert!(text.contains("--features kafka"), "{text}");
}
