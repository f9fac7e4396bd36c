//! The sync engine: drives sessions of `vectr-delta` over the streams of `vectr-transport` against the shards of
//! `vectr-core`. The only library that knows both SQLite and QUIC.

mod answer;
mod attempt;
mod cancel;
mod config;
mod drive;
mod engine;
mod error;
mod quic_sync;
mod record;
mod result;
mod retry;
mod shard_store;
mod wire;

pub use cancel::{Cancel, Canceller};
pub use config::{NetworkConfig, SyncConfig};
pub use engine::{SyncEngine, SyncOptions};
pub use error::SyncError;
pub use quic_sync::{QuicSync, QuicSyncResult};
pub use record::{ShardRecord, ShardStatus, SyncRecord};
pub use result::{SyncFailure, SyncProgress, SyncResult};
