//! `vantage reload`: asks the running program to read its pipeline file again, and tells its answer.
//!
//! The program is found by the lock of its store; the request is SIGHUP; the answer is a small file in
//! the store, so that it works without any port.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::terminal::say;
use crate::base::{Error, ErrorKind, Result};

const ANSWER_FILE: &str = "reload.json";
const PATIENCE: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(50);

/// Arguments of `vantage reload`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pipeline file that the running program was started with.
    pipeline: Option<PathBuf>,
    /// The store of the running program, instead of the pipeline's.
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    applied: bool,
    message: String,
    help: Option<String>,
}

/// Forgets an old answer.
pub fn forget(store: &Path) {
    // Not there is as good.
    let _ = std::fs::remove_file(store.join(ANSWER_FILE));
}

/// Leaves the answer for whoever asked.
pub fn answer(store: &Path, outcome: &Result<String>) {
    let answer = match outcome {
        Ok(message) => Answer { applied: true, message: message.clone(), help: None },
        Err(error) => Answer { applied: false, message: error.to_string(), help: error.advice().map(str::to_owned) },
    };
    let (path, draft) = (store.join(ANSWER_FILE), store.join("reload.json.new"));
    let written = serde_json::to_vec(&answer)
        .map_err(std::io::Error::other)
        .and_then(|bytes| std::fs::write(&draft, bytes))
        .and_then(|()| std::fs::rename(&draft, &path));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "the answer to a reload could not be written");
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let store = match (&arguments.store, &arguments.pipeline) {
        (Some(store), _) => store.clone(),
        (None, Some(pipeline)) => store_of(pipeline)?,
        (None, None) => PathBuf::from("vantage-data"),
    };
    let pid = crate::store::owner_pid(&store)?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("no vantage runs on the store {}", store.display()))
            .help("start it with `vantage run`, or name its store: --store FOLDER")
    })?;
    forget(&store);
    let process = rustix::process::Pid::from_raw(pid)
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("{} names no process", store.display())))?;
    rustix::process::kill_process(process, rustix::process::Signal::HUP)
        .map_err(|e| Error::new(ErrorKind::Permission, format!("cannot signal process {pid}")).source(e))?;
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        std::thread::sleep(TICK);
        waited += TICK;
        let Ok(bytes) = std::fs::read(store.join(ANSWER_FILE)) else { continue };
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "the answer is damaged").source(e))?;
        if answer.applied {
            say(answer.message)?;
            return Ok(ExitCode::SUCCESS);
        }
        let error = Error::new(ErrorKind::Config, answer.message);
        return Err(match answer.help {
            Some(help) => error.help(help),
            None => error,
        });
    }
    Err(Error::new(ErrorKind::Unreachable, format!("process {pid} did not answer within {} s", PATIENCE.as_secs())))
}

/// The store of a pipeline whose file may be wrong just now: its default place, unless the file loads.
fn store_of(pipeline: &Path) -> Result<PathBuf> {
    if let Ok(loaded) = crate::config::load(pipeline, crate::pipeline::registry::registry()) {
        return Ok(loaded.plan.store.path);
    }
    let absolute = std::path::absolute(pipeline).map_err(|e| Error::io(pipeline, e))?;
    Ok(absolute.parent().unwrap_or(Path::new(".")).join("vantage-data"))
}
