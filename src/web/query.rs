//! What a request says: query parameters that may repeat, and JSON bodies; every mistake as a problem.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::server::BODY_TIMEOUT;
use crate::base::Timestamp;

/// Parameters of one request.
const MOST: usize = 500;

/// The query parameters of a request, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(text).take(MOST + 1).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        if pairs.len() > MOST {
            return Err(bad(format!("at most {MOST} parameters")));
        }
        Ok(Self(pairs))
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

impl Params {
    /// Every value of a parameter; empty ones do not count.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.clone()).collect()
    }

    /// The value of a parameter that is given once at most.
    pub(super) fn one(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut all = self.all(name);
        if all.len() > 1 {
            return Err(wrong(name, "it is given once"));
        }
        Ok(all.pop())
    }

    /// A time (RFC 3339).
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let parse = |text: String| text.parse().map_err(|_| wrong(name, "write a time as 2026-01-31T07:00:00Z"));
        self.one(name)?.map(parse).transpose()
    }

    /// A whole number between two bounds.
    pub(super) fn number(&self, name: &str, min: usize, max: usize, default: usize) -> Result<usize, Problem> {
        let Some(text) = self.one(name)? else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| wrong(name, &format!("it is a number from {min} to {max}")))
    }

    /// Every value of a parameter, read by `read`.
    pub(super) fn words<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        known: &str,
    ) -> Result<Vec<T>, Problem> {
        let word = |text: &String| read(text).ok_or_else(|| wrong(name, &format!("it is one of {known}")));
        self.all(name).iter().map(word).collect()
    }

    /// Refuses parameters that nobody reads: a misspelt filter must not look like an empty one.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => {
                Err(bad(format!("there is no parameter `{key}` here")).help(format!("known are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }
}

fn wrong(name: &str, what: &str) -> Problem {
    let mut problem = bad(format!("`{name}`: {what}"));
    problem.field = Some(name.to_owned());
    problem
}

/// Bytes of a request's body.
pub(super) const MAX_BODY: usize = 256 * 1024;
/// Bytes of a body that is too large which are read all the same, so that its sender hears why it is refused.
const MOST_DRAINED: usize = 32 << 20;

fn declared(request: &Request) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads and forgets a body: an answer before its end would reach nobody who is still sending.
async fn drain(request: Request, length: usize) {
    if length > MOST_DRAINED {
        return;
    }
    let mut body = request.into_body().into_data_stream();
    let reading = async { while let Some(Ok(_)) = body.next().await {} };
    // Whoever is too slow does not hear it.
    let _ = tokio::time::timeout(BODY_TIMEOUT, reading).await;
}

/// A JSON body.
#[derive(Debug, Clone)]
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if let Some(length) = declared(&request).filter(|length| *length > MAX_BODY) {
            drain(request, length).await;
            let detail = format!("a body has at most {MAX_BODY} bytes, this one has {length}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, axum::Json::<T>::from_request(request, state)).await;
        let read = read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body took too long"))?;
        match read {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let (status, kind) = match &rejection {
                    JsonRejection::JsonDataError(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
                    other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                        (StatusCode::PAYLOAD_TOO_LARGE, "too-large")
                    }
                    JsonRejection::MissingJsonContentType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
                    _ => (StatusCode::BAD_REQUEST, "malformed"),
                };
                Err(Problem::new(status, kind, rejection.body_text()))
            }
        }
    }
}
