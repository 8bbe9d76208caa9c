//! Stills inside messages: what a receiver decodes is the file, and whatever keeps a still out is said, on each far side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use vantage::contract::Checker;
use vantage::scene::Event;

use crate::far_side::{FarSide, Hook, Mqtt, Nats, Request};
use crate::store_support::{event, wait_until};
use crate::{Pipeline, mistakes};

/// A picture of noise: some 0.8 bytes a pixel.
pub fn picture(width: u16, height: u16) -> Vec<u8> {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let rgb: Vec<u8> = noise.take(usize::from(width) * usize::from(height) * 3).collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 85).encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    jpeg
}

/// The `n`th event, which names a still.
pub fn with_still(n: u64) -> Event {
    let mut event = event("a", n);
    event.still = Some(format!("a.{n}.jpg"));
    event
}

pub fn submit(pipeline: &Pipeline, events: Vec<Event>) {
    pipeline.store.writer().submit_acked(events).unwrap().recv().unwrap();
}

/// What a receiver makes of `data.still_inline`: the decoded picture, or why there is none; `None` without it.
fn received(body: &Value) -> Option<Result<Vec<u8>, String>> {
    let still = body["data"].get("still_inline")?;
    if let Some(why) = still.get("left_out") {
        return Some(Err(why.as_str().unwrap().to_owned()));
    }
    let jpeg = STANDARD.decode(still["base64"].as_str().unwrap()).unwrap();
    assert_eq!((still["bytes"].as_u64(), &still["media_type"]), (Some(jpeg.len() as u64), &json!("image/jpeg")));
    assert!(image::load_from_memory(&jpeg).is_ok(), "a picture");
    Some(Ok(jpeg))
}

/// The contract holds, and what came of each still is as expected.
pub fn check(bodies: &[Value], expected: &[Option<Result<Vec<u8>, String>>]) {
    let mut checker = Checker::new().unwrap();
    bodies.iter().for_each(|body| checker.take(body.to_string().as_bytes()));
    let summary = checker.finish();
    assert!(summary.ok, "{:#?}", summary.findings);
    // By what was said or by length: a dump of pictures helps nobody.
    let short = |still: &Option<Result<Vec<u8>, String>>| {
        still.as_ref().map(|still| still.as_ref().map(Vec::len).map_err(Clone::clone))
    };
    let found: Vec<_> = bodies.iter().map(received).collect();
    assert_eq!(found.iter().map(short).collect::<Vec<_>>(), expected.iter().map(short).collect::<Vec<_>>());
    assert!(found == expected, "the same length and other bytes");
}

/// On any far side: carried, written late, too large, never written, and none at all.
pub fn carries(kind: &str, mut params: Value, bodies: &dyn Fn() -> Vec<Value>) {
    params["inline_still_kib"] = 40.into();
    let pipeline = Pipeline::start(kind, &params);
    let (small, large) = (picture(128, 96), picture(320, 240));
    assert!(small.len() < 40 << 10 && large.len() > 40 << 10, "{} {}", small.len(), large.len());
    pipeline.store.put_still("a.1.jpg", &small).unwrap();
    pipeline.store.put_still("a.2.jpg", &large).unwrap();
    submit(&pipeline, vec![event("a", 0), with_still(1), with_still(2)]);
    pipeline.wait_for_delivered(3);
    submit(&pipeline, vec![with_still(3), event("a", 4)]);
    std::thread::sleep(Duration::from_millis(100));
    pipeline.store.put_still("a.3.jpg", &small).unwrap();
    pipeline.wait_for_delivered(5);
    submit(&pipeline, vec![with_still(5), event("a", 6)]);
    pipeline.wait_for_delivered(7);
    wait_until("seven received", Duration::from_secs(30), || bodies().len() >= 7);
    let no = |why: &str| Some(Err(why.to_owned()));
    let expected = [None, Some(Ok(small.clone())), no("too_large"), Some(Ok(small)), None, no("not_yet"), None];
    check(&bodies(), &expected);
    assert_eq!(bodies()[1]["data"]["still"], "a.1.jpg", "the reference stays");
}

#[test]
fn nats_carries_stills() {
    let far = Nats::new();
    carries("nats", far.params(), &|| far.messages().into_iter().map(|(_, body)| body).collect());
}

#[test]
fn mqtt_carries_stills_in_both_versions() {
    for version in ["3.1.1", "5"] {
        let far = Mqtt::new(version);
        carries("mqtt", far.params(), &|| far.bodies());
    }
}

