//! From a sink's parameters in the pipeline file to its typed form, with every mistake named.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::{Error, ErrorKind};

/// One mistake in a sink's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    /// Which parameter.
    pub param: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl ParamError {
    /// A mistake.
    pub fn new(param: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { param: param.to_owned(), message: message.into(), help: help.into() }
    }
}

/// The typed parameters, or all mistakes: unknown names, missing ones, wrong types.
pub(super) fn parse<T: DeserializeOwned + JsonSchema>(params: &Map<String, Value>) -> Result<T, Vec<ParamError>> {
    let schema = schema::<T>();
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut mistakes = Vec::new();
    for (name, value) in params {
        match properties.get(name) {
            None => mistakes.push(ParamError::new(
                name,
                format!("this kind of sink has no parameter `{name}`"),
                format!("the parameters are: {}", known.join(", ")),
            )),
            Some(property) => mistakes.extend(type_mistake(name, value, property)),
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !params.contains_key(*name)) {
        let description = properties.get(name).and_then(|p| p.get("description")).and_then(Value::as_str);
        mistakes.push(ParamError::new(name, format!("`{name}` is missing"), description.unwrap_or("add it")));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    serde_json::from_value(Value::Object(params.clone()))
        .map_err(|e| vec![ParamError::new("", e.to_string(), "correct the sink's parameters")])
}

/// JSON Schema of the parameters.
pub(super) fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// The first mistake as the crate's error, for a `connect` called without `validate`.
pub(super) fn error(kind: &str, mistakes: &[ParamError]) -> Error {
    match mistakes.first() {
        Some(m) => Error::new(ErrorKind::Config, format!("sink {kind}: {}", m.message)).help(m.help.clone()),
        None => Error::new(ErrorKind::Config, format!("sink {kind}: wrong parameters")),
    }
}

fn type_mistake(name: &str, value: &Value, property: &Value) -> Option<ParamError> {
    let wanted = property.get("type")?.as_str()?;
    let minimum = property.get("minimum").and_then(Value::as_f64);
    let fits = match wanted {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    if !fits {
        return Some(ParamError::new(name, format!("`{name}` is {value}"), format!("write a value of type {wanted}")));
    }
    let number = value.as_f64()?;
    let wrong = |help: String| Some(ParamError::new(name, format!("`{name}` is {value}"), help));
    match (minimum, property.get("maximum").and_then(Value::as_f64)) {
        (Some(least), _) if number < least => wrong(format!("the least is {least}")),
        (_, Some(most)) if number > most => wrong(format!("the most is {most}")),
        _ => None,
    }
}
