//! Answers to `WWW-Authenticate` (RFC 2617, RFC 7616; RTSP: RFC 2326 §14).

use http_auth::{PasswordClient, PasswordParams};
use serde::Serialize;

use super::failure::{Failure, shown};
use super::target::Credentials;

/// How the camera wants to be convinced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthScheme {
    /// Not at all.
    None,
    /// The password in base64: anybody on the way can read it, unless under TLS.
    Basic,
    /// Digest with MD5.
    DigestMd5,
    /// Digest with SHA-256.
    DigestSha256,
    /// Digest with SHA-512/256.
    DigestSha512,
}

impl AuthScheme {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no auth",
            Self::Basic => "basic auth",
            Self::DigestMd5 => "digest auth (MD5)",
            Self::DigestSha256 => "digest auth (SHA-256)",
            Self::DigestSha512 => "digest auth (SHA-512/256)",
        }
    }
}

/// The challenge in force on a connection.
pub(super) struct Challenge {
    client: PasswordClient,
    pub scheme: AuthScheme,
    /// The last nonce was right but too old (RFC 7616 §3.3): no refusal of the password.
    pub stale: bool,
}

impl Challenge {
    /// Takes the first challenge that we can answer; the far side lists them by preference.
    pub(super) fn parse(headers: &str) -> Result<Self, Failure> {
        let client = PasswordClient::builder()
            .challenges(headers)
            .build()
            .map_err(|_| Failure::AuthUnsupported { challenge: shown(headers) })?;
        let (scheme, stale) = match &client {
            PasswordClient::Digest(digest) => {
                let scheme = match digest.algorithm() {
                    http_auth::digest::Algorithm::Sha256 => AuthScheme::DigestSha256,
                    http_auth::digest::Algorithm::Sha512Trunc256 => AuthScheme::DigestSha512,
                    _ => AuthScheme::DigestMd5,
                };
                (scheme, digest.stale())
            }
            _ => (AuthScheme::Basic, false),
        };
        Ok(Self { client, scheme, stale })
    }

    /// The `Authorization` value for one request.
    pub(super) fn answer(&mut self, credentials: &Credentials, method: &str, uri: &str) -> Result<String, Failure> {
        self.client
            .respond(&PasswordParams {
                username: &credentials.user,
                password: credentials.password.expose(),
                uri,
                method,
                body: Some(&[]),
            })
            // The reason may quote the user name; it never quotes the password, but we show neither.
            .map_err(|_| Failure::AuthUnsupported { challenge: format!("{:?}", self.scheme) })
    }
}
