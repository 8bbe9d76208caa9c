//! The camera doctor's part on the wire: an RTSP handshake and a short look at the stream, without GStreamer.
//!
//! [`handshake`] connects, answers challenges, follows redirects on the same host and reads what is offered;
//! [`probe`] also plays the stream for some seconds and gives a [`Report`] with [`advice`]. Everything from
//! the far side is bounded in bytes and time, and nothing that leaves this module holds a password.

mod advice;
mod auth;
mod bits;
mod client;
mod failure;
mod handshake;
mod look;
mod meter;
mod reach;
mod render;
mod rtp;
mod sdp;
pub mod sps;
mod sps_h265;
mod target;
mod tls;
mod wire;

use std::time::Duration;

use serde::Serialize;

pub use advice::{Advice, Severity, advice};
pub use auth::AuthScheme;
pub use failure::{Failure, Step};
pub use handshake::{Handshake, StepTime};
pub use meter::{Gop, Look};
pub use reach::reach;
pub use render::render;
pub use sdp::{Codec, Media, MediaKind};
pub use target::Options;

use crate::base::{Clock, Secret, redact_url};
use handshake::{Described, Progress};
use target::Target;

/// How long a look takes unless told otherwise.
pub const DEFAULT_LOOK: Duration = Duration::from_secs(3);

/// Everything that a probe found. Serialises to the JSON of `vantage probe --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The URL asked for, redacted.
    pub url: String,
    /// What the camera said, if it came that far.
    pub handshake: Option<Handshake>,
    /// What it sent, if it was asked to and did.
    pub look: Option<Look>,
    /// What ended the probe early.
    pub failure: Option<Failure>,
    /// What to do, worst first; a failure is the first.
    pub advice: Vec<Advice>,
}

/// Connects and describes, within `options.timeout` in all. Credentials given here win over those in the URL.
///
/// # Errors
/// The [`Failure`] that ended it; it turns into a [`crate::base::Error`] with kind and advice.
pub async fn handshake(
    url: &str,
    credentials: Option<(String, Secret)>,
    options: &Options,
    clock: &dyn Clock,
) -> Result<Handshake, Failure> {
    describe(url, credentials, options, clock).await.map(|described| described.handshake)
}

/// The handshake and, on the same connection, a look of the given length. Never fails: a failure is part
/// of the report.
pub async fn probe(
    url: &str,
    credentials: Option<(String, Secret)>,
    options: &Options,
    look: Option<Duration>,
    clock: &dyn Clock,
) -> Report {
    let mut report = Report { url: redact_url(url), handshake: None, look: None, failure: None, advice: Vec::new() };
    match describe(url, credentials, options, clock).await {
        Ok(mut described) => {
            if let Some(length) = look {
                match look::run(&mut described, options, length, clock).await {
                    Ok(look) => report.look = Some(look),
                    Err(failure) => report.failure = Some(failure),
                }
            }
            described.handshake.quirks.clone_from(&described.client.quirks);
            report.handshake = Some(described.handshake);
        }
        Err(failure) => report.failure = Some(failure),
    }
    if let Some(failure) = &report.failure {
        report.advice.push(Advice::new(Severity::Problem, failure.to_string(), failure.fix()));
    }
    if let Some(handshake) = &report.handshake {
        report.advice.extend(advice(handshake, report.look.as_ref()));
    }
    report
}

async fn describe(
    url: &str,
    credentials: Option<(String, Secret)>,
    options: &Options,
    clock: &dyn Clock,
) -> Result<Described, Failure> {
    let target = Target::parse(url, credentials)?;
    let mut progress = Progress::new(clock);
    let run = handshake::run(target, options, &mut progress);
    let finished = tokio::time::timeout(options.total(), run).await;
    finished.unwrap_or_else(|_| Err(Failure::Timeout { step: progress.step, seconds: options.total().as_secs_f64() }))
}
