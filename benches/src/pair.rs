use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{NodeName, Payload, ShardId, VectorId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};
use vectr_transport::EndpointConfig;

use crate::{BenchError, Embeddings, vector_id};

/// The shard of every benchmark.
///
/// # Errors
/// None for the name given here.
pub fn shard_id() -> Result<ShardId, BenchError> {
    Ok(ShardId::new("phrases")?)
}

/// Opens `<name>.db` in `folder`, with everything that belongs to it in the same folder.
///
/// # Errors
/// Where it cannot be opened.
pub fn database(folder: &Path, name: &str) -> Result<VectrDB, BenchError> {
    let mut config = Config::default();
    config.path(database_path(folder, name)).shard(shard_id()?);
    Ok(VectrDB::new(config)?)
}

/// An engine over a database, with the defaults of everything.
///
/// # Errors
/// Where it has no identity and none can be made.
pub fn engine(db: &VectrDB, name: &str) -> Result<SyncEngine, BenchError> {
    networked(db, name, NetworkConfig::default())
}

fn networked(db: &VectrDB, name: &str, network: NetworkConfig) -> Result<SyncEngine, BenchError> {
    Ok(SyncEngine::new(db.clone(), NodeName::new(name)?, SyncConfig::default(), network)?)
}

/// The vectors `first..first + count` as a local writer hands them in, without metadata.
///
/// # Errors
/// Where the embeddings are not finite.
pub fn items(embeddings: &Embeddings, first: usize, count: usize) -> Result<Vec<Item>, BenchError> {
    let item = |index| Ok((Some(vector_id(index)?), Payload::new(embeddings.vector(index), None)?));
    (first..first + count).map(item).collect()
}

/// Inserts [`items`], 1,000 in each transaction.
///
/// # Errors
/// Where the database refuses them.
pub fn insert(db: &VectrDB, items: Vec<Item>) -> Result<(), BenchError> {
    let shard = shard_id()?;
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        db.insert_batch(Target::shard(&shard), items.by_ref().take(1_000).collect())?;
    }
    Ok(())
}

/// What a local writer hands in: an id, and what is to be stored under it.
pub type Item = (Option<VectorId>, Payload);

/// Two databases and their engines in one process, the first of which calls the other over loopback.
pub struct Pair {
    /// The one that calls.
    pub near: VectrDB,
    /// The one that listens.
    pub far: VectrDB,
    near_engine: SyncEngine,
    far_engine: SyncEngine,
    address: String,
}

impl Pair {
    /// Two empty databases in `folder`, one of them listening.
    ///
    /// # Errors
    /// Where a file or socket cannot be made.
    pub async fn open(folder: &Path) -> Result<Self, BenchError> {
        Self::networked(folder, NetworkConfig::default()).await
    }

    /// The same, with no other way between them than TCP.
    ///
    /// # Errors
    /// As [`Pair::open`].
    pub async fn over_tcp(folder: &Path) -> Result<Self, BenchError> {
        let mut endpoint = EndpointConfig::default();
        endpoint.quic(false);
        Self::networked(folder, NetworkConfig::default().endpoint(endpoint).clone()).await
    }

    async fn networked(folder: &Path, network: NetworkConfig) -> Result<Self, BenchError> {
        let (near, far) = (database(folder, "near")?, database(folder, "far")?);
        let (near_engine, far_engine) =
            (networked(&near, "near", network.clone())?, networked(&far, "far", network)?);
        let address = far_engine.listen("127.0.0.1:0").await?.to_string();
        Ok(Self { near, far, near_engine, far_engine, address })
    }

    /// A whole sync, called by the near side, and the time it took.
    ///
    /// # Errors
    /// Where it does not succeed.
    pub async fn sync(&self) -> Result<(SyncResult, Duration), BenchError> {
        let shard = shard_id()?;
        let started = Instant::now();
        let result = self.near_engine.sync(&shard, &self.address, SyncOptions::default()).await?;
        let took = started.elapsed();
        match &result.failure {
            None => Ok((result, took)),
            Some(failure) => Err(format!("{}: {}", failure.code, failure.message).into()),
        }
    }

    /// Lets go of sockets and files.
    ///
    /// # Errors
    /// Where a database cannot be closed.
    pub async fn close(self) -> Result<(), BenchError> {
        self.near_engine.close().await;
        self.far_engine.close().await;
        self.near.close()?;
        Ok(self.far.close()?)
    }
}

fn database_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.db"))
}
