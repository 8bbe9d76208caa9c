//! Evidence of an event: a clip cut from the compressed stream, and stills.
//!
//! [`Recorder`] sits in a camera's tail: it decides which events get a clip, names it in the event, and says how far
//! it goes. [`Clips`] is the thread that writes the files while the packets come. `still` composes the pictures.
//! An event never waits for any of it: its record names a file that is still being written, and a file that has to
//! be given up is counted with its reason ([`ClipCounts`]).

mod clips;
mod counts;
mod recorder;
mod scenery;
mod still;

pub use self::clips::{ClipOrder, Clips};
pub use self::counts::{ClipCounts, ClipFate};
pub use self::recorder::Recorder;
pub use self::scenery::{Paths, Scenery};
pub use self::still::{Seen, Still, StillWriter, Stills};

use crate::config::Which;
use crate::scene::{Event, Phase, Severity};

/// Whether `which` means this event. A count without a place in the picture has nothing to show.
#[must_use]
pub fn is_meant(which: Which, event: &Event) -> bool {
    let begins = matches!(event.phase, Phase::Start | Phase::Instant);
    begins
        && match which {
            Which::None => false,
            Which::Alarms => is_alarm(event),
            Which::All => is_alarm(event) || event.bbox.is_some(),
        }
}

/// An alarm is what lasts, or what somebody should look at.
#[must_use]
pub fn is_alarm(event: &Event) -> bool {
    event.phase == Phase::Start || event.severity >= Severity::Warning
}
