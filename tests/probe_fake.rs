//! The camera doctor against a fake camera: good ones, bad ones, and answers of real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "support/listener.rs"]
mod listener;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/rtsp_server.rs"]
mod rtsp_server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rtsp_server::{FakeCamera, FakeStream, Gate, Manners, SDP};
use vantage::base::time::SystemClock;
use vantage::base::{ErrorKind, Secret};
use vantage::probe::{self, AuthScheme, Codec, Failure, Handshake, MediaKind, Options, Report, Severity, Step};

const CANARY: &str = "canary-hunter2";

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn quick() -> Options {
    Options { timeout: Duration::from_secs(3), ..Options::default() }
}

fn handshake(url: &str) -> Result<Handshake, Failure> {
    block(probe::handshake(url, None, &quick(), &SystemClock))
}

fn login(url: &str) -> Result<Handshake, Failure> {
    let credentials = Some(("op".to_owned(), Secret::new(CANARY)));
    block(probe::handshake(url, credentials, &quick(), &SystemClock))
}

fn look(url: &str) -> Report {
    block(probe::probe(url, None, &quick(), Some(Duration::from_millis(400)), &SystemClock))
}

/// A recorded answer with its CSeq made ours, or `None` without the shared data.
fn recorded(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = PathBuf::from(root).join("data/footage/rtsp").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    let bytes = std::fs::read(path).unwrap();
    if !bytes.starts_with(b"RTSP/") {
        let head = format!("RTSP/1.0 200 OK\r\nCSeq: {{cseq}}\r\nContent-Length: {}\r\n\r\n", bytes.len());
        return Some([head.into_bytes(), bytes].concat());
    }
    Some(bytes)
}

