//! When rules work: schedules, maintenance windows, alarm budgets, presets.

use jiff::tz::TimeZone;

use super::compile::Context;
use super::plan::PresetPlan;
use super::raw::{self, Camera, default};
use super::read::{Field, Located, quoted, table};
use super::suggest;
use super::text::Mark;
use crate::base::Timestamp;
use crate::scene::schedule::{ClockTime, Day, Maintenance, Occasion, Schedule, Window, time_zone};

table! {
    /// A position that the camera is turned to.
    Preset ("this preset") {
        /// Its name, once per camera, which rules refer to.
        required id: String,
        /// PNG or JPEG picture of the view from there, in the shape of the analysed stream.
        required reference: String,
    }
}

/// More than this an hour is no budget.
const MAX_BUDGET: u64 = 100_000;

/// The time zone that a camera's hours are written in; `None` when it is wrong, which has been reported.
pub(super) fn zone(context: &mut Context<'_>, camera: &Camera) -> Option<TimeZone> {
    named_zone(context, &camera.time_zone).unwrap_or_else(|| time_zone(default::TIME_ZONE).ok())
}

/// The zone of a field: `None` when it is absent, `Some(None)` when it is wrong.
pub(super) fn named_zone(context: &mut Context<'_>, field: &Field<String>) -> Option<Option<TimeZone>> {
    let name = match field {
        Field::Absent => return None,
        Field::Bad => return Some(None),
        Field::Good(name) => name,
    };
    let zone = time_zone(&name.value).map_err(|why| {
        context.problems.error(name.mark, why, "write an IANA name such as Asia/Ho_Chi_Minh, Europe/Berlin or UTC");
    });
    Some(zone.ok())
}

/// A rule's schedule.
pub(super) fn schedule(context: &mut Context<'_>, rule: &raw::Kind, zone: Option<&TimeZone>) -> Option<Schedule> {
    let written = rule.schedule.located()?;
    let zone = named_zone(context, &written.value.time_zone).unwrap_or_else(|| zone.cloned());
    let active = written.value.active.located()?;
    let windows: Vec<Option<Window>> = active
        .value
        .iter()
        .map(|hours| {
            let Located { value: hours, mark } = hours;
            window(context, &hours.days, (&hours.from, &hours.to), *mark)
        })
        .collect();
    // A window that was wrong has been reported; the others are not judged without it.
    let windows: Vec<Window> = windows.into_iter().collect::<Option<_>>()?;
    weekly(context, zone?, windows, active.mark)
}

fn weekly(context: &mut Context<'_>, zone: TimeZone, windows: Vec<Window>, mark: Mark) -> Option<Schedule> {
    let help = "list windows that do not overlap, or remove the schedule";
    Schedule::new(zone, windows).map_err(|why| context.problems.error(mark, format!("this schedule: {why}"), help)).ok()
}

fn window(
    context: &mut Context<'_>,
    days: &Field<Vec<Located<Day>>>,
    (from, to): (&Field<String>, &Field<String>),
    mark: Mark,
) -> Option<Window> {
    let days = match days {
        Field::Absent => Day::ALL.to_vec(),
        Field::Bad => return None,
        Field::Good(days) => days.value.iter().map(|day| day.value).collect(),
    };
    // Both are read before either can fail, so that both are reported.
    let (from, to) = (clock(context, from, ClockTime::MIDNIGHT), clock(context, to, ClockTime::END));
    let help = "name the days and two different times, such as days: [mon, fri], from: \"22:00\", to: \"05:00\"";
    Window::new(days, from?, to?).map_err(|why| context.problems.error(mark, format!("this window: {why}"), help)).ok()
}

fn clock(context: &mut Context<'_>, field: &Field<String>, default: ClockTime) -> Option<ClockTime> {
    match field {
        Field::Absent => Some(default),
        Field::Bad => None,
        Field::Good(written) => written
            .value
            .parse()
            .map_err(|why: String| context.problems.error(written.mark, why, "in quotes: \"07:30\""))
            .ok(),
    }
}

/// When a camera is worked at.
pub(super) fn maintenance(context: &mut Context<'_>, camera: &Camera, zone: Option<&TimeZone>) -> Vec<Maintenance> {
    let Some(windows) = camera.maintenance.get() else { return Vec::new() };
    windows.iter().filter_map(|window| one(context, window, zone)).collect()
}

fn one(context: &mut Context<'_>, written: &Located<raw::Maintenance>, zone: Option<&TimeZone>) -> Option<Maintenance> {
    let Located { value: window, mark } = written;
    let reason = window.reason.get().cloned();
    let date = |field: &Field<String>| field.get().and_then(|text| text.parse::<Timestamp>().ok());
    let when = match (date(&window.from), date(&window.to)) {
        (Some(from), Some(to)) => {
            if let Some(days) = window.days.located() {
                context.problems.error(days.mark, "`days` would be ignored: this window is once", "remove it");
            }
            if from >= to {
                context.problems.error(*mark, "this window ends before it begins", "swap `from` and `to`");
                return None;
            }
            Occasion::Once(from, to)
        }
        (None, None) => {
            let window = self::window(context, &window.days, (&window.from, &window.to), *mark)?;
            Occasion::Weekly(weekly(context, zone?.clone(), vec![window], *mark)?)
        }
        _ => {
            let message = "one end of this window is a date and the other a time of day";
            context.problems.error(*mark, message, "write both as 2026-01-31T22:00:00+07:00, or both as \"22:00\"");
            return None;
        }
    };
    Some(Maintenance { when, reason })
}

/// A budget of alarms an hour.
pub(super) fn budget(context: &mut Context<'_>, field: &Field<u64>) -> Option<u32> {
    let written = field.located()?;
    if !(1..=MAX_BUDGET).contains(&written.value) {
        let message = format!("`budget` cannot be {}", written.value);
        let help = format!("it is a number of alarms an hour from 1 to {MAX_BUDGET}; without it there is no limit");
        context.problems.error(written.mark, message, help);
    }
    u32::try_from(written.value).ok()
}

/// Where a camera that can be turned may stand. The pictures are read when the camera is started; here they must be there.
pub(super) fn presets(context: &mut Context<'_>, camera: &Camera) -> Vec<PresetPlan> {
    let Some(presets) = camera.presets.get() else { return Vec::new() };
    context.unique(presets.iter().map(|preset| &preset.value.id), "preset");
    let compile = |preset: &Located<Preset>| {
        let written = preset.value.reference.located()?;
        let reference = context.path(&written.value);
        if let Err(why) = std::fs::metadata(&reference) {
            let message = format!("{} cannot be read: {why}", quoted(&written.value));
            context.problems.error(written.mark, message, "name a PNG or JPEG picture of the view from this preset");
        }
        Some(PresetPlan { id: preset.value.id.get()?.clone(), reference })
    };
    presets.iter().filter_map(compile).collect()
}

/// The preset that a rule is for.
pub(super) fn preset(context: &mut Context<'_>, field: &Field<String>, camera: &Camera) -> Option<String> {
    let written = field.located()?;
    let presets = camera.presets.get().into_iter().flatten();
    let known: Vec<&str> = presets.filter_map(|preset| preset.value.id.get().map(String::as_str)).collect();
    if !known.contains(&written.value.as_str()) {
        let message = format!("this camera has no preset {}", quoted(&written.value));
        let help = suggest::advice(&written.value, &known, "list it under the camera's `presets` first");
        context.problems.error(written.mark, message, help);
    }
    Some(written.value.clone())
}
