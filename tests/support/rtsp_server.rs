//! A fake camera: an RTSP server that says what a script tells it, well or badly.
//!
//! One thread per connection, on a free port of this machine, gone when dropped. Answers are templates: `{cseq}`
//! stands for the request's CSeq, `{port}` for our port.
// Each test binary uses its part; helpers panic as tests do, and wait by the real clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_auth::{DigestClient, PasswordParams};

use crate::listener::{Connection, Listener};

/// Who gets in, and how it is asked for.
#[derive(Debug, Clone)]
pub enum Gate {
    /// Basic.
    Basic { user: String, password: String },
    /// A whole `Digest …` challenge; answers are checked against it.
    Digest { challenge: String, user: String, password: String },
    /// Refuses everything with this challenge.
    Never { challenge: String },
}

/// What spoils a connection.
#[derive(Debug, Clone, Default)]
pub enum Manners {
    /// Nothing.
    #[default]
    Good,
    /// Accepts and hangs up.
    HangUp,
    /// One byte of every answer per interval.
    Slow(Duration),
    /// A status line and headers without an end.
    EndlessHeader,
    /// Only the first bytes of an answer to this method, then the end.
    Cut { method: String, bytes: usize },
    /// Says this at once, whatever is asked, and hangs up.
    Blurt(Vec<u8>),
    /// Accepts and says nothing.
    Mute,
}

#[derive(Debug, Clone, Default)]
struct Script {
    answers: HashMap<String, Vec<u8>>,
    /// Sent after the answer to PLAY.
    stream: Vec<u8>,
    /// Sends it as fast as its RTP clock runs, not at once.
    paced: Option<Pace>,
    gate: Option<Gate>,
    /// Challenges with `stale=true` under a fresh nonce, after the first good answer.
    stale: usize,
    manners: Manners,
}

/// The channel whose packets tell the time, and the rate of their clock.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub channel: u8,
    pub hertz: u32,
}

/// Builds a camera.
#[derive(Debug, Clone, Default)]
pub struct FakeCameraBuilder(Script);

/// A running fake camera.
pub struct FakeCamera {
    listener: Listener,
    requests: Arc<Mutex<Vec<String>>>,
}

/// A small H.264 description, complete but for a base.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=fake\r\nt=0 0\r\na=control:*\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z00AH5WoFAFuQA==,aO48gA==\r\n";

impl FakeCamera {
    /// A camera that answers everything, with [`SDP`] and no stream.
    pub fn builder() -> FakeCameraBuilder {
        let builder = FakeCameraBuilder::default();
        builder
            .answer(
                "OPTIONS",
                "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nServer: Fake/1.0\r\n\
                Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            )
            .describe(SDP)
            .answer(
                "SETUP",
                "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 12345678;timeout=60\r\n\
                Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
            )
            .answer("PLAY", "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 12345678\r\n\r\n")
            .answer("TEARDOWN", "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n")
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port())
    }

    /// Request lines so far, of all connections.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl FakeCameraBuilder {
    /// The answer to a method, a template.
    pub fn answer(mut self, method: &str, answer: impl Into<Vec<u8>>) -> Self {
        self.0.answers.insert(method.to_owned(), answer.into());
        self
    }

    /// A status without a body, as the answer to a method.
    pub fn status(self, method: &str, status: u16, headers: &str) -> Self {
        self.answer(method, format!("RTSP/1.0 {status} Status\r\nCSeq: {{cseq}}\r\n{headers}\r\n"))
    }

    /// A description with the request's own base.
    pub fn describe(self, sdp: &str) -> Self {
        let length = sdp.len();
        self.answer(
            "DESCRIBE",
            format!(
                "RTSP/1.0 200 OK\r\nCSeq: {{cseq}}\r\nContent-Type: application/sdp\r\n\
            Content-Length: {length}\r\n\r\n{sdp}"
            ),
        )
    }

    /// Asks for a login.
    pub fn gate(mut self, gate: Gate) -> Self {
        self.0.gate = Some(gate);
        self
    }

    /// Lets this many nonces go stale.
    pub fn stale(mut self, times: usize) -> Self {
        self.0.stale = times;
        self
    }

    /// Spoils the connection.
    pub fn manners(mut self, manners: Manners) -> Self {
        self.0.manners = manners;
        self
    }

    /// Interleaved bytes that follow the answer to PLAY.
    pub fn stream(mut self, bytes: Vec<u8>) -> Self {
        self.0.stream = bytes;
        self
    }

    /// Lets the stream take the time that its packets say.
    pub fn paced(mut self, pace: Pace) -> Self {
        self.0.paced = Some(pace);
        self
    }

