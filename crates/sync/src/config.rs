use std::path::PathBuf;
use std::time::Duration;

use vectr_delta::{Codec, Lz4Columns, PageSize, Strategy, Uncompressed};
use vectr_transport::{EndpointConfig, TlsConfig};

use crate::SyncError;

/// Configuration of an engine's syncs.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// Stored in the database for each shard that is synced. `None` keeps the stored one.
    pub strategy: Option<Strategy>,
    /// Maximum number of changes in one batch. `None`: as many as fit into 256 KiB.
    pub batch_size: Option<u16>,
    /// Sends and accepts batches with LZ4-compressed ids and metadata, if the peer does too and it saves at least a
    /// sixteenth. Embeddings do not compress and are sent as they are. Default true.
    pub compression: bool,
    /// Maximum number of retries after a transient failure. Default 3.
    pub max_retries: u32,
    /// Delay before the first retry. Doubles with each retry, with jitter. Default 1 s.
    pub retry_backoff: Duration,
    /// Number of batches of 256 KiB that a peer may send before the first is applied. Default 16.
    pub window: u16,
    /// Stores in the file how far each peer's changelog has been read. Without it each session reads all of it again.
    /// Default true.
    pub persist_session: bool,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            strategy: None,
            batch_size: None,
            compression: true,
            max_retries: 3,
            retry_backoff: Duration::from_secs(1),
            window: 16,
            persist_session: true,
        }
    }
}

impl SyncConfig {
    /// The codecs that this node reads and writes, the best one last.
    pub(crate) fn codecs(&self) -> &'static [&'static dyn Codec] {
        if self.compression { &[&Uncompressed, &Lz4Columns] } else { &[&Uncompressed] }
    }

    pub(crate) fn page_size(&self) -> PageSize {
        let default = PageSize::default();
        PageSize { rows: self.batch_size.map_or(default.rows, |rows| usize::from(rows).max(1)), ..default }
    }
}

/// Connections, identity and trust of an engine.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// File of the node's key and certificate, unless `tls` gives them. `None`: `<database>.key`, or for a database in
    /// memory an identity that lives as long as this process.
    pub identity: Option<PathBuf>,
    /// Trusted peers, and the certificate of this node. [`SyncEngine::set_trust`](crate::SyncEngine::set_trust)
    /// replaces it.
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
