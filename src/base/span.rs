//! Lengths of time as people write them in files: `250ms`, `0.5s`, `5m`, `1h`, `2d`.
//!
//! Invariant: a whole number of milliseconds, so that text and value round-trip exactly. A bare
//! number is refused, because nobody can tell whether `5` means seconds or minutes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, a whole number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    milliseconds: u64,
}

/// Units from the largest to the smallest: name and milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// No setting is longer than ten years; a larger number is a typing error.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self::from_millis(0);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }
    /// From seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self { milliseconds: seconds.saturating_mul(1_000) }
    }
    /// As a standard duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.duration()
    }
}

impl fmt::Display for Span {
    /// In the largest unit that needs no fraction: `90s`, `2m`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milliseconds == 0 {
            return f.write_str("0s");
        }
        let whole = UNITS.iter().find(|(_, unit)| self.milliseconds.is_multiple_of(*unit));
        let (name, unit) = whole.copied().unwrap_or(("ms", 1));
        write!(f, "{}{name}", self.milliseconds / unit)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
        let is_number = !whole.is_empty() && fraction.is_none_or(|part| !part.is_empty() && !part.contains('.'));
        if is_number && unit.is_empty() {
            return Err(format!(
                "`{text}` has no unit: write `{text}ms`, `{text}s`, `{text}m`, `{text}h` or `{text}d`"
            ));
        }
        let scale = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, scale)| *scale);
        let (true, Some(scale)) = (is_number, scale) else {
            return Err(format!(
                "`{text}` is no length of time: write a number and one of ms, s, m, h, d, such as `1500ms` or `2m`"
            ));
        };
        let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(scale));
        let milliseconds = whole.filter(|whole| *whole <= LONGEST_MS);
        let milliseconds = milliseconds.ok_or_else(|| format!("`{text}` is too long: ten years at most"))?;
        let rest = part_of(scale, fraction.unwrap_or_default());
        let rest = rest.ok_or_else(|| format!("`{text}` is finer than a millisecond"))?;
        Ok(Self::from_millis(milliseconds + rest))
    }
}

/// `scale` times the decimal fraction of these digits, when that is whole.
fn part_of(scale: u64, digits: &str) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let share = digits.parse::<u64>().ok()?.checked_mul(scale)?;
    let of = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    share.is_multiple_of(of).then(|| share / of)
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time with its unit, such as `1500ms`, `3s`, `5m` or `1h`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number and a unit: ms, s, m, h or d.",
            "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$", "examples": ["200ms", "3s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("3 s", 3_000),
            ("0.5s", 500),
            ("0.1250s", 125),
            ("1.0ms", 1),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("3650d", LONGEST_MS),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Span::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_advice() {
        for (text, part) in [
            ("5", "`5` has no unit: write `5ms`"),
            ("", "no length of time"),
            ("s", "no length of time"),
            ("5.5", "`5.5` has no unit"),
            ("-3s", "no length of time"),
            ("3S", "no length of time"),
            ("5 parsecs", "no length of time"),
            ("1e3s", "no length of time"),
            ("infs", "no length of time"),
            ("1m30s", "no length of time"),
            ("1..2s", "no length of time"),
            (".5s", "no length of time"),
            ("5.s", "no length of time"),
            ("0.5ms", "finer than a millisecond"),
            ("0.0001s", "finer than a millisecond"),
            ("0.00000000000000000001d", "finer than a millisecond"),
            ("3651d", "too long"),
            ("99999999999999999999s", "too long"),
            ("9999999999999999h", "too long"),
        ] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(serde_json::from_str::<Span>("5").unwrap_err().to_string().contains("with its unit"));
    }

    #[test]
    fn the_largest_whole_unit_is_shown() {
        for (milliseconds, text) in
            [(0, "0s"), (1500, "1500ms"), (90_000, "90s"), (120_000, "2m"), (7_200_000, "2h"), (172_800_000, "2d")]
        {
            assert_eq!(Span::from_millis(milliseconds).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn text_and_value_round_trip(milliseconds in 0..=LONGEST_MS) {
            let span = Span::from_millis(milliseconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
