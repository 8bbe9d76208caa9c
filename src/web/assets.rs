//! The page: the files of `web/dist`, which are part of the program.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::problem::Problem;

/// The built page. A debug build reads the folder at run time, so that a page that is being written shows at once.
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Dist;

/// A file of the page. Names below `assets/` hold a hash of their content and are kept for good; any path that names no
/// file and looks like a place in the page is answered with the page.
pub(super) async fn asset(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the page is only read").into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let hidden = name.split('/').any(|part| part.starts_with('.') || part.contains(['\\', '%', '\0']));
    let found = if hidden { None } else { Dist::get(name).map(|file| (name, file)) };
    let is_place = !name.contains('.') && !name.starts_with("api/") && !name.starts_with("assets/");
    let found = found.or_else(|| is_place.then(|| Dist::get("index.html").map(|file| ("index.html", file))).flatten());
    let Some((name, file)) = found else { return Problem::absent("page").into_response() };
    let tag: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = [
        (header::CONTENT_TYPE, kind_of(name).to_owned()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, tag.clone()),
        (header::VARY, "Accept-Encoding".to_owned()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    // The build leaves a compressed copy beside what is worth it.
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|one| one.trim().split(';').next() == Some("gzip")));
    if takes_gzip && let Some(packed) = Dist::get(&format!("{name}.gz")) {
        let packed = (head, packed.data.into_owned()).into_response();
        return with_encoding(packed);
    }
    (head, file.data.into_owned()).into_response()
}

fn with_encoding(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_ENCODING, axum::http::HeaderValue::from_static("gzip"));
    response
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
