//! A warm sync of new vectors over QUIC, and the same over the fallback on TCP, in turns.
//!
//! `fallback [runs]`: medians of `runs` (default 9) for 100, 1,000 and 10,000 vectors.

use vectr_benches::{BenchError, Embeddings, Pair, insert, items, median, millis};

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let runs = std::env::args().nth(1).map_or(Ok(9), |runs| runs.parse())?;
    let embeddings = Embeddings::load()?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let pairs = [Pair::open(folders[0].path()).await?, Pair::over_tcp(folders[1].path()).await?];
    println!("Milliseconds, median of {runs} runs taken in turns; new vectors of 384 dimensions.\n");
    println!("| vectors | QUIC | TCP | ratio |");
    println!("|---:|---:|---:|---:|");
    let mut next = 0;
    for (count, runs) in [(WARM_UP, 1), (100, runs), (1_000, runs), (10_000, runs)] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..runs {
            for (index, pair) in pairs.iter().enumerate() {
                insert(&pair.near, items(&embeddings, next, count)?)?;
                let (result, took) = pair.sync().await?;
                assert_eq!(result.changes_sent, count as u64, "exactly the new vectors are sent");
                assert_eq!(result.fallback, index == 1, "over what was asked for");
                times[index].push(took);
            }
            next += count;
        }
        if count != WARM_UP {
            let [quic, tcp] = [&times[0], &times[1]].map(|times| millis(median(times)));
            println!("| {count} | {quic:.2} | {tcp:.2} | {:.2} |", tcp / quic);
        }
    }
    for pair in pairs {
        pair.close().await?;
    }
    Ok(())
}

const WARM_UP: usize = 50;
