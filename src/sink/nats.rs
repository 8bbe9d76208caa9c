//! Events on NATS JetStream: subject `PREFIX.CAMERA.KIND`, confirmed by the stream's publish acknowledgement.
//!
//! Each message carries `Nats-Msg-Id`, so that the server drops repeats within its window (2 minutes unless the
//! stream says otherwise); beyond it, the same id tells them. Messages of a batch are sent at once and in order.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode, message::PublishMessage, stream};
use async_nats::{ConnectErrorKind, ConnectOptions};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::access::Access;
use super::envelope::{MEDIA_TYPE, Origin, message_id};
use super::{Delivery, LATER, Outcome, ParamError, Parcel, Sink, SinkKind, TIMEOUT, attempt, params};
use crate::base::{Error, Result, redact_url, with_causes};

pub(super) const KIND: SinkKind = SinkKind {
    name: "nats",
    summary: "CloudEvents to a NATS JetStream stream",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: Access::PATHS,
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Params {
    /// The server: nats://host:4222, or tls://host:4222.
    url: String,
    /// The stream that takes the events.
    #[serde(default = "default_stream")]
    stream: String,
    /// First part of every subject; camera and kind follow.
    #[serde(default = "default_prefix")]
    prefix: String,
    /// Whether to create the stream when the server has none of that name.
    #[serde(default = "yes")]
    create: bool,
    #[serde(flatten)]
    access: Access,
    #[serde(flatten)]
    origin: Origin,
}

fn default_stream() -> String {
    "VANTAGE".to_owned()
}
fn default_prefix() -> String {
    "vantage.events".to_owned()
}
fn yes() -> bool {
    true
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = Vec::new();
    let tls = match server(&params.url) {
        Ok(url) => url.scheme() == "tls",
        Err(mistake) => {
            mistakes.push(mistake);
            true
        }
    };
    let token = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !params.prefix.split('.').all(token) {
        let message = format!("`prefix` cannot be \"{}\"", params.prefix);
        mistakes.push(ParamError::new("prefix", message, "words joined by dots, without `*`, `>` and blanks"));
    }
    if !token(&params.stream) {
        let message = format!("`stream` cannot be \"{}\"", params.stream);
        mistakes.push(ParamError::new("stream", message, "letters, digits, `-` and `_`"));
    }
    mistakes.extend(params.access.mistakes(tls));
    mistakes.extend(params.origin.mistakes());
    mistakes
}

fn server(text: &str) -> std::result::Result<Url, ParamError> {
    let wrong = |message: String| ParamError::new("url", message, "write nats://host:4222 or tls://host:4222");
    let url = Url::parse(text).map_err(|e| wrong(format!("`url` cannot be read: {e}")))?;
    if !matches!(url.scheme(), "nats" | "tls") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(format!("`url` cannot be {}", redact_url(text))));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let help = "use `username` with `password_file` or `password_env`";
        return Err(ParamError::new("url", "the address holds a login", help));
    }
    Ok(url)
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    let url = server(&params.url).map_err(|mistake| params::error(KIND.name, &[mistake]))?;
    if url.scheme() == "tls" {
        params.access.tls()?;
    }
    Ok(Box::new(Nats { url, params, context: None }))
}

struct Nats {
    url: Url,
    params: Params,
    /// Kept while it works; a failed delivery begins with a new connection, which forgets what was half sent.
    context: Option<jetstream::Context>,
}

impl Sink for Nats {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn most_still_bytes(&self) -> u64 {
        self.params.origin.most_still_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async {
            let place = self.url.to_string();
            let outcome = attempt(&place, self.publish(batch)).await;
            if !outcome.is_settled() {
                self.context = None;
            }
            outcome
        })
    }
}

/// Whether the stream's own limits, `max_msg_size` or that of headers, forbid the message.
fn is_too_large(error: &PublishError) -> bool {
    let code = std::error::Error::source(error)
        .and_then(|e| e.downcast_ref::<jetstream::Error>())
        .map(jetstream::Error::error_code);
    matches!(code, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM))
}

impl Nats {
    /// Sends all, then waits for every acknowledgement.
    async fn publish(&mut self, batch: &[Parcel]) -> std::result::Result<Outcome, Outcome> {
        if self.context.is_none() {
            self.context = Some(self.open().await?);
        }
        let Some(context) = &self.context else { return Ok(Outcome::retry("not connected")) };
        let mut reasons = Vec::new();
        let mut sent = Vec::with_capacity(batch.len());
        for Parcel { stored, still } in batch {
            let payload =
                self.params.origin.bytes(stored, still.as_ref()).map_err(|reason| Outcome::Fatal { reason })?;
            let subject = format!("{}.{}.{}", self.params.prefix, stored.event.camera, stored.event.kind);
            let message = PublishMessage::build()
                .payload(payload.into())
                .message_id(message_id(stored))
                .header("Content-Type", MEDIA_TYPE)
                .expected_stream(&self.params.stream);
            match context.send_publish(subject, message).await {
                Ok(ack) => sent.push((stored.position, ack)),
                Err(e) if e.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    reasons.push((stored.position, "larger than the server's max_payload".to_owned()));
                }
                Err(e) => return Err(Outcome::retry(format!("{}: {e}", self.url))),
            }
        }
        for (position, ack) in sent {
            match ack.await {
                Ok(_) => {}
                Err(e) if is_too_large(&e) => {
                    reasons.push((position, format!("larger than the stream {} takes", self.params.stream)));
                }
                Err(e) => return Err(Outcome::retry(format!("{}: stream {}: {e}", self.url, self.params.stream))),
            }
        }
        Ok(if reasons.is_empty() { Outcome::Done } else { Outcome::Reject { reasons } })
    }

    async fn open(&self) -> std::result::Result<jetstream::Context, Outcome> {
        let unusable = |e: Error| Outcome::later(e.to_string());
        // A client that is given up must not go on by itself, with what it still holds; 0 would be "for ever".
        let mut options = ConnectOptions::new().name("vantage").connection_timeout(TIMEOUT).max_reconnects(1);
        if let Some((user, password)) = self.params.access.login().map_err(unusable)? {
            options = options.user_and_password(user, password.expose().to_owned());
        }
        if self.url.scheme() == "tls" {
            options = options.require_tls(true).tls_client_config(self.params.access.tls().map_err(unusable)?);
        }
        let client = options.connect(self.url.as_str()).await.map_err(|e| {
            let reason = format!("{}: {}", self.url, with_causes(&e));
            match e.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Outcome::later(reason),
                _ => Outcome::retry(reason),
            }
        })?;
        let context = jetstream::new(client);
        self.check_stream(&context).await?;
        Ok(context)
    }

    /// The stream must be there: without it nobody would confirm.
    async fn check_stream(&self, context: &jetstream::Context) -> std::result::Result<(), Outcome> {
        let Params { stream: name, prefix, create, .. } = &self.params;
        let failed = |why: String| Outcome::Retry { after: Some(LATER), reason: format!("stream {name}: {why}") };
        if !create {
            return context.get_stream(name).await.map(drop).map_err(|e| failed(e.to_string()));
        }
        let wanted = stream::Config {
            name: name.clone(),
            subjects: vec![format!("{prefix}.>")],
            description: Some("Events of Vantage".to_owned()),
            max_age: Duration::from_secs(30 * 86_400),
            ..stream::Config::default()
        };
        context.get_or_create_stream(wanted).await.map(drop).map_err(|e| failed(with_causes(&e)))
    }
}
