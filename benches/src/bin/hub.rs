//! A hub, in a process of its own, and many live peers: what it costs to connect them, and what one change costs that goes
//! to all of them.
//!
//! `hub [peers ...]`, default 100, 300 and 1,000: for each number, a new hub. The peers are databases in memory, each with
//! an engine, a key and a socket of its own, in one process, over loopback. They count as connected once they hold the one
//! vector that the hub has from the start. Then the hub inserts 50 vectors of 384 dimensions, ten a second, each once the
//! one before is everywhere. Linux only.

use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use vectr_benches::{BenchError, Embeddings, database, items, millis, percentile, shard_id};
use vectr_core::{Config, Target, VectrDB};
use vectr_delta::NodeName;
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncEvent};
use vectr_transport::EndpointConfig;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", folder] = arguments[..] {
        return serve(Path::new(folder)).await;
    }
    let counts = match arguments[..] {
        [] => vec![100, 300, 1_000],
        ref counts => counts.iter().map(|count| count.parse()).collect::<Result<_, _>>()?,
    };
    println!(
        "| peers | connected after, s | hub's CPU for that, ms a peer | its memory, KB a peer | its threads | \
         its CPU for a change, ms a peer | delivery p50, ms | p99, ms |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for count in counts {
        measure(count).await?;
    }
    Ok(())
}

async fn measure(count: usize) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let mut hub = Hub::spawn(folder.path())?;
    let (before, memory) = (hub.cpu()?, hub.status("VmRSS:")?);
    let (told, heard) = channel();
    let began = Instant::now();
    let mut peers = Vec::new();
    for number in 0..count {
        let told = told.clone();
        let peer = Peer::dial(number, &hub.address, move || {
            // Nobody listens once the measurement has ended.
            let _ = told.send(Instant::now());
        })?;
        peers.push(peer);
    }
    let heard = await_all(heard, count).await?.0;
    let connected = began.elapsed();
    let used = hub.cpu()?.saturating_sub(before);
    // What connecting leaves to be done belongs to no change.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (memory, threads) = (hub.status("VmRSS:")?.saturating_sub(memory), hub.status("Threads:")?);
    let before = hub.cpu()?;
    let (mut heard, mut delays) = (heard, Vec::new());
    for _ in 0..CHANGES {
        let next = Instant::now() + Duration::from_millis(100);
        let inserted = Instant::now();
        hub.insert()?;
        let (channel, times) = await_all(heard, count).await?;
        heard = channel;
        delays.extend(times.into_iter().map(|time| time.saturating_duration_since(inserted)));
        tokio::time::sleep_until(next.into()).await;
    }
    let of_changes = hub.cpu()?.saturating_sub(before);
    let share = |time: Duration, of: usize| millis(time) / of as f64;
    println!(
        "| {count} | {:.2} | {:.2} | {:.0} | {threads} | {:.3} | {:.1} | {:.1} |",
        connected.as_secs_f64(),
        share(used, count),
        memory as f64 / count as f64,
        share(of_changes, count * CHANGES),
        millis(percentile(&delays, 50)),
        millis(percentile(&delays, 99)),
    );
    for peer in peers {
        peer.engine.close().await;
    }
    hub.close()
}

type Heard = Receiver<Instant>;

/// When each of `count` peers had the next change.
async fn await_all(heard: Heard, count: usize) -> Result<(Heard, Vec<Instant>), BenchError> {
    let waiting = tokio::task::spawn_blocking(move || {
        let times: Result<Vec<Instant>, _> = (0..count).map(|_| heard.recv_timeout(LONGEST)).collect();
        times.map(|times| (heard, times))
    });
    Ok(waiting.await?.map_err(|_| "a peer did not get a change within a minute")?)
}

struct Peer {
    engine: SyncEngine,
}

impl Peer {
    /// `told` is called for each change that arrives.
    fn dial(number: usize, hub: &str, told: impl Fn() + Send + 'static) -> Result<Self, BenchError> {
        let db = VectrDB::new(Config::default().shard(shard_id()?))?;
        let name = NodeName::new(&format!("peer-{number}"))?;
        let engine = SyncEngine::new(db, name, SyncConfig::default(), NetworkConfig::default())?;
        let mut events = engine.events();
        // It ends when the engine is closed.
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if matches!(event, SyncEvent::Change { .. }) {
                    told();
                }
            }
        });
        engine.start_auto_sync(&shard_id()?, hub, None)?;
        Ok(Self { engine })
    }
}

/// The hub: inserts a vector for each line that it reads.
async fn serve(folder: &Path) -> Result<(), BenchError> {
    let db = database(folder, "hub")?;
    let mut endpoint = EndpointConfig::default();
    endpoint.max_connections(20_000);
    let mut network = NetworkConfig::default();
    network.endpoint(endpoint);
    let engine = SyncEngine::new(db.clone(), NodeName::new("hub")?, SyncConfig::default(), network)?;
    let (embeddings, shard) = (Embeddings::load()?, shard_id()?);
    let insert = move |index| -> Result<(), BenchError> {
        let (id, payload) = items(&embeddings, index, 1)?.pop().ok_or("one item was asked for")?;
        db.insert(Target::shard(&shard), id, payload)?;
        Ok(())
    };
    insert(0)?;
    println!("{}", engine.listen("127.0.0.1:0").await?);
    stdout().flush()?;
    tokio::task::spawn_blocking(move || -> Result<(), BenchError> {
        for (index, line) in stdin().lines().enumerate() {
            line?;
            insert(index + 1)?;
        }
        Ok(())
    })
    .await??;
    engine.close().await;
    Ok(())
}

struct Hub {
    child: Child,
    input: Option<ChildStdin>,
    _output: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Hub {
    fn spawn(folder: &Path) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child =
            command.arg("serve").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().ok_or("it is piped")?).lines();
        let address = output.next().ok_or("the hub ended")??;
        Ok(Self { child, input, _output: output, address })
    }

    fn insert(&mut self) -> Result<(), BenchError> {
        let input = self.input.as_mut().ok_or("the hub was closed")?;
        writeln!(input, "insert")?;
        Ok(input.flush()?)
    }

    /// The time that it has spent on a processor: see proc_pid_stat(5).
    fn cpu(&self) -> Result<Duration, BenchError> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| -> Result<u64, BenchError> { Ok(fields.get(at).ok_or("no time")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS))
    }

    /// A number from its status.
    fn status(&self, name: &str) -> Result<u64, BenchError> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
    }

    fn close(mut self) -> Result<(), BenchError> {
        self.input = None;
        self.child.wait()?;
        Ok(())
    }
}

const CHANGES: usize = 50;
const LONGEST: Duration = Duration::from_secs(60);
/// A second, as Linux counts the time of processes.
const TICKS: u64 = 100;
