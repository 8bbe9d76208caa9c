//! How the C library keeps freed memory.

/// Larger blocks go back to the system when they are freed, bytes.
///
/// Loading a model takes several times its size for a moment. By default the first such block that is freed
/// raises the limit above its own size, and from then on they stay with the process.
const RETURNED_FROM: i32 = 512 << 10;
/// Heaps for all threads together. By default each thread gets its own, with its own holes.
const HEAPS: i32 = 1;

/// Prefers a small process. To be called once, before threads start.
pub fn keep_small() {
    // SAFETY: sets two numbers of the allocator; no other precondition.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, RETURNED_FROM);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Gives what is free within the heap back to the system. For the end of something that allocated much and
/// freed most of it: the C library returns only the top of its heap by itself.
pub fn give_back() {
    // SAFETY: looks at and releases free memory only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
