//! Serves clips as RTSP cameras: for `vantage camera`, and for tests that want a real server.
//!
//! A clip is not transcoded: its access units go out as they are, paced by their times, to all clients at
//! once. It begins when the first client comes and begins anew after the last one has left; looping, its
//! timestamps keep rising.

mod clip;
mod codec;
mod feed;
mod mounts;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPFilterResult, RTSPServer};

use crate::base::{Error, ErrorKind, Result, Secret};

/// Seconds between two looks for sessions whose client is gone.
const SESSION_CLEANUP_S: u32 = 2;

/// What a mount shows.
#[derive(Debug, Clone)]
pub enum ServedSource {
    /// A recording with H.264, H.265, MJPEG or MPEG-4 part 2 video.
    File {
        /// Any container that GStreamer can demultiplex.
        path: PathBuf,
        /// Begins again at its end; otherwise the stream ends.
        loop_forever: bool,
    },
    /// A moving test picture in H.264, a keyframe a second.
    TestPattern {
        /// In pixels, even.
        width: u32,
        /// In pixels, even.
        height: u32,
        /// Frames a second.
        fps: u32,
    },
}

/// How a mount asks for its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginScheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616 with MD5, as cameras do.
    Digest,
}

/// Who may watch.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// How it is asked for; the same for all mounts of a server.
    pub scheme: LoginScheme,
}

/// One camera of a server.
#[derive(Debug, Clone)]
pub struct ServedClip {
    /// Path in the URL, such as `/cam1`.
    pub mount: String,
    /// What it shows.
    pub source: ServedSource,
    /// Who may watch; everybody without one.
    pub login: Option<Login>,
}

impl ServedClip {
    /// A file that loops, open to everybody.
    pub fn looping(path: impl Into<PathBuf>, mount: impl Into<String>) -> Self {
        let source = ServedSource::File { path: path.into(), loop_forever: true };
        Self { mount: mount.into(), source, login: None }
    }

    /// Asks for a login.
    #[must_use]
    pub fn with_login(mut self, user: &str, password: Secret, scheme: LoginScheme) -> Self {
        self.login = Some(Login { user: user.to_owned(), password, scheme });
        self
    }
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct CameraServer {
    address: SocketAddr,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl CameraServer {
    /// Serves `clips` on `listen` (port 0: a free one). Every file is opened first.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt` or `Unsupported` for a clip, with the reason; `Missing` for a GStreamer plugin;
    /// `Busy` when the port is taken; `Usage` for mounts or logins that contradict each other.
    pub fn start(clips: &[ServedClip], listen: SocketAddr) -> Result<Self> {
        gst::init().map_err(|error| Error::new(ErrorKind::Missing, format!("GStreamer: {error}")).source(error))?;
        let server = RTSPServer::new();
        server.set_address(&listen.ip().to_string());
        server.set_service(&listen.port().to_string());
        if let Some(threads) = server.thread_pool() {
            // Clients on the server's own loop: closed from another thread, a client's watch can spin on its
            // closed connection.
            threads.set_max_threads(0);
        }
        mounts::fill(&server, clips)?;

        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let source = server.attach(Some(&context)).map_err(|error| {
            Error::new(ErrorKind::Busy, format!("cannot listen on {listen}"))
                .help("another program has this port: choose another, or 0 for a free one")
                .source(error)
        })?;
        let port = u16::try_from(server.bound_port())
            .map_err(|_| Error::new(ErrorKind::Internal, format!("no port after listening on {listen}")))?;

        let (running, is_running) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn({
                let main_loop = main_loop.clone();
                move || {
                    let cleanup = glib::timeout_source_new_seconds(
                        SESSION_CLEANUP_S,
                        Some("sessions"),
                        glib::Priority::DEFAULT,
                        {
                            let pool = server.session_pool();
                            move || {
                                if let Some(pool) = &pool {
                                    pool.cleanup();
                                }
                                glib::ControlFlow::Continue
                            }
                        },
                    );
                    cleanup.attach(Some(&context));
                    // From the loop itself: a quit before it runs would be lost.
                    context.invoke(move || {
                        let _ = running.send(());
                    });
                    main_loop.run();
                    cleanup.destroy();
                    if let Some(listener) = context.find_source_by_id(&source) {
                        listener.destroy();
                    }
                    server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
                }
            })
            .map_err(|error| Error::new(ErrorKind::Io, format!("thread for the server: {error}")).source(error))?;
        // The thread cannot end before it has sent.
        let _ = is_running.recv();
        Ok(Self { address: SocketAddr::new(listen.ip(), port), main_loop, thread: Some(thread) })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a mount, without credentials; on this machine when it listens on all addresses.
    #[must_use]
    pub fn url(&self, mount: &str) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("rtsp://{}/{}", SocketAddr::new(ip, self.port()), mount.trim_start_matches('/'))
    }

    /// Hangs up on all clients and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.main_loop.quit();
            // A panic there has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

impl Drop for CameraServer {
    fn drop(&mut self) {
        self.end();
    }
}
