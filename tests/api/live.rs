//! Live pictures, and drawing on them: real footage, a real WebSocket.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};
use vantage::serve::{CameraServer, ServedClip};

use crate::program::{run, street_clip, wait_for};
use crate::site::{Client, Site};

fn serve(clip: &Path) -> CameraServer {
    CameraServer::start(&[ServedClip::looping(clip, "/cam")], "127.0.0.1:0".parse().unwrap()).unwrap()
}

struct Live(WebSocket<MaybeTlsStream<TcpStream>>);

/// A message: its header, and what follows.
type Told = (Value, Vec<u8>);

impl Live {
    fn open(site: &Site, client: &Client, origin: &str) -> Result<Self, u16> {
        let mut request = format!("ws://{}/api/v1/live", site.address).into_client_request().unwrap();
        request.headers_mut().insert("cookie", client.cookie.as_ref().unwrap().parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match tungstenite::connect(request) {
            Ok((socket, _)) => {
                if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                }
                Ok(Self(socket))
            }
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, wish: &Value) {
        self.0.send(Message::text(wish.to_string())).unwrap();
    }

    /// The next message of one of these kinds; those of others are passed over.
    fn next(&mut self, kinds: &[&str]) -> Told {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing of {kinds:?} comes");
            let told = match self.0.read().unwrap() {
                Message::Text(text) => (serde_json::from_str(text.as_str()).unwrap(), Vec::new()),
                Message::Binary(bytes) => {
                    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
                    (serde_json::from_slice(&bytes[4..4 + length]).unwrap(), bytes[4 + length..].to_vec())
                }
                _ => continue,
            };
            let told: Told = told;
            if kinds.contains(&told.0["kind"].as_str().unwrap()) {
                return told;
            }
        }
    }
}

#[test]
fn tiles_carry_pictures_with_what_is_in_them_and_the_focus_plays() {
    let clips = tempfile::tempdir().unwrap();
    let server = serve(&street_clip(clips.path(), "street", 4.0));
    let mut site = Site::start(Some(&server.url("/cam")));
    let admin = site.admin();
    let south = site.user(&admin, "s", "viewer", Some(&["south"]));
    let own = format!("http://{}", site.address);

    assert_eq!(Live::open(&site, &admin, "http://elsewhere.example").err(), Some(403), "another page's WebSocket");
    assert_eq!(
        Live::open(&site, &Client { cookie: Some("vantage_session=x".into()), ..admin.clone() }, &own).err(),
        Some(401)
    );

    let mut live = Live::open(&site, &admin, &own).unwrap_or_else(|status| panic!("{status}"));
    let tiles = json!([{"camera": "gate", "width": 160, "mode": "live"}]);
    live.ask(&json!({"tiles": tiles}));
    let seen =
        (0..200).map(|_| live.next(&["tile"])).find(|(header, _)| !header["objects"].as_array().unwrap().is_empty());
    let (header, jpeg) = seen.expect("a tile with an object");
    let picture = image::load_from_memory(&jpeg).unwrap();
    assert_eq!((picture.width(), picture.height()), (160, 90));
    assert_eq!((header["width"].clone(), header["camera"].clone()), (json!(320), json!("gate")));
    let object = &header["objects"][0];
    assert!(object["class"].is_string() && object["box"].as_array().unwrap().len() == 4, "{object}");

    // Passthrough: an MP4 that a decoder opens, on the timeline of the objects. Asked for once the tiles have been looked at:
    // whatever comes meanwhile is passed over.
    live.ask(&json!({"tiles": tiles, "focus": "gate"}));
    let (init, mut file) = live.next(&["init"]);
    assert!(init["mime"].as_str().unwrap().starts_with("video/mp4; codecs=\"avc1."), "{init}");
    let mut last = i64::MIN;
    for _ in 0..25 {
        let (segment, bytes) = live.next(&["segment"]);
        let pts = segment["pts_ns"].as_i64().unwrap();
        assert!(pts > last && pts >= init["pts_ns"].as_i64().unwrap(), "{segment} after {last}");
        last = pts;
        file.extend(bytes);
    }
    let (objects, _) = live.next(&["objects"]);
    assert!((objects["pts_ns"].as_i64().unwrap() - last).abs() < 5_000_000_000, "{objects} against {last}");
    let path = clips.path().join("focus.mp4");
    std::fs::write(&path, &file).unwrap();
    let report = run(&["probe", path.to_str().unwrap(), "--json", "--seconds", "0.5"]).ok().json();
    assert!(report["decode"]["pictures"].as_u64().unwrap_or(0) >= 5, "{report}");

    // What makes no sense is said, and the connection goes on.
    live.ask(&json!({"tiles": "all"}));
    assert!(live.next(&["error"]).0["detail"].is_string());
    live.0.send(Message::binary(vec![0xff; 100])).unwrap();
    live.next(&["error"]);
    live.ask(&json!({"tiles": [{"camera": "gate", "width": 100, "mode": "live"}]}));
    while live.next(&["tile"]).0["tile_width"] != 100 {}

    // Another ward's viewer gets no picture; the still is refused as well.
    let mut theirs = Live::open(&site, &south, &own).unwrap_or_else(|status| panic!("{status}"));
    theirs.ask(&json!({"tiles": [{"camera": "gate", "width": 160, "mode": "live"}], "focus": "gate"}));
    let told: Vec<Told> = (0..2).map(|_| theirs.next(&["tile", "init", "error", "objects"])).collect();
    assert!(told.iter().all(|(header, _)| header["kind"] == "error"), "{told:?}");

    // A message that is too large ends the connection, and nothing else.
    let _ = theirs.0.send(Message::text("x".repeat(1 << 20)));
    while theirs.0.read().is_ok() {}
    let still = admin.get("/cameras/gate/still?width=200");
    assert_eq!((still.status, image::load_from_memory(&still.body).unwrap().width()), (200, 200));

    // The camera goes, and it is told.
    drop(server);
    wait_for("the loss", 20, || (live.next(&["state", "tile"]).0["state"] == "lost").then_some(()));
    site.program.stop();
}

