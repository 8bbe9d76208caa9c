//! The port with TLS, asked by a real TLS client; and that other machines reach it only with TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::ports::free_port;
use crate::program::{Running, get, pipeline, run, wait_for};
use crate::site::Client;

/// A pipeline whose only camera never answers, with this `server` section.
fn site(folder: &Path, server: &str) -> PathBuf {
    pipeline(folder, &format!("server: {server}"), &[("gate", "rtsp://127.0.0.1:1/cam")])
}

/// A client that trusts the certificates of this PEM file and no others.
fn trusting(pem: &Path, address: &str) -> Client {
    let trusted = Certificate::from_pem(&std::fs::read(pem).unwrap()).unwrap();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[trusted]))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build();
    Client { agent: config.new_agent(), base: format!("https://{address}"), cookie: None, csrf: String::new() }
}

/// Waits for the page and gives the one-time password of the first login.
fn one_time(program: &Running) -> String {
    wait_for("the one-time password", 30, || {
        let log = program.log();
        let line = log.lines().find(|line| line.starts_with("first login"))?.to_owned();
        line.rsplit(' ').next().map(str::to_owned)
    })
}

/// The page and a login over TLS; neither without TLS nor with other trust is anything told.
fn answers_by_tls_only(port: u16, certificate: &Path, other: &Path, password: &str) {
    let address = format!("localhost:{port}");
    let mut client = trusting(certificate, &address);
    let page = client.send("GET", "/", &[], None);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<!doctype html>"), "{}", page.text());
    let login = client.enter("admin", password);
    assert_eq!(login.status, 200, "{}", login.text());
    assert!(login.header("set-cookie").contains("; Secure"), "{}", login.header("set-cookie"));
    assert_eq!(client.get("/session").json()["user"], "admin");

    let stranger = trusting(other, &address);
    assert!(stranger.agent.get(format!("https://{address}/")).call().is_err(), "a certificate that nobody vouches for");
    let plain = get(&address, "/").unwrap_or_default();
    assert!(!plain.contains("html"), "an answer without TLS: {plain}");
}

/// A certificate for `localhost` with its key, as files.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn its_own_certificate_lets_it_listen_for_other_machines_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = site(folder.path(), &format!("{{listen: '0.0.0.0:{port}', tls: {{self_signed: true}}}}"));
    let (other, _) = certificate(folder.path(), "other");
    let mut program = Running::start(&file);
    let password = one_time(&program);
    let made = folder.path().join("vantage-data/tls-cert.pem");
    answers_by_tls_only(port, &made, &other, &password);
    let before = std::fs::read(&made).unwrap();
    program.stop();
    let program = Running::start(&file);
    let client = trusting(&made, &format!("localhost:{port}"));
    wait_for("the page again", 30, || client.agent.get(format!("{}/", client.base)).call().ok().map(drop));
    assert_eq!(std::fs::read(&made).unwrap(), before, "browsers were told to trust it: {}", program.log());
}

#[test]
fn a_given_certificate_is_the_one_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let (shown, key) = certificate(folder.path(), "shown");
    let (other, other_key) = certificate(folder.path(), "other");
    let section = |key: &Path| {
        format!("{{listen: '127.0.0.1:{port}', tls: {{certificate: '{}', key: '{}'}}}}", shown.display(), key.display())
    };
    let program = Running::start(&site(folder.path(), &section(&key)));
    answers_by_tls_only(port, &shown, &other, &one_time(&program));
    drop(program);

    let refused = run(&["run".as_ref(), site(folder.path(), &section(&other_key)).as_os_str()]);
    assert!(!refused.status.success(), "another certificate's key: {}", refused.stderr);
    assert!(refused.stderr.contains("shown.pem"), "{}", refused.stderr);
}

#[test]
fn without_tls_it_does_not_listen_for_other_machines() {
    let folder = tempfile::tempdir().unwrap();
    for server in ["{listen: '0.0.0.0:0'}", "{listen: '0.0.0.0:0', authentication: false, tls: {self_signed: true}}"] {
        let refused = run(&["run".as_ref(), site(folder.path(), server).as_os_str()]);
        assert_eq!(refused.status.code(), Some(78), "{server}: {}", refused.stderr);
        assert!(refused.stderr.contains("reached from other machines"), "{}", refused.stderr);
    }
}
