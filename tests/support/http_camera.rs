//! A Motion JPEG camera over HTTP: `multipart/x-mixed-replace` on a free port, well or badly. Gone when dropped.
// Each test binary uses its part; helpers panic as tests do, and wait by the real clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::listener::{Connection, Listener};
use crate::rtsp_server::{Gate, challenge};

/// What is sent to whoever gets in.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Pictures for ever, each with its length or without.
    Stream { lengths: bool },
    /// This many pictures, half of one more, and the end.
    Cut { after: usize },
    /// A status with a page.
    Status(u16),
    /// A web page where a stream should be.
    Page,
    /// One picture and the end.
    Snapshot,
}

/// A running camera.
pub struct HttpCamera {
    listener: Listener,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Script {
    pictures: Arc<Vec<Vec<u8>>>,
    interval: Duration,
    manner: Manner,
    gate: Option<Gate>,
}

impl HttpCamera {
    /// Shows `pictures` at 25 a second, on `port` (0: a free one).
    pub fn start(pictures: &Arc<Vec<Vec<u8>>>, manner: Manner, gate: Option<Gate>, port: u16) -> Self {
        let script = Script { pictures: Arc::clone(pictures), interval: Duration::from_millis(40), manner, gate };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener::start(port, {
            let requests = Arc::clone(&requests);
            move |Connection { socket, stop, .. }| talk(&socket, &script, &stop, &requests)
        });
        Self { listener, requests }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/video.mjpg", self.port())
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Request lines so far, of all connections.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers requests until the far side or the camera goes.
fn talk(socket: &TcpStream, script: &Script, stop: &AtomicBool, requests: &Mutex<Vec<String>>) {
    let _ = socket.set_read_timeout(Some(Duration::from_millis(500)));
    let mut reader = BufReader::new(socket);
    while !stop.load(Ordering::Relaxed) {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            match reader.read_line(&mut request) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && !stop.load(Ordering::Relaxed) => {}
                _ => return,
            }
        }
        requests.lock().unwrap().push(request.lines().next().unwrap().to_owned());
        let asked = script.gate.as_ref().and_then(|gate| challenge(gate, "GET", &request));
        let answered = match asked {
            Some(challenge) => status(socket, 401, &format!("WWW-Authenticate: {challenge}\r\n")),
            None => show(socket, script, stop),
        };
        if answered.is_err() {
            return;
        }
    }
}

/// An answer with a page; the connection goes on.
fn status(mut socket: &TcpStream, status: u16, headers: &str) -> std::io::Result<()> {
    let page = "<html><body>login</body></html>";
    write!(
        socket,
        "HTTP/1.1 {status} Status\r\n{headers}Content-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )
}

fn show(mut socket: &TcpStream, script: &Script, stop: &AtomicBool) -> std::io::Result<()> {
    let over = || Err(std::io::ErrorKind::ConnectionAborted.into());
    let (lengths, most) = match &script.manner {
        Manner::Stream { lengths } => (*lengths, usize::MAX),
        Manner::Cut { after } => (true, *after),
        Manner::Status(code) => return status(socket, *code, ""),
        Manner::Page => return status(socket, 200, ""),
        Manner::Snapshot => {
            let picture = &script.pictures[0];
            write!(socket, "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len())?;
            return socket.write_all(picture);
        }
    };
    socket.write_all(
        b"HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nConnection: close\r\n\
        Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
    )?;
    for (number, picture) in script.pictures.iter().cycle().enumerate() {
        let length = if lengths { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
        write!(socket, "--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n")?;
        if number == most {
            socket.write_all(&picture[..picture.len() / 2])?;
            return over();
        }
        socket.write_all(picture)?;
        socket.write_all(b"\r\n")?;
        std::thread::sleep(script.interval);
        if stop.load(Ordering::Relaxed) {
            return over();
        }
    }
    Ok(())
}