#[test]
fn a_good_camera_is_described() {
    let camera = FakeCamera::builder().start();
    let found = handshake(&camera.url("/live")).unwrap();
    assert_eq!(found.server.as_deref(), Some("Fake/1.0"));
    assert_eq!(found.methods, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
    assert_eq!((found.auth, found.tls, found.redirects), (AuthScheme::None, false, 0));
    let video = found.video().unwrap();
    assert_eq!((&video.codec, video.payload, video.clock_rate), (&Codec::H264, 96, 90_000));
    assert_eq!(video.control, camera.url("/live/track1"));
    let picture = video.picture.as_ref().unwrap();
    assert_eq!((picture.width, picture.height, picture.profile.as_str()), (1280, 720, "Main"));
    assert!(found.quirks.is_empty(), "{:?}", found.quirks);
    let steps: Vec<Step> = found.steps.iter().map(|step| step.step).collect();
    assert_eq!(steps, [Step::Resolve, Step::Connect, Step::Options, Step::Describe]);
}

#[test]
fn nothing_there() {
    let camera = FakeCamera::builder().start();
    let url = camera.url("/x");
    assert_eq!(probe::reach(&url, Duration::from_secs(1)), Ok(()));
    drop(camera);
    assert!(matches!(handshake(&url), Err(Failure::Refused { .. })));
    assert!(matches!(probe::reach(&url, Duration::from_secs(1)), Err(Failure::Refused { .. })));
    let unknown = handshake("rtsp://no-such-camera.invalid/x").unwrap_err();
    assert!(matches!(unknown, Failure::NameUnknown { .. }), "{unknown:?}");
    assert_eq!(unknown.kind(), ErrorKind::Unreachable);
}

#[test]
fn statuses_have_their_meaning() {
    for (status, expected) in [
        (404, Failure::NotFound { status: 404 }),
        (454, Failure::NotFound { status: 454 }),
        (461, Failure::UdpOnly),
        (453, Failure::Overloaded { status: 453 }),
        (503, Failure::Overloaded { status: 503 }),
        (500, Failure::Status { step: Step::Describe, status: 500, reason: "Status".to_owned() }),
    ] {
        let camera = FakeCamera::builder().status("DESCRIBE", status, "").start();
        assert_eq!(handshake(&camera.url("/x")), Err(expected));
    }
}

#[test]
fn a_camera_without_options_is_still_described() {
    let camera = FakeCamera::builder().status("OPTIONS", 501, "").start();
    assert_eq!(handshake(&camera.url("/x")).unwrap().quirks, ["answers OPTIONS with 501"]);
}

#[test]
fn logins_are_answered_by_every_scheme() {
    let digest = |more: &str| Gate::Digest {
        challenge: format!("Digest realm=\"cam\", nonce=\"98481030\"{more}"),
        user: "op".to_owned(),
        password: CANARY.to_owned(),
    };
    let basic = Gate::Basic { user: "op".to_owned(), password: CANARY.to_owned() };
    for (gate, scheme) in [
        (basic, AuthScheme::Basic),
        (digest(""), AuthScheme::DigestMd5),
        (digest(", qop=\"auth\", algorithm=MD5"), AuthScheme::DigestMd5),
        (digest(", qop=\"auth\", algorithm=SHA-256"), AuthScheme::DigestSha256),
    ] {
        let camera = FakeCamera::builder().gate(gate).start();
        let url = camera.url("/x");
        assert_eq!(login(&url).unwrap().auth, scheme);
        // From the URL too; and refused without, or with a wrong one.
        assert!(handshake(&url.replace("//", &format!("//op:{CANARY}@"))).is_ok());
        assert!(matches!(handshake(&url), Err(Failure::CredentialsNeeded { .. })));
        let before = camera.requests().len();
        let wrong = handshake(&url.replace("//", "//op:wrong@"));
        assert!(matches!(wrong, Err(Failure::CredentialsRefused { .. })), "{wrong:?}");
        assert_eq!(camera.requests().len() - before, 3, "one challenge, two refusals");
    }
}

#[test]
fn stale_nonces_are_no_refusals() {
    let gate = Gate::Digest {
        challenge: "Digest realm=\"cam\", nonce=\"1\", qop=\"auth\"".to_owned(),
        user: "op".to_owned(),
        password: CANARY.to_owned(),
    };
    let camera = FakeCamera::builder().gate(gate.clone()).stale(2).start();
    assert!(login(&camera.url("/x")).is_ok());
    // One that calls every nonce stale is given up.
    let camera = FakeCamera::builder().gate(gate).stale(usize::MAX).start();
    assert!(matches!(login(&camera.url("/x")), Err(Failure::CredentialsRefused { .. })));
    let never = Gate::Never { challenge: "Negotiate".to_owned() };
    let camera = FakeCamera::builder().gate(never).start();
    assert!(matches!(login(&camera.url("/x")), Err(Failure::AuthUnsupported { .. })));
}

#[test]
fn redirects_stay_on_the_host() {
    let target = FakeCamera::builder().start();
    let moved = |to: &str| FakeCamera::builder().status("DESCRIBE", 302, &format!("Location: {to}\r\n")).start();
    let camera = moved(&target.url("/new"));
    let found = handshake(&camera.url("/old")).unwrap();
    assert_eq!((found.redirects, found.url.as_str()), (1, target.url("/new").as_str()));
    for (to, why) in [
        ("rtsp://127.0.0.2/x", "another host"),
        ("http://127.0.0.1/x", "another scheme"),
        ("rtsps://127.0.0.1/x", "another scheme"),
        ("rtsp://127.0.0.1:{port}/round", "too many redirects"),
    ] {
        let result = handshake(&moved(to).url("/x"));
        assert!(matches!(&result, Err(Failure::Redirect { why: found, .. }) if *found == why), "{to}: {result:?}");
    }
}

#[test]
fn other_protocols_are_told_apart() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], "HTTP"),
        (&[0x15, 3, 1, 0, 2, 2, 70][..], "TLS"),
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH"),
    ] {
        let camera = FakeCamera::builder().manners(Manners::Blurt(bytes.to_vec())).start();
        assert_eq!(handshake(&camera.url("/x")), Err(Failure::NotRtsp { speaks: expected.to_owned() }));
    }
    let camera = FakeCamera::builder().manners(Manners::Blurt(b"RTSP/1.0 400 Bad Request\r\n\r\n".to_vec())).start();
    let tls = handshake(&camera.url("/x").replace("rtsp:", "rtsps:"));
    assert!(matches!(tls, Err(Failure::Tls { .. })), "{tls:?}");
}

