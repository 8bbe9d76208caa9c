//! Sources: from a camera address or a file to decoded frames.
//!
//! [`supervisor::Supervisor`] owns one camera: it dials, runs one connection after the other
//! (`run::run_once`), tells the state with its reason, and never gives up on a live camera.
//! One run is a GStreamer graph (`graph`) with a tap on it (`tap`): the tap counts access units
//! and pictures, gives them their times ([`timeline`]), keeps damaged ones back, and hands frames to
//! the [`Outlet`]. On the way the compressed pictures of the last seconds are kept ([`packets`]), for clips.
//! GStreamer types stay in here and in `frame`.
//!
//! A new kind of source is one method of `graph` and one row in [`Location::parse`].

pub mod backoff;
mod controls;
mod fault;
mod graph;
pub mod integrity;
pub mod packets;
pub mod reach;
mod run;
mod secret;
pub mod signals;
pub mod status;
pub mod supervisor;
mod tap;
pub mod timeline;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use self::reach::Knocker;
pub use self::status::{State, Status, StatusCell};
pub use self::supervisor::{Supervisor, SupervisorParts};
pub use self::tls::resume_no_sessions;
use crate::base::{CameraId, Error, ErrorKind, Result, Secret, Timestamp, redact_url};
pub use crate::config::{Credentials, TlsTrust, Transport};
use crate::frame::{Frame, Matrix, Range, Rotation};

/// Takes frames; false when nobody wants any more.
pub type Outlet = Arc<dyn Fn(Frame) -> bool + Send + Sync>;

/// Starts GStreamer once.
///
/// # Errors
/// `Missing` when GStreamer cannot start.
pub fn init() -> Result<()> {
    gstreamer::init().map_err(|error| {
        Error::new(ErrorKind::Missing, "GStreamer cannot start")
            .source(error)
            .help("run `make setup`, or `vantage doctor` to see what is missing")
    })
}

/// Whether GStreamer has all that a source may need.
#[derive(Debug)]
pub struct Health {
    /// GStreamer's version.
    pub version: String,
    /// How many elements were looked for.
    pub elements: usize,
    /// Missing elements, each with the Debian package that brings it.
    pub missing: Vec<(&'static str, &'static str)>,
}

/// Looks for every element.
///
/// # Errors
/// As [`init`].
pub fn health() -> Result<Health> {
    init()?;
    let elements = graph::elements();
    let is_missing = |name: &&(&str, &str)| gstreamer::ElementFactory::find(name.0).is_none();
    Ok(Health {
        version: gstreamer::version_string().to_string(),
        elements: elements.len(),
        missing: elements.iter().filter(is_missing).copied().collect(),
    })
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `rtsp://` or `rtsps://`, without user and password.
    Rtsp(Url),
    /// Motion JPEG over `http://` or `https://` (`multipart/x-mixed-replace`), without user and password.
    HttpMjpeg(Url),
    /// A recording.
    File(PathBuf),
}

impl Location {
    /// Reads an address or a path, and the user and password in it.
    ///
    /// # Errors
    /// `Usage` for an address of a scheme that is not handled, or without a host.
    pub fn parse(text: &str) -> Result<(Self, Option<Credentials>)> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok((Self::File(PathBuf::from(text)), None));
        };
        let wrong = |why: String| {
            Error::new(ErrorKind::Usage, format!("{}: {why}", redact_url(text)))
                .help("known are rtsp://, rtsps://, http://, https:// (motion JPEG), file:// and plain paths")
        };
        let mut url = Url::parse(text).map_err(|e| wrong(format!("not an address: {e}")))?;
        if scheme == "file" {
            let path = url.to_file_path().map_err(|()| wrong("not a local file".to_owned()))?;
            return Ok((Self::File(path), None));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("the address has no host".to_owned()));
        }
        let decode = |part: &str| {
            url::form_urlencoded::parse(format!("v={}", part.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let credentials = (!url.username().is_empty()).then(|| Credentials {
            username: decode(url.username()),
            password: Secret::new(decode(url.password().unwrap_or(""))),
            password_file: None,
        });
        // Both only fail for addresses without a host.
        let _ = (url.set_username(""), url.set_password(None));
        match scheme {
            "rtsp" | "rtsps" => Ok((Self::Rtsp(url), credentials)),
            "http" | "https" => Ok((Self::HttpMjpeg(url), credentials)),
            other => Err(wrong(format!("the scheme {other}:// is not handled"))),
        }
    }

    /// Whether pictures come in real time.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Host and port to knock at.
    #[must_use]
    pub fn endpoint(&self) -> Option<(String, u16)> {
        let (Self::Rtsp(url) | Self::HttpMjpeg(url)) = self else { return None };
        let default = match url.scheme() {
            "rtsp" => 554,
            "rtsps" => 322,
            "https" => 443,
            _ => 80,
        };
        // An IPv6 literal is bracketed in a URL and bare for a connect.
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some((host, url.port().unwrap_or(default)))
    }

    /// The file, when it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rtsp(url) | Self::HttpMjpeg(url) => f.write_str(&redact_url(url.as_str())),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What a source needs to know of its camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whose frames they are.
    pub camera: CameraId,
    /// Where they come from.
    pub location: Location,
    /// User and password.
    pub credentials: Option<Credentials>,
    /// Which certificates are trusted.
    pub tls: TlsTrust,
    /// RTP transport.
    pub transport: Transport,
    /// How long RTP packets wait for missing ones before them.
    pub latency: Duration,
    /// Frame rate of a stream without times.
    pub assume_fps: Option<f64>,
    /// UTC of a recording's first picture.
    pub starts_at: Option<Timestamp>,
    /// Overrides the stream's colour matrix.
    pub matrix: Option<Matrix>,
    /// Overrides the stream's range.
    pub range: Option<Range>,
    /// Overrides the container's rotation.
    pub rotate: Option<Rotation>,
    /// How often a recording is read.
    pub repeat: u32,
}

impl Settings {
    /// Defaults for a location.
    #[must_use]
    pub fn new(camera: CameraId, location: Location) -> Self {
        Self {
            camera,
            location,
            credentials: None,
            tls: TlsTrust::default(),
            transport: Transport::Tcp,
            latency: Duration::from_millis(200),
            assume_fps: None,
            starts_at: None,
            matrix: None,
            range: None,
            rotate: None,
            repeat: 1,
        }
    }
}
