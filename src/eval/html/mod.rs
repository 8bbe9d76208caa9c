//! The report as one page: no script, no other file, nothing from the network; light and dark.

mod counts;
mod events;
mod svg;
mod tracks;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::svg::escape;
use super::report::Report;
use super::show::{hours, number, percent, points, seconds};
use super::statistics::Estimate;

/// What a still shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StillOf {
    /// An incident that no alarm told of.
    Missed,
    /// An alarm of nothing that happened.
    False,
    /// A further alarm of an incident.
    Repeat,
    /// The alarm of an incident.
    Hit,
}

/// A picture for the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Still {
    /// What it shows.
    pub of: StillOf,
    /// One line in bold: what, where, when.
    pub title: String,
    /// A sentence.
    pub detail: String,
    /// JPEG.
    pub jpeg: Vec<u8>,
}

/// The page.
#[must_use]
pub fn page(report: &Report, stills: &[Still]) -> String {
    let mut body = format!(
        "<header><h1>{}</h1><span class=quiet>scored by vantage {}</span></header>",
        escape(&report.title),
        escape(report.vantage)
    );
    if !report.gates.is_empty() {
        body.push_str("<ul class=gates>");
        for gate in &report.gates {
            let (class, sign) = if gate.met { ("met", "✓") } else { ("failed", "✗") };
            let condition = escape(&gate.condition);
            let _ = write!(body, "<li class={class}>{sign} {condition} <small>({})</small></li>", number(gate.value));
        }
        body.push_str("</ul>");
    }
    body.push_str(&tiles(report));
    body.push_str(&report.events.as_ref().map(events::section).unwrap_or_default());
    body.push_str(&gallery(report, stills));
    body.push_str(&report.counts.as_ref().map(counts::section).unwrap_or_default());
    body.push_str(&report.tracks.as_ref().map(tracks::section).unwrap_or_default());
    body.push_str(&footer(report));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"><title>{}</title><style>{}</style></head>\
         <body><main>{body}</main></body></html>\n",
        escape(&report.title),
        include_str!("style.css")
    )
}

/// The figures at the top.
fn tiles(report: &Report) -> String {
    let (mut groups, mut all) = (Vec::new(), Vec::new());
    if let Some(events) = &report.events {
        let s = &events.all;
        let missed = s.incidents - s.detected;
        all.push(tile(
            "Detection rate",
            &percent(s.detection_rate.map(|e| e.value)),
            &whisker(s.detection_rate, 1.0, if missed == 0 { "good" } else { "bad" }),
            &match s.detection_rate {
                Some(e) => format!(
                    "{} of {} incidents; 95 % interval {:.0} to {:.0} %",
                    s.detected,
                    s.incidents,
                    e.low * 100.0,
                    e.high * 100.0
                ),
                None => "no incident to be told".to_owned(),
            },
        ));
        let scale = s.false_alarms_per_hour.map_or(1.0, |e| (e.high * 1.1).max(1.0));
        all.push(tile(
            "False alarms an hour",
            &number(s.false_alarms_per_hour.map(|e| e.value)),
            &whisker(s.false_alarms_per_hour, scale, if s.false_alarms == 0 { "good" } else { "bad" }),
            &s.false_alarms_per_hour.map_or_else(String::new, |e| {
                format!("{} in {}; 95 % interval {:.2} to {:.2}", s.false_alarms, hours(s.hours), e.low, e.high)
            }),
        ));
        all.push(tile(
            "Time to detect, median",
            &seconds(s.time_to_detect_p50_s),
            "",
            &format!("95 %: {}; longest {}", seconds(s.time_to_detect_p95_s), seconds(s.time_to_detect_max_s)),
        ));
        let detail =
            format!("precision {}; {} repeats; S4-style {}", percent(s.precision), s.repeats, number(events.s4));
        all.push(tile("F1 of alarms", &number(s.f1), "", &detail));
    }
    groups.push(std::mem::take(&mut all));
    if let Some(counts) = &report.counts {
        let detail = format!("{} counted of {}; sum of errors {}", counts.counted, counts.truth, counts.absolute_error);
        all.push(tile("Count accuracy", &percent(counts.accuracy), "", &detail));
        let detail = format!(
            "GEH below 5 in {}; error by class {}",
            percent(counts.geh_below_5),
            counts.absolute_error_by_class
        );
        all.push(tile("nwRMSE, AI City", &number(counts.nw_rmse), "", &detail));
    }
    if let Some(tracks) = &report.tracks {
        let s = &tracks.combined;
        let parts = s
            .hota
            .map_or_else(String::new, |h| format!("DetA {}; AssA {}", points(Some(h.deta)), points(Some(h.assa))));
        all.push(tile("HOTA", &points(s.hota.map(|h| h.hota)), "", &parts));
        let detail = format!("{} identity switches, {} objects", s.switches, s.objects);
        all.push(tile("IDF1", &points(s.idf1), "", &detail));
        let detail = format!("{} misses, {} false boxes of {}", s.misses, s.false_positives, s.boxes);
        all.push(tile("MOTA", &points(s.mota), "", &detail));
    }
    groups.push(all);
    let group = |tiles: Vec<String>| match tiles.len() {
        0 => String::new(),
        n => format!("<div class=tiles style=\"--n:{n}\">{}</div>", tiles.concat()),
    };
    groups.into_iter().map(group).collect()
}

