//! The table of the API.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::app::App;
use crate::access::Role;

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anybody.
    Nothing,
    /// Whoever is logged in, even before a one-time password was changed.
    Login,
    /// At least this role.
    Role(Role),
}

/// The schema of a body.
pub type BodySchema = fn(&mut SchemaGenerator) -> Schema;

/// What an endpoint answers with.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this schema.
    Json(BodySchema),
    /// Bytes of this media type.
    Bytes(&'static str),
    /// Nothing (204).
    Nothing,
    /// Where to go on (303).
    Elsewhere,
}

/// One row: an endpoint below `/api/v1`.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path below `/api/v1`, with `{names}`.
    pub path: &'static str,
    /// Who may use it.
    pub need: Need,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Query parameters: name and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// The body that it takes.
    pub takes: Option<BodySchema>,
    /// The body that it gives.
    pub gives: Gives,
    pub(super) handler: MethodRouter<Arc<App>>,
}

/// The schema of a type.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Endpoint {
    /// A row that takes nothing; see the setters.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        need: Need,
        summary: &'static str,
        gives: Gives,
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        Self { method, path, need, summary, query: &[], takes: None, gives, handler }
    }

    pub(super) fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(schema_of::<T>);
        self
    }
}

/// Every endpoint, in the order of the description.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    [
        super::session::endpoints(),
        super::oidc::endpoints(),
        super::users::endpoints(),
        super::tokens::endpoints(),
        super::audit::endpoints(),
        super::cameras::endpoints(),
        super::scenes::endpoints(),
        super::incidents::endpoints(),
        super::events::endpoints(),
        super::media::endpoints(),
        super::counts::endpoints(),
        super::health::endpoints(),
        super::map::endpoints(),
        super::stream::endpoints(),
        super::live::endpoints(),
        super::docs::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
