//! Plots as inline SVG: axes, curves, marks. Colours are classes of `style.css`, so that they follow the theme.

use std::fmt::Write as _;

/// Text for HTML and for attributes in double quotes.
#[must_use]
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A plot being drawn. Coordinates of methods are data unless they say pixels.
pub(super) struct Plot {
    body: String,
    width: f64,
    height: f64,
    /// Left, top, right, bottom of the data's rectangle, pixels.
    area: [f64; 4],
    x: (f64, f64),
    y: (f64, f64),
}

impl Plot {
    /// A plot of `width` x `height` pixels whose data lies `margins` (left, top, right, bottom) from its edges.
    pub fn new((width, height): (f64, f64), margins: [f64; 4], x: (f64, f64), y: (f64, f64)) -> Self {
        let area = [margins[0], margins[1], width - margins[2], height - margins[3]];
        Self { body: String::new(), width, height, area, x, y }
    }

    /// Pixels of a value across.
    pub fn x(&self, value: f64) -> f64 {
        let [left, _, right, _] = self.area;
        left + (right - left) * (value - self.x.0) / (self.x.1 - self.x.0).max(f64::MIN_POSITIVE)
    }

    /// Pixels of a value upwards.
    pub fn y(&self, value: f64) -> f64 {
        let [_, top, _, bottom] = self.area;
        bottom - (bottom - top) * (value - self.y.0) / (self.y.1 - self.y.0).max(f64::MIN_POSITIVE)
    }

    /// Adds SVG as it is.
    pub fn add(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// Words at pixels; `anchor` is start, middle or end.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
        let _ = write!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#,
            escape(words)
        );
    }

    /// Lines across with their values on the left.
    pub fn y_axis(&mut self, ticks: &[f64], label: impl Fn(f64) -> String) {
        let [left, _, right, _] = self.area;
        for tick in ticks {
            let y = self.y(*tick);
            let _ = write!(self.body, r#"<line x1="{left:.1}" x2="{right:.1}" y1="{y:.1}" y2="{y:.1}" class="grid"/>"#);
            self.text((left - 7.0, y + 4.0), "end", "", &label(*tick));
        }
    }

    /// Values below, and what they are.
    pub fn x_axis(&mut self, ticks: &[f64], label: impl Fn(f64) -> String, title: &str) {
        let [left, _, right, bottom] = self.area;
        for tick in ticks {
            let x = self.x(*tick);
            let _ = write!(
                self.body,
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{bottom:.1}" y2="{:.1}" class="grid"/>"#,
                bottom + 4.0
            );
            // The outer labels stay within the picture.
            let anchor = if x > self.width - 16.0 { "end" } else { "middle" };
            self.text((x.min(self.width - 1.0), bottom + 17.0), anchor, "", &label(*tick));
        }
        if !title.is_empty() {
            self.text((f64::midpoint(left, right), bottom + 34.0), "middle", "", title);
        }
    }

    /// A line through points.
    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let sign = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{sign}{:.1} {:.1}", self.x(x), self.y(y));
        }
        let _ = write!(self.body, r#"<path d="{path}" class="curve {class}"/>"#);
    }

    /// A line that keeps its height until the next point.
    pub fn steps(&mut self, points: &[(f64, f64)], class: &str) {
        let mut corners: Vec<(f64, f64)> = Vec::with_capacity(2 * points.len());
        for point in points {
            if let Some((_, height)) = corners.last().copied() {
                corners.push((point.0, height));
            }
            corners.push(*point);
        }
        self.curve(corners, class);
    }

    /// The finished picture; `label` says what it shows to who cannot see it.
    pub fn finish(self, label: &str) -> String {
        format!(
            r#"<svg viewBox="0 0 {w:.0} {h:.0}" width="{w:.0}" height="{h:.0}" role="img" aria-label="{}">{}</svg>"#,
            escape(label),
            self.body,
            w = self.width,
            h = self.height
        )
    }
}

/// About `wanted` round values from `from` to `to`.
pub(super) fn ticks((from, to): (f64, f64), wanted: u32) -> Vec<f64> {
    let span = to - from;
    if !(span.is_finite() && span > 0.0) {
        return vec![from];
    }
    let rough = span / f64::from(wanted.max(1));
    let scale = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|f| f * scale).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    spaced((from, to), step)
}

/// Round moments: steps of seconds, minutes and hours.
pub(super) fn time_ticks((from, to): (f64, f64), wanted: u32) -> Vec<f64> {
    const STEPS: [f64; 14] =
        [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0];
    let rough = (to - from) / f64::from(wanted.max(1));
    match STEPS.into_iter().find(|step| *step >= rough) {
        Some(step) if to > from => spaced((from, to), step),
        _ => ticks((from, to), wanted),
    }
}

fn spaced((from, to): (f64, f64), step: f64) -> Vec<f64> {
    let first = (from / step).ceil();
    (0..).map(|n| (first + f64::from(n)) * step).take_while(|value| *value <= to + step * 1e-6).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks((0.0, 1.0), 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks((0.0, 7.0), 4), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(time_ticks((0.0, 100.0), 8), [0.0, 30.0, 60.0, 90.0]);
        assert_eq!(ticks((3.0, 3.0), 4), [3.0]);
    }

    #[test]
    fn words_cannot_leave_their_place() {
        let mut plot = Plot::new((100.0, 50.0), [0.0; 4], (0.0, 1.0), (0.0, 1.0));
        plot.text((0.0, 0.0), "start", "", "<script>");
        let svg = plot.finish("a\"b");
        assert!(!svg.contains("<script>") && svg.contains("a&quot;b"));
    }
}
