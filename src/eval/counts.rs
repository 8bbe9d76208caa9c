//! Counted crossings against true ones: error by line, direction, class and interval.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statistics::{geh, nw_rmse};
use super::told::Told;
use super::truth::{MovementKey, TrueMovement, Truth};

/// How counts are scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountOptions {
    /// Length of an interval, seconds; the last one may be shorter.
    pub interval_s: f64,
    /// Segments of the AI City score.
    pub segments: u32,
}

impl Default for CountOptions {
    fn default() -> Self {
        Self { interval_s: 60.0, segments: 10 }
    }
}

/// One class of a movement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCount {
    /// Class name, of the truth or of the model.
    pub class: String,
    /// How many truly cross.
    pub truth: u32,
    /// How many were counted.
    pub counted: u32,
}

/// One interval of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IntervalCount {
    /// Begin.
    pub from_s: f64,
    /// End.
    pub to_s: f64,
    /// How many truly cross.
    pub truth: u32,
    /// How many were counted.
    pub counted: u32,
    /// GEH of the two as hourly flows.
    pub geh: f64,
}

/// One direction over one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovementCount {
    /// Camera.
    pub camera: String,
    /// Line.
    pub line: String,
    /// `forward` or `backward`.
    pub direction: String,
    /// Whether a rule told anything of the line; without one, counted is 0.
    pub watched: bool,
    /// How many truly cross, of all classes.
    pub truth: u32,
    /// How many were counted.
    pub counted: u32,
    /// By class; empty where the truth does not tell them apart.
    pub classes: Vec<ClassCount>,
    /// By interval; the whole window where it is not known when they truly cross.
    pub intervals: Vec<IntervalCount>,
    /// The AI City score of the total; none where it is not known when, or nothing crosses.
    pub nw_rmse: Option<f64>,
    /// Seconds of the true crossings, where known.
    pub true_times_s: Option<Vec<f64>>,
    /// Seconds of the counted ones.
    pub counted_times_s: Vec<f64>,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CountReport {
    /// True crossings, of all lines and directions.
    pub truth: u32,
    /// Counted ones.
    pub counted: u32,
    /// Σ |counted − true| over lines and directions.
    pub absolute_error: u32,
    /// Σ |counted − true| over lines, directions and classes, where classes are told apart.
    pub absolute_error_by_class: u32,
    /// 1 − absolute error / true crossings, never below 0.
    pub accuracy: Option<f64>,
    /// The AI City Challenge's effectiveness: nwRMSE of every line, direction and class, weighted by true numbers.
    pub nw_rmse: Option<f64>,
    /// Share of intervals with a GEH below 5.
    pub geh_below_5: Option<f64>,
    /// The worst interval's GEH.
    pub geh_max: Option<f64>,
    /// Every movement.
    pub movements: Vec<MovementCount>,
    /// Lines that were counted and are not in the truth, as `camera/line`; they are not scored.
    pub unknown_lines: Vec<String>,
}

/// Scores the cameras whose truth has counts; none when there is none.
#[must_use]
pub fn score<'a>(
    cases: impl IntoIterator<Item = (&'a str, &'a Truth, &'a Told)>,
    options: &CountOptions,
) -> Option<CountReport> {
    let (mut movements, mut unknown_lines, mut weighted) = (Vec::new(), Vec::new(), Weighted::default());
    for (camera, truth, told) in cases {
        let Some(counts) = truth.counts.as_ref().filter(|counts| !counts.movements.is_empty()) else { continue };
        for (key, movement) in &counts.movements {
            movements.push(Tally::new(key, movement, told, counts.window_s).report(camera, options, &mut weighted));
        }
        let known = |line: &String| counts.movements.keys().any(|(known, _)| known == line);
        unknown_lines.extend(told.lines.iter().filter(|line| !known(line)).map(|line| format!("{camera}/{line}")));
    }
    if movements.is_empty() {
        return None;
    }
    let sum = |of: &dyn Fn(&MovementCount) -> u32| movements.iter().map(of).sum::<u32>();
    let (truth, absolute_error) = (sum(&|m| m.truth), sum(&|m| m.counted.abs_diff(m.truth)));
    let gehs: Vec<f64> = movements.iter().flat_map(|m| &m.intervals).map(|i| i.geh).collect();
    Some(CountReport {
        truth,
        counted: sum(&|m| m.counted),
        absolute_error,
        absolute_error_by_class: sum(&|m| m.classes.iter().map(|c| c.counted.abs_diff(c.truth)).sum()),
        accuracy: (truth > 0).then(|| (1.0 - f64::from(absolute_error) / f64::from(truth)).max(0.0)),
        nw_rmse: weighted.mean(),
        geh_below_5: (!gehs.is_empty())
            .then(|| gehs.iter().filter(|geh| **geh < 5.0).count() as f64 / gehs.len() as f64),
        geh_max: gehs.iter().copied().reduce(f64::max),
        movements,
        unknown_lines,
    })
}

