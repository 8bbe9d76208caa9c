//! Power cuts: whatever of the unsynced writes reaches the disk, what was announced is there.
//!
//! A recorder under the C library (`LD_PRELOAD`) writes down every write, truncation, deletion and fsync that a store makes
//! in a folder, and the store's announcements between them. The disk is then made as it may look after a cut at any of
//! these: what was synced is there; of the rest, any part, in any order, and single writes torn at a sector. The
//! store opens on each such disk and is compared with the announcements before the cut.
//!
//! A sample of the cuts in the suite; all of them, one disk for each, with
//! `VANTAGE_EVERY_CUT=1 cargo test --release --test store_power -- --nocapture`.
//!
//! The model is harsher than ext4's: names, too, are only certain after an fsync of the file or its folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod store_support;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};
use store_support::{as_child, child, event};
use vantage::scene::{Event, Position};
use vantage::store::{Query, Store, StoreOptions};

const NAME: &str = "announced_events_survive_a_power_cut_anywhere";
/// The smallest unit that a disk writes whole.
const SECTOR: usize = 512;
/// One cut in so many is tried while the disk is small, and once it is large; `VANTAGE_EVERY_CUT=1` tries all.
const SMALL: u64 = 3;
const LARGE: u64 = 200;
/// Disks that are looked at at once.
const THREADS: usize = 2;
/// Bytes from which on a disk is large.
const LARGE_BYTES: u64 = 4 << 20;

/// Writes records `op, length of path, path, offset, length, data` into RECORD_TO, in the order of the calls.
const RECORDER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -1;
static const char *folder;
__attribute__((constructor)) static void begin(void) {
  folder = getenv("RECORD_FOLDER");
  const char *to = getenv("RECORD_TO");
  if (folder && to) record_fd = syscall(SYS_openat, AT_FDCWD, to, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
}
static void put(const void *data, size_t size) {
  for (const char *at = data; size;) { ssize_t n = syscall(SYS_write, record_fd, at, size); if (n <= 0) abort(); at += n; size -= n; }
}
static void note(char op, const char *path, uint64_t offset, const void *data, uint64_t size) {
  uint32_t length = strlen(path);
  put(&op, 1); put(&length, 4); put(path, length); put(&offset, 8); put(&size, 8); put(data, data ? size : 0);
}
static int inside(const char *path) { return record_fd >= 0 && !strncmp(path, folder, strlen(folder)) && !strstr(path, "-shm"); }
static int place(int fd, char *path) {
  char name[64]; snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(name, path, 4095); if (n < 0) return 0; path[n] = 0; return inside(path);
}
static ssize_t written(int fd, const void *data, size_t size, int64_t at) {
  char path[4096];
  if (record_fd < 0 || !place(fd, path)) return at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at);
  pthread_mutex_lock(&turn);
  int64_t where = at;
  if (at < 0) { where = syscall(SYS_lseek, fd, 0, SEEK_CUR); if (syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND) where = syscall(SYS_lseek, fd, 0, SEEK_END); }
  ssize_t n = at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at);
  if (n > 0) note('W', path, where, data, n);
  pthread_mutex_unlock(&turn);
  return n;
}
ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return written(fd, data, size, at); }
static int synced(int fd, long call) {
  char path[4096];
  if (record_fd < 0 || !place(fd, path)) return syscall(call, fd);
  pthread_mutex_lock(&turn);
  int done = syscall(call, fd);
  if (!done) note('S', path, 0, 0, 0);
  pthread_mutex_unlock(&turn);
  return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
static int cut(int fd, int64_t size) {
  char path[4096];
  if (record_fd < 0 || !place(fd, path)) return syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&turn);
  int done = syscall(SYS_ftruncate, fd, size);
  if (!done) note('T', path, size, 0, 0);
  pthread_mutex_unlock(&turn);
  return done;
}
int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }
int unlink(const char *path) {
  if (!inside(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  pthread_mutex_lock(&turn);
  int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (!done) note('U', path, 0, 0, 0);
  pthread_mutex_unlock(&turn);
  return done;
}
"#;

#[derive(Debug)]
struct Op {
    kind: u8,
    /// Relative to the recorded folder; empty for the folder itself.
    path: String,
    offset: u64,
    data: Vec<u8>,
}

fn parse(record: &[u8], folder: &Path) -> Vec<Op> {
    let mut rest = record;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        rest = tail;
        Some(head.to_vec())
    };
    let mut ops = Vec::new();
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    while let Some(kind) = take(1) {
        let length = number(&take(4).unwrap()) as usize;
        let path = String::from_utf8(take(length).unwrap()).unwrap();
        let (offset, size) = (number(&take(8).unwrap()), number(&take(8).unwrap()) as usize);
        let data = if kind[0] == b'W' { take(size).unwrap() } else { Vec::new() };
        let path = Path::new(&path).strip_prefix(folder).unwrap().display().to_string();
        ops.push(Op { kind: kind[0], path, offset, data });
    }
    ops
}

/// Pseudo-random and the same every time (xorshift64*, Vigna 2016): a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }
}

