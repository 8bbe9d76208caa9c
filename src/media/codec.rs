//! The codecs that are decoded and served.

use gstreamer as gst;

/// A video codec and its GStreamer elements, by factory name.
#[derive(Debug, PartialEq, Eq)]
pub struct Codec {
    /// As people call it.
    pub name: &'static str,
    /// Names of the caps that demultiplexers give it.
    pub caps: &'static [&'static str],
    /// `mpegversion` or `divxversion` in those caps: the same names also mean older codecs.
    versions: &'static [i32],
    /// Makes one buffer one access unit.
    pub parser: &'static str,
    /// From access units to pictures.
    pub decoder: &'static str,
    /// Whether access units are read in Annex B form, one per buffer.
    pub annex_b: bool,
    /// RTP encoding name: RFC 6184, RFC 7798, RFC 2435, RFC 6416.
    pub encoding: &'static str,
    /// From RTP packets.
    pub depayloader: &'static str,
    /// To RTP packets.
    pub payloader: &'static str,
    /// The payloader's settings, as for `gst-launch-1.0`: parameter sets before every keyframe, so that anybody
    /// can join.
    pub payloader_settings: &'static str,
}

/// Every codec handled.
pub static CODECS: [Codec; 4] = [
    Codec {
        name: "H.264",
        caps: &["video/x-h264"],
        versions: &[],
        parser: "h264parse",
        decoder: "avdec_h264",
        annex_b: true,
        encoding: "H264",
        depayloader: "rtph264depay",
        payloader: "rtph264pay",
        payloader_settings: "config-interval=-1 aggregate-mode=zero-latency pt=96",
    },
    Codec {
        name: "H.265",
        caps: &["video/x-h265"],
        versions: &[],
        parser: "h265parse",
        decoder: "avdec_h265",
        annex_b: true,
        encoding: "H265",
        depayloader: "rtph265depay",
        payloader: "rtph265pay",
        payloader_settings: "config-interval=-1 aggregate-mode=zero-latency pt=96",
    },
    Codec {
        name: "MJPEG",
        caps: &["image/jpeg"],
        versions: &[],
        parser: "jpegparse",
        decoder: "avdec_mjpeg",
        annex_b: false,
        encoding: "JPEG",
        depayloader: "rtpjpegdepay",
        payloader: "rtpjpegpay",
        payloader_settings: "pt=26",
    },
    Codec {
        name: "MPEG-4 Part 2",
        // AVI calls the same bitstream by its first encoder's name.
        caps: &["video/mpeg", "video/x-divx"],
        versions: &[4, 5],
        parser: "mpeg4videoparse",
        decoder: "avdec_mpeg4",
        annex_b: false,
        encoding: "MP4V-ES",
        depayloader: "rtpmp4vdepay",
        payloader: "rtpmp4vpay",
        // The shortest packet time: otherwise small pictures wait until they fill a packet together.
        payloader_settings: "config-interval=1 max-ptime=1 pt=96",
    },
];

impl Codec {
    /// The codec of caps with this name and, where they have one, this `mpegversion` or `divxversion`.
    #[must_use]
    pub fn of_caps(name: &str, version: Option<i32>) -> Option<&'static Self> {
        let known = CODECS.iter().find(|codec| codec.caps.contains(&name))?;
        let fits = known.versions.is_empty() || version.is_none_or(|version| known.versions.contains(&version));
        fits.then_some(known)
    }

    /// The codec of a demultiplexer's caps.
    #[must_use]
    pub fn of_structure(structure: &gst::StructureRef) -> Option<&'static Self> {
        let version = ["mpegversion", "divxversion"].iter().find_map(|field| structure.get::<i32>(*field).ok());
        Self::of_caps(structure.name(), version)
    }

    /// The codec of an RTP encoding name.
    #[must_use]
    pub fn of_rtp(encoding: &str) -> Option<&'static Self> {
        CODECS.iter().find(|codec| codec.encoding == encoding)
    }

    /// `caps` by the name that payloaders and muxers know: AVI calls MPEG-4 Part 2 by its first encoder's name.
    #[must_use]
    pub fn standard_caps(&self, mut caps: gst::Caps) -> gst::Caps {
        let divx = |structure: &gst::StructureRef| structure.name() == "video/x-divx";
        if caps.structure(0).is_some_and(divx)
            && let Some(structure) = caps.make_mut().structure_mut(0)
        {
            structure.set_name(self.caps[0]);
            structure.set("mpegversion", 4);
            structure.set("systemstream", false);
            structure.remove_field("divxversion");
        }
        caps
    }

    /// The known codecs' names, for messages.
    #[must_use]
    pub fn names() -> String {
        CODECS.iter().map(|codec| codec.name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_codecs_of_the_same_name_are_others() {
        let name = |caps, version| Codec::of_caps(caps, version).map(|codec| codec.name);
        assert_eq!(name("video/mpeg", Some(4)), Some("MPEG-4 Part 2"));
        assert_eq!(name("video/mpeg", Some(2)), None);
        assert_eq!(name("video/x-divx", Some(5)), Some("MPEG-4 Part 2"));
        assert_eq!(name("video/x-divx", Some(3)), None);
        assert_eq!(name("video/x-h264", None), Some("H.264"));
        assert_eq!(name("video/x-vp8", None), None);
    }
}
