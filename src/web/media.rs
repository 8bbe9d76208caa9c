//! Stills and clips: files of the store's media folder, with ETag, ranges and HEAD (RFC 9110 §13, §14).

use std::io::SeekFrom;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::app::App;
use super::endpoint::{Endpoint, Gives, Need};
use super::guard::Who;
use super::problem::Problem;
use crate::access::Role;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let summary = "A still or a clip, named as in its event; ETag, Range, HEAD.";
    vec![Endpoint::new(
        Method::GET,
        "/media/{name}",
        Need::Role(Role::Viewer),
        summary,
        Gives::Bytes("image/jpeg, video/mp4 or video/x-matroska"),
        get(file),
    )]
}

async fn file(
    State(app): State<Arc<App>>,
    who: Who,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // File names begin with their camera's id, which holds no dot; everything else that is no plain name is no file.
    let plain =
        !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let camera = name.split('.').next().unwrap_or_default();
    if !plain || !app.may_see_id(&who, camera) {
        return Err(Problem::absent("file"));
    }
    let path = app.store.media().path(&name);
    // Asked for again each time: whether one may see it can change, and every view stands in the trail.
    let response = serve_file(&path, kind_of(&name), "private, no-cache", &method, &headers).await?;
    app.audit_view(&who, "media.view", &name).await;
    Ok(response)
}

fn kind_of(name: &str) -> &'static str {
    match FilePath::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("jpg") => "image/jpeg",
        Some("mp4") => "video/mp4",
        Some("mkv") => "video/x-matroska",
        _ => "application/octet-stream",
    }
}

/// A file, whole or in part.
pub(super) async fn serve_file(
    path: &FilePath,
    kind: &'static str,
    cache: &'static str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let absent = |_| Problem::absent("file");
    let mut file = tokio::fs::File::open(path).await.map_err(absent)?;
    let meta = file.metadata().await.map_err(absent)?;
    if !meta.is_file() {
        return Err(Problem::absent("file"));
    }
    let modified =
        meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", modified.as_nanos(), meta.len());
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let head = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, tag.clone()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    if text(header::IF_NONE_MATCH)
        .is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*"))
    {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    // A range of what has changed meanwhile would be of no use.
    let range = text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|known| known == tag));
    let (status, from, length) = match range.map(|range| wanted(range, meta.len())) {
        None | Some(Wanted::Whole) => (StatusCode::OK, 0, meta.len()),
        Some(Wanted::Part(from, length)) => (StatusCode::PARTIAL_CONTENT, from, length),
        Some(Wanted::Nothing) => {
            let size = format!("bytes */{}", meta.len());
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, size)]).into_response());
        }
    };
    let mut response = if method == Method::HEAD {
        (status, head).into_response()
    } else {
        file.seek(SeekFrom::Start(from)).await.map_err(absent)?;
        (status, head, Body::from_stream(chunks(file, length))).into_response()
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(place) = format!("bytes {from}-{}/{}", from + length - 1, meta.len()).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, place);
    }
    Ok(response)
}

fn chunks(file: tokio::fs::File, length: u64) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        if size == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; size];
        file.read_exact(&mut chunk).await?;
        Ok(Some((chunk, (file, left - size as u64))))
    })
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Everything: there is no range, or one that we do not know or take (several at once).
    Whole,
    /// So many bytes from this one on.
    Part(u64, u64),
    /// Bytes that there are none of.
    Nothing,
}

/// One range of bytes (RFC 9110 §14.1.2) of a file of `size` bytes.
fn wanted(range: &str, size: u64) -> Wanted {
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, to) = match (first.trim().is_empty(), number(first), number(last)) {
        (true, _, Some(count)) => (size.saturating_sub(count), size.saturating_sub(1)),
        (false, Some(from), Some(to)) if from <= to => (from, to.min(size.saturating_sub(1))),
        (false, Some(from), None) if last.trim().is_empty() => (from, size.saturating_sub(1)),
        _ => return Wanted::Whole,
    };
    if from >= size || (first.trim().is_empty() && number(last) == Some(0)) {
        return Wanted::Nothing;
    }
    Wanted::Part(from, to - from + 1)
}

/// A configured file that may be absent.
pub(super) fn configured(path: Option<&PathBuf>) -> Result<&PathBuf, Problem> {
    path.ok_or_else(|| Problem::absent("file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-99", Wanted::Part(0, 100)),
            ("bytes=900-", Wanted::Part(900, 100)),
            ("bytes=-50", Wanted::Part(950, 50)),
            ("bytes=-5000", Wanted::Part(0, 1000)),
            ("bytes=990-2000", Wanted::Part(990, 10)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=x", Wanted::Whole),
        ] {
            assert_eq!(wanted(range, 1000), expected, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
    }
}