#[test]
fn a_line_is_drawn_and_counts_and_two_who_draw_do_not_overwrite_each_other() {
    let clips = tempfile::tempdir().unwrap();
    let server = serve(&street_clip(clips.path(), "street", 4.0));
    let site = Site::start(Some(&server.url("/cam")));
    let admin = site.admin();
    let before = std::fs::read_to_string(&site.file).unwrap();
    let put = |what: &str, tag: &str, body: &Value| {
        admin.send("PUT", &format!("/api/v1/cameras/gate/{what}"), &[("if-match", tag)], Some(body))
    };
    wait_for("pictures", 20, || (admin.get("/cameras/gate").json()["state"] == "running").then_some(()));

    // Two tabs read the same scene; the second to save is told.
    let read = admin.get("/cameras/gate/scene");
    let (tag, mut scene) = (read.header("etag"), read.json());
    assert_eq!(scene["lines"][0]["id"], "middle");
    scene["lines"].as_array_mut().unwrap().push(json!({"id": "drawn", "points": [[0.6, 1.0], [0.6, 0.0]]}));
    assert!(scene["ground"].is_null());
    let saved = put("scene", &tag, &scene);
    assert_eq!(saved.status, 200, "{}", saved.text());
    let late = put("scene", &tag, &scene);
    assert_eq!((late.status, late.json()["current"]["lines"].as_array().unwrap().len()), (412, 2));
    assert_eq!(put("scene", "", &scene).status, 412);

    // What `check` would refuse is refused, at its field, and nothing changes.
    let mut bad = scene.clone();
    bad["zones"].as_array_mut().unwrap().push(json!({"id": "two", "points": [[0.1, 0.1], [0.5, 0.5]]}));
    let tag = saved.header("etag");
    let refused = put("scene", &tag, &bad);
    assert_eq!((refused.status, refused.json()["field"].clone()), (422, json!("zones[1]")), "{}", refused.text());

    // A rule on the new line: tried first, then in force, then it counts.
    let rules = admin.get("/cameras/gate/rules");
    let mut items = rules.json();
    let rule = json!({"id": "drawn-count", "type": "line_crossing", "line": "drawn", "classes": ["car"]});
    items["items"].as_array_mut().unwrap().push(rule.clone());
    let preview = wait_for("stored tracks", 40, || {
        let asked = admin.post("/cameras/gate/preview", &json!({"rule": rule, "minutes": 5}));
        let seen = asked.json();
        let enough = seen["counts"]["drawn-count"].is_object() && seen["observed_seconds"].as_f64() > Some(1.0);
        enough.then_some(seen)
    });
    assert!(preview["frames"].as_u64().unwrap() > 10, "{preview}");
    let nonsense = json!({"items": [{"id": "x", "type": "line_crossing", "line": "nowhere"}]});
    let refused = put("rules", &rules.header("etag"), &nonsense);
    assert_eq!((refused.status, refused.json()["field"].clone()), (422, json!("rules[0]")), "{}", refused.text());
    assert_eq!(put("rules", &rules.header("etag"), &items).status, 200);
    wait_for("a crossing of the drawn line", 30, || {
        let found = admin.get("/events?rule=drawn-count").json();
        (!found["items"].as_array().unwrap().is_empty()).then_some(())
    });

    // The user's file is as it was, `check` reads both, and the other camera was not touched.
    assert_eq!(std::fs::read_to_string(&site.file).unwrap(), before);
    let managed = std::fs::read_to_string(site.folder.path().join("pipeline.managed.yaml")).unwrap();
    assert!(managed.contains("drawn-count") && !managed.contains("yard"), "{managed}");
    let checked = run(&["check", site.file.to_str().unwrap()]).ok();
    assert!(checked.stdout.contains("7 rules"), "{}", checked.stdout);
    let after = admin.get("/cameras/yard").json();
    assert_eq!(after["state"], "lost");
    let log = site.program.log();
    assert!(log.contains("changed gate") && !log.contains("changed yard") && !log.contains("gate, yard"), "{log}");
}

