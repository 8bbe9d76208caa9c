//! Events to a Kafka topic: one CloudEvent a message (structured mode of the CloudEvents Kafka binding), key the camera.
//!
//! Built with the feature `kafka`. The client is librdkafka: an idempotent producer with `acks=all`; a message counts as
//! delivered when every in-sync replica has it. The key keeps a camera in one partition and so in order. Messages have no
//! deadline of their own, since one that was given up would let the next overtake it: the whole batch has one.
//! TLS here is librdkafka's (OpenSSL), the only sink for which it is not rustls.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::Access;
use super::envelope::{MEDIA_TYPE, Origin, message_id};
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, attempt, params};
use crate::base::{Error, Result};

pub(super) const KIND: SinkKind = SinkKind {
    name: "kafka",
    summary: "CloudEvents to a Kafka topic",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: Access::PATHS,
};

/// librdkafka's default of `message.max.bytes`.
const DEFAULT_MAX_BYTES: u32 = 1_000_000;

/// How a login is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
enum Mechanism {
    /// The password itself; only with TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Params {
    /// Where to begin: host:port, several divided by commas.
    brokers: String,
    /// The topic.
    #[serde(default = "default_topic")]
    topic: String,
    /// Whether connections are encrypted and the brokers' certificates checked.
    #[serde(default)]
    tls: bool,
    /// How the login is proved: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    #[serde(default)]
    mechanism: Mechanism,
    #[serde(flatten)]
    access: Access,
    #[serde(flatten)]
    origin: Origin,
}

fn default_topic() -> String {
    "vantage.events".to_owned()
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = params.access.mistakes(params.tls);
    mistakes.extend(params.origin.mistakes());
    let reachable = |broker: &str| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if !params.brokers.split(',').all(reachable) {
        let message = format!("`brokers` cannot be \"{}\"", params.brokers);
        mistakes.push(ParamError::new("brokers", message, "host:port, several divided by commas"));
    }
    // What Kafka takes as the name of a topic (org.apache.kafka.common.internals.Topic).
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let named = (1..=249).contains(&params.topic.len()) && !matches!(params.topic.as_str(), "." | "..");
    if !named || !params.topic.chars().all(good) {
        let message = format!("`topic` cannot be \"{}\"", params.topic);
        mistakes.push(ParamError::new("topic", message, "letters, digits, `.`, `_` and `-`, at most 249"));
    }
    if params.mechanism == Mechanism::Plain && !params.tls && params.access.username.is_some() {
        let message = "`PLAIN` would send the password in the clear";
        mistakes.push(ParamError::new("mechanism", message, "write `tls: true`, or use SCRAM-SHA-512"));
    }
    mistakes
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    if params.tls {
        // The same files as for every other sink, read here once so that a bad one is told at the start.
        params.access.tls()?;
    }
    Ok(Box::new(Kafka { params, producer: None, troubles: Troubles::default() }))
}

/// What the client last said of its connections: messages only know that nothing was acknowledged.
#[derive(Debug, Clone, Default)]
struct Troubles(Arc<Mutex<Option<String>>>);

