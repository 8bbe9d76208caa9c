//! What video files and streams are: containers, codecs, and the GStreamer elements that read and write each.
//!
//! Tables: a new container or codec is one row, for cameras, recordings and served clips alike. [`packet`] is a
//! compressed picture as it is kept, [`clip`] the file that it is written into.

pub mod clip;
pub mod codec;
pub mod container;
pub mod decode_times;
pub mod element;
pub mod fragments;
pub mod mp4;
pub mod packet;

pub use self::codec::{CODECS, Codec};
pub use self::container::Container;
pub use self::decode_times::DecodeTimes;
