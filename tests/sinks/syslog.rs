//! Syslog: octet counting over TCP and TLS, datagrams, the parts of a message, a collector that goes away.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use crate::services::Services;
use crate::store_support::event;
use crate::{Pipeline, mistakes};

/// The next message of a stream with octet counting (RFC 6587 §3.4.1).
fn next(stream: &mut impl BufRead) -> String {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).unwrap();
    let length: usize = std::str::from_utf8(&length).unwrap().trim().parse().unwrap();
    let mut message = vec![0; length];
    stream.read_exact(&mut message).unwrap();
    String::from_utf8(message).unwrap()
}

fn check(message: &str, sequence: u64) {
    let (header, rest) = message.split_once(" [").unwrap();
    let time = format!("2023-11-14T22:13:{}Z", 20 + sequence - 1);
    // local0 (16) and informational (6): 134.
    assert_eq!(header, format!("<134>1 {time} tower vantage - line_crossing"));
    let (data, text) = rest.split_once("] ").unwrap();
    assert!(data.contains(" camera=\"a\"") && data.contains(&format!(" sequence=\"{sequence}\"")), "{data}");
    assert_eq!(text, "\u{feff}a car crossed the line gate from left to right");
}

#[test]
fn tcp_and_a_collector_that_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pipeline =
        Pipeline::start("syslog", &json!({"host": "127.0.0.1", "port": port, "transport": "tcp", "hostname": "tower"}));
    pipeline.submit("a", 0..3);
    let mut first = BufReader::new(listener.accept().unwrap().0);
    (1..=3).for_each(|sequence| check(&next(&mut first), sequence));
    pipeline.wait_for_delivered(3);
    // The collector restarts: what comes next goes over a new connection.
    drop(first);
    std::thread::sleep(Duration::from_millis(50));
    pipeline.submit("a", 3..4);
    let mut second = BufReader::new(listener.accept().unwrap().0);
    check(&next(&mut second), 4);
    pipeline.wait_for_delivered(4);
}

#[test]
fn tls_with_certificates_on_both_sides() {
    let services = Services::start(&["mosquitto"]);
    let pem = |name: &str| services.pem(name);
    let chain = CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let params = json!({
        "host": "localhost", "port": port, "hostname": "tower", "ca_file": pem("ca.pem"),
        "cert_file": pem("client.pem"), "key_file": pem("client.key"),
    });
    let pipeline = Pipeline::start("syslog", &params);
    pipeline.submit("a", 0..2);
    let socket = listener.accept().unwrap().0;
    let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = BufReader::new(rustls::StreamOwned::new(session, socket));
    (1..=2).for_each(|sequence| check(&next(&mut stream), sequence));
    pipeline.wait_for_delivered(2);
}

#[test]
fn datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let pipeline =
        Pipeline::start("syslog", &json!({"host": "127.0.0.1", "port": port, "transport": "udp", "hostname": "tower"}));
    pipeline.submit("a", 0..2);
    for sequence in 1..=2 {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        check(std::str::from_utf8(&buffer[..length]).unwrap(), sequence);
    }
}

#[test]
fn an_event_larger_than_a_datagram_becomes_a_dead_letter() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let pipeline =
        Pipeline::start("syslog", &json!({"host": "127.0.0.1", "port": port, "transport": "udp", "hostname": "tower"}));
    let mut large = event("a", 1);
    large.explanation.summary = "long ".repeat(14_000);
    pipeline.store.writer().submit_acked(vec![event("a", 0), large, event("a", 2)]).unwrap().recv().unwrap();
    pipeline.wait_for("three seen", |status| status.delivered + status.rejected == 3);
    for sequence in [1, 3] {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        check(std::str::from_utf8(&buffer[..length]).unwrap(), sequence);
    }
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [2]);
    assert!(letters[0].reason.contains("datagram"), "{}", letters[0].reason);
}

#[test]
fn bad_parameters_are_all_named() {
    let params =
        json!({"host": "h", "transport": "tcp", "facility": 24, "hostname": "a b", "username": "x", "ca_file": "f"});
    let found = mistakes("syslog", &params);
    for hint in ["`facility` is 24", "`hostname` cannot be", "no login", "`ca_file` would be ignored"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
}
