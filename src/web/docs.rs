//! The API's description, for programs and as a page for people. The page is plain HTML: no script, nothing from elsewhere.

use std::fmt::Write;
use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemars::{Schema, SchemaGenerator};

use super::endpoint::{Endpoint, Gives, Need, endpoints as all};
use super::listing::json_bytes;
use super::openapi;

fn anything(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/openapi.json",
            Need::Nothing,
            "This description (OpenAPI 3.1).",
            Gives::Json(anything),
            get(description),
        ),
        Endpoint::new(Method::GET, "/docs", Need::Nothing, "The same as a page.", Gives::Bytes("text/html"), get(page)),
    ]
}

async fn description() -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = || Bytes::from(openapi::document(&all()).to_string());
    json_bytes(DOCUMENT.get_or_init(document).clone())
}

async fn page() -> Response {
    let mut rows = String::new();
    for endpoint in all() {
        let need = match endpoint.need {
            Need::Nothing => "–",
            Need::Login => "login",
            Need::Role(role) => role.as_str(),
        };
        let query: Vec<&str> = endpoint.query.iter().map(|(name, _)| *name).collect();
        // Writing into a text cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td><code>{}</code></td><td><code>/api/v1{}</code></td><td>{need}</td><td>{}</td><td>{}</td></tr>",
            endpoint.method,
            endpoint.path,
            escaped(endpoint.summary),
            query.join(", ")
        );
    }
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Vantage API</title></head><body>\n\
         <h1>Vantage {} API</h1>\n<p>The whole description, with every schema: \
         <a href=\"/api/v1/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n\
         <table border=\"1\" cellpadding=\"4\"><thead><tr><th>Method</th><th>Path</th><th>Role</th><th>What it does</th>\
         <th>Query</th></tr></thead><tbody>\n{rows}</tbody></table>\n</body></html>\n",
        env!("CARGO_PKG_VERSION")
    );
    let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (head, body).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
