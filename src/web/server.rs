//! The transport: TCP or TLS, HTTP/1.1 with keep-alive and upgrades, and limits that a client cannot stretch.
//!
//! A request's head must arrive within [`HEADER_TIMEOUT`] (which also ends idle connections), and its body within
//! [`BODY_TIMEOUT`]; answers may be endless (streams, live pictures), so a connection has no end of its own. There are at
//! most [`MAX_CONNECTIONS`]; one address has at most [`MAX_PER_ADDRESS`] of them, loopback excepted.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::app::{App, Parts};
use super::guard::Peer;
use super::{router, tls};
use crate::base::{Error, ErrorKind, Result, Stop};
use crate::ops::server::{MAX_HEAD_BYTES, MAX_HEADERS, accept, bind, refused};

/// Connections at one time; further ones wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 1024;
/// Connections of one address other than this machine's own.
pub const MAX_PER_ADDRESS: usize = 256;
/// How long a request's head may take to arrive.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request's body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the counters of cameras are looked at, for rates.
const RATES_EVERY: Duration = Duration::from_secs(1);

/// A running port. Dropping it leaves the port open; the stop closes it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    encrypted: bool,
    task: JoinHandle<()>,
}

impl Server {
    /// The address it listens on, with the port that the system chose if it was asked to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address for a browser on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        let shown = if self.address.ip().is_unspecified() {
            format!("localhost:{}", self.address.port())
        } else {
            self.address.to_string()
        };
        format!("{scheme}://{shown}/")
    }

    /// Waits until the stop has closed the port and all connections: at most half a second after it.
    ///
    /// # Errors
    /// `Internal` when the server's task panicked.
    pub async fn ended(self) -> Result<()> {
        self.task.await.map_err(|e| Error::new(ErrorKind::Internal, "the port failed").source(e))
    }
}

/// Opens the port and answers on `runtime` until the stop. The port is open when this returns.
///
/// # Errors
/// `Busy`, `Permission` or `Config` for the address; `Config` or `Io` for the certificate; `Config` for the provider of
/// logins.
pub fn serve(parts: Parts, runtime: &Handle) -> Result<Server> {
    let listen = parts.plan.listen;
    let store = parts.pipeline.read().unwrap_or_else(PoisonError::into_inner).store.path.clone();
    let encryption = parts.plan.tls.as_ref().map(|plan| tls::server_config(plan, &store, listen.ip())).transpose()?;
    let stop = parts.stop.clone();
    let (listener, address) = bind(listen, runtime).map_err(|e| refused(listen, e))?;
    let app = App::new(parts)?;
    let encrypted = encryption.is_some();
    let task = runtime.spawn(run(listener, Arc::clone(&app), encryption, stop));
    tracing::info!(%address, encrypted, authentication = app.access.is_some(), "page open");
    Ok(Server { address, encrypted, task })
}

async fn run(listener: TcpListener, app: Arc<App>, encryption: Option<Arc<ServerConfig>>, stop: Stop) {
    let routes = router::router(&app);
    let rates = async {
        loop {
            if let Ok(snapshot) = app.snapshot().await {
                app.rates.look(&snapshot.cameras, app.clock.monotonic());
            }
            sleep(RATES_EVERY).await;
        }
    };
    let (acceptor, places) = (encryption.map(TlsAcceptor::from), PerAddress::default());
    let answer = {
        let stop = stop.clone();
        move |stream, peer: SocketAddr| {
            let place = Place::take(&places, peer.ip())?;
            let (routes, acceptor, stop) = (routes.clone(), acceptor.clone(), stop.clone());
            Some(async move {
                let _place = place;
                connection(stream, peer, routes, acceptor, stop).await;
            })
        }
    };
    tokio::select! {
        () = accept(listener, MAX_CONNECTIONS, stop, answer) => {}
        () = rates => {}
    }
}

/// Connections by address.
type PerAddress = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One connection's place among those of its address.
struct Place(PerAddress, IpAddr);

impl Place {
    fn take(all: &PerAddress, address: IpAddr) -> Option<Self> {
        let mut counts = all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= MAX_PER_ADDRESS && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Self(Arc::clone(all), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router, acceptor: Option<TlsAcceptor>, stop: Stop) {
    // A small answer should not wait for a larger one.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else { return answer(stream, peer, routes, stop).await };
    match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, peer, routes, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn answer<S>(stream: S, peer: SocketAddr, routes: Router, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        routes.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES.max(64 * 1024))
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection failed");
    }
}
