//! How a report leaves: text or JSON on stdout, a page in a file, conditions as the exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::terminal::{say, say_json};
use crate::eval::gate::Gate;
use crate::eval::html::{self, Still};
use crate::eval::{Report, text};

/// Arguments about the output.
#[derive(Debug, Args)]
pub struct OutputArguments {
    /// One JSON object on stdout instead of text.
    #[arg(long)]
    json: bool,
    /// Also writes a page with plots and pictures; one file that needs no other.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Fails (exit code 1) unless these hold, such as `detection_rate>=0.95,false_alarms_per_hour<=1`.
    #[arg(long, value_name = "CONDITIONS", value_delimiter = ',')]
    require: Vec<Gate>,
    /// Heading of the report.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

impl OutputArguments {
    /// The heading.
    pub fn title(&self, default: impl Into<String>) -> String {
        self.title.clone().unwrap_or_else(|| default.into())
    }

    /// Checks the conditions and writes everything. `stills` is called only when a page is wanted.
    ///
    /// # Errors
    /// `Usage` for a condition on something that is not in the report; I/O kinds for the page.
    pub fn write(
        &self,
        mut report: Report,
        stills: impl FnOnce(&mut Report) -> Result<Vec<Still>>,
    ) -> Result<ExitCode> {
        let measures = report.measures();
        report.gates = self.require.iter().map(|gate| gate.check(&measures)).collect::<Result<_>>()?;
        if let Some(path) = &self.html {
            let stills = stills(&mut report)?;
            std::fs::write(path, html::page(&report, &stills)).map_err(|e| Error::io(path, e))?;
        }
        if self.json {
            say_json(&report)?;
        } else {
            say(text::render(&report))?;
        }
        if let Some(path) = &self.html {
            eprintln!("page written to {}", path.display());
        }
        if report.passes() {
            return Ok(ExitCode::SUCCESS);
        }
        let failed = report.gates.iter().filter(|gate| !gate.met).map(|gate| gate.condition.as_str());
        eprintln!("not met: {}", failed.collect::<Vec<_>>().join(", "));
        Ok(ExitCode::FAILURE)
    }
}
