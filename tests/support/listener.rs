//! A TCP listener for fake servers: one thread a connection, all of them gone when it is dropped.
// Each test binary uses its part; helpers panic as tests do.
#![allow(dead_code, clippy::unwrap_used)]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::ports::free_port;

/// One connection.
pub struct Connection {
    pub socket: TcpStream,
    /// The port it came to.
    pub port: u16,
    /// Set when the listener is dropped, which then waits for the connections: look at it often.
    pub stop: Arc<AtomicBool>,
}

/// A running listener.
pub struct Listener {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on `port` of this machine (0: a free one that stays free when this is gone), and hands each
    /// connection to `talk`.
    pub fn start(port: u16, talk: impl Fn(Connection) + Clone + Send + 'static) -> Self {
        let port = if port == 0 { free_port() } else { port };
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let accept = move || {
            let mut talks = Vec::new();
            for socket in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                let connection = Connection { socket, port, stop: Arc::clone(&stopped) };
                let talk = talk.clone();
                talks.push(named("fake-talk").spawn(move || talk(connection)).unwrap());
            }
            talks.into_iter().for_each(|talk| drop(talk.join()));
        };
        Self { port, stop, thread: Some(named("fake-listener").spawn(accept).unwrap()) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

fn named(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
