//! A node for the tests that kill processes: `vectr-test-node <database> [<name> <retries>]`, then
//! commands on standard input, each answered with a line:
//!
//! - `listen [<address>]`: the bound address, or `failed <code>`;
//! - `sync [<shard>] <address>`: lines `applied <rows>`, then `done <sent> <applied> <digest>` or `failed <code>`;
//! - `auto <shard> <address>`, `stop`: begins an auto-sync, ends all of them;
//! - `write <shard> <count> <seed>`: once all are safe on disk, a digit for each write, 0 for those that changed nothing;
//! - `digest [<shard>]`, `held <shard>` (its version vector), `list <shard>` (`id=mark` of each vector), `check`;
//! - `close`.
//!
//! Where no shard is named, `phrases` is meant.

use std::error::Error;
use std::io::{BufRead, Write as _, stdin, stdout};
use std::path::PathBuf;
use std::time::Duration;

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{NodeName, ShardId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};
use vectr_tests::Write;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let node = Node::open()?;
    for line in stdin().lock().lines() {
        match line?.split(' ').collect::<Vec<_>>().as_slice() {
            ["close"] => break,
            command => say(&node.answer(command).await?),
        }
    }
    node.engine.close().await;
    node.db.close()?;
    Ok(())
}

struct Node {
    db: VectrDB,
    engine: SyncEngine,
    name: NodeName,
}

impl Node {
    fn open() -> Outcome<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [database, rest @ ..] = &arguments[..] else {
            return Err("usage: vectr-test-node <database> [<name> <retries>]".into());
        };
        let (name, retries) = match rest {
            [name, retries] => (name.clone(), retries.parse()?),
            // The tests that give no number retry by themselves, to see each attempt.
            _ => (format!("node-{}", std::process::id()), 0),
        };
        let mut config = Config::default();
        config.path(PathBuf::from(database)).shard(phrases()?);
        let db = VectrDB::new(config)?;
        let name = db.node().map_or_else(|| NodeName::new(&name), Ok)?;
        let mut sync = SyncConfig::default();
        sync.max_retries(retries).retry_backoff(Duration::from_millis(100));
        let mut network = NetworkConfig::default();
        network.endpoint.idle_timeout = Duration::from_secs(if retries == 0 { 5 } else { 2 });
        let engine = SyncEngine::new(db.clone(), name.clone(), sync, network)?;
        Ok(Self { db, engine, name })
    }

    async fn answer(&self, command: &[&str]) -> Outcome<String> {
        match command {
            ["listen"] => self.listen("127.0.0.1:0").await,
            ["listen", address] => self.listen(address).await,
            ["sync", address] => self.sync(&phrases()?, address).await,
            ["sync", shard, address] => self.sync(&ShardId::new(shard)?, address).await,
            ["auto", shard, address] => {
                self.engine.start_auto_sync(&ShardId::new(shard)?, address, None)?;
                Ok("ok".to_owned())
            }
            ["stop"] => {
                self.engine.stop_all_auto_syncs();
                Ok("ok".to_owned())
            }
            ["write", shard, count, seed] => self.write(&ShardId::new(shard)?, count.parse()?, seed.parse()?),
            ["digest"] => Ok(self.db.digest(&phrases()?)?.to_string()),
            ["digest", shard] => Ok(self.db.digest(&ShardId::new(shard)?)?.to_string()),
            ["held", shard] => self.held(&ShardId::new(shard)?),
            ["list", shard] => self.list(&ShardId::new(shard)?),
            ["check"] => {
                let rows = self.db.query("PRAGMA integrity_check", Vec::new())?;
                Ok(format!("{:?}", rows.rows))
            }
            _ => Err(format!("unknown command: {}", command.join(" ")).into()),
        }
    }

    async fn listen(&self, address: &str) -> Outcome<String> {
        match self.engine.listen(address).await {
            Ok(bound) => Ok(bound.to_string()),
            Err(error) => Ok(format!("failed {}", error.code())),
        }
    }

    async fn sync(&self, shard: &ShardId, address: &str) -> Outcome<String> {
        let mut options = SyncOptions::default();
        options.progress(|progress| say(&format!("applied {}", progress.received)));
        let result = self.engine.sync(shard, address, options).await?;
        let SyncResult { changes_sent, changes_applied, failure, .. } = result;
        Ok(match failure {
            Some(failure) => format!("failed {}", failure.code),
            None => format!("done {changes_sent} {changes_applied} {}", self.db.digest(shard)?),
        })
    }

    fn write(&self, shard: &ShardId, count: u64, seed: u64) -> Outcome<String> {
        let mut changed = String::new();
        for Write { id, put } in Write::all(self.name.as_str(), seed, count) {
            let at = Target::shard(shard);
            let has_changed = match put {
                Some((_, payload)) => self.db.upsert(at, &id, payload).map(|()| true)?,
                None => self.db.delete(at, &id)?,
            };
            changed.push(if has_changed { '1' } else { '0' });
        }
        self.db.await_durable(self.db.commit_no())?;
        Ok(changed)
    }

    fn held(&self, shard: &ShardId) -> Outcome<String> {
        let held = self.db.shard_statistics(shard)?.version_vector;
        Ok(held.iter().map(|(site, seq)| format!("{site}={seq}")).collect::<Vec<_>>().join(" "))
    }

    fn list(&self, shard: &ShardId) -> Outcome<String> {
        let mut listed = Vec::new();
        let mut iteration = self.db.iterate(shard, false)?;
        loop {
            let page = iteration.next_page(100)?;
            if page.is_empty() {
                return Ok(listed.join(" "));
            }
            for vector in page {
                let mark = vector.metadata.as_ref().and_then(Write::mark).unwrap_or_default();
                listed.push(format!("{}={mark}", vector.id));
            }
        }
    }
}

fn phrases() -> Outcome<ShardId> {
    Ok(ShardId::new("phrases")?)
}

fn say(line: &str) {
    println!("{line}");
    // A reader that is gone has no use for it.
    let _ = stdout().flush();
}
