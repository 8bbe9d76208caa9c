//! Tracking scores on the page: the table, and HOTA over its thresholds.

use std::fmt::Write as _;

use super::svg::{Plot, escape, ticks};
use crate::eval::show::points;
use crate::eval::tracks::{TrackReport, TrackScores, hota};

/// The section.
pub(super) fn section(report: &TrackReport) -> String {
    let mut out = String::from("<section><h2>Tracks</h2><div class=\"card scroll\">");
    out.push_str(&table(report));
    out.push_str("</div>");
    if report.combined.hota.is_some() {
        let _ = write!(
            out,
            "<div class=pair><div class=card><h3>HOTA by how exact boxes must be</h3><div \
             class=legend>{}{}{}</div>{}</div><div class=card><h3>What the scores say</h3>{}</div></div>",
            key("c-accent", "HOTA"),
            key("c-good", "DetA: boxes found and right"),
            key("c-warn", "AssA: identities kept"),
            curves(&report.combined),
            WORDS
        );
    }
    out + "</section>"
}

/// What a reader who does not score trackers every day needs.
const WORDS: &str = "<p><b>HOTA</b> weighs finding objects and keeping their identities alike, over 19 demands on the \
    overlap of boxes.</p><p><b>IDF1</b> is the share of boxes that carry the right identity for the whole \
    sequence.</p><p><b>MOTA</b> takes misses, false boxes and identity switches off 100; it hardly sees identities.</p>\
    <p><b>IDs</b> identity switches, <b>FM</b> tracks lost and found again, <b>MT</b> and <b>ML</b> objects tracked for \
    80 % of their boxes or more, and for less than 20 %.</p>";

fn key(class: &str, words: &str) -> String {
    format!(
        "<span><svg width=\"26\" height=\"14\" aria-hidden=\"true\"><path d=\"M1 7h24\" class=\"curve {class}\"/></svg>{words}</span>"
    )
}

fn curves(scores: &TrackScores) -> String {
    let mut plot = Plot::new((500.0, 240.0), [40.0, 10.0, 14.0, 44.0], (0.05, 0.95), (0.0, 1.0));
    plot.y_axis(&ticks((0.0, 1.0), 5), |share| format!("{:.0}", share * 100.0));
    plot.x_axis(&[0.1, 0.3, 0.5, 0.7, 0.9], |alpha| format!("{alpha}"), "least IoU of a match");
    for (part, class) in [(2, "c-warn"), (1, "c-good"), (0, "c-accent")] {
        let values = scores.curve.iter().filter_map(|level| level.get(part).copied());
        plot.curve(hota::alphas().zip(values), class);
    }
    plot.finish("HOTA, DetA and AssA over localisation thresholds")
}

fn table(report: &TrackReport) -> String {
    let mut out = String::from("<table><tr><th></th>");
    for name in ["HOTA", "DetA", "AssA", "LocA", "IDF1", "MOTA", "MOTP", "recall", "precision", "IDs", "FM", "MT", "ML"]
    {
        let _ = write!(out, "<th class=n>{name}</th>");
    }
    out.push_str("</tr>");
    let all = (report.sequences.len() > 1).then_some(&report.combined);
    for s in report.sequences.iter().chain(all) {
        let _ = write!(out, "<tr><td class=strong>{}</td>", escape(&s.name));
        let of = |part: fn(&hota::Parts) -> f64| points(s.hota.as_ref().map(part));
        let cells = [
            of(|h| h.hota),
            of(|h| h.deta),
            of(|h| h.assa),
            of(|h| h.loca),
            points(s.idf1),
            points(s.mota),
            points(s.motp),
            points(s.recall),
            points(s.precision),
            s.switches.to_string(),
            s.fragmentations.to_string(),
            format!("{} of {}", s.mostly_tracked, s.objects),
            s.mostly_lost.to_string(),
        ];
        for cell in cells {
            let _ = write!(out, "<td class=n>{cell}</td>");
        }
        out.push_str("</tr>");
    }
    out + "</table>"
}
