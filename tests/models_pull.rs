//! `vantage models pull` against a web server that answers well and badly.
// Tests panic when something is wrong, and wait by the real clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "support/file_server.rs"]
mod file_server;
#[path = "support/listener.rs"]
mod listener;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/servers.rs"]
mod servers;
mod store_support;
#[path = "support/tls_door.rs"]
mod tls_door;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use file_server::{Answer, FileServer};
use sha2::{Digest, Sha256};
use store_support::SmallDisk;
use tls_door::TlsDoor;
use vantage::base::{Error, ErrorKind, Stop};
use vantage::infer::{Model, ModelOptions};
use vantage::pull::{Catalog, Origin, PullOptions, Pulled, pull};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny")
}

/// The tiny model with a long description (field 6 of `ModelProto`), so that it comes in many pieces.
fn model(bytes: usize) -> Arc<Vec<u8>> {
    let mut model = fs::read(tiny().join("tiny.onnx")).unwrap();
    let text = bytes - model.len() - 4;
    assert!((1 << 14..1 << 21).contains(&text));
    model.push(6 << 3 | 2);
    model.extend([text as u8 | 0x80, (text >> 7) as u8 | 0x80, (text >> 14) as u8]);
    model.extend((0..text).map(|n| b'a' + (n / 3 % 26) as u8));
    Arc::new(model)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A catalogue with one model in a folder of its own, and a place to pull it to.
struct Site {
    folder: tempfile::TempDir,
    into: PathBuf,
}

impl Site {
    fn new(url: &str, bytes: usize, sha256: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "version: 1
models:
  - name: small
    about: three colours
    url: {url}
    bytes: {bytes}
    sha256: {sha256}
    licence: Apache-2.0
    licence_url: https://example.org/licence
    source: https://example.org/
    family: yolox
    labels: [car, truck, person]
"
        );
        fs::write(folder.path().join("catalog.yaml"), text).unwrap();
        let into = folder.path().join("models");
        Self { folder, into }
    }

    fn of(server: &FileServer, model: &[u8]) -> Self {
        Self::new(&server.url("release/small-v1.onnx"), model.len(), &sha256(model))
    }

    fn options(&self) -> PullOptions {
        PullOptions {
            patience: Duration::from_secs(10),
            waits: vec![Duration::from_millis(1); 3],
            ..PullOptions::new(&self.into)
        }
    }

    fn pull_with(&self, options: &PullOptions) -> Result<Pulled, Error> {
        let catalog = Catalog::read(&self.folder.path().join("catalog.yaml")).unwrap();
        pull(catalog.find("small").unwrap(), options, &Stop::new(), &mut |_| {})
    }

    fn pull(&self) -> Result<Pulled, Error> {
        self.pull_with(&self.options())
    }

    /// Refused with this kind, and with these words in message and advice.
    #[track_caller]
    fn refused(&self, kind: ErrorKind, words: &[&str]) {
        let error = self.pull().unwrap_err();
        let told = format!("{error} / {}", error.advice().unwrap_or_default());
        assert_eq!(error.kind(), kind, "{told}");
        assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told}");
        assert!(!self.model().exists() && !self.into.join("small/model.yaml").exists(), "nothing looks usable");
    }

    fn model(&self) -> PathBuf {
        self.into.join("small/model.onnx")
    }

    /// Names in the model's folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.into.join("small"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn part(&self) -> PathBuf {
        let catalog = Catalog::read(&self.folder.path().join("catalog.yaml")).unwrap();
        let sum = &catalog.find("small").unwrap().sha256;
        self.into.join(format!("small/model.onnx.{}.part", &sum[..16]))
    }

    #[track_caller]
    fn complete(&self, model: &[u8]) {
        assert!(fs::read(self.model()).unwrap() == model);
        assert_eq!(self.names(), ["LICENCE.txt", "model.onnx", "model.yaml"]);
        let opened = Model::open(&self.into.join("small"), &ModelOptions::default()).unwrap();
        assert_eq!((opened.name.as_str(), opened.licence.as_deref()), ("small", Some("Apache-2.0")));
        assert_eq!(opened.labels.names(), ["car", "truck", "person"]);
    }
}

