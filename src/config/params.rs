//! Parameters of rules and sinks: their values for the kind that checks them, and their places for its complaints.

use serde_json::{Map, Value};

use super::diagnostic::Problems;
use super::raw::{Kind, Marks};
use super::registry::ParamProblem;
use super::text::Mark;

/// The parameters as the kind sees them. Of a repeated key, which has been reported, the first counts.
pub(super) fn of(kind: &Kind) -> Map<String, Value> {
    let mut map = Map::new();
    for param in &kind.params {
        map.entry(param.key.clone()).or_insert_with(|| param.json.clone());
    }
    map
}

/// Reports a problem at its parameter, or at the nearest thing that the file has of it; a missing one at `type`.
pub(super) fn report(problem: &ParamProblem, kind: &Kind, type_mark: Mark, problems: &mut Problems) {
    let found = if problems.is_full() { None } else { place(problem, kind) };
    let mark = found.unwrap_or(type_mark);
    problems.error(mark, &problem.message, problem.help.as_deref().unwrap_or_default());
}

fn place(problem: &ParamProblem, kind: &Kind) -> Option<Mark> {
    // A parameter's own name may hold a dot.
    let whole = kind.params.iter().find(|param| param.key == problem.param);
    if let Some(param) = whole {
        return Some(if problem.on_key { param.key_mark } else { param.marks.mark });
    }
    let mut steps = problem.param.split('.');
    let first = steps.next()?;
    let param = kind.params.iter().find(|param| param.key == first)?;
    let mut key_mark = param.key_mark;
    let mut marks: &Marks = &param.marks;
    for step in steps {
        let Some((_, inner_key, inner)) = marks.inner.iter().find(|(key, _, _)| key == step) else { break };
        key_mark = *inner_key;
        marks = inner;
    }
    Some(if problem.on_key { key_mark } else { marks.mark })
}