    pub fn start(self) -> FakeCamera {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener::start(0, {
            let requests = Arc::clone(&requests);
            move |Connection { socket, port, stop }| {
                Talk { script: self.0.clone(), port, socket, stop, requests: Arc::clone(&requests) }.run();
            }
        });
        FakeCamera { listener, requests }
    }
}

struct Talk {
    script: Script,
    port: u16,
    socket: TcpStream,
    stop: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Talk {
    /// Ends with the connection, or soon after the camera is dropped.
    fn run(mut self) {
        let _ = self.socket.set_read_timeout(Some(Duration::from_millis(50)));
        match &self.script.manners {
            Manners::HangUp => return,
            Manners::Blurt(bytes) => {
                let bytes = bytes.clone();
                let _ = self.socket.write_all(&bytes);
                // Reads what came, lest the close becomes a reset that overtakes the answer.
                let _ = self.socket.shutdown(std::net::Shutdown::Write);
                let mut rest = [0; 4096];
                while matches!(self.socket.read(&mut rest), Ok(1..)) {}
                return;
            }
            _ => {}
        }
        while let Some(request) = self.request() {
            let line = request.lines().next().unwrap_or_default().to_owned();
            self.requests.lock().unwrap().push(line.clone());
            let method = line.split(' ').next().unwrap_or_default();
            if !self.reply(method, &request) {
                return;
            }
        }
    }

    /// The next request's text; interleaved bytes are skipped.
    fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.socket.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) => bytes.push(byte[0]),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    if self.stop.load(Ordering::Relaxed) {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
        String::from_utf8(bytes).ok()
    }

    fn reply(&mut self, method: &str, request: &str) -> bool {
        let cseq = header(request, "cseq").unwrap_or("0").to_owned();
        let answer = match self.challenge(method, request) {
            Some(challenge) => {
                format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {{cseq}}\r\nWWW-Authenticate: {challenge}\r\n\r\n").into()
            }
            None => match self.script.answers.get(method) {
                Some(answer) => answer.clone(),
                None => b"RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n".to_vec(),
            },
        };
        let mut bytes = answer;
        for (name, value) in [("{cseq}", cseq), ("{port}", self.port.to_string())] {
            bytes = replace(&bytes, name.as_bytes(), value.as_bytes());
        }
        match self.script.manners.clone() {
            Manners::Slow(interval) => bytes.chunks(1).all(|byte| {
                std::thread::sleep(interval);
                !self.stop.load(Ordering::Relaxed) && self.socket.write_all(byte).is_ok()
            }),
            Manners::EndlessHeader => {
                let mut alive = self.socket.write_all(b"RTSP/1.0 200 OK\r\n").is_ok();
                while alive && !self.stop.load(Ordering::Relaxed) {
                    alive = self.socket.write_all(b"X-More: and more and more and more\r\n").is_ok();
                }
                false
            }
            Manners::Cut { method: at, bytes: count } if at == method => {
                let _ = self.socket.write_all(&bytes[..count.min(bytes.len())]);
                false
            }
            Manners::Mute => true,
            _ => match self.script.paced.filter(|_| method == "PLAY") {
                Some(pace) => self.socket.write_all(&bytes).is_ok() && self.play(pace),
                None => {
                    if method == "PLAY" {
                        bytes.extend_from_slice(&self.script.stream);
                    }
                    self.socket.write_all(&bytes).is_ok()
                }
            },
        }
    }

    /// Sends the stream packet by packet (RFC 2326, 10.12), each when its RTP time has come.
    fn play(&mut self, pace: Pace) -> bool {
        let stream = std::mem::take(&mut self.script.stream);
        let (begun, mut first, mut at) = (Instant::now(), None, 0);
        while let Some(&[b'$', channel, high, low]) = stream.get(at..at + 4) {
            let end = at + 4 + usize::from(u16::from_be_bytes([high, low]));
            let Some(packet) = stream.get(at..end) else { break };
            if channel == pace.channel {
                let time = u32::from_be_bytes(packet[8..12].try_into().unwrap());
                let ticks = time.wrapping_sub(*first.get_or_insert(time));
                let due = Duration::from_secs_f64(f64::from(ticks) / f64::from(pace.hertz));
                while let Some(wait) = due.checked_sub(begun.elapsed()) {
                    if self.stop.load(Ordering::Relaxed) {
                        return false;
                    }
                    std::thread::sleep(wait.min(Duration::from_millis(20)));
                }
            }
            if self.socket.write_all(packet).is_err() {
                return false;
            }
            at = end;
        }
        assert_eq!(at, stream.len(), "an interleaved stream");
        self.script.stream = stream;
        true
    }

