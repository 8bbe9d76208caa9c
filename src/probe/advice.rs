//! What the figures mean for whoever runs the camera.

use serde::Serialize;

use super::auth::AuthScheme;
use super::handshake::Handshake;
use super::meter::Look;
use super::sdp::Codec;

/// How much an advice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Works, but worse than it could.
    Warning,
    /// Does not work.
    Problem,
}

/// One advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// How much it matters.
    pub severity: Severity,
    /// What is the case.
    pub text: String,
    /// What to do.
    pub fix: String,
}

impl Advice {
    pub(super) fn new(severity: Severity, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity, text: text.into(), fix: fix.into() }
    }
}

/// A group of pictures longer than this makes start and recovery slow.
const LONG_GOP_S: f64 = 4.0;
/// A clock further off than this is worth a word.
const CLOCK_OFF_MS: f64 = 1000.0;
/// A clock further off than this was never set.
const CLOCK_UNSET_MS: f64 = 30.0 * 24.0 * 3600.0 * 1000.0;
/// Relative variation of the frame interval from which a camera counts as unsteady.
const UNSTEADY: f64 = 0.35;
/// Pixels of a 1080p picture, coded height.
const PIXELS_1080P: u64 = 1920 * 1088;
/// Pixels of the usual sub-stream.
const PIXELS_SUB: u64 = 640 * 360;

/// Advice on what was said and, if the stream was looked at, on what came; worst first.
#[must_use]
pub fn advice(handshake: &Handshake, look: Option<&Look>) -> Vec<Advice> {
    let mut all = Vec::new();
    access(handshake, &mut all);
    picture(handshake, look, &mut all);
    if let Some(look) = look {
        stream(look, &mut all);
        time(look, &mut all);
    }
    all.sort_by_key(|advice| std::cmp::Reverse(advice.severity));
    all
}

fn access(handshake: &Handshake, all: &mut Vec<Advice>) {
    if handshake.auth == AuthScheme::Basic && !handshake.tls {
        all.push(Advice::new(
            Severity::Warning,
            "the password crosses the network in clear (basic authentication without TLS)",
            "set the camera to digest authentication, or use rtsps://",
        ));
    }
    if handshake.auth == AuthScheme::None {
        all.push(Advice::new(
            Severity::Note,
            "the camera asks for no password: anybody on its network can watch",
            "switch RTSP authentication on",
        ));
    }
}

fn picture(handshake: &Handshake, look: Option<&Look>, all: &mut Vec<Advice>) {
    let Some(video) = handshake.video() else { return };
    if video.codec == Codec::H265 {
        all.push(Advice::new(
            Severity::Note,
            "H.265 costs more CPU to decode than H.264",
            "use H.264 where there is no hardware decoder",
        ));
    }
    let Some(picture) = &video.picture else { return };
    if picture.bit_depth > 8 {
        all.push(Advice::new(
            Severity::Warning,
            format!("{} bits a sample: slower to decode, and many hardware decoders refuse it", picture.bit_depth),
            "set the camera to an 8-bit profile (Main)",
        ));
    }
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    if pixels > PIXELS_1080P {
        all.push(Advice::new(
            Severity::Warning,
            format!(
                "{}x{} is more than analysis uses; 640x360 has {:.0} times fewer pixels to decode",
                picture.width,
                picture.height,
                pixels as f64 / PIXELS_SUB as f64
            ),
            "use the camera's sub-stream for analysis",
        ));
    }
    if picture.interlaced {
        all.push(Advice::new(Severity::Note, "interlaced video: moving edges are combed", "set it to progressive"));
    }
    let promised = video.framerate.or(picture.fps);
    if let (Some(promised), Some(measured)) = (promised, look.and_then(|look| look.fps))
        && (measured / promised - 1.0).abs() > 0.2
    {
        all.push(Advice::new(
            Severity::Note,
            format!("{measured:.1} frames a second instead of the {promised:.1} promised"),
            "check exposure time and load of the camera if you need the full rate",
        ));
    }
}

fn stream(look: &Look, all: &mut Vec<Advice>) {
    let loss = look.loss_percent();
    if loss > 0.0 {
        all.push(Advice::new(
            if loss >= 0.1 { Severity::Warning } else { Severity::Note },
            format!("{} of its packets lost ({loss:.2} %): TCP loses none, so the camera drops them itself", look.lost),
            "lower its bit rate, or close other viewers",
        ));
    }
    if let Some(gop) = look.gop.filter(|gop| gop.seconds > LONG_GOP_S) {
        let least = if gop.exact { "" } else { "at least " };
        all.push(Advice::new(
            Severity::Warning,
            format!("a keyframe every {least}{:.1} s only: slow start, and long gaps after a loss", gop.seconds),
            "set the I-frame interval to 2 s",
        ));
    }
    if look.interval_variation.is_some_and(|variation| variation > UNSTEADY) {
        all.push(Advice::new(
            Severity::Note,
            "the frame interval is unsteady",
            "set a constant frame rate if the camera can",
        ));
    }
}

fn time(look: &Look, all: &mut Vec<Advice>) {
    let Some(offset_ms) = look.clock_offset_ms else {
        all.push(Advice::new(
            Severity::Note,
            format!("no RTCP sender report within {:.0} s: pictures are dated by their arrival", look.seconds),
            "none needed; a camera that sends reports later is dated by them from then on",
        ));
        return;
    };
    let side = if offset_ms > 0.0 { "ahead of" } else { "behind" };
    if offset_ms.abs() > CLOCK_UNSET_MS {
        all.push(Advice::new(
            Severity::Warning,
            format!("the camera's clock is not set ({:.0} days {side} ours)", offset_ms.abs() / 86_400_000.0),
            "set an NTP server in the camera",
        ));
    } else if offset_ms.abs() > CLOCK_OFF_MS {
        all.push(Advice::new(
            Severity::Warning,
            format!("the camera's clock is {:.1} s {side} ours", offset_ms.abs() * 1e-3),
            "set an NTP server in the camera, and check this machine's",
        ));
    }
}
