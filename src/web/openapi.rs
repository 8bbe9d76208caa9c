//! The description of the API (OpenAPI 3.1), from the table of endpoints and the schemas of their types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, Gives, Need};
use super::problem::Details;

/// The whole document.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Details>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let operation = operation(endpoint, &mut generator, &problem);
        let path = paths.entry(format!("/api/v1{}", endpoint.path)).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(endpoint.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vantage",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The operations centre's API. Times are RFC 3339 in UTC; coordinates are shares of the picture as displayed, (0, 0) top left. Errors are problem details (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": Value::Object(generator.take_definitions(true)),
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::guard::COOKIE,
                    "description": "Of POST /api/v1/session. Changes need the header X-CSRF-Token besides."},
                "token": {"type": "http", "scheme": "bearer", "description": "Of POST /api/v1/tokens."},
            },
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut schemars::SchemaGenerator, problem: &Value) -> Value {
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(endpoint.query.iter().map(|(name, meaning)| {
        let schema = if meaning.contains("may repeat") {
            json!({"type": "array", "items": {"type": "string"}})
        } else {
            json!({"type": "string"})
        };
        json!({"name": name, "in": "query", "description": meaning, "schema": schema})
    }));
    let given = match endpoint.gives {
        Gives::Json(schema) => {
            json!({"200": {"description": "Done.", "content": {"application/json": {"schema": schema(generator).to_value()}}}})
        }
        Gives::Bytes(kind) => json!({"200": {"description": "Done.", "content": {kind: {}}}}),
        Gives::Nothing => json!({"204": {"description": "Done."}}),
        Gives::Elsewhere => json!({"303": {"description": "Go on at Location."}}),
    };
    let mut responses = given;
    if let Value::Object(responses) = &mut responses {
        let content = json!({"application/problem+json": {"schema": problem}});
        responses.insert("default".to_owned(), json!({"description": "What went wrong.", "content": content}));
    }
    let (security, needs) = match endpoint.need {
        Need::Nothing => (json!([]), String::new()),
        Need::Login => (json!([{"cookie": []}, {"token": []}]), "Needs a login.".to_owned()),
        Need::Role(role) => (json!([{"cookie": []}, {"token": []}]), format!("Needs the role `{}`.", role.as_str())),
    };
    let name = endpoint.path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    let mut operation = json!({
        "operationId": format!("{}{name}", endpoint.method.as_str().to_lowercase()),
        "summary": endpoint.summary,
        "description": needs,
        "parameters": parameters,
        "responses": responses,
        "security": security,
    });
    if let (Some(takes), Value::Object(operation)) = (endpoint.takes, &mut operation) {
        let content = json!({"application/json": {"schema": takes(generator).to_value()}});
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    operation
}
