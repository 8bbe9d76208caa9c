//! Where a stream comes from: a network address without its credentials, or a file.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::suggest;
use crate::base::{Secret, redact_url};

/// The schemes that a camera may have, besides plain paths.
const SCHEMES: [&str; 5] = ["rtsp", "rtsps", "http", "https", "file"];

/// Advice for a password that breaks its URL.
const ESCAPES: &str =
    "write `/` as %2F, `#` as %23, `?` as %3F, `@` as %40; better, use `username` and `password_file`";

/// A stream's address.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A camera on the network.
    Network {
        /// The protocol.
        scheme: Scheme,
        /// The URL without user and password; query parameters may still hold a token, hence no `Display`.
        url: Url,
        /// The login, if any.
        credentials: Option<Credentials>,
    },
    /// A recording; the path is absolute.
    File(PathBuf),
}

/// A network protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RTSP (RFC 2326).
    Rtsp,
    /// RTSP over TLS.
    Rtsps,
    /// Motion JPEG over HTTP.
    Http,
    /// Motion JPEG over HTTPS.
    Https,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password; empty when none was given.
    pub password: Secret,
    /// Absolute path of the file that the password was read from, to be read again when it is refused.
    pub password_file: Option<PathBuf>,
}

impl Address {
    /// Whether it is a recording.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Whether it is RTSP, over TLS or not.
    #[must_use]
    pub fn is_rtsp(&self) -> bool {
        matches!(self, Self::Network { scheme: Scheme::Rtsp | Scheme::Rtsps, .. })
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Network { scheme: Scheme::Rtsps | Scheme::Https, .. })
    }

    /// As it may be shown: no password, no token.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Network { url, .. } => redact_url(url.as_str()),
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())?;
        match self {
            Self::Network { credentials: Some(login), .. } => write!(f, " as {}", login.username),
            _ => Ok(()),
        }
    }
}

/// Why an address was refused; neither text holds a part of the address that may be secret.
#[derive(Debug)]
pub(super) struct BadAddress {
    pub message: String,
    pub help: String,
}

fn bad(message: impl Into<String>, help: impl Into<String>) -> BadAddress {
    BadAddress { message: message.into(), help: help.into() }
}

/// Reads an address; relative paths count from `folder`.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Address, BadAddress> {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, rest)| has_scheme(scheme, rest)) else {
        return path(text, folder);
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "rtsp" => Scheme::Rtsp,
        "rtsps" => Scheme::Rtsps,
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "file" => return file(text, rest, folder),
        other => {
            let help = suggest::advice(other, &SCHEMES, "");
            return Err(bad(format!("`{other}:` is not a kind of stream that can be read"), help));
        }
    };
    let mut url = Url::parse(text).map_err(|why| {
        let help = if text.contains('@') { ESCAPES } else { "write rtsp://host:port/path" };
        bad(format!("this is no address: {why}"), help)
    })?;
    // `rtsp://admin:1/x@host` is, to the letter, a host named `admin` with port 1; nobody means that.
    if url.fragment().is_some() || (text.contains('@') && url.username().is_empty()) {
        return Err(bad("this address can be read in two ways", ESCAPES));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("this address has no host", "write rtsp://host:port/path"));
    }
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let username = percent_decoded(user);
            let password = Secret::new(percent_decoded(password.unwrap_or_default()));
            Some(Credentials { username, password, password_file: None })
        }
    };
    // These fail only for URLs without a host, and this one has one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Address::Network { scheme, url, credentials })
}

/// `word:` begins a URL when `//` follows, and for `file` always; `C:\clip.mp4` and `a:b.mp4` are paths.
fn has_scheme(scheme: &str, rest: &str) -> bool {
    let word = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    word && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("file"))
}

fn file(text: &str, rest: &str, folder: &Path) -> Result<Address, BadAddress> {
    if !rest.starts_with("//") {
        return path(rest, folder);
    }
    let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    path.map(Address::File).ok_or_else(|| {
        bad("this file: address has no absolute path", "write file:///folder/clip.mp4, or just the path")
    })
}

fn path(text: &str, folder: &Path) -> Result<Address, BadAddress> {
    // `admin:secret@10.0.0.5/main` or `10.0.0.5:554/main`: an address whose scheme was forgotten.
    let first = text.split('/').next().unwrap_or_default();
    let port =
        first.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()));
    if text.contains('@') || port || first.parse::<std::net::IpAddr>().is_ok() {
        return Err(bad("this looks like a camera's address without its scheme", "begin it with rtsp://"));
    }
    if text.is_empty() {
        return Err(bad("this names no file", "write a path or an address such as rtsp://host/path"));
    }
    Ok(Address::File(folder.join(text)))
}

/// RFC 3986 §2.1; a `%` that begins no escape stays.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let byte =
            escaped.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Address, BadAddress> {
        parse(text, Path::new("/etc/vantage"))
    }

    #[test]
    fn the_login_leaves_the_url() {
        let Address::Network { scheme, url, credentials } =
            parsed("rtsp://admin:p%40ss%2f@10.0.0.5:554/a?x=1").unwrap()
        else {
            panic!("network")
        };
        assert_eq!((scheme, url.as_str()), (Scheme::Rtsp, "rtsp://10.0.0.5:554/a?x=1"));
        let login = credentials.unwrap();
        assert_eq!((login.username.as_str(), login.password.expose()), ("admin", "p@ss/"));
    }

    #[test]
    fn paths_count_from_the_folder() {
        for (text, path) in [
            ("clips/a.mp4", "/etc/vantage/clips/a.mp4"),
            ("/a b.mp4", "/a b.mp4"),
            ("file:///a%20b.mp4", "/a b.mp4"),
            ("file:a.mp4", "/etc/vantage/a.mp4"),
            ("a:b.mp4", "/etc/vantage/a:b.mp4"),
        ] {
            assert_eq!(parsed(text).unwrap(), Address::File(path.into()), "{text}");
        }
    }

    #[test]
    fn bad_addresses_say_why() {
        for (text, fragment) in [
            ("rtps://h/a", "did you mean \"rtsp\"?"),
            ("rtsp:///a", "host"),
            ("rtsp://h:99999/a", "port"),
            ("10.0.0.5/main", "rtsp://"),
            ("10.0.0.5:554/main", "rtsp://"),
            ("admin:hunter2@10.0.0.5/main", "rtsp://"),
            ("", "path"),
            ("rtsp://admin:1/x@10.0.0.5/main", "two ways"),
            ("rtsp://admin:1#x@10.0.0.5/main", "two ways"),
        ] {
            let BadAddress { message, help } = parsed(text).unwrap_err();
            assert!(format!("{message} {help}").contains(fragment), "{text}: {message} {help}");
        }
    }
}
