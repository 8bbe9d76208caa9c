//! A TCP proxy that can stop forwarding with its connections left open, and go on: a network gone silent.
// Each test binary uses its part; helpers panic as tests do, and wait by the real clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::listener::{Connection, Listener};

/// What a client said is remembered up to here.
const MOST_REMEMBERED: usize = 1 << 20;

#[derive(Default)]
struct Shared {
    frozen: AtomicBool,
    /// What clients said, all connections together.
    said: Mutex<Vec<u8>>,
}

/// A running proxy.
pub struct TcpProxy {
    listener: Listener,
    shared: Arc<Shared>,
}

impl TcpProxy {
    /// Forwards a free port to `port` of this machine.
    pub fn to(port: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let listener = Listener::start(0, {
            let shared = Arc::clone(&shared);
            move |Connection { socket: client, stop, .. }| {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
                std::thread::scope(|both| {
                    both.spawn(|| forward(&client, &server, true, &shared, &stop));
                    forward(&server, &client, false, &shared, &stop);
                });
            }
        });
        Self { listener, shared }
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Stops forwarding; connections stay open, and new ones are taken.
    pub fn freeze(&self) {
        self.shared.frozen.store(true, Ordering::Relaxed);
    }

    /// Goes on where it stopped.
    pub fn thaw(&self) {
        self.shared.frozen.store(false, Ordering::Relaxed);
    }

    /// What clients said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.shared.said.lock().unwrap()).into_owned()
    }
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, remember: bool, shared: &Shared, stop: &AtomicBool) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(50)));
    let mut bytes = [0; 16_384];
    while !stop.load(Ordering::Relaxed) {
        if shared.frozen.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => {
                let mut said = shared.said.lock().unwrap();
                if remember && said.len() < MOST_REMEMBERED {
                    said.extend_from_slice(&bytes[..count]);
                }
                drop(said);
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
