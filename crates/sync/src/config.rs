use std::path::PathBuf;
use std::time::Duration;

use vectr_delta::{PageSize, Strategy};
use vectr_transport::{EndpointConfig, TlsConfig};

use crate::SyncError;

/// How an engine syncs.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// Kept in the database for every shard that is synced; `None`: the kept one stands.
    pub strategy: Option<Strategy>,
    /// Most changes in one batch. `None`: as many as fit 256 KiB.
    pub batch_size: Option<u16>,
    /// How often a failed sync is tried again, where that can help. Default 3.
    pub max_retries: u32,
    /// The wait before the first retry, doubled each time, with jitter. Default 1 s.
    pub retry_backoff: Duration,
    /// How many batches of 256 KiB a peer may send before the first is applied. Default 16.
    pub window: u16,
    /// Whether what a sync has learnt of a peer's changelog is kept in the file, for the next process too. Without it
    /// each session looks at all of it again. Default true.
    pub persist_session: bool,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            strategy: None,
            batch_size: None,
            max_retries: 3,
            retry_backoff: Duration::from_secs(1),
            window: 16,
            persist_session: true,
        }
    }
}

impl SyncConfig {
    pub(crate) fn page_size(&self) -> PageSize {
        let default = PageSize::default();
        PageSize { rows: self.batch_size.map_or(default.rows, |rows| usize::from(rows).max(1)), ..default }
    }
}

/// How an engine reaches its peers, and whom it trusts.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// The node's own key and certificate, where `tls` gives none. `None`: `<database>.key`, or one for this process
    /// only where the database is in memory.
    pub identity: Option<PathBuf>,
    /// Whom to trust, and what to show; read again by [`SyncEngine::set_trust`](crate::SyncEngine::set_trust).
    pub tls: TlsConfig,
    /// Connections.
    pub endpoint: EndpointConfig,
}

impl NetworkConfig {
    /// Checks what [`EndpointConfig::validate`] checks.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` or `ERR_CONFIG`, naming the value.
    pub fn validate(&self) -> Result<(), SyncError> {
        Ok(self.endpoint.validate()?)
    }
}
