//! Worked by hand, and properties.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::eval::tracks::PixelBox;
use crate::eval::truth::Incident;
use crate::scene::NormBox;

fn incident(kind: &str, onset_s: f64, end_s: Option<f64>) -> Incident {
    let (objects, place, region, note) = (Vec::new(), None, None, None);
    Incident { kind: kind.to_owned(), onset_s, end_s, objects, place, region, required: true, note }
}

fn truth(incidents: Vec<Incident>, seconds: f64) -> Truth {
    Truth {
        path: PathBuf::new(),
        camera_id: None,
        starts_at: None,
        clip: None,
        sha256: None,
        size: Some((100, 100)),
        fps: Some(10.0),
        frames: None,
        seconds,
        places: BTreeMap::from([("lane", ["in", "out"].map(str::to_owned).into())]),
        incidents,
        counts: None,
        boxes: BTreeMap::new(),
    }
}

fn alarm(kind: &str, at_s: f64) -> Alarm {
    Alarm {
        id: format!("{kind}@{at_s}"),
        rule: format!("rule-{kind}"),
        kind: kind.to_owned(),
        severity: Severity::Warning,
        at_s,
        ended_s: None,
        place: None,
        bbox: None,
        class: None,
        summary: String::new(),
    }
}

fn scored(truth: &Truth, alarms: &[Alarm]) -> EventReport {
    score(&[Case { camera: "a", truth, alarms }], &EventOptions::default())
}

fn outcomes(report: &EventReport) -> Vec<Was> {
    report.alarm_rows.iter().map(|row| row.outcome).collect()
}

#[test]
fn an_hour_by_hand() {
    // Three incidents: x from 100 s, told at 108 s and again at 120 s; x from 1000 to 1010 s, told at 1016 s, which
    // is 6 s after its end and so false; y from 2000 s, never told. Besides, y at 50 s, 1950 s before it happens.
    // Detected 1 of 3; alarms 4: 1 hit, 1 repeat, 2 false; 2 false alarms an hour.
    // Precision 1/4, F1 = 2 * 1 / (3 + 4) = 2/7; the one delay is 8 s.
    // S4: within 10 s of an onset lies 108 s alone (1016 s is 16 s off): F1 = 2/7, RMSE 8 s,
    // 2/7 * (1 - 8/300) = 0.2781.
    let truth = truth(
        vec![incident("x", 100.0, Some(200.0)), incident("x", 1000.0, Some(1010.0)), incident("y", 2000.0, None)],
        3600.0,
    );
    let report = scored(&truth, &[alarm("y", 50.0), alarm("x", 108.0), alarm("x", 120.0), alarm("x", 1016.0)]);
    assert_eq!(outcomes(&report), [Was::False, Was::Hit, Was::Repeat, Was::False]);
    let all = &report.all;
    assert_eq!((all.incidents, all.detected, all.alarms, all.false_alarms, all.repeats), (3, 1, 4, 2, 1));
    assert_eq!(all.detection_rate.unwrap().value, 1.0 / 3.0);
    assert_eq!(all.false_alarms_per_hour.unwrap().value, 2.0);
    assert_eq!((all.precision, all.f1), (Some(0.25), Some(2.0 / 7.0)));
    assert_eq!((all.time_to_detect_p50_s, all.time_to_detect_p95_s), (Some(8.0), Some(8.0)));
    assert!((report.s4.unwrap() - 2.0 / 7.0 * (1.0 - 8.0 / 300.0)).abs() < 1e-12, "{:?}", report.s4);
    assert_eq!(report.kinds.iter().map(|k| (k.name.as_str(), k.detected)).collect::<Vec<_>>(), [("x", 1), ("y", 0)]);
    assert_eq!(report.alarm_rows[0].why, Some("it happens at another time"));
    assert_eq!(report.incident_rows[2].outcome, Found::Missed);
}

