//! A small registry of made-up rules and sinks, and shorthands for the configuration tests.
#![allow(dead_code)] // each test file uses its part

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};
use vantage::config::{self, KindInfo, Loaded, ParamProblem, Registry, Report, SceneNames};

pub const FOLDER: &str = "/etc/vantage";

fn line_crossing(params: &Map<String, Value>, names: &SceneNames) -> Vec<ParamProblem> {
    let mut problems = unknown(params, &["line", "classes"]);
    match params.get("line") {
        Some(Value::String(line)) => problems.extend(names.check_line("line", line)),
        Some(_) => problems.push(ParamProblem::new("line", "`line` must be the name of a line")),
        None => problems.push(ParamProblem::new("line", "this rule lacks `line`").help("add `line:`")),
    }
    let classes = params.get("classes").and_then(Value::as_array).into_iter().flatten();
    for (i, class) in classes.enumerate() {
        if !class.is_string() {
            problems.push(ParamProblem::new(format!("classes.{i}"), "a class is text").help("put it in quotes"));
        }
    }
    problems
}

fn dwell(params: &Map<String, Value>, names: &SceneNames) -> Vec<ParamProblem> {
    let mut problems = unknown(params, &["zone", "lane", "longer_than"]);
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    problems.extend(text("zone").and_then(|zone| names.check_zone("zone", zone)));
    problems.extend(text("lane").and_then(|lane| names.check_lane("lane", lane)));
    problems
}

fn jsonl(params: &Map<String, Value>, _: &SceneNames) -> Vec<ParamProblem> {
    let mut problems = unknown(params, &["path", "max_mib"]);
    if !params.contains_key("path") {
        problems.push(ParamProblem::new("path", "this sink lacks `path`").help("add `path:`"));
    }
    problems
}

fn unknown(params: &Map<String, Value>, known: &[&str]) -> Vec<ParamProblem> {
    params.keys().filter(|key| !known.contains(&key.as_str())).map(|key| ParamProblem::unknown(key, known)).collect()
}

fn jsonl_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"properties": {"path": {"type": "string"}, "max_mib": {"type": "integer"}}, "required": ["path"]})
}

const RULES: &[KindInfo] = &[
    KindInfo { name: "line_crossing", validate: &line_crossing, path_params: &[], schema: None },
    KindInfo { name: "dwell", validate: &dwell, path_params: &[], schema: None },
];
const SINKS: &[KindInfo] =
    &[KindInfo { name: "jsonl", validate: &jsonl, path_params: &["path"], schema: Some(&jsonl_schema) }];

pub const REGISTRY: Registry<'static> =
    Registry { rule_kinds: RULES, sink_kinds: SINKS, model_families: &["yolox", "dfine"] };

pub fn env(name: &str) -> Option<OsString> {
    (name == "GATE_PASSWORD").then(|| "hunter2-from-env".into())
}

/// Compiles text as the file `site.yaml`.
pub fn compile(text: &str) -> Result<Loaded, Report> {
    config::compile(text, "site.yaml", Path::new(FOLDER), &REGISTRY, &env)
}

/// Compiles text that must be good.
pub fn good(text: &str) -> Loaded {
    compile(text).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

/// A good file around the given lines of its only camera.
pub fn camera(lines: &str) -> String {
    let mut text = "version: 1\nmodels: {default: {path: m}}\ncameras:\n  - id: gate\n".to_owned();
    for line in lines.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

/// A good file with the given top-level lines after it.
pub fn top(lines: &str) -> String {
    format!("version: 1\nmodels: {{default: {{path: m}}}}\ncameras: [{{id: gate, url: rtsp://h/a}}]\n{lines}\n")
}

/// A file whose only model has the given lines.
pub fn model(lines: &str) -> String {
    format!("version: 1\ncameras: [{{id: gate, url: rtsp://h/a}}]\nmodels:\n  default: {{path: m, {lines}}}\n")
}
