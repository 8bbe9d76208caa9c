//! `vantage events`: lists events of a store, also while another process writes it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::run::line;
use super::terminal::say;
use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::pipeline::replay::json_line;
use crate::scene::{Phase, Severity};
use crate::store::{Query, Reader, Store, StoredEvent};

/// Arguments of `vantage events`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The store's folder.
    #[arg(long, default_value = "vantage-data", value_name = "FOLDER")]
    store: PathBuf,
    /// Only this camera.
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Only this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only this kind, such as line_crossing.
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// Only this class.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Only this phase.
    #[arg(long)]
    phase: Option<PhaseName>,
    /// Only this severity.
    #[arg(long)]
    severity: Option<SeverityName>,
    /// Filmed at or after this time, such as 2026-01-31T07:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Filmed before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// At most so many; the newest ones.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
    /// Goes on printing as events come.
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PhaseName {
    Instant,
    Start,
    Update,
    End,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeverityName {
    Info,
    Warning,
    Alert,
}

/// A capture time on the command line.
pub fn time(text: &str) -> std::result::Result<Timestamp, String> {
    text.parse().map_err(|e| format!("{e}; write it as 2026-01-31T07:00:00Z"))
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let reader = Store::open_reader(&arguments.store)?;
    let query = Query {
        camera: arguments.camera.clone(),
        rule: arguments.rule.clone(),
        kind: arguments.kind.clone(),
        phase: arguments.phase.map(|phase| match phase {
            PhaseName::Instant => Phase::Instant,
            PhaseName::Start => Phase::Start,
            PhaseName::Update => Phase::Update,
            PhaseName::End => Phase::End,
        }),
        class: arguments.class.clone(),
        severity: arguments.severity.map(|severity| match severity {
            SeverityName::Info => Severity::Info,
            SeverityName::Warning => Severity::Warning,
            SeverityName::Alert => Severity::Alert,
        }),
        from: arguments.from,
        to: arguments.to,
        after_position: None,
        limit: arguments.limit,
        reverse: true,
    };
    let latest = reader.latest()?;
    let mut newest = reader.events(&query)?;
    newest.reverse();
    print(&newest, arguments.json)?;
    if arguments.follow {
        let after = newest.last().map_or(latest, |stored| stored.position.max(latest));
        follow(&reader, Query { after_position: Some(after), limit: 1000, reverse: false, ..query }, arguments.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(events: &[StoredEvent], json: bool) -> Result<()> {
    for stored in events {
        if json {
            say(json_line(&stored.event)?)?;
        } else {
            say(line(&stored.event))?;
        }
    }
    Ok(())
}

fn follow(reader: &Reader, mut query: Query, json: bool) -> Result<()> {
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let events = reader.events(&query)?;
        if let Err(error) = print(&events, json) {
            // Whoever was reading has gone.
            return if error.kind() == ErrorKind::Io { Ok(()) } else { Err::<(), Error>(error) };
        }
        if let Some(last) = events.last() {
            query.after_position = Some(last.position);
        }
    }
}
