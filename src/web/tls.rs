//! The port's certificate: one that is given, or one that is made at the first start and kept.

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::base::{Error, ErrorKind, Result};
use crate::config::ServerTls;

/// What rustls needs to serve. A certificate of the program's own is kept in `store` as `tls-cert.pem` and `tls-key.pem`.
///
/// # Errors
/// `Config` when the files hold no certificate or key, or the two do not fit; `Io` for the disk.
pub(super) fn server_config(plan: &ServerTls, store: &Path, listen: IpAddr) -> Result<Arc<ServerConfig>> {
    let (certificate, key) = match plan {
        ServerTls::Files { certificate, key } => (certificate.clone(), key.clone()),
        ServerTls::SelfSigned => {
            let pair = (plan.certificate(store), store.join("tls-key.pem"));
            if !pair.0.is_file() || !pair.1.is_file() {
                make(&pair.0, &pair.1, listen)?;
            }
            pair
        }
    };
    let bad = |path: &Path, why: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Config, format!("{}: {why}", path.display()))
            .help("`server.tls` takes PEM files: a certificate (with those that vouch for it) and its private key")
    };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect).map_err(|e| bad(&certificate, &e))?;
    if chain.is_empty() {
        return Err(bad(&certificate, &"holds no certificate"));
    }
    let secret = PrivateKeyDer::from_pem_file(&key).map_err(|e| bad(&key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Internal, "TLS cannot be set up").source(e))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| bad(&certificate, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn make(certificate: &Path, key: &Path, listen: IpAddr) -> Result<()> {
    let failed = |e: rcgen::Error| Error::new(ErrorKind::Internal, "a certificate cannot be made").source(e);
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(rustix::system::uname().nodename().to_str().ok().filter(|name| !name.is_empty()).map(str::to_owned));
    let made = rcgen::generate_simple_self_signed(names).map_err(failed)?;
    write(key, &made.signing_key.serialize_pem(), 0o600)?;
    write(certificate, &made.cert.pem(), 0o644)?;
    tracing::warn!(
        certificate = %certificate.display(),
        "the port uses a certificate of its own making: browsers will warn until they are told to trust it"
    );
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| Error::io(path, e))
}
