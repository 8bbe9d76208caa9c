//! Hours of the week in a place's own clock time, and windows of maintenance.
//!
//! A window from 22:00 to 05:00 belongs to the day it begins on and ends on the next. Hours are those that a clock on
//! the wall shows: where the clock is put forward the skipped hour is no hour, where it is put back the repeated hour
//! counts twice. So a window is as long as the wall clock says, and begins and ends when people expect it to.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

const DAY_MINUTES: u16 = 24 * 60;

/// A time of day, to the minute; 24:00 is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime {
    minutes: u16,
}

impl ClockTime {
    /// The beginning of the day.
    pub const MIDNIGHT: Self = Self { minutes: 0 };
    /// The end of the day.
    pub const END: Self = Self { minutes: DAY_MINUTES };
}

impl FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let parts = text.split_once(':').filter(|(_, minutes)| minutes.len() == 2);
        let (hours, minutes) = parts.and_then(|(h, m)| Some((number(h)?, number(m)?))).unwrap_or((99, 0));
        let time = Self { minutes: hours * 60 + minutes };
        let good = minutes < 60 && (hours < 24 || time == Self::END);
        good.then_some(time).ok_or_else(|| format!("\"{text}\" is no time of day: write it as 07:30, up to 24:00"))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// The week, from Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The word that the pipeline file uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    fn next(self) -> Self {
        let following = Self::ALL.into_iter().cycle().skip_while(|day| *day != self).nth(1);
        following.unwrap_or(Self::Mon)
    }
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A stretch of the day on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: Vec<Day>,
    from: ClockTime,
    to: ClockTime,
}

impl Window {
    /// On `days`, from `from` until just before `to`; on the following day when `to` is the earlier one.
    ///
    /// # Errors
    /// Why it is no window: no day, or no length.
    pub fn new(days: Vec<Day>, from: ClockTime, to: ClockTime) -> Result<Self, String> {
        if days.is_empty() {
            return Err("it names no day: it would never be open".to_owned());
        }
        if from == to {
            return Err(format!(
                "it begins and ends at {from}: nobody can tell whether that is no time or a whole day"
            ));
        }
        Ok(Self { days, from, to })
    }

    fn contains(&self, day: Day, time: ClockTime) -> bool {
        let on = |day: Day| self.days.contains(&day);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&time);
        }
        let begun_before = self.days.iter().any(|begun| begun.next() == day);
        (on(day) && time >= self.from) || (begun_before && time < self.to)
    }

    /// Every minute of the week that lies in it, as (day, time).
    fn overlaps(&self, other: &Self) -> Option<(Day, ClockTime)> {
        let week =
            Day::ALL.into_iter().flat_map(|day| (0..DAY_MINUTES).map(move |minutes| (day, ClockTime { minutes })));
        week.into_iter().find(|(day, time)| self.contains(*day, *time) && other.contains(*day, *time))
    }
}

impl fmt::Display for Window {
    /// Such as `mon,tue 22:00-05:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.as_str()).collect();
        write!(f, "{} {}-{}", days.join(","), self.from, self.to)
    }
}

/// When something is active, week by week.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    windows: Vec<Window>,
}

impl Schedule {
    /// A schedule of windows in the clock time of `zone`.
    ///
    /// # Errors
    /// Why it contradicts itself: no window, or two that overlap (and what ends one would not end the other).
    pub fn new(zone: TimeZone, windows: Vec<Window>) -> Result<Self, String> {
        if windows.is_empty() {
            return Err("it has no window: it would never be active".to_owned());
        }
        for (n, window) in windows.iter().enumerate() {
            for other in windows.iter().skip(n + 1) {
                if let Some((day, time)) = window.overlaps(other) {
                    return Err(format!("`{window}` and `{other}` overlap, on {} at {time}", day.as_str()));
                }
            }
        }
        Ok(Self { zone, windows })
    }

    /// Whether it is active at that moment.
    #[must_use]
    pub fn is_active(&self, at: Timestamp) -> bool {
        let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(at.0)) else { return true };
        let local = instant.to_zoned(self.zone.clone());
        let minutes = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        let (day, time) = (Day::from(local.weekday()), ClockTime { minutes });
        self.windows.iter().any(|window| window.contains(day, time))
    }

    /// When it begins or ends to be active next, to the minute; none when it does neither within eight days: a week holds
    /// every window, and a change of the clock may hide one.
    #[must_use]
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        const MINUTE_NS: i64 = 60_000_000_000;
        let now = self.is_active(at);
        // Clocks differ from UTC by whole minutes.
        let begun = at.0.div_euclid(MINUTE_NS);
        let mut minutes = (1..=8 * i64::from(DAY_MINUTES)).map(|n| Timestamp((begun + n).saturating_mul(MINUTE_NS)));
        minutes.find(|minute| self.is_active(*minute) != now)
    }
}

impl fmt::Display for Schedule {
    /// Such as `mon,tue 22:00-05:00 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for window in &self.windows {
            write!(f, "{window}, ")?;
        }
        f.write_str(self.zone.iana_name().unwrap_or("UTC"))
    }
}

/// The time zone of an IANA name such as `Asia/Ho_Chi_Minh`.
///
/// # Errors
/// That there is none.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("there is no time zone \"{name}\""))
}

/// A stretch of time in which a camera is worked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// When.
    pub when: Occasion,
    /// Why, for the record.
    pub reason: Option<String>,
}

/// When maintenance takes place.
#[derive(Debug, Clone, PartialEq)]
pub enum Occasion {
    /// Once, from the first moment until just before the second.
    Once(Timestamp, Timestamp),
    /// Again and again.
    Weekly(Schedule),
}

