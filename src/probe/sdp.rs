//! The session description: which media, which codecs, where to ask for each.

use serde::Serialize;
use url::Url;

use super::bits::base64;
use super::failure::{Failure, shown};
use super::sps::{self, Picture};
use super::target::strip_credentials;
use crate::base::redact_url;

/// What a media section carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound, which we ignore.
    Audio,
    /// ONVIF analytics metadata, which we ignore.
    OnvifMetadata,
    /// Anything else, by its SDP name.
    Other(String),
}

/// A codec, as far as we tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// RFC 2435.
    Jpeg,
    /// MPEG-4 part 2, RFC 6416.
    Mpeg4,
    /// Any other, by its RTP name.
    Other(String),
}

impl Codec {
    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Jpeg => "MJPEG",
            Self::Mpeg4 => "MPEG-4",
            Self::Other(name) => name,
        }
    }
}

/// One media section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Media {
    /// What it carries.
    pub kind: MediaKind,
    /// Its codec.
    pub codec: Codec,
    /// RTP payload type.
    pub payload: u8,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Where to `SETUP` it, without secrets.
    pub control: String,
    /// Format parameters as given.
    pub fmtp: String,
    /// `a=framerate`, if it is above zero.
    pub framerate: Option<f64>,
    /// What the parameter sets promise (H.264, H.265).
    pub picture: Option<Picture>,
    /// As `control`, complete.
    #[serde(skip)]
    pub(super) control_url: ControlUrl,
}

/// A control URL as the camera gave it, secrets in its query included.
#[derive(Clone, PartialEq)]
pub(super) struct ControlUrl(pub Url);

impl std::fmt::Debug for ControlUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redact_url(self.0.as_str()))
    }
}

impl Media {
    /// Whether this is video that we can decode.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.kind == MediaKind::Video && !matches!(self.codec, Codec::Other(_))
    }
}

/// A session description.
pub(super) struct Description {
    /// Where `PLAY` and `TEARDOWN` go, for all media at once.
    pub aggregate: Url,
    pub media: Vec<Media>,
}

/// Parses a description. `base` is what relative controls hang on: Content-Base, else Content-Location,
/// else the request URL (RFC 2326 §C.1.1).
pub(super) fn parse(body: &[u8], base: &Url) -> Result<Description, Failure> {
    let session =
        sdp_types::Session::parse(body).map_err(|error| Failure::BadDescription { why: shown(&error.to_string()) })?;
    let aggregate = session.get_first_attribute_value("control").flatten().unwrap_or("*");
    Ok(Description {
        aggregate: control(base, aggregate),
        media: session.medias.iter().map(|media| section(media, base)).collect(),
    })
}

fn section(media: &sdp_types::Media, base: &Url) -> Media {
    let values = |name: &'static str| {
        let of_name = media.attributes.iter().filter(move |attribute| attribute.attribute == name);
        of_name.filter_map(|attribute| attribute.value.as_deref())
    };
    let payload: u8 = media.fmt.split_whitespace().next().and_then(|format| format.parse().ok()).unwrap_or(0);
    // `rtpmap:96 H264/90000` and `fmtp:96 …`: the line of our payload.
    let of_payload = |name| {
        values(name).find_map(|value| {
            let (format, rest) = value.trim().split_once(' ')?;
            (format.parse() == Ok(payload)).then(|| rest.trim())
        })
    };
    let fmtp = of_payload("fmtp").unwrap_or_default();
    let (name, clock_rate) = match of_payload("rtpmap") {
        Some(map) => {
            let mut parts = map.split('/');
            let name = parts.next().unwrap_or_default().trim();
            (
                name.to_owned(),
                parts.next().and_then(|rate| rate.trim().parse().ok()).filter(|&rate| rate > 0).unwrap_or(90_000),
            )
        }
        None => without_rtpmap(payload, fmtp),
    };
    let codec = match name.to_ascii_uppercase().as_str() {
        "H264" => Codec::H264,
        "H265" | "HEVC" => Codec::H265,
        "JPEG" => Codec::Jpeg,
        "MP4V-ES" => Codec::Mpeg4,
        _ => Codec::Other(shown(&name)),
    };
    let kind = match media.media.as_str() {
        "video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        _ if name.eq_ignore_ascii_case("vnd.onvif.metadata") => MediaKind::OnvifMetadata,
        other => MediaKind::Other(shown(other)),
    };
    let control_url = control(base, values("control").next().unwrap_or("*"));
    Media {
        picture: picture(&codec, fmtp),
        kind,
        codec,
        payload,
        clock_rate,
        control: redact_url(control_url.as_str()),
        fmtp: shown(fmtp),
        framerate: values("framerate").filter_map(|value| value.trim().parse().ok()).find(|&fps: &f64| fps > 0.0),
        control_url: ControlUrl(control_url),
    }
}

