//! JSON Schema of the pipeline file, for editors and `vantage schema config`.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::raw::{Document, Schedule};
use super::registry::{KindInfo, Registry};

const PRESET: &str = "The camera's preset that the rule is for; it rests while the camera stands elsewhere.";
const BUDGET: &str = "Most happenings an hour that the rule may start; what is held back is counted and reported.";

/// The JSON Schema (draft 2020-12) of the pipeline file, with the rules and sinks of `registry`.
#[must_use]
pub fn schema(registry: &Registry<'_>) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = generator.subschema_for::<Document>();
    let conditions = [
        ("schedule", generator.subschema_for::<Schedule>().to_value()),
        ("preset", json!({"type": "string", "description": PRESET})),
        ("budget", json!({"type": "integer", "minimum": 1, "description": BUDGET})),
    ];
    let rule = kinds(&mut generator, registry.rule_kinds, &conditions);
    let sink = kinds(&mut generator, registry.sink_kinds, &[]);
    let mut definitions = generator.take_definitions(true);
    definitions.remove("Kind");
    set(&mut definitions, "/Camera/properties/rules/items", json!({"$ref": "#/$defs/Rule"}));
    set(&mut definitions, "/Document/properties/sinks/items", json!({"$ref": "#/$defs/Sink"}));
    set(&mut definitions, "/Model/properties/family/enum", json!(registry.model_families));
    definitions.insert("Rule".to_owned(), rule);
    definitions.insert("Sink".to_owned(), sink);
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vantage pipeline",
        "$defs": definitions,
    });
    if let (Some(document), Value::Object(root)) = (document.as_object_mut(), root.to_value()) {
        document.extend(root);
    }
    document
}

/// Puts `value` at `/definition/key/…/last`.
fn set(definitions: &mut Map<String, Value>, pointer: &str, value: Value) {
    let mut steps = pointer.split('/').skip(1);
    let Some(first) = steps.next() else { return };
    let Some(definition) = definitions.get_mut(first) else { return };
    let path: Vec<&str> = steps.collect();
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(definition, |node, step| node.get_mut(*step));
    if let Some(object) = parent.and_then(Value::as_object_mut) {
        object.insert((*last).to_owned(), value);
    }
}

/// One schema for each kind: its name as a constant `type`, its parameters and the `shared` keys, closed when the kind describes them.
fn kinds(generator: &mut SchemaGenerator, kinds: &[KindInfo], shared: &[(&str, Value)]) -> Value {
    let choices: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let params = kind.schema.map(|schema| schema(generator).to_value());
            let closed = params.is_some();
            let mut object = params.unwrap_or_else(|| json!({}));
            let taken = |object: &mut Value, key: &str| object.as_object_mut().and_then(|object| object.remove(key));
            let mut properties = match taken(&mut object, "properties") {
                Some(Value::Object(properties)) => properties,
                _ => Map::new(),
            };
            let mut required = match taken(&mut object, "required") {
                Some(Value::Array(required)) => required,
                _ => Vec::new(),
            };
            properties.insert("id".to_owned(), id_schema());
            properties.insert("type".to_owned(), json!({"const": kind.name}));
            properties.extend(shared.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone())));
            required.extend([json!("id"), json!("type")]);
            let mut choice =
                json!({"type": "object", "title": kind.name, "properties": properties, "required": required});
            if let Some(choice) = choice.as_object_mut() {
                if closed {
                    choice.insert("additionalProperties".to_owned(), json!(false));
                }
                if let Some(description) = object.get("description") {
                    choice.insert("description".to_owned(), description.clone());
                }
            }
            choice
        })
        .collect();
    json!({"oneOf": choices})
}

fn id_schema() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"})
}

/// Builds the schema of one table; used by the `table!` declarations.
pub(super) struct TableSchema {
    about: &'static str,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl TableSchema {
    /// A table without keys yet.
    pub fn new(about: &'static str) -> Self {
        Self { about, properties: Map::new(), required: Vec::new() }
    }

    /// Adds a key.
    pub fn key(
        &mut self,
        name: &'static str,
        schema: Schema,
        about: &'static str,
        required: bool,
        default: Option<Value>,
    ) {
        let mut schema = if name == "id" { id_schema() } else { schema.to_value() };
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), json!(about.trim()));
            if let Some(default) = default {
                object.insert("default".to_owned(), default);
            }
        }
        self.properties.insert(name.to_owned(), schema);
        if required {
            self.required.push(name);
        }
    }

    /// The schema: these keys and no other.
    pub fn finish(self) -> Schema {
        json_schema!({
            "type": "object",
            "description": self.about.trim(),
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}
