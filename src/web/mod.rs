//! The HTTP port: the API, the operations centre's page, and the operations pages of [`crate::ops`].
//!
//! - `server` is the transport: TCP or TLS, with limits.
//! - `endpoint` is the table of the API: each row a method, a path, the role it needs, what it takes and gives. The router,
//!   the guard, the OpenAPI description and the test of every route × role all come from it, so that no route can be
//!   forgotten in one of them.
//! - `guard` decides who asks (cookie or token), whether they may, and whether a change comes from our own page (CSRF).
//! - The other modules are the endpoints, by subject. They read the store through a pool of readers on blocking threads.
//!
//! Nothing that a client does may slow a camera: live pictures are taken from the newest frame there is, and a client that
//! cannot follow gets fewer of them.

mod app;
mod assets;
mod audit;
mod cameras;
mod counts;
mod docs;
mod editing;
mod endpoint;
mod events;
mod guard;
mod health;
mod incidents;
mod listing;
mod live;
mod map;
mod media;
mod oidc;
mod openapi;
mod problem;
mod query;
mod rates;
mod router;
mod scenes;
mod server;
mod session;
mod stream;
mod tls;
mod tokens;
mod users;

use std::sync::{Arc, RwLock};

pub use self::app::{App, Packets, Parts};
pub use self::endpoint::{Endpoint, Need, endpoints};
pub use self::server::{Server, serve};

use crate::config::Plan;

/// The plan that runs, replaced at every reload.
pub type PlanCell = Arc<RwLock<Arc<Plan>>>;
