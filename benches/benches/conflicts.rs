//! Conflicts resolved: two concurrent versions of each vector joined, and the result viewed, under each strategy.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use vectr_benches::{BenchError, Embeddings, conflict};
use vectr_delta::{Row, Strategy};

fn main() -> Result<(), BenchError> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let embeddings = Embeddings::load()?;
    let mut group = criterion.benchmark_group("conflicts");
    for count in [10, 100, 1_000] {
        let pairs = (0..count).map(|index| conflict(&embeddings, index)).collect::<Result<Vec<_>, _>>()?;
        group.throughput(Throughput::Elements(count as u64));
        for strategy in Strategy::ALL {
            group.bench_with_input(BenchmarkId::new(strategy.name(), count), &pairs, |bencher, pairs| {
                bencher.iter(|| resolve(strategy, black_box(pairs)));
            });
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn resolve(strategy: Strategy, pairs: &[(Row, Row)]) {
    for (ours, theirs) in pairs {
        let row = ours.join(theirs);
        black_box(strategy.view(&row));
    }
}
