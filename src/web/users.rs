//! Users: for administrators.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::app::{App, blocking};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::Who;
use super::listing::{Page, json};
use super::problem::Problem;
use super::query::Body;
use crate::access::{Access, NewUser, Role, Scope, User, UserChange};
use crate::base::{ErrorKind, Timestamp};

/// A user.
#[derive(Serialize, JsonSchema)]
struct UserView {
    /// The name to log in with.
    name: String,
    /// What the user may do.
    role: Role,
    /// Wards that the user may see; `null` does not narrow.
    wards: Option<Vec<String>>,
    /// Cameras that the user may see; `null` does not narrow.
    cameras: Option<Vec<String>>,
    /// `vi` or `en`.
    language: String,
    /// Whether the user may not log in.
    disabled: bool,
    /// Whether the one-time password was not changed yet.
    must_change_password: bool,
    /// Since when.
    created: Timestamp,
    /// When the user last logged in.
    last_seen: Option<Timestamp>,
    /// The password for the first login; told once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_password: Option<String>,
}

/// A user to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UserNew {
    /// The name to log in with: letters, digits, `.`, `-`, `_`, `@`.
    name: String,
    /// What the user may do.
    role: Role,
    /// Wards that the user may see; `null` does not narrow.
    #[serde(default)]
    wards: Option<Vec<String>>,
    /// Cameras that the user may see; `null` does not narrow.
    #[serde(default)]
    cameras: Option<Vec<String>>,
    /// `vi` (when not given) or `en`.
    #[serde(default)]
    language: Option<String>,
}

/// What changes; what is not given stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UserPatch {
    /// What the user may do.
    role: Option<Role>,
    /// Wards; `null` does not narrow.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<String>>")]
    wards: Option<Option<Vec<String>>>,
    /// Cameras; `null` does not narrow.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Vec<String>>")]
    cameras: Option<Option<Vec<String>>>,
    /// Whether the user may not log in.
    disabled: Option<bool>,
    /// Gives a new one-time password.
    #[serde(default)]
    reset_password: bool,
}

/// Tells `null` from nothing.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Vec<String>>>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(Some)
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let admin = Need::Role(Role::Administrator);
    let user = || Gives::Json(schema_of::<UserView>);
    vec![
        Endpoint::new(Method::GET, "/users", admin, "All users.", Gives::Json(schema_of::<Page<UserView>>), get(list)),
        Endpoint::new(Method::POST, "/users", admin, "Makes a user, with a one-time password.", user(), post(create))
            .takes::<UserNew>(),
        Endpoint::new(Method::PATCH, "/users/{name}", admin, "Changes a user.", user(), patch(change))
            .takes::<UserPatch>(),
        Endpoint::new(
            Method::DELETE,
            "/users/{name}",
            admin,
            "Takes a user out, with sessions and tokens.",
            Gives::Nothing,
            delete(remove),
        ),
    ]
}

fn view(user: User, one_time_password: Option<String>) -> UserView {
    UserView {
        name: user.name,
        role: user.role,
        wards: user.scope.wards,
        cameras: user.scope.cameras,
        language: user.language,
        disabled: user.disabled,
        must_change_password: user.must_change_password,
        created: user.created,
        last_seen: user.last_seen,
        one_time_password,
    }
}

/// The book; an administrator of some wards only may not change who sees which.
fn access(app: &App, who: &Who) -> Result<Arc<Access>, Problem> {
    if !who.principal.scope.is_all() {
        let detail = "only an administrator of all cameras manages users";
        return Err(Problem::new(StatusCode::FORBIDDEN, "role", detail));
    }
    app.access("users")
}

async fn list(State(app): State<Arc<App>>, who: Who) -> Result<Response, Problem> {
    let users = access(&app, &who)?.users();
    Ok(json(&Page::whole(users.into_iter().map(|user| view(user, None)).collect())))
}

async fn create(State(app): State<Arc<App>>, who: Who, Body(new): Body<UserNew>) -> Result<Response, Problem> {
    let access = access(&app, &who)?;
    let name = new.name.clone();
    let new = NewUser {
        name: new.name,
        role: new.role,
        scope: Scope { wards: new.wards, cameras: new.cameras },
        language: new.language.unwrap_or_else(|| "vi".to_owned()),
    };
    let detail = format!("{} {:?}", new.role.as_str(), new.scope);
    let inner = Arc::clone(&access);
    let created = blocking(move || Ok(inner.create(new))).await?;
    let password = created.map_err(|error| match error.kind() {
        ErrorKind::Config => Problem::field("name", error.to_string()),
        _ => Problem::from(error),
    })?;
    app.audit_durably(&who, "user.create", &name, &detail).await;
    let user = access.user(&name).ok_or_else(|| Problem::absent("user"))?;
    Ok((StatusCode::CREATED, json(&view(user, Some(password)))).into_response())
}

async fn change(
    State(app): State<Arc<App>>,
    who: Who,
    Path(name): Path<String>,
    Body(given): Body<UserPatch>,
) -> Result<Response, Problem> {
    let access = access(&app, &who)?;
    let change = UserChange {
        role: given.role,
        wards: given.wards,
        cameras: given.cameras,
        disabled: given.disabled,
        reset_password: given.reset_password,
    };
    let (inner, key, detail) = (Arc::clone(&access), name.clone(), format!("{change:?}"));
    let reset = blocking(move || inner.change(&key, change)).await?;
    app.audit_durably(&who, "user.change", &name, &detail).await;
    let user = access.user(&name).ok_or_else(|| Problem::absent("user"))?;
    Ok(json(&view(user, reset)))
}

async fn remove(State(app): State<Arc<App>>, who: Who, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let access = access(&app, &who)?;
    let key = name.clone();
    blocking(move || access.delete(&key)).await?;
    app.audit_durably(&who, "user.delete", &name, "").await;
    Ok(StatusCode::NO_CONTENT)
}
