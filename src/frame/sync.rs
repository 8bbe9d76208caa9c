//! The synchronisation primitives of the ring, in one place so that `tests/ring_model.rs` can run the
//! same source on loom's.

pub use std::sync::{Arc, Condvar, Mutex, MutexGuard};
