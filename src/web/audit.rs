//! The audit trail, for administrators of all cameras.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::app::{App, blocking};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{Page, cursor, json, limit, mark};
use super::problem::Problem;
use super::query::Params;
use crate::access::Role;
use crate::store::{AuditQuery, AuditRow};

const QUERY: &[(&str, &str)] = &[
    ("actor", "what this user did"),
    ("action", "this action, such as media.view"),
    ("from", "at or after this time (RFC 3339)"),
    ("to", "before this time (RFC 3339)"),
    ("cursor", "`next` of the page before"),
    ("limit", "items of a page, 1 to 200; 50 when not given"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let gives = Gives::Json(schema_of::<Page<AuditRow>>);
    let summary = "Who did what: every view of footage, every export, every change.";
    vec![Endpoint::new(Method::GET, "/audit", Need::Role(Role::Administrator), summary, gives, get(list)).query(QUERY)]
}

async fn list(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    if !who.principal.scope.is_all() {
        let detail = "only an administrator of all cameras reads the audit trail";
        return Err(Problem::new(StatusCode::FORBIDDEN, "role", detail));
    }
    params.only(&QUERY.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let Some(access) = app.access.clone() else { return Ok(json(&Page::<AuditRow>::whole(Vec::new()))) };
    let limit = limit(&params)?;
    let query = AuditQuery {
        actor: params.one("actor")?,
        action: params.one("action")?,
        from: params.time("from")?,
        to: params.time("to")?,
        before: mark(&params)?,
        limit: limit + 1,
    };
    let mut items = blocking(move || access.db().audit(&query)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).and_then(|row| cursor(&row.number));
    Ok(json(&Page { items, next }))
}
