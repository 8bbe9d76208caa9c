//! What the libav decoders say while they decode, as evidence.
//!
//! gst-libav sends libav's log to the GStreamer debug category `libav`, without naming the decoder.
//! It is written on the thread that decodes, and with `max-threads=1` that is the streaming thread
//! whose probes we own: so a thread-local slot tells whose complaint it is. libav's warnings arrive
//! at level `INFO` like its chatter; the tables below tell them apart.
//!
//! Raising that category's threshold would put the chatter on stderr, so the hook stands in for
//! GStreamer's own log function and forwards to it what `GST_DEBUG` asked for.

use std::cell::Cell;
use std::sync::Once;

use gst::prelude::*;
use gstreamer as gst;

use crate::base::{Error, ErrorKind, Result};

/// A libav message that means damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    /// The piece of it that we know it by.
    pub reason: &'static str,
    /// A picture that others refer to is missing. libav says so once, invents it, and says nothing
    /// of the next that refers to it: so whatever follows is suspect too.
    pub reference_missing: bool,
}

/// How libav tells that.
const REFERENCE_MISSING: [&str; 3] = ["Could not find ref", "eference picture missing", "Missing reference"];

thread_local! {
    static HEARD: Cell<Option<Complaint>> = const { Cell::new(None) };
}

/// Said at level `ERROR` and harmless to the picture: side information, or quirks that some cameras'
/// encoders show all day.
const HARMLESS_ERRORS: [&str; 6] =
    ["Overread VUI", "SEI type", "SEI payload", "mmco: unref short failure", "number of reference frames", "ignoring"];

/// Said at level `INFO` (which libav's warnings get too) and damage all the same.
const DAMAGE_NOTICES: [&str; 9] = [
    "concealing",
    "bad vlc",
    "Error parsing NAL unit",
    "Invalid NAL unit",
    "in error concealment",
    "No JPEG data",
    "quant value",
    "EOI missing",
    "Found EOI before any SOF",
];

/// The ears in libav's log.
#[derive(Debug, Clone, Copy)]
pub struct DecoderLog(());

impl DecoderLog {
    /// Installs the hook, once per process; later calls are free. Needs `gst::init` before.
    ///
    /// # Errors
    /// `Missing` when the gst-libav plugin is not installed.
    pub fn install() -> Result<Self> {
        static HOOK: Once = Once::new();
        // The category exists from when the plugin loads, which looking a feature up does not cause.
        let loaded = gst::ElementFactory::find("avdec_h264").and_then(|factory| factory.load().ok());
        let (Some(_), Some(category)) = (loaded, gst::DebugCategory::get("libav")) else {
            return Err(Error::new(ErrorKind::Missing, "the GStreamer plugin `libav` cannot be loaded")
                .help("install gstreamer1.0-libav (Debian, Ubuntu) or gstreamer1-plugin-libav (Fedora)"));
        };
        HOOK.call_once(|| {
            let asked = category.threshold();
            // GStreamer starts inactive when neither GST_DEBUG nor a program wants a log.
            let print = gst::log::is_active();
            gst::log::set_active(true);
            gst::log::remove_default_log_function();
            gst::log::add_log_function(move |from, level, file, function, line, object, message| {
                if from == category {
                    listen(level, message);
                }
                if print && (from != category || level <= asked) {
                    gst::log::log_default(from, level, file, function, line, object, message);
                }
            });
            category.set_threshold(asked.max(gst::DebugLevel::Info));
        });
        Ok(Self(()))
    }

    /// The worst complaint on this thread since the last `take`. Call it on the decoder's streaming
    /// thread: before the decoder gets an access unit (what is heard then belongs to the one before)
    /// and when it puts out a picture (belongs to the access unit it last got).
    #[must_use]
    pub fn take(self) -> Option<Complaint> {
        HEARD.take()
    }
}

fn listen(level: gst::DebugLevel, message: &gst::DebugMessage) {
    if level != gst::DebugLevel::Error && level > gst::DebugLevel::Info
        || HEARD.get().is_some_and(|heard| heard.reference_missing)
    {
        return;
    }
    if let Some(text) = message.get() {
        let heard = judge(level == gst::DebugLevel::Error, text.as_str());
        if heard.is_some_and(|heard| heard.reference_missing) || HEARD.get().is_none() {
            HEARD.set(heard);
        }
    }
}

/// The complaint in one message, if it is one.
fn judge(error: bool, text: &str) -> Option<Complaint> {
    if let Some(notice) = DAMAGE_NOTICES.iter().find(|notice| text.contains(**notice)) {
        return Some(Complaint { reason: notice, reference_missing: false });
    }
    if !error || HARMLESS_ERRORS.iter().any(|harmless| text.contains(harmless)) {
        return None;
    }
    let reference_missing = REFERENCE_MISSING.iter().any(|missing| text.contains(missing));
    Some(Complaint { reason: if reference_missing { "reference missing" } else { "decoder error" }, reference_missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: bool, text: &str) -> Option<&'static str> {
        judge(error, text).map(|complaint| complaint.reason)
    }

    #[test]
    fn knows_damage_from_chatter() {
        assert_eq!(reason(false, "concealing 51 DC, 51 AC, 51 MV errors in P frame"), Some("concealing"));
        assert_eq!(reason(true, "error while decoding MB 3 4, bytestream -7"), Some("decoder error"));
        assert!(judge(true, "Could not find ref with POC 12").unwrap().reference_missing);
        assert_eq!(reason(true, "mmco: unref short failure"), None);
        assert_eq!(reason(false, "Reinit context to 480x272, pix_fmt: yuv420p"), None);
    }

    #[test]
    fn hears_the_decoder_on_its_own_thread_only() {
        gst::init().unwrap();
        let Ok(log) = DecoderLog::install() else {
            eprintln!("skipped: no gst-libav");
            return;
        };
        let category = gst::DebugCategory::get("libav").unwrap();
        let say = move |text: &gst::glib::GStr| {
            category.log_literal(
                None::<&gst::glib::Object>,
                gst::DebugLevel::Error,
                gst::glib::gstr!("file"),
                gst::glib::gstr!("function"),
                0,
                text,
            );
        };
        let other = std::thread::Builder::new().name("other-decoder".into()).spawn(move || {
            say(gst::glib::gstr!("error while decoding MB 1 1"));
            say(gst::glib::gstr!("no frame!"));
            (log.take(), log.take())
        });
        let (first, second) = other.unwrap().join().unwrap();
        assert_eq!((first.map(|complaint| complaint.reason), second), (Some("decoder error"), None));
        assert_eq!(log.take(), None);
    }
}