#[derive(Default, Clone)]
struct File {
    durable: Arc<Vec<u8>>,
    /// How many operations have become durable.
    synced: usize,
    /// Whether the name is certain to be there.
    named: bool,
    /// Deleted, but perhaps not yet on disk.
    deleted: bool,
    /// Indices of operations that no fsync has covered.
    pending: Vec<usize>,
}

fn apply(content: &mut Vec<u8>, op: &Op, bytes: usize) {
    let at = op.offset as usize;
    if op.kind == b'T' {
        content.resize(at, 0);
        return;
    }
    content.resize(content.len().max(at + bytes), 0);
    content[at..at + bytes].copy_from_slice(&op.data[..bytes]);
}

/// The disk as operations go by.
#[derive(Default, Clone)]
struct Disk(BTreeMap<String, File>);

impl Disk {
    fn go(&mut self, ops: &[Op], index: usize) {
        let op = &ops[index];
        match op.kind {
            b'S' if op.path.is_empty() => {
                self.0.retain(|_, file| !file.deleted);
                self.0.values_mut().for_each(|file| file.named = true);
            }
            b'S' => {
                // An empty file, or a folder within.
                let Some(file) = self.0.get_mut(&op.path) else { return };
                for pending in std::mem::take(&mut file.pending) {
                    apply(Arc::make_mut(&mut file.durable), &ops[pending], ops[pending].data.len());
                    file.synced += 1;
                }
                file.named = true;
            }
            b'U' => self.0.entry(op.path.clone()).or_default().deleted = true,
            _ => {
                let file = self.0.entry(op.path.clone()).or_default();
                if file.deleted {
                    *file = File::default();
                }
                file.pending.push(index);
            }
        }
    }

    /// One of the disks that a cut here may leave.
    fn after_a_cut(&self, ops: &[Op], dice: &mut Dice) -> Image {
        let (mut files, mut torn, mut made_of) = (BTreeMap::new(), 0, DefaultHasher::new());
        // All, none, or any part: the extremes are common, and a fair coin alone would never try them.
        let mood = dice.roll(4);
        for (name, file) in &self.0 {
            if (file.deleted || !file.named) && dice.roll(2) == 0 {
                continue;
            }
            let mut content = Arc::clone(&file.durable);
            (name, file.synced).hash(&mut made_of);
            for pending in &file.pending {
                let op = &ops[*pending];
                let bytes = match (mood, dice.roll(3)) {
                    (0, _) | (1 | 2, 0) => 0,
                    (1 | 2, 1) if op.data.len() > SECTOR => {
                        torn += 1;
                        dice.roll((op.data.len() / SECTOR) as u64) as usize * SECTOR
                    }
                    _ => op.data.len(),
                };
                if bytes > 0 || op.kind == b'T' && mood != 0 && dice.roll(2) == 0 {
                    apply(Arc::make_mut(&mut content), op, bytes);
                    (pending, bytes).hash(&mut made_of);
                }
            }
            files.insert(name.clone(), content);
        }
        Image { files, torn, made_of: made_of.finish() }
    }
}

/// A disk as it is found after a cut.
struct Image {
    files: BTreeMap<String, Arc<Vec<u8>>>,
    /// How many writes are torn.
    torn: u32,
    /// The same for the same bytes: what each file is made of.
    made_of: u64,
}

/// A disk after a cut, with what must be found on it.
struct Cut {
    index: usize,
    image: Image,
    /// How many of the announcements came before.
    announced: usize,
}

/// What was seen on the disks.
#[derive(Default)]
struct Found {
    looked_at: u32,
    with_a_store: u32,
}

/// Opens stores on disks until there are no more.
fn look(cuts: &Receiver<Cut>, all_announced: &[String], after: &Path) -> Found {
    let mut found = Found::default();
    for cut in cuts {
        fs::create_dir(after).unwrap();
        cut.image.files.iter().for_each(|(name, content)| fs::write(after.join(name), &**content).unwrap());
        found.with_a_store += u32::from(check(after, &all_announced[..cut.announced], cut.index));
        found.looked_at += 1;
        fs::remove_dir_all(after).unwrap();
    }
    found
}

/// Opens, stores and closes the store a few times, with events small and large, so that the log is copied into the
/// database by the store's own choice as well as by closing.
fn load(folder: &Path) {
    let mut next = 0;
    for (events, kib) in [(25, 0), (10, 0), (12, 0), (26, 400)] {
        let store =
            Store::open(&folder.join("store"), StoreOptions { reserve_bytes: 0, ..StoreOptions::default() }).unwrap();
        let mut history = OpenOptions::new().create(true).append(true).open(folder.join("store/history")).unwrap();
        for n in next..next + events {
            let mut one = event(["a", "b"][n as usize % 2], n);
            one.explanation.summary = "x".repeat(kib * 1024 + 1);
            let two = Event { revision: 1, ..one.clone() };
            store.writer().submit_acked(vec![one.clone(), two]).unwrap().recv().unwrap();
            store.confirm("sink", Position(n)).unwrap();
            history.write_all(format!("{}\n", one.id).as_bytes()).unwrap();
        }
        next += events;
    }
}

