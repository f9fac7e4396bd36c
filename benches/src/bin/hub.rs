//! A hub, in a process of its own, and many live peers: what it costs to connect them, and what one change costs that goes
//! to all of them.
//!
//! `hub [peers ...]`, default 100, 300 and 1,000: for each number, a new hub. The peers are databases in memory, each with
//! an engine, a key and a socket of its own, in one process, over loopback. They count as connected once they hold the one
//! vector that the hub has from the start. Then the hub inserts 50 vectors of 384 dimensions, ten a second, each once the
//! one before is everywhere. Beside each hub stands a bare one, with client certificates as well, that sends as many bytes to
//! as many streams. Linux only.

use std::fmt;
use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use vectr_benches::bare::{Audience, Listener};
use vectr_benches::{BenchError, Embeddings, Process, database, items, millis, percentile, shard_id};
use vectr_core::{Config, Target, VectrDB};
use vectr_delta::NodeName;
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncEvent};
use vectr_transport::EndpointConfig;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let counts = match arguments[..] {
        ["serve", folder] => return serve(Path::new(folder)).await,
        ["serve-bare"] => return serve_bare().await,
        [] => vec![100, 300, 1_000],
        ref counts => counts.iter().map(|count| count.parse()).collect::<Result<_, _>>()?,
    };
    println!(
        "| peers | hub | connected after, s | CPU for that, ms a peer | memory, KB a peer | threads | \
         CPU for a change, ms a peer | delivery p50, ms | p99, ms |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    for count in counts {
        let ours = measure(count, false).await?;
        println!("| {count} | vectr {ours}");
        let bare = measure(count, true).await?;
        println!("| {count} | bare quinn {bare}");
        println!("| {count} | ratio {}", ours.over(&bare));
    }
    Ok(())
}

/// What a hub needs for its peers.
struct Needs {
    /// Seconds, and milliseconds of CPU a peer, until all were connected.
    connected: f64,
    connecting: f64,
    /// KB a peer.
    memory: f64,
    threads: f64,
    /// Milliseconds of CPU for a change, a peer.
    change: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
}

impl Needs {
    /// How many times as much it is.
    fn over(&self, other: &Self) -> Self {
        Self {
            connected: self.connected / other.connected,
            connecting: self.connecting / other.connecting,
            memory: self.memory / other.memory,
            threads: self.threads / other.threads,
            change: self.change / other.change,
            p50: self.p50 / other.p50,
            p99: self.p99 / other.p99,
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connected, connecting, memory, threads, change, p50, p99 } = self;
        write!(
            f,
            "| {connected:.2} | {connecting:.2} | {memory:.1} | {threads:.0} | {change:.3} | {p50:.1} | {p99:.1} |"
        )
    }
}

async fn measure(count: usize, is_bare: bool) -> Result<Needs, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut hub = Hub::spawn(folder.path(), is_bare)?;
    let (before, memory) = (hub.process.cpu()?, hub.process.status("VmRSS:")?);
    let (told, heard) = channel();
    let began = Instant::now();
    let mut peers = Vec::new();
    for number in 0..count {
        let told = told.clone();
        let tell = move || {
            // Nobody listens once the measurement has ended.
            let _ = told.send(Instant::now());
        };
        if is_bare {
            tokio::spawn(listen(hub.address.clone(), tell));
        } else {
            peers.push(Peer::dial(number, &hub.address, tell)?);
        }
    }
    let heard = await_all(heard, count).await?.0;
    let connected = began.elapsed();
    let used = hub.process.cpu()?.saturating_sub(before);
    // What connecting leaves to be done belongs to no change.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = hub.process.status("VmRSS:")?.saturating_sub(memory);
    let threads = hub.process.status("Threads:")?;
    let before = hub.process.cpu()?;
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
    let of_changes = hub.process.cpu()?.saturating_sub(before);
    let closing: JoinSet<()> =
        peers.into_iter().map(|peer| async move { peer.engine.close().await }).collect();
    closing.join_all().await;
    hub.close()?;
    let share = |time: Duration, of: usize| millis(time) / of as f64;
    Ok(Needs {
        connected: connected.as_secs_f64(),
        connecting: share(used, count),
        memory: memory as f64 / count as f64,
        threads: threads as f64,
        change: share(of_changes, count * CHANGES),
        p50: millis(percentile(&delays, 50)),
        p99: millis(percentile(&delays, 99)),
    })
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

/// The bare hub: sends as many bytes as a sync sends for one such vector, for each line that it reads.
async fn serve_bare() -> Result<(), BenchError> {
    let audience = Audience::listen(vec![0; CHANGE_BYTES])?;
    println!("{}", audience.invitation());
    stdout().flush()?;
    let (sender, mut lines) = unbounded_channel();
    tokio::task::spawn_blocking(move || stdin().lines().try_for_each(|line| sender.send(line).ok()));
    while let Some(line) = lines.recv().await {
        line?;
        audience.tell(&[0; CHANGE_BYTES]).await?;
    }
    Ok(())
}

/// A peer of the bare hub: calls `told` for each change that arrives, until the hub is gone.
async fn listen(invitation: String, told: impl Fn() + Send + 'static) -> Option<()> {
    let mut listener = Listener::connect(&invitation).await.ok()?;
    loop {
        listener.hear(CHANGE_BYTES).await.ok()?;
        told();
    }
}

struct Hub {
    child: Child,
    process: Process,
    input: Option<ChildStdin>,
    _output: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Hub {
    fn spawn(folder: &Path, is_bare: bool) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        if is_bare {
            command.arg("serve-bare");
        } else {
            command.arg("serve").arg(folder);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (process, input) = (Process::of(child.id()), child.stdin.take());
        let mut output = BufReader::new(child.stdout.take().ok_or("it is piped")?).lines();
        let address = output.next().ok_or("the hub ended")??;
        Ok(Self { child, process, input, _output: output, address })
    }

    fn insert(&mut self) -> Result<(), BenchError> {
        let input = self.input.as_mut().ok_or("the hub was closed")?;
        writeln!(input, "insert")?;
        Ok(input.flush()?)
    }

    fn close(mut self) -> Result<(), BenchError> {
        self.input = None;
        self.child.wait()?;
        Ok(())
    }
}

const CHANGES: usize = 50;
/// A vector of 384 dimensions with its id, metadata, context and frame.
const CHANGE_BYTES: usize = 1_800;
const LONGEST: Duration = Duration::from_secs(60);
