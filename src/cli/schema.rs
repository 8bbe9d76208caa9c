//! `vantage schema`: JSON Schema for editors and receivers.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::terminal::say_json;
use crate::base::Result;

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
    /// An event, as the store and the JSON-lines sink write it.
    Event,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match arguments.what {
        What::Config => say_json(&crate::config::schema(crate::pipeline::registry::registry()))?,
        What::Event => say_json(&crate::store::event_schema())?,
    }
    Ok(ExitCode::SUCCESS)
}
