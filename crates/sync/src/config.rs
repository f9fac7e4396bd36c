use std::path::PathBuf;
use std::time::Duration;

use vectr_delta::{Codec, Lz4Columns, PageSize, Strategy, Uncompressed};
use vectr_transport::{EndpointConfig, TlsConfig};

use crate::SyncError;
use crate::limits::bounds::{MAX_SHARDS_PER_PEER, MAX_UNAPPLIED_BYTES, MAX_UNSENT_BYTES};

/// Configuration of an engine's syncs.
///
/// Set the fields directly or by the methods of the same names.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// Bytes that are read for peers and wait for them to read, over all sessions of the node. Beyond it each session
    /// holds one page. At least 1; default 32 MiB.
    pub max_unsent_bytes: u64,
    /// Bytes that peers have sent and this node has yet to apply, over all sessions of the node. Beyond it each session
    /// reads on only once its storage has nothing to do. As much again may have arrived of messages above 512 KiB that are
    /// not whole. At least 1; default 32 MiB.
    pub max_unapplied_bytes: u64,
    /// Number of shards that sessions opened by one peer may make, as long as the engine lives. Default 1,000.
    pub max_shards_per_peer: u32,
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
            max_unsent_bytes: MAX_UNSENT_BYTES,
            max_unapplied_bytes: MAX_UNAPPLIED_BYTES,
            max_shards_per_peer: MAX_SHARDS_PER_PEER,
        }
    }
}

impl SyncConfig {
    /// Sets the strategy that the database stores for each shard that is synced.
    pub const fn strategy(&mut self, strategy: Strategy) -> &mut Self {
        self.strategy = Some(strategy);
        self
    }

    /// Sets the maximum number of changes in one batch.
    pub const fn batch_size(&mut self, batch_size: u16) -> &mut Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Sets whether ids and metadata travel compressed. Default true.
    pub const fn compression(&mut self, compression: bool) -> &mut Self {
        self.compression = compression;
        self
    }

    /// Sets the maximum number of retries after a transient failure. Default 3.
    pub const fn max_retries(&mut self, max_retries: u32) -> &mut Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the delay before the first retry. Default 1 s.
    pub const fn retry_backoff(&mut self, retry_backoff: Duration) -> &mut Self {
        self.retry_backoff = retry_backoff;
        self
    }

    /// Sets the number of batches that a peer may send before the first is applied. Default 16.
    pub const fn window(&mut self, window: u16) -> &mut Self {
        self.window = window;
        self
    }

    /// Sets whether the file keeps how far each peer's changelog has been read. Default true.
    pub const fn persist_session(&mut self, persist_session: bool) -> &mut Self {
        self.persist_session = persist_session;
        self
    }

    /// Sets how many bytes that were read for peers may wait for them. Default 32 MiB.
    pub const fn max_unsent_bytes(&mut self, max_unsent_bytes: u64) -> &mut Self {
        self.max_unsent_bytes = max_unsent_bytes;
        self
    }

    /// Sets how many bytes of peers may wait to be applied. Default 32 MiB.
    pub const fn max_unapplied_bytes(&mut self, max_unapplied_bytes: u64) -> &mut Self {
        self.max_unapplied_bytes = max_unapplied_bytes;
        self
    }

    /// Sets how many shards one peer may make. Default 1,000.
    pub const fn max_shards_per_peer(&mut self, max_shards_per_peer: u32) -> &mut Self {
        self.max_shards_per_peer = max_shards_per_peer;
        self
    }

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
///
/// Set the fields directly or by the methods of the same names.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
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
    /// Sets the file of the node's key and certificate.
    pub fn identity(&mut self, identity: impl Into<PathBuf>) -> &mut Self {
        self.identity = Some(identity.into());
        self
    }

    /// Sets the trusted peers, and the certificate of this node.
    pub fn tls(&mut self, tls: TlsConfig) -> &mut Self {
        self.tls = tls;
        self
    }

    /// Sets the limits and timings of connections.
    pub fn endpoint(&mut self, endpoint: EndpointConfig) -> &mut Self {
        self.endpoint = endpoint;
        self
    }

    /// Checks what [`EndpointConfig::validate`] checks.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` or `ERR_CONFIG`, naming the value.
    pub fn validate(&self) -> Result<(), SyncError> {
        Ok(self.endpoint.validate()?)
    }
}
