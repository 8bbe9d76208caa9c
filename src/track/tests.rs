//! The tracker as its callers see it: lives of single objects, and properties over made-up streams.

use proptest::prelude::*;

use super::{ClassGroups, MAX_TRACKS, Params, Tracker};
use crate::base::{MediaTime, TrackId};
use crate::scene::{ClassId, Detection, Labels, NormBox, NormPoint, Track};

const ASPECT: f32 = 16.0 / 9.0;
const CAR: ClassId = ClassId(2);

fn tracker() -> Tracker {
    Tracker::new(Params::default(), ASPECT)
}

fn at(seconds: f64) -> MediaTime {
    MediaTime::from_seconds(seconds)
}

/// A box of 0.1 × 0.1 around a point.
fn seen(x: f32, y: f32, score: f32) -> Detection {
    Detection { class: CAR, score, bbox: NormBox { x1: x - 0.05, y1: y - 0.05, x2: x + 0.05, y2: y + 0.05 } }
}

fn ids(tracks: &[Track]) -> Vec<u64> {
    tracks.iter().map(|t| t.id.0).collect()
}

#[test]
fn the_first_frame_confirms_at_once_and_later_ones_at_the_second_look() {
    let mut tracker = tracker();
    assert_eq!(ids(tracker.observe(at(0.0), &[seen(0.2, 0.5, 0.9)])), [1]);
    let both = [seen(0.2, 0.5, 0.9), seen(0.8, 0.5, 0.9)];
    assert_eq!(ids(tracker.observe(at(0.04), &both)), [1]);
    let tracks = tracker.observe(at(0.08), &both);
    assert_eq!(ids(tracks), [1, 2]);
    assert_eq!(tracks[1].first_seen, at(0.04));
}

#[test]
fn a_single_flicker_is_never_shown() {
    let mut tracker = tracker();
    tracker.observe(at(0.0), &[]);
    assert!(tracker.observe(at(0.04), &[seen(0.2, 0.5, 0.9)]).is_empty());
    assert!(tracker.observe(at(0.08), &[]).is_empty());
    assert!(tracker.observe(at(0.12), &[seen(0.2, 0.5, 0.9)]).is_empty());
    assert_eq!(tracker.ended().count(), 0);
}

#[test]
fn low_scores_continue_a_track_but_begin_none() {
    let mut tracker = tracker();
    tracker.observe(at(0.0), &[seen(0.2, 0.5, 0.9)]);
    for frame in 1..50 {
        let time = at(f64::from(frame) * 0.04);
        let tracks = tracker.observe(time, &[seen(0.2, 0.5, 0.15), seen(0.8, 0.5, 0.2)]);
        assert_eq!(ids(tracks), [1]);
        assert!(tracks[0].observed);
    }
}

#[test]
fn a_low_score_finds_a_standing_object_again_after_a_missed_frame() {
    let mut tracker = tracker();
    tracker.observe(at(0.0), &[seen(0.2, 0.5, 0.9)]);
    for frame in 1..50 {
        let time = at(f64::from(frame) * 0.1);
        let missed = frame > 9 && frame % 3 == 0;
        let faint = [seen(0.2, 0.5, 0.15)];
        let tracks = tracker.observe(time, if missed { &[] } else { &faint });
        assert_eq!((ids(tracks), tracks[0].observed), (vec![1], !missed), "frame {frame}");
    }
}

#[test]
fn a_box_that_shakes_with_a_middling_score_stays_one_object() {
    let mut tracker = tracker();
    // Neither IoU × score reaches the first association's bound, nor is the score low.
    tracker.observe(at(0.0), &[seen(0.2, 0.5, 0.9)]);
    for frame in 1..100u8 {
        let shake = if frame < 10 { 0.0 } else { 0.0085 * f32::from(i8::from(frame % 2 == 0) * 2 - 1) };
        let tracks = tracker.observe(at(f64::from(frame) * 0.1), &[seen(0.2 + shake, 0.5 - shake, 0.3)]);
        assert_eq!((ids(tracks), tracks[0].observed), (vec![1], true), "frame {frame}");
    }
}

