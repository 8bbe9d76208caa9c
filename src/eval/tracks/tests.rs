//! Worked by hand, and properties.

use proptest::prelude::*;

use super::mot::{Row, Rows};
use super::*;

/// A box of 10 x 10 pixels at `left`.
fn row(id: i64, left: f64) -> Row {
    let bbox = PixelBox { left, top: 0.0, width: 10.0, height: 10.0 };
    Row { id, bbox, required: true, class: None }
}

fn ignored(id: i64, left: f64) -> Row {
    Row { required: false, ..row(id, left) }
}

fn rows(frames: &[&[Row]]) -> Rows {
    (1..).zip(frames.iter().map(|rows| rows.to_vec())).filter(|(_, rows)| !rows.is_empty()).collect()
}

fn scored(truth: &Rows, tracks: &Rows) -> TrackScores {
    let sequence = Sequence::new(truth, tracks, Protocol::Ignore, &[], |_| true);
    TrackScores::new("", &TrackCounts::of(&sequence, 0.5))
}

fn near(a: Option<f64>, b: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() < 1e-9)
}

#[test]
fn an_object_whose_track_changes_halfway() {
    // One object over 4 frames, track 1 on it exactly in frames 1 and 2, track 2 in frames 3 and 4.
    // CLEAR: no miss, no false positive, 1 switch: MOTA = 1 - 1/4 = 0.75; MOTP = 1; no fragmentation.
    // Identity: the best track covers 2 of 4 boxes: IDTP 2, IDFP 2, IDFN 2, IDF1 = 4 / 8 = 0.5.
    // HOTA: DetA = 1. Each match has TPA 2, FNA 2, FPA 0: 2 / 4 = 0.5, so AssA = 0.5 and HOTA = sqrt(0.5).
    let truth = rows(&[&[row(7, 0.0)], &[row(7, 1.0)], &[row(7, 2.0)], &[row(7, 3.0)]]);
    let tracks = rows(&[&[row(1, 0.0)], &[row(1, 1.0)], &[row(2, 2.0)], &[row(2, 3.0)]]);
    let s = scored(&truth, &tracks);
    assert!(near(s.mota, 0.75) && near(s.motp, 1.0) && near(s.idf1, 0.5), "{s:?}");
    assert_eq!((s.switches, s.fragmentations, s.mostly_tracked), (1, 0, 1));
    let hota = s.hota.unwrap();
    assert!(near(Some(hota.deta), 1.0) && near(Some(hota.assa), 0.5) && near(Some(hota.hota), 0.5_f64.sqrt()));
}

#[test]
fn a_loss_in_the_middle_and_a_stray_box() {
    // Object over 5 frames; track 1 misses frame 3, where a stray box stands far away under the id 9.
    // CLEAR: 4 matches, 1 miss, 1 false positive, 0 switches: MOTA = 1 - 2/5 = 0.6; 1 fragmentation;
    // recall 4/5 = precision 4/5; tracked for 80 %: mostly tracked.
    // Identity: IDTP 4, IDFN 1, IDFP 1: IDF1 = 8 / 10 = 0.8.
    // HOTA at every threshold (IoU is 1): DetA = 4 / (4 + 1 + 1) = 2/3; AssA: TPA 4, FNA 1, FPA 0 = 4/5.
    let truth = rows(&[&[row(1, 0.0)], &[row(1, 0.0)], &[row(1, 0.0)], &[row(1, 0.0)], &[row(1, 0.0)]]);
    let tracks = rows(&[&[row(1, 0.0)], &[row(1, 0.0)], &[row(9, 500.0)], &[row(1, 0.0)], &[row(1, 0.0)]]);
    let s = scored(&truth, &tracks);
    assert!(near(s.mota, 0.6) && near(s.idf1, 0.8) && near(s.recall, 0.8) && near(s.precision, 0.8), "{s:?}");
    assert_eq!((s.misses, s.false_positives, s.switches, s.fragmentations, s.mostly_tracked), (1, 1, 0, 1, 1));
    let hota = s.hota.unwrap();
    assert!(near(Some(hota.deta), 2.0 / 3.0) && near(Some(hota.assa), 0.8), "{hota:?}");
    assert!(near(Some(hota.hota), (2.0_f64 / 3.0 * 0.8).sqrt()));
}

