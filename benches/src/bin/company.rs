//! Processes that have one file open: from a commit in one until a listener in another hears of it, and what those cost
//! that have nothing to do.
//!
//! `company [commits] [processes]`, default 500 and 12, of 384 dimensions, at pauses of 5 to 50 ms. All processes read the
//! same clock. Then all are idle for ten seconds.

use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vectr_benches::{BenchError, Embeddings, Process, database, items, millis, percentile, shard_id};
use vectr_core::Target;

fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => measure(500, 12),
        [commits] => measure(commits.parse()?, 12),
        ["listen", folder] => listen(Path::new(folder)),
        [commits, processes] => measure(commits.parse()?, processes.parse()?),
        _ => Err("usage: company [commits] [processes]".into()),
    }
}

fn measure(commits: usize, processes: usize) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let embeddings = Embeddings::load()?;
    let db = database(folder.path(), "shared")?;
    let shard = shard_id()?;
    let mut listeners: Vec<Listener> =
        (1..processes).map(|_| Listener::spawn(folder.path())).collect::<Result<_, _>>()?;
    let mut committed = Vec::new();
    for index in 0..commits {
        sleep(Duration::from_millis(5 + (index as u64 * 7) % 46));
        let (id, payload) = items(&embeddings, index, 1)?.pop().ok_or("one item was asked for")?;
        db.insert(Target::shard(&shard), id, payload)?;
        committed.push((db.commit_no(), now()?));
    }
    sleep(Duration::from_secs(2));
    let before = listeners.iter().map(Listener::cpu).sum::<Result<Duration, BenchError>>()?;
    sleep(IDLE);
    let used = listeners.iter().map(Listener::cpu).sum::<Result<Duration, BenchError>>()? - before;
    let mut delays = Vec::new();
    for listener in &mut listeners {
        let heard = listener.close()?;
        for (commit_no, at) in &committed {
            // One who hears of a later commit has heard of this one.
            let (_, first) =
                heard.iter().find(|(heard, _)| heard >= commit_no).ok_or("a commit was never told")?;
            delays.push(Duration::from_micros(first.saturating_sub(*at)));
        }
    }
    println!(
        "{commits} commits, heard by {} processes: from the end of the commit until a listener hears of it",
        listeners.len()
    );
    println!(
        "  p50 {:.2} ms, p99 {:.2} ms",
        millis(percentile(&delays, 50)),
        millis(percentile(&delays, 99))
    );
    let share = used.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!("all of them idle for {IDLE:?}: {share:.3} % of a core");
    Ok(db.close()?)
}

/// The other processes: each says when it heard of which commit, once its input ends.
fn listen(folder: &Path) -> Result<(), BenchError> {
    let db = database(folder, "shared")?;
    let heard: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let listener = Arc::clone(&heard);
    let subscription = db.on_commit(Box::new(move |commit_no| {
        let at = now().unwrap_or_default();
        listener.lock().unwrap_or_else(PoisonError::into_inner).push((commit_no, at));
    }));
    println!("open");
    stdout().flush()?;
    stdin().read_line(&mut String::new())?;
    drop(subscription);
    for (commit_no, at) in heard.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("{commit_no} {at}");
    }
    Ok(db.close()?)
}

struct Listener {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    fn spawn(folder: &Path) -> Result<Self, BenchError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("listen")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or("no output")?);
        let mut listener = Self { child, input, output: BufReader::new(output).lines() };
        listener.output.next().ok_or("it ended")??;
        Ok(listener)
    }

    fn cpu(&self) -> Result<Duration, BenchError> {
        Process::of(self.child.id()).cpu()
    }

    fn close(&mut self) -> Result<Vec<(u64, u64)>, BenchError> {
        self.input = None;
        let mut heard = Vec::new();
        for line in &mut self.output {
            let line = line?;
            let (commit_no, at) = line.split_once(' ').ok_or("an unknown line")?;
            heard.push((commit_no.parse()?, at.parse()?));
        }
        self.child.wait()?;
        Ok(heard)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It has ended, unless the measurement failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Microseconds since 1970.
fn now() -> Result<u64, BenchError> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

const IDLE: Duration = Duration::from_secs(10);
