//! Scores against ground truth: tracks, counts, events.
//!
//! Pure but for reading files: whoever replays footage or reads a store hands over plain events and boxes.
//!
//! - [`truth`]: the product's ground-truth file
//! - [`told`]: alarms and crossings out of events
//! - [`events`], [`counts`], [`tracks`]: what is scored
//! - [`statistics`]: intervals, GEH, nwRMSE
//! - [`report`], [`gate`], [`text`], [`html`]: what comes out
//!
//! `docs/evaluation.md` has the definitions, formats and choices.

pub mod counts;
pub mod events;
pub mod gate;
pub mod html;
pub mod report;
mod show;
pub mod statistics;
pub mod text;
pub mod told;
pub mod tracks;
pub mod truth;

pub use report::Report;
pub use truth::Truth;
