//! Where a stream's SETUP goes when its `a=control` is relative.
//!
//! RFC 2326 §C.1.1 resolves it as a relative URL, so that `trackID=1` beside `rtsp://host/live` is
//! `rtsp://host/trackID=1`. Cameras mean `rtsp://host/live/trackID=1`, say so only where their Content-Base
//! ends with a slash, and often send none: everybody appends, and `rtspsrc` is the one that does not.

use gstreamer::glib;
use gstreamer::glib::prelude::*;
use gstreamer::glib::translate::ToGlibPtr;
use gstreamer_sdp::{SDPAttribute, SDPMessage, SDPMessageRef};

/// How relative controls become URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controls {
    /// Appended to the address, as cameras mean it.
    Appended,
    /// As `rtspsrc` does: against Content-Base, to the letter of the RFC.
    Resolved,
}

/// Makes the relative controls of a description absolute, below `address`. `value` is the description that
/// `rtspsrc` shows in its signal `on-sdp`.
pub fn append(value: &glib::Value, address: &str) {
    if !value.type_().is_a(SDPMessage::static_type()) {
        return;
    }
    // SAFETY: the value holds a `GstSDPMessage` or null, as its type says, and `SDPMessageRef` is that type.
    // rtspsrc lends the message for the length of the signal, to this handler alone, to be changed.
    let description = unsafe {
        let message = glib::gobject_ffi::g_value_get_boxed(value.to_glib_none().0);
        message.cast::<SDPMessageRef>().as_mut()
    };
    for media in description.into_iter().flat_map(SDPMessageRef::medias_mut) {
        let found = media.attributes().position(|attribute| attribute.key() == "control");
        let Some(index) = found.and_then(|index| u32::try_from(index).ok()) else { continue };
        let Some(url) = media.attribute_val("control").and_then(|control| appended(address, control)) else { continue };
        // Fails only for an index out of range.
        let _ = media.replace_attribute(index, SDPAttribute::new("control", Some(&url)));
    }
}

/// The URL of a relative control; `None` where nothing is to be appended.
fn appended(address: &str, control: &str) -> Option<String> {
    let control = control.trim();
    if control.is_empty() || control == "*" || control.starts_with('/') || control.contains("://") {
        return None;
    }
    let slash = if address.ends_with('/') { "" } else { "/" };
    Some(format!("{address}{slash}{control}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_hang_below_the_address() {
        for (address, control, expected) in [
            ("rtsp://h/x", "streamid=0", Some("rtsp://h/x/streamid=0")),
            ("rtsp://h/x/", "trackID=1", Some("rtsp://h/x/trackID=1")),
            ("rtsp://h/cam?channel=1&subtype=0", "trackID=0", Some("rtsp://h/cam?channel=1&subtype=0/trackID=0")),
            ("rtsp://h/x", "*", None),
            ("rtsp://h/x", "", None),
            ("rtsp://h/x", "/other/track1", None),
            ("rtsp://h/x", "rtsp://h/y/track1", None),
        ] {
            assert_eq!(appended(address, control).as_deref(), expected, "{address} {control}");
        }
    }
}
