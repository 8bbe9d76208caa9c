//! Stopping a server hangs up on its clients and leaves no thread behind.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "support/clips.rs"]
mod clips;

use std::time::{Duration, Instant};

use clips::{ClipSpec, Scene};
use vantage::base::time::SystemClock;
use vantage::probe::{self, Options};
use vantage::serve::{CameraServer, ServedClip};

fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)).count()
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(8);
    while !done() {
        assert!(Instant::now() < end, "not within 8 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = clips::make(dir.path(), "clip", &ClipSpec::default(), &Scene::crossing(2.0));
    for _ in 0..3 {
        let server =
            CameraServer::start(&[ServedClip::looping(&path, "/cam")], "127.0.0.1:0".parse().unwrap()).unwrap();
        let url = server.url("/cam");
        let watching = tokio::spawn(async move {
            probe::probe(&url, None, &Options::default(), Some(Duration::from_secs(20)), &SystemClock).await
        });
        tokio::task::block_in_place(|| wait_until("the feeder runs", || threads("serve-feed") == 1));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        server.stop();
        assert!(began.elapsed() < Duration::from_secs(2), "stopping took {:?}", began.elapsed());
        let report = watching.await.unwrap();
        assert!(report.look.is_some_and(|look| look.seconds < 10.0));
        tokio::task::block_in_place(|| {
            wait_until("the threads end", || threads("serve-feed") + threads("serve") == 0);
        });
    }
}
