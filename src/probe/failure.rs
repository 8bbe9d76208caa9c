//! Why a camera could not be probed: one variant for each thing that somebody can act on.

use std::fmt;

use serde::Serialize;

use crate::base::{Error, ErrorKind};

/// The step that was under way, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Name to address.
    Resolve,
    /// TCP connect.
    Connect,
    /// TLS handshake (`rtsps`).
    Tls,
    /// `OPTIONS`.
    Options,
    /// `DESCRIBE`, its challenges and redirects included.
    Describe,
    /// `SETUP`.
    Setup,
    /// `PLAY`.
    Play,
    /// Receiving the stream.
    Stream,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the name",
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Stream => "receiving the stream",
        })
    }
}

/// What a probe can end with instead of an answer. Texts from the far side are cut and made printable.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The URL is none that we can probe.
    BadUrl { why: String },
    /// The name has no address.
    NameUnknown { host: String, why: String },
    /// Nothing listens there.
    Refused { address: String },
    /// No way to the address, or the connection broke.
    Network { step: Step, why: String },
    /// The total time ran out during this step.
    Timeout { step: Step, seconds: f64 },
    /// Something else than RTSP answered.
    NotRtsp { speaks: String },
    /// The certificate or the TLS handshake failed.
    Tls { why: String },
    /// The far side closed the connection before it had answered.
    Closed { step: Step },
    /// An answer breaks RTSP, or is not text.
    Malformed { step: Step, why: String },
    /// An answer is larger than any honest one.
    TooLarge { step: Step, what: &'static str, limit_bytes: usize },
    /// The camera wants credentials and we have none.
    CredentialsNeeded { scheme: String },
    /// The camera refused the credentials (twice, so that a stale nonce is no reason).
    CredentialsRefused { scheme: String },
    /// It wants an authentication scheme that we do not know.
    AuthUnsupported { challenge: String },
    /// A redirect that we do not follow.
    Redirect { to: String, why: &'static str },
    /// 404, or 454 before there was a session.
    NotFound { status: u16 },
    /// 454: it forgot the session between `SETUP` and `PLAY`.
    SessionLost,
    /// 461: no RTP over TCP.
    UdpOnly,
    /// 453 or 503: too many viewers, or still starting.
    Overloaded { status: u16 },
    /// Any other status.
    Status { step: Step, status: u16, reason: String },
    /// The session description cannot be read.
    BadDescription { why: String },
    /// It describes media, but no video.
    NoVideo { offered: Vec<String> },
    /// Video, but no codec of ours.
    NoKnownCodec { offered: Vec<String> },
    /// Everything was agreed, but no picture came.
    NoPictures { packets: u64 },
}

impl Failure {
    /// The kind, for retries and the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadUrl { .. } => ErrorKind::Config,
            Self::NameUnknown { .. }
            | Self::Refused { .. }
            | Self::Network { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::Closed { .. }
            | Self::SessionLost
            | Self::Overloaded { .. }
            | Self::Status { .. }
            | Self::NoPictures { .. } => ErrorKind::Unreachable,
            Self::CredentialsNeeded { .. } | Self::CredentialsRefused { .. } | Self::AuthUnsupported { .. } => {
                ErrorKind::Auth
            }
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotRtsp { .. }
            | Self::Redirect { .. }
            | Self::UdpOnly
            | Self::NoVideo { .. }
            | Self::NoKnownCodec { .. } => ErrorKind::Unsupported,
            Self::Malformed { .. } | Self::TooLarge { .. } | Self::BadDescription { .. } => ErrorKind::Corrupt,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => "give rtsp://HOST[:PORT]/PATH or rtsps://…",
            Self::NameUnknown { .. } => "check the host name, or give the IP address",
            Self::Refused { .. } => {
                "check the port (RTSP is 554 unless changed) and that RTSP is switched on in the camera"
            }
            Self::Network { .. } => "check the cable, the address and the firewall",
            Self::Timeout { .. } => {
                "check the address and the firewall; a camera that answers too slowly may be overloaded"
            }
            Self::NotRtsp { .. } => "this is another service: look for the RTSP port, or try rtsps:// if it speaks TLS",
            Self::Tls { .. } => {
                "install the camera's certificate authority, or allow an unchecked certificate for this camera"
            }
            Self::Closed { .. } => "the camera hung up: look for a limit on viewers or a ban after wrong passwords",
            Self::Malformed { .. } | Self::TooLarge { .. } | Self::BadDescription { .. } => {
                "update the camera's firmware, or try its other stream"
            }
            Self::CredentialsNeeded { .. } => "give a user name and password",
            Self::CredentialsRefused { .. } => {
                "check user name and password; many cameras have separate ONVIF and web users, and lock after some wrong tries"
            }
            Self::AuthUnsupported { .. } => "set the camera's RTSP authentication to digest or basic",
            Self::Redirect { .. } => "if the new address is right, give it directly",
            Self::NotFound { .. } => {
                "check the path of the URL: each maker has its own (the camera's manual, or ONVIF, tells)"
            }
            Self::SessionLost => "try again; if it stays, limit the viewers or update the firmware",
            Self::UdpOnly => "switch RTP over TCP on in the camera, or set the camera's transport to udp",
            Self::Overloaded { .. } => "close other viewers of this stream, or use the sub-stream",
            Self::Status { .. } => "look into the camera's log",
            Self::NoVideo { .. } => "use the URL of a video stream",
            Self::NoKnownCodec { .. } => "set the camera to H.264, H.265, MJPEG or MPEG-4",
            Self::NoPictures { .. } => "the camera agreed but sends nothing: restart it, or try its other stream",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |offered: &[String]| if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
        match self {
            Self::BadUrl { why } => write!(f, "not a camera URL: {why}"),
            Self::NameUnknown { host, why } => write!(f, "the name {host} has no address: {why}"),
            Self::Refused { address } => write!(f, "{address} refuses the connection"),
            Self::Network { step, why } => write!(f, "network error during {step}: {why}"),
            Self::Timeout { step, seconds } => write!(f, "no answer within {seconds:.1} s, during {step}"),
            Self::NotRtsp { speaks } => write!(f, "no RTSP server: it speaks {speaks}"),
            Self::Tls { why } => write!(f, "TLS failed: {why}"),
            Self::Closed { step } => write!(f, "the camera closed the connection during {step}"),
            Self::Malformed { step, why } => write!(f, "malformed answer to {step}: {why}"),
            Self::TooLarge { step, what, limit_bytes } => {
                write!(f, "the answer to {step} has {what} beyond {limit_bytes} bytes")
            }
            Self::CredentialsNeeded { scheme } => write!(f, "the camera wants credentials ({scheme})"),
            Self::CredentialsRefused { scheme } => write!(f, "the camera refuses the credentials ({scheme})"),
            Self::AuthUnsupported { challenge } => write!(f, "unknown authentication scheme: {challenge}"),
            Self::Redirect { to, why } => write!(f, "redirected to {to}, not followed: {why}"),
            Self::NotFound { status } => write!(f, "no such stream ({status})"),
            Self::SessionLost => write!(f, "the camera forgot the session (454)"),
            Self::UdpOnly => write!(f, "the camera sends over UDP only (461 for RTP over TCP)"),
            Self::Overloaded { status } => write!(f, "the camera has no room for another viewer ({status})"),
            Self::Status { step, status, reason } => write!(f, "{step} answered {status} {reason}"),
            Self::BadDescription { why } => write!(f, "the session description cannot be read: {why}"),
            Self::NoVideo { offered } => write!(f, "no video among what is offered: {}", list(offered)),
            Self::NoKnownCodec { offered } => write!(f, "no known video codec among: {}", list(offered)),
            Self::NoPictures { packets } => write!(f, "no picture came ({packets} packets)"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind(), failure.to_string()).help(failure.fix()).source(failure)
    }
}

/// Text from the far side as it may be shown: printable, one line, at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim().to_owned()
}
