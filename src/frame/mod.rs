//! Pictures: the decoder's buffer by reference, the ring they wait in, the tensor they become.

pub mod colour;
pub mod letterbox;
pub mod planes;
pub mod preprocess;
pub mod still;

pub use colour::{Colour, Matrix, Range};
pub use letterbox::{ChannelOrder, Fit, LetterboxMap, TensorSpec};
pub use planes::{Plane, PlaneFormat, Planes, Rotation};
pub use preprocess::Preprocessor;
