//! One error type: a kind for whoever decides, a message for whoever reads.
//!
//! The message says what failed and where; `help` says what to do about it. Every foreign error is
//! mapped to a kind at the place that knows what it means, and becomes the `source`. The kind alone
//! decides retries and the exit code. Messages never hold a secret (see [`super::secret`]).

use std::error::Error as StdError;
use std::fmt;

/// `Result` with the crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was; decides retry and exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line is wrong.
    Usage,
    /// A pipeline, model or other settings file is wrong.
    Config,
    /// A file, camera, model or event that was named does not exist.
    NotFound,
    /// The far side cannot be reached: refused, timed out, no route, name unknown.
    Unreachable,
    /// The far side refused the credentials, or wants some.
    Auth,
    /// Understood, but not something this program handles: a codec, a model family, a stream without times.
    Unsupported,
    /// The data is damaged or not what it claims to be.
    Corrupt,
    /// The machine lacks a part: a GStreamer plugin, ONNX Runtime, an execution provider.
    Missing,
    /// The operating system refused: permission.
    Permission,
    /// No space left, or a quota reached.
    DiskFull,
    /// Somebody else holds it: a second instance on one store, a port in use.
    Busy,
    /// Any other input/output failure.
    Io,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// The process exit code: 1 failed, 2 usage, 69 unreachable, 77 permission, 78 configuration
    /// (the last three as in BSD `sysexits.h`).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Unreachable => 69,
            Self::Auth | Self::Permission => 77,
            Self::Config => 78,
            _ => 1,
        }
    }

    /// A stable lower-case name, for JSON output and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Auth => "auth",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Missing => "missing",
            Self::Permission => "permission",
            Self::DiskFull => "disk_full",
            Self::Busy => "busy",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }
}

/// An error with its kind, message, advice and cause.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error. The message is lower-case, without a full stop, and names the thing it is about.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), help: None, source: None }))
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts `context: ` before the message: the camera, file or step that the error happened in.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The advice, if any.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// An I/O error on `path`, with the kind that the OS error code means.
    pub fn io(path: impl AsRef<std::path::Path>, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Permission,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{}: {error}", path.as_ref().display())).source(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.0.kind.as_str(), self.0.message)?;
        if let Some(help) = &self.0.help {
            write!(f, " (help: {help})")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, " (cause: {source})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

/// The message with those behind it, which tell what the first hides.
#[must_use]
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
