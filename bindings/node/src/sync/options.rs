use std::collections::HashMap;
use std::time::Duration;

use napi_derive::napi;
use vectr_delta::Fingerprint;
use vectr_sync::{NetworkConfig, SyncConfig};
use vectr_transport::{Environment, Grant, Rights, TlsConfig, TlsFile, TlsSecret};

use crate::failure::Failure;

/// How to sync. What is left out has the engine's default.
#[napi(object, object_to_js = false)]
pub struct SyncOptions {
    /// The strategy of every shard that is synced.
    pub conflict_strategy: Option<String>,
    /// Most changes in one batch.
    pub batch_size: Option<u16>,
    /// Whether batches travel packed.
    pub compression: Option<bool>,
    /// How often to try again.
    pub max_retries: Option<u32>,
    /// Milliseconds before the first retry.
    pub retry_backoff_ms: Option<f64>,
    /// Milliseconds between full checks of each auto-sync; 0 for none.
    pub sync_interval_ms: Option<f64>,
    /// Whether the file keeps how far peers were read.
    pub persist_session: Option<bool>,
    /// Most bytes that wait for peers to read.
    pub max_unsent_bytes: Option<f64>,
    /// Most bytes of peers that wait to be applied.
    pub max_unapplied_bytes: Option<f64>,
    /// Most shards that a peer makes.
    pub max_shards_per_peer: Option<u32>,
}

/// How to reach peers, and whom to trust. What is left out has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NetworkOptions {
    /// The TLS server name.
    pub server_name: Option<String>,
    /// Milliseconds for a whole attempt.
    pub connect_timeout_ms: Option<f64>,
    /// Milliseconds of silence.
    pub max_idle_timeout_ms: Option<f64>,
    /// Streams that a peer may have open.
    pub max_concurrent_streams: Option<u32>,
    /// Connections.
    pub max_connections: Option<u32>,
    /// Early data.
    pub enable_0rtt: Option<bool>,
    /// UDP.
    pub enable_quic: Option<bool>,
    /// TCP.
    pub enable_fallback: Option<bool>,
    /// Whom to trust.
    pub tls: TlsOptions,
}

/// Whom to trust, and what to show.
#[napi(object, object_to_js = false)]
pub struct TlsOptions {
    /// This node's certificates.
    pub cert_path: Option<String>,
    /// Its key.
    pub key_path: Option<String>,
    /// The authorities.
    pub ca_path: Option<String>,
    /// Peers to trust by fingerprint.
    pub pinned_fingerprints: Option<Vec<String>>,
    /// What members know, the newest first.
    pub cluster_secrets: Vec<String>,
    /// By fingerprint, name, or `*`.
    pub rights: Option<HashMap<String, GrantRecord>>,
    /// Whether to trust everybody.
    pub dangerous_accept_any_peer: bool,
}

/// Shards, `*` for all.
#[napi(object, object_to_js = false)]
pub struct GrantRecord {
    /// To read.
    pub read: Vec<String>,
    /// To read and write.
    pub write: Vec<String>,
}

impl SyncOptions {
    pub(crate) fn config(self) -> Result<SyncConfig, Failure> {
        let mut config = SyncConfig::default();
        config.batch_size = self.batch_size;
        config.strategy = self.conflict_strategy.as_deref().map(str::parse).transpose()?;
        set(&mut config.compression, self.compression);
        set(&mut config.max_retries, self.max_retries);
        set(&mut config.retry_backoff, self.retry_backoff_ms.map(millis));
        set(&mut config.persist_session, self.persist_session);
        set(&mut config.max_unsent_bytes, self.max_unsent_bytes.map(|bytes| bytes as u64));
        set(&mut config.max_unapplied_bytes, self.max_unapplied_bytes.map(|bytes| bytes as u64));
        set(&mut config.max_shards_per_peer, self.max_shards_per_peer);
        Ok(config)
    }

    /// Between full checks of each auto-sync.
    pub(crate) fn interval(&self) -> Option<Duration> {
        interval(self.sync_interval_ms)
    }
}

impl NetworkOptions {
    /// The arguments, over what the environment says. Opens no file.
    pub(crate) fn config(self) -> Result<NetworkConfig, Failure> {
        let mut endpoint = Environment::current()?.endpoint();
        set(&mut endpoint.server_name, self.server_name);
        set(&mut endpoint.connect_timeout, self.connect_timeout_ms.map(millis));
        set(&mut endpoint.idle_timeout, self.max_idle_timeout_ms.map(millis));
        set(&mut endpoint.max_concurrent_streams, self.max_concurrent_streams);
        set(&mut endpoint.max_connections, self.max_connections.map(|most| most as usize));
        set(&mut endpoint.enable_0rtt, self.enable_0rtt);
        set(&mut endpoint.quic, self.enable_quic);
        set(&mut endpoint.fallback, self.enable_fallback);
        Ok(NetworkConfig::default().endpoint(endpoint).tls(self.tls.config()?).clone())
    }
}

impl TlsOptions {
    /// As [`NetworkOptions::config`].
    pub(crate) fn config(self) -> Result<TlsConfig, Failure> {
        let file = |name, path: Option<String>| path.map(|path| TlsFile { name, path: path.into() });
        let pins = |pins: Vec<String>| pins.iter().map(|pin| fingerprint(pin)).collect::<Result<_, _>>();
        let secret = |text| TlsSecret { name: "tls.clusterSecret", text };
        let mut given = TlsConfig::default();
        given.certificate = file("tls.certPath", self.cert_path);
        given.key = file("tls.keyPath", self.key_path);
        given.authority = file("tls.caPath", self.ca_path);
        given.pins = self.pinned_fingerprints.map(pins).transpose()?;
        given.secrets = self.cluster_secrets.into_iter().map(secret).collect();
        given.rights = self.rights.map(rights).transpose()?;
        given.dangerous_accept_any_peer = self.dangerous_accept_any_peer;
        Ok(Environment::current()?.tls(given))
    }
}

fn rights(grants: HashMap<String, GrantRecord>) -> Result<Rights, Failure> {
    let mut rights = Rights::none();
    for (subject, GrantRecord { read, write }) in grants {
        let grant = Grant { read: read.into_iter().collect(), write: write.into_iter().collect() };
        rights.grant(&subject, grant)?;
    }
    Ok(rights)
}

/// The address, else the one of its parts and the environment.
pub(crate) fn listen_address(
    address: Option<String>,
    host: Option<&str>,
    port: Option<u16>,
) -> Result<String, Failure> {
    match address {
        Some(address) => Ok(address),
        None => Ok(Environment::current()?.listen_address(host, port)),
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

pub(crate) fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    Ok(text.parse::<Fingerprint>()?)
}

/// None for 0.
pub(crate) fn interval(value: Option<f64>) -> Option<Duration> {
    value.map(millis).filter(|interval| !interval.is_zero())
}

/// A whole number below 2^53, as the facade has checked.
pub(crate) fn millis(value: f64) -> Duration {
    Duration::from_millis(value as u64)
}
