//! What a file is, from its first bytes; the name only settles what the bytes leave open.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Codec;
use crate::base::{Error, ErrorKind, Result};

/// A recording's container, or the elementary stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// ISO base media: mp4, mov.
    Mp4,
    /// Matroska, WebM.
    Matroska,
    /// MPEG transport stream.
    MpegTs,
    /// RIFF AVI.
    Avi,
    /// Bare H.264, Annex B.
    H264,
    /// Bare H.265, Annex B.
    H265,
    /// Bare JPEG pictures one after the other.
    Mjpeg,
}

impl Container {
    /// Whether pictures carry no times of their own.
    #[must_use]
    pub fn is_bare(self) -> bool {
        self.demuxer().is_none()
    }

    /// The element that takes it apart; none for a bare stream.
    #[must_use]
    pub fn demuxer(self) -> Option<&'static str> {
        match self {
            Self::Mp4 => Some("qtdemux"),
            Self::Matroska => Some("matroskademux"),
            Self::MpegTs => Some("tsdemux"),
            Self::Avi => Some("avidemux"),
            Self::H264 | Self::H265 | Self::Mjpeg => None,
        }
    }

    /// The codec of a bare stream.
    #[must_use]
    pub fn bare_codec(self) -> Option<&'static Codec> {
        let caps = match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
            Self::Mjpeg => "image/jpeg",
            Self::Mp4 | Self::Matroska | Self::MpegTs | Self::Avi => return None,
        };
        Codec::of_caps(caps, None)
    }
}

/// Recognises a file.
///
/// # Errors
/// Not found, unreadable, empty, or nothing we know: the message says which.
pub fn sniff(path: &Path) -> Result<Container> {
    let mut head = Vec::with_capacity(4096);
    let file = File::open(path).map_err(|e| Error::io(path, e).help("check the path"))?;
    let is_file = file.metadata().map_err(|e| Error::io(path, e))?.is_file();
    if !is_file {
        return Err(Error::new(ErrorKind::Unsupported, format!("{}: not a regular file", path.display()))
            .help("give a video file, or an rtsp://, rtsps:// or http:// address"));
    }
    file.take(4096).read_to_end(&mut head).map_err(|e| Error::io(path, e))?;
    if head.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{}: the file is empty", path.display()))
            .help("the recording was cut off before its first byte; copy it again"));
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    recognise(&head, &extension).ok_or_else(|| {
        let looks = if head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
            "it is text"
        } else {
            "its first bytes match no known container"
        };
        Error::new(ErrorKind::Unsupported, format!("{}: not a video file: {looks}", path.display()))
            .help("known are mp4, mkv, ts, avi and bare .h264, .264, .h265, .265, .mjpeg")
    })
}

fn recognise(head: &[u8], extension: &str) -> Option<Container> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if [b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"].iter().any(|kind| at(4, *kind)) {
        return Some(Container::Mp4);
    }
    if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) {
        return Some(Container::Matroska);
    }
    if at(0, b"RIFF") && at(8, b"AVI ") {
        return Some(Container::Avi);
    }
    if at(0, &[0xFF, 0xD8, 0xFF]) {
        return Some(Container::Mjpeg);
    }
    if head.len() > 188 * 3 && (0..4).all(|i| at(i * 188, &[0x47])) {
        return Some(Container::MpegTs);
    }
    // From here on damage may have hit the first bytes: the name decides between what is possible.
    let first_nal = head.windows(4).find_map(|w| match w {
        [0, 0, 1, header] => Some(*header),
        _ => None,
    })?;
    match extension {
        "h265" | "265" | "hevc" => Some(Container::H265),
        "h264" | "264" | "avc" => Some(Container::H264),
        "ts" | "mp4" | "mkv" | "avi" => None,
        // H.265 7.3.1.2: VPS, SPS, PPS or access unit delimiter with layer 0. H.264 7.3.1: SPS, PPS, AUD.
        _ if matches!(first_nal, 0x40 | 0x42 | 0x44 | 0x46) => Some(Container::H265),
        _ if matches!(first_nal & 0x9F, 0x07..=0x09) => Some(Container::H264),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_and_names_only_help() {
        let mp4 = b"\0\0\0\x20ftypisom";
        assert_eq!(recognise(mp4, "avi"), Some(Container::Mp4));
        assert_eq!(recognise(&[0, 0, 0, 1, 0x67, 66], "bin"), Some(Container::H264));
        assert_eq!(recognise(&[0, 0, 0, 1, 0x40, 1], ""), Some(Container::H265));
        assert_eq!(recognise(&[0, 0, 1, 0x41, 9], "264"), Some(Container::H264), "starts mid-GOP");
        assert_eq!(recognise(b"hello, world", "mp4"), None);
        assert_eq!(recognise(&[7; 4096], "bin"), None);
    }
}
