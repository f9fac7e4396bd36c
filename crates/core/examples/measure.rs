//! How long the storage side of a sync takes: `cargo run --release -p vectr-core --example measure [rows [what]]`,
//! where
//! `what` is part of the name of a line.
//!
//! Each line is the best and the median of seven runs into fresh files, beside the same rows through bare SQLite with
//! the same pragmas and indices.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use vectr_core::replication::serve_blocking;
use vectr_core::{Config, Metric, Search, Target, VectrDB};
use vectr_delta::{
    Batch, ChangelogId, Descriptor, Digest, Dot, Fingerprint, Hello, NodeName, PageSize, Payload,
    RemoteApply, Row, ShardId, ShardVersion, Sibling, SiteId, StoreReply, StoreRequest, Strategy, Timestamp,
    VectorId, VectorRow, VersionVector,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const DIMENSIONS: usize = 384;
const RUNS: usize = 7;
const BATCHES: usize = 60;

fn main() -> Outcome<()> {
    let count = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let rows = rows(count)?;
    println!("{count} rows of {DIMENSIONS} components, {BATCHES} batches");
    report("bare SQLite, one transaction a batch", || bare(&rows))?;
    report("apply, one transaction a batch", || apply(&rows))?;
    report("insert_batch, one transaction", || insert_batch(&rows))?;
    let folder = tempfile::tempdir()?;
    let db = open(&folder)?;
    fill(&db, &rows)?;
    report("read_page, pages of 256 KiB, no filter", || read(&db, None))?;
    let nothing = ShardVersion::new();
    report("read_page, filter that covers nothing", || read(&db, Some(&nothing)))?;
    let all: ShardVersion = [(SiteId::new(7), u64::MAX >> 12)].into_iter().collect();
    report("read_page, filter that covers all", || read(&db, Some(&all)))?;
    let mut barriers = 0;
    report("barrier after one small write", || {
        barriers += 1;
        let id = VectorId::new(&format!("barrier-{barriers}"))?;
        db.upsert(Target::shard(&shard()?), &id, payload(barriers)?)?;
        timed(|| Ok(db.await_durable(db.commit_no()).map(drop)?))
    })?;
    for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
        let query: Vec<f32> = payload(3)?.components().collect();
        let mut search = Search::new(shard()?, query);
        search.metric(metric);
        report(&format!("search, {}", metric.name()), || timed(|| Ok(db.search(&search).map(drop)?)))?;
    }
    Ok(())
}

fn report(what: &str, mut run: impl FnMut() -> Outcome<Duration>) -> Outcome<()> {
    if std::env::args().nth(2).is_some_and(|wanted| !what.contains(&wanted)) {
        return Ok(());
    }
    let mut times = (0..RUNS).map(|_| run()).collect::<Outcome<Vec<_>>>()?;
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what:42} best {:8.2} ms, median {:8.2} ms",
        milliseconds(times[0]),
        milliseconds(times[RUNS / 2])
    );
    Ok(())
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn shard() -> Outcome<ShardId> {
    Ok(ShardId::new("notes")?)
}

fn open(folder: &tempfile::TempDir) -> Outcome<VectrDB> {
    let config = Config::file(folder.path().join("notes.db"));
    Ok(config.open()?)
}

fn payload(seed: u64) -> Outcome<Payload> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let components: Vec<f32> = (0..DIMENSIONS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect();
    Ok(Payload::from_components(&components, None)?)
}

fn rows(count: u64) -> Outcome<Vec<VectorRow>> {
    let row = |seq: u64| -> Outcome<VectorRow> {
        let dot = Dot { site: SiteId::new(7), seq };
        let stamp = Timestamp::from_micros(1_700_000_000_000_000 + seq);
        let id = VectorId::new(&format!("0192f3a0-0000-7000-8000-{seq:012}"))?;
        let sibling = Sibling::put(dot, stamp, false, payload(seq)?);
        Ok(VectorRow { id, row: Row::of_write(sibling, VersionVector::new()) })
    };
    (1..=count).map(row).collect()
}