#[test]
fn bad_manners_end_in_time() {
    let describe = "DESCRIBE".to_owned();
    for (manners, expected) in [
        (Manners::HangUp, "closed"),
        (Manners::Mute, "closed or timeout"),
        (Manners::Slow(Duration::from_secs(1)), "timeout"),
        (Manners::EndlessHeader, "too_large"),
        (Manners::Cut { method: describe, bytes: 60 }, "malformed"),
    ] {
        let camera = FakeCamera::builder().manners(manners.clone()).start();
        let options = Options { timeout: Duration::from_secs(2), ..Options::default() };
        let began = Instant::now();
        let failure = block(probe::handshake(&camera.url("/x"), None, &options, &SystemClock)).unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(2600), "{manners:?} took {:?}", began.elapsed());
        let kind = serde_json::to_value(&failure).unwrap()["kind"].as_str().unwrap().to_owned();
        assert!(expected.contains(&kind) || manners_alike(&manners, &failure), "{manners:?}: {failure:?}");
    }
}

/// A camera that hangs up with our request unread may also reset the connection.
fn manners_alike(manners: &Manners, failure: &Failure) -> bool {
    matches!((manners, failure), (Manners::Mute, _) | (Manners::HangUp, Failure::Network { .. }))
}

#[test]
fn bad_descriptions_are_named() {
    let huge = format!("{SDP}{}", "a=padding:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(2000));
    let audio = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n";
    let vp8 = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let describe = |sdp: &str| handshake(&FakeCamera::builder().describe(sdp).start().url("/x"));
    assert!(matches!(describe(&huge), Err(Failure::TooLarge { what: "a body", .. })));
    assert!(matches!(describe("nonsense"), Err(Failure::BadDescription { .. })));
    assert_eq!(describe(audio), Err(Failure::NoVideo { offered: vec!["PCMU".to_owned()] }));
    assert_eq!(describe(vp8), Err(Failure::NoKnownCodec { offered: vec!["VP8".to_owned()] }));
    let camera = FakeCamera::builder().answer("DESCRIBE", "RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n").start();
    assert!(matches!(handshake(&camera.url("/x")), Err(Failure::Malformed { .. })));
}

#[test]
fn a_look_measures_the_stream() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let stream = FakeStream {
        frames: 100,
        fps: 20,
        gop: 40,
        fragments: 3,
        missing: vec![50, 51, 200],
        sender_report: Some(now - 3600),
    };
    let camera = FakeCamera::builder().stream(stream.bytes()).start();
    let report = look(&camera.url("/live"));
    let look = report.look.as_ref().unwrap_or_else(|| panic!("{report:?}"));
    assert_eq!((look.frames, look.keyframes, look.packets, look.lost), (100, 3, 297, 3));
    assert!((look.fps.unwrap() - 20.0).abs() < 0.01, "{look:?}");
    let gop = look.gop.unwrap();
    assert_eq!((gop.frames, gop.exact), (40.0, true));
    // 300 packets of 100 bytes in 5 s, less the lost ones.
    assert!((look.kbit_per_s.unwrap() - 47.5).abs() < 0.5, "{look:?}");
    assert!((look.clock_offset_ms.unwrap() / 1000.0 + 3600.0).abs() < 3.0, "{look:?}");
    let texts: Vec<&str> = report.advice.iter().map(|advice| advice.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("3 of its packets lost")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("behind ours")), "{texts:?}");
    let methods: Vec<String> =
        camera.requests().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(methods, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);

    let text = probe::render(&report);
    for part in ["DESCRIBE", "server \"Fake/1.0\"", "H.264 1280x720", "20 fps GOP 40 (2.0 s)", "loss 1.0 %"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["look"]["frames"], 100);
    assert_eq!(json["handshake"]["media"][0]["codec"], "h264");
}

#[test]
fn a_long_group_of_pictures_is_advised_against() {
    let stream = FakeStream { frames: 100, fps: 10, gop: 1000, fragments: 1, missing: Vec::new(), sender_report: None };
    let report = look(&FakeCamera::builder().stream(stream.bytes()).start().url("/x"));
    let gop = report.look.as_ref().unwrap().gop.unwrap();
    assert_eq!((gop.frames, gop.exact), (100.0, false));
    let has = |words: &str| report.advice.iter().any(|advice| advice.text.contains(words));
    assert!(has("keyframe every at least 10.0 s") && has("no RTCP sender report"), "{:?}", report.advice);
}

#[test]
fn streams_that_do_not_come() {
    let setup = |status| look(&FakeCamera::builder().status("SETUP", status, "").start().url("/x"));
    let report = setup(461);
    assert_eq!(report.failure, Some(Failure::UdpOnly));
    assert!(report.handshake.is_some());
    assert_eq!(report.advice[0].severity, Severity::Problem);
    assert!(probe::render(&report).contains("UDP only"));
    assert_eq!(setup(454).failure, Some(Failure::SessionLost));
    let silent = look(&FakeCamera::builder().start().url("/x"));
    assert_eq!(silent.failure, Some(Failure::NoPictures { packets: 0 }));
}

