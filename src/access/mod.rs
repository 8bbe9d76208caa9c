//! Who may do what: users with roles and wards, sessions, tokens, and the audit trail. It knows nothing of HTTP.
//!
//! Everything that decides a request is in memory and written through to `access.db` ([`crate::store::AccessDb`]), so a
//! decision costs a hash and a look-up. Secrets are kept as hashes only: passwords by Argon2id (RFC 9106), session and
//! token secrets, which are 256 random bits, by SHA-256.

mod audit;
mod book;
mod password;
mod role;
mod secret;
mod throttle;
mod user;

pub use self::audit::Trail;
pub use self::book::{Access, Denied, Login, NewUser, OneTime, Principal, Stranger, UserChange, Vouched};
pub use self::password::SHORTEST as SHORTEST_PASSWORD;
pub use self::role::{Role, Scope};
pub use self::user::{Session, Subject, Token, User};