#[test]
fn a_good_file_gets_its_folder() {
    let model = model(300_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    let site = Site::of(&server, &model);
    let mut told = Vec::new();
    let catalog = Catalog::read(&site.folder.path().join("catalog.yaml")).unwrap();
    let entry = catalog.find("small").unwrap();
    let pulled = pull(entry, &site.options(), &Stop::new(), &mut |bytes| told.push(bytes)).unwrap();
    let folder = site.into.join("small");
    assert_eq!(pulled, Pulled { folder: folder.clone(), bytes: 300_000, resumed_from: 0, already: false });
    site.complete(&model);
    assert!(told.is_sorted() && told.first() == Some(&0) && told.last() == Some(&300_000), "{told:?}");
    let note = fs::read_to_string(folder.join("LICENCE.txt")).unwrap();
    for word in ["Apache-2.0", "https://example.org/licence", &sha256(&model), &server.url("release/small-v1.onnx")] {
        assert!(note.contains(word), "{word} in {note}");
    }
    assert_eq!(server.requests().len(), 1);

    // Nothing is fetched twice; what a user made of model.yaml stays; what is missing comes back.
    let tuned = fs::read_to_string(folder.join("model.yaml")).unwrap().replace("0.25", "0.4");
    fs::write(folder.join("model.yaml"), &tuned).unwrap();
    fs::remove_file(folder.join("LICENCE.txt")).unwrap();
    assert!(site.pull().unwrap().already);
    assert_eq!(fs::read_to_string(folder.join("model.yaml")).unwrap(), tuned);
    site.complete(&model);
    fs::remove_file(folder.join("model.yaml")).unwrap();
    assert!(site.pull().unwrap().already);
    site.complete(&model);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_wrong_checksum_leaves_nothing() {
    let model = model(100_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    let site = Site::new(&server.url("m.onnx"), model.len(), &sha256(b"another"));
    site.refused(ErrorKind::Corrupt, &[&sha256(&model), &sha256(b"another"), "do not use it"]);
    assert!(site.names().is_empty(), "{:?}", site.names());
    assert_eq!(server.requests().len(), 1, "a wrong file is not fetched again and again");
}

#[test]
fn a_wrong_size_is_seen_at_once() {
    let model = model(100_000);
    let answer = |change: fn(&[u8]) -> Answer| {
        let model = Arc::clone(&model);
        FileServer::start(move |_, _| change(&model))
    };
    // A page instead of the file, a shorter and a longer file, each with its length.
    for change in [
        |_: &[u8]| Answer::whole(b"<html>please log in</html>"),
        |m: &[u8]| Answer::whole(&m[..99_999]),
        |m: &[u8]| Answer::whole(&[m, b"x"].concat()),
    ] {
        let server = answer(change);
        Site::of(&server, &model).refused(ErrorKind::Corrupt, &["the catalogue states 100000", "--from"]);
        assert_eq!(server.requests().len(), 1);
    }
    // The same without: a longer one is given up after the last byte that there may be.
    let server = answer(|m| Answer::whole(&[m, &[0; 500_000]].concat()).without_length());
    Site::of(&server, &model).refused(ErrorKind::Corrupt, &["more than the 100000 bytes"]);
    // A shorter one looks like a broken connection; going on does not help, and that ends.
    let server = answer(|m| Answer::whole(&m[..60_000]).without_length());
    Site::of(&server, &model).refused(ErrorKind::Corrupt, &["ended after 60000 of 100000 bytes"]);
    assert_eq!(server.ranges(), [None, Some(60_000), Some(60_000), Some(60_000)]);
}

#[test]
fn a_broken_connection_is_continued() {
    let model = model(400_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |number, request| {
            let answer = Answer::ranged(request, &model);
            if number < 5 { answer.cut(60_000) } else { answer }
        }
    });
    let site = Site::of(&server, &model);
    // More breaks than waits: each piece that comes is new hope.
    let pulled = site.pull().unwrap();
    assert_eq!(pulled.resumed_from, 0);
    site.complete(&model);
    let expected = [None, Some(60_000), Some(120_000), Some(180_000), Some(240_000), Some(300_000)];
    assert_eq!(server.ranges(), expected);
}

#[test]
fn what_came_is_kept_for_the_next_pull() {
    let model = model(400_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |number, request| match number {
            0 => Answer::ranged(request, &model).cut(250_000),
            1..=3 => Answer::status(503),
            _ => Answer::ranged(request, &model),
        }
    });
    let site = Site::of(&server, &model);
    site.refused(ErrorKind::Unreachable, &["503", "250000 bytes are kept"]);
    assert_eq!(fs::read(site.part()).unwrap(), &model[..250_000]);
    assert_eq!(site.pull().unwrap().resumed_from, 250_000);
    site.complete(&model);
    assert_eq!(server.ranges().last(), Some(&Some(250_000)));
}

#[test]
fn a_damaged_part_is_not_the_end() {
    let model = model(200_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    // Zeros, as a power cut leaves them; a part that is too long; one that is whole but wrong.
    for (damaged, ranges) in
        [(vec![0; 80_000], vec![Some(80_000), None]), (vec![0; 200_001], vec![None]), (vec![0; 200_000], vec![None])]
    {
        let site = Site::of(&server, &model);
        let before = server.requests().len();
        fs::create_dir_all(site.into.join("small")).unwrap();
        fs::write(site.part(), damaged).unwrap();
        site.pull().unwrap();
        site.complete(&model);
        assert_eq!(server.ranges()[before..], ranges);
    }
    // A whole part, as a kill just before the rename leaves it, needs no server.
    let site = Site::of(&server, &model);
    let before = server.requests().len();
    fs::create_dir_all(site.into.join("small")).unwrap();
    fs::write(site.part(), &*model).unwrap();
    assert_eq!(site.pull().unwrap().resumed_from, 200_000);
    site.complete(&model);
    assert_eq!(server.requests().len(), before);
}

#[test]
fn servers_without_ranges_or_with_wrong_ones() {
    let model = model(200_000);
    let go_on = |answer: fn(&file_server::Request, &[u8]) -> Answer| {
        let server = FileServer::start({
            let model = Arc::clone(&model);
            move |number, request| match number {
                0 => Answer::whole(&model).cut(90_000),
                _ => answer(request, &model),
            }
        });
        let site = Site::of(&server, &model);
        let pulled = site.pull();
        (site, server, pulled)
    };
    // All of it again.
    let (site, server, pulled) = go_on(|_, m| Answer::whole(m));
    pulled.unwrap();
    site.complete(&model);
    assert_eq!(server.ranges(), [None, Some(90_000)]);
    // "Cannot", and another range than was asked for: from the start.
    for answer in [
        |r: &file_server::Request, m: &[u8]| if r.range.is_some() { Answer::status(416) } else { Answer::whole(m) },
        |r: &file_server::Request, m: &[u8]| match r.range {
            Some(_) => {
                Answer { status: 206, ..Answer::whole(&m[50_000..]) }.header("Content-Range: bytes 50000-199999/200000")
            }
            None => Answer::whole(m),
        },
    ] {
        let (site, server, pulled) = go_on(answer);
        pulled.unwrap();
        site.complete(&model);
        assert_eq!(server.ranges(), [None, Some(90_000), None]);
    }
    // The rest of another file.
    let (site, _, pulled) = go_on(|_, m| {
        Answer { status: 206, ..Answer::whole(&m[90_000..]) }.header("Content-Range: bytes 90000-199999/200001")
    });
    assert_eq!(pulled.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(!site.model().exists());
}

#[test]
fn refusals_are_told_as_they_are() {
    let model = model(50_000);
    for (status, kind) in [
        (404, ErrorKind::NotFound),
        (410, ErrorKind::NotFound),
        (401, ErrorKind::Auth),
        (403, ErrorKind::Auth),
        (503, ErrorKind::Unreachable),
        (418, ErrorKind::Unsupported),
    ] {
        let server = FileServer::start(move |_, _| Answer::status(status));
        Site::of(&server, &model).refused(kind, &[&status.to_string(), &server.url("release/small-v1.onnx")]);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    let nobody = Site::new("http://127.0.0.1:9/m.onnx", 10, &sha256(b""));
    nobody.refused(ErrorKind::Unreachable, &["127.0.0.1:9"]);
    let nowhere = Site::new("http://no-such-host.invalid/m.onnx", 10, &sha256(b""));
    nowhere.refused(ErrorKind::Unreachable, &["no-such-host.invalid"]);
    // Silence after the head and in the middle.
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, _| Answer::whole(&model).cut(20_000).silent()
    });
    let site = Site::of(&server, &model);
    let options = PullOptions { patience: Duration::from_millis(200), waits: Vec::new(), ..site.options() };
    let error = site.pull_with(&options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.advice().unwrap().contains("20000 bytes are kept"), "{error:?}");
}

#[test]
fn redirects_are_followed_with_the_range() {
    let model = model(200_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |number, request| match request.path.as_str() {
            "/release/small-v1.onnx" => Answer::status(302).header("Location: /store/5f0c?signed=1"),
            "/store/5f0c?signed=1" if number < 2 => Answer::ranged(request, &model).cut(70_000),
            "/store/5f0c?signed=1" => Answer::ranged(request, &model),
            _ => Answer::status(404),
        }
    });
    let site = Site::of(&server, &model);
    site.pull().unwrap();
    site.complete(&model);
    assert_eq!(server.ranges(), [None, None, Some(70_000), Some(70_000)]);

    let server = FileServer::start(|_, request| Answer::status(302).header(format!("Location: {}x", request.path)));
    Site::of(&server, &model).refused(ErrorKind::Unreachable, &["redirect"]);
    assert!(server.requests().len() < 20);
}

#[test]
fn tls_is_checked_and_not_left() {
    let model = model(50_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| match request.path.as_str() {
            "/away" => Answer::status(302).header("Location: http://127.0.0.1:9/m.onnx"),
            _ => Answer::ranged(request, &model),
        }
    });
    let Some(door) = TlsDoor::to(server.port()) else { return };
    let url = format!("https://127.0.0.1:{}/m.onnx", door.port);
    let site = Site::new(&url, model.len(), &sha256(&model));
    site.refused(ErrorKind::Unreachable, &["certificate", "SSL_CERT_FILE"]);
    assert!(server.requests().is_empty(), "nothing was asked for");
    // Trusted by the system's own means, it is taken.
    let said = site.vantage(&["pull", "small"], |command| {
        command.env("SSL_CERT_FILE", &door.certificate);
    });
    assert!(said.status.success(), "{said:?}");
    site.complete(&model);
    let site = Site::new(&format!("https://127.0.0.1:{}/away", door.port), model.len(), &sha256(&model));
    let said = site.vantage(&["pull", "small"], |command| {
        command.env("SSL_CERT_FILE", &door.certificate);
    });
    let told = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && told.contains("without TLS"), "{told}");
}

