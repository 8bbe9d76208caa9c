//! What the map page is drawn on, where the pipeline file names it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::get;

use super::app::App;
use super::endpoint::{Endpoint, Gives, Need};
use super::media::{configured, serve_file};
use super::problem::Problem;
use crate::access::Role;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Need::Role(Role::Viewer);
    vec![
        Endpoint::new(
            Method::GET,
            "/map/outline",
            viewer,
            "GeoJSON of `server.map.outline`; 404 without one.",
            Gives::Bytes("application/geo+json"),
            get(outline),
        ),
        Endpoint::new(
            Method::GET,
            "/map/tiles",
            viewer,
            "PMTiles of `server.map.tiles`, in ranges; 404 without one.",
            Gives::Bytes("application/vnd.pmtiles"),
            get(tiles),
        ),
    ]
}

const CACHE: &str = "private, no-cache";

async fn outline(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Result<Response, Problem> {
    serve_file(configured(app.plan.map_outline.as_ref())?, "application/geo+json", CACHE, &method, &headers).await
}

async fn tiles(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Result<Response, Problem> {
    serve_file(configured(app.plan.map_tiles.as_ref())?, "application/vnd.pmtiles", CACHE, &method, &headers).await
}
