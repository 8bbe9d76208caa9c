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