#[test]
fn localisation_moves_hota_but_not_mota() {
    // Boxes shifted by 2 of 10 pixels: IoU = 80 / 120 = 2/3. MOTA 1, MOTP 2/3. HOTA counts the pair at the 13
    // thresholds up to 0.65 and as a miss and a false positive at the 6 from 0.70: DetA = 13/19.
    let truth = rows(&[&[row(1, 0.0)], &[row(1, 0.0)]]);
    let tracks = rows(&[&[row(5, 2.0)], &[row(5, 2.0)]]);
    let s = scored(&truth, &tracks);
    assert!(near(s.mota, 1.0) && near(s.motp, 2.0 / 3.0));
    let hota = s.hota.unwrap();
    assert!(near(Some(hota.deta), 13.0 / 19.0) && near(Some(hota.hota), 13.0 / 19.0), "{hota:?}");
    assert!((s.curve[12][0] - 1.0).abs() < 1e-12 && s.curve[13][0] == 0.0);
}

#[test]
fn the_pair_of_the_frame_before_is_kept_over_a_better_one() {
    // Frame 2: track 1 still reaches the object (IoU 70/130 = 0.54), track 2 lies better. The pair stays.
    let truth = rows(&[&[row(1, 0.0)], &[row(1, 0.0)]]);
    let tracks = rows(&[&[row(1, 0.0)], &[row(1, 3.0), row(2, 0.0)]]);
    let s = scored(&truth, &tracks);
    assert_eq!((s.switches, s.false_positives), (0, 1));
}

#[test]
fn ignored_rows_are_neither_missed_nor_false_alarms() {
    let truth = rows(&[&[row(1, 0.0), ignored(2, 100.0), ignored(3, 200.0)]]);
    let perfect = scored(&truth, &rows(&[&[row(7, 0.0), row(8, 101.0)]]));
    assert!(near(perfect.mota, 1.0) && near(perfect.idf1, 1.0) && near(perfect.hota.map(|h| h.hota), 1.0));
    // A required row takes its box even where an ignored one overlaps it as well.
    let truth = rows(&[&[row(1, 0.0), ignored(2, 3.0)]]);
    assert_eq!(scored(&truth, &rows(&[&[row(7, 1.0)]])).misses, 0);
    let stray = scored(&truth, &rows(&[&[row(7, 0.0), row(8, 300.0)]]));
    assert_eq!((stray.mota, stray.false_positives), (Some(0.0), 1));
}

#[test]
fn the_protocols_differ_in_what_absorbs() {
    let class = |row: Row, class| Row { class: Some(class), ..row };
    let truth = rows(&[&[
        class(row(1, 0.0), 1),
        class(ignored(2, 100.0), 7),
        class(ignored(3, 200.0), 3),
        class(ignored(4, 300.0), 6),
    ]]);
    let tracks = rows(&[&[row(1, 0.0), row(2, 100.0), row(3, 200.0), row(4, 300.0)]]);
    let false_positives = |protocol| {
        let sequence = Sequence::new(&truth, &tracks, protocol, &[], |_| true);
        Clear::of(&sequence, 0.5).false_positives
    };
    assert_eq!(false_positives(Protocol::Ignore), 0);
    assert_eq!(false_positives(Protocol::Mot15), 3, "nothing absorbs");
    assert_eq!(false_positives(Protocol::Mot16), 2, "a static person does, a car and another vehicle do not");
    assert_eq!(false_positives(Protocol::Mot20), 1, "another vehicle does as well");
    let cars = Sequence::new(&truth, &tracks, Protocol::Ignore, &[3], |_| true);
    assert!(cars.object_boxes.is_empty(), "the car is not required");
}

