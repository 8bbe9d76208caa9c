//! Changing what a camera's scene and rules are: checked by the code of `vantage check`, kept in the managed file beside
//! the pipeline file, and applied by the reload, which touches the changed camera only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::app::App;
use super::problem::Problem;
use crate::base::{Error, ErrorKind};
use crate::config::{self, Loaded, Managed, ManagedText, Report, Severity, managed_path};
use crate::pipeline::registry::registry;

/// The files that a change is made of, as they are.
pub(super) struct Files {
    pipeline: PathBuf,
    managed: PathBuf,
    text: Option<String>,
}

/// The manageable keys of a camera.
pub(super) type Parts = Map<String, Value>;

impl Files {
    /// Reads them.
    pub(super) fn read(app: &App) -> Result<Self, Problem> {
        let Some(pipeline) = app.file.clone() else {
            let detail = "the program was started without a pipeline file, so nothing can be saved";
            return Err(Problem::new(StatusCode::CONFLICT, "no-file", detail));
        };
        let managed = managed_path(&pipeline);
        let text = match std::fs::read_to_string(&managed) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io(&managed, error).into()),
        };
        Ok(Self { pipeline, managed, text })
    }

    /// The keys of a camera that are in force.
    pub(super) fn parts(&self, camera: &str) -> Result<Parts, Problem> {
        let found = config::in_force(&self.pipeline, self.text.as_deref(), camera)
            .map_err(|report| Problem::from(Error::from(report)))?;
        found.map(|(parts, _)| parts).ok_or_else(|| {
            let detail = format!("the pipeline file has no camera {camera} any more; reload it");
            Problem::new(StatusCode::CONFLICT, "changed", detail)
        })
    }

    /// The plan with other parts of a camera, and the managed text that makes it.
    pub(super) fn with(&self, camera: &str, parts: &Parts) -> Result<(Loaded, String), Problem> {
        let mut managed = match &self.text {
            Some(text) => Managed::read(text).map_err(|why| {
                let detail = format!("{} cannot be read: {why}", self.managed.display());
                Problem::new(StatusCode::CONFLICT, "managed-file", detail).help("mend it, or move it away")
            })?,
            None => Managed::default(),
        };
        let kept = managed.0.entry(camera.to_owned()).or_default();
        for (key, value) in parts {
            kept.insert(key.clone(), value.clone());
        }
        let written = managed.write();
        let loaded = config::load_managed(&self.pipeline, registry(), Some(&written.text), &[])
            .map_err(|report| self.refused(&report, &written, camera))?;
        Ok((loaded, written.text))
    }

    /// 422 with every mistake, each at its field.
    fn refused(&self, report: &Report, written: &ManagedText, camera: &str) -> Problem {
        let before = config::in_force(&self.pipeline, None, camera).ok().flatten().map_or(0, |(_, lines)| lines);
        let mut first: Option<(String, String, Option<String>)> = None;
        let mut errors = Vec::new();
        for diagnostic in report.diagnostics().iter().filter(|found| found.severity() == Severity::Error) {
            let line = diagnostic.position().map(|(line, _)| line);
            let place = line.filter(|line| *line > before).and_then(|line| written.field(line - before));
            let field = place.filter(|(of, _)| of == camera).map(|(_, field)| name_of(field).to_owned());
            let help = diagnostic.help().map(str::to_owned);
            let found = (field.clone().unwrap_or_default(), diagnostic.message().to_owned(), help.clone());
            first = first.or(Some(found));
            errors.push(json!({"field": field, "detail": diagnostic.message(), "help": help}));
        }
        let (field, detail, help) = first.unwrap_or_default();
        let mut problem = Problem::field(&field, detail).with("errors", Value::Array(errors));
        problem.help = help;
        problem
    }

    /// Saves the text and applies it; puts the old one back when it cannot be applied.
    pub(super) fn apply(&self, app: &App, text: &str) -> Result<String, Problem> {
        replace(&self.managed, Some(text))?;
        (app.reload)().map_err(|error| {
            if let Err(error) = replace(&self.managed, self.text.as_deref()) {
                tracing::error!(detail = error.detail, "the managed file that cannot be applied stays");
            }
            let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-applied", error.to_string());
            problem.help = error.advice().map(str::to_owned);
            problem
        })
    }
}

/// What the API calls a field of the managed file.
fn name_of(field: &str) -> &str {
    if field == "calibration" { "ground" } else { field }
}

/// Writes a file whole or not at all; without text it goes.
fn replace(path: &Path, text: Option<&str>) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::from(Error::io(path, error));
    let Some(text) = text else { return std::fs::remove_file(path).map_err(failed) };
    let draft = path.with_extension("yaml.new");
    let write = || {
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(failed)
}

/// The version of what is in force, for `ETag` and `If-Match`.
pub(super) fn tag(parts: &Parts, keys: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for key in keys {
        hasher.update(key.as_bytes());
        hasher.update(parts.get(*key).map(Value::to_string).unwrap_or_default().as_bytes());
    }
    let digest: String = hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digest}\"")
}

/// Refuses a change that was decided on another version.
pub(super) fn matches(headers: &HeaderMap, tag: &str, current: impl FnOnce() -> Value) -> Result<(), Problem> {
    let given = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    match given {
        None => {
            let detail = "send If-Match with the ETag of what was read";
            Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match", detail))
        }
        Some(given) if given.split(',').any(|one| one.trim() == tag) => Ok(()),
        Some(_) => {
            let detail = "somebody changed it in between";
            let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "changed", detail);
            Err(problem.with("current", current()).with("etag", Value::from(tag)))
        }
    }
}

/// Runs work on a thread that may wait; what takes the same `turn` goes one after the other.
pub(super) async fn aside<T: Send + 'static>(
    app: &Arc<App>,
    turn: Option<&Arc<Mutex<()>>>,
    work: impl FnOnce(&Arc<App>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = match turn {
        Some(turn) => Some(Arc::clone(turn).lock_owned().await),
        None => None,
    };
    let app = Arc::clone(app);
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&app)
    });
    done.await.map_err(|error| {
        tracing::error!(%error, "a change panicked");
        Problem::from(Error::new(ErrorKind::Internal, "a change failed"))
    })?
}
