//! The report as text for a terminal.

use super::counts::CountReport;
use super::events::{EventReport, Found, Was};
use super::report::Report;
use super::show::{hours, moment, number, percent, percent_interval, points, rate_interval, seconds, signed};
use super::tracks::TrackReport;

/// The whole report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut parts = vec![report.title.clone()];
    parts.extend(report.events.as_ref().map(events));
    parts.extend(report.counts.as_ref().map(counts));
    parts.extend(report.tracks.as_ref().map(tracks));
    if !report.gates.is_empty() {
        let line = |gate: &super::gate::GateResult| {
            format!("  {} {}: {}", if gate.met { "met   " } else { "FAILED" }, gate.condition, number(gate.value))
        };
        parts.push(format!("required\n{}", report.gates.iter().map(line).collect::<Vec<_>>().join("\n")));
    }
    parts.extend(report.notes.iter().map(|note| format!("note: {note}")));
    parts.extend(report.digest.as_ref().map(|digest| format!("digest sha256:{digest}")));
    parts.join("\n\n")
}

fn events(report: &EventReport) -> String {
    let all = &report.all;
    let mut out = format!(
        "events  {} of {} incidents in {}\n  detection rate          {}\n  false alarms an hour    {}  ({} false, {} \
         repeats, {} ignored)\n  time to detect          median {}, 95 % {}, longest {}\n  precision, F1, S4       {}, \
         {}, {}\n",
        all.detected,
        all.incidents,
        hours(all.hours),
        percent_interval(all.detection_rate),
        rate_interval(all.false_alarms_per_hour),
        all.false_alarms,
        all.repeats,
        all.ignored,
        seconds(all.time_to_detect_p50_s),
        seconds(all.time_to_detect_p95_s),
        seconds(all.time_to_detect_max_s),
        number(all.precision),
        number(all.f1),
        number(report.s4),
    );
    let head = ["kind", "incidents", "detected", "false", "repeats", "median delay", "F1"];
    let rows = report.kinds.iter().map(|kind| {
        [
            kind.name.clone(),
            kind.incidents.to_string(),
            kind.detected.to_string(),
            kind.false_alarms.to_string(),
            kind.repeats.to_string(),
            seconds(kind.time_to_detect_p50_s),
            number(kind.f1),
        ]
    });
    if !report.kinds.is_empty() {
        out.push_str(&table(head, rows));
    }
    for row in report.incident_rows.iter().filter(|row| row.outcome == Found::Missed) {
        out.push_str(&format!("\n  missed  {} {} at {}", row.camera, row.kind, moment(row.onset_s)));
    }
    for row in report.alarm_rows.iter().filter(|row| row.outcome == Was::False) {
        let why = row.why.unwrap_or_default();
        out.push_str(&format!(
            "\n  false   {} {} at {} by {}: {why}",
            row.camera,
            row.kind,
            moment(row.at_s),
            row.rule
        ));
    }
    out
}

fn counts(report: &CountReport) -> String {
    let mut out = format!(
        "counts  {} counted of {}\n  absolute error          {} ({} by class), accuracy {}\n  nwRMSE                  {}\n  \
         GEH                     below 5 in {} of intervals, worst {}\n",
        report.counted,
        report.truth,
        report.absolute_error,
        report.absolute_error_by_class,
        percent(report.accuracy),
        number(report.nw_rmse),
        percent(report.geh_below_5),
        number(report.geh_max),
    );
    let head = ["camera", "line", "direction", "true", "counted", "error", "by class"];
    let rows = report.movements.iter().filter(|m| m.truth + m.counted > 0).map(|movement| {
        let wrong = movement.classes.iter().filter(|class| class.counted != class.truth);
        let wrong = wrong.map(|c| format!("{} {}", c.class, signed(i64::from(c.counted) - i64::from(c.truth))));
        [
            movement.camera.clone(),
            movement.line.clone(),
            movement.direction.clone(),
            movement.truth.to_string(),
            if movement.watched { movement.counted.to_string() } else { "no rule".to_owned() },
            signed(i64::from(movement.counted) - i64::from(movement.truth)),
            wrong.collect::<Vec<_>>().join(", "),
        ]
    });
    out.push_str(&table(head, rows));
    if !report.unknown_lines.is_empty() {
        out.push_str(&format!("\n  not in the truth, not scored: {}", report.unknown_lines.join(", ")));
    }
    out
}

fn tracks(report: &TrackReport) -> String {
    let several = report.sequences.len() > 1;
    let all = report.sequences.iter().chain(several.then_some(&report.combined));
    let head = ["sequence", "HOTA", "DetA", "AssA", "IDF1", "MOTA", "MOTP", "misses", "false", "IDs", "FM", "MT", "ML"];
    let rows = all.map(|s| {
        [
            s.name.clone(),
            points(s.hota.map(|h| h.hota)),
            points(s.hota.map(|h| h.deta)),
            points(s.hota.map(|h| h.assa)),
            points(s.idf1),
            points(s.mota),
            points(s.motp),
            s.misses.to_string(),
            s.false_positives.to_string(),
            s.switches.to_string(),
            s.fragmentations.to_string(),
            s.mostly_tracked.to_string(),
            s.mostly_lost.to_string(),
        ]
    });
    format!(
        "tracks  {} objects in {} frames
{}",
        report.combined.objects,
        report.combined.frames,
        table(head, rows)
    )
}

/// Columns as wide as they need; the first to the left, words to the left, numbers to the right.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let all: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<usize> = (0..N)
        .map(|n| all.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let numeric = |n: usize| {
        let is =
            |cell: &String| cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || "+−-–".contains(c));
        all.iter().skip(1).filter_map(|row| row.get(n)).all(is)
    };
    let right: Vec<bool> = (0..N).map(|n| n > 0 && numeric(n)).collect();
    let line = |row: &[String; N]| {
        let cell = |((cell, width), right): ((&String, &usize), &bool)| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        let cells: Vec<String> = row.iter().zip(&widths).zip(&right).map(cell).collect();
        format!("  {}", cells.join("  ").trim_end())
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}
