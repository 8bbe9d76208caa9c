//! The codecs that are served, and the elements that each needs.

use gstreamer as gst;

use crate::base::{Error, ErrorKind, Result};

/// A video codec that goes out without transcoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    Jpeg,
    Mpeg4,
}

impl Codec {
    /// By the caps that a demultiplexer gives.
    pub(super) fn of(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        match structure.name().as_str() {
            "video/x-h264" => Some(Self::H264),
            "video/x-h265" => Some(Self::H265),
            "image/jpeg" => Some(Self::Jpeg),
            "video/mpeg" if structure.get::<i32>("mpegversion") == Ok(4) => Some(Self::Mpeg4),
            // AVI calls the same bitstream by its first encoder's name.
            "video/x-divx" if matches!(structure.get::<i32>("divxversion"), Ok(4 | 5)) => Some(Self::Mpeg4),
            _ => None,
        }
    }

    /// Parser, and the caps that make one buffer one picture.
    pub(super) fn parser(self) -> (&'static str, &'static str) {
        match self {
            Self::H264 => ("h264parse", "video/x-h264,alignment=au"),
            Self::H265 => ("h265parse", "video/x-h265,alignment=au"),
            Self::Jpeg => ("jpegparse", "image/jpeg"),
            Self::Mpeg4 => ("mpeg4videoparse", "video/mpeg,mpegversion=4;video/x-divx"),
        }
    }

    /// The caps by the name that the payloader knows.
    pub(super) fn standard(self, caps: gst::Caps) -> gst::Caps {
        let mut caps = caps;
        if let Some(structure) = caps.make_mut().structure_mut(0).filter(|_| self == Self::Mpeg4) {
            structure.set_name("video/mpeg");
            structure.set("mpegversion", 4);
            structure.set("systemstream", false);
            structure.remove_field("divxversion");
        }
        caps
    }

    /// Payloader with its settings: parameter sets before every keyframe, so that anybody can join.
    pub(super) fn payloader(self) -> &'static str {
        match self {
            Self::H264 => "rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96",
            Self::H265 => "rtph265pay config-interval=-1 aggregate-mode=zero-latency pt=96",
            Self::Jpeg => "rtpjpegpay pt=26",
            // The shortest packet time: otherwise small pictures wait until they fill a packet together.
            Self::Mpeg4 => "rtpmp4vpay config-interval=1 max-ptime=1 pt=96",
        }
    }
}

/// Checks that an element exists.
pub(super) fn require(element: &str) -> Result<()> {
    if gst::ElementFactory::find(element).is_some() {
        return Ok(());
    }
    let package = match element {
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "h264parse" | "h265parse" | "jpegparse" | "mpeg4videoparse" => "gstreamer1.0-plugins-bad",
        "parsebin" | "appsrc" | "appsink" | "videotestsrc" => "gstreamer1.0-plugins-base",
        _ => "gstreamer1.0-plugins-good",
    };
    Err(Error::new(ErrorKind::Missing, format!("the GStreamer element {element} is missing"))
        .help(format!("install the package {package}")))
}
