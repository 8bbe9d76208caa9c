//! Time of one observed frame, by the number of objects in it: `cargo bench --bench tracker`.
// Tests panic when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::type_complexity)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use vantage::track::{Params, Tracker};

#[path = "../tests/support/street.rs"]
mod street;

fn observe(criterion: &mut Criterion) {
    let noise = street::Noise { jitter: 0.02, dropout: 0.05, faint: 0.1, unsteady: 0.1 };
    let mut group = criterion.benchmark_group("tracker_observe");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for boxes in [20, 50, 100, 500] {
        let moments = street::junction(boxes, 25.0, 8.0, noise, 1);
        group.bench_function(BenchmarkId::from_parameter(boxes), |bencher| {
            let mut tracker = Tracker::new(Params::default(), street::ASPECT);
            let mut next = 0;
            bencher.iter(|| {
                if next == moments.len() {
                    next = 0;
                    tracker.reset();
                    tracker.ended().for_each(drop);
                }
                let moment = &moments[next];
                next += 1;
                black_box(tracker.observe(moment.at, &moment.detections).len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, observe);
criterion_main!(benches);
