//! Events by HTTP POST, one CloudEvent a request, signed as *Standard Webhooks* describes
//! (standardwebhooks.com: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`).
//!
//! A 2xx answer confirms. Requests go one after the other, so that the order of events is that of requests; after a
//! failure those that were confirmed before it are not sent again. Redirects are refused, since they would carry
//! events and signatures elsewhere, and so are private addresses unless they are allowed (server-side request forgery).

mod address;
mod signature;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use self::address::Guarded;
use self::signature::Key;
use super::access::{Access, read_secret};
use super::envelope::{MEDIA_TYPE, Origin, message_id};
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, TIMEOUT, params};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result, redact_url, with_causes};
use crate::scene::Position;

pub(super) const KIND: SinkKind = SinkKind {
    name: "webhook",
    summary: "CloudEvents by signed HTTP POST",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: &["password_file", "ca_file", "cert_file", "key_file", "secret_file"],
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Params {
    /// Where events are posted to: https://host/path, or http://.
    url: String,
    /// File with the key that requests are signed with: text, or `whsec_` and base64.
    secret_file: Option<PathBuf>,
    /// Environment variable with that key.
    secret_env: Option<String>,
    /// Whether the address may be one of the own network (loopback, private, link-local).
    #[serde(default)]
    allow_private: bool,
    #[serde(flatten)]
    access: Access,
    #[serde(flatten)]
    origin: Origin,
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = Vec::new();
    let tls = match target(&params) {
        Ok(url) => url.scheme() == "https",
        Err(mistake) => {
            mistakes.push(mistake);
            true
        }
    };
    if params.secret_file.is_some() && params.secret_env.is_some() {
        let message = "this sink has both `secret_file` and `secret_env`";
        mistakes.push(ParamError::new("secret_env", message, "keep one of them"));
    }
    mistakes.extend(params.access.mistakes(tls));
    mistakes.extend(params.origin.mistakes());
    mistakes
}

fn target(params: &Params) -> std::result::Result<Url, ParamError> {
    let wrong = |message: String, help: &str| ParamError::new("url", message, help);
    let url =
        Url::parse(&params.url).map_err(|e| wrong(format!("`url` cannot be read: {e}"), "write https://host/path"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong(format!("`url` cannot be {}", redact_url(&params.url)), "write https://host/path"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let help = "use `username` with `password_file` or `password_env`";
        return Err(wrong("the address holds a login".to_owned(), help));
    }
    if !params.allow_private && address::literal(&url).is_some_and(address::is_private) {
        let help = "add `allow_private: true` if that is meant";
        return Err(wrong(format!("{} is an address of the own network", redact_url(&params.url)), help));
    }
    Ok(url)
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    let url = target(&params).map_err(|mistake| params::error(KIND.name, &[mistake]))?;
    let mut builder = Client::builder()
        .user_agent(concat!("vantage/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .dns_resolver(Arc::new(Guarded { allow_private: params.allow_private }));
    builder = builder.tls_backend_preconfigured(params.access.tls()?);
    let client = builder
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("sink {}: {}", KIND.name, with_causes(&e))))?;
    let key = read_secret(params.secret_file.as_ref(), params.secret_env.as_ref())?
        .map(|secret| Key::new(&secret))
        .transpose()
        .map_err(|why| Error::new(ErrorKind::Config, format!("sink {}: {why}", KIND.name)))?;
    Ok(Box::new(Webhook { url, params, client, key, answered: None, refused: Vec::new() }))
}

struct Webhook {
    url: Url,
    params: Params,
    client: Client,
    key: Option<Key>,
    /// Up to here the batch under way has its answers: when it comes again, it begins after it.
    answered: Option<Position>,
    /// Those of them that were refused.
    refused: Vec<(Position, String)>,
}

impl Sink for Webhook {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn most_still_bytes(&self) -> u64 {
        self.params.origin.most_still_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async move {
            for parcel in batch {
                let position = parcel.stored.position;
                if self.answered.is_some_and(|answered| position <= answered) {
                    continue;
                }
                match self.post(parcel).await {
                    Ok(()) => {}
                    Err(Outcome::Reject { reasons }) => self.refused.extend(reasons),
                    Err(failure) => return failure,
                }
                self.answered = Some(position);
            }
            self.answered = None;
            match std::mem::take(&mut self.refused) {
                none if none.is_empty() => Outcome::Done,
                reasons => Outcome::Reject { reasons },
            }
        })
    }
}

impl Webhook {
    async fn post(&self, Parcel { stored, still }: &Parcel) -> std::result::Result<(), Outcome> {
        let body = self.params.origin.bytes(stored, still.as_ref()).map_err(|reason| Outcome::Fatal { reason })?;
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, MEDIA_TYPE);
        if let Some((user, password)) = self.params.access.login().map_err(|e| Outcome::later(e.to_string()))? {
            request = request.basic_auth(user, Some(password.expose()));
        }
        if let Some(key) = &self.key {
            let id = message_id(stored);
            let seconds = SystemClock.utc().0.div_euclid(1_000_000_000);
            let signature = key.sign(&id, seconds, &body);
            request = request
                .header("webhook-id", id)
                .header("webhook-timestamp", seconds.to_string())
                .header("webhook-signature", signature);
        }
        // Without the path, which may hold a receiver's token.
        let place = self.url.origin().ascii_serialization();
        let unanswered = |e: reqwest::Error| Outcome::retry(format!("{place}: {}", with_causes(&e.without_url())));
        let answer = request.body(body).send().await.map_err(unanswered)?;
        judge(&answer, stored.position)
    }
}

/// What an answer means (RFC 9110 §15).
fn judge(answer: &Response, position: Position) -> std::result::Result<(), Outcome> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("answered {status}");
    Err(match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Retry { after: retry_after(answer), reason }
        }
        _ if status.is_server_error() => Outcome::Retry { after: retry_after(answer), reason },
        _ if status.is_redirection() => Outcome::later(format!("{reason}: redirects are not followed")),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Reject { reasons: vec![(position, reason)] },
        // 401, 403, 404 and the like are about the address or the login, not about this event.
        _ => Outcome::later(reason),
    })
}

/// The far side's wish in seconds, at most an hour; dates are left to back-off.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds: u64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}
