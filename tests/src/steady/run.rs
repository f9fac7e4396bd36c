use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use vectr_core::{Config, VectrDB};
use vectr_delta::{ChangeId, NodeName, ShardId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncEvent};

use super::level::{Level, resident};
use super::listeners::Listeners;

/// Whatever ends it early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long it goes on, and how often and strictly it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct SteadyRun {
    /// Until the writes are stopped.
    pub duration: Duration,
    /// From one look at the sizes to the next.
    pub interval: Duration,
    /// By how many bytes a process may grow in the second half, beyond its noise.
    pub tolerance: u64,
    /// How many listen to the events of the node that receives.
    pub listeners: usize,
}

/// What came of it. That all listeners heard of every change is certain where there is a verdict.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// The process with the listeners.
    pub listening: Level,
    /// The process that writes.
    pub writing: Level,
    /// The changes that each listener heard of.
    pub changes: ChangeId,
}

impl SteadyRun {
    /// Runs it with files in `folder`. `writer`: starts a process that calls [`super::write_steadily`] on that folder.
    /// `look`: hears the time and the sizes of both processes, the listening one first.
    ///
    /// # Errors
    /// Where a process or sync fails, a listener misses a change, or the nodes differ in the end.
    pub async fn run(
        &self,
        folder: &Path,
        writer: &mut Command,
        mut look: impl FnMut(Duration, [u64; 2]),
    ) -> Result<Verdict, Failure> {
        let (db, engine) = open(folder, "listener")?;
        let mut listeners = Listeners::start(&engine, self.listeners);
        let mut writer = Writer::spawn(writer)?;
        let address = writer.line()?;
        let mut events = engine.events();
        engine.start_auto_sync(&shard()?, &address, None)?;
        let online = |event: Option<SyncEvent>| matches!(event, Some(SyncEvent::Peer { online: true, .. }));
        while !online(events.next().await) {}
        drop(events);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let mut ticks = tokio::time::interval(self.interval);
        let started = tokio::time::Instant::now();
        while started.elapsed() < self.duration {
            ticks.tick().await;
            here.push(resident()?);
            there.push(writer.ask("resident")?.parse()?);
            look(started.elapsed(), [here[here.len() - 1], there[there.len() - 1]]);
        }
        let digest = writer.ask("stop")?;
        let changes = catch_up(&db, &engine, &digest).await?;
        listeners.hear(changes).await?;
        writer.close()?;
        engine.close().await;
        listeners.end().await?;
        db.close()?;
        Ok(Verdict {
            listening: Level::of(&here, self.tolerance),
            writing: Level::of(&there, self.tolerance),
            changes,
        })
    }
}

/// Waits until the live sync has brought everything; the newest change then.
async fn catch_up(db: &VectrDB, engine: &SyncEngine, digest: &str) -> Result<ChangeId, Failure> {
    let (shard, mut events) = (shard()?, engine.events());
    while db.digest(&shard)?.to_string() != digest {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        next.map_err(|_| "the live sync brings no more, but the nodes differ")?;
    }
    Ok(db.shard_statistics(&shard)?.change_id)
}

/// The other process.
struct Writer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn spawn(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("it is piped")?;
        let output = child.stdout.take().ok_or("it is piped")?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    fn ask(&mut self, command: &str) -> Result<String, Failure> {
        writeln!(self.input, "{command}")?;
        self.line()
    }

    fn line(&mut self) -> Result<String, Failure> {
        Ok(self.output.next().ok_or("the writing process is gone")??)
    }

    fn close(&mut self) -> Result<(), Failure> {
        writeln!(self.input, "close")?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the writing process ended with {status}").into()) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn open(folder: &Path, name: &str) -> Result<(VectrDB, SyncEngine), Failure> {
    let mut config = Config::default();
    config.path(folder.join(format!("{name}.db"))).shard(shard()?);
    let db = VectrDB::new(config)?;
    let engine =
        SyncEngine::new(db.clone(), NodeName::new(name)?, SyncConfig::default(), NetworkConfig::default())?;
    Ok((db, engine))
}

pub(super) fn shard() -> Result<ShardId, Failure> {
    Ok(ShardId::new("steady")?)
}

const PATIENCE: Duration = Duration::from_secs(30);
