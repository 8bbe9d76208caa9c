//! `vantage eval`: scores against ground truth. One file a subcommand; [`output`] is what they share.

mod cases;
mod events;
mod output;
mod run;
mod stills;
mod tracks;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::base::Result;

/// Arguments of `vantage eval`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Replays a pipeline and scores every camera whose clip has a ground truth: events, counts, tracks.
    Run(run::Arguments),
    /// Scores events (detection rate, false alarms, time to detect) against ground truth.
    Events(events::EventArguments),
    /// Scores counted line crossings against ground truth.
    Counts(events::CountArguments),
    /// Scores tracks (HOTA, IDF1, MOTA) against MOTChallenge ground truth.
    Tracks(tracks::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.what {
        What::Run(arguments) => run::run(arguments),
        What::Events(arguments) => events::events(arguments),
        What::Counts(arguments) => events::counts(arguments),
        What::Tracks(arguments) => tracks::run(arguments),
    }
}
