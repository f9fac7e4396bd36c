//! The sync engine: drives sessions of `vectr-delta` over streams of `vectr-transport` against shards of `vectr-core`.
//! The only library that knows both SQLite and QUIC.
//!
//! ```
//! use vectr_core::{Target, Config, VectrDB};
//! use vectr_delta::{NodeName, Payload, ShardId};
//! use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let notes = ShardId::new("notes")?;
//! let node = |name: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let db = VectrDB::new(Config::default())?; // in memory
//!     let name = NodeName::new(name)?;
//!     let engine = SyncEngine::new(db.clone(), name, SyncConfig::default(), NetworkConfig::default())?;
//!     Ok((db, engine))
//! };
//! let (alice, alice_engine) = node("alice")?;
//! let (bob, bob_engine) = node("bob")?;
//! alice.insert(Target::shard(&notes), None, Payload::from_components(&[0.1, 0.9], None)?)?;
//! bob.insert(Target::shard(&notes), None, Payload::from_components(&[0.8, 0.2], None)?)?;
//!
//! let address = alice_engine.listen("127.0.0.1:0").await?;
//! let result = bob_engine.sync(&notes, &address.to_string(), SyncOptions::default()).await?;
//! assert!(result.failure.is_none());
//! assert_eq!((result.changes_sent, result.changes_applied), (1, 1));
//! assert_eq!(alice.digest(&notes)?, bob.digest(&notes)?);
//! # bob_engine.close().await;
//! # alice_engine.close().await;
//! # Ok(())
//! # }
//! ```

mod cancellation;
mod compat;
mod config;
mod conflicts;
mod context;
mod coordinator;
mod engine;
mod entropy;
mod error;
mod events;
mod options;
mod result;
mod server;
mod session;
mod task_tracker;

pub use cancellation::{CancellationSource, CancellationToken};
pub use compat::{QuicSync, QuicSyncResult};
pub use config::{NetworkConfig, SyncConfig};
pub use conflicts::callback::{ConflictCallback, ConflictDecision, ConflictOutcome};
pub use coordinator::{
    Assignment, CoordinatorStatistics, Peer, PeerStatus, Scheduler, ShardCoordinator, Topology,
};
pub use engine::status::{ShardState, ShardStatus, SyncStatus};
pub use engine::sync_engine::{SyncEngine, node_name};
pub use engine::totals::ShardTotals;
pub use error::SyncError;
pub use events::event::SyncEvent;
pub use events::hub::Events;
pub use options::SyncOptions;
pub use result::{SyncFailure, SyncProgress, SyncResult};
pub use server::sync_server::{ServerStatistics, SyncServer};
