//! (placeholder until the module lands)

pub mod integrity;
