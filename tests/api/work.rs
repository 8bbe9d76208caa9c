//! Logging in, dealing with incidents, reading media and streams; and what is refused.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{run, wait_for};
use crate::site::{Client, PASSWORD, Site, event};

#[test]
fn logins_are_guarded_and_what_is_wrong_is_refused() {
    let site = Site::start(None);
    let log = site.program.log();
    let one_time = log.lines().find(|line| line.starts_with("first login")).unwrap().rsplit(' ').next().unwrap();

    // Before the one-time password was changed nothing else is done.
    let mut fresh = Client::new(&site.address);
    let answer = fresh.enter("admin", one_time);
    assert_eq!(answer.json()["must_change_password"], true);
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(fresh.get("/cameras").status, 403);
    let admin = site.admin();
    assert_eq!(fresh.get("/session").status, 401, "a new password ends the user's other sessions");

    // The page shows times in the site's zone where the pipeline file names one.
    assert_eq!(admin.get("/session").json()["site"], json!({"name": "Quận 1", "time_zone": "Asia/Ho_Chi_Minh"}));

    // CSRF: the cookie alone changes nothing.
    let body = json!({"label": "x"});
    for token in ["", "wrong", &"x".repeat(43)] {
        let answer = admin.send("POST", "/api/v1/tokens", &[("x-csrf-token", token)], Some(&body));
        assert_eq!(answer.status, 403, "{}", answer.text());
    }

    // A token needs none, ends with its user, and is told once.
    let token = admin.post("/tokens", &body).json()["token"].as_str().unwrap().to_owned();
    let program = Client::new(&site.address);
    let bearer = format!("Bearer {token}");
    assert_eq!(program.send("GET", "/api/v1/cameras", &[("authorization", &bearer)], None).status, 200);
    assert!(!admin.get("/tokens").text().contains(&token));
    let id = admin.get("/tokens").json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.send("DELETE", &format!("/api/v1/tokens/{id}"), &[], None).status, 204);
    assert_eq!(program.send("GET", "/api/v1/cameras", &[("authorization", &bearer)], None).status, 401);

    // What a session may do ends at once when its user is disabled, and when it is revoked.
    let operator = site.user(&admin, "o", "operator", None);
    let patch = |body: &Value| admin.send("PATCH", "/api/v1/users/o", &[], Some(body)).status;
    assert_eq!((patch(&json!({"disabled": true})), operator.get("/cameras").status), (200, 401));
    assert_eq!(patch(&json!({"disabled": false})), 200);
    let mut operator = Client::new(&site.address);
    operator.enter("o", PASSWORD);
    let sessions = admin.get("/sessions?all=1").json();
    let of_o = sessions["items"].as_array().unwrap().iter().find(|s| s["user"] == "o").unwrap();
    let path = format!("/api/v1/sessions/{}", of_o["id"].as_str().unwrap());
    assert_eq!((admin.send("DELETE", &path, &[], None).status, operator.get("/cameras").status), (204, 401));

    // The administrator of one ward manages own sessions only.
    let warden = site.user(&admin, "w", "administrator", Some(&["north"]));
    assert_eq!(warden.get("/sessions?all=1").status, 403);
    let own = admin.get("/sessions").json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(warden.send("DELETE", &format!("/api/v1/sessions/{own}"), &[], None).status, 404);

    // The last administrator stays.
    assert_eq!(admin.send("DELETE", "/api/v1/users/admin", &[], None).status, 422);
    assert_eq!(admin.send("PATCH", "/api/v1/users/admin", &[], Some(&json!({"role": "viewer"}))).status, 422);

    // Bodies: too large, not JSON, of another type, with a field that there is not.
    let big = format!("{{\"label\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes();
    let large = admin.send_raw("POST", "/api/v1/tokens", &[], big);
    assert_eq!(large.status, 413, "{}", large.text());
    assert_eq!(admin.send_raw("POST", "/api/v1/tokens", &[], b"{\"label\": ".to_vec()).status, 400);
    assert_eq!(admin.post("/tokens", &json!({"labels": "x"})).status, 422);
    let text = admin.send_raw("POST", "/api/v1/tokens", &[("content-type", "text/plain")], b"x".to_vec());
    assert!(matches!(text.status, 400 | 415), "{}", text.status);

    // Paths that mean another one, queries that mean nothing.
    for path in [
        "/api/v1/media/../events.db",
        "/api/v1/media/..%2fevents.db",
        "/api/v1/media/%2e%2e/events.db",
        "/api/v1/media/gate.%00.jpg",
        "/api/v1/media/.gate.tmp",
        "/..%5cetc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/api/v1/nothing",
    ] {
        assert_eq!(admin.send("GET", path, &[], None).status, 404, "{path}");
    }
    for query in ["clas=car", "limit=0", "limit=201", "from=yesterday", "severity=loud", "cursor=!!", "limit=1&limit=2"]
    {
        let status = admin.get(&format!("/events?{query}")).status;
        assert!(matches!(status, 400 | 422), "{query}: {status}");
    }
    assert_eq!(admin.send("DELETE", "/api/v1/cameras", &[], None).status, 405);

    // The login limit: after some wrong passwords even the right one must wait.
    let mut last = 0;
    for _ in 0..7 {
        last = Client::new(&site.address).enter("o", "wrong password").status;
    }
    assert_eq!(last, 429);
    let limited = Client::new(&site.address).enter("o", PASSWORD);
    assert_eq!(limited.status, 429);
    let wait = limited.header("retry-after").parse::<u64>().unwrap();
    assert!((1..=900).contains(&wait) && limited.json()["retry_after"] == wait, "{}", limited.text());
}

