//! Counts on the page: a small curve for each movement, and the table.

use std::fmt::Write as _;

use super::svg::{Plot, escape, ticks, time_ticks};
use crate::eval::counts::{CountReport, MovementCount};
use crate::eval::show::{moment, number, signed};

/// Movements drawn; the table has all.
const DRAWN: usize = 60;

/// The section.
pub(super) fn section(report: &CountReport) -> String {
    let first = report.movements.first().map(|movement| &movement.camera);
    let several = report.movements.iter().any(|movement| Some(&movement.camera) != first);
    let mut out = String::from("<section><h2>Counts</h2>");
    let busy = || report.movements.iter().filter(|m| m.truth + m.counted > 0);
    if busy().next().is_none() {
        out.push_str(r#"<div class="card none">Nothing crosses any line, and nothing was counted.</div>"#);
    } else {
        out.push_str(
            "<div class=\"legend\"><span><svg width=\"26\" height=\"14\" aria-hidden=\"true\"><path d=\"M1 7h24\" \
             class=\"curve c-truth\"/></svg>truly crossed</span><span><svg width=\"26\" height=\"14\" \
             aria-hidden=\"true\"><path d=\"M1 7h24\" class=\"curve c-accent\"/></svg>counted</span></div>",
        );
        out.push_str(r#"<div class="many">"#);
        for movement in busy().take(DRAWN) {
            out.push_str(&small(movement, several));
        }
        out.push_str("</div>");
        let _ = write!(
            out,
            r#"<details><summary>Every line, direction and class</summary><div class="card scroll">{}</div></details>"#,
            table(report)
        );
    }
    if !report.unknown_lines.is_empty() {
        let lines: Vec<String> = report.unknown_lines.iter().map(|line| escape(line)).collect();
        let _ = write!(out, "<p class=quiet>Counted, but not in the truth and not scored: {}.</p>", lines.join(", "));
    }
    out + "</section>"
}

/// Cumulative crossings of one movement.
fn small(movement: &MovementCount, with_camera: bool) -> String {
    let end = movement.intervals.last().map_or(1.0, |interval| interval.to_s);
    let begin = movement.intervals.first().map_or(0.0, |interval| interval.from_s);
    let most = f64::from(movement.truth.max(movement.counted).max(1));
    let mut plot = Plot::new((216.0, 104.0), [24.0, 8.0, 8.0, 20.0], (begin, end), (0.0, most * 1.06));
    let whole: Vec<f64> = ticks((0.0, most), 3).into_iter().filter(|tick| tick.fract() == 0.0).collect();
    plot.y_axis(&whole, |n| format!("{n}"));
    plot.x_axis(&time_ticks((begin, end), 3), |t| moment(t).trim_end_matches(".0").to_owned(), "");
    let cumulative = |times: &[f64]| {
        let mut points = vec![(begin, 0.0)];
        points.extend((1_u32..).zip(times).map(|(n, at)| (*at, f64::from(n))));
        points.push((end, times.len() as f64));
        points
    };
    match &movement.true_times_s {
        Some(times) => plot.steps(&cumulative(times), "c-truth"),
        None => plot.curve([(begin, 0.0), (end, f64::from(movement.truth))], "c-truth dash"),
    }
    if movement.watched {
        plot.steps(&cumulative(&movement.counted_times_s), "c-accent");
    }
    let difference = i64::from(movement.counted) - i64::from(movement.truth);
    let tone = if difference == 0 && movement.watched { "good" } else { "bad" };
    let name = if with_camera { format!("{} · {}", movement.camera, movement.line) } else { movement.line.clone() };
    let told =
        if movement.watched { format!("{} of {}", movement.counted, movement.truth) } else { "no rule".to_owned() };
    format!(
        "<div class=\"card\"><h3>{} <span class=\"{tone}\">{told}</span></h3><small>{}</small>{}</div>",
        escape(&name),
        escape(&movement.direction),
        plot.finish(&format!("{name} {}: {told}", movement.direction))
    )
}

fn table(report: &CountReport) -> String {
    let mut out = String::from(
        "<table><tr><th>camera</th><th>line</th><th>direction</th><th>class</th><th class=n>true</th><th \
         class=n>counted</th><th class=n>error</th><th class=n>nwRMSE</th><th class=n>worst GEH</th></tr>",
    );
    for movement in &report.movements {
        let geh = movement.intervals.iter().map(|interval| interval.geh).reduce(f64::max);
        let counted = if movement.watched { movement.counted.to_string() } else { "no rule".to_owned() };
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=strong>{}</td><td>{}</td><td>all</td><td class=n>{}</td><td class=n>{counted}</td>{}<td \
             class=n>{}</td><td class=n>{}</td></tr>",
            escape(&movement.camera),
            escape(&movement.line),
            escape(&movement.direction),
            movement.truth,
            error(movement.counted, movement.truth),
            number(movement.nw_rmse),
            number(geh),
        );
        for class in movement.classes.iter().filter(|class| class.counted != class.truth) {
            let _ = write!(
                out,
                "<tr class=quiet><td></td><td></td><td></td><td>{}</td><td class=n>{}</td><td class=n>{}</td>{}<td></td><td></td></tr>",
                escape(&class.class),
                class.truth,
                class.counted,
                error(class.counted, class.truth),
            );
        }
    }
    out + "</table><p><small>Classes are listed where they differ.</small></p>"
}

fn error(counted: u32, truth: u32) -> String {
    let difference = i64::from(counted) - i64::from(truth);
    let tone = if difference == 0 { "n" } else { "n bad" };
    format!("<td class=\"{tone}\">{}</td>", signed(difference))
}
