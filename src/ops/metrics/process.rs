//! The process's own figures, from `/proc` (proc(5)). What cannot be read is left out, not set to 0.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::base::time::process_cpu;

/// Memory, CPU and file descriptors of this process.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Resident set, bytes.
    pub resident_bytes: Option<u64>,
    /// User and system time since the start.
    pub cpu: Duration,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The soft limit on them; `None` also when there is none.
    pub max_fds: Option<u64>,
    /// When it started, seconds since 1970 in UTC, as exact as the kernel's boot time: to a second.
    pub started_s: Option<f64>,
}

impl Process {
    /// Reads them now.
    #[must_use]
    pub fn read() -> Self {
        Self {
            resident_bytes: resident_bytes(),
            cpu: process_cpu(),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            started_s: started_s(),
        }
    }
}

/// The second field of `/proc/self/statm` counts pages.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

fn open_fds() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One of them is the folder that is being read.
    Some(entries.saturating_sub(1))
}

/// Field 22 of `/proc/self/stat` is the start in clock ticks after the boot; `btime` of `/proc/stat` is
/// the boot.
fn started_s() -> Option<f64> {
    let boot: u64 =
        fs::read_to_string("/proc/stat").ok()?.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
    let ticks = start_ticks(&fs::read_to_string("/proc/self/stat").ok()?)?;
    Some(boot as f64 + ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The second field, the program's name in parentheses, may itself hold spaces and parentheses.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, from_third) = stat.rsplit_once(')')?;
    from_third.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let fields: Vec<String> = (3..=30).map(|n| n.to_string()).collect();
        assert_eq!(start_ticks(&format!("7 (a) b (c) {}", fields.join(" "))), Some(22));
        assert_eq!(start_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_plausible_figures() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.open_fds.is_some_and(|fds| (3..100_000).contains(&fds)));
        // After 2020, so that a unit mix-up cannot pass.
        assert!(process.started_s.is_some_and(|s| s > 1.577e9 && s < 1e11));
    }
}