#[test]
fn velocity_is_in_picture_sizes_per_second_whatever_the_frame_times() {
    let mut tracker = tracker();
    let mut velocity = NormPoint::default();
    let mut time = 0.0;
    for step in [0.04, 0.04, 0.2, 0.03, 0.5, 0.04, 0.11, 0.04, 0.3, 0.04, 0.07, 0.2, 0.04, 0.25] {
        time += step;
        let tracks = tracker.observe(at(time), &[seen(0.1 + 0.2 * time as f32, 0.9 - 0.1 * time as f32, 0.9)]);
        assert_eq!(ids(tracks), [1]);
        velocity = tracks[0].velocity;
    }
    assert!((velocity.x - 0.2).abs() < 0.01 && (velocity.y + 0.1).abs() < 0.01, "{velocity:?}");
}

#[test]
fn a_moving_object_is_found_where_it_must_be_after_a_stall() {
    let mut tracker = tracker();
    let place = |time: f64| 0.1 + 0.3 * time as f32;
    for frame in 0..25 {
        let time = f64::from(frame) * 0.04;
        tracker.observe(at(time), &[seen(place(time), 0.5, 0.9)]);
    }
    for frame in 25..40 {
        tracker.skip(at(f64::from(frame) * 0.04));
    }
    // 0.64 s later it has moved by almost two of its widths.
    let tracks = tracker.observe(at(1.6), &[seen(place(1.6), 0.5, 0.9), seen(place(0.96), 0.5, 0.9)]);
    assert_eq!(ids(tracks), [1]);
    assert!((tracks[0].bbox.centre().x - place(1.6)).abs() < 0.02, "{:?}", tracks[0].bbox);
}

#[test]
fn a_fast_car_is_followed_at_5_frames_a_second() {
    // 14 m/s across the view: 9 of its heights a second, IoU 0.25 from frame to frame.
    let car = |frame: i32| {
        let x = 0.1 + 0.1 * frame as f32;
        Detection { bbox: NormBox { x1: x - 0.084, y1: 0.45, x2: x + 0.084, y2: 0.55 }, ..seen(0.0, 0.0, 0.7) }
    };
    let mut tracker = tracker();
    tracker.observe(at(0.0), &[]);
    tracker.observe(at(0.2), &[car(0)]);
    for frame in 1..8 {
        assert_eq!(ids(tracker.observe(at(0.2 + 0.2 * f64::from(frame)), &[car(frame)])), [1], "frame {frame}");
    }
}

#[test]
fn an_unseen_object_coasts_a_little_then_is_remembered_then_ends() {
    let mut tracker = tracker();
    for frame in 0..10 {
        tracker.observe(at(f64::from(frame) * 0.1), &[seen(0.2 + 0.02 * frame as f32, 0.5, 0.9)]);
    }
    let tracks = tracker.observe(at(1.0), &[]);
    assert_eq!(ids(tracks), [1]);
    assert!(!tracks[0].observed);
    assert_eq!(tracks[0].last_seen, at(0.9));
    assert!((tracks[0].bbox.centre().x - 0.4).abs() < 0.02, "predicted");
    assert!(tracker.observe(at(1.3), &[]).is_empty());
    assert_eq!(tracker.ended().count(), 0);
    assert!(tracker.observe(at(1.95), &[]).is_empty());
    assert_eq!(tracker.ended().collect::<Vec<_>>(), [TrackId(1)]);
}

#[test]
fn skipped_frames_end_what_is_long_lost() {
    let mut tracker = tracker();
    tracker.observe(at(0.0), &[seen(0.2, 0.5, 0.9)]);
    tracker.skip(at(0.9));
    assert_eq!(tracker.ended().count(), 0);
    tracker.skip(at(1.1));
    assert_eq!(tracker.ended().collect::<Vec<_>>(), [TrackId(1)]);
}

#[test]
fn a_parked_car_keeps_its_identity_behind_a_bus() {
    let mut tracker = tracker();
    let parked = seen(0.5, 0.5, 0.8);
    for frame in 0..50 {
        tracker.observe(at(f64::from(frame) * 0.1), &[parked]);
    }
    // The bus hides it from the left: first its box shrinks, then it is gone.
    for (frame, hidden) in [(50, 0.02), (51, 0.04), (52, 0.06)] {
        let mut rest = parked;
        rest.bbox.x1 += hidden;
        assert_eq!(ids(tracker.observe(at(f64::from(frame) * 0.1), &[rest])), [1]);
    }
    for frame in 53..110 {
        tracker.observe(at(f64::from(frame) * 0.1), &[]);
    }
    assert_eq!(ids(tracker.observe(at(11.0), &[parked])), [1]);
    // One that comes to stand beside it is another.
    tracker.observe(at(11.1), &[parked, seen(0.57, 0.5, 0.8)]);
    assert_eq!(ids(tracker.observe(at(11.2), &[parked, seen(0.57, 0.5, 0.8)])), [1, 2]);
}

