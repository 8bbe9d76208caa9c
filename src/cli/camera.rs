//! `vantage camera`: clips as RTSP cameras.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::signals::Signals;
use super::terminal::say;
use crate::base::{Error, ErrorKind, Result, Secret};
use crate::serve::{CameraServer, LoginScheme, ServedClip, ServedSource};

/// Arguments of `vantage camera`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Clips; each becomes a camera: /cam1, /cam2, … Without one, a test picture is served.
    clips: Vec<PathBuf>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8554", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Ends a clip at its end instead of beginning again.
    #[arg(long)]
    once: bool,
    /// User name to ask for; the password is in $VANTAGE_CAMERA_PASSWORD.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let source = |clip: &PathBuf| ServedSource::File { path: clip.clone(), loop_forever: !arguments.once };
    let mut sources: Vec<ServedSource> = arguments.clips.iter().map(source).collect();
    if sources.is_empty() {
        sources.push(ServedSource::TestPattern { width: 640, height: 360, fps: 25 });
    }
    let served: Vec<ServedClip> = sources
        .into_iter()
        .enumerate()
        .map(|(index, source)| {
            let clip = ServedClip { mount: format!("/cam{}", index + 1), source, login: None };
            Ok(match &arguments.user {
                Some(user) => clip.with_login(user, password()?, LoginScheme::Digest),
                None => clip,
            })
        })
        .collect::<Result<_>>()?;
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
    let signals = Signals::listen(tasks.handle())?;
    let server = CameraServer::start(&served, arguments.listen)?;
    for clip in &served {
        say(server.url(&clip.mount))?;
    }
    tasks.block_on(signals.stop.wait());
    server.stop();
    Ok(ExitCode::SUCCESS)
}

fn password() -> Result<Secret> {
    std::env::var("VANTAGE_CAMERA_PASSWORD")
        .map(Secret::new)
        .map_err(|_| Error::new(ErrorKind::Usage, "--user needs a password").help("set VANTAGE_CAMERA_PASSWORD"))
}
