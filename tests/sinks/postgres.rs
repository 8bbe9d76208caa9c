//! PostgreSQL: each record once, columns and JSON agree, TLS and logins, rows that it refuses.

use serde_json::json;
use vantage::scene::Event;

use crate::far_side::{FarSide, Postgres};
use crate::store_support::event;
use crate::{Pipeline, mistakes};

#[test]
fn columns_and_json_agree_and_repeats_change_nothing() {
    let far = Postgres::new();
    for _ in 0..2 {
        let pipeline = Pipeline::start("postgres", &far.params());
        pipeline.submit("a", 0..20);
        pipeline.wait_for_delivered(20);
    }
    assert_eq!(far.ask("SELECT count(*) FROM vantage_events"), "20\n");
    let row = far.ask(
        "SELECT camera, kind, severity, phase, extract(epoch FROM time), class, summary FROM vantage_events WHERE sequence = 3",
    );
    assert_eq!(
        row,
        "a|line_crossing|info|instant|1700000002.000000|car|a car crossed the line gate from left to right\n"
    );
    let stored: serde_json::Value =
        serde_json::from_str(&far.ask("SELECT event - 'position' FROM vantage_events WHERE sequence = 3")).unwrap();
    let stored: Event = serde_json::from_value(stored).unwrap();
    assert_eq!(stored, Event { sequence: 3, ..event("a", 2) });
}

#[test]
fn a_row_that_it_refuses_becomes_a_dead_letter() {
    let far = Postgres::new();
    let pipeline = Pipeline::start("postgres", &far.params());
    let mut bad = event("a", 1);
    // jsonb cannot hold U+0000.
    bad.class = Some("ca\0r".to_owned());
    pipeline.store.writer().submit_acked(vec![event("a", 0), bad, event("a", 2)]).unwrap().recv().unwrap();
    pipeline.wait_for("three seen", |status| status.delivered + status.rejected == 3);
    assert_eq!(pipeline.status().rejected, 1);
    assert_eq!(far.ask("SELECT sequence FROM vantage_events ORDER BY 1"), "1\n3\n");
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert!(letters[0].reason.contains("\\u0000"), "{}", letters[0].reason);
}

#[test]
fn what_is_wrong_with_the_connection_is_said() {
    let far = Postgres::new();
    let with = |name: &str, value: &str| {
        let mut params = far.params();
        params[name] = value.into();
        params
    };
    for (params, hint) in [
        (with("username", "somebody"), "password authentication failed"),
        (with("database", "elsewhere"), "does not exist"),
        (with("ca_file", &far.0.pem("other-ca.pem")), "UnknownIssuer"),
    ] {
        let pipeline = Pipeline::start("postgres", &params);
        pipeline.submit("a", 0..1);
        let reason = pipeline.wait_for_retry();
        assert!(reason.contains(hint), "{hint}: {reason}");
        assert_eq!(pipeline.status().backlog, 1);
    }
}

#[test]
fn bad_parameters_are_all_named() {
    let found =
        mistakes("postgres", &json!({"host": "", "database": "d", "table": "a; drop", "tls": false, "ca_file": "x"}));
    for hint in ["`host` is empty", "`table` cannot be", "would be ignored"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
    let found = mistakes("postgres", &json!({"host": "h", "port": 70000}));
    assert!(found.iter().any(|mistake| mistake.contains("`database` is missing")), "{found:?}");
}
