//! The RTSP server against GStreamer's own client: every codec, both transports, loops, logins, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "support/clips.rs"]
mod clips;

use std::net::SocketAddr;
use std::time::Duration;

use clips::{ClipCodec, ClipSpec, Colour, Container, Scene};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use vantage::base::{ErrorKind, Secret};
use vantage::serve::{CameraServer, LoginScheme, ServedClip, ServedSource};

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn spec(codec: ClipCodec, container: Container) -> ClipSpec {
    ClipSpec { codec, container, seconds: 1.0, key_int: 10, ..ClipSpec::default() }
}

/// What a client got: PTS in seconds and RGB pictures.
struct Played {
    times: Vec<f64>,
    pictures: Vec<Vec<u8>>,
}

/// Plays a URL until `count` pictures have come; a text when it cannot.
fn play(url: &str, protocols: &str, login: Option<(&str, &str)>, count: usize) -> Result<Played, String> {
    gst::init().unwrap();
    let (user, password) = login.unwrap_or_default();
    let launch = format!(
        "rtspsrc name=source location=\"{url}\" protocols={protocols} latency=100 buffer-mode=none ! decodebin ! videoconvert ! \
         video/x-raw,format=RGB,width=320,height=240 ! appsink name=sink sync=false max-buffers=4"
    );
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    if login.is_some() {
        let source = pipeline.by_name("source").unwrap();
        source.set_property("user-id", user);
        source.set_property("user-pw", password);
    }
    let sink = pipeline.by_name("sink").unwrap().downcast::<AppSink>().unwrap();
    let _ = pipeline.set_state(gst::State::Playing);
    let bus = pipeline.bus().unwrap();
    let mut played = Played { times: Vec::new(), pictures: Vec::new() };
    let mut waited = 0;
    let result = loop {
        if played.times.len() == count {
            break Ok(played);
        }
        if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error]) {
            let gst::MessageView::Error(error) = message.view() else { unreachable!() };
            break Err(format!("{} {:?}", error.error(), error.debug()));
        }
        match sink.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
            Some(sample) => {
                let buffer = sample.buffer().unwrap();
                played.times.push(buffer.pts().unwrap().nseconds() as f64 * 1e-9);
                let map = buffer.map_readable().unwrap();
                played.pictures.push(map.as_slice().to_vec());
            }
            None if sink.is_eos() => break Err(format!("ended after {}", played.times.len())),
            None => waited += 1,
        }
        if waited > 150 {
            break Err(format!("only {} pictures in 15 s", played.times.len()));
        }
    };
    let _ = pipeline.set_state(gst::State::Null);
    result
}

fn assert_rising(played: &Played, fps: f64) {
    let steps: Vec<f64> = played.times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (at, step) in steps.iter().enumerate() {
        assert!((step - 1.0 / fps).abs() < 0.6 / fps, "step {step} s after picture {at}: {:?}", played.times);
    }
}

#[test]
fn every_codec_plays_over_tcp_with_its_picture() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::crossing(1.0);
    for (codec, container) in [
        (ClipCodec::H264, Container::Mp4),
        (ClipCodec::H264, Container::Ts),
        (ClipCodec::H265, Container::Matroska),
        (ClipCodec::Mjpeg, Container::Avi),
        (ClipCodec::Mpeg4, Container::Avi),
    ] {
        let spec = spec(codec, container);
        let path = clips::make(dir.path(), &format!("{codec:?}"), &spec, &scene);
        let server = CameraServer::start(&[ServedClip::looping(&path, "/cam")], anywhere()).unwrap();
        let played = play(&server.url("/cam"), "tcp", None, 20).unwrap_or_else(|why| panic!("{spec:?}: {why}"));
        assert_rising(&played, 25.0);
        let red = clips::find(&played.pictures[10], 320, Colour::Red).unwrap_or_else(|| panic!("{spec:?}: no red"));
        assert!(red.width.abs_diff(48) <= 6 && red.height.abs_diff(32) <= 6, "{spec:?}: {red:?}");
    }
}

#[test]
fn a_clip_with_b_frames_loops_without_a_gap_over_udp_and_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let spec = ClipSpec { bframes: 2, seconds: 0.8, key_int: 10, ..ClipSpec::default() };
    let path = clips::make(dir.path(), "loop", &spec, &Scene::crossing(0.8));
    let server = CameraServer::start(&[ServedClip::looping(&path, "cam1")], anywhere()).unwrap();
    // 20 pictures a round: 75 are more than three rounds.
    for protocols in ["udp", "tcp"] {
        let played = play(&server.url("cam1"), protocols, None, 75).unwrap_or_else(|why| panic!("{protocols}: {why}"));
        // The client's decoder guesses at the first few until it knows the order.
        let settled = Played { times: played.times[4..].to_vec(), pictures: Vec::new() };
        assert_rising(&settled, 25.0);
        // The scene repeats with the clip: red is where it was one round before.
        let red = |at: usize| clips::find(&played.pictures[at], 320, Colour::Red).unwrap();
        assert!(red(5).x.abs_diff(red(25).x) <= 2 && red(25).x.abs_diff(red(65).x) <= 2);
        assert!(red(5).x.abs_diff(red(12).x) > 20);
    }
}

