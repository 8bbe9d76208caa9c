//! What the pipeline file may name: gathers the tables of rules, sinks and model families for `config`,
//! which knows none of them.

use serde_json::{Map, Value};

use crate::config::{KindInfo, ParamProblem, Registry, SceneNames};
use crate::{infer, rule, sink};

/// The registry of this build. Made once; lives as long as the program.
#[must_use]
pub fn registry() -> &'static Registry<'static> {
    static REGISTRY: std::sync::OnceLock<Registry<'static>> = std::sync::OnceLock::new();
    REGISTRY.get_or_init(|| Registry {
        rule_kinds: Vec::leak(rule_kinds()),
        sink_kinds: Vec::leak(sink_kinds()),
        model_families: Vec::leak(infer::family::names()),
    })
}
