//! Every networked sink against the real far side: the same demands on each (`conformance`), and each one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod certificates;
mod command;
mod conformance;
mod far_side;
mod home_assistant;
#[cfg(feature = "kafka")]
mod kafka;
mod kills;
mod mqtt;
mod nats;
mod postgres;
mod sqlite;
mod stills;
mod syslog;
mod webhook;

#[path = "../support/services.rs"]
mod services;
#[path = "../store_support/mod.rs"]
mod store_support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use store_support::event;
use vantage::base::Stop;
use vantage::base::time::SystemClock;
use vantage::sink::dispatch::{self, Dispatcher, SinkState, SinkStatus};
use vantage::sink::{self, ParamError};
use vantage::store::{Store, StoreOptions};

/// A store with one sink at work on it.
pub struct Pipeline {
    store: Store,
    dispatcher: Option<Dispatcher>,
    stop: Stop,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Pipeline {
    pub fn start(kind: &str, params: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions { reserve_bytes: 0, ..StoreOptions::default() }).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = Stop::new();
        let setting = dispatch::Setting {
            name: "test".to_owned(),
            latest: store.subscribe(),
            runtime: runtime.handle().clone(),
            clock: Arc::new(SystemClock),
            stop: stop.clone(),
            drain: Duration::from_secs(2),
        };
        let params = params.as_object().unwrap();
        let kind = sink::find(kind).unwrap();
        assert_eq!((kind.validate)(params), []);
        let sink = (kind.connect)(params, Path::new("/")).unwrap_or_else(|error| panic!("{error}"));
        let dispatcher = dispatch::start(store.outbox("test").unwrap(), sink, setting).unwrap();
        Self { store, dispatcher: Some(dispatcher), stop, _runtime: runtime, _folder: folder }
    }

    /// Events `range` of a camera, durable when it returns.
    pub fn submit(&self, camera: &str, range: std::ops::Range<u64>) {
        let events = range.map(|n| event(camera, n)).collect();
        self.store.writer().submit_acked(events).unwrap().recv().unwrap();
    }

    pub fn status(&self) -> SinkStatus {
        self.dispatcher.as_ref().unwrap().status()
    }

    pub fn wait_for(&self, what: &str, holds: impl Fn(&SinkStatus) -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while !holds(&self.status()) {
            assert!(std::time::Instant::now() < end, "not within 60 s: {what}; {:?}", self.status());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_for_delivered(&self, count: u64) {
        self.wait_for(&format!("{count} delivered"), |status| status.delivered >= count);
    }

    /// Waits until the sink tries again, and gives the reason.
    pub fn wait_for_retry(&self) -> String {
        self.wait_for("retrying", |status| status.state == SinkState::Retrying);
        self.status().last_error.unwrap()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(dispatcher) = self.dispatcher.take() {
            let _ = dispatcher.join();
        }
    }
}

/// What `check` would say of a sink's parameters.
pub fn mistakes(kind: &str, params: &Value) -> Vec<String> {
    let found: Vec<ParamError> = (sink::find(kind).unwrap().validate)(params.as_object().unwrap());
    found.into_iter().map(|mistake| format!("{}: {} ({})", mistake.param, mistake.message, mistake.help)).collect()
}
