//! The API of the real program, over real sockets: who may do what, what is refused, what a day of work looks like.
// Tests panic when something is wrong, and wait by the real clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/clips.rs"]
mod clips;
#[path = "../support/ports.rs"]
mod ports;
#[allow(dead_code)]
#[path = "../e2e/program.rs"]
mod program;

mod live;
#[cfg(feature = "oidc")]
mod oidc;
mod roles;
mod site;
mod tls;
mod work;
