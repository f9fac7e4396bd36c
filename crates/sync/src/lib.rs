//! The sync engine: drives sessions of `vectr-delta` over streams of `vectr-transport` against shards of `vectr-core`.
//! The only library that knows both SQLite and QUIC.
//!
//! ```
//! use vectr_core::VectrDB;
//! use vectr_sync::{SyncEngine, SyncOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (VectrDB::builder().open()?, VectrDB::builder().open()?); // in memory
//! let (alice_engine, bob_engine) = (SyncEngine::open(&alice, "alice")?, SyncEngine::open(&bob, "bob")?);
//! let (at_alice, at_bob) = (alice.shard("notes")?, bob.shard("notes")?);
//! at_alice.upsert("greeting", &[0.1, 0.9])?;
//! at_bob.upsert("farewell", &[0.8, 0.2])?;
//!
//! let address = alice_engine.listen("127.0.0.1:0").await?.to_string();
//! let result = bob_engine.sync(at_bob.id(), &address, SyncOptions::default()).await?.into_result()?;
//! assert_eq!((result.changes_sent, result.changes_applied), (1, 1));
//! assert_eq!(at_alice.digest()?, at_bob.digest()?);
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
mod feed;
mod limits;
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
pub use engine::exchange::Exchange;
pub use engine::status::{ShardState, ShardStatus, SyncStatus};
pub use engine::sync_engine::{SyncEngine, node_name};
pub use engine::totals::ShardTotals;
pub use error::SyncError;
pub use events::event::SyncEvent;
pub use events::hub::Events;
pub use feed::FeedStatistics;
pub use options::{Patience, SyncOptions};
pub use result::{SyncFailure, SyncProgress, SyncResult};
pub use server::sync_server::{ServerStatistics, SyncServer};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
