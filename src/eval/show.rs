//! Numbers as people read them; `–` where there is none.

use super::statistics::Estimate;

/// A share as a percentage with one decimal.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(none, |share| format!("{:.1} %", share * 100.0))
}

/// A share in points of 100, two decimals, as tracking scores are written.
pub(super) fn points(share: Option<f64>) -> String {
    share.map_or_else(none, |share| format!("{:.2}", share * 100.0))
}

/// Seconds with one decimal.
pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(none, |value| format!("{value:.1} s"))
}

/// Two decimals.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(none, |value| format!("{value:.2}"))
}

/// A share and its interval.
pub(super) fn percent_interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(none, |e| format!("{:.1} % ({:.1} to {:.1})", e.value * 100.0, e.low * 100.0, e.high * 100.0))
}

/// A rate and its interval.
pub(super) fn rate_interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(none, |e| format!("{:.2} ({:.2} to {:.2})", e.value, e.low, e.high))
}

/// A length given in hours, in the unit that suits it.
pub(super) fn hours(value: f64) -> String {
    match value * 3600.0 {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{value:.1} h"),
    }
}

/// A moment of footage: `m:ss.s`, `h:mm:ss` from an hour on.
pub(super) fn moment(at_s: f64) -> String {
    let whole = at_s.max(0.0);
    let (hours, minutes, seconds) = ((whole / 3600.0).floor(), (whole / 60.0).floor() % 60.0, whole % 60.0);
    if hours > 0.0 {
        format!("{hours}:{minutes:02}:{:02}", seconds.floor())
    } else {
        format!("{minutes}:{seconds:04.1}")
    }
}

/// With its sign: how many too many or too few.
pub(super) fn signed(difference: i64) -> String {
    if difference == 0 { "0".to_owned() } else { format!("{difference:+}").replace('-', "−") }
}

fn none() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_short_and_long_footage() {
        assert_eq!((moment(0.0), moment(75.25), moment(3725.9)), ("0:00.0".into(), "1:15.2".into(), "1:02:05".into()));
        assert_eq!((signed(2), signed(-3), signed(0)), ("+2".into(), "−3".into(), "0".into()));
        assert_eq!(percent(None), "–");
        assert_eq!((hours(40.0 / 3600.0), hours(0.1), hours(20.0)), ("40 s".into(), "6.0 min".into(), "20.0 h".into()));
    }
}
