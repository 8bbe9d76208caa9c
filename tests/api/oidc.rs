//! Login by a real OpenID provider (`tests/oidc/provider.mjs`), as a browser goes through it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::ports::free_port;
use crate::program::{Running, run, tiny, wait_for};
use crate::site::{Answer, Client};

/// The provider; it ends with its input.
struct Provider {
    child: Child,
    issuer: String,
}

impl Provider {
    fn start(redirect: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let node = root.join("web/node_modules/.bin/node");
        assert!(node.exists(), "{} is not there: run scripts/page.sh install", node.display());
        let mut child = Command::new(node)
            .args([root.join("tests/oidc/provider.mjs").to_str().unwrap(), redirect])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let issuer = lines.find(|line| line.starts_with("http://")).expect("the provider's address");
        Self { child, issuer }
    }

    /// Says who logs in next, and what is wrong with the token.
    fn set(&self, user: &str, bad: &str) {
        let answer =
            Browser::default().get(&format!("{}/test?user={}&bad={bad}", self.issuer, user.replace(' ', "%20")));
        assert_eq!(answer.text(), "ok");
    }

    fn stop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A browser: cookies by port and path, redirects by hand.
#[derive(Default)]
struct Browser {
    /// By origin, path and name.
    cookies: BTreeMap<[String; 3], String>,
}

impl Browser {
    fn get(&mut self, address: &str) -> Answer {
        let origin = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let mut client = Client::new(origin.trim_start_matches("http://"));
        client.agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent();
        let path = address.strip_prefix(&origin).unwrap();
        let own = self.cookies.iter().filter(|([of, below, _], _)| *of == origin && path.starts_with(below.as_str()));
        let cookies: Vec<String> = own.map(|([_, _, name], value)| format!("{name}={value}")).collect();
        let joined = cookies.join("; ");
        let headers = [("cookie", joined.as_str())];
        let answer = client.send("GET", path, if cookies.is_empty() { &[] } else { &headers }, None);
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let below = parts.find_map(|part| part.to_lowercase().starts_with("path=").then(|| part[5..].to_owned()));
            let key = [origin.clone(), below.unwrap_or_else(|| "/".to_owned()), name.to_owned()];
            if value.is_empty() {
                drop(self.cookies.remove(&key))
            } else {
                drop(self.cookies.insert(key, value.to_owned()))
            }
        }
        answer
    }

    /// Follows redirects until an address for which `stop` says so has been asked, or one that redirects no more. Gives the
    /// addresses that were gone to, the last one not asked when it is the callback and `stop` is true for it.
    fn follow(&mut self, address: &str, stop: impl Fn(&str) -> bool) -> Vec<String> {
        let mut way = vec![address.to_owned()];
        for _ in 0..12 {
            let here = way.last().unwrap().clone();
            if stop(&here) {
                return way;
            }
            let answer = self.get(&here);
            if !(300..400).contains(&answer.status) {
                return way;
            }
            let origin = here.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
            let to = answer.header("location");
            way.push(if to.starts_with('/') { format!("{origin}{to}") } else { to });
        }
        panic!("it goes round and round: {way:#?}");
    }
}

struct World {
    base: String,
    provider: Provider,
    program: Running,
    folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let base = format!("http://{address}");
        let provider = Provider::start(&format!("{base}/api/v1/session/oidc/callback"));
        std::fs::write(folder.path().join("secret"), "the secret of the client, long enough for HS256\n").unwrap();
        let text = format!(
            "version: 1\nserver:\n  listen: '{address}'\n  authentication:\n    oidc:\n      issuer: {}\n      client_id: vantage\n      \
             client_secret_file: ./secret\n      page_url: {base}\n      name: Công ty\n      grants:\n        \
             - {{group: chiefs, role: administrator}}\n        - {{group: north, role: operator, wards: [north]}}\n\
             models: {{default: {{path: {}}}}}\ncameras:\n  - {{id: gate, ward: north, url: 'rtsp://127.0.0.1:1/x'}}\n  \
             - {{id: yard, ward: south, url: 'rtsp://127.0.0.1:1/x'}}\n",
            provider.issuer,
            serde_json::to_string(&tiny()).unwrap(),
        );
        let file = folder.path().join("pipeline.yaml");
        std::fs::write(&file, text).unwrap();
        let program = Running::start(&file);
        wait_for("the page", 30, || program.log().contains("one-time password").then_some(()));
        Self { base, provider, program, folder }
    }

    /// Goes the whole way as somebody; the last address, and the browser.
    fn log_in(&self, user: &str, bad: &str) -> (String, Browser) {
        self.provider.set(user, bad);
        let mut browser = Browser::default();
        let way = browser.follow(&format!("{}/api/v1/session/oidc", self.base), |_| false);
        (way.last().unwrap().clone(), browser)
    }

    fn session(&self, browser: &mut Browser) -> (u16, Value) {
        let answer = browser.get(&format!("{}/api/v1/session", self.base));
        (answer.status, answer.json())
    }

    /// The administrator with the password.
    fn admin(&self) -> Client {
        let log = self.program.log();
        let line = log.lines().find(|line| line.starts_with("first login")).unwrap();
        Client::new(self.base.trim_start_matches("http://")).log_in("admin", line.rsplit(' ').next().unwrap())
    }
}