impl Troubles {
    fn latest(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Troubles {
    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers are down" follows each reason and tells less.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

struct Kafka {
    params: Params,
    /// Kept while it works; a failed delivery begins with a new one, which forgets what was queued.
    producer: Option<FutureProducer<Troubles>>,
    troubles: Troubles,
}

impl Sink for Kafka {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn most_still_bytes(&self) -> u64 {
        self.params.origin.most_still_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(async {
            let place = self.params.place();
            let outcome = attempt(&place, self.publish(batch)).await;
            if outcome.is_settled() {
                return outcome;
            }
            self.producer = None;
            match (outcome, self.troubles.latest()) {
                (Outcome::Retry { after, reason }, Some(why)) => {
                    Outcome::Retry { after, reason: format!("{reason}: {why}") }
                }
                (outcome, _) => outcome,
            }
        })
    }
}

impl Params {
    fn place(&self) -> String {
        format!("kafka {}/{}", self.brokers, self.topic)
    }

    fn producer(&self, troubles: Troubles) -> std::result::Result<FutureProducer<Troubles>, Outcome> {
        let unusable = |e: Error| Outcome::later(e.to_string());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "vantage")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5");
        if let Some(kib) = self.origin.room_kib() {
            // Else the client refuses what is above its own default; the topic's limit counts as well.
            config.set("message.max.bytes", (kib * 1024).max(DEFAULT_MAX_BYTES).to_string());
        }
        let login = self.access.login().map_err(unusable)?;
        config.set(
            "security.protocol",
            match (self.tls, login.is_some()) {
                (false, false) => "plaintext",
                (false, true) => "sasl_plaintext",
                (true, false) => "ssl",
                (true, true) => "sasl_ssl",
            },
        );
        if let Some((user, password)) = login {
            config.set("sasl.mechanism", self.mechanism.as_str());
            config.set("sasl.username", user).set("sasl.password", password.expose());
        }
        let files = [
            ("ssl.ca.location", "ca_file"),
            ("ssl.certificate.location", "cert_file"),
            ("ssl.key.location", "key_file"),
        ];
        for (option, param) in files {
            if let Some(path) = self.access.file(param) {
                config.set(option, path.to_string_lossy());
            }
        }
        config.create_with_context(troubles).map_err(|e| Outcome::later(format!("{}: {e}", self.place())))
    }
}

impl Kafka {
    /// Queues all, in order, then waits for every acknowledgement.
    async fn publish(&mut self, batch: &[Parcel]) -> std::result::Result<Outcome, Outcome> {
        let Self { params, producer, troubles } = self;
        let producer = match producer {
            Some(producer) => producer,
            empty => {
                *troubles = Troubles::default();
                empty.insert(params.producer(troubles.clone())?)
            }
        };
        let mut reasons = Vec::new();
        let mut sent = Vec::with_capacity(batch.len());
        for Parcel { stored, still } in batch {
            let body = params.origin.bytes(stored, still.as_ref()).map_err(|reason| Outcome::Fatal { reason })?;
            let id = message_id(stored);
            let headers = OwnedHeaders::new()
                .insert(Header { key: "content-type", value: Some(MEDIA_TYPE) })
                .insert(Header { key: "id", value: Some(&id) });
            let record =
                FutureRecord::to(&params.topic).key(stored.event.camera.as_str()).payload(&body).headers(headers);
            match producer.send_result(record) {
                Ok(delivery) => sent.push((stored.position, delivery)),
                Err((error, _)) if refuses_data(&error) => reasons.push((stored.position, error.to_string())),
                Err((error, _)) => return Err(params.failure(&error)),
            }
        }
        for (position, delivery) in sent {
            match delivery.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) if refuses_data(&error) => reasons.push((position, error.to_string())),
                Ok(Err((error, _))) => return Err(params.failure(&error)),
                Err(_) => return Err(Outcome::retry(format!("{}: the client ended", params.place()))),
            }
        }
        Ok(if reasons.is_empty() { Outcome::Done } else { Outcome::Reject { reasons } })
    }
}

impl Params {
    fn failure(&self, error: &KafkaError) -> Outcome {
        let reason = format!("{}: {error}", self.place());
        let lasting = [
            RDKafkaErrorCode::Authentication,
            RDKafkaErrorCode::SaslAuthenticationFailed,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::ClusterAuthorizationFailed,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::UnknownTopic,
            RDKafkaErrorCode::InvalidTopic,
        ];
        match error.rdkafka_error_code() {
            Some(code) if lasting.contains(&code) => Outcome::later(reason),
            _ => Outcome::retry(reason),
        }
    }
}

/// The message is at fault, not the cluster.
fn refuses_data(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}
