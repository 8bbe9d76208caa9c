//! `vantage schema`: what editors, receivers and code generators read.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::terminal::say_json;
use crate::base::Result;
use crate::contract;

/// Arguments of `vantage schema`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Of what.
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The pipeline file.
    Config,
    /// An event in its CloudEvents envelope, as sinks send it.
    Event,
    /// The bare record, as the store and the JSON-lines sink write it.
    Record,
    /// The channels that events come by, as AsyncAPI 3.0.
    Asyncapi,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    say_json(&match arguments.what {
        What::Config => crate::config::schema(crate::pipeline::registry::registry()),
        What::Event => contract::event_schema(),
        What::Record => contract::record_schema(),
        What::Asyncapi => contract::asyncapi(),
    })?;
    Ok(ExitCode::SUCCESS)
}
