//! The sync engine: drives sessions of `vectr-delta` over the streams of `vectr-transport` against the shards of
//! `vectr-core`. The only library that knows both SQLite and QUIC.

mod answer;
mod attempt;
mod auto_sync;
mod cancel;
mod config;
mod coordinator;
mod directory;
mod drive;
mod effort;
mod engine;
mod error;
mod event;
mod events;
mod observer;
mod quic_sync;
mod read_only;
mod record;
mod result;
mod retry;
mod server;
mod sessions;
mod shard_store;
mod totals;
mod wire;

pub use cancel::{Cancel, Canceller};
pub use config::{NetworkConfig, SyncConfig};
pub use coordinator::{
    Agenda, Assignment, CoordinatorStatistics, Peer, PeerStatus, ShardCoordinator, Topology,
};
pub use engine::{SyncEngine, SyncOptions, node_name};
pub use error::SyncError;
pub use event::SyncEvent;
pub use events::Events;
pub use quic_sync::{QuicSync, QuicSyncResult};
pub use record::{ShardRecord, ShardStatus, SyncRecord};
pub use result::{SyncFailure, SyncProgress, SyncResult};
pub use server::{ServerStatistics, SyncServer};
pub use totals::ShardTotals;
