//! What the number of sites that have changed a shard costs: a get, a put, a page with nothing new, and a sync with nothing
//! new between two engines over loopback.
//!
//! `sites [rounds]`: medians of `rounds` (default 2,000) gets, half as many puts and pages, and a twentieth of syncs.

use std::path::Path;
use std::time::{Duration, Instant};

use vectr_benches::{BenchError, Pair, median, shard_id, store};
use vectr_core::replication::serve_blocking;
use vectr_core::{Target, VectrDB};
use vectr_delta::{
    End, Fingerprint, Hello, HelloOffer, NodeName, PageSize, Payload, RemoteApply, ShardVersion, SiteId,
    StoreReply, StoreRequest, VectorId,
};

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let rounds = std::env::args().nth(1).map_or(Ok(2_000), |rounds| rounds.parse())?;
    println!("Median microseconds of {rounds} gets, and in brackets the ratio to those at one site.\n");
    println!("| sites | get | put | empty page | sync of nothing |\n| ---: | ---: | ---: | ---: | ---: |");
    let mut at_one = None;
    for sites in [1, 1_000, 30_000, 100_000] {
        let folder = tempfile::tempdir()?;
        let times = measure(folder.path(), sites, rounds).await?;
        let base = *at_one.get_or_insert(times);
        let cells = times.iter().zip(base).map(|(time, base)| {
            format!("{:.1} ({:.2})", time.as_secs_f64() * 1e6, time.as_secs_f64() / base.as_secs_f64())
        });
        println!("| {sites} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// A get, a put, an empty page and a sync of nothing.
async fn measure(folder: &Path, sites: u64, rounds: usize) -> Result<[Duration; 4], BenchError> {
    let (pair, shard) = (Pair::open(folder).await?, shard_id()?);
    let db = &pair.near;
    let put = |number: usize| -> Result<Duration, BenchError> {
        let id = VectorId::new(&format!("v{}", number % VECTORS))?;
        let payload = Payload::from_components(&[0.5; 384], None)?;
        timed(|| Ok(db.upsert(Target::shard(&shard), &id, payload).map(drop)?))
    };
    (0..VECTORS).try_for_each(|number| put(number).map(drop))?;
    claim(db, sites - 1)?;
    // The first ones tell all sites.
    for _ in 0..4 {
        pair.sync().await?;
    }
    let id = VectorId::new("v7")?;
    let get = || timed(|| Ok(db.get(Target::shard(&shard), &id).map(drop)?));
    let gets = (0..rounds).map(|_| get()).collect::<Result<Vec<_>, _>>()?;
    let puts = (0..rounds / 2).map(put).collect::<Result<Vec<_>, _>>()?;
    let held = hello(db)?.version_vector;
    let pages = (0..rounds / 2).map(|_| empty_page(db, &held)).collect::<Result<Vec<_>, _>>()?;
    let mut syncs = Vec::new();
    for round in 0..WARM_UP + rounds / 20 {
        let (_, took) = pair.sync().await?;
        if round >= WARM_UP {
            syncs.push(took);
        }
    }
    pair.close().await?;
    Ok([median(&gets), median(&puts), median(&pages), median(&syncs)])
}

/// Lets a peer claim changes of as many other sites, all overwritten since.
fn claim(db: &VectrDB, sites: u64) -> Result<(), BenchError> {
    let said = hello(db)?;
    let site = |number: u64| SiteId::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let end = End {
        nonce: 1,
        index: 0,
        position: 0,
        version_vector: (1..=sites).map(|number| (site(number), number)).collect(),
        frontier: said.frontier.clone(),
        digest: said.digest,
        tight: true,
        names: (1..=sites)
            .map(|number| Ok((site(number), NodeName::new(&format!("worker-{number}"))?)))
            .collect::<Result<_, BenchError>>()?,
    };
    let far = Hello { site: SiteId::new(2), version_vector: ShardVersion::new(), ..said };
    let remote = Box::new(RemoteApply::new(Fingerprint::new([7; 32]), &far, 0));
    let request = StoreRequest::End { remote, batches: vec![], end: Box::new(end) };
    match serve_blocking(db, &shard_id()?, request) {
        StoreReply::Ended { .. } => Ok(()),
        other => Err(format!("storage answers {other:?}").into()),
    }
}

fn hello(db: &VectrDB) -> Result<Hello, BenchError> {
    let node = NodeName::new("benchmark")?;
    let offer = HelloOffer { nonce: 1, codecs: vec![0], live: false, node, clock: db.now(), window: 16 };
    store::read_hello(db, &shard_id()?, Fingerprint::new([7; 32]), offer)
}

/// Reads what is new to a peer that holds all, as a live session does after each commit.
fn empty_page(db: &VectrDB, held: &ShardVersion) -> Result<Duration, BenchError> {
    let shard = shard_id()?;
    let (after, filter, size) = (u64::from(u32::MAX), Some(held.clone()), PageSize::default());
    timed(|| {
        match serve_blocking(db, &shard, StoreRequest::ReadPage { after, filter, size, counts: false }) {
            StoreReply::Page(page) if page.end.is_some() && page.rows.is_empty() => Ok(()),
            other => Err(format!("storage answers {other:?}").into()),
        }
    })
}

fn timed(work: impl FnOnce() -> Result<(), BenchError>) -> Result<Duration, BenchError> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

const VECTORS: usize = 100;
const WARM_UP: usize = 5;
