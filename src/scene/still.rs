//! A still on its way to a receiver: what the store has of the file, and what a message carries of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the media folder has of a still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StillFile {
    /// The file's bytes, a whole JPEG.
    Found(Vec<u8>),
    /// It is larger than was asked for.
    TooLarge,
    /// It is not there: not written yet, never written, deleted, or not whole.
    Missing,
}

/// An event's still inside a message, or why it is not there: `data.still_inline`. It is no part of the record: a repeat
/// may have it where the first message had not, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum InlineStill {
    /// The picture.
    Carried {
        /// Media type of the decoded bytes.
        #[schemars(extend("const" = "image/jpeg"))]
        media_type: String,
        /// Length of the decoded bytes.
        bytes: u64,
        /// The file that `still` names, byte for byte (RFC 4648 §4, with padding).
        #[schemars(extend("contentEncoding" = "base64", "contentMediaType" = "image/jpeg"))]
        base64: String,
    },
    /// The reference alone.
    LeftOut {
        /// Why.
        left_out: LeftOut,
    },
}

/// Why a message does not carry the still that its event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The file is larger than the sink's `inline_still_kib`.
    TooLarge,
    /// There is no such file any more, or there never was one.
    Missing,
    /// The event is fresh and its still was not written in time; the file may appear yet.
    NotYet,
    /// The far side did not take the message with it.
    NotTaken,
}

impl InlineStill {
    /// The picture of these bytes.
    #[must_use]
    pub fn carried(jpeg: &[u8]) -> Self {
        Self::Carried { media_type: "image/jpeg".to_owned(), bytes: jpeg.len() as u64, base64: STANDARD.encode(jpeg) }
    }

    /// What a message says of this file; `missing` is why there is none where there is none.
    #[must_use]
    pub fn of(file: StillFile, missing: LeftOut) -> Self {
        match file {
            StillFile::Found(jpeg) => Self::carried(&jpeg),
            StillFile::TooLarge => Self::LeftOut { left_out: LeftOut::TooLarge },
            StillFile::Missing => Self::LeftOut { left_out: missing },
        }
    }

    /// Whether there is a picture in it.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        matches!(self, Self::Carried { .. })
    }

    /// The decoded picture; `None` where there is none.
    ///
    /// # Errors
    /// What is wrong with it: no base64, another length than it says, no JPEG.
    pub fn jpeg(&self) -> Result<Option<Vec<u8>>, String> {
        let Self::Carried { bytes, base64, .. } = self else { return Ok(None) };
        let jpeg = STANDARD.decode(base64).map_err(|e| format!("no base64: {e}"))?;
        if jpeg.len() as u64 != *bytes {
            return Err(format!("{} bytes, and `bytes` says {bytes}", jpeg.len()));
        }
        if !is_whole_jpeg(&jpeg) {
            return Err("no whole JPEG".to_owned());
        }
        Ok(Some(jpeg))
    }
}

/// Whether a file begins and ends as a JPEG does (ITU-T T.81 §B.1.1.3: SOI, and EOI): one that a power cut left with a
/// length and without contents does not.
#[must_use]
pub fn is_whole_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_as_it_went() {
        let jpeg = [0xff, 0xd8, 1, 2, 3, 0xff, 0xd9];
        let still = InlineStill::carried(&jpeg);
        assert_eq!(still.jpeg().unwrap().unwrap(), jpeg);
        let written = serde_json::to_value(&still).unwrap();
        assert_eq!(written, serde_json::json!({"media_type": "image/jpeg", "bytes": 7, "base64": "/9gBAgP/2Q=="}));
        assert_eq!(serde_json::from_value::<InlineStill>(written).unwrap(), still);
        let none = InlineStill::LeftOut { left_out: LeftOut::TooLarge };
        assert_eq!(serde_json::to_value(&none).unwrap(), serde_json::json!({"left_out": "too_large"}));
        assert_eq!(none.jpeg(), Ok(None));
    }

    #[test]
    fn a_damaged_picture_is_told() {
        let damaged = |bytes, base64: &str| {
            let still = InlineStill::Carried { media_type: String::new(), bytes, base64: base64.to_owned() };
            still.jpeg().unwrap_err()
        };
        assert!(damaged(7, "/9gBAgP/2Q=").contains("base64"));
        assert!(damaged(8, "/9gBAgP/2Q==").contains("7 bytes"));
        assert!(damaged(3, "AAAA").contains("JPEG"));
    }
}
