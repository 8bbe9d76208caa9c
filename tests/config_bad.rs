//! Bad pipeline files: each is refused, at the right line and column, with the right message and advice.
//!
//! `§` marks, in the text, where each mistake must be reported; the marks in file order match the expected
//! (message, help) fragments in file order, and there must be no other diagnostic.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

mod config_support;

use config_support::{camera, compile, model, top};

type Case = (&'static str, String, &'static [(&'static str, &'static str)]);

fn url(lines: &str) -> String {
    camera(&format!("url: rtsp://h/a\n{lines}"))
}

fn recording(lines: &str) -> String {
    camera(&format!("url: clip.mp4\n{lines}"))
}

fn zone(polygon: &str) -> String {
    url(&format!("zones: [{{id: z, polygon: {polygon}}}]"))
}

fn scheduled(schedule: &str) -> String {
    url(&format!(
        "zones: [{{id: z, polygon: [[0,0],[1,0],[1,1]]}}]\nrules: [{{id: r, type: dwell, zone: z, schedule: {schedule}}}]"
    ))
}

fn provider(issuer: &str, grants: &str) -> String {
    let oidc = format!("issuer: {issuer}, client_id: v, page_url: 'https://p', grants: {grants}");
    let mark = if cfg!(feature = "oidc") { "" } else { "§" };
    top(&format!("server: {{authentication: {{oidc: {{{mark}{oidc}}}}}}}"))
}

/// A provider of logins: in builds without the feature the one thing that is told of a good one.
#[cfg(not(feature = "oidc"))]
fn provider_cases() -> Vec<Case> {
    let good = provider("'https://h'", "[{group: g, role: viewer}]");
    vec![("oidc not built", good, &[("this program was built without the feature `oidc`", "--features oidc")])]
}

