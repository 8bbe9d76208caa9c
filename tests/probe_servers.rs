//! The camera doctor against real servers: ours, VLC's and Debian's Perl one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "support/clips.rs"]
mod clips;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/servers.rs"]
mod servers;

use std::time::{Duration, Instant};

use clips::{ClipCodec, ClipSpec, Container, Scene};
use servers::{PerlServer, VlcServer};
use vantage::base::Secret;
use vantage::base::time::SystemClock;
use vantage::probe::{self, AuthScheme, Codec, Failure, Handshake, Options, Report};
use vantage::serve::{CameraServer, LoginScheme, ServedClip};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn look(url: &str, credentials: Option<(String, Secret)>) -> Report {
    block(probe::probe(url, credentials, &Options::default(), Some(Duration::from_secs(4)), &SystemClock))
}

fn clip(dir: &tempfile::TempDir, codec: ClipCodec, container: Container) -> std::path::PathBuf {
    let spec = ClipSpec { codec, container, seconds: 4.0, key_int: 25, ..ClipSpec::default() };
    clips::make(dir.path(), &format!("{codec:?}"), &spec, &Scene::crossing(4.0))
}

#[test]
fn our_own_cameras_are_healthy() {
    let dir = tempfile::tempdir().unwrap();
    for (codec, container, expected) in [
        (ClipCodec::H264, Container::Mp4, Codec::H264),
        (ClipCodec::H265, Container::Matroska, Codec::H265),
        (ClipCodec::Mjpeg, Container::Avi, Codec::Jpeg),
        (ClipCodec::Mpeg4, Container::Avi, Codec::Mpeg4),
    ] {
        let path = clip(&dir, codec, container);
        let served = ServedClip::looping(&path, "/cam").with_login("op", Secret::new("s3cret"), LoginScheme::Digest);
        let server = CameraServer::start(&[served], "127.0.0.1:0".parse().unwrap()).unwrap();
        let report = look(&server.url("/cam"), Some(("op".to_owned(), Secret::new("s3cret"))));
        let text = probe::render(&report);
        eprintln!("{text}");
        let (Some(handshake), Some(look)) = (&report.handshake, &report.look) else { panic!("{codec:?}: {text}") };
        assert_eq!(handshake.auth, AuthScheme::DigestMd5);
        let video = handshake.video().unwrap();
        assert_eq!(video.codec, expected);
        if matches!(expected, Codec::H264 | Codec::H265) {
            let picture = video.picture.as_ref().unwrap();
            assert_eq!((picture.width, picture.height), (320, 240));
        }
        assert_eq!(look.lost, 0);
        assert!((look.fps.unwrap() - 25.0).abs() < 0.5, "{codec:?}: {look:?}");
        // Paced by the clock on the wall, not as fast as the disk gives.
        assert!((85..=125).contains(&look.frames), "{codec:?}: {look:?}");
        let gop = if codec == ClipCodec::Mjpeg { 1.0 } else { 25.0 };
        assert!((look.gop.unwrap().frames - gop).abs() < 0.6, "{codec:?}: {look:?}");
        assert!(look.sender_reports > 0, "{codec:?}: {look:?}");
        assert!(look.clock_offset_ms.unwrap().abs() < 500.0, "{codec:?}: {look:?}");
    }
}

/// Asks until the stream is there: these servers know it only some time after they listen.
fn wait_for(url: &str) -> Handshake {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match block(probe::handshake(url, None, &Options::default(), &SystemClock)) {
            Ok(handshake) => return handshake,
            Err(failure) if Instant::now() > end => panic!("{url}: {failure}"),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

#[test]
fn vlc_as_a_camera() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = VlcServer::start(&clip(&dir, ClipCodec::H264, Container::Mp4)) else { return };
    let handshake = wait_for(&server.url());
    assert_eq!(handshake.video().unwrap().codec, Codec::H264);
    assert!(handshake.server.as_deref().is_some_and(|server| server.contains("VLC")), "{handshake:?}");
    let report = look(&server.url(), None);
    assert_eq!(report.failure, Some(Failure::UdpOnly), "{}", probe::render(&report));
}

#[test]
fn the_perl_server_is_udp_only() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = PerlServer::start(&clip(&dir, ClipCodec::H264, Container::Mp4)) else { return };
    assert_eq!(wait_for(&server.url()).video().unwrap().codec, Codec::H264);
    let report = look(&server.url(), None);
    assert_eq!(report.failure, Some(Failure::UdpOnly), "{}", probe::render(&report));
    assert!(report.advice[0].text.contains("UDP only"));
}
