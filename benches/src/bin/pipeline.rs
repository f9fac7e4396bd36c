//! A whole warm sync of new vectors between two files over loopback QUIC against the bare pipeline, and its parts.
//!
//! `pipeline [runs [vectors...]]`: median of `runs` (default 5), taken in turns, for 100, 1,000 and 10,000 vectors.

use std::time::Duration;

use vectr_benches::bare::BarePipeline;
use vectr_benches::{BenchError, Embeddings, Pair, Parts, insert, items, median, millis, shard_id};

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let numbers = std::env::args().skip(1).map(|number| number.parse());
    let numbers = numbers.collect::<Result<Vec<usize>, _>>()?;
    let (runs, sizes) = match &numbers[..] {
        [] => (5, SIZES),
        [runs] => (*runs, SIZES),
        [runs, sizes @ ..] => (*runs, sizes),
    };
    let embeddings = Embeddings::load()?;
    println!("Milliseconds, median of {runs} runs taken in turns; new vectors of 384 dimensions.\n");
    whole(&embeddings, runs, sizes).await?;
    println!("\nParts of the sync, each alone (most of them overlap in a sync):\n");
    parts(&embeddings, runs, sizes).await
}

async fn whole(embeddings: &Embeddings, runs: usize, sizes: &[usize]) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let mut bare = BarePipeline::open(folder.path()).await?;
    let pair = Pair::open(folder.path()).await?;
    let mut next = 0;
    println!("| vectors | bare | sync | ratio | all bare runs | all sync runs |");
    println!("|---:|---:|---:|---:|---|---|");
    for (count, runs) in [(WARM_UP, 1)].into_iter().chain(sizes.iter().map(|count| (*count, runs))) {
        let (mut bare_times, mut sync_times) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            bare.insert(embeddings, next, count)?;
            insert(&pair.near, items(embeddings, next, count)?)?;
            next += count;
            settle().await;
            bare_times.push(bare.run().await?);
            settle().await;
            let (result, took) = pair.sync().await?;
            sync_times.push(took);
            assert_eq!(result.changes_sent, count as u64, "exactly the new vectors are sent");
            assert_eq!(bare.received()?, next as i64, "the bare pipeline brings all");
        }
        print_whole(count, &bare_times, &sync_times);
    }
    let shard = shard_id()?;
    assert_eq!(pair.near.digest(&shard)?, pair.far.digest(&shard)?, "both hold the same");
    pair.close().await
}

async fn parts(embeddings: &Embeddings, runs: usize, sizes: &[usize]) -> Result<(), BenchError> {
    println!("| vectors | barrier | read | encode | wire | decode | apply | barrier |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for &count in sizes {
        let mut measured = Vec::new();
        for _ in 0..runs {
            let folder = tempfile::tempdir()?;
            measured.push(Parts::measure(folder.path(), embeddings, count).await?);
        }
        let of =
            |part: fn(&Parts) -> Duration| millis(median(&measured.iter().map(part).collect::<Vec<_>>()));
        println!(
            "| {count} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            of(|parts| parts.barrier_before),
            of(|parts| parts.read),
            of(|parts| parts.encode),
            of(|parts| parts.wire),
            of(|parts| parts.decode),
            of(|parts| parts.apply),
            of(|parts| parts.barrier_after),
        );
    }
    Ok(())
}

fn print_whole(count: usize, bare: &[Duration], sync: &[Duration]) {
    let (bare_ms, sync_ms) = (millis(median(bare)), millis(median(sync)));
    let listed = |times: &[Duration]| {
        times.iter().map(|time| format!("{:.1}", millis(*time))).collect::<Vec<_>>().join(" ")
    };
    let ratio = sync_ms / bare_ms;
    println!("| {count} | {bare_ms:.2} | {sync_ms:.2} | {ratio:.2} | {} | {} |", listed(bare), listed(sync));
}

/// Background checkpoints of what was inserted belong to no run.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

const SIZES: &[usize] = &[100, 1_000, 10_000];
/// One run of its own before the others: the first row of the table.
const WARM_UP: usize = 2_000;
