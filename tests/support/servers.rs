//! Other people's RTSP servers, run as children on free ports and killed by their own ids.
// Each test binary uses its part; helpers panic as tests do, and wait by the real clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// Whether a program is on the path; says so when it is not.
pub fn installed(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// A child that dies with its guard.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Guard {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Guard(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

fn wait_for_port(port: u16) {
    let end = Instant::now() + Duration::from_secs(15);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on {port} after 15 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// VLC as a camera that loops a clip.
pub struct VlcServer {
    port: u16,
    _vlc: Guard,
    _home: tempfile::TempDir,
}

impl VlcServer {
    /// `None` when VLC is not installed. The clip is copied, so that an unprivileged user can read it.
    pub fn start(clip: &Path) -> Option<Self> {
        if !installed("cvlc") || !installed("setpriv") {
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let copy = home.path().join("clip").with_extension(clip.extension().unwrap_or_default());
        std::fs::copy(clip, &copy).unwrap();
        let everybody = |path: &Path, mode| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        everybody(&copy, 0o644);
        everybody(home.path(), 0o777);
        let port = free_port();
        // VLC refuses root.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
            command
        } else {
            Command::new("cvlc")
        };
        command.env("HOME", home.path()).env_remove("XDG_RUNTIME_DIR").arg(&copy).args([
            "--loop",
            "--sout-keep",
            "--no-audio",
            "--sout",
        ]);
        command.arg(format!("#rtp{{sdp=rtsp://127.0.0.1:{port}/x}}"));
        let vlc = spawn(&mut command);
        wait_for_port(port);
        Some(Self { port, _vlc: vlc, _home: home })
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/x", self.port)
    }
}

/// Debian's `rtsp-server-perl` (UDP only), and an ffmpeg that pushes a clip into it.
pub struct PerlServer {
    port: u16,
    // Dropped in this order: the pusher first.
    _push: Guard,
    _server: Guard,
}

impl PerlServer {
    /// `None` when it or ffmpeg is not installed.
    pub fn start(clip: &Path) -> Option<Self> {
        if !installed("rtsp-server-perl") || !installed("ffmpeg") {
            return None;
        }
        let (port, source, rtp) = (free_port(), free_port(), free_port());
        let server = spawn(Command::new("rtsp-server-perl").args([
            "--clientport",
            &port.to_string(),
            "--serverport",
            &source.to_string(),
            "--rtp_start_port",
            &rtp.to_string(),
            "--client_listen_address",
            "127.0.0.1",
            "--source_listen_address",
            "127.0.0.1",
            "--loglevel",
            "1",
        ]));
        wait_for_port(port);
        wait_for_port(source);
        let push = spawn(
            Command::new("ffmpeg")
                .args(["-loglevel", "quiet", "-re", "-stream_loop", "-1", "-i"])
                .arg(clip)
                .args(["-an", "-c", "copy", "-f", "rtsp"])
                .arg(format!("rtsp://127.0.0.1:{source}/x")),
        );
        Some(Self { port, _push: push, _server: server })
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/x", self.port)
    }
}
