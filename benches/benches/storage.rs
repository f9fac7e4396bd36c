//! A shard on disk: batches of a peer applied to a new file, pages read for a peer, local inserts and search.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;

use vectr_benches::bare::BareShard;
use vectr_benches::{
    BenchError, Embeddings, Item, Peer, batches, database, grouped, insert, items, shard_id, store, vector_id,
};
use vectr_core::{Metric, Search, VectrDB};
use vectr_delta::{Batch, ShardId};

fn main() -> Result<(), BenchError> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(10)
        .configure_from_args();
    let embeddings = Embeddings::load()?;
    apply(&mut criterion, &embeddings)?;
    insert_bare(&mut criterion, &embeddings)?;
    insert_local(&mut criterion, &embeddings)?;
    read(&mut criterion, &embeddings)?;
    criterion.final_summary();
    Ok(())
}

/// Up to 1 MiB in a transaction, as a session does it. Not durable: the barrier is a part of its own.
fn apply(criterion: &mut Criterion, embeddings: &Embeddings) -> Result<(), BenchError> {
    let (peer, shard) = (Peer::new()?, shard_id()?);
    let mut group = criterion.benchmark_group("apply");
    for count in [1_000, 10_000] {
        let groups = grouped(&batches(embeddings, &peer, count)?);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &groups, |bencher, groups| {
            let setup = || {
                let empty = empty_database();
                store::meet(&empty.db, &shard, &peer.hello(&shard)).expect("a stranger meets an empty shard");
                (empty, groups.clone())
            };
            let apply = |(empty, groups): (Empty, Vec<Vec<Batch>>)| {
                let mut remote = peer.remote(&shard);
                for group in groups {
                    remote = store::apply(&empty.db, &shard, remote, group).expect("new rows are taken in");
                }
                empty
            };
            bencher.iter_batched(setup, apply, BatchSize::PerIteration);
        });
    }
    group.finish();
    Ok(())
}

/// The same rows as [`apply`] has, and as many in a transaction, into the bare pipeline's table.
fn insert_bare(criterion: &mut Criterion, embeddings: &Embeddings) -> Result<(), BenchError> {
    let rows = (0..10_000).map(|index| Ok((vector_id(index)?, embeddings.vector(index))));
    let rows = rows.collect::<Result<Vec<_>, BenchError>>()?;
    let mut group = criterion.benchmark_group("bare insert");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("10000", |bencher| {
        let setup = || {
            let folder = tempfile::tempdir().expect("a folder for temporary files");
            (BareShard::open(&folder.path().join("bare.db")).expect("a new file opens"), folder)
        };
        let write = |(mut shard, folder): (BareShard, TempDir)| {
            for chunk in rows.chunks(680) {
                let rows = chunk.iter().map(|(id, vector)| (id.as_str(), vector.as_ref()));
                shard.insert(rows).expect("a table without rules takes all rows in");
            }
            (shard, folder)
        };
        bencher.iter_batched(setup, write, BatchSize::PerIteration);
    });
    group.finish();
    Ok(())
}

fn insert_local(criterion: &mut Criterion, embeddings: &Embeddings) -> Result<(), BenchError> {
    let items = items(embeddings, 0, 10_000)?;
    let mut group = criterion.benchmark_group("insert_batch");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("10000", |bencher| {
        let write = |(empty, items): (Empty, Vec<Item>)| {
            insert(&empty.db, items).expect("new ids are taken in");
            empty
        };
        bencher.iter_batched(|| (empty_database(), items.clone()), write, BatchSize::PerIteration);
    });
    group.finish();
    Ok(())
}

fn read(criterion: &mut Criterion, embeddings: &Embeddings) -> Result<(), BenchError> {
    let shard = shard_id()?;
    let full = empty_database();
    insert(&full.db, items(embeddings, 0, 10_000)?)?;
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("pages of 10000", |bencher| {
        bencher.iter(|| assert_eq!(read_pages(&full.db, &shard), 10_000));
    });
    let query = Search::new(shard.clone(), vectr_delta::components(&embeddings.vector(77)).collect());
    for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
        let mut query = query.clone();
        query.metric(metric);
        group.bench_function(BenchmarkId::new("search 10000", format!("{metric:?}")), |bencher| {
            bencher.iter(|| full.db.search(&query).expect("a search of the right dimensions"));
        });
    }
    group.finish();
    Ok(())
}

fn read_pages(db: &VectrDB, shard: &ShardId) -> usize {
    let (mut position, mut rows) = (0, 0);
    loop {
        let page = store::read_page(db, shard, position).expect("an intact file reads");
        position = page.position;
        rows += page.rows.len();
        if page.end.is_some() {
            return rows;
        }
    }
}

struct Empty {
    db: VectrDB,
    _folder: TempDir,
}

fn empty_database() -> Empty {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let db = database(folder.path(), "bench").expect("a new database opens");
    Empty { db, _folder: folder }
}
