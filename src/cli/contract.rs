//! `vantage sinks contract`: the contract-test kit for integrators.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::terminal::{say, say_json};
use crate::base::{Error, Result};
use crate::contract::{Checker, Rating, Summary};

/// Longest line that is read; an event is some kilobytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Arguments of `vantage sinks contract`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// JSON lines, one envelope each, in the order in which they were received; `-` for standard input.
    sample: PathBuf,
    /// The findings as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command: 0 when the contract was kept, else 1.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let summary = if arguments.sample == Path::new("-") {
        check(&arguments.sample, std::io::stdin().lock())?
    } else {
        let file = File::open(&arguments.sample).map_err(|e| Error::io(&arguments.sample, e))?;
        check(&arguments.sample, BufReader::new(file))?
    };
    if arguments.json {
        say_json(&summary)?;
    } else {
        tell(&summary)?;
    }
    Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(path: &Path, mut input: impl BufRead) -> Result<Summary> {
    let mut checker = Checker::new()?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
        if read == 0 {
            return Ok(checker.finish());
        }
        checker.take(&line);
    }
}

fn tell(summary: &Summary) -> Result<()> {
    for finding in &summary.findings {
        let rating = match finding.rating {
            Rating::Note => "note",
            Rating::Error => "error",
        };
        say(format!("line {}: {rating} ({}): {}", finding.line, finding.check, finding.what))?;
        say(format!("  help: {}", finding.help))?;
    }
    for (check, count) in &summary.errors {
        let told = summary.findings.iter().filter(|f| f.rating == Rating::Error && f.check == *check).count() as u64;
        if told < *count {
            say(format!("{} more errors of the check `{check}`", count - told))?;
        }
    }
    let Summary { lines, records, repeats, sources, open, .. } = summary;
    say(format!(
        "{lines} lines: {records} records of {sources} cameras, {repeats} repeats, {open} happenings still open"
    ))?;
    let errors: u64 = summary.errors.values().sum();
    say(if summary.ok {
        "the contract was kept".to_owned()
    } else {
        format!("the contract was broken: {errors} errors")
    })
}
