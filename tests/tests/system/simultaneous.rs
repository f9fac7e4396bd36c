//! Two nodes that sync with each other at the same moment, both as initiator, while both are written to: every sync
//! succeeds. Real files, real QUIC.

use std::io::{Write, stderr};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Barrier;

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{NodeName, ShardId, VectorId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};
use vectr_tests::{Embeddings, Random};

use crate::alone::turn;

const ROUNDS: u64 = 1_000;
const IDS: u64 = 200;
/// Far longer than any round takes, on any machine.
const STUCK: Duration = Duration::from_secs(60);

#[test]
fn two_nodes_that_call_each_other_at_the_same_moment_both_succeed() {
    let _turn = turn();
    let seed = Random::seed("VECTR_SIMULTANEOUS_SEED");
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let inside = runtime.enter();
    let [a, b] = ["a", "b"].map(|name| Arc::new(Node::open(folder.path(), name)));
    drop(inside);
    let (done, watched) = channel();
    let watchdog = watch([Arc::clone(&a), Arc::clone(&b)], watched);
    let writing = Arc::new(AtomicBool::new(true));
    let writers = [&a, &b].map(|node| write_on(node, &writing, seed));
    runtime.block_on(async {
        let [at_a, at_b] = [listen(&a).await, listen(&b).await];
        let start = Arc::new(Barrier::new(2));
        let callers = [(&a, at_b), (&b, at_a)].map(|(node, address)| {
            tokio::spawn(call_again_and_again(Arc::clone(node), address, Arc::clone(&start), done.clone()))
        });
        for caller in callers {
            caller.await.unwrap();
        }
    });
    writing.store(false, Ordering::Relaxed);
    let commits = writers.map(|writer| writer.join().unwrap());
    runtime.block_on(async {
        let at_b = listen(&b).await;
        a.sync(&at_b).await;
        assert_eq!(a.digest(), b.digest(), "after a last sync");
        println!(
            "{ROUNDS} times at once; {} and {} commits meanwhile; {} and {} rows sent; digests equal",
            commits[0],
            commits[1],
            a.sent.load(Ordering::Relaxed),
            b.sent.load(Ordering::Relaxed),
        );
        a.close().await;
        b.close().await;
    });
    drop(done);
    watchdog.join().unwrap();
}

struct Node {
    name: &'static str,
    db: VectrDB,
    engine: SyncEngine,
    /// For the watchdog: what it is doing.
    doing: Mutex<String>,
    sent: AtomicU64,
}

impl Node {
    fn open(folder: &Path, name: &'static str) -> Self {
        let mut config = Config::default();
        config.path(folder.join(format!("{name}.db"))).shard(shard());
        let db = VectrDB::new(config).unwrap();
        // A retry would hide what this is about.
        let mut sync = SyncConfig::default();
        sync.max_retries(0);
        let node = NodeName::new(name).unwrap();
        let engine = SyncEngine::new(db.clone(), node, sync, NetworkConfig::default()).unwrap();
        Self { name, db, engine, doing: Mutex::default(), sent: AtomicU64::new(0) }
    }

    async fn sync(self: &Arc<Self>, address: &str) -> SyncResult {
        let told = Arc::clone(self);
        let progress = move |progress| *told.doing.lock().unwrap() = format!("syncing: {progress:?}");
        let mut options = SyncOptions::default();
        options.progress(progress);
        let result = self.engine.sync(&shard(), address, options).await.unwrap();
        assert_eq!(result.failure, None, "node {}: {result:?}", self.name);
        result
    }

    fn digest(&self) -> String {
        self.db.digest(&shard()).unwrap().to_string()
    }

    async fn close(&self) {
        self.engine.close().await;
        self.db.close().unwrap();
    }

    /// Asks for nothing that could wait for the database or for the runtime.
    fn print_state(&self) {
        let doing = self.doing.try_lock().map_or_else(|_| "unknown".to_owned(), |doing| doing.clone());
        let (committed, durable) = (self.db.commit_no(), self.db.durable_no());
        let pool = self.engine.statistics();
        say(&format!("node {}: {doing}; commit {committed}, durable {durable}; {pool:?}", self.name));
    }
}

async fn listen(node: &Node) -> String {
    node.engine.listen("127.0.0.1:0").await.unwrap().to_string()
}

async fn call_again_and_again(
    node: Arc<Node>,
    address: String,
    start: Arc<Barrier>,
    done: std::sync::mpsc::Sender<()>,
) {
    for round in 0..ROUNDS {
        *node.doing.lock().unwrap() = format!("waiting for the other one before round {round}");
        start.wait().await;
        *node.doing.lock().unwrap() = format!("calling in round {round}");
        let result = node.sync(&address).await;
        node.sent.fetch_add(result.changes_sent, Ordering::Relaxed);
        done.send(()).unwrap();
    }
    *node.doing.lock().unwrap() = "done".to_owned();
}

/// Commits one write after the other, of ids that the other node writes too, until it is told to stop. Every eighth
/// waits for the disk, as the syncs do.
fn write_on(node: &Arc<Node>, writing: &Arc<AtomicBool>, seed: u64) -> std::thread::JoinHandle<u64> {
    let (db, writing) = (node.db.clone(), Arc::clone(writing));
    let mut random = Random::new(seed ^ u64::from(node.name.as_bytes()[0]));
    let embeddings = Embeddings::load();
    std::thread::spawn(move || {
        let (shard, mut commits) = (shard(), 0);
        while writing.load(Ordering::Relaxed) {
            let id = VectorId::new(&format!("shared-{}", random.below(IDS))).unwrap();
            if random.below(4) == 0 {
                db.delete(Target::shard(&shard), &id).unwrap();
            } else {
                let (_, payload) = embeddings.entry(random.below(6_000) as usize);
                db.upsert(Target::shard(&shard), &id, payload).unwrap();
            }
            commits += 1;
            if commits % 8 == 0 {
                db.await_durable(db.commit_no()).unwrap();
            }
        }
        commits
    })
}

/// On a thread of its own, since a deadlock may hold all others. Ends the test with what was going on.
fn watch(nodes: [Arc<Node>; 2], done: Receiver<()>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        loop {
            match done.recv_timeout(STUCK) {
                Ok(()) => {}
                Err(Disconnected) => return,
                Err(Timeout) => break,
            }
        }
        say(&format!("no sync has ended for {STUCK:?}:"));
        for node in &nodes {
            node.print_state();
        }
        exit(101);
    })
}

/// Past the test harness, which keeps what is printed until a test has ended.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn shard() -> ShardId {
    ShardId::new("phrases").unwrap()
}
