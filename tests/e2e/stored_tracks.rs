//! Rules over stored tracks: the same events as live, what other settings change, why and why not.

use std::path::{Path, PathBuf};

use serde_json::Value;
use vantage::scene::{Event, Phase};
use vantage::store::{Store, StoreOptions};

use crate::program::{Said, pipeline, run, street_clip};

/// A clip of the street, its pipeline and its stored tracks.
struct Stored {
    folder: tempfile::TempDir,
    file: PathBuf,
    replayed: Said,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stored(seconds: f64) -> Stored {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", seconds);
    let url = format!("{}\n    starts_at: 2026-03-01T06:30:00Z", clip.display());
    let file = pipeline(folder.path(), "", &[("a", &url)]);
    let tracks = folder.path().join("tracks");
    let replayed = run(&["replay", text(&file), "--tracks", text(&tracks)]).ok();
    Stored { folder, file, replayed }
}

impl Stored {
    fn tracks(&self) -> PathBuf {
        self.folder.path().join("tracks")
    }

    fn backtest(&self, more: &[&str]) -> Said {
        let tracks = self.tracks();
        run(&[&["backtest", text(&self.file), "--tracks", text(&tracks)], more].concat())
    }
}

fn digest(said: &Said) -> String {
    said.stderr.lines().find(|line| line.starts_with("digest sha256:")).unwrap().to_owned()
}

#[test]
fn a_backtest_without_settings_gives_the_replays_bytes() {
    let stored = stored(4.0);
    let again = stored.backtest(&["--events"]).ok();
    assert!(!again.stdout.is_empty());
    assert_eq!(again.stdout, stored.replayed.stdout);
    assert_eq!(digest(&again), digest(&stored.replayed));
    let compared = stored.backtest(&["--json"]).ok().json();
    assert_eq!(compared["changes"], serde_json::json!([]));
    assert_eq!(compared["frames"], 100);
    // Another day's tracks of the same recording are a copy, and told so.
    let twice = run(&["replay", text(&stored.file), "--tracks", text(&stored.tracks())]);
    assert!(!twice.status.success() && twice.stderr.contains("exists already"), "{}", twice.stderr);
}

#[test]
fn settings_show_what_they_change_event_by_event() {
    let stored = stored(4.0);
    let changed = stored.backtest(&["--set", "rules.wait.dwell=2s", "--json"]).ok().json();
    let changes = changed["changes"].as_array().unwrap();
    assert!(!changes.is_empty() && changes.iter().all(|c| c["rule"] == "wait"), "{changed:#}");
    assert!(changes.iter().all(|c| c["change"] == "changed"), "the person waits long enough for both: {changed:#}");
    assert_eq!(changed["total"]["changed"].as_u64().unwrap(), changes.len() as u64);
    let gone = stored.backtest(&["--set", "cameras.a.rules.wait.dwell=60s", "--json"]).ok().json();
    let gone_rows: Vec<&Value> = gone["changes"].as_array().unwrap().iter().filter(|c| c["change"] == "gone").collect();
    assert_eq!(gone["total"]["gone"].as_u64().unwrap(), gone_rows.len() as u64);
    let fewer = stored.backtest(&["--set", "rules.count.classes=[person]", "--json"]).ok().json();
    assert!(fewer["rules"]["a/count"]["gone"].as_u64().unwrap() >= 1, "{fewer:#}");
    let shown = stored.backtest(&["--set", "rules.count.classes=[person]"]).ok();
    assert!(shown.stdout.lines().any(|line| line.starts_with("- ") && line.contains("count")), "{}", shown.stdout);
    // A part of the time: the crossing in the middle of the clip lies outside.
    let early = stored.backtest(&["--events", "--to", "2026-03-01T06:30:01Z"]).ok();
    assert!(early.lines().iter().all(|e| e["kind"] != "line_crossing"), "{}", early.stdout);
}

#[test]
fn settings_and_tracks_that_do_not_fit_are_refused() {
    let stored = stored(2.0);
    for (set, code, words) in [
        ("rules.wiat.dwell=2s", 78, &["no rule", "wait"][..]),
        ("rules.wait.dwel=2s", 78, &["did you mean", "dwell"][..]),
        ("rules.wait.dwell=soon", 78, &["--set rules.wait.dwell=soon"][..]),
        ("rules.wait.zone=nowhere", 78, &["nowhere"][..]),
        ("rules.count.classes=[horse]", 78, &["horse"][..]),
        ("track.lost_for=2s", 2, &["only parameters of rules"][..]),
    ] {
        let said = stored.backtest(&["--set", set]);
        assert_eq!(said.status.code(), Some(code), "{set}: {}", said.stderr);
        assert!(words.iter().all(|word| said.stderr.contains(word)), "{set}: {}", said.stderr);
    }
    let other = pipeline(stored.folder.path(), "", &[("b", "rtsp://127.0.0.1:9/none")]);
    let said = run(&["backtest", text(&other), "--tracks", text(&stored.tracks())]);
    assert_eq!(said.status.code(), Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("camera a") && said.stderr.contains("a=b"), "{}", said.stderr);
    let mapped =
        run(&["backtest", text(&other), "--tracks", text(&stored.tracks()), "--camera-map", "a=b", "--events"]);
    let mapped = mapped.ok().lines();
    assert!(!mapped.is_empty() && mapped.iter().all(|event| event["camera"] == "b"));
    let none = run(&["backtest", text(&other)]);
    assert!(!none.status.success() && none.stderr.contains("no tracks are stored"), "{}", none.stderr);
}

#[test]
fn tracks_of_other_classes_are_refused() {
    let stored = stored(2.0);
    let labels = stored.folder.path().join("labels.txt");
    std::fs::write(&labels, "car\ntruck\ntram\n").unwrap();
    let text_of = std::fs::read_to_string(&stored.file).unwrap();
    let other = text_of.replacen("{path:", &format!("{{labels: {}, path:", labels.display()), 1);
    let other = other.replace("person", "tram");
    std::fs::write(&stored.file, other).unwrap();
    let said = stored.backtest(&[]);
    assert!(!said.status.success(), "{}", said.stdout);
    assert!(said.stderr.contains("other classes") || said.stderr.contains("class"), "{}", said.stderr);
}

#[test]
fn why_not_tells_how_far_every_rule_was_from_firing() {
    let stored = stored(4.0);
    let (file, tracks) = (text(&stored.file), stored.tracks());
    let ask = |more: &[&str]| run(&[&["why-not", file, "--camera", "a", "--tracks", text(&tracks)], more].concat());
    let early = ask(&["--at", "0.6s", "--json"]).ok().json();
    let rule =
        |said: &Value, id: &str| said["rules"].as_array().unwrap().iter().find(|r| r["rule"] == id).cloned().unwrap();
    let wait = rule(&early, "wait");
    let lacking = |rule: &Value| {
        let tracks = rule["nearest"].as_array().unwrap().clone();
        tracks.iter().flat_map(|t| t["conditions"].as_array().unwrap().clone()).filter(|c| c["met"] == false).count()
    };
    assert!(lacking(&wait) >= 1, "half a second is no second: {wait:#}");
    let late = ask(&["--at", "2026-03-01T06:30:02.5Z", "--json"]).ok().json();
    assert!(!rule(&late, "wait")["firing"].as_array().unwrap().is_empty(), "{late:#}");
    let shown = ask(&["--at", "0.6s", "--rule", "wait"]).ok();
    assert!(shown.stdout.contains("LACKING"), "{}", shown.stdout);
    let outside = ask(&["--at", "2027-01-01T00:00:00Z"]);
    assert!(!outside.status.success() && outside.stderr.contains("2026-03-01T06:30:00Z"), "{}", outside.stderr);
    let unknown = ask(&["--at", "1s", "--rule", "waits"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", unknown.stderr);
}

#[test]
fn why_not_says_which_rules_rest_and_until_when() {
    let stored = stored(4.0);
    let tracks = stored.tracks();
    let plain = std::fs::read_to_string(&stored.file).unwrap();
    let shop = stored.folder.path().join("store");
    let ask = |pipeline: &str, more: &[&str]| {
        std::fs::write(&stored.file, pipeline).unwrap();
        let command = ["why-not", text(&stored.file), "--camera", "a", "--tracks", text(&tracks)];
        run(&[&command[..], more].concat()).ok()
    };
    let rests = |said: &Said, id: &str| {
        let said = said.json();
        let rule = said["rules"].as_array().unwrap().iter().find(|r| r["rule"] == id).cloned().unwrap();
        rule["rests"].clone()
    };
    let json = ["--at", "2.5s", "--json"];
    assert_eq!(rests(&ask(&plain, &json), "wait"), serde_json::json!([]));
    // Outside its hours; after a start; while somebody works at the camera.
    let hours = "classes: [person], schedule: {active: [{from: '07:00', to: '09:00'}]}}";
    let shut = plain.replace("classes: [person]}", hours);
    let said = rests(&ask(&shut, &json), "wait");
    assert_eq!((&said[0]["why"], &said[0]["until"]), (&"schedule".into(), &"2026-03-01T07:00:00Z".into()), "{said}");
    let shown = ask(&shut, &["--at", "2.5s"]).stdout;
    assert!(shown.contains("RESTS") && shown.contains("until 2026-03-01T07:00:00Z"), "{shown}");
    let cool = plain.replace("classes: [person]}", "classes: [person], cooldown: 60s}");
    let said = rests(&ask(&cool, &json), "wait");
    assert_eq!(said[0]["why"], "cooldown", "{said}");
    assert!(said[0]["until"].as_str().unwrap().starts_with("2026-03-01T06:31:0"), "{said}");
    let window = "    maintenance: [{from: 2026-03-01T06:00:00Z, to: 2026-03-01T06:45:00Z}]\n    zones:";
    let said = rests(&ask(&plain.replace("    zones:", window), &json), "count");
    assert_eq!((&said[0]["why"], &said[0]["until"]), (&"maintenance".into(), &"2026-03-01T06:45:00Z".into()), "{said}");
    // What the pictures showed is in the store: tracks come without them.
    let with_store = plain.replacen("version: 1\n", &format!("version: 1\nstore: {{path: {}}}\n", shop.display()), 1);
    covered(&shop, &stored, "2026-03-01T06:30:01Z", "2026-03-01T06:30:03Z");
    let said = rests(&ask(&with_store, &json), "wait");
    assert_eq!((&said[0]["why"], &said[0]["until"]), (&"covered".into(), &"2026-03-01T06:30:03Z".into()), "{said}");
    assert_eq!(rests(&ask(&with_store, &["--at", "3.5s", "--json"]), "wait"), serde_json::json!([]));
}

/// Stores that the view was covered in that time.
fn covered(store: &Path, stored: &Stored, from: &str, to: &str) {
    let like: Event = serde_json::from_value(stored.replayed.lines()[0].clone()).unwrap();
    let record = |revision: u32, phase, at: &str| {
        let mut event = like.clone();
        (event.revision, event.phase) = (revision, phase);
        (event.rule, event.kind) = ("unfit".to_owned(), "camera_unfit".to_owned());
        event.time.utc = at.parse().unwrap();
        event.explanation.measured = [("fault".to_owned(), Value::from("covered"))].into();
        event
    };
    let open = Store::open(store, StoreOptions::default()).unwrap();
    open.writer().submit(vec![record(0, Phase::Start, from), record(1, Phase::End, to)], 0).unwrap();
    open.flush().unwrap();
    open.close();
}

#[test]
fn a_killed_replay_leaves_tracks_up_to_its_last_block() {
    let folder = tempfile::tempdir().unwrap();
    let clip = street_clip(folder.path(), "street", 40.0);
    let file = pipeline(folder.path(), "", &[("a", clip.to_str().unwrap())]);
    let tracks = folder.path().join("tracks");
    let mut child = crate::program::command()
        .args(["replay", text(&file), "--tracks", text(&tracks)])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let size = || {
        let files = std::fs::read_dir(tracks.join("a")).into_iter().flatten().flatten();
        files.map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    crate::program::wait_for("block", 60, || (size() > 1000 || child.try_wait().unwrap().is_some()).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let said = run(&["backtest", text(&file), "--tracks", text(&tracks), "--json"]).ok().json();
    let frames = said["frames"].as_u64().unwrap();
    assert!(frames >= 250, "a whole block: {said:#}");
}

#[test]
fn the_events_do_not_hang_on_threads_and_the_digest_says_on_what() {
    let stored = stored(3.0);
    let file = text(&stored.file);
    let runs = ["1", "2"].map(|threads| run(&["replay", file, "--threads", threads, "--report"]).ok());
    for said in &runs {
        assert_eq!(said.stdout, stored.replayed.stdout);
        assert_eq!(digest(said), digest(&stored.replayed));
        let last = said.stderr.lines().rfind(|line| line.starts_with('{')).unwrap();
        let report: Value = serde_json::from_str(last).unwrap();
        let made = &report["made_with"];
        assert!(made["cpu"].as_str().unwrap().starts_with(std::env::consts::ARCH), "{made}");
        assert!(made["onnx_runtime"].as_str().unwrap().starts_with("1."), "{made}");
        let model = stored.replayed.lines()[0]["explanation"]["model"].clone();
        assert_eq!(made["models"]["default"], model);
        assert!(
            said.stderr.contains("made with vantage") && said.stderr.contains("ONNX Runtime 1."),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn an_annotated_video_shows_the_boxes() {
    let stored = stored(2.0);
    let video = stored.folder.path().join("out.mp4");
    run(&["replay", text(&stored.file), "--annotate", text(&video)]).ok();
    // Every analysed picture is in it, as long as the clip, and can be read as any recording.
    let again = stored.folder.path().join("again");
    std::fs::create_dir(&again).unwrap();
    let file = pipeline(&again, "", &[("a", text(&video))]);
    let said = run(&["replay", text(&file), "--report"]).ok();
    let report: Value = serde_json::from_str(said.stderr.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!(report["accounting"]["frames"]["decoded"], 50, "{report}");
}

#[test]
fn a_live_cameras_tracks_give_its_events_again_and_why_explains_one() {
    let site = crate::live::Site::new();
    let clip = street_clip(site.folder.path(), "street", 4.0);
    let server = crate::live::serve(&clip, 0);
    let head = format!("server: {{listen: '{}'}}\ntracks: {{keep: {{days: 1}}}}", site.address);
    let file = pipeline(site.folder.path(), &head, &[("gate", &server.url("/cam"))]);
    let mut program = crate::program::Running::start(&file);
    crate::program::wait_for("a crossing", 60, || program.stdout.lock().unwrap().contains("count").then_some(()));
    program.stop();
    let mut live = site.stored();
    let still = live.iter().find(|event| event["still"].is_string()).cloned().expect("an event with a still");
    let again = run(&["backtest", text(&file), "--events"]).ok();
    let mut again = again.lines();
    for event in live.iter_mut().chain(&mut again) {
        // Stills and clips are made of pictures, which a backtest has none of.
        event.as_object_mut().unwrap().retain(|key, _| !["still", "clean_still", "clip"].contains(&key.as_str()));
    }
    assert!(!live.is_empty());
    assert_eq!(live, again);

    let id = still["id"].as_str().unwrap();
    let store = site.folder.path().join("vantage-data");
    let why = run(&["why", &id[..8], "--store", text(&store)]).ok().stdout;
    for part in [id, still["explanation"]["summary"].as_str().unwrap(), "held against", "frame ", ".jpg", ", by "] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let model = still["explanation"]["model"].as_str().unwrap();
    assert!(why.contains(model), "{why}");
    let by_file = run(&["why", id, "--store", text(&file)]).ok().stdout;
    assert!(by_file.contains("as the file is now"), "{by_file}");
    let json = run(&["why", id, "--store", text(&store), "--json"]).ok().json();
    assert_eq!(json["id"], id);
    let shown = json["media"].as_array().unwrap();
    assert!(!shown.is_empty() && shown.iter().all(|file| file["kept"] == true), "{json}");
    let mut wrong = id.to_owned();
    wrong.replace_range(9..11, if &id[9..11] == "00" { "11" } else { "00" });
    let unknown = run(&["why", &wrong, "--store", text(&store)]);
    assert_eq!(unknown.status.code(), Some(1), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("did you mean") && unknown.stderr.contains(id), "{}", unknown.stderr);
    let nonsense = run(&["why", "nonsense", "--store", text(&store)]);
    assert_eq!(nonsense.status.code(), Some(2), "{}", nonsense.stderr);
}