#[test]
fn two_incidents_at_once_need_two_alarms_and_the_earlier_alarm_counts() {
    let truth = truth(vec![incident("x", 10.0, None), incident("x", 12.0, None)], 100.0);
    let one = scored(&truth, &[alarm("x", 15.0)]);
    assert_eq!((one.all.detected, one.all.false_alarms), (1, 0));
    let three = scored(&truth, &[alarm("x", 15.0), alarm("x", 16.0), alarm("x", 17.0)]);
    assert_eq!(outcomes(&three), [Was::Hit, Was::Hit, Was::Repeat]);
}

#[test]
fn most_incidents_are_detected_even_where_the_first_alarm_fits_both() {
    // The alarm at 11 s fits both, that at 30 s only the one that goes on.
    let truth = truth(vec![incident("x", 10.0, None), incident("x", 10.5, Some(12.0))], 100.0);
    assert_eq!(scored(&truth, &[alarm("x", 11.0), alarm("x", 30.0)]).all.detected, 2);
}

#[test]
fn the_tolerance_widens_both_ends() {
    let truth = truth(vec![incident("x", 10.0, Some(20.0))], 100.0);
    for (at, hit) in [(7.9, false), (8.0, true), (22.0, true), (22.1, false)] {
        assert_eq!(scored(&truth, &[alarm("x", at)]).all.detected == 1, hit, "at {at}");
    }
}

#[test]
fn places_are_compared_where_the_truth_knows_both() {
    let in_lane = |name: &str| Some(("lane", name.to_owned()));
    let truth = truth(vec![Incident { place: in_lane("in"), ..incident("x", 10.0, None) }], 100.0);
    for (place, hit) in [
        (in_lane("in"), true),
        (in_lane("out"), false),
        (in_lane("a name of the pipeline's own"), true),
        (Some(("zone", "out".to_owned())), true),
        (None, true),
    ] {
        let report = scored(&truth, &[Alarm { place: place.clone(), ..alarm("x", 11.0) }]);
        assert_eq!(report.all.detected == 1, hit, "{place:?}");
    }
}

#[test]
fn the_object_behind_the_alarm_must_be_the_incidents() {
    let mut truth = truth(vec![Incident { objects: vec![7], ..incident("x", 10.0, None) }], 100.0);
    let at = PixelBox::from_corners([10.0, 10.0, 30.0, 30.0]);
    truth.boxes.insert(7, (100..1000).map(|frame| (frame, at)).collect());
    let with_box = |x1, x2| Alarm { bbox: Some(NormBox { x1, y1: 0.1, x2, y2: 0.3 }), ..alarm("x", 20.0) };
    assert_eq!(outcomes(&scored(&truth, &[with_box(0.12, 0.32)])), [Was::Hit]);
    let other = scored(&truth, &[with_box(0.6, 0.8)]);
    assert_eq!((outcomes(&other), other.alarm_rows[0].why), (vec![Was::False], Some("something else is behind it")));
    // Where the object is not visible, nothing can be compared.
    truth.boxes.clear();
    assert_eq!(outcomes(&scored(&truth, &[with_box(0.6, 0.8)])), [Was::Hit]);
    truth.incidents[0].region = Some(vec![[0.0, 0.0], [50.0, 0.0], [50.0, 50.0], [0.0, 50.0]]);
    assert_eq!(outcomes(&scored(&truth, &[with_box(0.6, 0.8)])), [Was::False]);
    assert_eq!(outcomes(&scored(&truth, &[with_box(0.1, 0.3)])), [Was::Hit]);
}

#[test]
fn what_need_not_be_told_is_neither_missed_nor_false() {
    let truth = truth(vec![Incident { required: false, ..incident("x", 10.0, None) }], 100.0);
    let silent = scored(&truth, &[]);
    assert_eq!((silent.all.incidents, silent.all.detection_rate, silent.s4), (0, None, None));
    let told = scored(&truth, &[alarm("x", 12.0)]);
    assert_eq!((outcomes(&told), told.all.false_alarms, told.all.ignored), (vec![Was::Ignored], 0, 1));
}

