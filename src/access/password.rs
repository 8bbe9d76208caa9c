//! Passwords: what is taken for one, and how it is kept (Argon2id, RFC 9106; the parameters are OWASP's first choice,
//! which are the crate's defaults: 19 MiB, two passes, one lane).

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use crate::base::{Error, ErrorKind, Result};

/// The shortest password, characters.
pub const SHORTEST: usize = 12;
/// The longest, bytes: hashing takes time in proportion.
const LONGEST: usize = 1024;

/// Hashes a password, in the PHC string format.
pub(super) fn hash(password: &str) -> Result<String> {
    Argon2::default()
        .hash_password(password.as_bytes(), &SaltString::generate(&mut OsRng))
        .map(|hash| hash.to_string())
        .map_err(|e| Error::new(ErrorKind::Internal, format!("a password cannot be hashed: {e}")))
}

/// Whether it is the password of that hash. Takes as long when there is no such user (`hash` is `None`).
pub(super) fn is_right(password: &str, hash: Option<&str>) -> bool {
    /// Of nobody's password.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nc2FsdHk$Ahf5VU2uRHo0hTAqPZ5bQ5QdKaz0X0Gx7tK2YhP1yzI";
    if password.len() > LONGEST {
        return false;
    }
    let parsed = PasswordHash::new(hash.unwrap_or(NOBODY));
    let right = parsed.is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
    right && hash.is_some()
}

/// Why a password is none, if it is none.
pub(super) fn fault(password: &str, user: &str) -> Option<String> {
    if password.chars().count() < SHORTEST {
        return Some(format!("a password has at least {SHORTEST} characters"));
    }
    if password.len() > LONGEST {
        return Some(format!("a password has at most {LONGEST} bytes"));
    }
    let low = password.to_lowercase();
    let mut letters: Vec<char> = low.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if letters.len() < 5 || low == user.repeat(low.len() / user.len().max(1)) {
        return Some("this password is too easy to guess".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_is_right() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$") && !kept.contains("horse"));
        assert!(is_right("correct horse battery", Some(&kept)));
        assert!(!is_right("correct horse batterz", Some(&kept)) && !is_right("", Some(&kept)));
        assert!(!is_right("anything at all", None) && !is_right("x", Some("no hash")));
        assert_ne!(kept, hash("correct horse battery").unwrap(), "salted");
    }

    #[test]
    fn the_stand_in_for_nobody_costs_as_much_as_a_user() {
        // A hash that does not parse would answer at once and tell which users there are.
        let begun = crate::base::time::thread_cpu();
        is_right("correct horse battery", None);
        assert!(crate::base::time::thread_cpu() - begun > std::time::Duration::from_millis(2));
    }

    #[test]
    fn easy_passwords_are_refused() {
        for (password, user) in [("short", "an"), ("aaaaaaaaaaaaaaaa", "an"), ("minhanhminhanh", "minhanh")] {
            assert!(fault(password, user).is_some(), "{password}");
        }
        assert_eq!(fault("mật khẩu rất dài", "an"), None);
    }
}
