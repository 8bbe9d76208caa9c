//! `vantage audit`: the audit trail, checked and shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::plan;
use super::terminal::{say, say_json};
use crate::base::{Error, ErrorKind, Result};
use crate::store::{AccessDb, AuditQuery};

/// Arguments of `vantage audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Looks for a row that was changed, taken out or put in. Exit code 1 when there is one.
    Verify(Where),
    /// Lists rows, the newest first.
    List {
        #[command(flatten)]
        place: Where,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// Only what this user did.
        #[arg(long, value_name = "NAME")]
        actor: Option<String>,
        /// Only this action, such as media.view.
        #[arg(long, value_name = "NAME")]
        action: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Where {
    /// The store's folder, or a pipeline file that names it.
    #[arg(long, default_value = "vantage-data", value_name = "FOLDER|PIPELINE")]
    store: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn open(store: &Path) -> Result<AccessDb> {
    let folder = if store.is_file() { plan::load(store)?.store.path } else { store.to_owned() };
    AccessDb::open_reader(&folder)
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.what {
        What::Verify(place) => verify(place),
        What::List { place, limit, actor, action } => {
            let query =
                AuditQuery { limit: *limit, actor: actor.clone(), action: action.clone(), ..AuditQuery::default() };
            for row in open(&place.store)?.audit(&query)? {
                if place.json {
                    say(serde_json::to_string(&row).unwrap_or_default())?;
                    continue;
                }
                let e = &row.entry;
                let line = format!(
                    "{:>6} {}  {:<16} {:<15} {:<18} {} {}",
                    row.number, e.at, e.actor, e.address, e.action, e.object, e.detail
                );
                say(line.trim_end())?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(place: &Where) -> Result<ExitCode> {
    let verified = open(&place.store)?.verify()?;
    if place.json {
        say_json(&json!(verified))?;
    }
    if let Some((row, why)) = &verified.broken {
        return Err(Error::new(ErrorKind::Corrupt, format!("the audit trail is broken at row {row}: {why}"))
            .help("the rows before it are as they were written; compare with a backup"));
    }
    if !place.json {
        say(format!("{} rows, all as they were written; newest hash {}", verified.rows, verified.head))?;
    }
    Ok(ExitCode::SUCCESS)
}
