//! Stored tracks come back as they were, whatever happened to the file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use vantage::base::time::SystemClock;
use vantage::base::{CaptureTime, Clock, ErrorKind, FrameSeq, MediaTime, RunId, TimeSource, Timestamp, TrackId};
use vantage::scene::{ClassId, Moment, NormBox, NormPoint, Track};
use vantage::tracklog::{FrameStep, Header, Keep, LogOptions, Step, TrackFile, TrackLog, WhenBehind, find};

const BEGIN: i64 = 1_767_571_200_000_000_000;

fn log(folder: &Path) -> TrackLog {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    TrackLog::open(LogOptions::recorded(Some(folder.to_owned()), &clock).unwrap()).unwrap()
}

fn header(camera: &str, session: &str) -> Header {
    Header::new(camera, session, "m", "p", &["person".to_owned(), "car".to_owned()])
}

/// Small numbers that look like a detector's noise, the same every time.
fn noise(n: u64) -> f32 {
    let mixed =
        (n ^ 0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(29).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
}

fn frame(n: u64, tracks: Option<Vec<Track>>, ended: Vec<TrackId>) -> Step {
    let at = MediaTime(n as i64 * 100_000_000);
    let capture = CaptureTime { utc: Timestamp(BEGIN + at.0), source: TimeSource::StartsAt, error_ns: Some(0) };
    Step::Frame(FrameStep {
        moment: Moment { run: RunId(0), frame: FrameSeq(n), capture, at },
        aspect: 16.0 / 9.0,
        tracks,
        ended,
    })
}

/// Twenty vehicles that drive through, one after the other, each for 20 s, seen with a detector's noise.
fn traffic(n: u64) -> Step {
    const LIFE: u64 = 200;
    let tracks: Vec<Track> = (0..20)
        .map(|lane| {
            let (age, turn) = ((n + lane * 10) % LIFE, (n + lane * 10) / LIFE);
            let (x, y) = (age as f32 / LIFE as f32, 0.2 + 0.03 * lane as f32);
            let shake = |k: u64| 0.0015 * noise(n * 1000 + lane * 10 + k);
            let born = MediaTime((n as i64 - age as i64).max(0) * 100_000_000);
            Track {
                id: TrackId(1 + turn * 20 + lane),
                class: ClassId(1),
                score: 0.7 + 0.3 * noise(n * 77 + lane),
                bbox: NormBox { x1: x + shake(1), y1: y + shake(2), x2: x + 0.06 + shake(3), y2: y + 0.05 + shake(4) },
                velocity: NormPoint::new(0.05 + shake(5), shake(6)),
                observed: true,
                first_seen: born,
                last_seen: MediaTime(n as i64 * 100_000_000),
            }
            .on_grid()
        })
        .collect();
    let mut tracks = tracks;
    tracks.sort_by_key(|track| track.id);
    frame(n, Some(tracks), Vec::new())
}

fn write(folder: &Path, steps: &[Step]) -> PathBuf {
    let log = log(folder);
    let mut recorder = log.recorder(header("gate", "one"));
    steps.iter().for_each(|step| recorder.record(step.clone()));
    drop(recorder);
    log.close().unwrap();
    find(&[folder.to_owned()]).unwrap()[0].files[0].1.clone()
}

/// Every file of the folder's one session.
fn read_all(folder: &Path) -> Vec<Step> {
    let sessions = find(&[folder.to_owned()]).unwrap();
    assert_eq!(sessions.len(), 1);
    sessions[0].files.iter().flat_map(|(_, path)| read(path).0).collect()
}

fn read(path: &Path) -> (Vec<Step>, u64) {
    let mut file = TrackFile::open(path).unwrap();
    let mut steps = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        steps.extend(block.steps);
    }
    (steps, file.torn_bytes())
}

