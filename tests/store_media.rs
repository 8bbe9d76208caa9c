//! Retention of stills and clips: by age, size and camera, and a floor of free space.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use store_support::{SmallDisk, event, wait_until};
use vantage::base::ErrorKind;
use vantage::store::{MediaRetention, Store, StoreOptions};

const PATIENCE: Duration = Duration::from_secs(10);

fn store(folder: &Path, media: MediaRetention) -> Store {
    let sweep_every = Duration::from_millis(100);
    Store::open(folder, StoreOptions { media, sweep_every, reserve_bytes: 0, ..StoreOptions::default() }).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("media")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn put(store: &Store, camera: &str, n: u32, bytes: usize) {
    store.put_still(&format!("{camera}.{n:03}.jpg"), &vec![7; bytes]).unwrap();
}

#[test]
fn one_busy_camera_does_not_drive_the_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let limits = MediaRetention { max_bytes_per_camera: Some(5_000), ..MediaRetention::default() };
    let media = store(folder.path(), limits);
    put(&media, "quiet", 0, 1_000);
    (0..50).for_each(|n| put(&media, "busy", n, 1_000));
    let want: Vec<_> = (45..50).map(|n| format!("busy.{n:03}.jpg")).chain(["quiet.000.jpg".to_owned()]).collect();
    wait_until("the busy one's oldest go", PATIENCE, || names(folder.path()) == want);
    let by_camera = media.media().bytes_by_camera();
    assert_eq!(by_camera, [("busy".to_owned(), 5_000), ("quiet".to_owned(), 1_000)]);
    media.close();
    // Whose is whose is known after a restart.
    let media = store(folder.path(), MediaRetention { max_bytes_per_camera: Some(2_000), ..limits });
    wait_until("two of the busy one stay", PATIENCE, || names(folder.path()).len() == 3);
    assert_eq!(media.media().bytes_by_camera()[0].1, 2_000);
}

#[test]
fn old_files_go_and_size_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let media = store(folder.path(), MediaRetention { max_bytes: Some(3_000), ..MediaRetention::default() });
    (0..10).for_each(|n| put(&media, ["a", "b"][n as usize % 2], n, 1_000));
    wait_until("the oldest of all go", PATIENCE, || names(folder.path()) == ["a.008.jpg", "b.007.jpg", "b.009.jpg"]);
    media.close();
    let media = store(folder.path(), MediaRetention { max_age: Some(Duration::ZERO), ..MediaRetention::default() });
    wait_until("all are too old", PATIENCE, || names(folder.path()).is_empty());
    assert_eq!((media.stats().stills_swept, media.media().total_bytes()), (3, 0));
}

#[test]
fn a_clip_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let media = store(folder.path(), MediaRetention::default());
    let draft = media.media().draft("a.1.mp4").unwrap();
    fs::write(draft.path(), b"half").unwrap();
    assert!(!media.media().path("a.1.mp4").exists());
    drop(draft);
    assert!(names(folder.path()).is_empty(), "given up, and gone");
    let draft = media.media().draft("a.2.mp4").unwrap();
    fs::write(draft.path(), b"whole").unwrap();
    draft.commit().unwrap();
    assert_eq!(names(folder.path()), ["a.2.mp4"]);
    assert_eq!(media.media().total_bytes(), 5);
    // What a crash leaves goes at the next start.
    let left = media.media().draft("a.3.mp4").unwrap();
    fs::write(left.path(), b"torn").unwrap();
    std::mem::forget(left);
    fs::write(folder.path().join("media/.a.3.mp4.scratch"), b"torn").unwrap();
    media.close();
    let _media = store(folder.path(), MediaRetention::default());
    assert_eq!(names(folder.path()), ["a.2.mp4"]);
}

#[test]
fn the_floor_of_free_space_is_kept_for_events() {
    let Some(disk) = SmallDisk::mount("size=24m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let floor = 8 << 20;
    let media = store(disk.path(), MediaRetention { min_free_bytes: floor, ..MediaRetention::default() });
    let free = || rustix::fs::statvfs(disk.path()).map(|s| s.f_bavail * s.f_frsize).unwrap();
    (0..12).for_each(|n| put(&media, "a", n, 1 << 20));
    assert!(names(disk.path()).len() == 12 && free() > floor);
    // Somebody else fills the disk to below the floor: the oldest go, until it is free again.
    fs::write(disk.path().join("filler"), vec![7; 7 << 20]).unwrap();
    wait_until("the floor is free", PATIENCE, || free() >= floor);
    let left = names(disk.path());
    assert!(
        !left.is_empty() && left.contains(&"a.011.jpg".to_owned()) && !left.contains(&"a.000.jpg".to_owned()),
        "{left:?}"
    );
    // With nothing left to delete no media is written, and events are.
    fs::write(disk.path().join("more"), vec![7; (free() - (4 << 20)) as usize + (left.len() << 20)]).ok();
    wait_until("all go", PATIENCE, || names(disk.path()).is_empty() || free() >= floor);
    if free() < floor {
        let refused = media.put_still("a.100.jpg", &[7; 1000]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DiskFull);
        assert!(media.media().draft("a.1.mp4").is_err());
    }
    let ack = media.writer().submit_acked(vec![event("a", 1)]).unwrap();
    assert_eq!(ack.recv_timeout(PATIENCE).unwrap().inserted, 1);
    fs::remove_file(disk.path().join("filler")).unwrap();
    let _ = fs::remove_file(disk.path().join("more"));
    put(&media, "a", 101, 1000);
}

#[test]
fn thousands_of_deletions_do_not_hold_up_events() {
    let folder = tempfile::tempdir().unwrap();
    let media = folder.path().join("media");
    fs::create_dir_all(&media).unwrap();
    (0..3_000).for_each(|n| fs::write(media.join(format!("a.{n}.jpg")), b"x").unwrap());
    let store = store(folder.path(), MediaRetention { max_bytes: Some(0), ..MediaRetention::default() });
    let ack = store.writer().submit_acked(vec![event("a", 1)]).unwrap();
    ack.recv_timeout(PATIENCE).unwrap();
    wait_until("all go", PATIENCE, || names(folder.path()).is_empty());
    assert_eq!(store.stats().stills_swept, 3_000);
}
