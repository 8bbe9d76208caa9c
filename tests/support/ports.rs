//! Ports for servers that are told theirs: free, and free until they are used.
// Each test binary uses its part; helpers panic as tests do.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers that belong together: some servers take the next ones, too.
const BLOCK: u32 = 8;
/// The first port given.
const FIRST: u32 = 10_000;

/// The first of eight ports, even, that nobody listens on and that nobody else gets.
///
/// A port that the system once chose (bind to 0, close) may be chosen again at once, as another's listener or
/// for an outgoing connection. The system chooses from its local range only; these lie below it. Within a process
/// none is given twice, and processes begin at different places.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let blocks = (lowest_chosen_by_the_system().saturating_sub(FIRST) / BLOCK).max(1);
    for _ in 0..blocks {
        let number = std::process::id().wrapping_mul(61).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % blocks;
        let port = u16::try_from(FIRST + number * BLOCK).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port below the system's own range");
}

fn lowest_chosen_by_the_system() -> u32 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768)
}