#[test]
fn a_day_of_twenty_tracks_is_tens_of_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let steps: Vec<Step> = (0..3000).map(traffic).collect();
    let path = write(folder.path(), &steps);
    let (read, torn) = read(&path);
    assert!(read == steps && torn == 0);
    let rows = 3000 * 20;
    let bytes = std::fs::metadata(&path).unwrap().len();
    let day_mib = bytes as f64 / rows as f64 * 20.0 * 864_000.0 / 1_048_576.0;
    eprintln!("{:.2} bytes a row, {day_mib:.0} MiB a day", bytes as f64 / rows as f64);
    assert!(day_mib < 100.0, "{day_mib}");
}

fn any_track() -> impl Strategy<Value = Track> {
    let unit = -0.5_f32..1.5;
    (
        (1_u64..40, 0_u16..9, 0.0_f32..=1.0, any::<bool>()),
        (unit.clone(), unit.clone(), unit.clone(), unit),
        (-3.0_f32..3.0, -3.0_f32..3.0),
        (any::<i64>(), any::<i64>()),
    )
        .prop_map(|((id, class, score, observed), (x1, y1, x2, y2), (vx, vy), (first, last))| {
            Track {
                id: TrackId(id),
                class: ClassId(class),
                score,
                bbox: NormBox { x1, y1, x2, y2 },
                velocity: NormPoint::new(vx, vy),
                observed,
                first_seen: MediaTime(first),
                last_seen: MediaTime(last),
            }
            .on_grid()
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    let sources =
        [TimeSource::SenderReport, TimeSource::StartsAt, TimeSource::Container, TimeSource::Arrival, TimeSource::Epoch];
    let moment = (
        0_u32..3,
        any::<u32>(),
        any::<i64>(),
        any::<i64>(),
        proptest::sample::select(sources.to_vec()),
        any::<Option<u64>>(),
    )
        .prop_map(|(run, frame, at, utc, source, error_ns)| Moment {
            run: RunId(run),
            frame: FrameSeq(frame.into()),
            capture: CaptureTime { utc: Timestamp(utc), source, error_ns },
            at: MediaTime(at),
        });
    let ids = proptest::collection::vec((1_u64..40).prop_map(TrackId), 0..4);
    let tracks = proptest::collection::vec(any_track(), 0..12).prop_map(|mut tracks| {
        tracks.sort_by_key(|track| track.id);
        tracks.dedup_by_key(|track| track.id);
        tracks
    });
    prop_oneof![
        20 => (moment, proptest::option::weighted(0.9, tracks), ids.clone(), 0.5_f32..3.0)
            .prop_map(|(moment, tracks, ended, aspect)| Step::Frame(FrameStep { moment, aspect, tracks, ended })),
        1 => (any::<i64>(), ids).prop_map(|(to, ended)| Step::Gap { to: MediaTime(to), ended }),
        1 => Just(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_stored_comes_back(steps in proptest::collection::vec(any_step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &steps);
        prop_assert_eq!(read_all(folder.path()), steps);
    }

    #[test]
    fn a_file_cut_anywhere_keeps_its_whole_blocks(cut in 0.0_f64..1.0) {
        let folder = tempfile::tempdir().unwrap();
        let steps: Vec<Step> = (0..350).map(traffic).collect();
        let path = write(folder.path(), &steps);
        let bytes = std::fs::read(&path).unwrap();
        let keep = 400 + ((bytes.len() - 400) as f64 * cut) as usize;
        std::fs::write(&path, &bytes[..keep]).unwrap();
        let (read, torn) = read(&path);
        prop_assert_eq!(&read, &steps[..read.len()]);
        prop_assert!(read.len() % 101 == 0, "blocks of ten seconds: {}", read.len());
        prop_assert!(torn > 0 || keep == 400 || read.len() == 350 || torn == 0 && read.len() % 101 == 0);
    }

    #[test]
    fn a_changed_byte_is_never_taken_for_tracks(at in 0.0_f64..1.0, bit in 0_u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let steps: Vec<Step> = (0..350).map(traffic).collect();
        let path = write(folder.path(), &steps);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = (at * (bytes.len() - 1) as f64) as usize;
        bytes[place] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let Ok(mut file) = TrackFile::open(&path) else { return Ok(()) };
        let mut read = Vec::new();
        let damaged = loop {
            match file.next_block() {
                Ok(Some(block)) => read.extend(block.steps),
                Ok(None) => break file.torn_bytes() > 0,
                Err(error) => break error.kind() == ErrorKind::Corrupt,
            }
        };
        prop_assert!(damaged, "byte {} of {}", place, bytes.len());
        prop_assert_eq!(&read, &steps[..read.len()]);
    }
}

#[test]
fn damage_in_the_middle_is_no_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &(0..600).map(traffic).collect::<Vec<_>>());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let mut file = TrackFile::open(&path).unwrap();
    let error = loop {
        match file.next_block() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the damage was taken for a torn end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn what_is_no_tracks_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tracks");
    std::fs::write(&path, "hello").unwrap();
    assert_eq!(TrackFile::open(&path).unwrap_err().kind(), ErrorKind::Corrupt);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(find(&[empty.path().to_owned()]).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_hour_makes_a_new_file_and_a_stored_session_is_not_stored_twice() {
    let folder = tempfile::tempdir().unwrap();
    let empty = |n: u64| frame(n, Some(Vec::new()), Vec::new());
    let steps: Vec<Step> = (0..72_010).step_by(10).map(empty).collect();
    write(folder.path(), &steps);
    let sessions = find(&[folder.path().to_owned()]).unwrap();
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    let parts: Vec<u32> = session.files.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, [0, 1, 2], "two hours and a second");
    assert_eq!(read_all(folder.path()), steps);
    let again = log(folder.path());
    let mut recorder = again.recorder(header("gate", "one"));
    recorder.record(empty(0));
    drop(recorder);
    assert_eq!(again.close().unwrap_err().kind(), ErrorKind::Busy);
}

#[test]
fn old_files_go_and_the_one_being_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keep = Keep { max_age: Duration::from_secs(3600), max_bytes: 1 };
    let options =
        LogOptions { folder: folder.path().to_owned(), keep: Some(keep), when_behind: WhenBehind::Wait, clock };
    let log = TrackLog::open(options).unwrap();
    let mut first = log.recorder(header("gate", "one"));
    first.record(traffic(0));
    first.record(Step::End);
    let mut second = log.recorder(header("gate", "two"));
    second.record(traffic(1));
    second.record(Step::End);
    assert!(log.shed(1) > 0, "the first session's file is closed and goes");
    drop((first, second));
    log.close().unwrap();
    let left = find(&[folder.path().to_owned()]).unwrap();
    assert_eq!(left.iter().map(|s| s.header.session.as_str()).collect::<Vec<_>>(), ["two"]);
}

#[test]
fn a_disk_that_takes_nothing_is_counted_and_shows_as_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    // A file where the camera's folder should be: nothing can be written.
    let place = folder.path().join("gate");
    std::fs::write(&place, "").unwrap();
    let mut recorder = log.recorder(header("gate", "one"));
    recorder.record(traffic(0));
    recorder.record(Step::Gap { to: MediaTime(0), ended: Vec::new() });
    while log.counts().lost_steps == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(&place).unwrap();
    recorder.record(traffic(1));
    recorder.record(Step::End);
    drop(recorder);
    assert_eq!(log.counts().lost_steps, 2);
    assert!(log.close().is_err(), "whoever needs all of it is told");
    let path = find(&[folder.path().to_owned()]).unwrap()[0].files[0].1.clone();
    let block = TrackFile::open(&path).unwrap().next_block().unwrap().unwrap();
    assert_eq!((block.lost, block.steps.len()), (2, 2));
}
