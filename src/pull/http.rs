//! One request of a pull: asks for the bytes that are missing and appends them to the part.
//!
//! HTTP range requests are those of RFC 9110, section 14. Certificates are checked against the system's roots;
//! an `https` address is never left for one without TLS. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, ResponseExt};
use url::Url;

use super::catalog::Entry;
use super::part::Part;
use crate::base::{Error, ErrorKind, Result, redact_url};

/// How a request ended without the whole file.
#[derive(Debug)]
pub(super) enum Failure {
    /// Asking again gives the same.
    Final(Error),
    /// The connection broke, or the server is not well: asking again may help.
    Passing(Error),
    /// What is there cannot be continued; it was forgotten. Asking again from the start may help.
    StartOver(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// An HTTP client for pulls that gives up on a server that says nothing for `patience`.
pub(super) fn client(patience: Duration) -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .user_agent(concat!("vantage/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .build()
        .new_agent()
}

/// Appends what is missing, telling after each piece. The part is whole when this succeeds.
pub(super) fn request(
    client: &Agent,
    url: &Url,
    entry: &Entry,
    part: &mut Part,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let shown = redact_url(url.as_str());
    let mut request = client.get(url.as_str()).config().https_only(url.scheme() == "https").build();
    if part.len() > 0 {
        request = request.header(header::RANGE, format!("bytes={}-", part.len()));
    }
    // Any other coding would have other bytes than the catalogue states.
    let mut answer =
        request.header(header::ACCEPT_ENCODING, "identity").call().map_err(|error| classify(error, &shown))?;
    let status = answer.status();
    // The address that answered, after redirects: whoever reads the error wants to know.
    let answered = redact_url(&answer.get_uri().to_string());
    let shown = if answered == shown { shown } else { format!("{shown} ({answered})") };
    match status {
        StatusCode::OK => part.reset()?,
        StatusCode::PARTIAL_CONTENT if part.len() > 0 => {
            let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let (start, whole) = range.and_then(content_range).unwrap_or_default();
            if whole.is_some_and(|whole| whole != entry.bytes) {
                return Err(other_size(&shown, whole.unwrap_or_default(), entry).into());
            }
            if start != part.len() {
                let error = format!("{shown}: byte {} was asked for, the answer begins at {start}", part.len());
                part.reset()?;
                return Err(Failure::StartOver(Error::new(ErrorKind::Corrupt, error)));
            }
        }
        StatusCode::RANGE_NOT_SATISFIABLE if part.len() > 0 => {
            part.reset()?;
            let error = format!("{shown}: the server cannot continue the file ({status})");
            return Err(Failure::StartOver(Error::new(ErrorKind::Corrupt, error)));
        }
        _ => return Err(refused(status, &shown)),
    }
    let stated = answer.body().content_length().map(|length| part.len() + length);
    if let Some(size) = stated.filter(|size| *size != entry.bytes) {
        return Err(other_size(&shown, size, entry).into());
    }
    read_body(answer.body_mut(), &shown, entry, part, progress)
}

fn read_body(
    body: &mut Body,
    shown: &str,
    entry: &Entry,
    part: &mut Part,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut reader = body.as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(read) => read,
            Err(error) => return Err(classify(error.into(), shown)),
        };
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        if part.len() + piece.len() as u64 > entry.bytes {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{shown}: gives more than the {} bytes that the catalogue states", entry.bytes),
            )
            .help(OTHER_FILE)
            .into());
        }
        part.append(piece)?;
        progress(part.len());
    }
    if part.len() < entry.bytes {
        let error = format!("{shown}: ended after {} of {} bytes", part.len(), entry.bytes);
        return Err(Failure::Passing(Error::new(ErrorKind::Corrupt, error)));
    }
    Ok(())
}

const OTHER_FILE: &str = "what is published there is not the file of the catalogue (an error page, a newer version?); \
    --from takes a mirror or a folder";

fn other_size(shown: &str, bytes: u64, entry: &Entry) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{shown}: {bytes} bytes, the catalogue states {}", entry.bytes))
        .help(OTHER_FILE)
}

/// `bytes 100-199/200` as (100, 200); the second is unknown for `*` (RFC 9110, 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, whole.trim().parse().ok()))
}

fn refused(status: StatusCode, shown: &str) -> Failure {
    let told = |kind| Error::new(kind, format!("{shown}: the server says {status}"));
    match status.as_u16() {
        404 | 410 => Failure::Final(told(ErrorKind::NotFound).help("--from takes a mirror or a folder")),
        401 | 403 | 407 => Failure::Final(
            told(ErrorKind::Auth).help("a login can stand in the address of --from: https://user:password@mirror/"),
        ),
        408 | 425 | 429 | 500..=599 => Failure::Passing(told(ErrorKind::Unreachable).help("try again later")),
        _ => Failure::Final(told(ErrorKind::Unsupported)),
    }
}

#[allow(clippy::needless_pass_by_value)] // as it comes from `map_err`
fn classify(error: ureq::Error, shown: &str) -> Failure {
    let told = |kind| Error::new(kind, format!("{shown}: {error}"));
    match &error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
            Failure::Final(told(ErrorKind::Usage))
        }
        ureq::Error::RequireHttpsOnly(_) => Failure::Final(
            told(ErrorKind::Unsupported).help("the server redirects to an address without TLS, which is not followed"),
        ),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed | ureq::Error::ConnectProxyFailed(_) => {
            Failure::Final(told(ErrorKind::Unreachable))
        }
        ureq::Error::Io(io) if certificate_refused(io) => Failure::Final(untrusted(told(ErrorKind::Unreachable))),
        ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)) => {
            Failure::Final(untrusted(told(ErrorKind::Unreachable)))
        }
        _ => {
            Failure::Passing(told(ErrorKind::Unreachable).help("check the network; --from takes a mirror or a folder"))
        }
    }
}

fn certificate_refused(io: &std::io::Error) -> bool {
    let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn untrusted(error: Error) -> Error {
    error.help(
        "the system does not trust this certificate: install its authority (package ca-certificates), \
        or name a file with it in SSL_CERT_FILE",
    )
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["", "bytes", "bytes */200", "items 1-2/3", "bytes x-2/3"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
