//! A server whose certificate has expired, or is another host's, gets nothing, whichever the sink; the reason says so.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Pipeline;
use crate::services::Services;

/// A listener that would speak TLS; no client of ours should come past the handshake.
pub fn door(services: &Services, certificate: &str, runtime: &tokio::runtime::Runtime) -> u16 {
    let chain = CertificateDer::pem_file_iter(services.pem(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(services.pem(&format!("{certificate}.key"))).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            assert!(acceptor.accept(socket).await.is_err(), "a client accepted a bad certificate");
        }
    });
    port
}

fn refused(certificate: &'static str, hint: &str) {
    let services = Services::showing(certificate, &["nats", "mosquitto", "postgresql"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let door = door(&services, certificate, &runtime);
    let sinks: [(&str, Value); 5] = [
        ("mqtt", json!({"host": "localhost", "port": services.port("MQTT_TLS_PORT"), "tls": true})),
        ("nats", json!({"url": services.get("NATS_TLS_URL")})),
        ("postgres", json!({"host": "localhost", "port": services.port("PG_PORT"), "database": "postgres"})),
        ("syslog", json!({"host": "localhost", "port": door})),
        ("webhook", json!({"url": format!("https://localhost:{door}/x"), "allow_private": true})),
    ];
    for (kind, mut params) in sinks {
        params["ca_file"] = services.pem("ca.pem").into();
        let pipeline = Pipeline::start(kind, &params);
        pipeline.submit("a", 0..1);
        let reason = pipeline.wait_for_retry();
        assert!(reason.contains(hint), "{kind}: {reason}");
        assert_eq!((pipeline.status().delivered, pipeline.status().backlog), (0, 1), "{kind}");
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    refused("expired", "xpired");
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    refused("elsewhere", "elsewhere.example");
}
