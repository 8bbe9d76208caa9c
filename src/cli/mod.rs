//! Commands. Each file is one command: its arguments and what it does, in terms of the library.
//!
//! What a program reads goes to stdout, what a person reads besides goes to stderr. Errors end the
//! process with the exit code of their kind ([`crate::base::ErrorKind::exit_code`]).

mod audit;
mod backtest;
mod bench;
mod camera;
mod check;
mod contract;
mod doctor;
mod eval;
mod events;
mod export;
mod incidents;
mod models;
mod mot;
mod page;
mod plan;
mod probe;
mod pull;
mod recorded_view;
mod reload;
mod replay;
mod run;
mod scene;
mod schema;
mod signals;
mod sinks;
mod terminal;
mod why;
mod why_not;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::base::Result;

/// Camera video analytics for traffic: camera URLs in, durable events out.
#[derive(Debug, Parser)]
#[command(name = "vantage", version, max_term_width = 100, propagate_version = true)]
struct Arguments {
    /// What to log: error, warn, info, debug, trace, or a filter such as `vantage::source=debug`.
    #[arg(long, global = true, env = "VANTAGE_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// Logs as JSON lines.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Analyses cameras live: frames in, events into the store and the sinks.
    Run(run::Arguments),
    /// Analyses recorded footage without losing a frame; events as JSON lines, and a digest.
    Replay(replay::Arguments),
    /// Runs the rules again over stored tracks, and shows what other settings would change.
    Backtest(backtest::Arguments),
    /// Measures throughput, latency, cost per stage and memory on a clip.
    Bench(bench::Arguments),
    /// Scores events, counts and tracks against ground truth; text, JSON or a page.
    Eval(eval::Arguments),
    /// Examines a camera: reach, login, codec, frame rate, keyframes, clock, loss; and what to do.
    Probe(probe::Arguments),
    /// Checks a pipeline file: every mistake at once, with its place and a suggestion.
    Check(check::Arguments),
    /// Lists, fetches, describes and tries models.
    Models(models::Arguments),
    /// Serves clips as RTSP cameras, for tests and demos.
    Camera(camera::Arguments),
    /// Lists events of a store.
    Events(events::Arguments),
    /// Writes events and incidents as files for others: Parquet, CSV, GeoJSON, CAP, DATEX II, CloudEvents.
    Export(export::Arguments),
    /// Tells what each sink has and still waits for; tests sinks, sends events again, checks what receivers got.
    Sinks(sinks::Arguments),
    /// Lists incidents: events of one happening, from one or several cameras, as one.
    Incidents(incidents::Arguments),
    /// Draws scenes: learns lanes from traffic.
    Scene(scene::Arguments),
    /// Tells why an event was raised: thresholds, measurements, frames, hashes, evidence.
    Why(why::Arguments),
    /// Tells how far every rule was from firing at a time, from stored tracks.
    WhyNot(why_not::Arguments),
    /// Checks and lists the audit trail: who looked at what, who changed what.
    Audit(audit::Arguments),
    /// Applies a changed pipeline file to the running program, or says why not.
    Reload(reload::Arguments),
    /// Tells whether this machine is ready, and how to mend what is not.
    Doctor(doctor::Arguments),
    /// Prints a schema: of the pipeline file, of events, of the channels that they come by.
    Schema(schema::Arguments),
    /// Prints shell completions.
    #[command(hide = true)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Writes man pages into a folder.
    #[command(hide = true)]
    Man {
        /// Where to.
        folder: std::path::PathBuf,
    },
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    // Two TLS providers may end up in one program; without this rustls would panic at the first handshake.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if let Err(error) = terminal::start_log(&arguments.log, arguments.log_json) {
        return terminal::fail(&error);
    }
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(error) => terminal::fail(&error),
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Backtest(arguments) => backtest::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Camera(arguments) => camera::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Sinks(arguments) => sinks::run(&arguments),
        Command::Incidents(arguments) => incidents::run(&arguments),
        Command::Scene(arguments) => scene::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::WhyNot(arguments) => why_not::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "vantage", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => {
            std::fs::create_dir_all(&folder)
                .and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder))
                .map_err(|e| crate::base::Error::io(&folder, e))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
