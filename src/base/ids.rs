//! Names and numbers of things. Each is its own type, so that one cannot be passed for another.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A camera's id from the pipeline file: `[a-z0-9][a-z0-9_-]*`, at most 64 bytes (checked by `config`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CameraId(Arc<str>);

impl CameraId {
    /// Wraps an id that `config` has checked.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "camera:{}", self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One unbroken connection of a camera, counted from 0 within the process. PTS compare only within it.
    RunId(u32)
}
number! {
    /// A decoded picture's place in its camera's run, from 0.
    FrameSeq(u64)
}
number! {
    /// An object's identity within one camera, from 1; never reused while the process lives.
    TrackId(u64)
}

/// A stable event id: a UUIDv8 (RFC 9562 §5.8) from a SHA-256 over what makes the event the one it is.
/// A rerun over the same footage gives the same id; a receiver may deduplicate by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("format" = "uuid"))]
pub struct EventId(#[schemars(with = "String")] pub Uuid);

impl EventId {
    /// Derives the id from its parts. Parts are length-prefixed, so `["ab","c"]` differs from `["a","bc"]`.
    #[must_use]
    pub fn derive(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Uuid::new_v8(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