#[cfg(feature = "oidc")]
#[rustfmt::skip]
fn provider_cases() -> Vec<Case> {
    let grant = "[{group: g, role: viewer}]";
    vec![
        ("issuer in clear", provider("§'http://h'", grant), &[("`issuer` is not encrypted", "https://")]),
        ("issuer that is none", provider("§h", grant), &[("`issuer` cannot be \"h\"", "https://login")]),
        ("nobody may", provider("'https://h'", "§[]"), &[("`grants` is empty", "add a group")]),
        ("no such role", provider("'https://h'", "[{group: g, role: §boss}]"), &[("`role` cannot be \"boss\"", "viewer, operator")]),
    ]
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let long_id = format!("§{}", "a".repeat(65));
    vec![
        // YAML itself
        ("empty", "§".into(), &[("the file is empty", "version: 1")]),
        ("only a comment", "§# nothing\n".into(), &[("the file is empty", "version: 1")]),
        ("a list", "§- 1\n".into(), &[("the file must be keys with values, this is a list", "")]),
        ("unclosed bracket", top("sinks: [§{id: a"), &[("not valid YAML: unclosed bracket", "close it")]),
        ("unclosed quote", top("store: {path: §\"x}"), &[("not valid YAML: unclosed quote", "close it")]),
        ("two colons", top("store: path§: x"), &[("not valid YAML: mapping values are not allowed", "quote text")]),
        ("tab", url("latency: §@x"), &[("not valid YAML", "quote text")]),
        ("second document", top("---\n§version: 1"), &[("second YAML document", "remove the `---`")]),
        ("unknown alias", top("store: §*nope"), &[("refers to an anchor", "quote the text")]),
        ("cyclic alias", top("sinks: &a [§*a]"), &[("within its own anchor", "write the value out")]),
        ("merge key", top("store: {§<<: {path: x}}"), &[("unknown key `<<` in `store`", "merge keys are not supported")]),
        ("repeated key", url("latency: 1s\n§latency: 2s"), &[("`latency` is given twice", "remove one")]),
        ("repeated camera key", camera("url: a.mp4\n§url: b.mp4"), &[("`url` is given twice", "remove one")]),
        // Types and unknown keys
        ("unknown top key", top("§camreas: []"), &[("unknown key `camreas` in the file", "did you mean \"cameras\"?")]),
        ("unknown key far from any", top("§weather: 1"), &[("unknown key `weather`", "known here: version, store")]),
        ("unknown camera key", url("§analyze_fps: 5"), &[("unknown key `analyze_fps` in this camera", "did you mean \"analyse_fps\"?")]),
        ("plain password", url("username: a\n§password: x"), &[("unknown key `password`", "password_file")]),
        ("no version", "§models: {default: {path: m}}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("the file lacks `version`", "add `version:`")]),
        ("wrong version", "version: §2\nmodels: {default: {path: m}}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("version 2", "version 1")]),
        ("version as text", "version: §\"1\"\nmodels: {default: {path: m}}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("`version` must be a whole number, this is text", "without quotes")]),
        ("key without value", top("§store:"), &[("`store` has no value", "remove the key")]),
        ("table as text", top("store: §here"), &[("`store` must be keys with values, this is text", "")]),
        ("list as table", top("sinks: {§id: a}"), &[("`sinks` must be a list", "begin each item with `- `")]),
        ("number for text", camera("url: §5"), &[("`url` must be text, this is a number", "quotes")]),
        ("text for flag", top("server: {insecure_listen: §yes}"), &[("must be `true` or `false`", "true or false")]),
        ("fraction", top("inference: {workers: §1.5}"), &[("must be a whole number", "without a fraction")]),
        ("negative", top("inference: {workers: §-1}"), &[("must not be negative", "")]),
        ("not finite", url("analyse_fps: §.inf"), &[("must be a finite number", "")]),
        ("decimal comma", url("analyse_fps: §\"2,5\""), &[("must be a number", "with a point")]),
        // Durations
        ("no unit", url("latency: §200"), &[("needs a unit", "200ms or 200s")]),
        ("bad unit", url("latency: §2 parsecs"), &[("is no length of time", "200ms or 3s")]),
        ("no number", url("latency: §soon"), &[("is no length of time", "200ms or 3s")]),
        ("too long", url("latency: §11s"), &[("`latency` is too long", "at most 10s")]),
        ("zero", url("track: {lost_for: §0s}"), &[("cannot be zero", "1s")]),
        // Store, server, inference
        ("days", top("store: {keep: {days: §0}}"), &[("`days` cannot be 0", "from 1 to 3650")]),
        ("size", top("store: {keep: {max_mib: §1}}"), &[("`max_mib` cannot be 1", "from 16")]),
        ("open port", top("server: {listen: §0.0.0.0:9090}"), &[("reached from other machines", "insecure_listen: true")]),
        ("no zone", top("server: {time_zone: §Asia/Hanoi}"), &[("no time zone \"Asia/Hanoi\"", "Asia/Ho_Chi_Minh")]),
        ("port alone", top("server: {listen: §\":9090\"}"), &[("`listen` cannot be \":9090\"", "127.0.0.1:9090")]),
        ("text for authentication", top("server: {authentication: §yes}"), &[("`authentication` must be `true`, `false` or keys", "write true or false")]),
        ("useless flag", top("server: {insecure_listen: §true}"), &[("changes nothing", "remove it")]),
        ("workers", top("inference: {workers: §0}"), &[("`workers` cannot be 0", "from 1 to 64")]),
        ("wait", top("inference: {max_wait: §2s}"), &[("too long", "at most 1s")]),
        // Evidence and media
        ("evidence word", top("evidence: {clips: §alarm}"), &[("`clips` cannot be \"alarm\"", "did you mean \"alarms\"?")]),
        ("evidence key", top("evidence: {§preroll: 1s}"), &[("unknown key `preroll` in `evidence`", "did you mean \"pre_roll\"?")]),
        ("blur", url("evidence: {blur: [person, §face]}"), &[("`blur` cannot be \"face\"", "known here: person, plate")]),
        ("long pre-roll", top("evidence: {pre_roll: §2m, max_length: 5m}"), &[("`pre_roll` is too long", "at most 60s")]),
        ("short clip", url("evidence: {pre_roll: 10s, max_length: §12s}"), &[("`max_length` (12s) is shorter than `pre_roll` (10s) and `post_roll` (5s)", "lengthen it")]),
        ("rolls of a camera", top("evidence: {max_length: 15s}").replace("rtsp://h/a", "rtsp://h/a, evidence: {post_roll: §20s}"), &[("`max_length` (15s) is shorter", "shorten the rolls")]),
        ("buffer", url("evidence: {buffer_mib: §0}"), &[("`buffer_mib` cannot be 0", "from 1 to 512")]),
        ("still width", url("evidence: {still_width: §10000}"), &[("`still_width` cannot be 10000", "from 160 to 3840")]),
        ("recorded for nothing", camera("streams: {analysis: rtsp://h/a, evidence: §rtsp://h/b}\nevidence: {clips: none}"), &[("this stream would be ignored", "evidence.clips")]),
        ("media", top("store: {media: {days: §0, max_mib: §5, camera_max_mib: §0}}"), &[("`days` cannot be 0", ""), ("`max_mib` cannot be 5", ""), ("`camera_max_mib` cannot be 0", "")]),
        // Models
        ("no model", "version: 1\nmodels: §{}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("there is no model", "default")]),
        ("model without path", "version: 1\nmodels: {default: {§score: 0.5}}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("this model lacks `path`", "add `path:`")]),
        ("family", model("family: §yolo"), &[("no model family \"yolo\"", "did you mean \"yolox\"?")]),
        ("score", model("score: §30"), &[("`score` cannot be 30", "from 0 to 1")]),
        ("provider", model("provider: §tensortr"), &[("`provider` cannot be \"tensortr\"", "did you mean \"tensorrt\"?")]),
        ("device on cpu", model("device: §0"), &[("`device` would be ignored with `provider: cpu`", "set the provider")]),
        ("fp16 on cuda", model("provider: cuda, fp16: §true"), &[("`fp16` would be ignored with `provider: cuda`", "tensorrt")]),
        ("fallback", model("provider: cuda, fallback: §gpu"), &[("`fallback` cannot be \"gpu\"", "cpu")]),
        ("model name", "version: 1\nmodels: {default: {path: m}, §My Model: {path: m}}\ncameras: [{id: a, url: rtsp://h/a}]".into(), &[("cannot be the id of a model", "lower-case")]),
        // Sinks
        ("sink type", top("sinks: [{id: a, type: §json}]"), &[("no sink of type \"json\"", "did you mean \"jsonl\"?")]),
        ("sink parameter", top("sinks: [{id: a, type: jsonl, path: e, §max_mb: 5}]"), &[("unknown parameter `max_mb`", "did you mean \"max_mib\"?")]),
        ("missing parameter", top("sinks: [{id: a, type: §jsonl}]"), &[("this sink lacks `path`", "add `path:`")]),
        ("sink twice", top("sinks:\n - {id: a, type: jsonl, path: x}\n - {id: §a, type: jsonl, path: y}"), &[("sink id \"a\" is used twice", "its own id")]),
        ("sink without type", top("sinks: [{§id: a}]"), &[("this sink lacks `type`", "add `type:`")]),
        // Cameras
        ("no camera", "version: 1\nmodels: {default: {path: m}}\ncameras: §[]".into(), &[("there is no camera", "add one")]),
        ("camera twice", "version: 1\nmodels: {default: {path: m}}\ncameras:\n - {id: a, url: x.mp4}\n - {id: §a, url: y.mp4}".into(), &[("camera id \"a\" is used twice", "its own id")]),
        ("id with capitals", "version: 1\nmodels: {default: {path: m}}\ncameras: [{id: §Gate 1, url: x.mp4}]".into(), &[("\"Gate 1\" cannot be the id of a camera", "lower-case")]),
        ("id as number", "version: 1\nmodels: {default: {path: m}}\ncameras: [{id: §7, url: x.mp4}]".into(), &[("`id` must be text", "quotes")]),
        ("long id", format!("version: 1\nmodels: {{default: {{path: m}}}}\ncameras: [{{id: {long_id}, url: x.mp4}}]"), &[("cannot be the id", "at most 64")]),
        ("no url", "version: 1\nmodels: {default: {path: m}}\ncameras:\n  - §id: gate\n".into(), &[("this camera lacks `url`", "rtsp://host/path")]),
        ("url and streams", url("streams: {§analysis: rtsp://h/b}"), &[("both `url` and `streams`", "keep one")]),
        ("scheme", camera("url: §rtps://h/a"), &[("`rtps:` is not a kind of stream", "did you mean \"rtsp\"?")]),
        ("no scheme", camera("url: §10.0.0.5:554/main"), &[("without its scheme", "rtsp://")]),
        ("no host", camera("url: §rtsp:///main"), &[("no host", "rtsp://host")]),
        ("bad port", camera("url: §rtsp://h:99999/main"), &[("no address", "rtsp://host")]),
        ("mixed streams", camera("streams: {analysis: rtsp://h/a, evidence: §a.mp4}"), &[("one of the two streams is a recording", "both")]),
        ("streams without analysis", camera("streams: {§evidence: rtsp://h/a}"), &[("`streams` lacks `analysis`", "add")]),
        ("transport", url("transport: §tpc"), &[("`transport` cannot be \"tpc\"", "did you mean \"tcp\"?")]),
        ("transport of a file", recording("transport: §tcp"), &[("`transport` would be ignored: this is a recording", "remove it")]),
        ("latency of http", camera("url: http://h/a\nlatency: §1s"), &[("`latency` would be ignored: this is an http stream", "remove it")]),
        ("udp over tls", camera("url: rtsps://h/a\ntransport: §udp"), &[("inside its TLS connection", "tcp")]),
        ("tls of a plain camera", url("tls: {§insecure: true}"), &[("`tls` would be ignored: this is an rtsp stream", "remove it")]),
        ("no certificates", camera("url: rtsps://h/a\ntls: {ca_file: §/nonexistent.pem}"), &[("\"/nonexistent.pem\" cannot be read", "PEM")]),
        ("starts_at of a camera", url("starts_at: §2026-01-01T07:00:00Z"), &[("`starts_at` would be ignored: this is an rtsp stream", "remove it")]),
        ("starts_at without zone", recording("starts_at: §2026-01-01 07:00"), &[("`starts_at` cannot be", "with its zone")]),
        ("login of a file", recording("username: §admin"), &[("`username` would be ignored", "remove it")]),
        ("assume_fps", url("assume_fps: §0"), &[("`assume_fps` cannot be 0", "above 0")]),
        ("analyse_fps", url("analyse_fps: §1000"), &[("`analyse_fps` cannot be 1000", "at most 240")]),
        ("rotate", url("rotate: §45"), &[("`rotate` cannot be 45", "90, 180, 270")]),
        ("matrix", url("matrix: §bt609"), &[("`matrix` cannot be", "did you mean \"bt601\"?")]),
        ("range", url("range: §pc"), &[("`range` cannot be \"pc\"", "known here: limited, full")]),
        ("unknown model", url("model: §defualt"), &[("no model \"defualt\"", "did you mean \"default\"?")]),
        ("no default model", "version: 1\nmodels: {big: {path: m}}\ncameras: [{§id: a, url: x.mp4}]".into(), &[("no model \"default\"", "one of big")]),
        ("scores crossed", url("track: {high_score: 0.2, low_score: §0.4}"), &[("is above `high_score`", "begins at")]),
        // Logins
        ("variable not set", url("username: a\npassword_env: §NOPE"), &[("`NOPE` is not set", "password_file")]),
        ("not a variable", url("username: a\npassword_env: §no-pe"), &[("not the name of an environment variable", "GATE_PASSWORD")]),
        ("no password file", url("username: a\npassword_file: §/nonexistent/pw"), &[("\"/nonexistent/pw\" cannot be read", "nothing else")]),
        ("both sources", url("username: a\npassword_file: §/nonexistent/pw\npassword_env: §GATE_PASSWORD"), &[("cannot be read", ""), ("both `password_file` and `password_env`", "keep one")]),
        ("password alone", url("password_env: §GATE_PASSWORD"), &[("no user", "add `username:`")]),
        ("user twice, second stream", camera("streams: {analysis: rtsp://h/a, evidence: rtsp://a@h/a}\nusername: §b"), &[("given twice", "remove it from the address")]),
        ("user twice", camera("url: rtsp://a@h/a\nusername: §b"), &[("given twice", "remove it from the address")]),
        // Scene
        ("two corners", zone("§[[0, 0], [1, 1]]"), &[("at least 3 corners", "add corners")]),
        ("bow tie", zone("§[[0, 0], [1, 1], [1, 0], [0, 1]]"), &[("crosses itself", "order of the outline")]),
        ("flat", zone("§[[0, 0], [0.5, 0.5], [1, 1]]"), &[("no area", "")]),
        ("closed twice", zone("§[[0, 0], [1, 0], [1, 1], [0, 0]]"), &[("crosses itself", "closes by itself")]),
        ("pixels", zone("[[0, 0], [§640, 0], [0, 1]]"), &[("x = 640 lies outside", "divide pixels")]),
        ("below zero", url("lines: [{id: l, from: [0, §-0.1], to: [1, 1]}]"), &[("y = -0.1 lies outside", "0 to 1")]),
        ("three coordinates", url("lines: [{id: l, from: §[0, 0, 0], to: [1, 1]}]"), &[("a point has 2 coordinates", "[x, y]")]),
        ("point as text", url("lines: [{id: l, from: §left, to: [1, 1]}]"), &[("`from` must be a point, this is text", "[x, y]")]),
        ("no length", url("lines: [{id: l, from: [0.5, 0.5], to: §[0.5, 0.5]}]"), &[("this line has no length", "move `to`")]),
        ("no direction", url("lanes: [{id: l, polygon: [[0,0],[1,0],[1,1]], direction: {from: [0,0], to: §[0,0]}}]"), &[("this direction has no length", "move `to`")]),
        ("lane without direction", url("lanes: [{§id: l, polygon: [[0,0],[1,0],[1,1]]}]"), &[("this lane lacks `direction`", "add")]),
        ("zone twice", url("zones:\n - {id: z, polygon: [[0,0],[1,0],[1,1]]}\n - {id: §z, polygon: [[0,0],[1,0],[1,1]]}"), &[("zone id \"z\" is used twice", "its own id")]),
        // Calibration
        ("calibration of nothing", url("calibration: {§error: 0.1}"), &[("neither `points` nor `homography`", "add `points:`")]),
        ("three points", url("calibration: {points: §[{picture: [0.1, 0.9], metres: [0, 0]}, {picture: [0.9, 0.9], metres: [10, 0]}, {picture: [0.3, 0.4], metres: [0, 40]}]}"), &[("at least 4 points, this one has 3", "far from each other")]),
        ("points on a line", url("calibration: {points: §[{picture: [0.1, 0.9], metres: [0, 0]}, {picture: [0.9, 0.9], metres: [10, 0]}, {picture: [0.5, 0.9], metres: [5, 0]}, {picture: [0.3, 0.4], metres: [0, 40]}]}"), &[("lie on one line", "quadrangle")]),
        ("exchanged points", url("calibration: {points: §[{picture: [0.1, 0.9], metres: [0, 0]}, {picture: [0.9, 0.9], metres: [10, 0]}, {picture: [0.3, 0.4], metres: [0, 40]}, {picture: [0.7, 0.4], metres: [10, -40]}]}"), &[("the horizon runs between them", "exchanged")]),
        ("one metre", url("calibration: {points: [{picture: [0, 0], metres: §[1]}]}"), &[("`metres` takes 2 numbers, this has 1", "")]),
        ("two rows", url("calibration: {homography: §[[1, 0, 0], [0, 1, 0]]}"), &[("3 rows of 3 numbers", "")]),
        ("no file of signals", recording("signals: §phases.csv"), &[("`signals` names no file", "recorded with it")]),
        ("flat homography", url("calibration: {homography: §[[1, 0, 0], [2, 0, 0], [0, 0, 1]]}"), &[("cannot be inverted", "")]),
        ("calibration error", url("calibration: {error: §-1, points: [{picture: [0.1, 0.9], metres: [0, 0]}, {picture: [0.9, 0.9], metres: [10, 0]}, {picture: [0.3, 0.4], metres: [0, 40]}, {picture: [0.7, 0.4], metres: [10, 40]}]}"), &[("`error` cannot be -1", "metres")]),
        ("zone in the sky", url("zones: [{id: z, polygon: §[[0, 0], [1, 0], [1, 1]]}]\ncalibration: {points: [{picture: [0.1, 0.9], metres: [0, 0]}, {picture: [0.9, 0.9], metres: [10, 0]}, {picture: [0.4, 0.4], metres: [0, 40]}, {picture: [0.6, 0.4], metres: [10, 40]}]}"), &[("the horizon of the calibration runs through zone \"z\"", "draw it lower")]),
        // Conditions
        ("unknown time zone", url("time_zone: §Asia/Hanoi"), &[("no time zone \"Asia/Hanoi\"", "Asia/Ho_Chi_Minh")]),
        ("zone of a schedule", scheduled("{time_zone: §Mars/Olympus, active: [{days: [mon]}]}"), &[("no time zone \"Mars/Olympus\"", "IANA")]),
        ("schedule without windows", scheduled("{active: §[]}"), &[("never be active", "remove the schedule")]),
        ("window without length", scheduled("{active: [{§from: \"07:00\", to: \"07:00\"}]}"), &[("begins and ends at 07:00", "two different times")]),
        ("window without days", scheduled("{active: [{§days: [], from: \"07:00\", to: \"09:00\"}]}"), &[("names no day", "name the days")]),
        ("unknown day", scheduled("{active: [{days: [§monday]}]}"), &[("`days` cannot be \"monday\"", "mon")]),
        ("no time of day", scheduled("{active: [{from: §\"25:00\", to: §noon}]}"), &[("\"25:00\" is no time of day", "07:30"), ("\"noon\" is no time of day", "07:30")]),
        ("windows that overlap", scheduled("{active: §[{days: [mon], from: \"22:00\", to: \"03:00\"}, {days: [tue], from: \"02:00\", to: \"04:00\"}]}"), &[("overlap, on tue at 02:00", "do not overlap")]),
        ("schedule without active", scheduled("{§time_zone: UTC}"), &[("`schedule` lacks `active`", "add `active:`")]),
        ("budget of nothing", url("budget: §0"), &[("`budget` cannot be 0", "from 1 to")]),
        ("negative budget of a rule", url("zones: [{id: z, polygon: [[0,0],[1,0],[1,1]]}]\nrules: [{id: r, type: dwell, zone: z, budget: §-3}]"), &[("`budget` must not be negative", "")]),
        ("budget of a sink", top("sinks: [{id: s, type: jsonl, path: x, §budget: 3}]"), &[("unknown parameter `budget`", "path")]),
        ("maintenance backwards", url("maintenance: [{§from: 2026-01-05T12:00:00Z, to: 2026-01-05T11:00:00Z}]"), &[("ends before it begins", "swap")]),
        ("maintenance half dated", url("maintenance: [{§from: 2026-01-05T12:00:00Z, to: \"13:00\"}]"), &[("one end of this window is a date", "both as")]),
        ("maintenance once on days", url("maintenance: [{days: §[mon], from: 2026-01-05T12:00:00Z, to: 2026-01-05T13:00:00Z}]"), &[("`days` would be ignored", "remove it")]),
        ("unknown preset", url("zones: [{id: z, polygon: [[0,0],[1,0],[1,1]]}]\nrules: [{id: r, type: dwell, zone: z, preset: §nroth}]"), &[("no preset \"nroth\"", "`presets` first")]),
        ("preset without picture", url("presets: [{id: north, reference: §nowhere.png}]"), &[("cannot be read", "PNG or JPEG")]),
        ("site that is no id", url("site: §North Bridge"), &[("cannot be the id of a site", "lower-case")]),
        // What it is to people
        ("empty name", url("name: §\"  \""), &[("`name` is empty", "")]),
        ("two lines of a name", url("name: §\"a\\nb\""), &[("`name` cannot be", "one line")]),
        ("ward that is no id", url("ward: §Phường 5"), &[("cannot be the id of a ward", "lower-case")]),
        ("longitude first", url("place: {lat: §106.7, lon: 10.77}"), &[("`lat` cannot be 106.7", "is it the longitude?")]),
        ("place without longitude", url("place: {§lat: 10.7}"), &[("`place` lacks `lon`", "add")]),
        ("everything of a place", url("place: {lat: 1, lon: §200, heading: §-10, reach: §0}"), &[("`lon` cannot be 200", "east"), ("`heading` cannot be -10", "clockwise"), ("`reach` cannot be 0", "metres")]),
        // Rules
        ("rule type", url("rules: [{id: r, type: §line_crosing, line: a}]"), &[("no rule of type \"line_crosing\"", "did you mean \"line_crossing\"?")]),
        ("rule line", url("lines: [{id: gate, from: [0,0], to: [1,1]}]\nrules: [{id: r, type: line_crossing, line: §gaet}]"), &[("no line \"gaet\"", "did you mean \"gate\"?")]),
        ("rule line, none drawn", url("rules: [{id: r, type: line_crossing, line: §gate}]"), &[("no line \"gate\"", "draw it")]),
        ("rule zone and lane", url("rules: [{id: r, type: dwell, zone: §a, lane: §b}]"), &[("no zone \"a\"", ""), ("no lane \"b\"", "")]),
        ("rule parameter within a list", url("lines: [{id: g, from: [0,0], to: [1,1]}]\nrules: [{id: r, type: line_crossing, line: g, classes: [car, §3]}]"), &[("a class is text", "quotes")]),
        ("rule twice", url("rules:\n - {id: r, type: dwell}\n - {id: §r, type: dwell}"), &[("rule id \"r\" is used twice", "its own id")]),
        // Many at once
        ("six of different sorts",
            "version: 1\nserver: {listen: §0.0.0.0:80}\nmodels: {default: {path: m, score: §high}}\ncameras:\n  - id: §Gate\n    url: §rtps://h/a\n    latency: §200\n    §zone: []\n".into(),
            &[("reached", ""), ("`score` must be a number", ""), ("id of a camera", ""), ("`rtps:`", ""), ("needs a unit", ""), ("unknown key `zone`", "zones")]),
        ("wrong types, unknown keys and bad references in one camera",
            url("rotate: §ninety\nmodel: §big\n§colour: red\nzones:\n  - {id: z, polygon: [[0, §2], [§3, 1], [0, 1]]}\nrules:\n  - {id: r, type: dwell, zone: z}\n  - {id: s, type: dwell, zone: §y}"),
            &[("`rotate`", ""), ("no model", ""), ("unknown key", ""), ("y = 2", ""), ("x = 3", ""), ("no zone \"y\"", "did you mean \"z\"?")]),
        ("every camera is read",
            "version: 1\nmodels: {default: {path: m}}\ncameras:\n - {id: a, url: §rtsp:///}\n - §nonsense\n - {id: c, url: c.mp4, transport: §udp}\n - {id: d, url: d.mp4, model: §x}\n".into(),
            &[("no host", ""), ("this camera must be keys with values", ""), ("ignored", ""), ("no model", "")]),
        ("an aliased mistake is told once",
            "version: 1\nmodels: {default: {path: m}}\ncameras:\n - {id: a, url: a.mp4, zones: &z [{id: z, polygon: §[[0,0],[1,1]]}]}\n - {id: b, url: b.mp4, zones: *z}\n".into(),
            &[("3 corners", "")]),
    ]
}

/// The text without its marks, and the line and column of each.
fn unmarked(marked: &str) -> (String, Vec<(usize, usize)>) {
    let mut text = String::new();
    let mut places = Vec::new();
    let (mut line, mut column) = (1, 1);
    for c in marked.chars() {
        if c == '§' {
            places.push((line, column));
            continue;
        }
        text.push(c);
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    (text, places)
}

#[test]
fn every_mistake_is_shown_where_it_is() {
    let cases: Vec<Case> = cases().into_iter().chain(provider_cases()).collect();
    assert!(cases.len() >= 50);
    let mut failures = Vec::new();
    for (name, marked, expected) in cases {
        let (text, places) = unmarked(&marked);
        assert_eq!(places.len(), expected.len(), "{name}: marks");
        let Err(report) = compile(&text) else {
            failures.push(format!("{name}: accepted\n{text}"));
            continue;
        };
        let found = report.diagnostics();
        let good = found.len() == expected.len()
            && report.error_count() == expected.len()
            && found.iter().zip(expected).zip(&places).all(|((found, (message, help)), place)| {
                found.position() == Some(*place)
                    && found.message().contains(message)
                    && found.help().unwrap_or_default().contains(help)
                    && found.help().is_some_and(|help| !help.is_empty())
                    && found.file() == "site.yaml"
            });
        if !good {
            failures.push(format!("{name}: expected {expected:?} at {places:?}, found {found:#?}"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn a_clash_shows_both_places() {
    let text = camera(
        "url: a.mp4\nzones:\n - {id: z, polygon: [[0,0],[1,0],[1,1]]}\n - {id: z, polygon: [[0,0],[1,0],[1,1]]}",
    );
    let report = compile(&text).unwrap_err();
    let json = report.to_json();
    assert_eq!(json["diagnostics"][0]["line"], 8);
    assert_eq!(json["diagnostics"][0]["also"]["line"], 7);
    let drawn = report.render(false);
    assert!(drawn.contains("first used here") && drawn.contains("site.yaml:8:"), "{drawn}");
}

#[test]
fn the_drawing_shows_file_place_excerpt_and_advice() {
    let report = compile(&top("camreas: []")).unwrap_err();
    let drawn = report.render(false);
    for part in ["site.yaml:4:1", "camreas: []", "───", "did you mean \"cameras\"?"] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    assert!(!drawn.contains('\u{1b}'), "no colour was asked for");
    assert!(report.render(true).contains('\u{1b}'));
}

#[test]
fn a_report_becomes_an_error_with_exit_code_78() {
    let error = vantage::base::Error::from(compile(&top("a: 1\nb: 2")).unwrap_err());
    assert_eq!(error.kind().exit_code(), 78);
    assert!(error.to_string().starts_with("site.yaml:4:1: unknown key `a`"), "{error}");
    assert!(error.to_string().ends_with("(and 1 more)"), "{error}");
    assert!(error.advice().is_some());
}

#[test]
fn hostile_files_are_refused_quickly() {
    let mut laughs = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let alias = format!("*a{}, ", i - 1).repeat(10);
        laughs.push_str(&format!("a{i}: &a{i} [{}]\n", alias.trim_end_matches(", ")));
    }
    let report = compile(&laughs).unwrap_err();
    assert!(report.diagnostics()[0].message().contains("repeat more than"), "{report}");

    let deep = format!("version: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000));
    let report = compile(&deep).unwrap_err();
    assert!(report.diagnostics()[0].message().contains("nested too deeply"), "{report}");
    assert!(report.diagnostics()[0].position().is_some());
    let drawn = report.render(false);
    assert!(drawn.len() < 500 && drawn.contains("site.yaml:1:"), "a very long line is not drawn: {drawn}");

    let report = compile(&format!("version: {}\n", "\n- ".repeat(3_000))).unwrap_err();
    assert!(report.error_count() >= 1);
    assert!(compile(&"- ".repeat(100_000)).unwrap_err().error_count() >= 1);

    let params: String = (0..50_000).map(|i| format!(", p{i}: 1")).collect();
    let report = compile(&top(&format!("sinks: [{{id: a, type: jsonl, path: x{params}}}]"))).unwrap_err();
    assert_eq!(report.error_count(), 50_000);

    // Many mistakes: counted, not all drawn.
    let many: String = (0..20_000).map(|i| format!("k{i}: 1\n")).collect();
    let report = compile(&top(&many)).unwrap_err();
    assert_eq!(report.error_count(), 20_000);
    assert_eq!(report.diagnostics().len(), 100);
    assert!(report.render(false).contains("and 19900 more mistakes"));

    let corners = "[0, 0], [1, 0], ".repeat(20_000);
    let report = compile(&camera(&format!("url: a.mp4\nzones: [{{id: z, polygon: [{corners}]}}]"))).unwrap_err();
    assert!(report.diagnostics()[0].message().contains("40000 corners"), "{:?}", report.diagnostics()[0]);
}

proptest::proptest! {
    /// Whatever the text, there is an answer, and every place lies within the text.
    #[test]
    fn no_text_panics(text in "[a-z0-9:{}\\[\\],&*#'\"|>@ \\n\\t-]{0,200}") {
        if let Err(report) = compile(&text) {
            let lines = text.split('\n').count();
            for diagnostic in report.diagnostics() {
                let (line, _) = diagnostic.position().unwrap();
                proptest::prop_assert!((1..=lines).contains(&line));
            }
            let _ = report.render(false);
        }
    }

    /// A good file with one character changed is answered too.
    #[test]
    fn no_damage_panics(at in 0usize..600, c in "[ -~\\n§]") {
        let mut text: Vec<char> = include_str!("../pipelines/example.yaml").chars().collect();
        let at = at * text.len() / 600;
        text.splice(at..=at, c.chars());
        let text: String = text.into_iter().collect();
        if let Err(report) = compile(&text) {
            let _ = report.render(true);
            proptest::prop_assert!(report.error_count() > 0);
        }
    }
}
