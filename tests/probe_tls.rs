//! `rtsps`: certificates are checked, unless the operator says otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/listener.rs"]
mod listener;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/rtsp_server.rs"]
mod rtsp_server;
#[path = "support/servers.rs"]
mod servers;
#[path = "support/tls_door.rs"]
mod tls_door;

use std::time::Duration;

use rtsp_server::FakeCamera;
use tls_door::TlsDoor;
use vantage::base::time::SystemClock;
use vantage::probe::{self, Failure, Options, Step};

#[test]
fn unknown_certificates_need_a_word() {
    let camera = FakeCamera::builder().start();
    let Some(door) = TlsDoor::to(camera.port()) else { return };
    let url = format!("rtsps://127.0.0.1:{}/live", door.port);
    let strict = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handshake = |url: &str, options| runtime.block_on(probe::handshake(url, None, options, &SystemClock));

    let refused = handshake(&url, &strict);
    assert!(matches!(refused, Err(Failure::Tls { .. })), "{refused:?}");

    let lenient = Options { insecure_tls: true, ..strict.clone() };
    let found = handshake(&url, &lenient).unwrap();
    assert!(found.tls && found.step_ms(Step::Tls).is_some());
    assert_eq!(found.video().unwrap().control, format!("{url}/track1"));

    let plain = handshake(&url.replace("rtsps:", "rtsp:"), &strict);
    assert_eq!(plain, Err(Failure::NotRtsp { speaks: "TLS".to_owned() }));
}
