//! A full disk and a failing one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use store_support::{SmallDisk, as_child, child, event, wait_until};
use vantage::store::{MediaRetention, Query, Store, StoreHealth, StoreOptions};

/// Fills the disk to the last byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_delays_events_and_recovers_unaided() {
    let Some(disk) = SmallDisk::mount("size=24m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let hook_calls = Arc::new(AtomicU64::new(0));
    let calls = Arc::clone(&hook_calls);
    let store = Store::open(
        &disk.path().join("store"),
        StoreOptions {
            reserve_bytes: 2 << 20,
            media: MediaRetention::default(),
            shed_media: Some(Box::new(move || {
                calls.fetch_add(1, Ordering::Relaxed);
                0
            })),
            ..StoreOptions::default()
        },
    )
    .unwrap();
    let reserve = disk.path().join("store/reserve.bin");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 2 << 20);
    store.put_still("old.jpg", &[1; 100_000]).unwrap();
    let filler = disk.path().join("filler");
    fill(&filler);
    assert!(store.put_still("new.jpg", &[1; 100_000]).is_err(), "a still fails, and that is all");

    // The reserve lets some events through, then the store waits.
    let (mut next, mut stored_on_reserve) = (0u64, 0u64);
    let waiting = loop {
        let ack = store.writer().submit_acked((next..next + 50).map(|n| event("a", n)).collect()).unwrap();
        next += 50;
        match ack.recv_timeout(Duration::from_millis(1500)) {
            Ok(_) => stored_on_reserve += 50,
            Err(_) => break ack,
        }
        assert!(next < 100_000, "the disk never filled");
    };
    assert_eq!(*store.health().borrow(), StoreHealth::DiskFull);
    assert!(!reserve.exists(), "the reserve was released");
    wait_until("stills go first", Duration::from_secs(5), || !store.media().path("old.jpg").exists());
    assert!(hook_calls.load(Ordering::Relaxed) > 0);
    assert!(stored_on_reserve > 0, "the reserve carried some events");
    assert_eq!(store.subscribe().borrow().0, stored_on_reserve, "nothing is announced before it is stored");
    for _ in 0..100 {
        store.writer().submit(vec![event("a", next)], 0).unwrap();
        next += 1;
    }
    assert_eq!(waiting.try_recv(), Err(TryRecvError::Empty));

    fs::remove_file(&filler).unwrap();
    waiting.recv_timeout(Duration::from_secs(10)).expect("recovers unaided");
    store.flush().unwrap();
    wait_until("healthy again", Duration::from_secs(10), || *store.health().borrow() == StoreHealth::Ok);
    assert!(reserve.exists(), "the reserve is back");
    let found = store.reader().unwrap().events(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    assert_eq!(found.len() as u64, next);
    for (n, e) in found.iter().enumerate() {
        assert_eq!((e.event.sequence, e.event.id), (n as u64 + 1, event("a", n as u64).id));
    }
    let stats = store.stats();
    assert_eq!(stats.abandoned, 0);
    eprintln!(
        "{stored_on_reserve} events on a reserve of 2 MiB, {} failed commits, all {next} stored",
        stats.disk_full
    );
}

#[test]
fn stopping_on_a_full_disk_does_not_hang_and_counts() {
    let Some(disk) = SmallDisk::mount("size=4m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let store = Store::open(disk.path(), StoreOptions { reserve_bytes: 0, ..StoreOptions::default() }).unwrap();
    fill(&disk.path().join("filler"));
    let acks: Vec<_> = (0..20)
        .map(|n| store.writer().submit_acked((n * 100..(n + 1) * 100).map(|n| event("a", n)).collect()).unwrap())
        .collect();
    wait_until("full", Duration::from_secs(10), || *store.health().borrow() == StoreHealth::DiskFull);
    store.close();
    let stored = acks.iter().filter(|ack| ack.recv().is_ok()).count() as u64 * 100;
    assert!(stored < 2000, "some could not be stored");
    assert_eq!(Store::open_reader(disk.path()).unwrap().latest().unwrap().0, stored, "told exactly of what is stored");
}

#[test]
fn a_store_opens_on_a_full_disk_by_its_reserve() {
    let Some(disk) = SmallDisk::mount("size=8m") else {
        eprintln!("skipped: this user may not mount");
        return;
    };
    let folder = disk.path().join("store");
    let options = || StoreOptions { reserve_bytes: 1 << 20, ..StoreOptions::default() };
    Store::open(&folder, options()).unwrap().close();
    fill(&disk.path().join("filler"));
    let store = Store::open(&folder, options()).unwrap();
    let ack = store.writer().submit_acked(vec![event("a", 1)]).unwrap();
    ack.recv_timeout(Duration::from_secs(10)).unwrap();
}

/// Fails every fsync and fdatasync with EIO while the file named by FAIL_WHEN exists.
const SHIM: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static int broken(void) { const char *f = getenv("FAIL_WHEN"); return f && access(f, F_OK) == 0; }
int fsync(int fd) { if (broken()) { errno = EIO; return -1; } return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { if (broken()) { errno = EIO; return -1; } return syscall(SYS_fdatasync, fd); }
"#;

#[test]
fn a_failed_fsync_is_not_taken_for_durable() {
    const NAME: &str = "a_failed_fsync_is_not_taken_for_durable";
    if let Some(folder) = as_child("eio") {
        let store = Store::open(&folder.join("store"), StoreOptions::default()).unwrap();
        let broken = folder.join("broken");
        let submit = |n| store.writer().submit_acked(vec![event("a", n)]).unwrap();
        submit(0).recv().unwrap();
        File::create(&broken).unwrap();
        let waiting: Vec<_> = (1..5).map(submit).collect();
        wait_until("critical", Duration::from_secs(10), || {
            matches!(*store.health().borrow(), StoreHealth::Critical { .. })
        });
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(store.subscribe().borrow().0, 1, "not announced");
        assert!(waiting.iter().all(|ack| ack.try_recv() == Err(TryRecvError::Empty)));
        fs::remove_file(&broken).unwrap();
        for ack in waiting {
            ack.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert_eq!(*store.health().borrow(), StoreHealth::Ok);
        let found = store.reader().unwrap().events(&Query::default()).unwrap();
        assert_eq!(found.iter().map(|e| e.event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        fs::write(folder.join("faults"), store.stats().faults.to_string()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, shim) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).status();
    if !built.is_ok_and(|s| s.success()) {
        eprintln!("skipped: no C compiler for the failing fsync");
        return;
    }
    let done = child(NAME, "eio", folder.path())
        .env("LD_PRELOAD", &shim)
        .env("FAIL_WHEN", folder.path().join("broken"))
        .status()
        .unwrap();
    assert!(done.success());
    let faults: u64 = fs::read_to_string(folder.path().join("faults")).unwrap().parse().unwrap();
    eprintln!("{faults} failed commits, then recovered");
    assert!(faults > 0);
}
