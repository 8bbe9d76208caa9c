//! Logging in and out, the password, the language, and the list of sessions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::app::{App, blocking};
use super::endpoint::{Endpoint, Gives, Need, schema_of};
use super::guard::{COOKIE, Peer, Who};
use super::listing::{Page, json};
use super::problem::Problem;
use super::query::{Body, Params};
use crate::access::{Denied, Principal, Role};
use crate::base::{ErrorKind, Timestamp};

/// Name and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The user's name.
    user: String,
    /// The password.
    password: String,
}

/// Who is logged in.
#[derive(Serialize, JsonSchema)]
struct SessionView {
    /// The user's name.
    user: String,
    /// What the user may do.
    role: Role,
    /// Wards that the user may see; `null` for all.
    wards: Option<Vec<String>>,
    /// Cameras that the user may see besides; `null` for no narrowing.
    cameras: Option<Vec<String>>,
    /// `vi` or `en`.
    language: String,
    /// What to send as X-CSRF-Token with every change; empty for a token.
    csrf: String,
    /// Whether nothing else may be done before the password is changed.
    must_change_password: bool,
    /// When the session ends if nothing is done until then; `null` for a token.
    expires: Option<Timestamp>,
    /// The site that the page is about.
    site: SiteView,
}

/// What `server` in the pipeline file says of the site.
#[derive(Serialize, JsonSchema)]
struct SiteView {
    /// Its name.
    name: Option<String>,
    /// The IANA name of its time zone, in which the page shows times; `null` for that of whoever looks.
    time_zone: Option<String>,
}

impl SessionView {
    fn of(app: &App, who: &Principal) -> Self {
        let session = who.session.as_ref();
        Self {
            user: who.user.clone(),
            role: who.role,
            wards: who.scope.wards.clone(),
            cameras: who.scope.cameras.clone(),
            language: who.language.clone(),
            csrf: session.map(|session| session.csrf.clone()).unwrap_or_default(),
            must_change_password: who.must_change_password,
            expires: session.map(|session| session.expires),
            site: SiteView { name: app.plan.site_name.clone(), time_zone: app.plan.time_zone.clone() },
        }
    }
}

/// A change of password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The one that is in force.
    old: String,
    /// The one that is to be.
    new: String,
}

/// A language.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Language {
    /// `vi` or `en`.
    language: String,
}

/// A session in the list.
#[derive(Serialize, JsonSchema)]
struct SessionRow {
    /// What it is ended by.
    id: String,
    /// Whose.
    user: String,
    /// Since when.
    created: Timestamp,
    /// When it was last used.
    last_seen: Timestamp,
    /// When it ends.
    expires: Timestamp,
    /// From where.
    address: String,
    /// What the browser calls itself.
    agent: String,
    /// Whether it is the one that asks.
    current: bool,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let session = || Gives::Json(schema_of::<SessionView>);
    vec![
        Endpoint::new(
            Method::POST,
            "/session",
            Need::Nothing,
            "Logs in; sets the session's cookie.",
            session(),
            post(login),
        )
        .takes::<Credentials>(),
        Endpoint::new(Method::GET, "/session", Need::Login, "Who is logged in.", session(), get(current)),
        Endpoint::new(Method::DELETE, "/session", Need::Login, "Logs out.", Gives::Nothing, delete(logout)),
        Endpoint::new(
            Method::PUT,
            "/session/password",
            Need::Login,
            "Changes the password; other sessions of the user end.",
            session(),
            put(password),
        )
        .takes::<PasswordChange>(),
        Endpoint::new(
            Method::PUT,
            "/session/language",
            Need::Login,
            "Sets the language.",
            Gives::Nothing,
            put(language),
        )
        .takes::<Language>(),
        Endpoint::new(
            Method::GET,
            "/sessions",
            Need::Role(Role::Viewer),
            "Sessions that are alive: one's own; with all=1, for an administrator, everybody's.",
            Gives::Json(schema_of::<Page<SessionRow>>),
            get(sessions),
        )
        .query(&[("all", "1 for everybody's; needs the role administrator")]),
        Endpoint::new(
            Method::DELETE,
            "/sessions/{id}",
            Need::Role(Role::Viewer),
            "Ends a session: one's own, or, as an administrator, anybody's.",
            Gives::Nothing,
            delete(end),
        ),
    ]
}

/// The cookie; without `Max-Age` it ends with the browser, and in any case when the session does.
pub(super) fn cookie(app: &App, value: &str, ended: bool) -> String {
    let secure = if app.plan.tls.is_some() { "; Secure" } else { "" };
    let age = if ended { "; Max-Age=0" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::TooSoon(wait) => {
                // Whole seconds, rounded up: who waits so long is let in.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let detail = format!("too many wrong passwords; wait {seconds} s");
                let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail);
                problem.retry_after = Some(seconds);
                problem
            }
            Denied::Failed(error) => error.into(),
        }
    }
}

