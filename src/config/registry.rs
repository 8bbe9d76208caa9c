//! What the caller knows and this module may not: which rules, sinks and model families exist and what
//! parameters they take. Rules and sinks live in a higher layer, so their tables are passed in.

use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::suggest;

/// The kinds that a pipeline file may name.
#[derive(Debug, Clone, Copy)]
pub struct Registry<'a> {
    /// Values of a rule's `type`.
    pub rule_kinds: &'a [KindInfo],
    /// Values of a sink's `type`.
    pub sink_kinds: &'a [KindInfo],
    /// Values of a model's `family`.
    pub model_families: &'a [&'a str],
}

/// Checks a kind's parameters.
pub type Validate = dyn Fn(&Map<String, Value>, &SceneNames) -> Vec<ParamProblem> + Sync;
/// Makes the JSON Schema of a kind's parameters.
pub type ParamSchema = dyn Fn(&mut SchemaGenerator) -> Schema + Sync;

/// One kind of rule or sink.
#[derive(Clone, Copy)]
pub struct KindInfo {
    /// The value of `type`.
    pub name: &'static str,
    /// Checks the parameters: every key but `id` and `type`, against the names of the camera's scene (empty for a
    /// sink). Returns all problems, none when the parameters are good. Plans print parameters: one must never be a secret.
    pub validate: &'static Validate,
    /// Parameters that hold a path; the plan has them absolute, relative ones counted from the pipeline file's folder.
    pub path_params: &'static [&'static str],
    /// JSON Schema of the parameters, an object schema; `None` leaves them open.
    pub schema: Option<&'static ParamSchema>,
}

impl fmt::Debug for KindInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KindInfo").field(&self.name).finish()
    }
}

/// The names that a camera's rules may refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SceneNames {
    /// Ids of the camera's zones.
    pub zones: Vec<String>,
    /// Ids of the camera's lines.
    pub lines: Vec<String>,
    /// Ids of the camera's lanes.
    pub lanes: Vec<String>,
    /// Whether the camera has a ground-plane calibration.
    pub calibrated: bool,
    /// Whether the camera has a feed of traffic signals.
    pub signals: bool,
}

impl SceneNames {
    /// The problem of parameter `param` naming a zone that the camera does not have; `None` when it has it.
    #[must_use]
    pub fn check_zone(&self, param: &str, name: &str) -> Option<ParamProblem> {
        unknown("zone", &self.zones, param, name)
    }
    /// The problem of parameter `param` naming a line that the camera does not have; `None` when it has it.
    #[must_use]
    pub fn check_line(&self, param: &str, name: &str) -> Option<ParamProblem> {
        unknown("line", &self.lines, param, name)
    }
    /// The problem of parameter `param` naming a lane that the camera does not have; `None` when it has it.
    #[must_use]
    pub fn check_lane(&self, param: &str, name: &str) -> Option<ParamProblem> {
        unknown("lane", &self.lanes, param, name)
    }
}

fn unknown(what: &str, known: &[String], param: &str, name: &str) -> Option<ParamProblem> {
    if known.iter().any(|k| k == name) {
        return None;
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = suggest::advice(name, &known, &format!("draw it under the camera's `{what}s` first"));
    Some(ParamProblem::new(param, format!("this camera has no {what} \"{name}\"")).help(help))
}

/// What is wrong with one parameter of a rule or sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamProblem {
    /// The parameter's name; `a.b` and `a.0` reach into a nested one. A name that the file does not have (a missing
    /// parameter) is shown at the `type`.
    pub param: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the name itself is wrong, so that it and not the value is underlined.
    pub on_key: bool,
}

impl ParamProblem {
    /// A wrong or missing value.
    #[must_use]
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into(), help: None, on_key: false }
    }
    /// A parameter that the kind does not take, with the nearest one that it does.
    #[must_use]
    pub fn unknown(param: impl Into<String>, known: &[&str]) -> Self {
        let param = param.into();
        let help = suggest::advice(&param, known, "this kind takes no parameters");
        Self { message: format!("unknown parameter `{param}`"), help: Some(help), on_key: true, param }
    }
    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
