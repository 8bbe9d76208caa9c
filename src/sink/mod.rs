//! Sinks: where durable events go. Each reads the store by its own cursor and confirms what it has.
//!
//! Delivery is at least once and in order; `(id, revision)` tells a repeat. Adding a sink is one file
//! with a [`Sink`] and one row in [`TABLE`]; reading, retry, back-off, cursor, dead letters and figures
//! are [`dispatch`]'s business.

#[cfg(not(feature = "kafka"))]
mod absent;
mod access;
pub mod dispatch;
mod envelope;
mod jsonl;
#[cfg(feature = "kafka")]
mod kafka;
mod mqtt;
mod nats;
mod pace;
mod params;
mod parcel;
mod postgres;
mod sqlite;
mod stdout;
mod syslog;
mod webhook;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::params::ParamError;
pub use self::parcel::{Parcel, portions};
use crate::base::Result;
use crate::scene::{Position, StoredEvent};

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side has confirmed all of it.
    Done,
    /// Not now. The same batch comes again, so what had arrived of it arrives twice.
    Retry {
        /// The far side's own wish; otherwise back-off decides.
        after: Option<Duration>,
        /// Why, for people.
        reason: String,
    },
    /// These it will never take, and why; all others of the batch are confirmed.
    Reject {
        /// Position and reason of each refused event.
        reasons: Vec<(Position, String)>,
    },
    /// No event will get through until somebody changes something: the sink is parked, its cursor kept.
    Fatal {
        /// Why, for people.
        reason: String,
    },
}

impl Outcome {
    /// Not now; back-off decides when.
    fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { after: None, reason: reason.into() }
    }
    /// Not before somebody changes something over there, or a file here: tried again, but seldom.
    fn later(reason: impl Into<String>) -> Self {
        Self::Retry { after: Some(LATER), reason: reason.into() }
    }
    /// Whether the far side has spoken about every event of the batch. If not, the connection may still hold some of
    /// them, which would be sent beside the repeat: the sink gives it up.
    fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::Reject { .. })
    }
}

/// One try at a delivery, which the far side at `place` must answer within [`TIMEOUT`].
async fn attempt(place: &str, delivery: impl Future<Output = std::result::Result<Outcome, Outcome>>) -> Outcome {
    match tokio::time::timeout(TIMEOUT, delivery).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::retry(format!("{place}: no answer within {TIMEOUT:?}")),
    }
}

/// How long a far side may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after refused credentials and the like.
const LATER: Duration = Duration::from_secs(60);

/// A delivery in progress.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A destination of events.
///
/// Every sink has a thread of its own, which drives the future and does nothing else meanwhile: a sink
/// may block, and its future runs inside a Tokio runtime (`connect` does not).
pub trait Sink: Send {
    /// The sink's kind, as in [`TABLE`].
    fn kind(&self) -> &'static str;

    /// The largest still, bytes, that its messages carry; 0: an event names its still and no more.
    fn most_still_bytes(&self) -> u64 {
        0
    }

    /// Delivers a batch, in order, and returns when the far side has confirmed it. `batch` is never
    /// empty. The future may be dropped when the program stops.
    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a>;
}

/// Makes a sink from its parameters and the folder that relative paths count from.
pub type Connect = fn(&Map<String, Value>, &Path) -> Result<Box<dyn Sink>>;

/// A kind of sink.
pub struct SinkKind {
    /// As in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// All that is wrong with the parameters, without touching the world.
    pub validate: fn(&Map<String, Value>) -> Vec<ParamError>,
    /// Makes the sink; fails when it can never work as configured.
    pub connect: Connect,
    /// JSON Schema of the parameters.
    pub schema: fn() -> Value,
    /// Parameters that hold a path, counted from the pipeline file's folder.
    pub paths: &'static [&'static str],
}

/// Every kind there is.
pub static TABLE: &[SinkKind] = &[
    jsonl::KIND,
    #[cfg(not(feature = "kafka"))]
    absent::KAFKA,
    #[cfg(feature = "kafka")]
    kafka::KIND,
    mqtt::KIND,
    nats::KIND,
    postgres::KIND,
    sqlite::KIND,
    stdout::KIND,
    syslog::KIND,
    webhook::KIND,
];

/// The kind of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static SinkKind> {
    TABLE.iter().find(|kind| kind.name == name)
}

/// A record in its CloudEvents envelope, as JSON without a line end: what the sinks send, by the record's own site and
/// without its still.
///
/// # Errors
/// `Internal` when a record is no JSON.
pub fn cloud_event(stored: &StoredEvent) -> Result<Vec<u8>> {
    envelope::Origin::default()
        .bytes(stored, None)
        .map_err(|why| crate::base::Error::new(crate::base::ErrorKind::Internal, why))
}
