//! `vantage probe`: the camera doctor.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{Error, ErrorKind, Result, Secret};
use crate::pipeline::decode_check::{DecodeCheck, decode_check};
use crate::probe::{self, Options};
use crate::source::{Location, TlsTrust};

/// Arguments of `vantage probe`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The camera's address, or a recording.
    url: String,
    /// User name; the password is in $VANTAGE_PROBE_PASSWORD, or in the address.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How long to watch the stream, seconds.
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    seconds: f64,
    /// Takes any certificate on rtsps.
    #[arg(long)]
    insecure_tls: bool,
    /// Does not decode.
    #[arg(long)]
    no_decode: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (location, in_url) = Location::parse(&arguments.url)?;
    let credentials = match &arguments.user {
        Some(user) => {
            let password = std::env::var("VANTAGE_PROBE_PASSWORD").map_err(|_| {
                Error::new(ErrorKind::Usage, "--user needs a password").help("set VANTAGE_PROBE_PASSWORD")
            })?;
            Some((user.clone(), Secret::new(password)))
        }
        None => in_url.map(|c| (c.username, c.password)),
    };
    let look = Duration::from_secs_f64(arguments.seconds.clamp(0.5, 60.0));
    let report = match &location {
        Location::Rtsp(_) => Some(handshake(arguments, credentials.clone(), look)?),
        Location::HttpMjpeg(_) | Location::File(_) => None,
    };
    let failure = report.as_ref().and_then(|r| r.failure.clone());
    let tls = if arguments.insecure_tls { TlsTrust::Any } else { TlsTrust::System };
    let decoded = (failure.is_none() && !arguments.no_decode).then(|| decode_check(&location, credentials, tls, look));
    if arguments.json {
        say_json(&json!({"report": report, "decode": decoded}))?;
    } else {
        if let Some(report) = &report {
            say(probe::render(report))?;
        }
        if let Some(decoded) = &decoded {
            say(render(decoded))?;
        }
    }
    if let Some(failure) = failure {
        let error = Error::from(failure);
        return Ok(ExitCode::from(error.kind().exit_code()));
    }
    Ok(match decoded.and_then(|d| d.error_kind) {
        Some(kind) => ExitCode::from(kind.exit_code()),
        None => ExitCode::SUCCESS,
    })
}

fn handshake(arguments: &Arguments, credentials: Option<(String, Secret)>, look: Duration) -> Result<probe::Report> {
    let tasks = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
    let options = Options { insecure_tls: arguments.insecure_tls, ..Options::default() };
    Ok(tasks.block_on(probe::probe(&arguments.url, credentials, &options, Some(look), &SystemClock)))
}

fn render(decoded: &DecodeCheck) -> String {
    match &decoded.error {
        None => format!(
            "  decode {}x{}, {} pictures in {:.1} s ({:.1} fps), {:.2} CPU ms each, {} damaged, capture time from {}",
            decoded.width,
            decoded.height,
            decoded.pictures,
            decoded.seconds,
            decoded.fps,
            decoded.cpu_ms_per_picture,
            decoded.damaged,
            decoded.time_source
        ),
        Some(error) => format!("  decode failed: {error}"),
    }
}
