//! `vantage sinks`: what receivers get.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::contract;
use crate::base::Result;

/// Arguments of `vantage sinks`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a sample of what a receiver got: schema, repeats, order, gaps, phases, times.
    Contract(contract::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Contract(arguments) => contract::run(arguments),
    }
}
