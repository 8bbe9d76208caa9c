//! Pictures: the decoder's buffer by reference, the ring they wait in, the tensor they become.

pub mod letterbox;

pub use letterbox::{ChannelOrder, Fit, LetterboxMap, TensorSpec};