#[test]
fn sequences_are_combined_by_their_counts() {
    let short = TrackCounts::of(&sequence(&rows(&[&[row(1, 0.0)]]), &Rows::new()), 0.5);
    let long = rows(&[&[row(1, 0.0)], &[row(1, 0.0)], &[row(1, 0.0)]]);
    let long = TrackCounts::of(&sequence(&long, &long), 0.5);
    let report = TrackReport::new(&[("short".to_owned(), short), ("long".to_owned(), long)]);
    assert!(near(report.sequences[0].mota, 0.0) && near(report.sequences[1].mota, 1.0));
    // 3 of 4 boxes, not the mean of 0 and 1.
    assert!(near(report.combined.mota, 0.75) && near(report.combined.recall, 0.75));
    assert_eq!(report.combined.objects, 2);
}

#[test]
fn nothing_has_no_score_and_false_alarms_on_an_empty_road_are_counted() {
    let nothing = scored(&Rows::new(), &Rows::new());
    assert_eq!((nothing.mota, nothing.idf1, nothing.hota), (None, None, None));
    let strays = scored(&Rows::new(), &rows(&[&[row(1, 0.0)]]));
    assert_eq!((strays.mota, strays.false_positives), (None, 1));
    assert!(near(strays.idf1, 0.0) && near(strays.hota.map(|h| h.hota), 0.0));
}

fn sequence(truth: &Rows, tracks: &Rows) -> Sequence {
    Sequence::new(truth, tracks, Protocol::Ignore, &[], |_| true)
}

/// Objects that move and boxes that jitter, with some left out.
fn scenes() -> impl Strategy<Value = (Rows, Rows)> {
    let spot = || (0_i64..5, 0_u8..40, 0_u8..5, any::<bool>());
    proptest::collection::vec(proptest::collection::vec(spot(), 0..6), 1..12).prop_map(|frames| {
        let (mut truth, mut tracks) = (Rows::new(), Rows::new());
        for (number, spots) in (1..).zip(frames) {
            for (id, left, jitter, found) in spots {
                let objects: &mut Vec<Row> = truth.entry(number).or_default();
                if objects.iter().all(|row| row.id != id) {
                    objects.push(row(id, f64::from(left)));
                    if found {
                        let track = row(id * 10 + i64::from(jitter / 3), f64::from(left) + f64::from(jitter));
                        tracks.entry(number).or_default().push(track);
                    }
                }
            }
        }
        (truth, tracks)
    })
}

proptest! {
    #[test]
    fn perfect_tracks_score_one((truth, _) in scenes()) {
        let s = scored(&truth, &truth);
        if s.boxes > 0 {
            prop_assert!(near(s.mota, 1.0) && near(s.motp, 1.0) && near(s.idf1, 1.0), "{:?}", s);
            prop_assert!(near(s.hota.map(|h| h.hota), 1.0));
            prop_assert_eq!((s.switches, s.fragmentations, s.misses, s.false_positives), (0, 0, 0, 0));
        }
    }

    #[test]
    fn other_names_change_nothing((truth, tracks) in scenes()) {
        let renamed = |rows: &Rows, to: fn(i64) -> i64| -> Rows {
            let rename = |row: &Row| Row { id: to(row.id), ..*row };
            rows.iter().map(|(frame, rows)| (*frame, rows.iter().map(rename).collect())).collect()
        };
        let (mut a, mut b) = (
            scored(&truth, &tracks),
            scored(&renamed(&truth, |id| 1000 - id), &renamed(&tracks, |id| 5000 - 7 * id)),
        );
        // Sums in another order differ in the last bits.
        let rounded = |v: f64| (v * 1e9).round() / 1e9;
        for s in [&mut a, &mut b] {
            s.curve.iter_mut().flatten().for_each(|v| *v = rounded(*v));
            s.motp = s.motp.map(rounded);
            s.hota = None;
        }
        prop_assert_eq!(a, b);
    }

    #[test]
    fn shares_stay_within_their_bounds((truth, tracks) in scenes()) {
        let s = scored(&truth, &tracks);
        for share in [s.idf1, s.idp, s.idr, s.motp, s.recall, s.precision].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&share));
        }
        prop_assert!(s.mota.is_none_or(|m| m <= 1.0));
        prop_assert!(s.curve.iter().flatten().all(|v| (0.0..=1.0 + 1e-12).contains(v)));
        prop_assert_eq!(s.objects, s.mostly_tracked + s.partly_tracked + s.mostly_lost);
    }
}