#[test]
fn passwords_appear_nowhere() {
    let sdp = SDP.replace("track1", &format!("rtsp://op:{CANARY}@127.0.0.1/t?password={CANARY}"));
    let gate = Gate::Basic { user: "op".to_owned(), password: CANARY.to_owned() };
    let good = FakeCamera::builder().gate(gate.clone()).describe(&sdp).start();
    let moved =
        FakeCamera::builder().status("DESCRIBE", 302, &format!("Location: rtsp://op:{CANARY}@127.0.0.9/x\r\n")).start();
    let locked = FakeCamera::builder().gate(Gate::Never { challenge: "Basic realm=\"x\"".to_owned() }).start();
    let mut texts = String::new();
    for camera in [&good, &moved, &locked] {
        let url = camera.url("/x?token=abc").replace("//", &format!("//op:{CANARY}@"));
        let report = look(&url);
        texts += &format!("{report:?} {} {}", serde_json::to_string(&report).unwrap(), probe::render(&report));
        if let Err(failure) = handshake(&url) {
            let error = vantage::base::Error::from(failure);
            texts += &format!("{error} {error:?}");
        }
    }
    texts += &format!("{:?}", handshake(&format!("http://op:{CANARY}@h/x")));
    texts += &format!("{:?}", probe::reach(&format!("rtsp://op:{CANARY}@127.0.0.1:1/x"), Duration::from_secs(1)));
    assert!(texts.contains("clear (basic"), "{texts}");
    assert!(!texts.contains("canary"), "{texts}");
}

#[test]
fn descriptions_of_real_cameras() {
    // File, codec, size, where SETUP goes after the base ("" = our own URL), and what else is on offer.
    let h264 = Codec::H264;
    let h265 = Codec::H265;
    for (file, codec, size, control, others) in [
        ("anjvision_describe.txt", &h265, (1280, 704), "OWN/trackID=1", 0),
        ("anpviz_sdp.txt", &h264, (704, 576), "OWN/trackID=1", 1),
        (
            "bunny_describe.txt",
            &h264,
            (240, 160),
            "rtsp://wowzaec2demo.streamlock.net/vod/mp4:BigBuckBunny_115k.mov/trackID=2",
            1,
        ),
        (
            "dahua_describe_h264_aac_onvif.txt",
            &h264,
            (704, 480),
            "rtsp://192.168.5.111:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/trackID=0",
            2,
        ),
        (
            "dahua_describe_h265_pcma.txt",
            &h265,
            (704, 480),
            "rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/trackID=0",
            1,
        ),
        ("foscam_describe.txt", &h264, (1280, 720), "rtsp://192.168.5.107:65534/videoMain/track1", 1),
        (
            "gw_main_describe.txt",
            &h264,
            (1920, 1080),
            "rtsp://192.168.1.110:5050/H264?channel=1&subtype=0&unicast=true&proto=Onvif/video",
            1,
        ),
        (
            "gw_sub_describe.txt",
            &h264,
            (720, 480),
            "rtsp://192.168.1.110:5049/H264?channel=1&subtype=1&unicast=true&proto=Onvif/video",
            0,
        ),
        ("h264dvr_describe.txt", &h264, (1920, 1080), "rtsp://127.0.0.1:554/camera/trackID=3", 1),
        (
            "hikvision_describe.txt",
            &h264,
            (1920, 1080),
            "rtsp://192.168.5.106:554/Streaming/Channels/101/trackID=1?transportmode=unicast&profile=Profile_1",
            1,
        ),
        ("ipcam_describe.txt", &h264, (1280, 960), "OWN/trackID=1", 0),
        ("reolink_describe.txt", &h264, (2560, 1440), "rtsp://192.168.5.206/h264Preview_01_main/trackID=1", 1),
        (
            "reolink_describe_control_first.txt",
            &h264,
            (2560, 1440),
            "rtsp://192.168.5.206/h264Preview_01_main/trackID=1",
            1,
        ),
    ] {
        let Some(answer) = recorded(file) else { return };
        let camera = FakeCamera::builder().answer("DESCRIBE", answer).start();
        let found = handshake(&camera.url("/live")).unwrap_or_else(|failure| panic!("{file}: {failure}"));
        let video = found.video().unwrap();
        let picture = video.picture.as_ref().unwrap_or_else(|| panic!("{file}: no SPS"));
        assert_eq!((&video.codec, video.clock_rate), (codec, 90_000), "{file}");
        assert_eq!((picture.width, picture.height), size, "{file}");
        assert_eq!(video.control, control.replace("OWN", &camera.url("/live")), "{file}");
        assert_eq!(found.media.len(), 1 + others, "{file}");
        for media in found.media.iter().filter(|media| media.kind != MediaKind::Video) {
            assert!(matches!(media.kind, MediaKind::Audio | MediaKind::OnvifMetadata), "{file}: {media:?}");
        }
    }
}

