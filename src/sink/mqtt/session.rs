//! One connection to a broker, of either protocol version, and what becomes of each message on it.
//!
//! The client library's event loop runs as a task of its own and ends with the first error: a connection is used
//! until it fails, and the next delivery opens another. That leaves one place that retries: the dispatcher.
//!
//! Without TCP_NODELAY the last packet of a batch would wait for the acknowledgement of the one before (RFC 896, RFC 1122
//! §4.2.3.2): some 40 ms each.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Params;
use super::dialect::Message;
use crate::base::with_causes;
use crate::sink::Outcome;

/// Messages between us and the event loop; the unconfirmed ones besides.
const QUEUE: usize = 64;
/// Unconfirmed messages at once.
const IN_FLIGHT: u16 = 64;
/// Seconds between signs of life.
const KEEP_ALIVE: u16 = 15;

/// The broker sends us nothing but confirmations.
const MOST_RECEIVED: usize = 10 * 1024;
/// Bytes of a PUBLISH besides topic and body, at most.
const OVERHEAD: usize = 64;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub(super) enum Version {
    /// MQTT 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V3,
    /// MQTT 5.0.
    #[serde(rename = "5")]
    V5,
}

enum Client {
    V3(mqtt4::AsyncClient),
    V5(mqtt5::AsyncClient),
}

/// What the broker will say of a message.
pub(super) enum Confirmation {
    V3(mqtt4::PublishNotice),
    V5(mqtt5::PublishNotice),
}

/// Why there was no confirmation.
pub(super) enum Unconfirmed {
    /// The broker will never take this message.
    Refused(String),
    /// The connection, or something that may pass.
    Failed(String),
}

impl Confirmation {
    /// Waits for the PUBACK; in version 5 its reason code counts (OASIS MQTT 5.0 §3.4.2.1).
    pub(super) async fn confirmed(self) -> Result<(), Unconfirmed> {
        use mqtt5::mqttbytes::v5::PubAckReason::{PayloadFormatInvalid, TopicNameInvalid};
        match self {
            Self::V3(notice) => notice.wait_completion_async().await.map_err(|e| Unconfirmed::Failed(e.to_string())),
            Self::V5(notice) => notice.wait_completion_async().await.map_err(|e| match e {
                mqtt5::PublishNoticeError::V5PubAck(PayloadFormatInvalid | TopicNameInvalid) => {
                    Unconfirmed::Refused(e.to_string())
                }
                _ => Unconfirmed::Failed(e.to_string()),
            }),
        }
    }
}

