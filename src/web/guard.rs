//! Who asks, whether they may, and whether a change comes from our own page.
//!
//! A browser shows a cookie and, for whatever changes something, the session's CSRF token in a header that no other
//! site's page can set. A program shows a bearer token, which no browser sends by itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::endpoint::Need;
use super::problem::Problem;
use crate::access::{Access, Principal, Role, Scope};

/// The cookie that holds a session's secret.
pub(super) const COOKIE: &str = "vantage_session";
/// The header that holds the CSRF token.
const CSRF: &str = "x-csrf-token";

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

/// Who makes the request, as handlers get it.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// The user.
    pub principal: Principal,
    /// From where.
    pub address: IpAddr,
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Not there only when an endpoint that needs nobody asks for somebody.
        parts.extensions.get::<Self>().cloned().ok_or_else(nobody)
    }
}

/// Where a request comes from.
pub(super) fn address(parts: &axum::http::Extensions) -> IpAddr {
    parts.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}

/// The guard of one endpoint.
pub(super) async fn guard(State((app, need)): State<(Arc<App>, Need)>, mut request: Request, next: Next) -> Response {
    match admit(&app, need, request.headers(), request.method(), address(request.extensions())) {
        Ok(who) => {
            if let Some(who) = who {
                request.extensions_mut().insert(who);
            }
            if request.method().is_safe() {
                return next.run(request).await;
            }
            // Whoever hangs up in the middle must not part a change from its entry in the trail.
            tokio::spawn(next.run(request)).await.unwrap_or_else(|error| Problem::panicked(&error).into_response())
        }
        Err(problem) => problem.into_response(),
    }
}

fn admit(app: &App, need: Need, headers: &HeaderMap, method: &Method, address: IpAddr) -> Result<Option<Who>, Problem> {
    let who = identify(app, headers).map(|principal| Who { principal, address });
    let least = match need {
        Need::Nothing => return Ok(who),
        Need::Login => None,
        Need::Role(role) => Some(role),
    };
    let who = who.ok_or_else(nobody)?;
    if let Some(session) = who.principal.session.as_ref().filter(|_| !method.is_safe()) {
        let given = headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !Access::csrf_fits(session, given) {
            let detail = "the header X-CSRF-Token is missing or not this session's";
            return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", detail));
        }
    }
    let Some(least) = least else { return Ok(Some(who)) };
    if who.principal.must_change_password {
        let detail = "the one-time password must be changed first: PUT /api/v1/session/password";
        return Err(Problem::new(StatusCode::FORBIDDEN, "password-change-required", detail));
    }
    if who.principal.role < least {
        let detail = format!("this needs the role {}", least.as_str());
        return Err(Problem::new(StatusCode::FORBIDDEN, "role", detail));
    }
    Ok(Some(who))
}

/// Whose credentials the request shows, if they are good.
pub(super) fn identify(app: &App, headers: &HeaderMap) -> Option<Principal> {
    let Some(access) = &app.access else {
        // Authentication is off: whoever reaches the port.
        return Some(Principal {
            user: "local".to_owned(),
            role: Role::Administrator,
            scope: Scope::default(),
            language: "vi".to_owned(),
            must_change_password: false,
            session: None,
        });
    };
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(given) = bearer {
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?.1;
        return access.who(token.trim(), true);
    }
    access.who(cookie_of(headers, COOKIE)?, false)
}

/// The value of a cookie of the request.
pub(super) fn cookie_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(name, _)| *name == wanted).map(|(_, value)| value))
}

fn nobody() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "login", "nobody is logged in").help("POST /api/v1/session, or send a token")
}
