use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use vectr_core::{Clock, Config, Entry, Target, VectrDB};
use vectr_delta::{Metadata, NodeName, Payload, ShardId, Strategy, Timestamp, VectorId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};

pub(crate) struct Node {
    pub(crate) db: VectrDB,
    pub(crate) engine: SyncEngine,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn shard() -> ShardId {
    ShardId::new("shard-1").unwrap()
}

pub(crate) fn id(text: &str) -> VectorId {
    VectorId::new(text).unwrap()
}

pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::file(folder.join("agent.db"));
    config.shard(shard());
    config
}

pub(crate) fn quick() -> SyncConfig {
    SyncConfig::default().max_retries(0).retry_backoff(Duration::from_millis(1)).clone()
}

pub(crate) fn strategy(strategy: Strategy) -> SyncConfig {
    quick().strategy(strategy).clone()
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, quick(), NetworkConfig::default())
    }

    pub(crate) fn with(name: &str, sync: SyncConfig, network: NetworkConfig) -> Self {
        Self::in_folder(name, tempfile::tempdir().unwrap(), sync, network, None)
    }

    pub(crate) fn in_folder(
        name: &str,
        folder: tempfile::TempDir,
        sync: SyncConfig,
        network: NetworkConfig,
        clock: Option<Clock>,
    ) -> Self {
        let mut config = config(folder.path());
        if let Some(clock) = clock {
            config.clock = clock;
        }
        Self::of(name, folder, config, sync, network)
    }

    /// A node whose database is opened as `config` says, in `folder`.
    pub(crate) fn of(
        name: &str,
        folder: tempfile::TempDir,
        config: Config,
        sync: SyncConfig,
        mut network: NetworkConfig,
    ) -> Self {
        // `VECTR_TEST_CARRIER=tcp`: the same tests over the fallback alone.
        if std::env::var("VECTR_TEST_CARRIER").is_ok_and(|carrier| carrier == "tcp") {
            network.endpoint.quic = false;
        }
        let db = VectrDB::new(config).unwrap();
        let engine = SyncEngine::new(db.clone(), NodeName::new(name).unwrap(), sync, network).unwrap();
        Self { db, engine, folder }
    }

    pub(crate) async fn listen(&self) -> String {
        self.engine.listen("127.0.0.1:0").await.unwrap().to_string()
    }

    pub(crate) async fn sync(&self, address: &str) -> SyncResult {
        self.engine.sync(&shard(), address, SyncOptions::default()).await.unwrap()
    }

    pub(crate) async fn synced(&self, address: &str) -> SyncResult {
        let result = self.sync(address).await;
        assert_eq!(result.failure, None);
        result
    }

    pub(crate) fn put(&self, name: &str, vector: &[f32], metadata: &str) {
        self.db.upsert(at(&shard()), &id(name), payload(vector, metadata)).unwrap();
    }

    pub(crate) fn get(&self, name: &str) -> Option<Entry> {
        self.db.get(at(&shard()), &id(name)).unwrap()
    }

    pub(crate) fn digest(&self) -> String {
        self.db.digest(&shard()).unwrap().to_string()
    }

    /// Closes everything and hands the folder back.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.engine.close().await;
        self.db.close().unwrap();
        self.folder
    }
}

pub(crate) fn at(shard: &ShardId) -> Target<'_> {
    Target { shard, transaction: None }
}

pub(crate) fn payload(vector: &[f32], metadata: &str) -> Payload {
    Payload::from_components(vector, Some(Metadata::new(metadata).unwrap())).unwrap()
}

/// Runs SQL on the closed file of a node, as another program does.
pub(crate) fn alter(folder: &tempfile::TempDir, sql: &str) {
    let raw = Connection::open(folder.path().join("agent.db")).unwrap();
    raw.execute_batch(sql).unwrap();
    raw.close().unwrap();
}

/// Whether the file of a node says that its shard is to be repaired.
pub(crate) fn is_marked(folder: &tempfile::TempDir) -> bool {
    let raw = Connection::open(folder.path().join("agent.db")).unwrap();
    let marks = "SELECT count(*) FROM altered WHERE present = 1";
    raw.query_row(marks, [], |row| row.get::<_, i64>(0)).unwrap() == 1
}

/// A clock that stands still until it is set.
pub(crate) fn hand_clock(micros: u64) -> (Arc<AtomicU64>, Clock) {
    let hand = Arc::new(AtomicU64::new(micros));
    let read = Arc::clone(&hand);
    (hand, Clock::new(move || Timestamp::from_micros(read.load(Ordering::SeqCst))))
}
