//! `vantage models pull`: a model of the catalogue into its folder.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::terminal::{say, say_json};
use crate::base::{Error, ErrorKind, Result, Stop};
use crate::pull::{Catalog, Origin, PullOptions, pull};

/// Arguments of `vantage models pull`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which model; `--list` shows the names.
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    name: Option<String>,
    /// Lists the catalogue instead.
    #[arg(long)]
    list: bool,
    /// The folder of model folders.
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    into: PathBuf,
    /// Takes the file from a mirror (https:// or http:// address) or a folder, under its official name or as
    /// NAME/model.onnx; checked like any other.
    #[arg(long, value_name = "ADDRESS|FOLDER")]
    from: Option<String>,
    /// Replaces another file that stands where the model goes.
    #[arg(long)]
    force: bool,
    /// Another catalogue than this program's.
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let catalog = match &arguments.catalog {
        Some(path) => Catalog::read(path)?,
        None => Catalog::built_in()?,
    };
    let Some(name) = &arguments.name else { return list(&catalog, arguments) };
    let entry = catalog.find(name)?;
    let mut options = PullOptions::new(&arguments.into);
    options.origin = arguments.from.as_deref().map(Origin::parse).transpose()?.unwrap_or_default();
    options.force = arguments.force;
    let bar = progress_bar(entry.bytes)?;
    let pulled = pull(entry, &options, &Stop::new(), &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let pulled = pulled?;
    if arguments.json {
        say_json(&pulled)?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = if pulled.already { "was there already" } else { "pulled and verified" };
    say(format!(
        "{name}: {what}, {}, licence {} ({})",
        size(entry.bytes),
        entry.licence,
        pulled.folder.join("LICENCE.txt").display()
    ))?;
    say(format!("use it as: --model {}", pulled.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn list(catalog: &Catalog, arguments: &Arguments) -> Result<ExitCode> {
    let here = |name: &str| arguments.into.join(name).join(crate::infer::MANIFEST_FILE).is_file();
    if arguments.json {
        let rows: Vec<_> = catalog
            .models()
            .iter()
            .map(|entry| {
                json!({
                    "name": entry.name, "about": entry.about, "bytes": entry.bytes, "sha256": entry.sha256,
                    "licence": entry.licence, "url": entry.url, "source": entry.source, "pulled": here(&entry.name),
                })
            })
            .collect();
        say_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in catalog.models() {
        let here = if here(&entry.name) { " (pulled)" } else { "" };
        say(format!("{:<12} {:>9}  {:<11} {}{here}", entry.name, size(entry.bytes), entry.licence, entry.about))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn progress_bar(bytes: u64) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        .map_err(|error| Error::new(ErrorKind::Internal, "the progress bar's template").source(error))?;
    Ok(ProgressBar::new(bytes).with_style(style))
}
