//! What an engine knows of its shards, read in a process that has just started: version vectors, change ids and the
//! conflicts that wait for someone.

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion};
use tokio::runtime::Runtime;
use vectr_benches::{BenchError, Embeddings, database, vector_id};
use vectr_core::{Target, VectrDB};
use vectr_delta::{NodeName, Payload, ShardId, Strategy};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions};

fn main() -> Result<(), BenchError> {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(prepare(folder.path()))?;
    let mut group = criterion.benchmark_group("session");
    let of = format!("{SHARDS} shards, {VECTORS} vectors, {CONFLICTS} conflicts");
    let db = database(folder.path(), "near")?;
    group.bench_function(BenchmarkId::new("restore", of), |bencher| {
        // A new engine each time, as in a process that starts.
        bencher.iter_batched(
            || open(&db).expect("the database is open"),
            |engine| {
                let record = engine.status().expect("the database is open");
                assert_eq!((record.shards.len(), record.pending_conflicts.len()), (SHARDS, CONFLICTS));
                record
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Two nodes write the same vectors apart, and meet.
async fn prepare(folder: &Path) -> Result<(), BenchError> {
    let embeddings = Embeddings::load()?;
    let (near, far) = (database(folder, "near")?, database(folder, "far")?);
    let engines = [open(&near)?, open(&far)?];
    let address = engines[1].listen("127.0.0.1:0").await?.to_string();
    for shard in 0..SHARDS {
        let shard = ShardId::new(&format!("shard-{shard}"))?;
        let first = (0..VECTORS / SHARDS).map(|row| payload(&embeddings, row));
        let items = first.enumerate().map(|(row, payload)| Ok((Some(vector_id(row)?), payload?)));
        near.insert_batch(Target::shard(&shard), items.collect::<Result<_, BenchError>>()?)?;
        for row in 0..CONFLICTS / SHARDS {
            far.upsert(Target::shard(&shard), &vector_id(row)?, payload(&embeddings, row + 1)?)?;
        }
        let result = engines[0].sync(&shard, &address, SyncOptions::default()).await?;
        assert!(result.is_success(), "{:?}", result.failure);
    }
    for engine in engines {
        engine.close().await;
    }
    near.close()?;
    Ok(far.close()?)
}

fn open(db: &VectrDB) -> Result<SyncEngine, BenchError> {
    let mut config = SyncConfig::default();
    config.strategy(Strategy::Manual);
    let name = db.node().map_or_else(|| NodeName::new(&format!("node-{}", db.site())), Ok)?;
    Ok(SyncEngine::new(db.clone(), name, config, NetworkConfig::default())?)
}

fn payload(embeddings: &Embeddings, row: usize) -> Result<Payload, BenchError> {
    Ok(Payload::new(embeddings.vector(row), None)?)
}

const SHARDS: usize = 8;
const VECTORS: usize = 10_000;
const CONFLICTS: usize = 16;
