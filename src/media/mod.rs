//! What video files and streams are: containers, codecs, and the GStreamer elements that read and write each.
//!
//! Tables: a new container or codec is one row, for cameras, recordings and served clips alike.

pub mod codec;
pub mod container;
pub mod element;
pub mod mp4;

pub use self::codec::{CODECS, Codec};
pub use self::container::Container;
