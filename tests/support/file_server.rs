//! A web server that gives one answer a connection, as the test says. Gone when dropped.
// Helpers panic as tests do.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::listener::{Connection, Listener};

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// The first byte wanted.
    pub range: Option<usize>,
    pub authorization: Option<String>,
}

/// What it gets.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// `Content-Length`; without one the end of the connection is the end of the file.
    pub length: Option<usize>,
    /// Says nothing more after the body instead of hanging up.
    pub silent: bool,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), length: Some(0), silent: false }
    }

    pub fn header(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    /// All of it.
    pub fn whole(body: &[u8]) -> Self {
        Self { length: Some(body.len()), body: body.to_vec(), ..Self::status(200) }
    }

    /// What was asked for, as a server that knows ranges (RFC 9110, section 14).
    pub fn ranged(request: &Request, body: &[u8]) -> Self {
        match request.range {
            None => Self::whole(body),
            Some(start) if start >= body.len() => {
                Self::status(416).header(format!("Content-Range: bytes */{}", body.len()))
            }
            Some(start) => {
                let range = format!("Content-Range: bytes {start}-{}/{}", body.len() - 1, body.len());
                Self { status: 206, ..Self::whole(&body[start..]) }.header(range)
            }
        }
    }

    /// Hangs up in the middle of the body.
    pub fn cut(mut self, after: usize) -> Self {
        self.body.truncate(after);
        self
    }

    pub fn without_length(mut self) -> Self {
        self.length = None;
        self
    }

    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

/// A running server.
pub struct FileServer {
    listener: Listener,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FileServer {
    /// Answers the `n`th request (from 0) with what `answer` says.
    pub fn start(answer: impl Fn(usize, &Request) -> Answer + Clone + Send + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener::start(0, {
            let requests = Arc::clone(&requests);
            move |Connection { socket, stop, .. }| talk(&socket, &stop, &requests, &answer)
        });
        Self { listener, requests }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port())
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first bytes asked for, request by request.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().iter().map(|request| request.range).collect()
    }
}

fn talk(
    mut socket: &TcpStream,
    stop: &AtomicBool,
    requests: &Mutex<Vec<Request>>,
    answer: &impl Fn(usize, &Request) -> Answer,
) {
    let mut head = String::new();
    let mut reader = BufReader::new(socket);
    while !head.ends_with("\r\n\r\n") {
        if !reader.read_line(&mut head).is_ok_and(|read| read > 0) {
            return;
        }
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let request = Request {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        range: header("range").map(|r| r.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()),
        authorization: header("authorization"),
    };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let answer = answer(number, &request);
    let mut text = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
    answer.length.iter().for_each(|length| text.push_str(&format!("Content-Length: {length}\r\n")));
    answer.headers.iter().for_each(|header| text.push_str(&format!("{header}\r\n")));
    text.push_str("\r\n");
    // The client may have seen enough.
    let _ = socket.write_all(text.as_bytes()).and_then(|()| socket.write_all(&answer.body));
    while answer.silent && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
}