#[test]
fn a_webhook_carries_stills() {
    let far = Hook::willing();
    carries("webhook", far.params(), &|| bodies(&far));
}

fn bodies(far: &Hook) -> Vec<Value> {
    far.confirmed.lock().unwrap().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn without_the_parameter_a_still_is_named_and_no_more() {
    let far = Hook::willing();
    let pipeline = Pipeline::start("webhook", &far.params());
    pipeline.store.put_still("a.0.jpg", &picture(32, 32)).unwrap();
    submit(&pipeline, vec![with_still(0)]);
    pipeline.wait_for_delivered(1);
    check(&bodies(&far), &[None]);
    assert_eq!(bodies(&far)[0]["data"]["still"], "a.0.jpg");
}

/// A still that fits, between two events, in messages that do not: all three arrive, in order, without the picture.
fn goes_without(kind: &str, params: &Value, still: &[u8], bodies: &dyn Fn() -> Vec<Value>) {
    let pipeline = Pipeline::start(kind, params);
    pipeline.store.put_still("a.1.jpg", still).unwrap();
    let mut long = with_still(1);
    long.explanation.summary = "long ".repeat(4000);
    submit(&pipeline, vec![event("a", 0), long, event("a", 2)]);
    pipeline.wait_for_delivered(3);
    wait_until("three received", Duration::from_secs(30), || bodies().len() >= 3);
    check(&bodies(), &[None, Some(Err("not_taken".to_owned())), None]);
    assert_eq!(pipeline.status().rejected, 0, "no dead letter for a picture");
}

#[test]
fn a_still_larger_than_the_nats_server_takes_is_left_out() {
    let far = Nats::new();
    let mut params = far.params();
    params["inline_still_kib"] = 1000.into();
    let still = picture(1200, 950);
    // In base64 it is more than the server's max_payload of 1 MiB.
    assert!((800 << 10..1000 << 10).contains(&still.len()), "{}", still.len());
    goes_without("nats", &params, &still, &|| far.messages().into_iter().map(|(_, body)| body).collect());
}

#[test]
fn a_still_larger_than_the_stream_takes_is_left_out() {
    let far = Nats::new();
    far.make_stream(64 * 1024);
    let mut params = far.params();
    (params["create"], params["inline_still_kib"]) = (false.into(), 100.into());
    let still = picture(320, 240);
    assert!((48 << 10..100 << 10).contains(&still.len()), "{}", still.len());
    goes_without("nats", &params, &still, &|| far.messages().into_iter().map(|(_, body)| body).collect());
}

#[test]
fn a_still_that_makes_an_mqtt_message_too_large_is_left_out() {
    let far = Mqtt::new("3.1.1");
    let mut params = far.params();
    (params["max_kib"], params["inline_still_kib"]) = (62.into(), 40.into());
    // With the event's 20 KB it is more than 62 KiB.
    let still = picture(240, 180);
    assert!((31 << 10..40 << 10).contains(&still.len()), "{}", still.len());
    goes_without("mqtt", &params, &still, &|| far.bodies());
}

#[test]
fn a_still_that_an_http_server_refuses_is_left_out() {
    let far = Hook::new(Arc::new(|request: &Request, _| match request.body.len() {
        0..50_000 => (StatusCode::OK, HeaderMap::new()),
        _ => (StatusCode::PAYLOAD_TOO_LARGE, HeaderMap::new()),
    }));
    let mut params = far.params();
    params["inline_still_kib"] = 100.into();
    goes_without("webhook", &params, &picture(240, 180), &|| bodies(&far));
}

#[test]
fn what_cannot_work_is_told_beforehand() {
    let mqtt = |extra: Value| {
        let mut params = json!({"host": "h", "inline_still_kib": 300});
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        mistakes("mqtt", &params)
    };
    assert!(mqtt(json!({}))[0].contains("write `max_kib: 408` or more"), "{:?}", mqtt(json!({})));
    assert_eq!(mqtt(json!({"max_kib": 408})), [""; 0]);
    assert!(mqtt(json!({"max_kib": 408, "dialect": "frigate"}))[0].contains("only the dialect `native`"));
    for (value, hint) in [(json!(-1), "the least is 0"), (json!(5000), "the most is 4096"), (json!("1"), "integer")] {
        let found = mistakes("nats", &json!({"url": "nats://h", "inline_still_kib": value}));
        assert!(found.len() == 1 && found[0].contains(hint), "{found:?}");
    }
    assert!(mistakes("jsonl", &json!({"path": "x", "inline_still_kib": 1}))[0].contains("no parameter"));
}
