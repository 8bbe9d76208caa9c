//! The report for people: a few lines, as `vantage probe` prints them.

use std::fmt::Write;

use super::Report;
use super::advice::Severity;
use super::failure::Step;
use super::handshake::Handshake;
use super::meter::Look;
use super::sdp::{Media, MediaKind};

/// Two-space indented lines, each with a line end.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    if let Some(handshake) = &report.handshake {
        line(&mut out, &answered(handshake));
        line(&mut out, &offered(handshake, report.look.as_ref()));
        for quirk in &handshake.quirks {
            line(&mut out, &format!("quirk: {quirk}"));
        }
    }
    if let Some(look) = &report.look {
        line(&mut out, &looked(look));
    }
    for advice in &report.advice {
        let word = match advice.severity {
            Severity::Problem => "FAIL",
            Severity::Warning => "advice",
            Severity::Note => "note",
        };
        line(&mut out, &format!("{word}: {} -> {}", advice.text, advice.fix));
    }
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "  {text}");
}

fn answered(handshake: &Handshake) -> String {
    let mut parts = vec![format!("DESCRIBE {:.0} ms", handshake.step_ms(Step::Describe).unwrap_or(0.0))];
    if let Some(server) = &handshake.server {
        parts.push(format!("server \"{server}\""));
    }
    parts.push(handshake.auth.name().to_owned());
    if handshake.tls {
        parts.push("TLS".to_owned());
    }
    match handshake.redirects {
        0 => {}
        1 => parts.push(format!("redirected to {}", handshake.url)),
        times => parts.push(format!("redirected {times} times to {}", handshake.url)),
    }
    parts.join(" · ")
}

fn offered(handshake: &Handshake, look: Option<&Look>) -> String {
    let taken = handshake.video();
    let mut parts = Vec::new();
    for media in &handshake.media {
        let codec = media.codec.name();
        parts.push(match &media.kind {
            MediaKind::Video if taken == Some(media) => video(media, look),
            MediaKind::Video if media.usable() => format!("video {codec} (not the first, ignored)"),
            MediaKind::Video => format!("video {codec} (unknown, ignored)"),
            MediaKind::Audio => format!("audio {codec} (ignored)"),
            MediaKind::OnvifMetadata => "ONVIF metadata (ignored)".to_owned(),
            MediaKind::Other(kind) => format!("{kind} {codec} (ignored)"),
        });
    }
    parts.join("      ")
}

fn video(media: &Media, look: Option<&Look>) -> String {
    let mut out = format!("video  {}", media.codec.name());
    if let Some(picture) = &media.picture {
        let _ = write!(out, " {}x{} {}@{}", picture.width, picture.height, picture.profile, picture.level);
    }
    let promised = media.framerate.or(media.picture.as_ref().and_then(|picture| picture.fps));
    if let Some(fps) = look.and_then(|look| look.fps).or(promised) {
        let _ = write!(out, " {} fps", short(fps));
    }
    if let Some(gop) = look.and_then(|look| look.gop) {
        let least = if gop.exact { "" } else { "≥ " };
        let _ = write!(out, " GOP {least}{:.0} ({:.1} s)", gop.frames, gop.seconds);
    }
    if let Some(kbit_per_s) = look.and_then(|look| look.kbit_per_s) {
        let _ = write!(out, " {kbit_per_s:.0} kbit/s");
    }
    out
}

/// One decimal, and none where it is zero.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn looked(look: &Look) -> String {
    let mut parts = Vec::new();
    match look.first_keyframe_ms {
        Some(ms) => parts.push(format!("first keyframe {:.1} s", ms * 1e-3)),
        None => parts.push(format!("no keyframe within {:.1} s", look.seconds)),
    }
    parts.push(format!("loss {:.1} %", look.loss_percent()));
    parts.push(format!("jitter {:.0} ms", look.jitter_ms));
    parts.push(if look.sender_reports > 0 {
        "RTCP sender report yes -> wall-clock stamps".to_owned()
    } else {
        "RTCP sender report no -> arrival stamps".to_owned()
    });
    if let Some(offset) = look.clock_offset_ms {
        parts.push(if offset.abs() < 50.0 {
            "camera clock in step".to_owned()
        } else {
            format!("camera clock {:+.1} s", offset * 1e-3)
        });
    }
    parts.join(" · ")
}
