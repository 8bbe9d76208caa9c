//! `rtsps`: certificates are checked, unless the operator says otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/rtsp_server.rs"]
mod rtsp_server;
#[path = "support/servers.rs"]
mod servers;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rtsp_server::FakeCamera;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use vantage::base::time::SystemClock;
use vantage::probe::{self, Failure, Options, Step};

/// A TLS door in front of a plain port, with a certificate that nobody knows.
async fn door(port: u16) -> Option<u16> {
    if !servers::installed("openssl") {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&key).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(socket).await else { continue };
            let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
        }
    });
    Some(outside)
}

#[tokio::test]
async fn unknown_certificates_need_a_word() {
    let camera = FakeCamera::builder().start();
    let Some(port) = door(camera.port()).await else { return };
    let url = format!("rtsps://127.0.0.1:{port}/live");
    let strict = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let refused = probe::handshake(&url, None, &strict, &SystemClock).await;
    assert!(matches!(refused, Err(Failure::Tls { .. })), "{refused:?}");

    let lenient = Options { insecure_tls: true, ..strict.clone() };
    let found = probe::handshake(&url, None, &lenient, &SystemClock).await.unwrap();
    assert!(found.tls && found.step_ms(Step::Tls).is_some());
    assert_eq!(found.video().unwrap().control, format!("{url}/track1"));

    let plain = probe::handshake(&url.replace("rtsps:", "rtsp:"), None, &strict, &SystemClock).await;
    assert_eq!(plain, Err(Failure::NotRtsp { speaks: "TLS".to_owned() }));
}