impl Maintenance {
    /// Whether it is on at that moment.
    #[must_use]
    pub fn is_on(&self, at: Timestamp) -> bool {
        match &self.when {
            Occasion::Once(from, to) => (*from..*to).contains(&at),
            Occasion::Weekly(schedule) => schedule.is_active(at),
        }
    }

    /// When it is over that is on at that moment.
    #[must_use]
    pub fn ends(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.when {
            Occasion::Once(_, to) => Some(*to),
            Occasion::Weekly(schedule) => schedule.next_change(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(zone: &str, windows: &[(&[Day], &str, &str)]) -> Result<Schedule, String> {
        let windows: Result<Vec<_>, _> = windows
            .iter()
            .map(|(days, from, to)| Window::new(days.to_vec(), from.parse().unwrap(), to.parse().unwrap()))
            .collect();
        Schedule::new(time_zone(zone).unwrap(), windows?)
    }

    #[test]
    fn hours_are_those_of_the_place() {
        // 2026-01-05 is a Monday; Viet Nam is seven hours ahead all year.
        let rush = schedule("Asia/Ho_Chi_Minh", &[(&[Day::Mon], "07:00", "09:00")]).unwrap();
        assert!(rush.is_active(at("2026-01-05T00:00:00Z")) && rush.is_active(at("2026-01-05T01:59:59Z")));
        assert!(!rush.is_active(at("2026-01-05T02:00:00Z")) && !rush.is_active(at("2026-01-06T00:30:00Z")));
        assert!(!rush.is_active(at("2026-01-04T23:59:59Z")));
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let night = schedule("UTC", &[(&[Day::Sun], "22:00", "05:00")]).unwrap();
        assert!(night.is_active(at("2026-01-04T22:00:00Z")) && night.is_active(at("2026-01-05T04:59:00Z")));
        assert!(!night.is_active(at("2026-01-05T05:00:00Z")) && !night.is_active(at("2026-01-05T22:00:00Z")));
        assert!(!night.is_active(at("2026-01-04T04:00:00Z")));
    }

    #[test]
    fn the_clock_change_moves_no_hour() {
        // Berlin: 2026-03-29 skips 02:00 to 03:00, 2026-10-25 has it twice. Both are Sundays.
        let early = schedule("Europe/Berlin", &[(&[Day::Sun], "01:30", "03:30")]).unwrap();
        let minutes = |day: &str| {
            let from = at(&format!("{day}T00:00:00Z")).0 - 7_200_000_000_000;
            (0..600).filter(|m| early.is_active(Timestamp(from + m * 60_000_000_000))).count()
        };
        assert_eq!((minutes("2026-03-22"), minutes("2026-03-29"), minutes("2026-10-25")), (120, 60, 180));
        assert!(early.is_active(at("2026-03-29T01:29:00Z")) && !early.is_active(at("2026-03-29T01:30:00Z")));
    }

    #[test]
    fn the_next_change_is_that_of_the_place() {
        let rush = schedule("Asia/Ho_Chi_Minh", &[(&[Day::Mon], "07:00", "09:00")]).unwrap();
        let next = |text: &str| rush.next_change(at(text)).unwrap().to_string();
        assert_eq!(next("2026-01-04T12:34:56Z"), "2026-01-05T00:00:00Z");
        assert_eq!(next("2026-01-05T00:00:00Z"), "2026-01-05T02:00:00Z");
        assert_eq!(next("2026-01-05T02:00:00Z"), "2026-01-12T00:00:00Z");
        // The night in which the clock is put forward is an hour shorter.
        let night = schedule("Europe/Berlin", &[(&[Day::Sat], "22:00", "05:00")]).unwrap();
        assert_eq!(night.next_change(at("2026-03-28T22:00:00Z")).unwrap().to_string(), "2026-03-29T03:00:00Z");
        let always = schedule("UTC", &[(&Day::ALL, "00:00", "24:00")]).unwrap();
        assert_eq!(always.next_change(at("2026-01-05T00:00:00Z")), None);
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |windows: &[(&[Day], &str, &str)], expected: &str| {
            let why = schedule("UTC", windows).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        refused(&[], "never be active");
        refused(&[(&[], "07:00", "09:00")], "no day");
        refused(&[(&[Day::Mon], "07:00", "07:00")], "whole day");
        refused(&[(&[Day::Mon], "22:00", "02:00"), (&[Day::Tue], "01:30", "03:00")], "overlap, on tue at 01:30");
        assert!(schedule("UTC", &[(&[Day::Mon], "00:00", "24:00"), (&[Day::Tue], "00:00", "02:00")]).is_ok());
        assert!(time_zone("Asia/Hanoi").is_err());
        for bad in ["7", "24:01", "12:60", "-1:00", "7:0", "noon", "", "+7:00"] {
            assert!(bad.parse::<ClockTime>().is_err(), "{bad}");
        }
        assert_eq!("7:05".parse::<ClockTime>().unwrap().to_string(), "07:05");
    }

    #[test]
    fn maintenance_is_once_or_weekly() {
        let once =
            Maintenance { when: Occasion::Once(at("2026-01-05T10:00:00Z"), at("2026-01-05T11:00:00Z")), reason: None };
        assert!(once.is_on(at("2026-01-05T10:00:00Z")) && !once.is_on(at("2026-01-05T11:00:00Z")));
        assert_eq!(once.ends(at("2026-01-05T10:30:00Z")), Some(at("2026-01-05T11:00:00Z")));
        let night = schedule("UTC", &[(&[Day::Mon], "22:00", "05:00")]).unwrap();
        let weekly = Maintenance { when: Occasion::Weekly(night), reason: None };
        assert_eq!(weekly.ends(at("2026-01-05T23:00:00Z")), Some(at("2026-01-06T05:00:00Z")));
    }
}
