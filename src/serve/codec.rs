//! What the served codecs need beyond the table.

use gstreamer as gst;

use crate::media::Codec;

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
