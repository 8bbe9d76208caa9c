//! What the served codecs need beyond the table.

use gstreamer as gst;

use crate::base::{Error, ErrorKind, Result};
use crate::media::Codec;

/// The codec of a demultiplexer's caps.
pub(super) fn of(caps: &gst::CapsRef) -> Option<&'static Codec> {
    let structure = caps.structure(0)?;
    let version = ["mpegversion", "divxversion"].iter().find_map(|field| structure.get::<i32>(*field).ok());
    Codec::of_caps(structure.name(), version)
}

/// The caps that make one buffer one picture.
pub(super) fn pictures(codec: &Codec) -> gst::Caps {
    codec
        .caps
        .iter()
        .map(|name| {
            let caps = gst::Structure::builder(*name);
            if codec.annex_b { caps.field("alignment", "au").build() } else { caps.build() }
        })
        .collect()
}

/// The caps by the name that the payloader knows.
pub(super) fn standard(codec: &Codec, caps: gst::Caps) -> gst::Caps {
    let mut caps = caps;
    let divx = |structure: &gst::StructureRef| structure.name() == "video/x-divx";
    if caps.structure(0).is_some_and(divx)
        && let Some(structure) = caps.make_mut().structure_mut(0)
    {
        structure.set_name(codec.caps[0]);
        structure.set("mpegversion", 4);
        structure.set("systemstream", false);
        structure.remove_field("divxversion");
    }
    caps
}

/// Checks that an element exists.
pub(super) fn require(element: &str) -> Result<()> {
    if gst::ElementFactory::find(element).is_some() {
        return Ok(());
    }
    let package = match element {
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "tsdemux" | "h264parse" | "h265parse" | "jpegparse" | "mpeg4videoparse" => "gstreamer1.0-plugins-bad",
        "appsrc" | "appsink" | "videotestsrc" => "gstreamer1.0-plugins-base",
        _ => "gstreamer1.0-plugins-good",
    };
    Err(Error::new(ErrorKind::Missing, format!("the GStreamer element {element} is missing"))
        .help(format!("install the package {package}")))
}
