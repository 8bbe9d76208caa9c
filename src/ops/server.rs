//! The transport: a listener, at most [`MAX_CONNECTIONS`] connections, and an end for each of them.
//!
//! A connection carries one request. Whatever the other side does, it is gone after
//! [`CONNECTION_LIFE`], or after [`HEADER_TIMEOUT`] when its request has not arrived by then; so a slow
//! or silent client can hold a place but not keep it. Request bodies are never read: no page takes one.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Source, routes};
use crate::base::{Error, ErrorKind, Result, Stop};

/// Connections at one time; further ones wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 256;
/// How long a request's head may take to arrive.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take in all.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(30);
/// Bytes of a request's head; a larger one is answered with 431.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request; more are answered with 431.
pub const MAX_HEADERS: usize = 64;
/// How long answers in progress may go on after the stop.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running operations port. Dropping it leaves the port open; the stop closes it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The address it listens on, with the port that the system chose if it was asked to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the stop has closed the port and all connections: at most half a second after it.
    ///
    /// # Errors
    /// `Internal` when the server's task panicked.
    pub async fn ended(self) -> Result<()> {
        self.task.await.map_err(|e| Error::new(ErrorKind::Internal, "the operations port failed").source(e))
    }
}

/// Opens the port and answers on `runtime` (with I/O and time enabled) until `stop`. The port is open
/// when this returns; port 0 lets the system choose one.
///
/// # Errors
/// `Busy` when somebody else has the port, `Permission` when the system refuses it, `Config` for an
/// address that is not this machine's, otherwise `Io`.
pub fn serve(listen: SocketAddr, source: Source, stop: Stop, runtime: &Handle) -> Result<Server> {
    let (listener, address) = bind(listen, runtime).map_err(|e| refused(listen, e))?;
    let router = routes::router(source);
    let answer = {
        let stop = stop.clone();
        move |stream, _| Some(answer(stream, router.clone(), stop.clone()))
    };
    let task = runtime.spawn(accept(listener, MAX_CONNECTIONS, stop, answer));
    tracing::info!(%address, "operations port open");
    Ok(Server { address, task })
}

pub(crate) fn bind(listen: SocketAddr, runtime: &Handle) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = StdListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let _entered = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(crate) fn refused(listen: SocketAddr, error: io::Error) -> Error {
    let (kind, help) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            (ErrorKind::Busy, "another program listens there; choose another port for `server.listen`")
        }
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::Permission, "ports below 1024 need a privilege; choose one from 1024 on for `server.listen`")
        }
        io::ErrorKind::AddrNotAvailable => {
            (ErrorKind::Config, "no interface of this machine has that address; correct `server.listen`")
        }
        _ => (ErrorKind::Io, "check `server.listen`"),
    };
    Error::new(kind, format!("cannot open the operations port {listen}: {error}")).help(help).source(error)
}

/// Answers at most `most` connections at a time until the stop, then gives those in progress [`STOP_GRACE`]. A connection
/// for which `answer` gives nothing is closed.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    most: usize,
    stop: Stop,
    mut answer: impl FnMut(TcpStream, SocketAddr) -> Option<F>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut stopping = pin!(stop.wait());
    loop {
        tokio::select! {
            () = &mut stopping => break,
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((stream, peer)) => {
                    if let Some(answered) = answer(stream, peer) {
                        connections.spawn(answered);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(STOP_GRACE, ended).await.is_err() {
        tracing::debug!(connections = connections.len(), "closing connections that do not end");
        connections.shutdown().await;
    }
}

async fn answer(stream: TcpStream, router: Router, stop: Stop) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.wait() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    match timeout(CONNECTION_LIFE, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "a connection to the operations port failed"),
        Err(_) => tracing::debug!("a connection to the operations port took too long and was closed"),
    }
}