#[test]
fn a_calibration_is_checked_kept_in_the_managed_file_and_taken_away() {
    let site = Site::start(None);
    let admin = site.admin();
    let before = std::fs::read_to_string(&site.file).unwrap();
    let read = || admin.get("/cameras/yard/scene");
    let put = |scene: &Value| {
        let tag = read().header("etag");
        admin.send("PUT", "/api/v1/cameras/yard/scene", &[("if-match", &tag)], Some(scene))
    };
    let managed = || std::fs::read_to_string(site.folder.path().join("pipeline.managed.yaml")).unwrap_or_default();
    let scene = read().json();
    assert!(scene["ground"].is_null());
    let points = json!([
        {"picture": [0.1, 0.9], "metres": [0.0, 0.0]}, {"picture": [0.9, 0.9], "metres": [10.0, 0.0]},
        {"picture": [0.85, 0.1], "metres": [10.0, 20.0]}, {"picture": [0.15, 0.1], "metres": [0.0, 20.0]},
    ]);
    let with = |ground: Value| {
        let mut scene = scene.clone();
        scene["ground"] = ground;
        scene
    };

    // What `check` refuses is refused at its field, and nothing is written.
    for bad in [
        json!({"error_m": 0.5, "points": points.as_array().unwrap()[..3]}),
        json!({"error_m": 0.0, "points": points}),
        json!({"error_m": 0.5}),
    ] {
        let refused = put(&with(bad.clone()));
        assert_eq!((refused.status, refused.json()["field"].clone()), (422, json!("ground")), "{}", refused.text());
    }
    assert!(!managed().contains("calibration"), "{}", managed());

    // It is in force, for this camera only, and every command reads it.
    let ground = json!({"error_m": 0.5, "points": points});
    let saved = put(&with(ground.clone()));
    assert_eq!((saved.status, saved.json()["ground"].clone()), (200, ground.clone()), "{}", saved.text());
    assert_eq!(read().json()["ground"], ground);
    assert!(managed().contains("calibration: {") && managed().contains("yard"), "{}", managed());
    run(&["check", site.file.to_str().unwrap()]).ok();

    // Left out it stays; `null` takes it away.
    let mut silent = scene.clone();
    silent.as_object_mut().unwrap().remove("ground");
    assert_eq!(put(&silent).json()["ground"], ground);
    assert!(put(&with(Value::Null)).json()["ground"].is_null());
    assert!(read().json()["ground"].is_null());

    // A calibration of the pipeline file is shown, stays there when it is sent back as it was, and can be taken away.
    let file = before.replace(
        "  - id: yard\n",
        "  - id: yard\n    calibration: {homography: [[10, 0, 0], [0, 20, 0], [0, 0, 1]]}\n",
    );
    std::fs::write(&site.file, &file).unwrap();
    std::fs::remove_file(site.folder.path().join("pipeline.managed.yaml")).unwrap();
    let theirs = read().json();
    assert_eq!(theirs["ground"]["homography"], json!([[10.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 1.0]]));
    assert_eq!(put(&theirs).status, 200);
    assert!(!managed().contains("calibration"), "{}", managed());
    assert!(put(&with(Value::Null)).json()["ground"].is_null());
    assert!(managed().contains("calibration: null"), "{}", managed());
    assert_eq!(std::fs::read_to_string(&site.file).unwrap(), file);
}

