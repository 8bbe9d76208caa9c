//! Secrets that cannot be printed, and URLs without theirs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use url::Url;

/// A password or token. `Debug` and `Display` print `***`; it is never serialised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }
    /// The secret itself. Call it only where it is handed to the far side.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The URL as it may be shown: the password becomes `***`, and so does the value of every query
/// parameter whose name hints at one (`password`, `pwd`, `token`, `key`, `secret`, `auth`, …).
/// Text that is no URL is shown up to the first `@` only if it has none; otherwise the part before it is hidden.
#[must_use]
pub fn redact_url(text: &str) -> String {
    let Some(mut url) = Url::parse(text).ok().filter(Url::has_host) else {
        return match text.rsplit_once('@') {
            Some((_, rest)) => format!("***@{rest}"),
            None => text.to_owned(),
        };
    };
    if url.password().is_some() {
        // Only fails for URLs that cannot have a password, and this one has.
        let _ = url.set_password(Some("***"));
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        if pairs.iter().any(|(name, _)| hints_at_secret(name)) {
            let shown: Vec<String> = pairs
                .into_iter()
                .map(|(name, value)| {
                    let value = if hints_at_secret(&name) { "***".to_owned() } else { value };
                    format!("{name}={value}")
                })
                .collect();
            url.set_query(Some(&shown.join("&")));
        }
    }
    url.to_string()
}

fn hints_at_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "token", "key", "secret", "auth", "sig"].iter().any(|hint| name.contains(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn urls_lose_their_secrets_and_nothing_else() {
        for (given, shown) in [
            ("rtsp://admin:hunter2@10.0.0.1:554/a?x=1", "rtsp://admin:***@10.0.0.1:554/a?x=1"),
            ("rtsp://10.0.0.1/live", "rtsp://10.0.0.1/live"),
            ("http://h/a?user=bob&pwd=hunter2", "http://h/a?user=bob&pwd=***"),
            ("admin:hunter2@host", "***@host"),
            ("clip.mp4", "clip.mp4"),
        ] {
            assert_eq!(redact_url(given), shown);
        }
    }
}
