//! Tokens: keys for programs, which act as the user who made them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::app::{App, blocking};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{Page, json};
use super::problem::Problem;
use super::query::Body;
use crate::access::{Role, Token};
use crate::base::Timestamp;

/// A token in the list; its secret is told once, when it is made.
#[derive(Serialize, JsonSchema)]
struct TokenView {
    /// What it is deleted by.
    id: String,
    /// Whose.
    user: String,
    /// What it is for.
    label: String,
    /// Since when.
    created: Timestamp,
    /// When it was last used, to the minute.
    last_seen: Option<Timestamp>,
    /// The secret, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A token to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenNew {
    /// What it is for.
    #[serde(default)]
    label: String,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    vec![
        Endpoint::new(
            Method::GET,
            "/tokens",
            viewer,
            "One's own tokens; an administrator's list has everybody's.",
            Gives::Json(schema_of::<Page<TokenView>>),
            get(list),
        ),
        Endpoint::new(
            Method::POST,
            "/tokens",
            viewer,
            "Makes a token with one's own rights.",
            Gives::Json(schema_of::<TokenView>),
            post(create),
        )
        .takes::<TokenNew>(),
        Endpoint::new(Method::DELETE, "/tokens/{id}", viewer, "Takes a token out.", Gives::Nothing, delete(remove)),
    ]
}

/// Whose tokens somebody manages: one's own; everybody's as administrator of all.
fn whose(who: &Who) -> Option<String> {
    (!who.principal.is_master()).then(|| who.principal.user.clone())
}

fn view(token: Token, secret: Option<String>) -> TokenView {
    let Token { id, user, label, created, last_seen } = token;
    TokenView { id, user, label, created, last_seen, token: secret }
}

async fn list(State(app): State<Arc<App>>, who: Who) -> Result<Response, Problem> {
    let tokens = app.access("tokens")?.tokens(whose(&who).as_deref());
    Ok(json(&Page::whole(tokens.into_iter().map(|token| view(token, None)).collect())))
}

async fn create(State(app): State<Arc<App>>, who: Who, Body(new): Body<TokenNew>) -> Result<Response, Problem> {
    let access = app.access("tokens")?;
    let user = who.principal.user.clone();
    let (token, secret) = blocking(move || access.create_token(&user, &new.label)).await?;
    app.audit_durably(&who, "token.create", &token.id, &token.label).await;
    Ok((StatusCode::CREATED, json(&view(token, Some(secret)))).into_response())
}

async fn remove(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let access = app.access("tokens")?;
    let (key, only) = (id.clone(), whose(&who));
    if !blocking(move || access.delete_token(&key, only.as_deref())).await? {
        return Err(Problem::absent("token"));
    }
    app.audit_durably(&who, "token.delete", &id, "").await;
    Ok(StatusCode::NO_CONTENT)
}