#[test]
fn a_car_that_drove_off_is_not_remembered_as_parked() {
    let mut tracker = tracker();
    for frame in 0..50 {
        tracker.observe(at(f64::from(frame) * 0.1), &[seen(0.2, 0.5, 0.8)]);
    }
    for frame in 0..20 {
        tracker.observe(at(5.0 + f64::from(frame) * 0.1), &[seen(0.2 + 0.02 * frame as f32, 0.5, 0.8)]);
    }
    tracker.observe(at(9.0), &[]);
    assert_eq!(tracker.ended().collect::<Vec<_>>(), [TrackId(1)]);
}

#[test]
fn a_second_box_of_one_object_begins_nothing_but_a_rider_does() {
    let labels = Labels::new(["person", "motorcycle", "car", "truck"]);
    let params = Params { class_groups: ClassGroups::of(&labels), ..Params::default() };
    let mut tracker = Tracker::new(params, ASPECT);
    let car = seen(0.5, 0.5, 0.9);
    let as_truck = Detection { class: ClassId(3), score: 0.8, ..seen(0.505, 0.5, 0.8) };
    let person = Detection { class: ClassId(0), ..seen(0.1, 0.5, 0.7) };
    let motorcycle = Detection { class: ClassId(1), ..seen(0.105, 0.5, 0.8) };
    for frame in 0..10 {
        tracker.observe(at(f64::from(frame) * 0.04), &[car, as_truck, person, motorcycle]);
    }
    let classes: Vec<u16> =
        tracker.observe(at(0.4), &[car, as_truck, person, motorcycle]).iter().map(|t| t.class.0).collect();
    assert_eq!(classes, [2, 1, 0]);
}

#[test]
fn a_person_does_not_become_a_car() {
    let params = Params { class_groups: ClassGroups::of(&Labels::new(["person", "bike", "car"])), ..Params::default() };
    let mut tracker = Tracker::new(params, ASPECT);
    let person = Detection { class: ClassId(0), ..seen(0.5, 0.5, 0.7) };
    tracker.observe(at(0.0), &[person]);
    tracker.observe(at(0.04), &[person]);
    for frame in 2..20 {
        let tracks = tracker.observe(at(f64::from(frame) * 0.04), &[seen(0.5, 0.5, 0.9)]);
        assert!(tracks.iter().all(|t| (t.id == TrackId(1)) == (t.class == ClassId(0))), "{tracks:?}");
    }
}

#[test]
fn a_new_picture_shape_keeps_tracks_and_their_speed() {
    let mut tracker = tracker();
    for frame in 0..25 {
        tracker.observe(at(f64::from(frame) * 0.04), &[seen(0.1 + 0.01 * frame as f32, 0.5, 0.9)]);
    }
    tracker.set_aspect(4.0 / 3.0);
    tracker.set_aspect(f32::NAN);
    let tracks = tracker.observe(at(1.0), &[seen(0.35, 0.5, 0.9)]);
    assert_eq!(ids(tracks), [1]);
    assert!((tracks[0].velocity.x - 0.25).abs() < 0.01, "{:?}", tracks[0].velocity);
}