#[test]
fn announced_events_survive_a_power_cut_anywhere() {
    if let Some(folder) = as_child("load") {
        return load(&folder);
    }
    // In memory where that is possible: thousands of stores are opened, and nothing here needs a real disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let folder_path = folder.path().canonicalize().unwrap();
    let (source, shim, record) = (folder_path.join("r.c"), folder_path.join("r.so"), folder_path.join("record"));
    fs::write(&source, RECORDER).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source).arg("-ldl").output();
    let Ok(built) = built else {
        eprintln!("skipped: no C compiler for the recorder");
        return;
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let work = folder_path.join("work");
    fs::create_dir(&work).unwrap();
    let done = child(NAME, "load", &work)
        .env("LD_PRELOAD", &shim)
        .env("RECORD_FOLDER", work.join("store"))
        .env("RECORD_TO", &record)
        .status()
        .unwrap();
    assert!(done.success());
    let ops = parse(&fs::read(&record).unwrap(), &work.join("store"));
    let syncs = ops.iter().filter(|op| op.kind == b'S').count();
    assert!(syncs > 0 && ops.len() > 1000, "the recorder saw {} operations, {syncs} of them fsync", ops.len());

    // Told to somebody outside: it does not depend on this disk.
    let told = |op: &Op| op.path == "history";
    let lines = |op: &Op| String::from_utf8(op.data.clone()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let all_announced: Vec<String> = ops.iter().filter(|op| told(op)).flat_map(lines).collect();
    let every = std::env::var_os("VANTAGE_EVERY_CUT").is_some();
    let (mut dice, mut disk) = (Dice(0x9e37_79b9_7f4a_7c15), Disk::default());
    let (mut cuts, mut same, mut torn, mut announced, mut written) = (0, 0, 0, 0, 0);
    let mut seen = HashSet::new();
    let found = std::thread::scope(|scope| {
        // A few disks at once: each is tens of megabytes.
        let (sender, receiver) = bounded(THREADS);
        let lookers: Vec<_> = (0..THREADS)
            .map(|n| {
                let (receiver, all_announced) = (receiver.clone(), &all_announced);
                let after = folder_path.join(format!("after-{n}"));
                scope.spawn(move || look(&receiver, all_announced, &after))
            })
            .collect();
        drop(receiver);
        for (index, op) in ops.iter().enumerate() {
            if told(op) {
                announced += lines(op).len();
                continue;
            }
            disk.go(&ops, index);
            written += op.data.len() as u64;
            let chance = if every {
                1
            } else if written < LARGE_BYTES {
                SMALL
            } else {
                LARGE
            };
            if dice.roll(chance) != 0 {
                continue;
            }
            let image = disk.after_a_cut(&ops, &mut dice);
            cuts += 1;
            torn += image.torn;
            // The same bytes owe the same answer to the same announcements.
            if !seen.insert((announced, image.made_of)) {
                same += 1;
            } else if sender.send(Cut { index, image, announced }).is_err() {
                break; // every looker has failed
            }
            if every && cuts % 1000 == 0 {
                eprintln!("{cuts} cuts, operation {index} of {}", ops.len());
            }
        }
        drop(sender);
        lookers.into_iter().fold(Found::default(), |sum, looker| {
            let found = looker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Found { looked_at: sum.looked_at + found.looked_at, with_a_store: sum.with_a_store + found.with_a_store }
        })
    });
    eprintln!(
        "{} operations, {syncs} fsyncs, {cuts} cuts with {torn} torn writes: {} different disks, {} with a store; {announced} announced",
        ops.len(),
        found.looked_at,
        found.with_a_store,
    );
    assert_eq!(found.looked_at + same, cuts);
    assert!(torn > 100 && found.with_a_store > found.looked_at / 2);
}

/// Opens the store as after a restart. False when nothing had been announced and there is none.
fn check(after: &Path, announced: &[String], index: usize) -> bool {
    let store = Store::open(after, StoreOptions { reserve_bytes: 0, ..StoreOptions::default() })
        .unwrap_or_else(|error| panic!("cut after operation {index}: {error}"));
    let found = store.reader().unwrap().events(&Query { limit: usize::MAX, ..Query::default() }).unwrap();
    let ids: HashSet<String> = found.iter().map(|stored| stored.event.id.to_string()).collect();
    let lost: Vec<_> = announced.iter().filter(|id| !ids.contains(*id)).collect();
    assert!(lost.is_empty(), "cut after operation {index}: {} of {} lost", lost.len(), announced.len());
    let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, stored) in found.iter().enumerate() {
        assert_eq!(stored.position, Position(at as u64 + 1), "cut after operation {index}");
        let sequence = sequences.entry(stored.event.camera.as_str()).or_default();
        *sequence += 1;
        assert_eq!(stored.event.sequence, *sequence, "cut after operation {index}");
    }
    // What was torn is gone, and the store goes on where it stood.
    let next = store.writer().submit_acked(vec![event("c", 1)]).unwrap().recv().unwrap();
    assert_eq!(next.position, Position(found.len() as u64 + 1), "cut after operation {index}");
    !found.is_empty()
}
