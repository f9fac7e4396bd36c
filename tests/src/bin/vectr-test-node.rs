//! A node for the tests that kill processes: `vectr-test-node <database> <state folder>`, then commands on standard
//! input: `listen`, `sync <address>`, `digest`, `check`, `close`.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::time::Duration;

use vectr_core::{Config, VectrDB};
use vectr_delta::{NodeName, ShardId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (database, state) = (arguments.next(), arguments.next());
    let shard = ShardId::new("phrases")?;
    let config = Config { path: database, state_dir: state, shard: Some(shard.clone()), ..Config::default() };
    let db = VectrDB::new(config)?;
    let name = NodeName::new(&format!("node-{}", std::process::id()))?;
    let name = db.node().unwrap_or(name);
    // The tests retry by themselves, to see each attempt.
    let sync = SyncConfig { max_retries: 0, ..SyncConfig::default() };
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = Duration::from_secs(5);
    let engine = SyncEngine::new(db.clone(), name, sync, network)?;
    for line in stdin().lock().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["listen"] => say(&engine.listen("127.0.0.1:0").await?.to_string()),
            ["sync", address] => say(&run_sync(&engine, &db, &shard, address).await?),
            ["digest"] => say(&db.digest(&shard)?.to_string()),
            ["check"] => say(&integrity(&db)?),
            _ => break,
        }
    }
    engine.close().await;
    db.close()?;
    Ok(())
}

async fn run_sync(engine: &SyncEngine, db: &VectrDB, shard: &ShardId, address: &str) -> Outcome<String> {
    let options = SyncOptions {
        progress: Some(Box::new(|progress| say(&format!("applied {}", progress.received)))),
        ..SyncOptions::default()
    };
    let result = engine.sync(shard, address, options).await?;
    let SyncResult { changes_sent, changes_applied, failure, .. } = result;
    Ok(match failure {
        Some(failure) => format!("failed {}", failure.code),
        None => format!("done {changes_sent} {changes_applied} {}", db.digest(shard)?),
    })
}

fn integrity(db: &VectrDB) -> Outcome<String> {
    let rows = db.query("PRAGMA integrity_check", Vec::new())?;
    Ok(format!("{:?}", rows.rows))
}

fn say(line: &str) {
    println!("{line}");
    // A reader that is gone has no use for it.
    let _ = stdout().flush();
}