#[test]
fn a_full_disk_keeps_what_fitted() {
    let Some(disk) = SmallDisk::mount("size=1m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let model = model(600_000);
    let filler = disk.path().join("filler");
    // The disk fills up while the file is on its way.
    let server = FileServer::start({
        let (model, filler) = (Arc::clone(&model), filler.clone());
        move |number, request| {
            if number == 0 {
                fs::write(&filler, vec![7; 700_000]).unwrap();
            }
            Answer::ranged(request, &model)
        }
    });
    let mut site = Site::of(&server, &model);
    site.into = disk.path().join("models");
    site.refused(ErrorKind::DiskFull, &["make room", "bytes are kept"]);
    let kept = fs::metadata(site.part()).unwrap().len();
    assert!((1..600_000).contains(&kept), "{kept}");
    // As long as it is full, that is told before anything is asked for.
    site.refused(ErrorKind::DiskFull, &["MiB are needed"]);
    assert_eq!(server.requests().len(), 1);
    fs::remove_file(&filler).unwrap();
    assert_eq!(site.pull().unwrap().resumed_from, kept);
    site.complete(&model);
    assert_eq!(server.ranges(), [None, Some(kept as usize)]);
}

#[test]
fn nothing_of_others_is_replaced() {
    let model = model(50_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    let site = Site::of(&server, &model);
    let folder = site.into.join("small");
    fs::create_dir_all(&folder).unwrap();
    fs::write(site.model(), b"mine").unwrap();
    let error = site.pull().unwrap_err();
    assert!(error.kind() == ErrorKind::Busy && error.advice().unwrap().contains("--force"), "{error:?}");
    assert_eq!(fs::read(site.model()).unwrap(), b"mine");
    fs::remove_file(site.model()).unwrap();
    fs::copy(tiny().join("model.yaml"), folder.join("model.yaml")).unwrap();
    let error = site.pull().unwrap_err();
    assert!(error.kind() == ErrorKind::Busy && error.to_string().contains("another model"), "{error:?}");
    assert!(server.requests().is_empty());
    fs::write(site.model(), b"mine").unwrap();
    site.pull_with(&PullOptions { force: true, ..site.options() }).unwrap();
    site.complete(&model);
}

#[test]
fn one_pull_of_a_model_at_a_time() {
    let model = model(50_000);
    let site: Arc<Mutex<Option<Site>>> = Arc::default();
    let second: Arc<Mutex<Option<ErrorKind>>> = Arc::default();
    let server = FileServer::start({
        let (model, site, second) = (Arc::clone(&model), Arc::clone(&site), Arc::clone(&second));
        move |number, request| {
            if number == 0 {
                let error = site.lock().unwrap().as_ref().unwrap().pull().unwrap_err();
                *second.lock().unwrap() = Some(error.kind());
            }
            Answer::ranged(request, &model)
        }
    });
    let first = Site::of(&server, &model);
    let mut other = Site::of(&server, &model);
    other.into.clone_from(&first.into);
    *site.lock().unwrap() = Some(other);
    first.pull().unwrap();
    first.complete(&model);
    assert_eq!(*second.lock().unwrap(), Some(ErrorKind::Busy));
}

#[test]
fn mirrors_and_folders() {
    let model = model(50_000);
    let nobody = "http://127.0.0.1:9/release/small-v1.onnx";
    let site = || Site::new(nobody, model.len(), &sha256(&model));
    let from = |site: &Site, origin: &str| {
        site.pull_with(&PullOptions { origin: Origin::parse(origin).unwrap(), ..site.options() })
    };
    // Under the official name, or as another models folder of ours; with a login.
    for path in ["/m/small-v1.onnx", "/m/small/model.onnx"] {
        let server = FileServer::start({
            let model = Arc::clone(&model);
            move |_, request| if request.path == path { Answer::ranged(request, &model) } else { Answer::status(404) }
        });
        let site = site();
        from(&site, &server.url("m").replace("http://", "http://user:secret@")).unwrap();
        site.complete(&model);
        assert_eq!(server.requests().last().unwrap().authorization.as_deref(), Some("Basic dXNlcjpzZWNyZXQ="));
    }
    // A mirror without it, and one that is wrong.
    let server = FileServer::start(|_, _| Answer::status(404));
    let error = from(&site(), &server.url("m").replace("http://", "http://user:secret@")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    let server = FileServer::start(|_, _| Answer::whole(&[1; 50_000]));
    assert_eq!(from(&site(), &server.url("m")).unwrap_err().kind(), ErrorKind::Corrupt);

    for name in ["small-v1.onnx", "small/model.onnx"] {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        let error = from(&site(), text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.advice().unwrap().contains(nobody), "{error:?}");
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for wrong in [vec![1; 50_000], vec![1; 49_999], Vec::new()] {
            fs::write(&file, wrong).unwrap();
            let site = site();
            assert_eq!(from(&site, text).unwrap_err().kind(), ErrorKind::Corrupt);
            assert!(!site.model().exists());
        }
        fs::write(&file, &*model).unwrap();
        let site = site();
        from(&site, text).unwrap();
        site.complete(&model);
    }
}

#[test]
fn settings_that_do_not_fit_the_file_are_told() {
    let model = model(50_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    let site = Site::of(&server, &model);
    let path = site.folder.path().join("catalog.yaml");
    let text = fs::read_to_string(&path).unwrap().replace("[car, truck, person]", "[car]");
    fs::write(&path, text).unwrap();
    let error = site.pull().unwrap_err();
    assert!(error.to_string().contains("catalogue") && error.to_string().contains("3 classes"), "{error}");
    assert!(!site.into.join("small/model.yaml").exists(), "the folder does not look complete");
}

impl Site {
    /// `vantage models …` with this site's catalogue and folder.
    fn vantage(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vantage"));
        command.arg("models").args(arguments).arg("--catalog").arg(self.folder.path().join("catalog.yaml"));
        command.arg("--into").arg(&self.into);
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        change(&mut command);
        command.output().unwrap()
    }
}

#[test]
fn the_command() {
    let model = model(50_000);
    let server = FileServer::start({
        let model = Arc::clone(&model);
        move |_, request| Answer::ranged(request, &model)
    });
    let site = Site::of(&server, &model);
    let list = || {
        let said = site.vantage(&["pull", "--list", "--json"], |_| {});
        let rows: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        rows[0].clone()
    };
    let row = list();
    assert_eq!((&row["name"], &row["bytes"], &row["pulled"]), (&"small".into(), &50_000.into(), &false.into()));
    let said = site.vantage(&["pull", "small", "--json"], |_| {});
    assert!(said.status.success(), "{said:?}");
    assert!(said.stderr.is_empty(), "no bar without a terminal: {said:?}");
    let pulled: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&pulled["bytes"], &pulled["already"]), (&50_000.into(), &false.into()));
    site.complete(&model);
    assert_eq!(list()["pulled"], true);
    let said = site.vantage(&["pull", "smal"], |_| {});
    let told = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.code() == Some(1) && told.contains("did you mean small?"), "{told}");
    assert_eq!(site.vantage(&["pull"], |_| {}).status.code(), Some(2), "a name or --list");
}

/// The real files, under the names that their makers gave them.
#[test]
fn the_own_catalogue_fits_the_real_files() {
    let shared = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let models = Path::new(&shared).join("data/models");
    if !models.is_dir() {
        eprintln!("skipped: {} is not there", models.display());
        return;
    }
    let catalog = Catalog::built_in().unwrap();
    for (name, file, official) in [
        ("yolox-nano", "yolox_nano_416.onnx", "yolox_nano.onnx"),
        ("nanodet-m", "nanodet_m_416.onnx", "nanodet_m_416.onnx"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(models.join(file), folder.path().join(official)).unwrap();
        let into = folder.path().join("into");
        let origin = Origin::Folder(folder.path().to_owned());
        let entry = catalog.find(name).unwrap();
        let options = PullOptions { origin, ..PullOptions::new(&into) };
        let pulled = pull(entry, &options, &Stop::new(), &mut |_| {}).unwrap();
        let model = Model::open(&pulled.folder, &ModelOptions::default()).unwrap();
        assert_eq!((model.labels.len(), model.spec.width), (80, 416));
        let bare = Model::open(&models.join(file), &ModelOptions::default()).unwrap();
        assert_eq!((&model.labels, model.family, &model.spec), (&bare.labels, bare.family, &bare.spec), "{name}");
    }
}
