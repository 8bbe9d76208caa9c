//! JSON Schema (draft 2020-12) of what leaves, generated from the types that are written.
//!
//! A field may be added without a new version, so receivers must let fields pass that they do not know; nothing here
//! forbids them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::Envelope;
use crate::scene::StoredEvent;

/// Schema of an event in its CloudEvents envelope, `urn:vantage:envelope:1`.
#[must_use]
pub fn event_schema() -> Value {
    identified::<Envelope>("urn:vantage:envelope:1")
}

/// Schema of the bare record, as the store and the JSON-lines sink write it and as `data` holds it: `urn:vantage:event:1`.
#[must_use]
pub fn record_schema() -> Value {
    identified::<StoredEvent>("urn:vantage:event:1")
}

/// What is written is described, not what may be read: a field that may be null is there all the same.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

fn identified<T: JsonSchema>(id: &str) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), Value::from("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".to_owned(), Value::from(id));
    if let Value::Object(rest) = generator().into_root_schema_for::<T>().to_value() {
        schema.extend(rest.into_iter().filter(|(key, _)| key != "$schema"));
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_are_schemas_and_say_what_is_always_there() {
        for schema in [event_schema(), record_schema()] {
            jsonschema::meta::validate(&schema).unwrap();
            jsonschema::draft202012::new(&schema).unwrap();
        }
        let schema = event_schema();
        let required = |part: &Value| -> Vec<String> {
            part["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(required(&schema).len(), 11, "{schema:#}");
        // A time without its source and error is none.
        let time = required(&schema["$defs"]["CaptureTime"]);
        assert_eq!(time, ["utc", "source", "error_ns"]);
        let data = required(&schema["$defs"]["Data"]);
        assert!(
            ["position", "sequence", "explanation"].iter().all(|name| data.contains(&(*name).to_owned())),
            "{data:?}"
        );
        assert!(!data.contains(&"track".to_owned()) && !data.contains(&"still_inline".to_owned()));
    }
}