/// A connection that the broker has accepted.
pub(super) struct Connection {
    client: Client,
    place: String,
    /// The most bytes of a message, topic included: the pipeline's limit, or the broker's if that is less.
    pub(super) most_bytes: usize,
    /// Why the event loop has ended, once it has.
    ended: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects, and says `online`.
    pub(super) async fn open(params: &Params, client_id: &str) -> Result<Self, Outcome> {
        let login = params.access.login().map_err(|e| Outcome::later(e.to_string()))?;
        let tls = match params.tls {
            true => Some(params.access.tls().map_err(|e| Outcome::later(e.to_string()))?),
            false => None,
        };
        let available = format!("{}/available", params.prefix());
        let ended = Arc::new(Mutex::new(None));
        let (accepted, welcome) = oneshot::channel();
        let address = (params.host.clone(), params.port());
        let (client, task) = match params.version {
            Version::V3 => {
                let mut options = mqtt4::MqttOptions::new(client_id, address);
                options.set_keep_alive(KEEP_ALIVE).set_inflight(IN_FLIGHT).set_clean_session(true);
                options.set_max_packet_size(MOST_RECEIVED, params.most_bytes() + OVERHEAD);
                options.set_last_will(mqtt4::LastWill::new(&available, "offline", mqtt4::QoS::AtLeastOnce, true));
                if let Some((user, password)) = &login {
                    options.set_credentials(user.clone(), password.expose().to_owned());
                }
                if let Some(tls) = tls {
                    options.set_transport(mqtt4::Transport::tls_with_config(tls.into()));
                }
                let (client, mut events) = mqtt4::AsyncClient::builder(options).capacity(QUEUE).build();
                events.network_options.set_tcp_nodelay(true);
                let ended = Arc::clone(&ended);
                let task = tokio::spawn(async move {
                    let mut accepted = Some(accepted);
                    let reason = loop {
                        match events.poll().await {
                            Ok(mqtt4::Event::Incoming(mqtt4::Packet::ConnAck(_))) => {
                                accepted.take().map(|accepted| accepted.send(usize::MAX));
                            }
                            Ok(_) => {}
                            Err(error) => break with_causes(&error),
                        }
                    };
                    note(&ended, reason);
                });
                (Client::V3(client), task)
            }
            Version::V5 => {
                let mut options = mqtt5::MqttOptions::new(client_id, address);
                options.set_keep_alive(KEEP_ALIVE).set_outgoing_inflight_upper_limit(IN_FLIGHT).set_clean_start(true);
                options.set_last_will(mqtt5::mqttbytes::v5::LastWill::new(
                    available.clone(),
                    "offline",
                    mqtt5::QoS::AtLeastOnce,
                    true,
                    None,
                ));
                if let Some((user, password)) = &login {
                    options.set_credentials(user.clone(), password.expose().to_owned());
                }
                if let Some(tls) = tls {
                    options.set_transport(mqtt5::Transport::tls_with_config(tls.into()));
                }
                let mut network = options.network_options();
                network.set_tcp_nodelay(true);
                options.set_network_options(network);
                let (client, mut events) = mqtt5::AsyncClient::builder(options).capacity(QUEUE).build();
                let ended = Arc::clone(&ended);
                let task = tokio::spawn(async move {
                    let mut accepted = Some(accepted);
                    let reason = loop {
                        match events.poll().await {
                            Ok(mqtt5::Event::Incoming(mqtt5::mqttbytes::v5::Packet::ConnAck(told))) => {
                                let most = told.properties.and_then(|properties| properties.max_packet_size);
                                let most = most.map_or(usize::MAX, |bytes| bytes as usize);
                                accepted.take().map(|accepted| accepted.send(most));
                            }
                            Ok(_) => {}
                            Err(error) => break with_causes(&error),
                        }
                    };
                    note(&ended, reason);
                });
                (Client::V5(client), task)
            }
        };
        let mut connection = Self { client, place: params.place(), most_bytes: params.most_bytes(), ended, task };
        // The sender goes with the event loop when that ends first.
        let most = welcome.await.map_err(|_| connection.failure("the connection ended"))?;
        connection.most_bytes = connection.most_bytes.min(most.saturating_sub(OVERHEAD));
        let online = Message { topic: available, body: b"online".to_vec(), retain: true };
        let told = connection.send(online).await.map_err(|why| connection.failure(&why))?;
        told.confirmed().await.map_err(|why| match why {
            Unconfirmed::Refused(why) | Unconfirmed::Failed(why) => connection.failure(&why),
        })?;
        Ok(connection)
    }

    /// Hands a message to the client; it is sent in the order of the calls.
    pub(super) async fn send(&self, message: Message) -> Result<Confirmation, String> {
        let Message { topic, body, retain } = message;
        match &self.client {
            Client::V3(client) => {
                let options = mqtt4::PublishOptions::new(mqtt4::QoS::AtLeastOnce).retain(retain);
                client.publish_tracked(topic, body, options).await.map(Confirmation::V3).map_err(|e| e.to_string())
            }
            Client::V5(client) => {
                let options = mqtt5::PublishOptions::new(mqtt5::QoS::AtLeastOnce).retain(retain);
                client.publish_tracked(topic, body, options).await.map(Confirmation::V5).map_err(|e| e.to_string())
            }
        }
    }

    /// What a failure means; the event loop usually knows more than whoever waited.
    pub(super) fn failure(&self, seen: &str) -> Outcome {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reason = format!("{}: {}", self.place, ended.as_deref().unwrap_or(seen));
        // CONNACK codes of refused credentials (3.1.1 §3.2.2.3; 5.0 §3.2.2.2).
        let refused = ["NotAuthorized", "BadUserNamePassword", "BadUsernamePassword", "Banned"];
        if refused.iter().any(|code| reason.contains(code)) { Outcome::later(reason) } else { Outcome::retry(reason) }
    }
}

fn note(ended: &Mutex<Option<String>>, reason: String) {
    *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
}