#[test]
fn the_digest_challenge_of_a_real_camera() {
    let Some(answer) = recorded("longse_unauthorized.txt") else { return };
    let text = String::from_utf8(answer).unwrap();
    let challenge = text.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: ")).unwrap().to_owned();
    let gate = Gate::Digest { challenge, user: "op".to_owned(), password: CANARY.to_owned() };
    let camera = FakeCamera::builder().gate(gate).start();
    assert_eq!(login(&camera.url("/x")).unwrap().auth, AuthScheme::DigestMd5);
}

#[test]
fn setup_and_play_answers_of_real_cameras() {
    let stream = FakeStream { frames: 30, fps: 15, gop: 15, fragments: 2, missing: Vec::new(), sender_report: None };
    for (setup, play, udp) in [
        ("hikvision_setup.txt", "hikvision_play.txt", false),
        ("hikvision_setup_ssrc_space.txt", "hikvision_play.txt", false),
        ("dahua_setup.txt", "dahua_play.txt", false),
        ("reolink_setup.txt", "reolink_play.txt", false),
        ("gw_main_setup_video.txt", "gw_main_play.txt", false),
        ("gw_sub_setup.txt", "gw_sub_play.txt", false),
        ("luckfox_rkipc_setup_tcp.txt", "laureii_play.txt", false),
        ("h264dvr_setup_video.txt", "h264dvr_play.txt", true),
        ("luckfox_rkipc_setup_udp.txt", "laureii_play.txt", true),
    ] {
        let (Some(setup_answer), Some(play_answer)) = (recorded(setup), recorded(play)) else { return };
        let camera = FakeCamera::builder()
            .answer("SETUP", setup_answer)
            .answer("PLAY", play_answer)
            .stream(stream.bytes())
            .start();
        let report = look(&camera.url("/live"));
        if udp {
            assert_eq!(report.failure, Some(Failure::UdpOnly), "{setup}");
        } else {
            let look = report.look.unwrap_or_else(|| panic!("{setup}: {:?}", report.failure));
            assert_eq!((look.frames, look.keyframes, look.lost), (30, 2, 0), "{setup}");
        }
    }
}

#[test]
fn a_whole_recorded_session() {
    let parts = ["bunny_describe.txt", "bunny_setup.txt", "bunny_play.txt", "bunny_interleaved_session.rtsp.bin"];
    let Some(parts) = parts.iter().map(|name| recorded_raw(name)).collect::<Option<Vec<_>>>() else { return };
    let [describe, setup, play, stream] = parts.try_into().unwrap();
    // The recording has the video as second media.
    let setup = String::from_utf8(setup).unwrap().replace("interleaved=0-1", "interleaved=2-3");
    let camera = FakeCamera::builder()
        .answer("DESCRIBE", describe)
        .answer("SETUP", setup)
        .answer("PLAY", play)
        .stream(stream)
        .start();
    let report = look(&camera.url("/vod"));
    let look = report.look.as_ref().unwrap_or_else(|| panic!("{:?}", report.failure));
    assert_eq!((look.packets, look.lost), (269, 0));
    assert!((look.fps.unwrap() - 24.0).abs() < 0.5, "{look:?}");
    assert!(look.keyframes >= 1);
    let text = probe::render(&report);
    assert!(text.contains("audio mpeg4-generic (ignored)") && text.contains("H.264 240x160"), "{text}");
}

fn recorded_raw(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("VANTAGE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = PathBuf::from(root).join("data/footage/rtsp").join(name);
    let found = std::fs::read(&path).ok();
    if found.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    found
}