#[test]
fn an_incident_is_dealt_with_by_two_who_do_not_overwrite_each_other() {
    let mut site = Site::start(None);
    let admin = site.admin();
    let (an, binh) = (site.user(&admin, "an", "operator", None), site.user(&admin, "binh", "operator", None));
    let incident = site.incident(&an, "gate");
    assert_eq!((incident["state"].clone(), incident["version"].clone()), (json!("new"), json!(0)));
    assert_eq!((incident["rule"].clone(), incident["class"].clone()), (json!("stopped_vehicle"), json!("truck")));
    assert_eq!(incident["ward"], "north");
    let path = format!("/incidents/{}/actions", incident["id"].as_str().unwrap());
    let act = |who: &Client, body: Value| who.post(&path, &body);

    let first = act(&an, json!({"action": "acknowledge", "version": 0}));
    assert_eq!((first.status, first.json()["owner"].clone()), (200, json!("an")));
    let late = act(&binh, json!({"action": "false_alarm", "version": 0, "reason": "shadow"}));
    assert_eq!((late.status, late.json()["current"]["version"].clone()), (409, json!(1)));
    let bare = act(&an, json!({"action": "dispatch", "version": 1}));
    assert_eq!((bare.status, bare.json()["field"].clone()), (422, json!("unit")));
    assert_eq!(act(&an, json!({"action": "dispatch", "version": 1, "unit": "CSGT 7", "note": "đang tới"})).status, 200);
    assert_eq!(act(&binh, json!({"action": "hand_over", "version": 2, "to": "binh"})).status, 200);
    let over = act(&binh, json!({"action": "resolve", "version": 3}));
    assert_eq!(
        (over.json()["state"].clone(), over.json()["history"].as_array().unwrap().len()),
        (json!("resolved"), 4)
    );
    assert_eq!(act(&an, json!({"action": "dispatch", "version": 4, "unit": "x"})).status, 409, "it is over");

    // Filters; and it is still so after a restart.
    let states = |state: &str| an.get(&format!("/incidents?state={state}")).json()["items"].as_array().unwrap().len();
    assert_eq!((states("new"), states("resolved")), (1, 1));
    let by = |query: &str| an.get(&format!("/incidents?{query}")).json()["items"].as_array().unwrap().len();
    let seen = (
        by("class=truck&camera=gate"),
        by("class=car"),
        by("rule=stopped_vehicle"),
        by("ward=south"),
        by("severity=info"),
    );
    assert_eq!(seen, (1, 0, 2, 1, 0));
    site.program.stop();
    site.program = crate::program::Running::start(&site.file);
    wait_for("the page again", 30, || site.program.log().contains("page: ").then_some(()));
    assert!(!site.program.log().contains("one-time"), "only the first start makes an administrator");
    let again = an.get(&format!("/incidents/{}", incident["id"].as_str().unwrap())).json();
    assert_eq!((again["state"].clone(), again["event_items"].as_array().unwrap().len()), (json!("resolved"), 1));

    // All of it is in the audit trail, which verifies; a row that somebody changed shows.
    let trail = admin.get("/audit?action=incident.action").json();
    assert_eq!(trail["items"].as_array().unwrap().len(), 4);
    site.program.stop();
    let store = site.folder.path().join("vantage-data");
    let verify = || run(&["audit", "verify", "--store", store.to_str().unwrap()]);
    assert!(verify().ok().stdout.contains("as they were written"));
    let db = rusqlite::Connection::open(store.join("access.db")).unwrap();
    db.execute("UPDATE audit SET actor = 'somebody' WHERE action = 'incident.action'", []).unwrap();
    let broken = verify();
    assert!(!broken.status.success() && broken.stderr.contains("broken at row"), "{}", broken.stderr);
}

