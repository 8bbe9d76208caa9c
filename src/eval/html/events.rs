//! Incidents and alarms on the page: timeline, time to detect, tables.

use std::fmt::Write as _;

use super::svg::{Plot, escape, ticks, time_ticks};
use crate::eval::events::{AlarmRow, EventReport, EventScores, Found, IncidentRow, Was};
use crate::eval::show::{moment, number, percent, percent_interval, rate_interval, seconds};

/// Height of a camera's row in the timeline, pixels.
const ROW: f64 = 52.0;
/// Place for the cameras' names, pixels.
const NAMES: f64 = 170.0;
/// The width of wide plots, pixels.
const WIDE: f64 = 1040.0;

/// The section.
pub(super) fn section(report: &EventReport) -> String {
    let mut out = String::from("<section><h2>Incidents and alarms</h2>");
    if report.incident_rows.is_empty() && report.alarm_rows.is_empty() {
        out.push_str(r#"<div class="card none">Nothing happened, and nothing was told.</div></section>"#);
        return out;
    }
    let _ = write!(out, r#"<div class="card">{}<div class="scroll">{}</div></div>"#, legend(), timeline(report));
    out.push_str(r#"<div class="pair">"#);
    if report.all.detected > 0 {
        let _ = write!(out, r#"<div class="card"><h3>How soon incidents are told</h3>{}</div>"#, delays(report));
    }
    let _ = write!(out, r#"<div class="card scroll"><h3>By kind</h3>{}</div></div>"#, kinds(&report.kinds));
    if report.cameras.len() > 1 {
        let _ = write!(
            out,
            r#"<details><summary>By camera</summary><div class="card scroll">{}</div></details>"#,
            kinds(&report.cameras)
        );
    }
    let _ = write!(
        out,
        r#"<details><summary>Every incident and alarm</summary><div class="card scroll">{}{}</div></details></section>"#,
        incidents(&report.incident_rows),
        alarms(&report.alarm_rows)
    );
    out
}

fn legend() -> String {
    let mark = |drawing: &str, words: &str| {
        format!(r#"<span><svg width="26" height="14" aria-hidden="true">{drawing}</svg>{words}</span>"#)
    };
    [
        r#"<div class="legend">"#.to_owned(),
        mark(r#"<rect x="0" y="1" width="26" height="12" rx="3" class="f-good"/>"#, "incident, told"),
        mark(r#"<rect x="1" y="1" width="24" height="12" rx="3" class="missed"/>"#, "incident, missed"),
        mark(r#"<rect x="0" y="1" width="26" height="12" rx="3" class="f-quiet"/>"#, "need not be told"),
        mark(r#"<circle cx="13" cy="7" r="5" class="f-good"/>"#, "first alarm"),
        mark(r#"<circle cx="13" cy="7" r="4.5" class="ring"/>"#, "repeat"),
        mark(r#"<path d="M8 2l10 10M18 2L8 12" class="cross"/>"#, "false alarm"),
        "</div>".to_owned(),
    ]
    .concat()
}

/// A row a camera: what happened as bars, what was told as marks below.
fn timeline(report: &EventReport) -> String {
    let length = report.cameras.iter().map(|camera| camera.hours * 3600.0).fold(1.0, f64::max);
    let height = 30.0 + ROW * report.cameras.len() as f64;
    let mut plot = Plot::new((WIDE, height), [NAMES, 4.0, 18.0, 26.0], (0.0, length), (0.0, 1.0));
    for (row, camera) in (0_u32..).zip(&report.cameras) {
        let top = 4.0 + ROW * f64::from(row);
        let end = plot.x(camera.hours * 3600.0);
        plot.add(&format!(
            r#"<rect x="{NAMES}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="6" class="row"/>"#,
            end - NAMES,
            ROW - 8.0
        ));
        plot.text((NAMES - 14.0, top + 26.0), "end", "name", &shortened(&camera.name, 24));
        for incident in report.incident_rows.iter().filter(|i| i.camera == camera.name) {
            bar(&mut plot, incident, top + 5.0, camera.hours * 3600.0);
        }
        for alarm in report.alarm_rows.iter().filter(|a| a.camera == camera.name) {
            mark(&mut plot, alarm, top + 34.0);
        }
    }
    plot.x_axis(&time_ticks((0.0, length), 10), |t| moment(t).trim_end_matches(".0").to_owned(), "");
    plot.finish("Timeline of incidents and alarms by camera")
}

fn bar(plot: &mut Plot, incident: &IncidentRow, top: f64, footage_s: f64) {
    let (from, to) = (plot.x(incident.onset_s), plot.x(incident.end_s.unwrap_or(footage_s)));
    let width = (to - from).max(5.0);
    let (class, words) = match incident.outcome {
        Found::Detected => ("f-good", "on"),
        Found::Missed => ("missed", "bad"),
        Found::NotRequired => ("f-quiet", "ink"),
    };
    let mut title = format!("{} from {}", incident.kind, moment(incident.onset_s));
    let _ = match incident.delay_s {
        Some(delay) => write!(title, ", told after {delay:.1} s"),
        None if incident.outcome == Found::Missed => write!(title, ", missed"),
        None => Ok(()),
    };
    plot.add(&format!(
        r#"<rect x="{from:.1}" y="{top:.1}" width="{width:.1}" height="17" rx="4" class="{class}"><title>{}</title></rect>"#,
        escape(&title)
    ));
    // About 6.3 pixels a letter.
    if width > 6.3 * incident.kind.chars().count() as f64 + 12.0 {
        let class = if words == "bad" { "f-bad" } else { words };
        plot.text((from + 7.0, top + 12.5), "start", class, &incident.kind);
    }
}

fn mark(plot: &mut Plot, alarm: &AlarmRow, middle: f64) {
    let x = plot.x(alarm.at_s);
    let (tone, drawing) = match alarm.outcome {
        Was::Hit => ("c-good", format!(r#"<circle cx="{x:.1}" cy="{middle:.1}" r="5" class="f-good"/>"#)),
        Was::Repeat => ("c-warn", format!(r#"<circle cx="{x:.1}" cy="{middle:.1}" r="4.5" class="ring"/>"#)),
        Was::Ignored => ("c-truth", format!(r#"<circle cx="{x:.1}" cy="{middle:.1}" r="4" class="f-quiet"/>"#)),
        Was::False => {
            let (left, top) = (x - 5.0, middle - 5.0);
            let path = format!("M{left:.1} {top:.1}l10 10M{:.1} {top:.1}l-10 10", left + 10.0);
            ("cross", format!(r#"<path d="{path}" class="cross"/>"#))
        }
    };
    let lasts = alarm.ended_s.map_or_else(String::new, |end| {
        let to = plot.x(end);
        format!(r#"<line x1="{x:.1}" x2="{to:.1}" y1="{middle:.1}" y2="{middle:.1}" class="lasts {tone}"/>"#)
    });
    let title = format!("{} by {} at {}: {}", alarm.kind, alarm.rule, moment(alarm.at_s), alarm.summary);
    plot.add(&format!("<g><title>{}</title>{lasts}{drawing}</g>", escape(&title)));
}

/// Share of incidents told within so many seconds of their onset; misses keep it below 100 %.
fn delays(report: &EventReport) -> String {
    let mut all: Vec<f64> = report.incident_rows.iter().filter_map(|row| row.delay_s).collect();
    all.sort_by(f64::total_cmp);
    let total = report.all.incidents.max(1) as f64;
    let longest = all.last().copied().unwrap_or(0.0).max(1.0) * 1.08;
    let first = all.first().copied().unwrap_or(0.0).min(0.0);
    let mut plot = Plot::new((500.0, 240.0), [46.0, 10.0, 14.0, 44.0], (first, longest), (0.0, 1.0));
    plot.y_axis(&ticks((0.0, 1.0), 5), |share| format!("{:.0} %", share * 100.0));
    plot.x_axis(&ticks((first, longest), 7), |s| format!("{s}"), "seconds after the onset");
    let mut points = vec![(first, 0.0)];
    points.extend((1_u32..).zip(&all).map(|(n, delay)| (*delay, f64::from(n) / total)));
    points.push((longest, all.len() as f64 / total));
    plot.steps(&points, "c-accent");
    if let Some(median) = report.all.time_to_detect_p50_s {
        let reached = all.iter().filter(|delay| **delay <= median).count() as f64 / total;
        let (x, y) = (plot.x(median), plot.y(reached));
        plot.add(&format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" class="f-accent"/>"#));
        // Below and to the side that has room.
        let (at, anchor) = if x > 330.0 { ((x - 9.0, y + 16.0), "end") } else { ((x + 9.0, y + 16.0), "start") };
        plot.text(at, anchor, "ink", &format!("median {median:.1} s"));
    }
    plot.finish("Share of incidents told within a time of their onset")
}

fn kinds(rows: &[EventScores]) -> String {
    let mut out = String::from(
        "<table><tr><th></th><th class=n>told</th><th class=n>rate</th><th class=n>false</th><th class=n>repeats</th>\
         <th class=n title=\"median seconds from onset to alarm\">delay</th><th class=n>F1</th></tr>",
    );
    for row in rows {
        let tone = |wrong: bool| if wrong { "n bad strong" } else { "n" };
        let _ = write!(
            out,
            "<tr><td class=strong>{}</td><td class=\"{}\">{} of {}</td><td class=n title=\"{}\">{}</td><td class=\"{}\" \
             title=\"an hour: {}\">{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
            escape(&row.name),
            tone(row.detected < row.incidents),
            row.detected,
            row.incidents,
            escape(&percent_interval(row.detection_rate)),
            percent(row.detection_rate.map(|e| e.value)),
            tone(row.false_alarms > 0),
            escape(&rate_interval(row.false_alarms_per_hour)),
            row.false_alarms,
            row.repeats,
            seconds(row.time_to_detect_p50_s),
            number(row.f1),
        );
    }
    out + "</table>"
}

fn incidents(rows: &[IncidentRow]) -> String {
    let mut out = String::from(
        "<h3>Incidents</h3><table><tr><th>camera</th><th>kind</th><th>place</th><th class=n>onset</th><th \
         class=n>end</th><th>outcome</th><th class=n>delay</th></tr>",
    );
    for row in rows {
        let (class, words) = match row.outcome {
            Found::Detected => ("good", "told"),
            Found::Missed => ("bad strong", "missed"),
            Found::NotRequired => ("quiet", "need not be told"),
        };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=\"{class}\">{words}</td>\
             <td class=n>{}</td></tr>",
            escape(&row.camera),
            escape(&row.kind),
            escape(row.place.as_deref().unwrap_or("")),
            moment(row.onset_s),
            row.end_s.map_or_else(|| "goes on".to_owned(), moment),
            seconds(row.delay_s),
        );
    }
    out + "</table>"
}

fn alarms(rows: &[AlarmRow]) -> String {
    let mut out = String::from(
        "<h3 style=\"margin-top:20px\">Alarms</h3><table><tr><th>camera</th><th>rule</th><th>kind</th><th \
         class=n>at</th><th>was</th><th>what it said</th></tr>",
    );
    for row in rows {
        let (class, words) = match row.outcome {
            Was::Hit => ("good", "first alarm".to_owned()),
            Was::Repeat => ("warn", "repeat".to_owned()),
            Was::Ignored => ("quiet", "ignored".to_owned()),
            Was::False => ("bad strong", format!("false: {}", row.why.unwrap_or_default())),
        };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=\"{class}\">{}</td><td>{}</td></tr>",
            escape(&row.camera),
            escape(&row.rule),
            escape(&row.kind),
            moment(row.at_s),
            escape(&words),
            escape(&row.summary),
        );
    }
    out + "</table>"
}

fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}
