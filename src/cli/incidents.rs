//! `vantage incidents`: lists the incidents of a store, also while another process writes it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::terminal::say;
use crate::base::time::SystemClock;
use crate::base::{CameraId, Clock, Error, ErrorKind, EventId, Result, Timestamp};
use crate::incident::{Incident, State};
use crate::store::{IncidentQuery, Store};

/// Arguments of `vantage incidents`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The store's folder.
    #[arg(long, default_value = "vantage-data", value_name = "FOLDER")]
    store: PathBuf,
    /// Only those that are not over.
    #[arg(long)]
    ongoing: bool,
    /// Only this site; of a camera without a site, `camera:ID`.
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// The one that this event belongs to.
    #[arg(long, value_name = "ID", value_parser = event_id, conflicts_with_all = ["ongoing", "site", "limit"])]
    event: Option<EventId>,
    /// At most so many; the newest ones.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

fn event_id(text: &str) -> std::result::Result<EventId, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| format!("\"{text}\" is no event id"))
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let now = SystemClock.utc();
    let reader = Store::open_reader(&arguments.store)?;
    let mut incidents = match arguments.event {
        Some(event) => {
            let none = || {
                Error::new(ErrorKind::NotFound, format!("event {event} belongs to no incident"))
                    .help("notes and counts do not; neither does an event that `vantage events` does not list")
            };
            vec![reader.incident_of(event)?.ok_or_else(none)?]
        }
        None => {
            let limit = arguments.limit;
            reader.incidents(&IncidentQuery { ongoing: arguments.ongoing, site: arguments.site.clone(), limit })?
        }
    };
    incidents.reverse();
    incidents.retain(|incident| !arguments.ongoing || incident.state(now) != State::Cleared);
    for incident in &incidents {
        say(if arguments.json { json_line(incident, now)? } else { line(incident, now) })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The incident with its state at this moment.
fn json_line(incident: &Incident, now: Timestamp) -> Result<String> {
    let bad = |e| Error::new(ErrorKind::Internal, "an incident is no JSON").source(e);
    let mut value = serde_json::to_value(incident).map_err(bad)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("state".to_owned(), json!(incident.state(now)));
    }
    serde_json::to_string(&value).map_err(bad)
}

fn line(incident: &Incident, now: Timestamp) -> String {
    let cameras: Vec<&str> = incident.places.keys().map(CameraId::as_str).collect();
    format!(
        "{} {:9} {:11} {} {} ({} alarms): {}",
        incident.began,
        incident.state(now).as_str(),
        incident.group,
        cameras.join(","),
        incident.id,
        incident.happenings,
        incident.summary,
    )
}
