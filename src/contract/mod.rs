//! What receivers may rely on: the envelope's schema, the channels it comes by, and a checker for a sample stream.
//!
//! | file | what |
//! |---|---|
//! | `envelope` | an envelope as a receiver reads it |
//! | `schema` | its JSON Schema, and the bare record's |
//! | `asyncapi` | the channels, as an AsyncAPI document |
//! | `check` | the checker: schema, agreement, repeats, order, phases, times |
//!
//! The sinks write what this module describes (`tests/contract.rs` holds them to it); `docs/integration.md` tells it to
//! people.

mod asyncapi;
mod check;
mod envelope;
mod finding;
mod happenings;
mod numbers;
mod schema;

pub use asyncapi::{CHANNELS, Channel, asyncapi};
pub use check::{Checker, Summary};
pub use envelope::{Data, Envelope};
pub use finding::{Finding, Rating};
pub use schema::{event_schema, record_schema};
