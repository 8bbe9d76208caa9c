//! `vantage sinks status`: what the store knows, and what the running program says beside it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::base::time::SystemClock;
use crate::base::{Clock, Error, ErrorKind, Result, Timestamp};
use crate::cli::terminal::say;
use crate::config::Plan;
use crate::store::{SinkRecord, Store};

/// How long the running program may take for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `/api/sinks` says of a sink.
#[derive(Debug, Deserialize)]
struct Running {
    sink: String,
    state: String,
    last_error: Option<String>,
}

pub(super) fn run(plan: &Plan, as_json: bool) -> Result<ExitCode> {
    let reader = Store::open_reader(&plan.store.path)?;
    let running = running(plan);
    let now = SystemClock.utc();
    if !as_json {
        say(format!(
            "{:<16} {:<9} {:>10} {:>9} {:>9} {:>7}  {:<27} {}",
            "SINK", "TYPE", "CONFIRMED", "WAITING", "SINCE", "REFUSED", "LAST CONFIRMATION", "STATE"
        ))?;
    }
    for sink in &plan.sinks {
        let record = reader.sink(&sink.id)?;
        let told = running.get(&sink.id);
        if as_json {
            say(json!({
                "sink": sink.id, "type": sink.kind, "cursor": record.cursor, "waiting": record.waiting,
                "waiting_since": record.waiting_since, "dead_letters": record.dead_letters,
                "confirmed_at": record.confirmed_at, "state": told.map(|t| &t.state),
                "last_error": told.and_then(|t| t.last_error.as_ref()),
            }))?;
        } else {
            say(line(&record, &sink.kind, told, now))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &SinkRecord, kind: &str, told: Option<&Running>, now: Timestamp) -> String {
    let since = record.waiting_since.map_or_else(|| "-".to_owned(), |t| format!("{} s", (now.0 - t.0) / 1_000_000_000));
    let confirmed = record.confirmed_at.map_or_else(|| "never".to_owned(), |t| t.to_string());
    let state = match told {
        Some(Running { state, last_error: Some(error), .. }) if state != "running" => format!("{state}: {error}"),
        Some(Running { state, .. }) => state.clone(),
        None => "not known: no answer from a running program, or its port has TLS".to_owned(),
    };
    format!(
        "{:<16} {kind:<9} {:>10} {:>9} {since:>9} {:>7}  {confirmed:<27} {state}",
        record.sink, record.cursor.0, record.waiting, record.dead_letters
    )
}

/// What the running program says, if there is one and it has a port.
fn running(plan: &Plan) -> HashMap<String, Running> {
    let ask = || -> Result<Vec<Running>> {
        let Some(server) = &plan.server else { return Ok(Vec::new()) };
        let failed = |e: reqwest::Error| Error::new(ErrorKind::Io, e.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the task runtime").source(e))?;
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(failed)?;
            let answer = client.get(format!("http://{}/api/sinks", server.listen)).send().await.map_err(failed)?;
            let body = answer.bytes().await.map_err(failed)?;
            serde_json::from_slice(&body).map_err(|e| Error::new(ErrorKind::Io, e.to_string()))
        })
    };
    match ask() {
        Ok(all) => all.into_iter().map(|told| (told.sink.clone(), told)).collect(),
        Err(error) => {
            tracing::debug!(%error, "no running program answers");
            HashMap::new()
        }
    }
}
