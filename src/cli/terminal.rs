//! What the commands share about stdout, stderr and the log.

use std::error::Error as _;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::base::{Error, ErrorKind, Result};

/// Starts the log on stderr.
pub fn start_log(filter: &str, json: bool) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|e| {
        Error::new(ErrorKind::Usage, format!("--log {filter}: {e}"))
            .help("use error, warn, info, debug or trace, or a filter such as vantage::source=debug")
    })?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // A second start (tests) changes nothing.
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
    Ok(())
}

/// Tells an error with its causes and advice; returns its exit code.
pub fn fail(error: &Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!("  because: {inner}\n"));
        cause = inner.source();
    }
    if let Some(help) = error.advice() {
        text.push_str(&format!("  help: {help}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(error.kind().exit_code())
}

/// Prints a line on stdout. A reader that has gone away (`| head`) ends the program quietly.
/// Tells the person at the terminal something besides the output: on stderr, whatever is logged.
pub fn say_aside(text: &str) {
    eprintln!("{text}");
}

pub fn say(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("stdout", e))
}

/// Prints a value as JSON on stdout.
pub fn say_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot write JSON").source(e))?;
    say(text)
}
