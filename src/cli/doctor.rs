//! `vantage doctor`: is this machine ready, and how to mend what is not.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::terminal::{say, say_json};
use crate::base::Result;
use crate::infer::{Model, ModelOptions};

/// Arguments of `vantage doctor`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Folder whose disk will hold the store.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    store: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Note,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what: what.into(), fix: None }
    }
    fn note(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, what: what.into(), fix: Some(fix.into()) }
    }
    fn fail(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, what: what.into(), fix: Some(fix.into()) }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut findings = Vec::new();
    media(&mut findings);
    runtime(&mut findings);
    models(&mut findings);
    machine(&arguments.store, &mut findings);
    let failed = findings.iter().any(|f| f.verdict == Verdict::Fail);
    if arguments.json {
        say_json(&findings)?;
    } else {
        for finding in &findings {
            let word = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Note => "note",
                Verdict::Fail => "FAIL",
            };
            say(format!("  {word}  {}", finding.what))?;
            if let Some(fix) = &finding.fix {
                say(format!("        fix: {fix}"))?;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn media(findings: &mut Vec<Finding>) {
    match crate::source::health() {
        Ok(health) if health.missing.is_empty() => {
            findings.push(Finding::ok(format!("{}, all {} elements", health.version, health.elements)));
        }
        Ok(health) => {
            for (element, package) in health.missing {
                findings.push(Finding::fail(
                    format!("GStreamer element {element} is missing"),
                    format!("apt-get install {package}, or `make setup`"),
                ));
            }
        }
        Err(error) => findings.push(Finding::fail(error.to_string(), "make setup")),
    }
}

fn runtime(findings: &mut Vec<Finding>) {
    match crate::infer::runtime::load(None) {
        Ok(runtime) => {
            findings.push(Finding::ok(format!("ONNX Runtime {} ({})", runtime.version, runtime.path.display())));
        }
        Err(error) => findings.push(Finding::fail(error.to_string(), error.advice().unwrap_or("make setup"))),
    }
}

fn models(findings: &mut Vec<Finding>) {
    let Ok(entries) = std::fs::read_dir("models") else {
        findings.push(Finding::note("no folder models here", "name models by path, or run beside them"));
        return;
    };
    for folder in entries.flatten().map(|e| e.path()).filter(|p| p.join("model.yaml").is_file()) {
        match Model::open(&folder, &ModelOptions::default()) {
            Ok(model) => findings.push(Finding::ok(format!("model {} ({})", folder.display(), model.family))),
            Err(error) => findings.push(Finding::fail(
                format!("model {}: {error}", folder.display()),
                error.advice().unwrap_or("see `vantage models inspect`"),
            )),
        }
    }
}

fn machine(store: &std::path::Path, findings: &mut Vec<Finding>) {
    match rustix::fs::statvfs(store) {
        Ok(disk) => {
            let free_gib = (disk.f_bavail * disk.f_frsize) as f64 / (1_u64 << 30) as f64;
            let what = format!("{free_gib:.1} GiB free for the store in {}", store.display());
            findings.push(if free_gib < 1.0 {
                Finding::fail(what, "free some space, or put the store on another disk")
            } else {
                Finding::ok(what)
            });
        }
        Err(error) => findings.push(Finding::fail(format!("{}: {error}", store.display()), "create the folder")),
    }
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    findings.push(if files < 4096 {
        Finding::note(format!("at most {files} open files"), "ulimit -n 65536 for hundreds of cameras")
    } else {
        Finding::ok(format!("{files} open files allowed"))
    });
    findings.push(if clock_is_synchronised() {
        Finding::ok("the clock is synchronised")
    } else {
        Finding::note(
            "nothing says that the clock is synchronised",
            "run chrony or systemd-timesyncd: arrival times are only as good as this clock",
        )
    });
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    findings.push(Finding::ok(format!("{cpus} processors")));
}

/// Whether a time service has marked the clock as good (systemd's mark, or chrony's drift file in use).
fn clock_is_synchronised() -> bool {
    std::path::Path::new("/run/systemd/timesync/synchronized").exists()
        || std::path::Path::new("/run/chrony/chronyd.pid").exists()
}