fn batches(rows: &[VectorRow]) -> Vec<Batch> {
    let size = rows.len().div_ceil(BATCHES);
    let pieces = rows.chunks(size).zip(0..);
    pieces
        .map(|(piece, index)| Batch {
            nonce: 1,
            index,
            position: (index + 1) * size as u64,
            rows: piece.to_vec(),
            names: BTreeMap::new(),
            frontier: VersionVector::new(),
        })
        .collect()
}

fn hello() -> Outcome<Hello> {
    Ok(Hello {
        nonce: 1,
        protocol: (Hello::PROTOCOL, Hello::PROTOCOL),
        codecs: vec![0],
        shard: shard()?,
        live: false,
        node: NodeName::new("other")?,
        site: SiteId::new(7),
        changelog: ChangelogId::new(9),
        descriptor: Descriptor::default(),
        strategy: Strategy::LastWriteWins,
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        cursor: None,
        digest: Digest::default(),
        tight: true,
        clock: Timestamp::from_micros(1_700_000_000_000_000),
        window: 16,
    })
}

fn fill(db: &VectrDB, rows: &[VectorRow]) -> Outcome<Duration> {
    let (shard, hello) = (shard()?, hello()?);
    let batches = batches(rows);
    let mut remote = Box::new(RemoteApply::new(Fingerprint::new([1; 32]), &hello, 0));
    let StoreReply::HelloAccepted = serve_blocking(db, &shard, StoreRequest::AcceptHello(Box::new(hello)))
    else {
        return Err("the shard refuses the peer".into());
    };
    timed(|| {
        for batch in batches {
            let request = StoreRequest::Apply { remote, batches: vec![batch] };
            remote = match serve_blocking(db, &shard, request) {
                StoreReply::Applied { remote, .. } => remote,
                other => return Err(format!("{other:?}").into()),
            };
        }
        Ok(())
    })
}

fn apply(rows: &[VectorRow]) -> Outcome<Duration> {
    let folder = tempfile::tempdir()?;
    fill(&open(&folder)?, rows)
}

fn insert_batch(rows: &[VectorRow]) -> Outcome<Duration> {
    let folder = tempfile::tempdir()?;
    let (db, shard) = (open(&folder)?, shard()?);
    let payload = |row: &VectorRow| row.row.siblings()[0].payload().cloned().expect("rows here are puts");
    let vectors = rows.iter().map(|row| (Some(row.id.clone()), payload(row))).collect();
    timed(|| Ok(db.insert_batch(Target::shard(&shard), vectors).map(drop)?))
}

fn read(db: &VectrDB, filter: Option<&ShardVersion>) -> Outcome<Duration> {
    let shard = shard()?;
    timed(|| {
        let mut after = 0;
        loop {
            let (filter, size) = (filter.cloned(), PageSize::default());
            let page = match serve_blocking(
                db,
                &shard,
                StoreRequest::ReadPage { after, filter, size, counts: false },
            ) {
                StoreReply::Page(page) => page,
                other => return Err(format!("{other:?}").into()),
            };
            after = page.position;
            if page.end.is_some() {
                return Ok(());
            }
        }
    })
}

fn bare(rows: &[VectorRow]) -> Outcome<Duration> {
    let folder = tempfile::tempdir()?;
    let db = Connection::open(folder.path().join("bare.db"))?;
    db.execute_batch(
        "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192;
         CREATE TABLE row (n INTEGER PRIMARY KEY, shard INTEGER, change_id INTEGER, id TEXT, vector BLOB);
         CREATE UNIQUE INDEX row_id ON row (shard, id);
         CREATE UNIQUE INDEX row_change ON row (shard, change_id);",
    )?;
    let size = rows.len().div_ceil(BATCHES);
    timed(|| {
        for (piece, index) in rows.chunks(size).zip(0_i64..) {
            db.execute_batch("BEGIN")?;
            let mut insert =
                db.prepare_cached("INSERT INTO row (shard, change_id, id, vector) VALUES (1, ?1, ?2, ?3)")?;
            for (row, place) in piece.iter().zip(0_i64..) {
                let vector = row.row.siblings()[0].payload().map(|payload| payload.vector().as_ref());
                insert.execute((index * size as i64 + place, row.id.as_str(), vector))?;
            }
            db.execute_batch("COMMIT")?;
        }
        Ok(())
    })
}
