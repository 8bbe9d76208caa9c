//! The router: API, page and operations pages, with the headers that all answers carry.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::assets;
use super::endpoint::endpoints;
use super::guard::{address, guard, identify};
use super::problem::Problem;
use super::query::MAX_BODY;
use crate::ops;

/// What the page may load, and from where: from here only, and no script or style in the page itself.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
                      worker-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Everything that the port answers.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut api: Router<Arc<App>> = Router::new();
    for endpoint in endpoints() {
        let guarded = endpoint.handler.layer(from_fn_with_state((Arc::clone(app), endpoint.need), guard));
        api = api.route(endpoint.path, guarded);
    }
    let api = api
        .fallback(async || Problem::absent("endpoint").help("GET /api/v1/docs lists them"))
        .method_not_allowed_fallback(async || {
            Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method", "this endpoint has another method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY));
    Router::new()
        .nest("/api/v1", api)
        .with_state(Arc::clone(app))
        .merge(operations(app))
        .fallback(assets::asset)
        .layer(from_fn_with_state(app.plan.tls.is_some(), finish))
        .layer(from_fn(plain_paths))
}

/// Metrics and health. They name cameras, so another machine must log in for all but the bare health; a supervisor or
/// Prometheus on this machine need not, unless it asks on somebody's behalf.
fn operations(app: &Arc<App>) -> Router {
    let (open, closed) = ops::pages(Arc::clone(&app.source));
    let closed = closed.layer(from_fn_with_state(Arc::clone(app), local_or_known));
    open.merge(closed)
}

async fn local_or_known(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let relayed = ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    let local = address(request.extensions()).is_loopback() && !relayed;
    let admitted = local || identify(&app, headers).is_some_and(|who| who.scope.is_all() && !who.must_change_password);
    if admitted {
        return next.run(request).await;
    }
    Problem::new(axum::http::StatusCode::UNAUTHORIZED, "login", "log in, or send a token of a user of all cameras")
        .into_response()
}

/// Refuses paths that are written so that they may mean another one.
async fn plain_paths(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_ascii_lowercase();
    let tricks = ["..", "//", "\\", "%2e", "%2f", "%5c", "%00"];
    if tricks.iter().any(|trick| path.contains(trick)) {
        return Problem::absent("page").into_response();
    }
    next.run(request).await
}

/// Adds the headers of every answer.
async fn finish(State(encrypted): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    if encrypted {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