#[test]
fn hostile_input_neither_panics_nor_grows() {
    let mut tracker = Tracker::new(Params::default(), f32::NAN);
    let wrong = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38];
    for (frame, value) in wrong.into_iter().enumerate() {
        let mut bad = vec![seen(value, 0.5, 0.9), seen(0.5, value, 0.9)];
        bad.push(Detection { bbox: NormBox { x1: 0.6, y1: 0.1, x2: 0.4, y2: 0.2 }, ..seen(0.0, 0.0, 0.9) });
        bad.push(seen(0.5, 0.5, f32::NAN));
        assert!(tracker.observe(at(frame as f64), &bad).is_empty());
    }
    tracker.reset();
    let small = |i: u16| {
        let (x, y) = (f32::from(i % 64) / 64.0, f32::from(i / 64) / 64.0);
        Detection { class: CAR, score: 0.9, bbox: NormBox { x1: x, y1: y, x2: x + 0.01, y2: y + 0.01 } }
    };
    let crowd: Vec<Detection> = (0..3000).map(small).collect();
    for time in [i64::MIN, i64::MAX, 0, i64::MAX - 1] {
        assert!(tracker.observe(MediaTime(time), &crowd).len() <= MAX_TRACKS);
    }
}

/// A made-up stream: frame times and a few objects that wander, flicker and vanish.
fn streams() -> impl Strategy<Value = Vec<(f64, Vec<Detection>)>> {
    let detection = (0_u16..4, 1_u8..=10, 0_u8..20, 0_u8..20).prop_map(|(class, score, x, y)| Detection {
        class: ClassId(class),
        score: f32::from(score) / 10.0,
        ..seen(f32::from(x) / 20.0, f32::from(y) / 20.0, 0.0)
    });
    let frame = (0.01_f64..0.4, proptest::collection::vec(detection, 0..8));
    // Each frame's boxes stay for three frames, so that tracks are made, lost and found.
    proptest::collection::vec(frame, 1..30).prop_map(|frames| {
        let mut time = 0.0;
        let mut out = Vec::new();
        for (step, detections) in frames {
            for _ in 0..3 {
                time += step;
                out.push((time, detections.clone()));
            }
        }
        out
    })
}

fn run(stream: &[(f64, Vec<Detection>)], shift: i64) -> Vec<Vec<Track>> {
    let mut tracker = tracker();
    let shifted = |t: f64| MediaTime(at(t).0 + shift);
    stream.iter().map(|(time, detections)| tracker.observe(shifted(*time), detections).to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn time_has_no_origin(stream in streams(), shift in 0_i64..1_000_000_000_000_000) {
        let mut moved = run(&stream, shift);
        for track in moved.iter_mut().flatten() {
            track.first_seen.0 -= shift;
            track.last_seen.0 -= shift;
        }
        prop_assert_eq!(run(&stream, 0), moved);
    }

    #[test]
    fn the_order_of_detections_does_not_matter(stream in streams()) {
        let mut turned = stream.clone();
        for (frame, (_, detections)) in turned.iter_mut().enumerate() {
            let middle = frame.min(detections.len());
            detections.rotate_left(middle);
            detections.reverse();
        }
        prop_assert_eq!(run(&stream, 0), run(&turned, 0));
    }

    #[test]
    fn ids_rise_end_once_and_never_come_back(stream in streams(), gap in 0_usize..90) {
        let mut tracker = tracker();
        let (mut ended, mut highest) = (Vec::new(), 0);
        for (frame, (time, detections)) in stream.iter().enumerate() {
            if frame == gap {
                tracker.reset();
                ended.extend(tracker.ended());
                let after = tracker.observe(at(*time), detections).to_vec();
                prop_assert!(after.iter().all(|t| t.id.0 > highest), "a gap never extends a track");
            }
            let tracks = tracker.observe(at(*time), detections).to_vec();
            prop_assert!(tracks.is_sorted_by(|a, b| a.id < b.id));
            for track in &tracks {
                highest = highest.max(track.id.0);
                prop_assert!(track.first_seen <= track.last_seen && track.last_seen <= at(*time));
                prop_assert_eq!(track.observed, track.last_seen == at(*time));
            }
            ended.extend(tracker.ended());
            prop_assert!(tracks.iter().all(|t| !ended.contains(&t.id)), "{:?} ended", ended);
        }
        let count = ended.len();
        ended.sort();
        ended.dedup();
        prop_assert_eq!(ended.len(), count, "an id ends once");
    }

    #[test]
    fn nothing_comes_of_nothing(times in proptest::collection::vec(0.0_f64..1e6, 0..50)) {
        let mut tracker = tracker();
        for time in times {
            prop_assert!(tracker.observe(at(time), &[]).is_empty());
        }
        prop_assert_eq!(tracker.ended().count(), 0);
    }
}
