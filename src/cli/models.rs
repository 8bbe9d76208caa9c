//! `vantage models`: what there is, what it is, and whether it runs here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{say, say_json};
use crate::base::time::SystemClock;
use crate::base::{Clock, Error, Result};
use crate::infer::{self, Detector, Model, ModelOptions};

/// Arguments of `vantage models`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the model folders below a folder.
    List {
        /// Where they are.
        #[arg(default_value = "models")]
        folder: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Describes a model file or folder, also one that cannot be run.
    Inspect {
        /// Model folder or `.onnx` file.
        model: PathBuf,
        /// Writes `model.yaml` beside the file.
        #[arg(long)]
        write: bool,
        /// Model family, when the file does not tell it.
        #[arg(long, value_name = "NAME")]
        family: Option<String>,
        /// File with one class name per line.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Loads a model and runs it on an empty picture.
    Test {
        /// Model folder or `.onnx` file.
        model: PathBuf,
        /// Model family, when the file does not tell it.
        #[arg(long, value_name = "NAME")]
        family: Option<String>,
        /// File with one class name per line.
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::List { folder, json } => list(&folder, json),
        Command::Inspect { model, write, family, labels, json } => {
            inspect(&model, write, &ModelOptions { family, labels, ..ModelOptions::default() }, json)
        }
        Command::Test { model, family, labels, json } => {
            test(&model, &ModelOptions { family, labels, ..ModelOptions::default() }, json)
        }
    }
}

fn list(folder: &Path, as_json: bool) -> Result<ExitCode> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("model.yaml").is_file()).collect();
    folders.sort();
    let mut rows = Vec::new();
    for path in folders {
        let row = match Model::open(&path, &ModelOptions::default()) {
            Ok(model) => json!({
                "path": path, "name": model.name, "family": model.family, "classes": model.labels.len(),
                "input": [model.spec.width, model.spec.height], "licence": model.licence,
            }),
            Err(error) => json!({"path": path, "error": error.to_string()}),
        };
        rows.push(row);
    }
    if as_json {
        say_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in rows {
        match row["error"].as_str() {
            Some(error) => say(format!("{:<28} {error}", row["path"].as_str().unwrap_or("")))?,
            None => say(format!(
                "{:<28} {:<10} {}x{} {} classes, {}",
                row["path"].as_str().unwrap_or(""),
                row["family"].as_str().unwrap_or(""),
                row["input"][0],
                row["input"][1],
                row["classes"],
                row["licence"].as_str().unwrap_or("licence unknown"),
            ))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(path: &Path, write: bool, options: &ModelOptions, as_json: bool) -> Result<ExitCode> {
    let report = infer::inspect(path, options)?;
    if write {
        let written = infer::write_model_yaml(path, options)?;
        eprintln!("written: {}", written.display());
    }
    if as_json {
        say_json(&report)?;
    } else {
        say(described(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn described(report: &infer::Report) -> String {
    let mut lines = vec![format!("{} ({} bytes, sha256 {})", report.file.display(), report.bytes, report.sha256)];
    for (word, ports) in [("input", &report.graph.inputs), ("output", &report.graph.outputs)] {
        lines.extend(ports.iter().map(|port| format!("  {word:<8} {port}")));
    }
    if let Some(detector) = &report.detector {
        lines.push(format!("  family   {}, batch {:?}", detector.family, detector.batch));
        lines.push(format!("  prepared {:?}", detector.input));
        lines.push(format!("  classes  {}: {}", detector.labels.len(), detector.labels.join(", ")));
    }
    if let Some(why) = &report.unusable {
        lines.push(format!("  cannot be run: {why}"));
    }
    lines.join("\n")
}

fn test(path: &Path, options: &ModelOptions, as_json: bool) -> Result<ExitCode> {
    let runtime = infer::runtime::load(None)?;
    let model = Model::open(path, options)?;
    let mut detector = Detector::new(&model, options, runtime)?;
    let clock = SystemClock;
    let mut milliseconds = Vec::new();
    for _ in 0..20 {
        let before = clock.monotonic();
        detector.run(1)?;
        milliseconds.push((clock.monotonic() - before).as_secs_f64() * 1e3);
    }
    milliseconds.sort_by(f64::total_cmp);
    let median = milliseconds.get(milliseconds.len() / 2).copied().unwrap_or(0.0);
    if as_json {
        say_json(&json!({
            "model": model.name, "family": model.family, "provider": detector.provider().as_str(),
            "runtime": runtime.version, "median_ms": median,
        }))?;
    } else {
        say(format!(
            "{}: {} on {} runs, ONNX Runtime {}, {median:.2} ms a picture on one thread",
            model.name,
            model.family,
            detector.provider().as_str(),
            runtime.version
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
