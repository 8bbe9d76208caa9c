//! Records of users, sessions and tokens, as they are kept.

use serde::{Deserialize, Serialize};

use super::role::{Role, Scope};
use crate::base::Timestamp;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The password's hash, in the PHC string format.
    pub password: String,
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
