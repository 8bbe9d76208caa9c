//! What the pipeline file may name: gathers the tables of rules, sinks and model families for `config`,
//! which knows none of them.

use schemars::Schema;
use serde_json::{Map, Value};

use crate::config::{KindInfo, ParamProblem, Registry, SceneNames};
use crate::{infer, rule, sink};

/// The registry of this build. Made once; lives as long as the program.
#[must_use]
pub fn registry() -> &'static Registry<'static> {
    static REGISTRY: std::sync::OnceLock<Registry<'static>> = std::sync::OnceLock::new();
    REGISTRY.get_or_init(|| Registry {
        rule_kinds: Vec::leak(rule::TABLE.iter().map(rule_kind).collect()),
        sink_kinds: Vec::leak(sink::TABLE.iter().map(sink_kind).collect()),
        model_families: Vec::leak(infer::family::TABLE.iter().map(|family| family.name).collect()),
    })
}

fn rule_kind(kind: &'static rule::Kind) -> KindInfo {
    KindInfo {
        name: kind.name,
        validate: Box::leak(Box::new(|params: &Map<String, Value>, names: &SceneNames| {
            let names = rule::SceneNames {
                tripwires: names.lines.iter().cloned().collect(),
                zones: names.zones.iter().cloned().collect(),
                lanes: names.lanes.iter().cloned().collect(),
                calibrated: names.calibrated,
                signals: names.signals,
                labels: None,
            };
            let errors = (kind.compile)(&Value::Object(params.clone()), &names).err().unwrap_or_default();
            errors.into_iter().map(|e| problem(params, e.param, e.message, e.help)).collect()
        })),
        path_params: &[],
        schema: Some(Box::leak(Box::new(|_: &mut _| schema_of(rule::schema(kind))))),
    }
}

fn sink_kind(kind: &'static sink::SinkKind) -> KindInfo {
    KindInfo {
        name: kind.name,
        validate: Box::leak(Box::new(|params: &Map<String, Value>, _: &SceneNames| {
            let errors = (kind.validate)(params);
            errors.into_iter().map(|e| problem(params, e.param, e.message, Some(e.help))).collect()
        })),
        path_params: kind.paths,
        schema: Some(Box::leak(Box::new(|_: &mut _| schema_of((kind.schema)())))),
    }
}

fn problem(params: &Map<String, Value>, param: String, message: String, help: Option<String>) -> ParamProblem {
    let mut problem = ParamProblem::new(param, message);
    problem.help = help;
    // A wrong name is underlined itself; a wrong value is underlined there.
    problem.on_key = params.contains_key(&problem.param) && problem.message.contains("unknown");
    problem
}

fn schema_of(value: Value) -> Schema {
    Schema::try_from(value).unwrap_or_default()
}
