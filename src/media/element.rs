//! GStreamer elements and the Debian packages that bring them.

use gstreamer as gst;

use super::CODECS;
use crate::base::{Error, ErrorKind, Result};

/// Elements outside the codec table, by package.
const PACKAGES: [(&str, &[&str]); 5] = [
    ("libgstreamer1.0-0", &["capsfilter", "fakesink", "filesink", "filesrc"]),
    ("gstreamer1.0-plugins-base", &["appsink", "appsrc", "videoconvert", "videotestsrc"]),
    (
        "gstreamer1.0-plugins-good",
        &["avidemux", "matroskademux", "matroskamux", "mp4mux", "multipartdemux", "qtdemux", "rtspsrc", "souphttpsrc"],
    ),
    ("gstreamer1.0-plugins-bad", &["openh264enc", "tsdemux"]),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
];

/// The package of an element that we use.
#[must_use]
pub fn package(element: &str) -> Option<&'static str> {
    let of_codecs = CODECS.iter().find_map(|codec| match element {
        name if name == codec.parser => Some("gstreamer1.0-plugins-bad"),
        name if name == codec.decoder => Some("gstreamer1.0-libav"),
        name if name == codec.depayloader || name == codec.payloader => Some("gstreamer1.0-plugins-good"),
        _ => None,
    });
    let listed = || PACKAGES.iter().find(|(_, elements)| elements.contains(&element)).map(|(package, _)| *package);
    of_codecs.or_else(listed)
}

/// Whether GStreamer has the element.
#[must_use]
pub fn exists(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// Makes an element.
///
/// # Errors
/// `Missing`, with the package that brings it.
pub fn make(element: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(element).build().map_err(|error| missing(element).source(error))
}

/// Checks that an element exists.
///
/// # Errors
/// As [`make`].
pub fn require(element: &str) -> Result<()> {
    if exists(element) { Ok(()) } else { Err(missing(element)) }
}

fn missing(element: &str) -> Error {
    let install = package(element).map_or_else(
        || "run `make setup`, or `vantage doctor` to see what is missing".to_owned(),
        |package| format!("install the package {package}, or run `make setup`"),
    );
    Error::new(ErrorKind::Missing, format!("the GStreamer element {element} is missing")).help(install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_names_its_package() {
        assert_eq!(package("avdec_h265"), Some("gstreamer1.0-libav"));
        assert_eq!(package("rtpjpegpay"), Some("gstreamer1.0-plugins-good"));
        assert_eq!(package("tsdemux"), Some("gstreamer1.0-plugins-bad"));
        assert!(missing("x264enc").advice().is_some_and(|help| help.contains("gstreamer1.0-plugins-ugly")));
    }
}
