//! The pipeline file: YAML in, a checked [`Plan`] out, or a [`Report`] of every mistake at once.
//!
//! The way of a file: text → `node` (YAML with places) → `raw` (typed, every wrong type and unknown key reported) →
//! `compile` (what the keys mean together) → [`Plan`]. Invariants:
//! - a plan that exists is valid: the rest of the program checks none of it again;
//! - all mistakes are reported at once, each at its line and column, with advice;
//! - no secret is ever shown, by a plan, a diagnostic, an excerpt of the file or an error.
//!
//! Which rules, sinks and model families exist is told by the caller's [`Registry`].

mod about;
mod address;
mod camera;
mod compile;
mod conditions;
mod diagnostic;
mod diff;
mod evidence;
mod ground;
mod hash;
mod login;
mod managed;
mod mask;
mod node;
mod oidc;
mod params;
mod plan;
mod raw;
mod read;
mod registry;
mod scene;
mod schema;
mod server;
mod setting;
mod suggest;
mod text;
mod zero;

use std::io::Read;
use std::path::Path;

pub use address::{Address, Credentials, Scheme};
pub use compile::compile;
pub use diagnostic::{Diagnostic, Report, Severity, render};
pub use diff::{PlanDiff, diff};
pub use login::read_password;
pub use managed::{MANAGED_KEYS, Managed, ManagedText, managed_path};
pub use oidc::{GrantPlan, OidcPlan};
pub use plan::{
    AboutPlan, Blur, CameraPlan, EvidencePlan, InferencePlan, LanePlan, LinePlan, Matrix, MediaPlan, ModelPlan,
    PlacePlan, Plan, PresetPlan, Provider, Range, Rotation, RulePlan, ServerPlan, ServerTls, SinkPlan, StorePlan,
    TlsTrust, TrackPlan, TracksPlan, Transport, Which, ZonePlan,
};
pub use registry::{KindInfo, ParamProblem, Registry, SceneNames};
pub use schema::schema;
pub use setting::Setting;
pub use suggest::nearest;

use crate::base::{Error, ErrorKind};
use diagnostic::Problems;
use text::SourceText;

/// A plan and what its reader should know.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// Warnings in file order; [`render`] draws them.
    pub warnings: Vec<Diagnostic>,
}

/// Loads a pipeline file. Passwords are read here, from the files and variables that it names.
///
/// # Errors
/// Every mistake in the file; or why it cannot be read, with the kind of that failure.
pub fn load(path: &Path, registry: &Registry<'_>) -> Result<Loaded, Report> {
    load_with(path, registry, &[])
}

/// Loads a pipeline file with parameters of rules that take another value than the file's.
///
/// # Errors
/// As [`load`]; mistakes in the settings are told as if they stood at the end of the file.
pub fn load_with(path: &Path, registry: &Registry<'_>, settings: &[Setting]) -> Result<Loaded, Report> {
    let beside = managed_path(path);
    let managed = if beside.is_file() { Some(read_text(&beside)?) } else { None };
    load_managed(path, registry, managed.as_deref(), settings)
}

/// Loads a pipeline file with this text instead of its managed file.
///
/// # Errors
/// As [`load`]; mistakes in the managed text are told as if it stood at the end of the file.
pub fn load_managed(
    path: &Path,
    registry: &Registry<'_>,
    managed: Option<&str>,
    settings: &[Setting],
) -> Result<Loaded, Report> {
    let text = read_text(path)?;
    let absolute = std::path::absolute(path).map_err(|why| unreadable(path, why))?;
    let folder = absolute.parent().unwrap_or(&absolute);
    let name = path.display().to_string();
    let env = |variable: &str| std::env::var_os(variable);
    compile::compile_with(&compile::Texts { text: &text, managed, settings }, &name, folder, registry, &env)
}

/// The manageable keys of a camera, and how many lines the pipeline file has.
pub type InForce = (serde_json::Map<String, serde_json::Value>, usize);

/// The keys of a camera that can be managed, as they are in force with this managed text; and how many lines the
/// pipeline file has before it. `None` when there is no such camera.
///
/// # Errors
/// Why a file cannot be read.
pub fn in_force(path: &Path, managed: Option<&str>, camera: &str) -> Result<Option<InForce>, Report> {
    let text = read_text(path)?;
    let padded = managed.map(|managed| managed::append(&text, managed).1);
    let lines = text.lines().count();
    Ok(managed::in_force(&text, padded.as_deref(), camera).map(|parts| (parts, lines)))
}

fn whole_file(path: &Path, kind: ErrorKind, message: &str, help: &str) -> Report {
    Problems::new(SourceText::new(&path.display().to_string(), "")).whole_file(kind, message, help)
}

fn unreadable(path: &Path, why: std::io::Error) -> Report {
    let error = Error::io(path, why);
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let help = "name a pipeline file that exists and is readable";
    whole_file(path, error.kind(), &format!("cannot be read: {cause}"), help)
}

fn read_text(path: &Path) -> Result<String, Report> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(node::MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|why| unreadable(path, why))?;
    if bytes.len() > node::MAX_BYTES {
        let help = "a pipeline file is at most 1 MiB: is this the right file?";
        return Err(whole_file(path, ErrorKind::Config, "is too large for a pipeline file", help));
    }
    String::from_utf8(bytes).map_err(|_| {
        whole_file(path, ErrorKind::Config, "is not UTF-8 text", "save it as UTF-8; is this the right file?")
    })
}
