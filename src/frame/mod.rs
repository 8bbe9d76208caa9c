//! Pictures: the decoder's buffer by reference, the ring they wait in, the tensor or still they become.

pub mod account;
pub mod canvas;
pub mod colour;
pub mod glance;
pub mod letterbox;
pub mod picture;
pub mod planes;
pub mod pool;
pub mod preprocess;
pub mod ring;
pub mod stages;
pub mod still;
mod sync;

pub use account::{Account, FrameDrop, Ledger, UnitDrop};
pub use colour::{Colour, Matrix, Range};
pub use letterbox::{ChannelOrder, Fit, LetterboxMap, TensorSpec};
pub use picture::{Frame, Picture, PictureLayout};
pub use planes::{Plane, PlaneFormat, Planes, Rotation};
pub use pool::PicturePool;
pub use preprocess::Preprocessor;
pub use ring::{Inlet, InletOptions, Pushed, Ring, Seat, Take, Taken, WhenFull};
pub use stages::{Stage, Stages, Stopwatch};