/// A mean weighted by vehicles.
#[derive(Debug, Default)]
struct Weighted {
    sum: f64,
    weight: f64,
}

impl Weighted {
    fn add(&mut self, score: f64, vehicles: u32) {
        self.sum += score * f64::from(vehicles);
        self.weight += f64::from(vehicles);
    }
    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// A movement's two lists, within the window.
struct Tally<'a> {
    key: &'a MovementKey,
    movement: &'a TrueMovement,
    watched: bool,
    window_s: (f64, f64),
    truth: Option<Vec<(f64, &'a str)>>,
    counted: Vec<(f64, &'a str)>,
}

impl<'a> Tally<'a> {
    fn new(key: &'a MovementKey, movement: &'a TrueMovement, told: &'a Told, window_s: (f64, f64)) -> Self {
        let within = |at: f64| at >= window_s.0 && at < window_s.1;
        let counted = told.passages(&key.0, &key.1).map(|c| (c.at_s, c.class.as_str()));
        let truth = movement.crossings.as_ref();
        Self {
            key,
            movement,
            watched: told.lines.contains(&key.0),
            window_s,
            truth: truth.map(|c| c.iter().map(|(at, class)| (*at, class.as_str())).filter(|c| within(c.0)).collect()),
            // The rule sees a crossing when the far side is clear, which may be with the very last frame.
            counted: counted.filter(|c| within(c.0) || c.0 == window_s.1).collect(),
        }
    }

    /// True crossings in the window: those listed, or the stated number.
    fn true_total(&self) -> u32 {
        self.truth.as_ref().map_or(self.movement.total(), |list| list.len() as u32)
    }

    fn report(&self, camera: &str, options: &CountOptions, weighted: &mut Weighted) -> MovementCount {
        let classes = self.classes();
        if self.movement.has_classes() {
            for class in &classes {
                let steps = self.steps(options.segments, |c| c == class.class);
                if let Some(score) = steps.and_then(|steps| nw_rmse(&steps)) {
                    weighted.add(score, class.truth);
                }
            }
        }
        let total = self.steps(options.segments, |_| true).and_then(|steps| nw_rmse(&steps));
        if let Some(score) = total.filter(|_| !self.movement.has_classes()) {
            weighted.add(score, self.true_total());
        }
        MovementCount {
            camera: camera.to_owned(),
            line: self.key.0.clone(),
            direction: self.key.1.clone(),
            watched: self.watched,
            truth: self.true_total(),
            counted: self.counted.len() as u32,
            classes,
            intervals: self.intervals(options.interval_s),
            nw_rmse: total,
            true_times_s: self.truth.as_ref().map(|list| list.iter().map(|c| c.0).collect()),
            counted_times_s: self.counted.iter().map(|c| c.0).collect(),
        }
    }

    fn classes(&self) -> Vec<ClassCount> {
        if !self.movement.has_classes() {
            return Vec::new();
        }
        let mut numbers: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        match &self.truth {
            Some(list) => list.iter().for_each(|(_, class)| numbers.entry(class).or_default().0 += 1),
            None => {
                for (class, number) in &self.movement.by_class {
                    numbers.entry(class).or_default().0 += number;
                }
            }
        }
        for (_, class) in &self.counted {
            numbers.entry(class).or_default().1 += 1;
        }
        let row = |(class, (truth, counted)): (&str, _)| ClassCount { class: class.to_owned(), truth, counted };
        numbers.into_iter().map(row).collect()
    }

    fn intervals(&self, interval_s: f64) -> Vec<IntervalCount> {
        let (begin, end) = self.window_s;
        let length = if self.truth.is_some() { interval_s } else { end - begin };
        let mut all = Vec::new();
        let mut from_s = begin;
        while from_s < end - 1e-9 {
            let to_s = (from_s + length).min(end);
            // The window's last instant belongs to its last interval.
            let within = |at: f64| at >= from_s && (at < to_s || (at == end && to_s == end));
            let number = |list: &[(f64, &str)]| list.iter().filter(|c| within(c.0)).count() as u32;
            let counted = number(&self.counted);
            let truth = self.truth.as_ref().map_or_else(|| self.movement.total(), |list| number(list));
            let hourly = |n: u32| f64::from(n) * 3600.0 / (to_s - from_s);
            all.push(IntervalCount { from_s, to_s, truth, counted, geh: geh(hourly(counted), hourly(truth)) });
            from_s = to_s;
        }
        all
    }

    /// (counted, true) cumulative numbers at the ends of equal segments; none where it is not known when.
    fn steps(&self, segments: u32, of_class: impl Fn(&str) -> bool) -> Option<Vec<(f64, f64)>> {
        let truth = self.truth.as_ref()?;
        let (begin, end) = self.window_s;
        let upto = |list: &[(f64, &str)], to: f64| list.iter().filter(|c| c.0 <= to && of_class(c.1)).count() as f64;
        let ends = (1..=segments.max(1)).map(|i| begin + (end - begin) * f64::from(i) / f64::from(segments.max(1)));
        Some(ends.map(|to| (upto(&self.counted, to), upto(truth, to))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::eval::told::Crossing;
    use crate::eval::truth::{ANY_CLASS, TrueCounts};

    fn truth(movements: Vec<(&str, &str, TrueMovement)>, seconds: f64) -> Truth {
        let movements = movements.into_iter().map(|(l, d, m)| ((l.to_owned(), d.to_owned()), m)).collect();
        Truth {
            path: Default::default(),
            camera_id: None,
            starts_at: None,
            clip: None,
            sha256: None,
            size: None,
            fps: None,
            frames: None,
            seconds,
            places: BTreeMap::new(),
            incidents: Vec::new(),
            counts: Some(TrueCounts { window_s: (0.0, seconds), movements }),
            boxes: BTreeMap::new(),
        }
    }

    fn listed(crossings: &[(f64, &str)]) -> TrueMovement {
        let mut by_class = BTreeMap::new();
        crossings.iter().for_each(|(_, class)| *by_class.entry((*class).to_owned()).or_default() += 1);
        let crossings = crossings.iter().map(|(at, class)| (*at, (*class).to_owned())).collect();
        TrueMovement { by_class, crossings: Some(crossings) }
    }

    fn told(crossings: &[(&str, &str, &str, f64)]) -> Told {
        let crossing = |(line, direction, class, at_s): &(&str, &str, &str, f64)| Crossing {
            line: (*line).to_owned(),
            direction: (*direction).to_owned(),
            class: (*class).to_owned(),
            at_s: *at_s,
        };
        let lines: BTreeSet<String> = crossings.iter().map(|c| c.0.to_owned()).collect();
        Told { crossings: crossings.iter().map(crossing).collect(), lines, ..Told::default() }
    }

    #[test]
    fn two_minutes_by_hand() {
        // Forward: cars at 10 and 70 s, a bus at 80 s; counted are a car at 11 s, a car at 71 s, a truck at 81 s.
        // Backward: nothing crosses; one car is counted at 30 s.
        // Absolute error 0 + 1 = 1 of 3: accuracy 2/3. By class: bus 1, truck 1, car backward 1: 3.
        // Intervals of 60 s: forward 1 of 1 and 2 of 2 (GEH 0, 0), backward 1 of 0 (60 an hour: sqrt(2 * 60) = 10.95)
        // and 0 of 0: GEH below 5 in 3 of 4.
        let truth = truth(
            vec![
                ("gate", "forward", listed(&[(10.0, "car"), (70.0, "car"), (80.0, "bus")])),
                ("gate", "backward", listed(&[])),
            ],
            120.0,
        );
        let told = told(&[
            ("gate", "forward", "car", 11.0),
            ("gate", "backward", "car", 30.0),
            ("gate", "forward", "car", 71.0),
            ("gate", "forward", "truck", 81.0),
            ("elsewhere", "forward", "car", 81.0),
        ]);
        let report = score([("a", &truth, &told)], &CountOptions::default()).unwrap();
        assert_eq!((report.truth, report.counted, report.absolute_error), (3, 4, 1));
        assert_eq!(report.absolute_error_by_class, 3);
        assert!((report.accuracy.unwrap() - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(report.geh_below_5, Some(0.75));
        assert!((report.geh_max.unwrap() - 120_f64.sqrt()).abs() < 1e-9);
        assert_eq!(report.unknown_lines, ["a/elsewhere"]);
        // nwRMSE: the cars are right at the end of every twelfth second: 1. The bus is missed from the seventh of ten
        // segments on, whose weights 2i / 110 make 34 / 55: 1 - sqrt(34 / 55). Weighted by 2 cars and 1 bus.
        let bus = 1.0 - (34.0_f64 / 55.0).sqrt();
        assert!((report.nw_rmse.unwrap() - (2.0 + bus) / 3.0).abs() < 1e-9, "{:?}", report.nw_rmse);
        let forward = &report.movements[1];
        assert_eq!(forward.intervals.iter().map(|i| (i.truth, i.counted)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    }

    #[test]
    fn numbers_without_times_and_classes_are_scored_as_such() {
        let by_class = BTreeMap::from([(ANY_CLASS.to_owned(), 10)]);
        let truth = truth(vec![("gate", "forward", TrueMovement { by_class, crossings: None })], 3600.0);
        let told = told(&[("gate", "forward", "car", 1.0), ("gate", "forward", "bus", 2.0)]);
        let report = score([("a", &truth, &told)], &CountOptions::default()).unwrap();
        assert_eq!((report.absolute_error, report.absolute_error_by_class, report.nw_rmse), (8, 0, None));
        let movement = &report.movements[0];
        assert!(movement.classes.is_empty() && movement.intervals.len() == 1, "the whole hour");
    }

    #[test]
    fn a_line_without_a_rule_is_told_apart_from_an_empty_one() {
        let truth = truth(vec![("gate", "forward", listed(&[(1.0, "car")]))], 60.0);
        let report = score([("a", &truth, &Told::default())], &CountOptions::default()).unwrap();
        assert!(!report.movements[0].watched);
        assert_eq!(report.absolute_error, 1);
        assert_eq!(score([("a", &Truth { counts: None, ..truth }, &Told::default())], &CountOptions::default()), None);
    }

    #[test]
    fn a_window_leaves_out_the_rest() {
        let mut truth = truth(vec![("gate", "forward", listed(&[(1.0, "car"), (50.0, "car")]))], 60.0);
        truth.counts.as_mut().unwrap().window_s = (10.0, 60.0);
        let told = told(&[("gate", "forward", "car", 1.5), ("gate", "forward", "car", 51.0)]);
        let report = score([("a", &truth, &told)], &CountOptions::default()).unwrap();
        assert_eq!((report.truth, report.counted, report.absolute_error), (1, 1, 0));
    }
}
