//! `vantage sinks status`: what the store knows, and what the running program says beside it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::ask::{Running, ask};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};
use crate::cli::terminal::say;
use crate::config::{Plan, read_password};
use crate::store::{SinkRecord, Store};

pub(super) fn run(plan: &Plan, token_file: Option<&Path>, as_json: bool) -> Result<ExitCode> {
    let reader = Store::open_reader(&plan.store.path)?;
    let token = token_file.map(|path| {
        let bad = |why: String| Error::new(ErrorKind::Usage, format!("--token-file: {} {why}", path.display()));
        read_password(path).map_err(|why| bad(why).help("it holds a token and nothing else"))
    });
    let running = ask(plan, token.transpose()?.as_ref());
    let now = SystemClock.utc();
    if !as_json {
        say(format!(
            "{:<16} {:<9} {:>10} {:>9} {:>9} {:>7}  {:<27} {}",
            "SINK", "TYPE", "CONFIRMED", "WAITING", "SINCE", "REFUSED", "LAST CONFIRMATION", "STATE"
        ))?;
    }
    for sink in &plan.sinks {
        let record = reader.sink(&sink.id)?;
        let told = match &running {
            Ok(all) => {
                let this = all.iter().find(|told| told.sink == sink.id);
                this.ok_or("the running program has no such sink: it began with another file")
            }
            Err(why) => Err(why.as_str()),
        };
        if as_json {
            say(json!({
                "sink": sink.id, "type": sink.kind, "cursor": record.cursor, "waiting": record.waiting,
                "waiting_since": record.waiting_since, "dead_letters": record.dead_letters,
                "confirmed_at": record.confirmed_at, "state": told.ok().map(|t| &t.state),
                "last_error": told.ok().and_then(|t| t.last_error.as_ref()), "unknown": told.err(),
            }))?;
        } else {
            say(line(&record, &sink.kind, told, now))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &SinkRecord, kind: &str, told: std::result::Result<&Running, &str>, now: Timestamp) -> String {
    let since = record.waiting_since.map_or_else(|| "-".to_owned(), |t| format!("{} s", (now.0 - t.0) / 1_000_000_000));
    let confirmed = record.confirmed_at.map_or_else(|| "never".to_owned(), |t| t.to_string());
    let state = match told {
        Ok(Running { state, last_error: Some(error), .. }) if state != "running" => format!("{state}: {error}"),
        Ok(Running { state, .. }) => state.clone(),
        Err(why) => format!("not known: {why}"),
    };
    format!(
        "{:<16} {kind:<9} {:>10} {:>9} {since:>9} {:>7}  {confirmed:<27} {state}",
        record.sink, record.cursor.0, record.waiting, record.dead_letters
    )
}
