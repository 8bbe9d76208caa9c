//! Rows for the data warehouse: tables with stable columns, and files of them that are whole or not there.
//!
//! | table | a row is |
//! |---|---|
//! | `events` | one record of an event |
//! | `counts` | one figure of one interval, with the seconds that were observed |
//! | `cameras` | one camera: its name, ward and place |
//!
//! A column keeps its name, type and meaning; new ones are added at the end (`docs/export.md` lists them, and a test
//! holds the two together). Rows stream: memory is that of one row group.

mod atomic;
mod cameras;
mod counts;
mod events;
mod parquet;
mod partition;
mod rows;
mod table;

pub use atomic::AtomicFile;
pub use cameras::{CAMERAS, camera_row};
pub use counts::{COUNTS, count_rows};
pub use events::{EVENTS, event_row};
pub use partition::partition;
pub use rows::{Format, Rows};
pub use table::{Cell, Column, Table, Type};

/// Every table.
pub const TABLES: &[&Table] = &[&EVENTS, &COUNTS, &CAMERAS];
