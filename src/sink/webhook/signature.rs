//! Signatures of *Standard Webhooks*: HMAC-SHA256 (RFC 2104) over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::Secret;

/// The key that requests are signed with.
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// From `whsec_` and base64, else from the text's bytes.
    pub(super) fn new(secret: &Secret) -> Result<Self, String> {
        let bytes = match secret.expose().strip_prefix("whsec_") {
            Some(encoded) => {
                STANDARD.decode(encoded).map_err(|e| format!("the secret after `whsec_` is no base64: {e}"))?
            }
            None => secret.expose().as_bytes().to_vec(),
        };
        Hmac::new_from_slice(&bytes).map(Self).map_err(|e| format!("the secret cannot be used: {e}"))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(unix_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example in the reference libraries of Standard Webhooks.
        let key = Key::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_broken_key_is_refused_without_showing_it() {
        let error = Key::new(&Secret::new("whsec_***not base64***")).err().unwrap();
        assert!(error.contains("no base64") && !error.contains("not base64***"), "{error}");
    }
}
