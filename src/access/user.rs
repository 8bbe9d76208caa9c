//! Records of users, sessions and tokens, as they are kept.

use serde::{Deserialize, Serialize};

use super::role::{Role, Scope};
use crate::base::{Error, ErrorKind, Result, Timestamp};

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The password's hash, in the PHC string format.
    pub password: String,
    /// Who it is for the provider that vouches for the user, who has no password then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What the user may do.
    pub role: Role,
    /// Which cameras the user may see.
    #[serde(flatten)]
    pub scope: Scope,
    /// `vi` or `en`.
    pub language: String,
    /// Whether the password was given by somebody else and must be changed first.
    pub must_change_password: bool,
    /// Whether the user may not log in any more.
    pub disabled: bool,
    /// When the user was made.
    pub created: Timestamp,
    /// When the user last logged in.
    pub last_seen: Option<Timestamp>,
}

/// Somebody as an OpenID Connect provider knows them. Names change; this does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The provider's issuer.
    pub issuer: String,
    /// The subject within it.
    pub id: String,
}

/// A browser that has logged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its name in lists; no secret.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What a request that changes something must carry.
    pub csrf: String,
    /// Since when.
    pub created: Timestamp,
    /// When it ends if nothing is done until then.
    pub expires: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// From where.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// A key for a program, which acts as its user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its name in lists; no secret.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// Since when.
    pub created: Timestamp,
    /// When it was last used.
    pub last_seen: Option<Timestamp>,
}

/// Refuses what is no user's name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if name.is_empty() || name.chars().count() > 64 || !name.chars().all(good) {
        let what = "a user's name has 1 to 64 letters, digits, `.`, `-`, `_` or `@`";
        return Err(Error::new(ErrorKind::Config, what));
    }
    Ok(())
}
