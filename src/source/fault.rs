//! Failures inside a running graph, as our errors.

use std::sync::{Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::Location;
use crate::base::{Error, ErrorKind};

/// The first failure that a callback on a streaming thread noticed.
#[derive(Debug, Default)]
pub struct FaultCell(Mutex<Option<Error>>);

impl FaultCell {
    /// Notes a failure; the first one stays.
    pub fn set(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
    /// Takes the failure.
    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The camera went on asking for credentials.
pub fn refused_credentials() -> Error {
    Error::new(ErrorKind::Auth, "the camera refused the credentials (401)")
        .help("check username and password; `vantage probe URL` tells which scheme the camera asks for")
}

/// The camera's certificate was refused for these reasons.
pub fn refused_certificate(location: &Location, flags: gio::TlsCertificateFlags) -> Error {
    use gio::TlsCertificateFlags as F;
    let reasons = [
        (F::UNKNOWN_CA, "its authority is not known"),
        (F::BAD_IDENTITY, "it is for another name"),
        (F::NOT_ACTIVATED, "it is not valid yet"),
        (F::EXPIRED, "it has expired"),
        (F::REVOKED, "it was revoked"),
        (F::INSECURE, "its algorithm is too weak"),
    ];
    let said: Vec<&str> = reasons.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, text)| *text).collect();
    let why = if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) };
    Error::new(ErrorKind::Io, format!("{location}: the camera's certificate is not trusted{why}")).help(TRUST)
}

const TRUST: &str = "give the camera's certificate or its authority: `tls: {ca_file: camera.pem}`; \
    the address must be a name in it. `tls: {insecure: true}` takes any";

/// What `souphttpsrc` tells of an answer that is no stream: a login page, a single picture. `None` for anything
/// else, failures by status included, which come as errors.
pub fn not_a_stream(location: &Location, said: &gst::StructureRef) -> Option<Error> {
    if said.name() != "http-headers" || said.get::<u32>("http-status-code").ok()? != 200 {
        return None;
    }
    let headers = said.get::<gst::Structure>("response-headers").ok()?;
    let (name, _) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    let written = headers.get::<String>(name).ok()?;
    let kind = written.split(';').next().unwrap_or_default().trim();
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    Some(
        Error::new(ErrorKind::Unsupported, format!("{location}: answers with {kind}, not with a Motion JPEG stream"))
            .help("name the stream's own address (multipart/x-mixed-replace): a browser shows moving pictures there"),
    )
}

/// The failure of a dial that nobody answers.
pub fn nobody_answers(location: &Location) -> Error {
    let (kind, what, help) = does_not_answer();
    Error::new(kind, format!("{location}: {what}")).help(help)
}

fn does_not_answer() -> (ErrorKind, String, &'static str) {
    (
        ErrorKind::Unreachable,
        "the camera does not answer".to_owned(),
        "check the address, the port and the network; `vantage probe URL` tries step by step",
    )
}

/// How the refusal of a transport reads.
const TRANSPORT_REFUSED: &str = "the server refuses this transport (461)";

/// What an error message on the bus means.
pub fn from_bus(location: &Location, message: &gst::message::Error) -> Error {
    let error = message.error();
    let detail = message.debug().map(|d| d.to_string()).unwrap_or_default();
    let element = message.src().map(|src| src.name().to_string()).unwrap_or_default();
    let (kind, what, help) = classify(location, &error, &detail);
    let error = Error::new(kind, format!("{location}: {what}")).source(format!("{element}: {error}"));
    if help.is_empty() { error } else { error.help(help) }
}

