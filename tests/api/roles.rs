//! Every route × everybody: one table, which must name every route that the program has.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vantage::web::endpoints;

use crate::site::{CAMERA_PASSWORD, Client, PASSWORD, Site};

/// What anonymous, viewer, operator, engineer, administrator, and an engineer of another ward are answered.
type Row = (&'static str, &'static str, [u16; 6]);

/// `{i}`, `{e}`, `{m}` are an incident, an event and a still of camera `gate`. Changes are sent with bodies that are
/// wrong in their content, so that whoever may do it gets as far as that and changes nothing.
const TABLE: &[Row] = &[
    ("GET", "/session", [401, 200, 200, 200, 200, 200]),
    ("GET", "/session/methods", [200, 200, 200, 200, 200, 200]),
    ("GET", "/session/oidc", [404, 404, 404, 404, 404, 404]),
    ("GET", "/session/oidc/callback", [404, 404, 404, 404, 404, 404]),
    ("PUT", "/session/password", [401, 422, 422, 422, 422, 422]),
    ("PUT", "/session/language", [401, 422, 422, 422, 422, 422]),
    ("GET", "/sessions", [401, 200, 200, 200, 200, 200]),
    ("GET", "/sessions?all=1", [401, 403, 403, 403, 200, 403]),
    ("DELETE", "/sessions/none", [401, 404, 404, 404, 404, 404]),
    ("GET", "/users", [401, 403, 403, 403, 200, 403]),
    ("POST", "/users", [401, 403, 403, 403, 422, 403]),
    ("PATCH", "/users/none", [401, 403, 403, 403, 404, 403]),
    ("DELETE", "/users/none", [401, 403, 403, 403, 404, 403]),
    ("GET", "/tokens", [401, 200, 200, 200, 200, 200]),
    ("POST", "/tokens", [401, 201, 201, 201, 201, 201]),
    ("DELETE", "/tokens/none", [401, 404, 404, 404, 404, 404]),
    ("GET", "/audit", [401, 403, 403, 403, 200, 403]),
    ("GET", "/cameras", [401, 200, 200, 200, 200, 200]),
    ("GET", "/cameras/gate", [401, 200, 200, 200, 200, 404]),
    ("GET", "/cameras/gate/still", [401, 503, 503, 503, 503, 404]),
    ("GET", "/cameras/gate/probe", [401, 403, 403, 200, 200, 404]),
    ("GET", "/cameras/gate/scene", [401, 200, 200, 200, 200, 404]),
    ("PUT", "/cameras/gate/scene", [401, 403, 403, 412, 412, 404]),
    ("GET", "/cameras/gate/rules", [401, 200, 200, 200, 200, 404]),
    ("PUT", "/cameras/gate/rules", [401, 403, 403, 412, 412, 404]),
    ("POST", "/cameras/gate/preview", [401, 403, 403, 422, 422, 404]),
    ("GET", "/rules/schema", [401, 200, 200, 200, 200, 200]),
    ("GET", "/incidents", [401, 200, 200, 200, 200, 200]),
    ("GET", "/incidents/{i}", [401, 200, 200, 200, 200, 404]),
    ("POST", "/incidents/{i}/actions", [401, 403, 409, 409, 409, 404]),
    ("GET", "/events", [401, 200, 200, 200, 200, 200]),
    ("GET", "/events/{e}", [401, 200, 200, 200, 200, 404]),
    ("GET", "/events/{e}/why", [401, 200, 200, 200, 200, 404]),
    ("GET", "/media/{m}", [401, 200, 200, 200, 200, 404]),
    ("GET", "/counts", [401, 200, 200, 200, 200, 200]),
    ("GET", "/counts.csv", [401, 200, 200, 200, 200, 200]),
    ("GET", "/speeds", [401, 200, 200, 200, 200, 200]),
    ("GET", "/health", [401, 200, 200, 200, 200, 200]),
    ("GET", "/map/outline", [401, 404, 404, 404, 404, 404]),
    ("GET", "/map/tiles", [401, 404, 404, 404, 404, 404]),
    ("GET", "/stream?after=x", [401, 422, 422, 422, 422, 422]),
    ("GET", "/live", [401, 426, 426, 426, 426, 426]),
    ("GET", "/openapi.json", [200, 200, 200, 200, 200, 200]),
    ("GET", "/docs", [200, 200, 200, 200, 200, 200]),
    // Last: the sixth wrong password from this address has to wait.
    ("POST", "/session", [401, 401, 401, 401, 401, 429]),
];

fn body(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path.split('?').next().unwrap()) {
        ("POST", "/session") => json!({"user": "nobody", "password": "wrong"}),
        ("PUT", "/session/password") => json!({"old": PASSWORD, "new": "short"}),
        ("PUT", "/session/language") => json!({"language": "xx"}),
        ("POST", "/users") => json!({"name": "no such name!", "role": "viewer"}),
        ("PATCH", _) => json!({"role": "viewer"}),
        ("POST", "/tokens") => json!({"label": "test"}),
        ("PUT", path) if path.ends_with("scene") => json!({"zones": []}),
        ("PUT", path) if path.ends_with("rules") => json!({"items": []}),
        ("POST", path) if path.ends_with("preview") => json!({"minutes": 0}),
        ("POST", path) if path.ends_with("actions") => json!({"action": "acknowledge", "version": 99}),
        _ => return None,
    })
}

