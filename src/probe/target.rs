//! Which camera, with which credentials, within which limits.

use std::time::Duration;

use url::Url;

use super::failure::Failure;
use crate::base::{Secret, redact_url};

/// Limits of a probe.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time for everything up to the session description; and again for `SETUP` with `PLAY`. At most 10 s.
    pub timeout: Duration,
    /// Most bytes of one answer's headers.
    pub header_bytes: usize,
    /// Most bytes of a session description.
    pub description_bytes: usize,
    /// Takes any certificate on `rtsps`.
    pub insecure_tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            description_bytes: 64 * 1024,
            insecure_tls: false,
        }
    }
}

impl Options {
    /// The timeout, kept to its 10 s.
    pub(super) fn total(&self) -> Duration {
        self.timeout.min(Duration::from_secs(10))
    }
}

/// A camera URL taken apart. `url` never holds user or password.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub url: Url,
    pub credentials: Option<Credentials>,
}

/// User name and password.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub user: String,
    pub password: Secret,
}

impl Target {
    /// Takes `rtsp://` and `rtsps://` URLs. Credentials given apart win over those in the URL.
    pub(super) fn parse(text: &str, given: Option<(String, Secret)>) -> Result<Self, Failure> {
        let bad = |why: String| Failure::BadUrl { why };
        let mut url = Url::parse(text).map_err(|error| bad(format!("{}: {error}", redact_url(text))))?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") {
            return Err(bad(format!("scheme {} instead of rtsp or rtsps", url.scheme())));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(bad(format!("{}: no host", redact_url(text))));
        }
        let in_url = (!url.username().is_empty())
            .then(|| (percent_decode(url.username()), Secret::new(percent_decode(url.password().unwrap_or_default()))));
        strip_credentials(&mut url);
        let credentials = given.or(in_url).map(|(user, password)| Credentials { user, password });
        Ok(Self { url, credentials })
    }

    /// Host without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port().unwrap_or(if self.tls() { 322 } else { 554 })
    }

    pub(super) fn tls(&self) -> bool {
        self.url.scheme() == "rtsps"
    }
}

/// Takes user and password out of a URL.
pub(super) fn strip_credentials(url: &mut Url) {
    // Both fail only for URLs without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let target = Target::parse("rtsp://ad%40min:p%3Aw%20d@[::1]:8554/x?y=1", None).unwrap();
        assert_eq!(target.url.as_str(), "rtsp://[::1]:8554/x?y=1");
        assert_eq!((target.host(), target.port()), ("::1", 8554));
        let credentials = target.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("ad@min", "p:w d"));
        let given = Some(("bob".to_owned(), Secret::new("other")));
        assert_eq!(Target::parse("rtsp://a:b@h/x", given).unwrap().credentials.unwrap().user, "bob");
    }

    #[test]
    fn urls_that_are_no_cameras() {
        for url in ["http://h/x", "rtsp:///x", "clip.mp4", "rtsp://h:99999/x"] {
            assert!(matches!(Target::parse(url, None), Err(Failure::BadUrl { .. })), "{url}");
        }
    }
}
