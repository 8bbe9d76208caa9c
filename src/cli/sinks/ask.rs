//! Asking the running program about its sinks, by the port that the pipeline file gives it.
//!
//! A port with TLS is known by its certificate: the one of the pipeline file itself, byte for byte. That needs no authority
//! and no name, and trusts nobody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::Deserialize;

use crate::base::{Secret, with_causes};
use crate::config::Plan;

/// How long the running program may take for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `/api/sinks` says of a sink.
#[derive(Debug, Deserialize)]
pub(super) struct Running {
    pub(super) sink: String,
    pub(super) state: String,
    pub(super) last_error: Option<String>,
}

/// What the running program says of its sinks.
///
/// # Errors
/// Why nothing is known, for people.
pub(super) fn ask(plan: &Plan, token: Option<&Secret>) -> Result<Vec<Running>, String> {
    let server = plan.server.as_ref().ok_or("the pipeline has no `server`")?;
    let mut client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let scheme = match &server.tls {
        Some(tls) => {
            client = client.tls_backend_preconfigured(trusting(&tls.certificate(&plan.store.path))?);
            "https"
        }
        None => "http",
    };
    let address = format!("{scheme}://{}/api/sinks", reachable(server.listen));
    let silent = |e: reqwest::Error| format!("no answer from a running program: {}", with_causes(&e));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut request = client.build().map_err(silent)?.get(address);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        let answer = request.send().await.map_err(silent)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err("the port asks who is there: give --token-file".to_owned()),
            other => return Err(format!("the port answers {other}")),
        }
        let body = answer.bytes().await.map_err(silent)?;
        serde_json::from_slice(&body).map_err(|e| format!("the port answers something else: {e}"))
    })
}

/// Where a port that listens everywhere is reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn trusting(file: &Path) -> Result<ClientConfig, String> {
    let certificate = CertificateDer::pem_file_iter(file)
        .and_then(|mut all| all.next().transpose())
        .map_err(|e| format!("{}: {e}", file.display()))?
        .ok_or_else(|| format!("{}: there is no certificate in it", file.display()))?;
    let provider = Arc::new(ring::default_provider());
    let only = OnlyThis { certificate, provider: Arc::clone(&provider) };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(only))
        .with_no_client_auth())
}

/// Takes one certificate, and checks that the far side owns its key.
#[derive(Debug)]
struct OnlyThis {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