async fn login(
    State(app): State<Arc<App>>,
    axum::Extension(Peer(peer)): axum::Extension<Peer>,
    headers: HeaderMap,
    Body(given): Body<Credentials>,
) -> Result<Response, Problem> {
    let access = app.access("users")?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    let (inner, address, name) = (Arc::clone(&access), peer.ip(), given.user.clone());
    let outcome =
        blocking(move || Ok(inner.login(&given.user, &given.password, address, &agent))).await?.map_err(Problem::from);
    let name: String = name.chars().take(64).collect();
    match outcome {
        Ok(login) => {
            let who = Who { principal: login.principal, address };
            app.audit_durably(&who, "login", &name, "").await;
            let mut response = json(&SessionView::of(&app, &who.principal));
            if let Ok(value) = cookie(&app, &login.secret, false).parse() {
                response.headers_mut().insert(header::SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(problem) => {
            let who = nobody(address);
            if problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16() {
                // The tries that led here are in the trail. Nobody who is not logged in can fill it.
                app.audit_view(&who, "login.limited", &address.to_string()).await;
            } else {
                app.audit(&who, "login.refused", &name, &problem.detail).await;
            }
            Err(problem)
        }
    }
}

/// Whoever did not get in, for the audit trail.
pub(super) fn nobody(address: std::net::IpAddr) -> Who {
    let principal = Principal {
        user: "-".to_owned(),
        role: Role::Viewer,
        scope: crate::access::Scope { wards: Some(Vec::new()), cameras: Some(Vec::new()) },
        language: "vi".to_owned(),
        must_change_password: false,
        session: None,
    };
    Who { principal, address }
}

async fn current(State(app): State<Arc<App>>, who: Who) -> Response {
    json(&SessionView::of(&app, &who.principal))
}

async fn logout(State(app): State<Arc<App>>, who: Who) -> Result<Response, Problem> {
    if let (Some(access), Some(session)) = (app.access.clone(), who.principal.session.clone()) {
        blocking(move || access.end_session(&session.id, None)).await?;
        app.audit(&who, "logout", &who.principal.user, "").await;
    }
    let gone = cookie(&app, "", true);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

async fn password(
    State(app): State<Arc<App>>,
    who: Who,
    Body(change): Body<PasswordChange>,
) -> Result<Response, Problem> {
    let access = app.access("users")?;
    let (inner, asker) = (Arc::clone(&access), who.clone());
    let outcome =
        blocking(move || Ok(inner.change_password(&asker.principal, asker.address, &change.old, &change.new))).await?;
    outcome.map_err(|denied| match denied {
        Denied::Failed(error) if error.kind() == ErrorKind::Config => Problem::field("new", error.to_string()),
        Denied::Failed(error) if error.kind() == ErrorKind::Auth => Problem::field("old", error.to_string()),
        denied => denied.into(),
    })?;
    app.audit(&who, "password.change", &who.principal.user, "").await;
    let mut now = who.principal;
    now.must_change_password = false;
    Ok(json(&SessionView::of(&app, &now)))
}

async fn language(State(app): State<Arc<App>>, who: Who, Body(given): Body<Language>) -> Result<StatusCode, Problem> {
    let Some(access) = app.access.clone() else { return Ok(StatusCode::NO_CONTENT) };
    let set = blocking(move || Ok(access.set_language(&who.principal.user, &given.language))).await?;
    set.map_err(|error| Problem::field("language", error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sessions(State(app): State<Arc<App>>, who: Who, params: Params) -> Result<Response, Problem> {
    params.only(&["all"])?;
    let all = params.one("all")?.as_deref() == Some("1");
    if all && !who.principal.is_master() {
        let detail = "only an administrator of all cameras sees everybody's sessions";
        return Err(Problem::new(StatusCode::FORBIDDEN, "role", detail));
    }
    let Some(access) = app.access.clone() else { return Ok(json(&Page::<SessionRow>::whole(Vec::new()))) };
    let own = who.principal.session.as_ref().map(|session| session.id.clone());
    let user = (!all).then_some(who.principal.user.as_str());
    let row = |session: crate::access::Session| SessionRow {
        current: own.as_ref() == Some(&session.id),
        id: session.id,
        user: session.user,
        created: session.created,
        last_seen: session.last_seen,
        expires: session.expires,
        address: session.address,
        agent: session.agent,
    };
    Ok(json(&Page::whole(access.sessions(user).into_iter().map(row).collect())))
}

async fn end(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let access = app.access("users")?;
    let only = (!who.principal.is_master()).then(|| who.principal.user.clone());
    let ended = {
        let id = id.clone();
        blocking(move || access.end_session(&id, only.as_deref())).await?
    };
    if !ended {
        return Err(Problem::absent("session"));
    }
    app.audit(&who, "session.end", &id, "").await;
    Ok(StatusCode::NO_CONTENT)
}
