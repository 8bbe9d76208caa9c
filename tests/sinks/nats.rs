//! NATS: TLS with a client certificate, refused logins, messages that are too large, bad parameters.

use serde_json::{Value, json};

use crate::far_side::{FarSide, Nats};
use crate::store_support::event;
use crate::{Pipeline, mistakes};

fn tls(far: &Nats) -> Value {
    json!({
        "url": far.0.get("NATS_TLS_URL"), "username": "vantage", "password_file": far.0.password_file(),
        "ca_file": far.0.pem("ca.pem"), "cert_file": far.0.pem("client.pem"),
        "key_file": far.0.pem("client.key"),
    })
}

#[test]
fn tls_with_login_and_client_certificate() {
    let far = Nats::new();
    let pipeline = Pipeline::start("nats", &tls(&far));
    pipeline.submit("a", 0..10);
    pipeline.wait_for_delivered(10);

    let with = |name: &str, value: &str| {
        let mut params = tls(&far);
        params[name] = value.into();
        params
    };
    let without_certificate = {
        let mut params = tls(&far);
        params.as_object_mut().unwrap().retain(|name, _| name != "cert_file" && name != "key_file");
        params
    };
    for (params, hint) in [
        (with("username", "somebody"), "uthoriz"),
        (with("ca_file", &far.0.pem("other-ca.pem")), "UnknownIssuer"),
        (without_certificate, ""),
    ] {
        let pipeline = Pipeline::start("nats", &params);
        pipeline.submit("a", 0..1);
        let reason = pipeline.wait_for_retry();
        assert!(reason.contains(hint), "{hint}: {reason}");
        assert!(!reason.contains("secret"), "{reason}");
        assert_eq!(pipeline.status().backlog, 1);
    }
}

#[test]
fn repeats_are_dropped_by_the_server() {
    let far = Nats::new();
    for _ in 0..2 {
        // A second store with the same events, as after a lost cursor.
        let pipeline = Pipeline::start("nats", &far.params());
        pipeline.submit("a", 0..20);
        pipeline.wait_for_delivered(20);
    }
    assert_eq!(far.received().len(), 20);
}

#[test]
fn an_event_larger_than_the_server_takes_becomes_a_dead_letter() {
    let far = Nats::new();
    let pipeline = Pipeline::start("nats", &far.params());
    let mut large = event("a", 1);
    // The server's default max_payload is 1 MiB.
    large.explanation.summary = "long ".repeat(300_000);
    pipeline.store.writer().submit_acked(vec![event("a", 0), large, event("a", 2)]).unwrap().recv().unwrap();
    pipeline.wait_for("three seen", |status| status.delivered + status.rejected == 3);
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|l| l.position.0).collect::<Vec<_>>(), [2]);
    assert!(letters[0].reason.contains("max_payload"), "{}", letters[0].reason);
}

#[test]
fn an_event_larger_than_the_stream_takes_becomes_a_dead_letter() {
    let far = Nats::new();
    far.make_stream(64 * 1024);
    let mut params = far.params();
    params["create"] = false.into();
    let pipeline = Pipeline::start("nats", &params);
    let mut large = event("a", 1);
    large.explanation.summary = "long ".repeat(30_000);
    pipeline.store.writer().submit_acked(vec![event("a", 0), large, event("a", 2)]).unwrap().recv().unwrap();
    pipeline.wait_for("three seen", |status| status.delivered + status.rejected == 3);
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|l| l.position.0).collect::<Vec<_>>(), [2]);
    assert!(letters[0].reason.contains("stream CITY"), "{}", letters[0].reason);
}

#[test]
fn a_stream_that_nobody_made_is_named() {
    let far = Nats::new();
    let mut params = far.params();
    params["create"] = false.into();
    let pipeline = Pipeline::start("nats", &params);
    pipeline.submit("a", 0..1);
    let reason = pipeline.wait_for_retry();
    assert!(reason.contains("stream CITY"), "{reason}");
}

#[test]
fn bad_parameters_are_all_named() {
    let found =
        mistakes("nats", &json!({"url": "http://h", "prefix": "a.*", "stream": "a b", "site": "x y", "ca_file": "x"}));
    for hint in ["`url` cannot be http://h/", "`prefix` cannot be", "`stream` cannot be", "`site` cannot be"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
    let found = mistakes("nats", &json!({"url": "nats://u:p@h"}));
    assert!(found[0].contains("holds a login") && !found[0].contains("u:p"), "{found:?}");
    let found = mistakes("nats", &json!({"url": "nats://h", "ca_file": "x", "password_env": "P"}));
    assert!(found.iter().any(|m| m.contains("would be ignored")) && found.iter().any(|m| m.contains("no user")));
}
