//! The digest of a shard: rows taken in, which every stored row pays once (and twice where it replaces another).

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use vectr_benches::{BenchError, Embeddings, row, shard_id};
use vectr_delta::{Digest, SiteId};

fn main() -> Result<(), BenchError> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let (embeddings, shard) = (Embeddings::load()?, shard_id()?);
    let mut group = criterion.benchmark_group("digest");
    for count in [1_000, 10_000] {
        let rows = (0..count).map(|index| row(&embeddings, SiteId::new(1), index));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("add", count), &rows, |bencher, rows| {
            bencher.iter(|| {
                let mut digest = Digest::default();
                for entry in black_box(rows) {
                    digest.add(&shard, &entry.id, &entry.row);
                }
                digest
            });
        });
        group.bench_with_input(BenchmarkId::new("hash payload", count), &rows, |bencher, rows| {
            bencher.iter(|| black_box(rows).iter().all(|entry| entry.row.siblings()[0].is_intact()));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
