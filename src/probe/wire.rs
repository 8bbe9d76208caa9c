//! Bytes to messages: an RTSP connection with limits on every answer. Deadlines are the caller's.

use std::io::ErrorKind as Io;
use std::net::SocketAddr;

use rtsp_types::{Empty, Message, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::failure::{Failure, Step};
use super::target::{Options, Target};
use super::tls;

/// A byte stream, plain or TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What arrives on a connection.
pub(super) enum Incoming {
    /// An answer.
    Response(Response<Vec<u8>>),
    /// An interleaved packet (RFC 2326 §10.12).
    Packet { channel: u8, data: Vec<u8> },
    /// A request of the camera's, which we need not answer within our short stay.
    Request,
}

/// A connection to a camera.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    header_bytes: usize,
    body_bytes: usize,
    /// Whether a well-formed RTSP message has been read.
    spoke_rtsp: bool,
}

/// Name to addresses.
pub(super) async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = |why: String| Failure::NameUnknown { host: target.host().to_owned(), why };
    let found = tokio::net::lookup_host((target.host(), target.port())).await;
    let addresses: Vec<_> = found.map_err(|error| unknown(error.to_string()))?.collect();
    if addresses.is_empty() { Err(unknown("no address".to_owned())) } else { Ok(addresses) }
}

/// TCP connect to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut failure = Failure::Network { step: Step::Connect, why: "no address".to_owned() };
    for &address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // Only speed is lost without it.
                let _ = socket.set_nodelay(true);
                return Ok((socket, address));
            }
            Err(error) if error.kind() == Io::ConnectionRefused => {
                failure = Failure::Refused { address: address.to_string() };
            }
            Err(error) => failure = Failure::Network { step: Step::Connect, why: error.to_string() },
        }
    }
    Err(failure)
}

impl Wire {
    /// Takes over a connected socket; does the TLS handshake for `rtsps`.
    pub(super) async fn new(socket: TcpStream, target: &Target, options: &Options) -> Result<Self, Failure> {
        let stream: Box<dyn Stream> = if target.tls() {
            Box::new(tls::connect(socket, target.host(), options.insecure_tls).await?)
        } else {
            Box::new(socket)
        };
        Ok(Self {
            stream,
            buffer: Vec::new(),
            header_bytes: options.header_bytes,
            body_bytes: options.description_bytes,
            spoke_rtsp: false,
        })
    }

    pub(super) async fn send(&mut self, request: &Request<Empty>, step: Step) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = request.write(&mut bytes);
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| broken(step, &error))
    }

    /// The next message or packet. Safe to cancel: what was read stays in the buffer.
    pub(super) async fn receive(&mut self, step: Step) -> Result<Incoming, Failure> {
        loop {
            if let Some(message) = self.take(step)? {
                return Ok(message);
            }
            let mut chunk = [0u8; 16 * 1024];
            let count = match self.stream.read(&mut chunk).await {
                Ok(count) => count,
                Err(error) => return Err(self.ended(step).unwrap_or_else(|| broken(step, &error))),
            };
            if count == 0 {
                return Err(self.ended(step).unwrap_or(Failure::Closed { step }));
            }
            self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }

    /// What the bytes before the end of a connection tell, if anything.
    fn ended(&self, step: Step) -> Option<Failure> {
        if let Some(speaks) = self.foreign() {
            return Some(Failure::NotRtsp { speaks });
        }
        let cut = !self.buffer.is_empty();
        cut.then(|| Failure::Malformed { step, why: "closed in the middle of an answer".to_owned() })
    }

    /// The other protocol that the first bytes belong to.
    fn foreign(&self) -> Option<String> {
        if self.spoke_rtsp || self.buffer.is_empty() {
            return None;
        }
        let rtsp = b"RTSP/";
        let seen = self.buffer.len().min(rtsp.len());
        if self.buffer.get(..seen) == rtsp.get(..seen) {
            return None;
        }
        Some(match self.buffer.as_slice() {
            [0x15 | 0x16, 3, ..] => "TLS".to_owned(),
            [b'H', b'T', b'T', b'P', ..] => "HTTP".to_owned(),
            [b'S', b'S', b'H', ..] => "SSH".to_owned(),
            [first, ..] if first.is_ascii_graphic() => "another text protocol".to_owned(),
            _ => "a binary protocol".to_owned(),
        })
    }

    fn take(&mut self, step: Step) -> Result<Option<Incoming>, Failure> {
        if let [b'$', channel, high, low, rest @ ..] = self.buffer.as_slice() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(data) = rest.get(..length) else { return Ok(None) };
            let packet = Incoming::Packet { channel: *channel, data: data.to_vec() };
            self.buffer.drain(..4 + length);
            return Ok(Some(packet));
        }
        if self.buffer.len() >= 5
            && let Some(speaks) = self.foreign()
        {
            return Err(Failure::NotRtsp { speaks });
        }
        let Some(header) = find(&self.buffer, b"\r\n\r\n").map(|at| at + 4) else {
            return if self.buffer.len() > self.header_bytes && self.buffer.first() != Some(&b'$') {
                Err(Failure::TooLarge { step, what: "headers", limit_bytes: self.header_bytes })
            } else {
                Ok(None)
            };
        };
        if header > self.header_bytes {
            return Err(Failure::TooLarge { step, what: "headers", limit_bytes: self.header_bytes });
        }
        let body = content_length(self.buffer.get(..header).unwrap_or_default())
            .ok_or_else(|| Failure::Malformed { step, why: "Content-Length is no number".to_owned() })?;
        if body > self.body_bytes {
            return Err(Failure::TooLarge { step, what: "a body", limit_bytes: self.body_bytes });
        }
        let Some(bytes) = self.buffer.get(..header + body) else { return Ok(None) };
        let parsed = Message::<Vec<u8>>::parse(bytes);
        let message = match parsed {
            Ok((Message::Response(response), _)) => Incoming::Response(response),
            Ok((Message::Request(_), _)) => Incoming::Request,
            Ok((Message::Data(_), _)) | Err(_) => {
                return Err(Failure::Malformed { step, why: "no RTSP message".to_owned() });
            }
        };
        self.buffer.drain(..header + body);
        self.spoke_rtsp = true;
        Ok(Some(message))
    }
}

fn broken(step: Step, error: &std::io::Error) -> Failure {
    match error.kind() {
        Io::ConnectionReset | Io::BrokenPipe | Io::UnexpectedEof => Failure::Closed { step },
        _ => Failure::Network { step, why: error.to_string() },
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The `Content-Length` of a header block, 0 without one, `None` when it is no number.
fn content_length(header: &[u8]) -> Option<usize> {
    for line in header.split(|&byte| byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            return value.trim().parse().ok();
        }
    }
    Some(0)
}