/// Static payload types (RFC 3551 §6), and dynamic ones whose map was forgotten but whose parameters tell.
fn without_rtpmap(payload: u8, fmtp: &str) -> (String, u32) {
    let (name, clock_rate) = match payload {
        0 => ("PCMU", 8_000),
        8 => ("PCMA", 8_000),
        26 => ("JPEG", 90_000),
        32 => ("MPV", 90_000),
        33 => ("MP2T", 90_000),
        _ if fmtp.contains("sprop-parameter-sets") => ("H264", 90_000),
        _ if fmtp.contains("sprop-sps") => ("H265", 90_000),
        other => return (format!("payload type {other}"), 90_000),
    };
    (name.to_owned(), clock_rate)
}

/// The value of one format parameter; names in any case, spaces around allowed.
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then(|| value.trim()))
}

fn picture(codec: &Codec, fmtp: &str) -> Option<Picture> {
    match codec {
        Codec::H264 => {
            let sets = parameter(fmtp, "sprop-parameter-sets")?;
            sets.split(',').take(16).find_map(|set| sps::h264(&base64(set)))
        }
        Codec::H265 => {
            let sets = parameter(fmtp, "sprop-sps")?;
            sets.split(',').take(16).find_map(|set| sps::h265(&base64(set)))
        }
        _ => None,
    }
}

/// A control attribute against its base. Absolute URLs stand; `*` is the base; anything else is appended
/// after a `/`, as servers mean it even when the base has a query or lacks the final slash (RFC 1808 would
/// drop the last path part there).
fn control(base: &Url, control: &str) -> Url {
    let control = control.trim();
    let mut url = match control {
        "" | "*" => base.clone(),
        _ if control.contains("://") => Url::parse(control).unwrap_or_else(|_| base.clone()),
        _ if control.starts_with('/') => base.join(control).unwrap_or_else(|_| base.clone()),
        _ => {
            let slash = if base.as_str().ends_with('/') { "" } else { "/" };
            Url::parse(&format!("{base}{slash}{control}")).unwrap_or_else(|_| base.clone())
        }
    };
    strip_credentials(&mut url);
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_resolve_as_servers_mean_them() {
        for (base, given, expected) in [
            ("rtsp://h/a/", "trackID=1", "rtsp://h/a/trackID=1"),
            ("rtsp://h/a", "trackID=1", "rtsp://h/a/trackID=1"),
            ("rtsp://h/a?x=1&y=2", "video", "rtsp://h/a?x=1&y=2/video"),
            ("rtsp://h/a/", "*", "rtsp://h/a/"),
            ("rtsp://h/a/", " track 1 ", "rtsp://h/a/track%201"),
            ("rtsp://h/a/", "/b/c", "rtsp://h/b/c"),
            ("rtsp://h/a/", "rtsp://u:p@other:99/b?q", "rtsp://other:99/b?q"),
        ] {
            assert_eq!(control(&Url::parse(base).unwrap(), given).as_str(), expected);
        }
    }

    #[test]
    fn codecs_without_rtpmap() {
        let text = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\n\
            m=video 0 RTP/AVP 96\r\na=fmtp:96 sprop-parameter-sets=Z00AH5WoFAFuQA==,aO48gA==\r\n\
            m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";
        let media = parse(text.as_bytes(), &Url::parse("rtsp://h/").unwrap()).unwrap().media;
        assert_eq!(media[0].codec, Codec::Jpeg);
        assert_eq!(media[1].codec, Codec::H264);
        assert_eq!(media[1].picture.as_ref().map(|p| (p.width, p.height)), Some((1280, 720)));
        assert_eq!((media[2].codec.name(), media[2].usable()), ("VP8", false));
    }

    proptest! {
        #[test]
        fn any_description_is_fine(lines in proptest::collection::vec(
            "(m=(video|audio) 0 RTP/AVP [0-9]{1,3}|a=(control|rtpmap:96|rtpmap|fmtp:96|framerate):[ -~]{0,60}|[ -~]{0,40})",
            0..20,
        )) {
            let text = format!("v=0\r\n{}\r\n", lines.join("\r\n"));
            if let Ok(found) = parse(text.as_bytes(), &Url::parse("rtsp://h/a").unwrap()) {
                for media in found.media {
                    prop_assert!(media.control_url.0.username().is_empty() && media.clock_rate > 0);
                }
            }
        }
    }
}