#[test]
fn what_is_masked_is_never_shown() {
    let clips = tempfile::tempdir().unwrap();
    let server = serve(&street_clip(clips.path(), "street", 4.0));
    let site = Site::start(Some(&server.url("/cam")));
    let admin = site.admin();
    wait_for("pictures", 20, || (admin.get("/cameras/gate/still").status == 200).then_some(()));
    let read = admin.get("/cameras/gate/scene");
    let mut scene = read.json();
    scene.as_object_mut().unwrap().remove("ground");
    scene["masks"] = json!([{"id": "window", "points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]}]);
    let saved = admin.send("PUT", "/api/v1/cameras/gate/scene", &[("if-match", &read.header("etag"))], Some(&scene));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let still = wait_for("a masked still", 20, || {
        let still = admin.get("/cameras/gate/still?width=64");
        (still.status == 200).then_some(still)
    });
    let grey = |bytes: &[u8]| {
        image::load_from_memory(bytes).unwrap().to_rgb8().pixels().all(|p| p.0.iter().all(|v| v.abs_diff(96) < 8))
    };
    assert!(grey(&still.body), "a still shows what is masked");
    // Events' stills are masked, and there is no clip and no passthrough video.
    let since = admin.get("/health").json()["now"].as_str().unwrap().to_owned();
    let event = wait_for("an event with a still", 30, || {
        let found = admin.get(&format!("/events?camera=gate&rule=count&from={since}")).json();
        found["items"].as_array().unwrap().iter().find(|e| e["still"].is_string()).cloned()
    });
    assert!(event["clip"].is_null());
    let file = format!("/media/{}", event["still"].as_str().unwrap());
    let stored = wait_for("the still", 10, || Some(admin.get(&file)).filter(|a| a.status == 200));
    let picture = image::load_from_memory(&stored.body).unwrap().to_rgb8();
    // Box and label are drawn on it; nothing of the red car is left elsewhere.
    let red = picture.pixels().filter(|p| p.0[0] > 200 && p.0[1] < 40 && p.0[2] < 20).count();
    let masked = picture.pixels().filter(|p| p.0.iter().all(|v| v.abs_diff(96) < 12)).count();
    assert!(red < 40 && masked * 2 > (picture.width() * picture.height()) as usize, "{red} red, {masked} masked");
    let mut live = Live::open(&site, &admin, &format!("http://{}", site.address)).unwrap_or_else(|s| panic!("{s}"));
    live.ask(&json!({"tiles": [{"camera": "gate", "width": 64, "mode": "live"}], "focus": "gate"}));
    let told = live.next(&["no_video", "init"]);
    assert_eq!(told.0["kind"], "no_video");
    assert!(grey(&live.next(&["tile"]).1), "a tile shows what is masked");
}