#[test]
fn who_hangs_up_parts_no_change_from_its_entry_in_the_trail() {
    let site = Site::start(None);
    let admin = site.admin();
    let an = site.user(&admin, "an", "operator", None);
    let id = site.incident(&an, "gate")["id"].as_str().unwrap().to_owned();
    let history = || an.get(&format!("/incidents/{id}")).json()["history"].as_array().unwrap().len();
    for round in 0..30 {
        let body = json!({"action": "note", "version": history(), "note": "x"}).to_string();
        let mut socket = TcpStream::connect(&site.address).unwrap();
        write!(
            socket,
            "POST /api/v1/incidents/{id}/actions HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nX-CSRF-Token: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            site.address,
            an.cookie.as_ref().unwrap(),
            an.csrf,
            body.len()
        )
        .unwrap();
        // Before the note is on disk, at the same time, or after.
        std::thread::sleep(Duration::from_millis(round % 10));
        drop(socket);
        std::thread::sleep(Duration::from_millis(50));
    }
    let notes = history();
    assert!(notes > 5, "{notes} of 30 requests got far enough");
    let entries = || admin.get("/audit?action=incident.action").json()["items"].as_array().unwrap().len();
    wait_for("an entry for every note", 10, || (entries() == notes).then_some(()));
}

#[test]
fn an_incident_of_two_wards_tells_each_only_what_its_own_cameras_saw() {
    let on_the_bridge = |camera: &str, n: u64, severity| {
        let mut seen = event(camera, n, "collision", severity, "car");
        seen.site = Some("bridge".to_owned());
        seen
    };
    let mut first = on_the_bridge("yard", 100, vantage::scene::Severity::Alert);
    (first.rule, first.class) = ("yard-only".to_owned(), Some("bus".to_owned()));
    let more = vec![first, on_the_bridge("gate", 101, vantage::scene::Severity::Warning)];
    let site = Site::start_after(None, more);
    let admin = site.admin();
    let north = site.user(&admin, "n", "operator", Some(&["north"]));
    let shared = |client: &Client, repeats: u32| {
        wait_for("the incident of both", 20, || {
            let list = client.get("/incidents?rule=collision").json();
            list["items"].get(0).filter(|incident| incident["repeats"] == repeats).cloned()
        })
    };
    let whole = shared(&admin, 1);
    assert_eq!((whole["summary"].clone(), whole["cameras"].clone()), (json!("collision 100"), json!(["gate", "yard"])));
    assert_eq!((whole["severity"].clone(), whole["events"].clone()), (json!("alert"), json!(2)));
    // Severity, counts, words and the event that began it are those of what the ward's own camera saw.
    let part = shared(&north, 0);
    assert_eq!((part["id"].clone(), part["cameras"].clone()), (whole["id"].clone(), json!(["gate"])));
    assert_eq!((part["severity"].clone(), part["events"].clone()), (json!("warning"), json!(1)));
    assert_eq!((part["summary"].clone(), part["rules"].clone()), (json!("collision 101"), json!(["collision"])));
    let of_gate = site.events.iter().find(|event| event.explanation.summary == "collision 101").unwrap();
    assert_eq!((&part["first_event"], &part["still"]), (&json!(of_gate.id), &json!(of_gate.still)));
    assert!(part["opened"].as_str() > whole["opened"].as_str() && !part.to_string().contains("yard"), "{part}");
    let alone = north.get(&format!("/incidents/{}", whole["id"].as_str().unwrap())).json();
    assert_eq!((alone["severity"].clone(), alone["event_items"].as_array().unwrap().len()), (json!("warning"), 1));
    // Filters tell it no more than that.
    let found = |client: &Client, query: &str| client.get(&format!("/incidents?{query}")).json()["items"].to_string();
    let id = whole["id"].as_str().unwrap();
    for (query, north_finds_it) in
        [("class=bus", false), ("rule=yard-only", false), ("rule=collision&class=bus", false), ("class=car", true)]
    {
        assert!(found(&admin, query).contains(id), "{query}");
        assert_eq!(found(&north, query).contains(id), north_finds_it, "{query}");
    }
    for (severity, finder, other) in [("alert", &admin, &north), ("warning", &north, &admin)] {
        let query = format!("rule=collision&severity={severity}");
        assert!(found(finder, &query).contains(id) && !found(other, &query).contains(id), "{query}");
    }
}

