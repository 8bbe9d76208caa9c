//! Events over MQTT 3.1.1 or 5 at QoS 1, each confirmed by its PUBACK.
//!
//! What is said, and on which topics, is a *dialect*: [`native`] CloudEvents, [`frigate`]-shaped topics with Home
//! Assistant discovery, [`onvif`] Profile M events. `PREFIX/available` is `online` while connected; the last will makes
//! it `offline` (OASIS MQTT 5.0 §3.1.2.5).

mod dialect;
mod frigate;
mod native;
mod onvif;
mod session;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::dialect::Dialect;
use self::frigate::Ongoing;
use self::session::{Connection, Unconfirmed, Version};
use super::access::Access;
use super::envelope::Origin;
use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, attempt, params};
use crate::base::Result;

pub(super) const KIND: SinkKind = SinkKind {
    name: "mqtt",
    summary: "MQTT 3.1.1 or 5: CloudEvents, Frigate-shaped topics, or ONVIF events",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: Access::PATHS,
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Name or address of the broker.
    host: String,
    /// Its port; 1883, or 8883 with TLS.
    port: Option<u16>,
    /// Whether the connection is encrypted and the broker's certificate checked.
    #[serde(default)]
    tls: bool,
    /// Version of the protocol: `3.1.1` or `5`.
    #[serde(default)]
    version: Version,
    /// Name of this client; made up at every start when it is left out. Two clients of one name push each other out.
    client_id: Option<String>,
    /// The most KiB of one message, topic included; a larger event is refused. In version 5 the broker's own limit counts
    /// as well.
    #[serde(default = "default_max_kib")]
    #[schemars(range(min = 1, max = 262_143))]
    max_kib: u32,
    /// Which topics and bodies: `native`, `frigate` or `onvif`.
    #[serde(default)]
    dialect: Dialect,
    /// First part of every topic; `vantage`, or `frigate` for that dialect.
    prefix: Option<String>,
    /// Whether Home Assistant's discovery topics are published; only for `frigate`.
    #[serde(default)]
    discovery: bool,
    #[serde(flatten)]
    access: Access,
    #[serde(flatten)]
    origin: Origin,
}

fn default_max_kib() -> u32 {
    256
}

impl Params {
    fn most_bytes(&self) -> usize {
        self.max_kib as usize * 1024
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(match self.dialect {
            Dialect::Frigate => "frigate",
            Dialect::Native | Dialect::Onvif => "vantage",
        })
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 8883 } else { 1883 })
    }

    fn place(&self) -> String {
        format!("mqtt {}:{}", self.host, self.port())
    }
}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    let params: Params = match params::parse(given) {
        Ok(params) => params,
        Err(mistakes) => return mistakes,
    };
    let mut mistakes = params.access.mistakes(params.tls);
    mistakes.extend(params.origin.mistakes());
    let bad =
        |text: &str| text.is_empty() || text.contains(['+', '#', '\0']) || text.starts_with('/') || text.ends_with('/');
    if params.prefix.as_deref().is_some_and(bad) {
        let message = format!("`prefix` cannot be \"{}\"", params.prefix());
        mistakes.push(ParamError::new("prefix", message, "a topic without `+` and `#`, and no `/` at either end"));
    }
    if params.client_id.as_deref() == Some("") {
        mistakes.push(ParamError::new("client_id", "`client_id` is empty", "name this client"));
    }
    if params.host.is_empty() || params.host.contains("://") {
        let message = format!("`host` cannot be \"{}\"", params.host);
        mistakes.push(ParamError::new("host", message, "a name or an address alone; `port` and `tls` stand beside it"));
    }
    if params.discovery && params.dialect != Dialect::Frigate {
        let message = "`discovery` would be ignored: only the dialect `frigate` has it";
        mistakes.push(ParamError::new("discovery", message, "remove it, or write `dialect: frigate`"));
    }
    if let Some(room_kib) = params.origin.room_kib() {
        if params.dialect != Dialect::Native {
            let message = "`inline_still_kib` would be ignored: only the dialect `native` carries stills";
            mistakes.push(ParamError::new("inline_still_kib", message, "remove it, or write `dialect: native`"));
        } else if room_kib > params.max_kib {
            let message = format!("a still of `inline_still_kib` has no room in a message of {} KiB", params.max_kib);
            let help = format!("base64 and the event need more: write `max_kib: {room_kib}` or more, or allow less");
            mistakes.push(ParamError::new("inline_still_kib", message, help));
        }
    }
    mistakes
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let params: Params = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    if params.tls {
        params.access.tls()?;
    }
    // Every broker must take 23 letters and digits (OASIS MQTT 3.1.1 §3.1.3.1).
    let random = RandomState::new().hash_one(std::process::id());
    let client_id = params.client_id.clone().unwrap_or_else(|| format!("vantage{random:016x}"));
    Ok(Box::new(Mqtt { params, client_id, ongoing: Ongoing::default(), connection: None }))
}

struct Mqtt {
    params: Params,
    client_id: String,
    ongoing: Ongoing,
    connection: Option<Connection>,
}

impl Sink for Mqtt {
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
            if !outcome.is_settled() {
                self.connection = None;
            }
            outcome
        })
    }
}

impl Mqtt {
    /// Hands all to the client, in order, then waits for every confirmation.
    async fn publish(&mut self, batch: &[Parcel]) -> std::result::Result<Outcome, Outcome> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.params, &self.client_id).await?);
        }
        let Some(connection) = &mut self.connection else { return Err(Outcome::retry("not connected")) };
        let mut reasons = Vec::new();
        let mut sent = Vec::with_capacity(batch.len());
        for parcel in batch {
            let position = parcel.stored.position;
            let messages = dialect::messages(&self.params, parcel, &mut self.ongoing)
                .map_err(|reason| Outcome::Fatal { reason })?;
            let longest = messages.iter().map(|message| message.topic.len() + message.body.len()).max().unwrap_or(0);
            if longest > connection.most_bytes {
                let reason = format!("{longest} bytes; the limit is {}", connection.most_bytes);
                reasons.push((position, reason));
                continue;
            }
            for message in messages {
                let confirmation = connection.send(message).await.map_err(|why| connection.failure(&why))?;
                sent.push((position, confirmation));
            }
        }
        for (position, confirmation) in sent {
            match confirmation.confirmed().await {
                Ok(()) => {}
                Err(Unconfirmed::Refused(why)) => reasons.push((position, why)),
                Err(Unconfirmed::Failed(why)) => return Err(connection.failure(&why)),
            }
        }
        // Some dialects make several messages of an event; one reason is enough.
        reasons.sort_by_key(|(position, _)| *position);
        reasons.dedup_by_key(|(position, _)| *position);
        Ok(if reasons.is_empty() { Outcome::Done } else { Outcome::Reject { reasons } })
    }
}
