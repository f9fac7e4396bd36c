//! From a commit in one process until it is visible in another, over a live sync, against the least that it could take:
//! a bare QUIC round trip with the row, and one commit of it with `synchronous=FULL`.
//!
//! `live [inserts]`, default 1,000, of 384 dimensions, 100 a second. Live and bare take turns of 100 rows. Files on
//! disk; both processes read the same clock.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};

use tokio::time::{Interval, MissedTickBehavior};

use vectr_benches::bare::{BareShard, Echo, RoundTrip};
use vectr_benches::{
    BenchError, Embeddings, database, engine, items, millis, percentile, shard_id, vector_id,
};
use vectr_core::{Target, VectrDB};
use vectr_sync::{Events, SyncEvent};

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => measure(1_000).await,
        [inserts] => measure(inserts.parse()?).await,
        ["see", folder, inserts] => see(Path::new(folder), inserts.parse()?).await,
        _ => Err("usage: live [inserts]".into()),
    }
}

async fn measure(inserts: usize) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let embeddings = Embeddings::load()?;
    let db = database(folder.path(), "near")?;
    let engine = engine(&db, "near")?;
    let mut seer = Seer::spawn(folder.path(), WARM_UP + inserts)?;
    let (address, invitation) = (seer.line()?, seer.line()?);
    let mut events = engine.events();
    engine.start_auto_sync(&shard_id()?, &address, None)?;
    while !matches!(events.next().await, Some(SyncEvent::Peer { online: true, .. })) {}
    drop(events);
    let mut file = BareShard::open(&folder.path().join("bare.db"))?;
    file.warm_up()?;
    let mut bare = Bare { wire: RoundTrip::connect(&invitation).await?, file, times: Vec::new() };
    let mut commits = Vec::new();
    for start in std::iter::once(0).chain((WARM_UP..WARM_UP + inserts).step_by(TURN)) {
        let rows = start..if start == 0 { WARM_UP } else { (start + TURN).min(WARM_UP + inserts) };
        let mut ticks = ticks();
        for index in rows.clone() {
            ticks.tick().await;
            commits.push(commit(&db, &embeddings, index)?);
        }
        settle().await;
        let mut ticks = self::ticks();
        for index in rows {
            ticks.tick().await;
            bare.run(&embeddings, index).await?;
        }
        settle().await;
    }
    let seen =
        (0..commits.len()).map(|_| Ok(seer.line()?.parse()?)).collect::<Result<Vec<u64>, BenchError>>()?;
    report(&commits[WARM_UP..], &seen[WARM_UP..], &bare.times[WARM_UP..]);
    seer.close()?;
    engine.close().await;
    Ok(db.close()?)
}

/// A single insert: when it was asked for, and when it was committed, in microseconds since 1970.
fn commit(db: &VectrDB, embeddings: &Embeddings, index: usize) -> Result<[u64; 2], BenchError> {
    let shard = shard_id()?;
    let (id, payload) = items(embeddings, index, 1)?.pop().ok_or("one item was asked for")?;
    let asked = now()?;
    db.insert(Target::shard(&shard), id, payload)?;
    Ok([asked, now()?])
}

/// The other process: prints its addresses, then, once it has seen all, when it saw each.
async fn see(folder: &Path, inserts: usize) -> Result<(), BenchError> {
    let db = database(folder, "far")?;
    let engine = engine(&db, "far")?;
    println!("{}", engine.listen("127.0.0.1:0").await?);
    let echo = Echo::listen()?;
    println!("{}", echo.invitation());
    stdout().flush()?;
    // It ends when the other process does.
    tokio::spawn(echo.answer());
    let (events, runtime, looking) = (engine.events(), tokio::runtime::Handle::current(), db.clone());
    // A thread of its own, as it blocks on the database.
    let looking = std::thread::spawn(move || look(&looking, events, &runtime, inserts));
    let seen =
        tokio::task::spawn_blocking(|| looking.join()).await?.map_err(|_| "the looking thread failed")??;
    for time in seen {
        println!("{time}");
    }
    stdout().flush()?;
    tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await??;
    engine.close().await;
    Ok(db.close()?)
}

/// Reads the next vector after each change, until it is not there yet.
fn look(
    db: &VectrDB,
    mut events: Events,
    runtime: &tokio::runtime::Handle,
    inserts: usize,
) -> Result<Vec<u64>, BenchError> {
    let (shard, mut seen) = (shard_id()?, Vec::new());
    while seen.len() < inserts {
        let event = runtime.block_on(events.next()).ok_or("the engine was closed")?;
        if !matches!(event, SyncEvent::Change { .. }) {
            continue;
        }
        while seen.len() < inserts && db.get(Target::shard(&shard), &vector_id(seen.len())?)?.is_some() {
            seen.push(now()?);
        }
    }
    Ok(seen)
}

/// What it is measured against.
struct Bare {
    wire: RoundTrip,
    file: BareShard,
    /// Round trip and commit.
    times: Vec<[Duration; 2]>,
}

impl Bare {
    async fn run(&mut self, embeddings: &Embeddings, index: usize) -> Result<(), BenchError> {
        let (id, vector) = (vector_id(index)?, embeddings.vector(index));
        let round_trip = self.wire.time(&[id.as_str().as_bytes(), &vector].concat()).await?;
        let started = std::time::Instant::now();
        self.file.insert_durably(id.as_str(), &vector)?;
        self.times.push([round_trip, started.elapsed()]);
        Ok(())
    }
}

fn report(commits: &[[u64; 2]], seen: &[u64], bare: &[[Duration; 2]]) {
    let since = |which: usize| -> Vec<Duration> {
        let pairs = commits.iter().zip(seen);
        pairs.map(|(times, seen)| Duration::from_micros(seen.saturating_sub(times[which]))).collect()
    };
    let of = |part: fn(&[Duration; 2]) -> Duration| bare.iter().map(part).collect::<Vec<_>>();
    let (live, whole) = (since(1), of(|[round_trip, commit]| *round_trip + *commit));
    println!("| milliseconds, {} rows of 384 dimensions | p50 | p99 |\n|---|---:|---:|", seen.len());
    for (name, times) in [
        ("live: from the commit until the row is read in the other process", &live),
        ("live, from the call of `insert`", &since(0)),
        ("bare: round trip and commit", &whole),
        ("bare round trip alone", &of(|[round_trip, _]| *round_trip)),
        ("bare commit alone, `synchronous=FULL`", &of(|[_, commit]| *commit)),
    ] {
        println!("| {name} | {:.2} | {:.2} |", millis(percentile(times, 50)), millis(percentile(times, 99)));
    }
    println!("\nratio of p50: {:.2}", millis(percentile(&live, 50)) / millis(percentile(&whole, 50)));
}

/// The process that sees.
struct Seer {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<std::process::ChildStdout>>,
}

impl Seer {
    fn spawn(folder: &Path, inserts: usize) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("see").arg(folder).arg(inserts.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("it is piped")?;
        let output = child.stdout.take().ok_or("it is piped")?;
        Ok(Self { child, input, lines: BufReader::new(output).lines() })
    }

    fn line(&mut self) -> Result<String, BenchError> {
        Ok(self.lines.next().ok_or("the other process ended early")??)
    }

    fn close(mut self) -> Result<(), BenchError> {
        writeln!(self.input, "done")?;
        if self.child.wait()?.success() { Ok(()) } else { Err("the other process failed".into()) }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What the last row of a turn set off belongs to no other.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn now() -> Result<u64, BenchError> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// Rows before those that count: until the logs are as long as they get.
const WARM_UP: usize = 300;
const TURN: usize = 100;
