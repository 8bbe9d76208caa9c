//! A canary password is put everywhere a password can be, rightly and wrongly; nothing that is shown may hold it.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

mod config_support;

use config_support::{REGISTRY, camera, compile, model, top};
use vantage::base::Error;
use vantage::config::{self, Plan, Provider};

const CANARY: &str = "Canary7#Bird";
/// Without what must be escaped in a URL.
const PLAIN: &str = "CanaryBird77";

fn check(what: &str, shown: &str) {
    for secret in [CANARY, PLAIN, "CanaryBird", "Canary7"] {
        assert!(!shown.contains(secret), "{what} shows the secret:\n{shown}");
    }
}

fn check_answer(what: &str, text: &str) {
    match compile(text) {
        Ok(loaded) => {
            check(what, &format!("{loaded:?} {:#?}", loaded.plan));
            check(what, &loaded.plan.normal_form().to_string());
            check(what, &config::render(&loaded.warnings, false));
            check(what, &config::render(&loaded.warnings, true));
            for warning in &loaded.warnings {
                check(what, &format!("{warning} {warning:?} {}", warning.to_json()));
            }
        }
        Err(report) => {
            check(what, &format!("{report} {report:?} {report:#?} {}", report.to_json()));
            check(what, &report.render(true));
            let error = Error::from(report);
            check(what, &format!("{error} {error:?} {:?}", error.advice()));
        }
    }
}

#[test]
fn no_answer_shows_a_password() {
    let with = |login: &str| login.replace("PW", PLAIN);
    let texts = [
        camera(&with("url: rtsp://admin:PW@h/a")),
        camera(&with("url: rtsp://admin:PW@h/a\nlatency: 5")),
        camera(&with("url: rtsp://admin:PW@h:99999/a")),
        camera(&with("url: rtps://admin:PW@h/a")),
        camera(&with("url: admin:PW@h/a")),
        camera(&with("url: \"rtsp://admin:PW@h/a")),
        camera(&with("url: rtsp://admin:1/PW@h/a")),
        camera(&with("url: rtsp://admin:1#PW@h/a")),
        camera(&with("url: rtsp://admin:x PW@h/a\nlatency: 5")),
        camera(&with("url: [rtsp://admin:PW@h/a]")),
        camera(&with("url: {rtsp://admin:PW@h/a: 1}")),
        camera(&with("rtsp://admin:PW@h/a: 1")),
        camera(&with("? rtsp://admin:PW@h/a\n: 1")),
        camera(&with("url: http://h/a?user=x&password=PW\nlatency: 5s")),
        camera(&with("url: http://h/a?token=PW")),
        camera(&with("streams: {analysis: rtsp://a:PW@h/a, evidence: rtsp://b:PW@h/b, x: 1}")),
        camera(&with("streams: {analysis: a.mp4, evidence: rtsp://b:PW@h/b}")),
        camera(&with("url: rtsp://h/a\nusername: admin\npassword: PW")),
        camera(&with("url: rtsp://h/a\npassword:\n  - PW")),
        camera(&with("url: rtsp://h/a\npassword: |\n  PW\n  PW")),
        camera(&with("url: rtsp://h/a\nusername: admin\npassword_env: PW-and-more")),
        camera(&with("url: rtsp://h/a\nusername: admin\nlogin: rtsp://x:PW@y")),
        camera(&with("url: rtsp://u:PW@h/a\nusername: admin")),
        camera(&with("url: rtsp://u:PW@h/a\nusername: admin\npassword_env: GATE_PASSWORD")),
        camera(&with("url: rtsp://u:PW@h/a\nmodel: rtsp://u:PW@h/a")),
        camera(&with("url: rtsp://u:PW@h/a\nmodel: &x rtsp://u:PW@h/a\nurl: *x")),
        camera(&with("url: rtsp://u:PW@h/a\nrules: [{id: r, type: 'rtsp://u:PW@h'}]")),
        model(&with("family: rtsp://u:PW@h")),
        top(&with("sinks: [{id: a, type: jsonl, path: x, token: PW}]")),
        top(&with("sinks: [{id: a, type: jsonl, path: x, url: 'https://u:PW@h'}]")),
        top(&with("server: {listen: 'u:PW@h'}")),
        camera(&format!("url: \"rtsp://admin:{CANARY}@h/a\"")),
        camera(&format!("url: rtsp://h/a\npassword: \"{CANARY}\"")),
    ];
    for text in &texts {
        check_answer(text, text);
    }
}

#[test]
fn passwords_from_elsewhere_stay_in_the_plan() {
    let text = camera("url: rtsp://h/a\nusername: admin\npassword_env: GATE");
    let folder = std::path::Path::new("/etc");
    let loaded = config::compile(&text, "x", folder, &REGISTRY, &|_| Some(CANARY.into())).unwrap();
    check("plan", &format!("{loaded:?} {:#?} {}", loaded.plan, loaded.plan.normal_form()));
    assert!(format!("{loaded:?}").contains("as admin"));
    let bad =
        config::compile(&format!("{text}    x: 1\n"), "x", folder, &REGISTRY, &|_| Some(CANARY.into())).unwrap_err();
    check("report", &format!("{bad} {bad:?} {}", bad.to_json()));
}

#[test]
fn the_command_line_keeps_it_too() {
    for url in ["rtps://admin:CanaryBird77@h/a", "rtsp://admin:CanaryBird77@h:99999/a", "rtsp://admin:CanaryBird77@h/a"]
    {
        let plan = Plan::for_camera_url(url, "m".as_ref(), None, Provider::Cpu, "/".as_ref(), &REGISTRY);
        check(url, &format!("{plan:?}"));
    }
}
