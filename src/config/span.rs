//! A length of time as written in the pipeline file: `250ms`, `3s`, `5m`, `1h`, `2d`.
//!
//! A number without a unit is refused: `latency: 200` could mean seconds or milliseconds.

use std::time::Duration;

/// The units, longest name first so that `ms` is not read as `m`.
const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// No setting is longer than this many seconds (ten years); a larger number is a typing error.
const MAX_SECONDS: f64 = 315_360_000.0;

/// A length of time with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or_default();
        let number = digits.trim_end();
        // `f64` would also take `1e3`, `inf` and a sign, which no duration needs.
        let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value: f64 = match number.parse() {
            Ok(value) if plain => value,
            _ => return Err("a duration is a number and a unit".to_owned()),
        };
        let Some((_, seconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => "a duration needs a unit".to_owned(),
                other => format!("`{other}` is not a unit of time"),
            });
        };
        let total = value * seconds;
        if total > MAX_SECONDS {
            return Err("a duration is at most ten years".to_owned());
        }
        // Whole microseconds, so that `0.1s` and `100ms` are the same setting.
        Ok(Self(Duration::from_micros((total * 1e6).round() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, millis) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("0.5s", 500),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("3 s", 3_000),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().0, Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "s", "-1s", "1e3s", "5 parsecs", "infs", "5S", "9999d", "1s2ms", "1..2s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
