//! Random secrets and their hashes.

use argon2::password_hash::rand_core::{OsRng, RngCore};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Letters of one-time passwords: none that is taken for another.
const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Letters of a one-time password: 99 bits.
const LENGTH: usize = 20;

/// A secret of 256 random bits, as text that fits a header.
pub(super) fn secret() -> String {
    let mut bytes = [0_u8; 32];
    OsRng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A name of 96 random bits for something that is no secret.
pub(super) fn id() -> String {
    let mut bytes = [0_u8; 12];
    OsRng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A password for one use, easy to type, in groups of five.
pub(super) fn one_time_password() -> String {
    let mut letters = Vec::with_capacity(LENGTH);
    while letters.len() < LENGTH {
        let mut byte = [0_u8];
        OsRng.fill_bytes(&mut byte);
        // The 32nd is left out, so that all are as likely.
        letters.extend(byte.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31))));
    }
    letters.chunks(5).map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join("-")
}

/// How a secret of [`secret`] is kept. Its 256 bits need no salt and no slow hash.
pub(super) fn hashed(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
