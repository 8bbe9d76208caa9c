//! Kinds of sinks that other builds of this program have: a pipeline file that names one is told how to get it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{ParamError, Sink, SinkKind, params};
use crate::base::Result;

/// Stands in for the sink of the feature `kafka`.
pub(super) const KAFKA: SinkKind = SinkKind {
    name: "kafka",
    summary: "CloudEvents to a Kafka topic: not in this build",
    validate: |_| vec![mistake()],
    connect,
    schema: || json!({"type": "object", "description": "Not in this build of the program."}),
    paths: &[],
};

fn mistake() -> ParamError {
    ParamError::new(
        "type",
        "this program was built without the feature `kafka`",
        "build it with `cargo build --release --features kafka`, which compiles librdkafka (a C compiler and OpenSSL's \
         headers are needed)",
    )
}

fn connect(_: &Map<String, Value>, _: &Path) -> Result<Box<dyn Sink>> {
    Err(params::error(KAFKA.name, &[mistake()]))
}
