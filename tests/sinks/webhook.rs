//! Webhooks: signatures that a receiver can check, every class of answer, private addresses, bad parameters.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use vantage::sink::dispatch::SinkState;

use crate::far_side::{FarSide, Hook};
use crate::{Pipeline, mistakes};

#[test]
fn a_receiver_can_check_the_signature() {
    let hook = Hook::willing();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "a shared secret\n").unwrap();
    let mut params = hook.params();
    params["secret_file"] = file.display().to_string().into();
    let pipeline = Pipeline::start("webhook", &params);
    pipeline.submit("a", 0..2);
    pipeline.wait_for_delivered(2);
    for request in hook.confirmed.lock().unwrap().iter() {
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/cloudevents+json");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a shared secret").unwrap();
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(&request.body);
        let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["id"], header("webhook-id"));
    }
}

/// Answers the third request with `status` and `headers`, once or always; all others with 200.
fn at_the_third(status: StatusCode, header: Option<(&'static str, &'static str)>, always: bool) -> Hook {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Hook::new(Arc::new(move |_, number| {
        let struck = if always { number >= 3 } else { number == 3 };
        if struck { (status, headers.clone()) } else { (StatusCode::OK, HeaderMap::new()) }
    }))
}

#[test]
fn passing_troubles_are_tried_again_and_confirmed_ones_are_not_repeated() {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let hook = at_the_third(status, Some(("retry-after", "1")), false);
        let pipeline = Pipeline::start("webhook", &hook.params());
        pipeline.submit("a", 0..5);
        let reason = pipeline.wait_for_retry();
        assert!(reason.contains(status.as_str()), "{reason}");
        pipeline.wait_for_delivered(5);
        let sequences: Vec<u64> = hook.received().iter().map(|record| record.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn an_event_that_is_refused_becomes_a_dead_letter() {
    let hook = at_the_third(StatusCode::UNPROCESSABLE_ENTITY, None, false);
    let pipeline = Pipeline::start("webhook", &hook.params());
    pipeline.submit("a", 0..5);
    pipeline.wait_for("five seen", |status| status.delivered + status.rejected == 5);
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|l| (l.position.0, l.reason.contains("422"))).collect::<Vec<_>>(), [(3, true)]);
}

#[test]
fn lasting_troubles_wait_and_lose_nothing() {
    for (status, header) in [
        (StatusCode::UNAUTHORIZED, None),
        (StatusCode::NOT_FOUND, None),
        (StatusCode::TEMPORARY_REDIRECT, Some(("location", "http://127.0.0.1:1/elsewhere"))),
    ] {
        let hook = at_the_third(status, header, true);
        let pipeline = Pipeline::start("webhook", &hook.params());
        pipeline.submit("a", 0..5);
        let reason = pipeline.wait_for_retry();
        assert!(reason.contains(status.as_str()), "{reason}");
        let status = pipeline.status();
        assert_eq!((status.state, status.rejected, status.backlog), (SinkState::Retrying, 0, 5));
        assert_eq!(hook.received().len(), 2);
    }
}

#[test]
fn private_addresses_need_leave_by_number_and_by_name() {
    let found = mistakes("webhook", &json!({"url": "http://127.0.0.1:9/x"}));
    assert!(found[0].contains("own network") && found[0].contains("allow_private"), "{found:?}");
    let pipeline = Pipeline::start("webhook", &json!({"url": "http://localhost:9/x"}));
    pipeline.submit("a", 0..1);
    let reason = pipeline.wait_for_retry();
    assert!(reason.contains("own network"), "{reason}");
}

#[test]
fn bad_parameters_are_all_named() {
    let found = mistakes("webhook", &json!({"url": "ftp://h/x", "secret_file": "a", "secret_env": "B", "site": ""}));
    for hint in ["`url` cannot be ftp://h/x", "both `secret_file` and `secret_env`", "`site` cannot be"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
}