fn classify(location: &Location, error: &gst::glib::Error, detail: &str) -> (ErrorKind, String, &'static str) {
    let says = |text: &str| detail.contains(text) || error.message().contains(text);
    let status = |code: &str| detail.contains(&format!("({code})")) || detail.contains(&format!(" {code} "));
    if let Some(resource) = error.kind::<gst::ResourceError>() {
        use gst::ResourceError as R;
        return match resource {
            R::NotAuthorized => (
                ErrorKind::Auth,
                "the camera refused the credentials (401)".to_owned(),
                "check username and password; `vantage probe URL` tells which scheme the camera asks for",
            ),
            R::NotFound => (
                ErrorKind::NotFound,
                "the camera knows no such stream (404)".to_owned(),
                "check the path of the address; the camera's manual or web page names it",
            ),
            _ if says("401") || status("401") => {
                (ErrorKind::Auth, "the camera refused the credentials (401)".to_owned(), "check username and password")
            }
            _ if says("certificate") || says("TLS") => {
                (ErrorKind::Io, format!("the camera's certificate is not trusted: {}", error.message()), TRUST)
            }
            _ if says("Could not connect") || says("Failed to connect") || says("Could not resolve") => {
                does_not_answer()
            }
            _ if says("461") || says("Unsupported Transport") || says("unsupported transport") => (
                ErrorKind::Unsupported,
                TRANSPORT_REFUSED.to_owned(),
                "set `transport: udp`, or `transport: auto` to try both",
            ),
            R::NoSpaceLeft => (ErrorKind::DiskFull, error.message().to_owned(), ""),
            _ if matches!(location, Location::File(_)) => {
                (ErrorKind::Corrupt, format!("cannot be read: {}", error.message()), "")
            }
            _ => match http_status(detail) {
                Some(code) => (
                    ErrorKind::Io,
                    format!("the camera answers with status {code}: {}", error.message()),
                    "the camera has a fault of its own, or is busy; restart it, or check the path of the address",
                ),
                None => (ErrorKind::Io, format!("the connection failed: {}", error.message()), ""),
            },
        };
    }
    if let Some(stream) = error.kind::<gst::StreamError>() {
        use gst::StreamError as S;
        return match stream {
            // rtspsrc's words after SETUP was refused for the one protocol it was allowed.
            _ if says("allow more transport protocols") => (
                ErrorKind::Unsupported,
                TRANSPORT_REFUSED.to_owned(),
                "set `transport: udp`, or `transport: auto` to try both",
            ),
            S::CodecNotFound | S::TypeNotFound | S::Format => (
                ErrorKind::Unsupported,
                format!("the stream is not handled: {}", error.message()),
                "known are H.264, H.265, MJPEG and MPEG-4 Part 2, 8 or 10 bits",
            ),
            S::Decode => (
                ErrorKind::Corrupt,
                "the stream cannot be decoded".to_owned(),
                "the recording is damaged; copy it again, or repair it with a remuxer",
            ),
            _ if says("not-negotiated") => (
                ErrorKind::Unsupported,
                "the decoder gives a picture format that is not handled".to_owned(),
                "set the camera to 8-bit 4:2:0",
            ),
            // All that souphttpsrc 1.22 says of a refused connect, a failed handshake, a stream that breaks off.
            _ if matches!(location, Location::HttpMjpeg(url) if url.scheme() == "https") => (
                ErrorKind::Io,
                "the connection failed or broke off; the camera's certificate may not be trusted".to_owned(),
                TRUST,
            ),
            _ if matches!(location, Location::HttpMjpeg(_)) => (
                ErrorKind::Io,
                "the connection failed or broke off".to_owned(),
                "the camera or the network ended it; it is dialled again",
            ),
            _ => (
                ErrorKind::Corrupt,
                format!("the stream is damaged or cut off: {}", error.message()),
                "the recording was probably not finished; copy it again, or repair it with a remuxer",
            ),
        };
    }
    (ErrorKind::Io, error.message().to_owned(), "")
}

/// The status in the details of `souphttpsrc`: `Not Found (404), URL: …`.
fn http_status(detail: &str) -> Option<&str> {
    let (before, _) = detail.split_once("), URL:")?;
    let (_, code) = before.rsplit_once('(')?;
    (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::http_status;

    #[test]
    fn a_status_is_found_in_the_details() {
        let detail =
            "../ext/soup/gstsouphttpsrc.c(1622): parse (): /src: Status (500), URL: http://h/x, Redirect to: (NULL)";
        assert_eq!(http_status(detail), Some("500"));
        assert_eq!(http_status("../ext/soup/gstsouphttpsrc.c(162): parse (): no status"), None);
    }
}