#[test]
fn who_is_in_a_group_gets_in_with_its_role_and_a_token_that_is_wrong_in_anything_lets_nobody_in() {
    let mut world = World::start();
    let methods = Browser::default().get(&format!("{}/api/v1/session/methods", world.base)).json();
    assert_eq!(methods, json!({"password": true, "oidc": {"name": "Công ty"}}));

    // The request: code flow with PKCE, state and nonce; nothing of them twice.
    let mut asked = Vec::new();
    for _ in 0..2 {
        let answer = Browser::default().get(&format!("{}/api/v1/session/oidc", world.base));
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        asked.push(answer.header("location"));
    }
    for part in ["response_type=code&", "code_challenge_method=S256", "scope=openid+profile", "client_id=vantage&"] {
        assert!(asked[0].contains(part), "{part} in {}", asked[0]);
    }
    let value = |address: &str, name: &str| {
        let all = address.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned));
        all.unwrap_or_else(|| panic!("{name} in {address}"))
    };
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(value(&asked[0], name), value(&asked[1], name));
    }

    // Good logins: role and wards by group, from the provider's user information.
    let (end, mut an) = world.log_in("an", "");
    assert_eq!(end, format!("{}/", world.base), "{}", world.program.log());
    let (status, session) = world.session(&mut an);
    assert_eq!(
        (status, &session["user"], &session["role"], &session["wards"]),
        (200, &json!("an"), &json!("administrator"), &Value::Null)
    );
    assert_eq!(session["must_change_password"], false);
    let (_, mut binh) = world.log_in("binh", "");
    let (_, session) = world.session(&mut binh);
    assert_eq!((&session["role"], &session["wards"]), (&json!("operator"), &json!(["north"])));
    let cameras = binh.get(&format!("{}/api/v1/cameras", world.base)).text();
    assert!(cameras.contains("gate") && !cameras.contains("yard"), "{cameras}");

    // Refused: nobody comes to be.
    for (user, bad, word) in [
        ("chi", "", "unmapped"),
        ("admin", "", "name"),
        ("an other", "", "name"),
        ("an", "denied", "provider"),
        ("an", "audience", "token"),
        ("an", "issuer", "token"),
        ("an", "expired", "token"),
        ("an", "nonce", "token"),
        ("an", "subjectless", "token"),
        ("an", "key", "token"),
        ("an", "secret", "token"),
        ("an", "none", "token"),
    ] {
        let (end, mut browser) = world.log_in(user, bad);
        assert_eq!(end, format!("{}/?refused={word}", world.base), "{user} {bad}: {}", world.program.log());
        assert_eq!(world.session(&mut browser).0, 401, "{user} {bad}");
    }

    // The way back serves once, and only the browser that began it.
    world.provider.set("an", "");
    let is_callback = |address: &str| address.contains("/oidc/callback?");
    let begin = format!("{}/api/v1/session/oidc", world.base);
    let mut first = Browser::default();
    let callback = first.follow(&begin, is_callback).pop().unwrap();
    let refused = format!("{}/?refused=state", world.base);
    let mut thief = Browser::default();
    assert_eq!(thief.get(&callback).header("location"), refused, "another browser");
    assert_eq!(first.get(&callback).header("location"), refused, "it was used up by the other one");
    let mut second = Browser::default();
    let callback = second.follow(&begin, is_callback).pop().unwrap();
    let kept = second.cookies.clone();
    assert_eq!(second.get(&callback).header("location"), format!("{}/", world.base));
    second.cookies = kept;
    assert_eq!(second.get(&callback).header("location"), refused, "replayed");
    let made_up = format!("{}/api/v1/session/oidc/callback?code=x&state=made-up", world.base);
    assert_eq!(second.get(&made_up).header("location"), refused);

    // A password does not open such a user, nor can one be given; shut out is shut out, and logging out ends the session.
    let admin = world.admin();
    let users = admin.get("/users").text();
    assert!(users.contains("\"an\"") && users.contains("\"binh\"") && !users.contains("chi"), "{users}");
    for password in ["", "a password that is long"] {
        assert_eq!(Client::new(world.base.trim_start_matches("http://")).enter("binh", password).status, 401);
    }
    let patch =
        |user: &str, body: Value| admin.send("PATCH", &format!("/api/v1/users/{user}"), &[], Some(&body)).status;
    assert_eq!(patch("binh", json!({"reset_password": true})), 422);
    assert_eq!(patch("binh", json!({"disabled": true})), 200);
    assert_eq!(world.session(&mut binh).0, 401);
    assert!(world.log_in("binh", "").0.ends_with("/?refused=disabled"));
    let (_, session) = world.session(&mut an);
    let cookie =
        format!("vantage_session={}", an.cookies[&[world.base.clone(), "/".to_owned(), "vantage_session".to_owned()]]);
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", session["csrf"].as_str().unwrap())];
    let anybody = Client::new(world.base.trim_start_matches("http://"));
    assert_eq!(anybody.send("DELETE", "/api/v1/session", &headers, None).status, 204);
    assert_eq!(world.session(&mut an).0, 401);

    // All of it is in the trail.
    let trail = admin.get("/audit?limit=200").json();
    let rows: Vec<String> = trail["items"].as_array().unwrap().iter().map(Value::to_string).collect();
    for parts in [
        ["\"user.create\"", "subject id-an: administrator"],
        ["\"login\"", "subject id-binh"],
        ["\"login.refused\"", "oidc unmapped"],
    ] {
        assert!(rows.iter().any(|row| parts.iter().all(|part| row.contains(part))), "{parts:?} in {rows:#?}");
    }
    let store = world.folder.path().join("vantage-data");
    run(&["audit", "verify", "--store", store.to_str().unwrap()]).ok();

    // A provider that is gone is said to be.
    let mut last = Browser::default();
    let callback = last.follow(&begin, is_callback).pop().unwrap();
    world.provider.stop();
    assert_eq!(last.get(&callback).header("location"), format!("{}/?refused=unavailable", world.base));
    world.program.stop();
}