#[test]
fn which_events_are_alarms() {
    let truth = truth(vec![incident("x", 10.0, None)], 3600.0);
    let note = |kind| Alarm { severity: Severity::Info, ..alarm(kind, 12.0) };
    let options = |map: &[(&str, &str)], kinds: &[&str]| EventOptions {
        map: map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..EventOptions::default()
    };
    let alarms = [note("note"), note("x"), alarm("other", 13.0)];
    let told =
        |options: &EventOptions| outcomes(&score(&[Case { camera: "a", truth: &truth, alarms: &alarms }], options));
    assert_eq!(told(&options(&[], &[])), [Was::Hit, Was::False], "a note counts only if the truth has its kind");
    assert_eq!(told(&options(&[], &["x"])), [Was::Hit]);
    assert_eq!(told(&options(&[("rule-note", "x")], &["x"])), [Was::Hit, Was::Repeat]);
    assert_eq!(told(&options(&[("other", "x")], &[])), [Was::Hit, Was::Repeat], "a kind can be mapped as well");
}

/// Incidents as (kind, onset, length), alarms as (kind, time); seconds.
type Happenings = (Vec<(u8, f64, f64)>, Vec<(u8, f64)>);

fn happenings() -> impl Strategy<Value = Happenings> {
    let incident = (0_u8..3, 0.0_f64..900.0, 0.0_f64..100.0);
    (proptest::collection::vec(incident, 0..8), proptest::collection::vec((0_u8..3, 0.0_f64..1000.0), 0..12))
}

proptest! {
    #[test]
    fn everything_is_counted_once((incidents, alarms) in happenings()) {
        let named = |kind: u8| ["x", "y", "z"][usize::from(kind)];
        let truth = truth(incidents.iter().map(|(k, on, l)| incident(named(*k), *on, Some(on + l))).collect(), 1000.0);
        let mut told: Vec<Alarm> = alarms.iter().map(|(kind, at)| alarm(named(*kind), *at)).collect();
        told.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        let report = scored(&truth, &told);
        let all = &report.all;
        prop_assert_eq!(all.incidents as usize, incidents.len());
        prop_assert_eq!(all.detected + all.repeats + all.false_alarms, all.alarms);
        prop_assert_eq!(all.alarms as usize, told.len());
        prop_assert!(all.detected <= all.incidents);
        prop_assert_eq!(report.kinds.iter().map(|k| k.detected).sum::<u64>(), all.detected);
        prop_assert!(all.f1.is_none_or(|f1| (0.0..=1.0).contains(&f1)));
        prop_assert!(report.s4.is_none_or(|s4| (0.0..=1.0).contains(&s4)));
        // A later start of everything changes nothing.
        let mut later = truth.clone();
        later.seconds += 50.0;
        for incident in &mut later.incidents {
            incident.onset_s += 50.0;
            incident.end_s = incident.end_s.map(|end| end + 50.0);
        }
        let shifted: Vec<Alarm> = told.iter().map(|a| Alarm { at_s: a.at_s + 50.0, ..a.clone() }).collect();
        let shifted = scored(&later, &shifted);
        prop_assert_eq!(outcomes(&shifted), outcomes(&report));
    }

    #[test]
    fn telling_exactly_what_happens_is_perfect((incidents, _) in happenings()) {
        let named = |kind: u8| ["x", "y", "z"][usize::from(kind)];
        let truth = truth(incidents.iter().map(|(k, on, l)| incident(named(*k), *on, Some(on + l))).collect(), 1000.0);
        let mut told: Vec<Alarm> = truth.incidents.iter().map(|i| alarm(&i.kind, i.onset_s)).collect();
        told.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        let report = scored(&truth, &told);
        prop_assert_eq!(report.all.detected as usize, incidents.len());
        prop_assert_eq!(report.all.false_alarms + report.all.repeats, 0);
        if !incidents.is_empty() {
            prop_assert_eq!(report.all.f1, Some(1.0));
            prop_assert!((report.s4.unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