#[test]
fn lists_page_through_everything_once_and_media_come_in_parts() {
    let site = Site::start(None);
    let admin = site.admin();
    site.incident(&admin, "yard");
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/events?limit=3{cursor}")).json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (16, 16), "every event once");
    let by = |query: &str| admin.get(&format!("/events?{query}")).json()["items"].as_array().unwrap().len();
    let seen = (
        by("camera=gate"),
        by("rule=line_crossing"),
        by("class=truck"),
        by("severity=alert&camera=yard"),
        by("ward=north&class=car"),
    );
    assert_eq!(seen, (8, 14, 2, 1, 7));

    let name = format!("/api/v1/media/{}", site.events[0].still.as_ref().unwrap());
    let whole = admin.send("GET", &name, &[], None);
    assert_eq!((whole.status, whole.header("content-type")), (200, "image/jpeg".to_owned()));
    assert_eq!(whole.header("cache-control"), "private, no-cache", "whether one may see it is asked each time");
    let tag = whole.header("etag");
    assert_eq!(admin.send("GET", &name, &[("if-none-match", &tag)], None).status, 304);
    let part = admin.send("GET", &name, &[("range", "bytes=2-4")], None);
    assert_eq!((part.status, part.body.as_slice()), (206, &b"not"[..]));
    assert_eq!(part.header("content-range"), format!("bytes 2-4/{}", whole.body.len()));
    assert_eq!(admin.send("GET", &name, &[("range", "bytes=9999-")], None).status, 416);
    let head = admin.send("HEAD", &name, &[], None);
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, whole.body.len().to_string()));
    let views = admin.get("/audit?action=media.view").json();
    assert_eq!(views["items"].as_array().unwrap().len(), 1, "a view is told once a minute");

    // The page: from here only, nothing inline.
    let page = admin.send("GET", "/", &[], None);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-cache");
}

/// Messages of the stream: kind, id, data.
fn stream(
    client: &Client,
    address: &str,
    after: &str,
    until: impl Fn(&[(String, String, Value)]) -> bool,
) -> Vec<(String, String, Value)> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let resume = if after.is_empty() { String::new() } else { format!("Last-Event-ID: {after}\r\n") };
    write!(
        socket,
        "GET /api/v1/stream HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\n{resume}\r\n",
        client.cookie.as_ref().unwrap()
    )
    .unwrap();
    let (mut told, mut kind, mut id) = (Vec::new(), String::new(), String::new());
    for line in BufReader::new(socket).lines() {
        let line = line.unwrap();
        if let Some(text) = line.strip_prefix("event: ") {
            kind = text.to_owned();
        } else if let Some(text) = line.strip_prefix("id: ") {
            id = text.to_owned();
        } else if let Some(text) = line.strip_prefix("data: ") {
            told.push((kind.clone(), id.clone(), serde_json::from_str(text).unwrap()));
            if until(&told) {
                break;
            }
        }
    }
    told
}

#[test]
fn the_stream_resumes_without_a_gap_and_tells_each_ward_its_own() {
    let site = Site::start(None);
    let admin = site.admin();
    let south = site.user(&admin, "s", "operator", Some(&["south"]));
    let incident = site.incident(&admin, "gate");
    let events = |told: &[(String, String, Value)]| told.iter().filter(|(kind, ..)| kind == "event").count();

    // From the beginning: all events, in order, and the incidents; each place is where to go on from.
    let all = stream(&admin, &site.address, "0-0", |told| events(told) == 16 && told.iter().any(|m| m.0 == "incident"));
    let middle = all.iter().filter(|m| m.0 == "event").nth(6).unwrap();
    let rest = stream(&admin, &site.address, &middle.1, |told| events(told) == 9);
    let positions: Vec<u64> =
        rest.iter().filter(|m| m.0 == "event").map(|m| m.2["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (8..=16).collect::<Vec<_>>());

    let theirs = stream(&south, &site.address, "0-0", |told| events(told) == 8);
    assert!(theirs.iter().all(|m| !m.2.to_string().contains("\"gate\"")), "{theirs:?}");

    // What somebody does is told to those who look.
    let path = format!("/incidents/{}/actions", incident["id"].as_str().unwrap());
    let place = all.last().unwrap().1.clone();
    assert_eq!(admin.post(&path, &json!({"action": "acknowledge", "version": 0})).status, 200);
    let told = stream(&admin, &site.address, &place, |told| told.iter().any(|m| m.2["state"] == "acknowledged"));
    assert!(told.iter().any(|m| m.0 == "incident" && m.2["id"] == incident["id"]));
}