fn tile(name: &str, figure: &str, drawing: &str, detail: &str) -> String {
    let figure = match figure.split_once(' ') {
        Some((number, unit)) => format!("{number} <span>{unit}</span>"),
        None => figure.to_owned(),
    };
    format!(
        "<div class=\"card tile\"><h3>{}</h3><div class=figure>{figure}</div>{drawing}<small>{}</small></div>",
        escape(name),
        escape(detail)
    )
}

/// A value and its interval on a scale from 0.
fn whisker(estimate: Option<Estimate>, scale: f64, tone: &str) -> String {
    let Some(e) = estimate else { return String::new() };
    let at = |value: f64| 4.0 + 162.0 * (value / scale).clamp(0.0, 1.0);
    let (low, high, value) = (at(e.low), at(e.high), at(e.value));
    format!(
        "<svg width=170 height=14 viewBox=\"0 0 170 14\" aria-hidden=true><rect x=2 y=5.5 width=166 height=3 rx=1.5 \
         class=f-track /><rect x=\"{low:.1}\" y=4 width=\"{:.1}\" height=6 rx=3 class=f-{tone} opacity=0.35 /><circle \
         cx=\"{value:.1}\" cy=7 r=4.5 class=f-{tone} /></svg>",
        (high - low).max(2.0)
    )
}

fn gallery(report: &Report, stills: &[Still]) -> String {
    let Some(events) = &report.events else { return String::new() };
    let wrong = |still: &&Still| matches!(still.of, StillOf::Missed | StillOf::False);
    let trouble = events.all.incidents - events.all.detected + events.all.false_alarms;
    let mut out = String::from("<section><h2>Missed and false</h2>");
    if trouble == 0 {
        out.push_str("<div class=\"card none\">No incident was missed and no alarm was false.</div>");
    } else if !stills.iter().any(|still| wrong(&still)) {
        out.push_str("<div class=\"card none\">No pictures: the footage was not at hand when this was scored.</div>");
    } else {
        let _ = write!(out, "<div class=stills>{}</div>", figures(stills.iter().filter(wrong)));
    }
    let right: Vec<&Still> = stills.iter().filter(|still| !wrong(still)).collect();
    if !right.is_empty() {
        let _ = write!(
            out,
            "<details><summary>Incidents that were told, and repeats ({})</summary><div class=stills>{}</div></details>",
            right.len(),
            figures(right)
        );
    }
    out + "</section>"
}

fn figures<'a>(stills: impl IntoIterator<Item = &'a Still>) -> String {
    let mut out = String::new();
    for still in stills {
        let (class, word) = match still.of {
            StillOf::Missed => ("missed", "Missed"),
            StillOf::False => ("false", "False alarm"),
            StillOf::Repeat => ("repeat", "Repeat"),
            StillOf::Hit => ("hit", "Told"),
        };
        let title = escape(&still.title);
        let _ = write!(
            out,
            "<figure class=\"card {class}\"><img alt=\"{word}: {title}\" \
             src=\"data:image/jpeg;base64,{}\"><figcaption><b>{word}: {title}</b><span \
             class=quiet>{}</span></figcaption></figure>",
            STANDARD.encode(&still.jpeg),
            escape(&still.detail)
        );
    }
    out
}

fn footer(report: &Report) -> String {
    let mut out = String::from("<footer>");
    for note in &report.notes {
        let _ = write!(out, "<p>{}</p>", escape(note));
    }
    if !report.inputs.is_empty() || report.digest.is_some() {
        out.push_str("<dl>");
        for (role, path) in &report.inputs {
            let _ = write!(out, "<dt>{}</dt><dd><code>{}</code></dd>", escape(role), escape(path));
        }
        if let Some(digest) = &report.digest {
            let _ = write!(out, "<dt>digest of the events</dt><dd><code>sha256:{}</code></dd>", escape(digest));
        }
        out.push_str("</dl>");
    }
    out + "<p>Rates carry 95 % intervals: Wilson's for shares, the exact Poisson one for false alarms. Definitions: \
           docs/evaluation.md.</p></footer>"
}