    /// The challenge to answer with, if the request does not get in.
    fn challenge(&mut self, method: &str, request: &str) -> Option<String> {
        let gate = self.script.gate.as_mut()?;
        let asked = challenge(gate, method, request);
        let Gate::Digest { challenge: known, .. } = gate else { return asked };
        if asked.is_none() && self.script.stale > 0 {
            self.script.stale -= 1;
            *known = format!("{known}, stale=true").replace("nonce=\"", "nonce=\"again");
            return Some(known.clone());
        }
        asked
    }
}

/// The challenge that a gate answers with, if the request does not get in.
pub fn challenge(gate: &Gate, method: &str, request: &str) -> Option<String> {
    let given = header(request, "authorization");
    match gate {
        Gate::Never { challenge } => Some(challenge.clone()),
        Gate::Basic { user, password } => {
            let expected = PasswordParams { username: user, password, uri: "", method, body: None };
            let mut client = http_auth::PasswordClient::try_from("Basic realm=\"fake\"").unwrap();
            (given != Some(client.respond(&expected).unwrap().as_str())).then(|| "Basic realm=\"fake\"".to_owned())
        }
        Gate::Digest { challenge, user, password } => {
            let good = given.is_some_and(|given| digest_matches(challenge, given, method, user, password));
            (!good).then(|| challenge.clone())
        }
    }
}

/// Recomputes the response with the client's own cnonce and count.
fn digest_matches(challenge: &str, given: &str, method: &str, user: &str, password: &str) -> bool {
    let field = |name: &str| {
        let fields = given.trim_start_matches("Digest ").split(", ");
        let value = fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(value.trim_matches('"').to_owned())
    };
    let challenges = http_auth::parse_challenges(challenge).unwrap();
    let mut client = DigestClient::try_from(&challenges[0]).unwrap();
    let uri = field("uri").unwrap_or_default();
    let params = PasswordParams { username: user, password, uri: &uri, method, body: Some(&[]) };
    let cnonce = field("cnonce").unwrap_or_default();
    let count = field("nc").map_or(1, |count| u32::from_str_radix(&count, 16).unwrap_or(0));
    let expected = (0..count).map(|_| client.respond_with_testing_cnonce(&params, &cnonce).unwrap()).last();
    let response = |text: &str| text.split("response=\"").nth(1).map(|rest| rest[..rest.find('"').unwrap()].to_owned());
    expected.is_some_and(|expected| response(&expected) == response(given))
        && field("nonce").is_some_and(|nonce| challenge.contains(&format!("\"{nonce}\"")))
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// A made-up H.264 stream, interleaved on channels 0 and 1.
#[derive(Debug, Clone)]
pub struct FakeStream {
    pub frames: u32,
    pub fps: u32,
    pub gop: u32,
    /// Packets a frame (fragments of one NAL unit, FU-A).
    pub fragments: u32,
    /// Packets to leave out, by their number.
    pub missing: Vec<u32>,
    /// A sender report of this Unix time in seconds, before everything.
    pub sender_report: Option<u64>,
}

impl FakeStream {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |channel: u8, packet: &[u8]| {
            out.extend([b'$', channel]);
            out.extend((packet.len() as u16).to_be_bytes());
            out.extend(packet);
        };
        if let Some(seconds) = self.sender_report {
            let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 9];
            report.extend(((seconds + 2_208_988_800) as u32).to_be_bytes());
            report.extend([0; 16]);
            put(1, &report);
        }
        let mut number = 0;
        for frame in 0..self.frames {
            let nal: u8 = if frame % self.gop == 0 { 5 } else { 1 };
            for fragment in 0..self.fragments {
                let last = fragment + 1 == self.fragments;
                // Both counters wrap on the way.
                let sequence = 65_530u16.wrapping_add(number as u16);
                let timestamp = (u32::MAX - 9000).wrapping_add(frame * (90_000 / self.fps));
                let mut packet = vec![0x80, 96 | u8::from(last) << 7];
                packet.extend(sequence.to_be_bytes());
                packet.extend(timestamp.to_be_bytes());
                packet.extend([0, 0, 0, 9]);
                packet.extend([0x7c, nal | u8::from(fragment == 0) << 7 | u8::from(last) << 6]);
                packet.extend([0xab; 98]);
                if !self.missing.contains(&number) {
                    put(0, &packet);
                }
                number += 1;
            }
        }
        out
    }
}
