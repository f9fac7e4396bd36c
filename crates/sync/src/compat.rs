use std::time::Duration;

use vectr_core::VectrDB;
use vectr_delta::ShardId;
use vectr_transport::PoolStatistics;

use crate::{NetworkConfig, SyncConfig, SyncEngine, SyncError, SyncOptions, node_name};

/// Syncs with one server. Kept for the API of the first source document.
///
/// ```no_run
/// use vectr_core::{Config, VectrDB};
/// use vectr_sync::QuicSync;
///
/// # async fn run() -> Result<(), vectr_sync::SyncError> {
/// let db = VectrDB::new(Config::default())?;
/// let sync = QuicSync::new(db, "coordination-server.local")?;
///
/// let result = sync.sync("agent_001").await?;
/// println!("Sync latency: {}ms", result.sync_latency_ms);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct QuicSync {
    engine: SyncEngine,
    address: String,
}

/// The result of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuicSyncResult {
    /// Rows sent.
    pub local_vectors_sent: u64,
    /// Rows of the server that changed this database.
    pub remote_vectors_received: u64,
    /// Vectors that gained concurrent versions here and were resolved by the shard's strategy.
    pub conflicts_resolved: u64,
    /// Time from the call to its result, in whole milliseconds.
    pub sync_latency_ms: u64,
}

impl QuicSync {
    /// For the server at `address`: `host` (port 4433) or `host:port`.
    ///
    /// # Errors
    /// As [`SyncEngine::new`].
    pub fn new(db: VectrDB, address: &str) -> Result<Self, SyncError> {
        Self::with(db, address, NetworkConfig::default())
    }

    /// As [`QuicSync::new`], with a network configuration.
    ///
    /// # Errors
    /// As [`SyncEngine::new`].
    pub fn with(db: VectrDB, address: &str, network: NetworkConfig) -> Result<Self, SyncError> {
        let node = node_name(&db)?;
        let engine = SyncEngine::new(db, node, SyncConfig::default(), network)?;
        Ok(Self { engine, address: address.to_owned() })
    }

    /// Exchanges with the server what each side lacks of `shard`.
    ///
    /// # Errors
    /// Any failure of the sync, under its code.
    pub async fn sync(&self, shard: &str) -> Result<QuicSyncResult, SyncError> {
        let shard = ShardId::new(shard)?;
        let result = self.engine.sync(&shard, &self.address, SyncOptions::default()).await?.into_result()?;
        Ok(QuicSyncResult {
            local_vectors_sent: result.changes_sent,
            remote_vectors_received: result.changes_applied,
            conflicts_resolved: result.conflicts_resolved,
            sync_latency_ms: whole_millis(result.duration),
        })
    }

    /// Statistics of the connections made from here.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.engine.statistics()
    }

    /// The underlying engine.
    #[must_use]
    pub const fn engine(&self) -> &SyncEngine {
        &self.engine
    }

    /// Closes the sockets.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
