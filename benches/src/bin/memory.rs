//! What a sync of many vectors costs in memory: two processes, one of which holds them all, the other none.
//!
//! `memory [vectors]`, default 200,000, of 384 dimensions. Linux only: it reads `/proc/self`.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use vectr_benches::{BenchError, Embeddings, database, engine, insert, items, shard_id};
use vectr_core::VectrDB;
use vectr_sync::SyncOptions;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => measure(200_000),
        [vectors] => measure(vectors.parse()?),
        ["prepare", folder, vectors] => prepare(Path::new(folder), vectors.parse()?),
        ["listen", folder, name] => listen(Path::new(folder), name).await,
        ["call", folder, name, address] => call(Path::new(folder), name, address).await,
        _ => Err("usage: memory [vectors]".into()),
    }
}

fn measure(vectors: usize) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let at = folder.path().to_str().ok_or("the temporary folder has no name in UTF-8")?;
    if !spawn(&["prepare", at, &vectors.to_string()])?.wait()?.success() {
        return Err("the vectors could not be prepared".into());
    }
    println!("A sync of {vectors} vectors of 384 dimensions; resident size in MB (10^6 bytes).\n");
    println!("| sender | process | open | peak | rise | seconds |");
    println!("|---|---|---:|---:|---:|---:|");
    for (sender, listening, calling) in [("listener", SENDER, "receiver-1"), ("caller", "receiver-2", SENDER)]
    {
        let mut listener = Node::spawn(&["listen", at, listening])?;
        let address = listener.read("address")?;
        let caller = Node::spawn(&["call", at, calling, &address])?.finish()?;
        let listener = listener.finish()?;
        if caller.digest != listener.digest {
            return Err("the two nodes differ after the sync".into());
        }
        listener.print(sender, "listener");
        caller.print(sender, "caller");
    }
    Ok(())
}

fn prepare(folder: &Path, vectors: usize) -> Result<(), BenchError> {
    let (db, embeddings) = (database(folder, SENDER)?, Embeddings::load()?);
    for first in (0..vectors).step_by(1_000) {
        insert(&db, items(&embeddings, first, (vectors - first).min(1_000))?)?;
    }
    Ok(db.close()?)
}

async fn listen(folder: &Path, name: &str) -> Result<(), BenchError> {
    let db = database(folder, name)?;
    let open = note_open()?;
    let engine = engine(&db, name)?;
    println!("address {}", engine.listen("127.0.0.1:0").await?);
    // The line comes when the caller is done.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    report(&db, open)?;
    engine.close().await;
    Ok(db.close()?)
}

async fn call(folder: &Path, name: &str, address: &str) -> Result<(), BenchError> {
    let db = database(folder, name)?;
    let open = note_open()?;
    let engine = engine(&db, name)?;
    let result = engine.sync(&shard_id()?, address, SyncOptions::default()).await?;
    if let Some(failure) = result.failure {
        return Err(format!("{}: {}", failure.code, failure.message).into());
    }
    println!("seconds {:.1}", result.duration.as_secs_f64());
    report(&db, open)?;
    engine.close().await;
    Ok(db.close()?)
}

/// The resident size with the database open, from which on peaks are counted anew.
fn note_open() -> Result<u64, BenchError> {
    std::fs::write("/proc/self/clear_refs", "5")?;
    resident("VmRSS")
}

fn report(db: &VectrDB, open: u64) -> Result<(), BenchError> {
    let peak = resident("VmHWM")?;
    println!("open {open}\npeak {peak}\ndigest {}", db.digest(&shard_id()?)?);
    Ok(())
}

/// A line of `/proc/self/status` in bytes.
fn resident(name: &str) -> Result<u64, BenchError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find(|line| line.starts_with(name)).ok_or("no such line in /proc/self/status")?;
    let kib = line.split_ascii_whitespace().nth(1).ok_or("no number in /proc/self/status")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// A process of this program that plays one node.
struct Node {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What a node says of itself in the end.
struct Report {
    open: u64,
    peak: u64,
    digest: String,
    seconds: Option<String>,
}

impl Node {
    fn spawn(arguments: &[&str]) -> Result<Self, BenchError> {
        let mut child = spawn(arguments)?;
        let output = child.stdout.take().ok_or("the process has no output")?;
        Ok(Self { child, lines: BufReader::new(output).lines() })
    }

    fn read(&mut self, key: &str) -> Result<String, BenchError> {
        let line = self.lines.next().ok_or("the process ended early")??;
        let value = line.strip_prefix(key).ok_or_else(|| format!("'{line}' instead of '{key}'"))?;
        Ok(value.trim().to_owned())
    }

    fn finish(mut self) -> Result<Report, BenchError> {
        // A listener waits for this; a caller never reads it.
        drop(self.child.stdin.take());
        let mut report = Report { open: 0, peak: 0, digest: String::new(), seconds: None };
        for line in self.lines {
            let line = line?;
            match line.split_once(' ') {
                Some(("open", bytes)) => report.open = bytes.parse()?,
                Some(("peak", bytes)) => report.peak = bytes.parse()?,
                Some(("digest", digest)) => digest.clone_into(&mut report.digest),
                Some(("seconds", seconds)) => report.seconds = Some(seconds.to_owned()),
                _ => return Err(format!("unexpected output: {line}").into()),
            }
        }
        if self.child.wait()?.success() { Ok(report) } else { Err("a process failed".into()) }
    }
}

impl Report {
    fn print(&self, sender: &str, process: &str) {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        println!(
            "| {sender} | {process} | {:.1} | {:.1} | {:.1} | {} |",
            megabytes(self.open),
            megabytes(self.peak),
            megabytes(self.peak.saturating_sub(self.open)),
            self.seconds.as_deref().unwrap_or("")
        );
    }
}

fn spawn(arguments: &[&str]) -> Result<Child, BenchError> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

const SENDER: &str = "sender";
