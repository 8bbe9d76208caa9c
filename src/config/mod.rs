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
mod mask;
mod node;
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
    let name = path.display().to_string();
    let whole_file =
        |kind, message: &str, help: &str| Problems::new(SourceText::new(&name, "")).whole_file(kind, message, help);
    let unreadable = |why: std::io::Error| {
        let error = Error::io(path, why);
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        whole_file(
            error.kind(),
            &format!("cannot be read: {cause}"),
            "name a pipeline file that exists and is readable",
        )
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(node::MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() > node::MAX_BYTES {
        let help = "a pipeline file is at most 1 MiB: is this the right file?";
        return Err(whole_file(ErrorKind::Config, "is too large for a pipeline file", help));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| whole_file(ErrorKind::Config, "is not UTF-8 text", "save it as UTF-8; is this the right file?"))?;
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let folder = absolute.parent().unwrap_or(&absolute);
    compile::compile_with(&text, &name, folder, registry, &|variable| std::env::var_os(variable), settings)
}
