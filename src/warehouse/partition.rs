//! Folders that name what is in them, as Hive has it: `day=2026-01-05/camera=gate-1`.

use std::path::PathBuf;

use jiff::civil::Date;

/// The folder of a day and a camera, below the table's.
#[must_use]
pub fn partition(day: Date, camera: &str) -> PathBuf {
    PathBuf::from(format!("day={day}")).join(format!("camera={}", escaped(camera)))
}

/// Percent-encodes what is no part of an id (RFC 3986 §2.1), so that no name leads elsewhere.
fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_camera_leads_out_of_its_folder() {
        let day = jiff::civil::date(2026, 1, 5);
        assert_eq!(partition(day, "gate-1"), PathBuf::from("day=2026-01-05/camera=gate-1"));
        assert_eq!(partition(day, "../x y"), PathBuf::from("day=2026-01-05/camera=%2E%2E%2Fx%20y"));
    }
}
