//! Events as syslog messages (RFC 5424) over TLS (RFC 5425), TCP with octet counting (RFC 6587 §3.4.1), or UDP
//! (RFC 5426).
//!
//! Syslog has no acknowledgement: a message counts as delivered once the kernel has taken it and the peer has not closed
//! the connection. Whoever needs certainty takes another sink; `id` and `revision` stand in the structured data.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio_rustls::TlsConnector;

use super::access::Access;
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, TIMEOUT, params};
use crate::base::Result;
use crate::scene::{Position, Severity, StoredEvent};

pub(super) const KIND: SinkKind = SinkKind {
    name: "syslog",
    summary: "RFC 5424 messages over TLS, TCP or UDP",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: Access::PATHS,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Transport {
    /// RFC 5425, port 6514.
    #[default]
    Tls,
    /// RFC 6587, port 601.
    Tcp,
    /// RFC 5426, port 514; messages may be lost.
    Udp,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Params {
    /// Name or address of the collector.
    host: String,
    /// Its port; 6514, 601 or 514, by transport.
    port: Option<u16>,
    /// `tls`, `tcp` or `udp`.
    #[serde(default)]
    transport: Transport,
    /// Facility, 0 to 23; 16 is local0.
    #[serde(default = "default_facility")]
    facility: u8,
    /// Name of this machine in the messages.
    #[serde(default = "default_hostname")]
    hostname: String,
    #[serde(flatten)]
    access: Access,
}

fn default_facility() -> u8 {
    16
}
fn default_hostname() -> String {
    "vantage".to_owned()
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = params.access.mistakes(params.transport == Transport::Tls);
    if params.access.username.is_some() {
        let message = "`username` would be ignored: syslog has no login";
        mistakes.push(ParamError::new("username", message, "use `cert_file` and `key_file`, or remove it"));
    }
    if params.facility > 23 {
        mistakes.push(ParamError::new(
            "facility",
            format!("`facility` is {}", params.facility),
            "0 to 23; local0 is 16",
        ));
    }
    if !printable(&params.hostname, 255) {
        let message = format!("`hostname` cannot be \"{}\"", params.hostname);
        mistakes.push(ParamError::new(
            "hostname",
            message,
            "printable ASCII without blanks, at most 255 (RFC 5424 §6)",
        ));
    }
    mistakes
}

/// PRINTUSASCII of RFC 5424 §6.
fn printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    if params.transport == Transport::Tls {
        params.access.tls()?;
    }
    Ok(Box::new(Syslog { params, link: None }))
}

struct Syslog {
    params: Params,
    link: Option<Link>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Link {
    Stream(Box<dyn Stream>),
    Datagram(UdpSocket),
}

impl Sink for Syslog {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async {
            let sent = tokio::time::timeout(TIMEOUT, self.send(batch)).await;
            let failure = match sent {
                Ok(Ok(reasons)) if reasons.is_empty() => return Outcome::Done,
                Ok(Ok(reasons)) => return Outcome::Reject { reasons },
                Ok(Err(why)) => why,
                Err(_) => format!("not taken within {TIMEOUT:?}"),
            };
            self.link = None;
            Outcome::retry(format!("syslog {}:{}: {failure}", self.params.host, self.params.port()))
        })
    }
}

impl Params {
    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.transport {
            Transport::Tls => 6514,
            Transport::Tcp => 601,
            Transport::Udp => 514,
        })
    }

    async fn open(&self) -> std::result::Result<Link, String> {
        let address = (self.host.as_str(), self.port());
        if self.transport == Transport::Udp {
            let far = lookup_host(address).await.map_err(|e| e.to_string())?.next().ok_or("the host has no address")?;
            let any: IpAddr = if far.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind((any, 0)).await.map_err(|e| e.to_string())?;
            socket.connect(far).await.map_err(|e| e.to_string())?;
            return Ok(Link::Datagram(socket));
        }
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        if self.transport == Transport::Tcp {
            return Ok(Link::Stream(Box::new(stream)));
        }
        let config = self.access.tls().map_err(|e| e.to_string())?;
        let name = ServerName::try_from(self.host.clone()).map_err(|e| e.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())?;
        Ok(Link::Stream(Box::new(stream)))
    }
}

impl Syslog {
    /// Sends all; what can never leave, and why.
    async fn send(&mut self, batch: &[Parcel]) -> std::result::Result<Vec<(Position, String)>, String> {
        if let Some(Link::Stream(stream)) = &mut self.link {
            // Collectors say nothing; whatever is read now is the end of the connection.
            let closed = tokio::time::timeout(std::time::Duration::ZERO, stream.read_u8()).await;
            if closed.is_ok() {
                self.link = None;
            }
        }
        if self.link.is_none() {
            self.link = Some(self.params.open().await?);
        }
        match &mut self.link {
            Some(Link::Stream(stream)) => {
                let mut frames = Vec::new();
                for Parcel { stored, .. } in batch {
                    let message = message(&self.params, stored);
                    frames.extend_from_slice(format!("{} ", message.len()).as_bytes());
                    frames.extend_from_slice(message.as_bytes());
                }
                stream.write_all(&frames).await.map_err(|e| e.to_string())?;
                stream.flush().await.map_err(|e| e.to_string())?;
                Ok(Vec::new())
            }
            Some(Link::Datagram(socket)) => {
                let mut reasons = Vec::new();
                for Parcel { stored, .. } in batch {
                    let message = message(&self.params, stored);
                    match socket.send(message.as_bytes()).await {
                        Ok(_) => {}
                        Err(e) if e.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                            reasons.push((
                                stored.position,
                                format!("{} bytes: more than a datagram holds", message.len()),
                            ));
                        }
                        Err(e) => return Err(e.to_string()),
                    }
                }
                Ok(reasons)
            }
            None => Err("not connected".to_owned()),
        }
    }
}

/// One message: header, structured data, text (RFC 5424 §6).
fn message(params: &Params, stored: &StoredEvent) -> String {
    let event = &stored.event;
    let severity = match event.severity {
        Severity::Alert => 1,
        Severity::Warning => 4,
        Severity::Info => 6,
    };
    let priority = u16::from(params.facility) * 8 + severity;
    let mut text = format!("<{priority}>1 {} {} vantage - {} ", time(event), params.hostname, event.kind);
    // 32473 is the private enterprise number for documentation (RFC 5612): we have none of our own.
    text.push_str("[event@32473");
    let sequence = event.sequence.to_string();
    let (id, revision) = (event.id.to_string(), event.revision.to_string());
    let phase = serde_json::to_value(event.phase).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    for (name, value) in [
        ("id", id.as_str()),
        ("revision", &revision),
        ("phase", &phase),
        ("camera", event.camera.as_str()),
        ("sequence", &sequence),
        ("rule", &event.rule),
        ("class", event.class.as_deref().unwrap_or_default()),
    ] {
        let _ = write!(text, " {name}=\"{}\"", escaped(value));
    }
    // A byte order mark says that the text is UTF-8 (§6.4); a line end would end the record for many collectors.
    let _ = write!(text, "] \u{feff}{}", event.explanation.summary.replace(['\r', '\n'], " "));
    text
}

/// The capture time in UTC to the microsecond: more digits are not allowed (§6.2.3).
fn time(event: &crate::scene::Event) -> String {
    let micros = event.time.utc.0.div_euclid(1_000);
    crate::base::Timestamp(micros.saturating_mul(1_000)).to_string()
}

/// §6.3.3: `"`, `\` and `]` are escaped.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
