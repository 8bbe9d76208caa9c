//! `vantage check`: every mistake of a pipeline file at once.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::terminal::{say, say_json};
use crate::base::{Error, ErrorKind, Result};
use crate::config::{self, Plan};
use crate::infer::Model;
use crate::pipeline::engine::model_options;
use crate::pipeline::registry::registry;

/// Arguments of `vantage check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The findings as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// Looks at the file alone: not whether models exist and fit.
    #[arg(long)]
    file_only: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let loaded = match config::load(&arguments.pipeline, registry()) {
        Ok(loaded) => loaded,
        Err(report) => {
            if arguments.json {
                say_json(&report.to_json())?;
            } else {
                eprint!("{}", report.render(colour));
            }
            let error = Error::from(report);
            return Ok(ExitCode::from(error.kind().exit_code()));
        }
    };
    if !arguments.json && !loaded.warnings.is_empty() {
        eprint!("{}", config::render(&loaded.warnings, colour));
    }
    let of_models = if arguments.file_only { Vec::new() } else { models_fit(&loaded.plan)? };
    if arguments.json {
        let told = of_models.iter().map(|(file, warning)| {
            json!({"severity": "warning", "message": warning, "help": null, "file": file, "line": null, "column": null})
        });
        let diagnostics: Vec<_> = loaded.warnings.iter().map(config::Diagnostic::to_json).chain(told).collect();
        say_json(&json!({"ok": true, "errors": 0, "diagnostics": diagnostics}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (file, warning) in &of_models {
        eprintln!("warning: {}: {warning}", file.display());
    }
    let plan = &loaded.plan;
    let rules: usize = plan.cameras.iter().map(|c| c.rules.len()).sum();
    say(format!(
        "{} ok: {} cameras, {rules} rules, {} sinks, {} warnings",
        arguments.pipeline.display(),
        plan.cameras.len(),
        plan.sinks.len(),
        loaded.warnings.len() + of_models.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Opens every model that a camera uses, and compares the rules' class names with its labels.
/// Gives what there is to know about the models, each with its file.
fn models_fit(plan: &Plan) -> Result<Vec<(PathBuf, String)>> {
    let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
    for (name, entry) in &plan.models {
        let users: Vec<_> = plan.cameras.iter().filter(|c| c.model == *name).collect();
        if users.is_empty() {
            continue;
        }
        match Model::open(&entry.path, &model_options(entry)) {
            Ok(model) => {
                warnings.extend(model.warnings().into_iter().map(|warning| (model.path.clone(), warning)));
                for camera in users {
                    if let Err(error) = crate::pipeline::camera::rules_fit(camera, &model.labels) {
                        mistakes.push(error.to_string());
                    }
                }
            }
            Err(error) => mistakes.push(format!("model {name}: {error}")),
        }
    }
    if mistakes.is_empty() {
        return Ok(warnings);
    }
    Err(Error::new(ErrorKind::Config, mistakes.join("\n       "))
        .help("--file-only checks the file without the models"))
}
