//! Events as JSON lines on standard output, for pipes and for looking.
//!
//! Confirmed once the pipe or terminal has taken them, which is all that can be known.

use std::io::{ErrorKind, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Delivery, Outcome, ParamError, Parcel, Sink, SinkKind, params};
use crate::base::Result;

pub(super) const KIND: SinkKind = SinkKind {
    name: "stdout",
    summary: "JSON lines on standard output",
    validate,
    connect,
    schema: params::schema::<Params>,
    paths: &[],
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {}

fn validate(given: &Map<String, Value>) -> Vec<ParamError> {
    params::parse::<Params>(given).err().unwrap_or_default()
}

fn connect(given: &Map<String, Value>, _base: &Path) -> Result<Box<dyn Sink>> {
    let Params {} = params::parse(given).map_err(|mistakes| params::error(KIND.name, &mistakes))?;
    Ok(Box::new(Stdout))
}

struct Stdout;

impl Sink for Stdout {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn deliver<'a>(&'a mut self, batch: &'a [Parcel]) -> Delivery<'a> {
        Box::pin(std::future::ready(write(batch)))
    }
}

fn write(batch: &[Parcel]) -> Outcome {
    let mut lines = Vec::new();
    for Parcel { stored: event, .. } in batch {
        if let Err(e) = serde_json::to_writer(&mut lines, event) {
            return Outcome::Fatal { reason: format!("event at position {}: {e}", event.position) };
        }
        lines.push(b'\n');
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(&lines).and_then(|()| out.flush()) {
        Ok(()) => Outcome::Done,
        Err(e) if e.kind() == ErrorKind::BrokenPipe => {
            Outcome::Fatal { reason: "nobody reads standard output any more".to_owned() }
        }
        Err(e) => Outcome::Retry { after: None, reason: format!("standard output: {e}") },
    }
}