/// The path of a row in the words of the program's table.
fn template(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    path.replace("/gate", "/{id}")
        .replace("{i}", "{id}")
        .replace("{e}", "{id}")
        .replace("{m}", "{name}")
        .replace("/users/none", "/users/{name}")
        .replace("/none", "/{id}")
}

#[test]
fn every_route_answers_everybody_as_the_table_says() {
    let named: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), template(path))).collect();
    let mut there: BTreeSet<(String, String)> =
        endpoints().iter().map(|e| (e.method.to_string(), e.path.to_owned())).collect();
    // Logging out ends the session that the test needs: it is tested last.
    assert!(there.remove(&("DELETE".to_owned(), "/session".to_owned())));
    assert_eq!(named, there, "the table and the program's routes differ");

    let site = Site::start(None);
    let admin = site.admin();
    let incident = site.incident(&admin, "gate");
    let who = [
        ("anonymous", Client::new(&site.address)),
        ("viewer", site.user(&admin, "v", "viewer", None)),
        ("operator", site.user(&admin, "o", "operator", None)),
        ("engineer", site.user(&admin, "e", "engineer", None)),
        ("administrator", admin.clone()),
        ("another ward's engineer", site.user(&admin, "s", "engineer", Some(&["south"]))),
    ];
    // Made now: after the wrong passwords below nobody logs in for a while.
    let ward_admin = site.user(&admin, "wa", "administrator", Some(&["south"]));
    let gate = &site.events[0];
    let mut wrong = Vec::new();
    for (method, path, expected) in TABLE {
        let real = path
            .replace("{i}", incident["id"].as_str().unwrap())
            .replace("{e}", &gate.id.to_string())
            .replace("{m}", gate.still.as_ref().unwrap());
        for ((name, client), expected) in who.iter().zip(expected) {
            let headers: &[(&str, &str)] = if *method == "PUT" { &[("if-match", "\"old\"")] } else { &[] };
            // The origin of a WebSocket is asked for first.
            let origin = [("origin", format!("http://{}", site.address))];
            let with_origin: Vec<(&str, &str)> = origin.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let headers = if *path == "/live" { with_origin.as_slice() } else { headers };
            let answer = client.send(method, &format!("/api/v1{real}"), headers, body(method, path).as_ref());
            if answer.status != *expected {
                wrong.push(format!(
                    "{method} {path} by {name}: {} instead of {expected}: {}",
                    answer.status,
                    answer.text()
                ));
            }
            if answer.status >= 400 {
                assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path} by {name}");
                assert_eq!(answer.json()["status"], answer.status, "{method} {path}");
            }
            assert!(!answer.text().contains(CAMERA_PASSWORD), "{method} {path} tells a camera's password to {name}");
            assert!(!answer.text().contains("$argon2"), "{method} {path} tells a hash to {name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Another ward's user sees nothing of this one's in any list.
    let stranger = &who[5].1;
    for list in ["/cameras", "/incidents", "/events", "/health", "/counts"] {
        let text = stranger.get(list).text();
        assert!(!text.contains("gate"), "{list}: {text}");
    }
    for list in ["/cameras", "/incidents", "/events"] {
        assert!(stranger.get(list).text().contains("yard"), "{list}");
        assert!(!stranger.get(&format!("{list}?limit=200")).text().contains("north"), "{list}");
    }
    assert_eq!(stranger.get("/incidents?camera=gate").json()["items"], json!([]));
    assert_eq!(stranger.get("/events?ward=north").json()["items"], json!([]));

    // An administrator of one ward manages nobody.
    assert_eq!((ward_admin.get("/users").status, ward_admin.get("/audit").status), (403, 403));

    // Logged out is logged out.
    let (_, viewer) = &who[1];
    assert_eq!(viewer.send("DELETE", "/api/v1/session", &[], None).status, 204);
    assert_eq!(viewer.get("/session").status, 401);
}

#[test]
fn the_description_names_every_route_and_resolves() {
    let site = Site::start(None);
    let document = Client::new(&site.address).get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for endpoint in endpoints() {
        let path = format!("/api/v1{}", endpoint.path);
        let operation = &document["paths"][&path][endpoint.method.as_str().to_lowercase()];
        assert!(operation["operationId"].is_string(), "{} {path}", endpoint.method);
        for name in endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{path} lacks {name}");
        }
    }
    let text = document.to_string();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\"$ref\":\"#") {
        rest = &rest[at + 9..];
        let pointer = &rest[..rest.find('"').unwrap()];
        let definition = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
        assert_ne!(definition["$ref"], format!("#{pointer}"), "it leads to itself");
    }
    assert!(document["components"]["schemas"]["Problem"]["properties"]["detail"].is_object());
}
