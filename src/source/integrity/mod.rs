//! Keeps damaged pictures from the detector.
//!
//! Three witnesses, one judge. [`h264`], [`h265`] and [`jpeg`] read each access unit before the decoder:
//! what is missing between access units, and (H.265, JPEG) whether the entropy coded data ends where it
//! must, since those decoders show garbage without a word. [`DecoderLog`] hears what the decoder says
//! (H.264 errors inside slices). [`Gate`] follows damage along the references to the next clean entry
//! point and decides about each picture.

mod bits;
pub mod gate;
pub mod guard;
pub mod h264;
pub mod h265;
pub mod jpeg;
mod levels;
pub mod log;

pub use gate::{Decision, Gate};
pub use guard::Guard;
pub use log::{Complaint, DecoderLog};

/// Whether decoding can start at an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entry {
    /// No: it needs pictures before it.
    #[default]
    None,
    /// Yes: it and what follows it in output order need nothing before it.
    Clean,
    /// The picture is complete after this many reference pictures (intra refresh).
    Gradual(u32),
}

/// What an inspector says of one access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whether decoding can start here.
    pub entry: Entry,
    /// It is decoded after an entry point but may refer to pictures before that.
    pub leading: bool,
    /// Other pictures may refer to it.
    pub reference: bool,
    /// What is wrong with it or with its place in the stream.
    pub damage: Option<&'static str>,
}

impl Verdict {
    fn damage(&mut self, reason: &'static str) {
        self.damage.get_or_insert(reason);
    }
}

#[cfg(test)]
mod tests;