#[test]
fn two_clients_see_the_same_moment() {
    let dir = tempfile::tempdir().unwrap();
    let spec = ClipSpec { seconds: 4.0, key_int: 5, ..ClipSpec::default() };
    let path = clips::make(dir.path(), "shared", &spec, &Scene::crossing(4.0));
    let server = CameraServer::start(&[ServedClip::looping(&path, "/cam")], anywhere()).unwrap();
    let url = server.url("/cam");
    let red = |played: &Played| clips::find(played.pictures.last().unwrap(), 320, Colour::Red).unwrap().x;
    let first = std::thread::spawn({
        let url = url.clone();
        move || play(&url, "tcp", None, 70).unwrap()
    });
    std::thread::sleep(Duration::from_millis(1500));
    // A stream of its own would show the start of the clip, red at the left.
    let late = play(&url, "tcp", None, 5).unwrap();
    assert!(red(&late) > 80, "{}", red(&late));
    first.join().unwrap();
}

#[test]
fn without_a_loop_the_stream_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = clips::make(dir.path(), "once", &spec(ClipCodec::H264, Container::Mp4), &Scene::crossing(1.0));
    let source = ServedSource::File { path, loop_forever: false };
    let clip = ServedClip { mount: "/once".to_owned(), source, login: None };
    let server = CameraServer::start(&[clip], anywhere()).unwrap();
    let Err(why) = play(&server.url("/once"), "tcp", None, 100) else { panic!("25 pictures became 100") };
    assert!(why.starts_with("ended after 2"), "{why}");
}

#[test]
fn a_test_pattern_needs_no_file() {
    let source = ServedSource::TestPattern { width: 320, height: 240, fps: 20 };
    let clip = ServedClip { mount: "/ball".to_owned(), source, login: None };
    let server = CameraServer::start(&[clip], anywhere()).unwrap();
    let played = play(&server.url("/ball"), "tcp", None, 15).unwrap();
    assert!(played.times.windows(2).all(|pair| pair[1] > pair[0]));
}

#[test]
fn logins_are_asked_for_where_they_are_set() {
    let dir = tempfile::tempdir().unwrap();
    let path = clips::make(dir.path(), "locked", &spec(ClipCodec::H264, Container::Mp4), &Scene::crossing(1.0));
    for scheme in [LoginScheme::Digest, LoginScheme::Basic] {
        let locked = ServedClip::looping(&path, "/locked").with_login("op", Secret::new("canary-pw"), scheme);
        let open = ServedClip::looping(&path, "/open");
        let server = CameraServer::start(&[locked, open], anywhere()).unwrap();
        let url = server.url("/locked");
        play(&url, "tcp", Some(("op", "canary-pw")), 5).unwrap_or_else(|why| panic!("{scheme:?}: {why}"));
        assert!(play(&url, "tcp", Some(("op", "wrong")), 1).is_err());
        assert!(play(&url, "tcp", None, 1).is_err());
        play(&server.url("/open"), "tcp", None, 5).unwrap();
        assert!(!format!("{server:?} {url}").contains("canary"));
    }
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |clips: &[ServedClip]| CameraServer::start(clips, anywhere()).expect_err("refused");
    let file = |path: &std::path::Path| refused(&[ServedClip::looping(path, "/x")]);

    let error = file(&dir.path().join("none.mp4"));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none.mp4"), "{error}");

    let noise = dir.path().join("noise.mp4");
    std::fs::write(&noise, [7u8; 5000]).unwrap();
    let error = file(&noise);
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{error:?}");

    let vp8 = clips::make(dir.path(), "vp8", &spec(ClipCodec::Vp8, Container::Matroska), &Scene::crossing(1.0));
    let error = file(&vp8);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.to_string().contains("video/x-vp8"), "{error}");

    let good = clips::make(dir.path(), "good", &spec(ClipCodec::H264, Container::Mp4), &Scene::crossing(1.0));
    let twice = [ServedClip::looping(&good, "/x"), ServedClip::looping(&good, "x")];
    assert_eq!(refused(&twice).kind(), ErrorKind::Usage);
    assert_eq!(refused(&[ServedClip::looping(&good, "/")]).kind(), ErrorKind::Usage);

    let clips = [ServedClip::looping(&good, "/x")];
    let server = CameraServer::start(&clips, anywhere()).unwrap();
    let taken = SocketAddr::new(anywhere().ip(), server.port());
    assert_eq!(CameraServer::start(&clips, taken).expect_err("taken").kind(), ErrorKind::Busy);
    server.stop();
    assert!(std::net::TcpStream::connect(taken).is_err(), "still listening");
}

/// Files of a folder of the shared footage; none, and a word, where it is absent.
fn footage(folder: &str) -> Vec<std::path::PathBuf> {
    let root = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = std::path::Path::new(&root).join("data/footage").join(folder);
    let Ok(entries) = std::fs::read_dir(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[test]
fn real_clips_can_be_served() {
    for folder in ["traffic", "people", "derived"] {
        for path in footage(folder) {
            let started = CameraServer::start(&[ServedClip::looping(&path, "/cam")], anywhere());
            assert!(started.is_ok(), "{started:?}");
        }
    }
}

#[test]
fn damaged_files_are_refused_or_served_but_never_hang() {
    for path in footage("malformed") {
        let began = std::time::Instant::now();
        let started = CameraServer::start(&[ServedClip::looping(&path, "/cam")], anywhere());
        eprintln!("{:?} {:?} {:?}", path.file_name(), began.elapsed(), started.as_ref().map(|_| ()));
        assert!(began.elapsed() < Duration::from_secs(15), "{path:?} took {:?}", began.elapsed());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("random") || name.starts_with("empty") || name.contains("no_moov") {
            assert!(started.is_err(), "{name} is served");
        }
    }
}
