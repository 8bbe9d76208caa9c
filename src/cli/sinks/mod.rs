//! `vantage sinks`: what each sink has and waits for, a test of the connection, sending again, dead letters, and
//! a check of what a receiver got.
//!
//! All of it reads the store beside a running program and writes nothing to it: cursors stay where they are.

mod ask;
mod send;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::contract;
use super::events::time;
use super::plan;
use super::terminal::say;
use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::config::{Plan, SinkPlan};
use crate::scene::Position;
use crate::store::Store;

/// Arguments of `vantage sinks`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every sink: how far it is, what waits for it, what it refused, how it does.
    Status {
        /// The pipeline file.
        pipeline: PathBuf,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
        /// File with a token of the API, for a running program whose port asks who is there.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Connects to sinks as `run` would and delivers one event of kind `test`.
    Test {
        /// The pipeline file.
        pipeline: PathBuf,
        /// Only these sinks.
        sinks: Vec<String>,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Sends stored events again, with the ids they had: a receiver recognises what it has.
    Replay(Replay),
    /// Lists what sinks refused for good, and why.
    DeadLetters {
        /// The pipeline file.
        pipeline: PathBuf,
        /// Only this sink.
        sink: Option<String>,
        /// One JSON object per line, with the event.
        #[arg(long)]
        json: bool,
    },
    /// Checks a sample of what a receiver got: schema, repeats, order, gaps, phases, times.
    Contract(contract::Arguments),
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["from", "to", "after", "dead_letters"]))]
struct Replay {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The sink.
    sink: String,
    /// Events filmed at or after this time, such as 2026-01-31T07:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Events filmed before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Events after this position of the store; 0 for all.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Only this camera.
    #[arg(long, value_name = "ID", conflicts_with = "dead_letters")]
    camera: Option<String>,
    /// Events that the sink refused before.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    dead_letters: bool,
    /// What became of it as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Status { pipeline, json, token_file } => {
            status::run(&plan::load(pipeline)?, token_file.as_deref(), *json)
        }
        Command::Test { pipeline, sinks, json } => {
            let plan = plan::load(pipeline)?;
            let chosen = if sinks.is_empty() {
                plan.sinks.iter().collect()
            } else {
                sinks.iter().map(|id| find(&plan, id)).collect::<Result<Vec<_>>>()?
            };
            send::test(&chosen, &plan, *json)
        }
        Command::Replay(replay) => {
            let plan = plan::load(&replay.pipeline)?;
            send::replay(find(&plan, &replay.sink)?, &plan, replay)
        }
        Command::DeadLetters { pipeline, sink, json } => {
            let plan = plan::load(pipeline)?;
            let chosen = match sink {
                Some(id) => vec![find(&plan, id)?],
                None => plan.sinks.iter().collect(),
            };
            dead_letters(&chosen, &plan, *json)
        }
        Command::Contract(arguments) => contract::run(arguments),
    }
}

fn find<'a>(plan: &'a Plan, id: &str) -> Result<&'a SinkPlan> {
    plan.sinks.iter().find(|sink| sink.id == id).ok_or_else(|| {
        let known: Vec<&str> = plan.sinks.iter().map(|sink| sink.id.as_str()).collect();
        Error::new(ErrorKind::Usage, format!("the pipeline has no sink \"{id}\"")).help(if known.is_empty() {
            "it has none at all".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        })
    })
}

fn dead_letters(sinks: &[&SinkPlan], plan: &Plan, as_json: bool) -> Result<ExitCode> {
    const PAGE: usize = 500;
    let reader = Store::open_reader(&plan.store.path)?;
    for sink in sinks {
        let mut after = Position(0);
        loop {
            let letters = reader.refused(&sink.id, after, PAGE)?;
            let Some(last) = letters.last() else { break };
            after = last.event.position;
            for letter in &letters {
                if as_json {
                    let event = &letter.event;
                    say(json!({"sink": sink.id, "at": letter.at, "reason": letter.reason, "event": event}))?;
                } else {
                    let (at, position, reason) = (letter.at, letter.event.position, &letter.reason);
                    let event = &letter.event.event;
                    say(format!("{at} {} {position} {} {} {}: {reason}", sink.id, event.camera, event.rule, event.id))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
